"""`anzhang demo`: a bureau everyone can know, with a week of log lines, planted breaches and a clock that can be moved."""

import os
import subprocess
import sys
from argparse import ArgumentParser
from typing import Any

from django.conf import settings

from anzhang.home import Home
from anzhang.management import BadInputError, FailedError, Verb
from anzhang.operate import listen, supervise
from anzhang.operate.initialize import Ports, make_directory

BUREAU = "天津市人力资源和社会保障局"
TRAFFIC = {"traffic": ("demo", "traffic")}


class Command(Verb):
    """Make the demo when it is not there, then run it; or move its clock, or print a log-in link."""

    help = "run the demo bureau; `demo login NAME` prints a one-use link; `--advance 8d` moves its clock"

    def arguments(self, parser: ArgumentParser) -> None:
        """Take an action and its name; `build`, `migrate` and `traffic` are the demo's own child processes."""
        parser.add_argument("action", nargs="?", choices=["run", "login", "build", "migrate", "traffic"], default="run")
        parser.add_argument("name", nargs="?", default="", help="log-in name for `login`; without it everybody's links")
        parser.add_argument("--once", action="store_true", help="make the demo, print the board, exit")
        parser.add_argument("--advance", metavar="8d", help="move the demo's clock forward: 8d, 12h or 30m")

    def run(self, **options: Any) -> None:
        """Dispatch."""
        home: Home = settings.HOME
        if home.exists and not home.is_demo:
            raise BadInputError(f"{home.path} is a real installation; the demo needs a folder of its own (--home)")
        if options["action"] == "run" and not options["advance"]:
            self.start(home, once=options["once"])
            return
        if not home.exists:
            raise BadInputError(f"{home.path} holds no demo yet; run `anzhang demo` first")
        from anzhang.demo import stage

        try:
            if options["advance"]:
                self.stdout.write(stage.advance(home, stage.parse_span(options["advance"])))
            elif options["action"] == "login":
                self.stdout.write(stage.login_links(home, options["name"]))
            elif options["action"] == "build":
                self.stdout.write(stage.build(home))
            elif options["action"] == "migrate":
                stage.migrate()
            else:
                stage.keep_sending(home)
        except stage.WrongWordError as error:
            raise BadInputError(str(error)) from error
        except stage.StageError as error:
            raise FailedError(str(error)) from error

    def start(self, home: Home, *, once: bool) -> None:
        """Make the demo in a process that reads its new settings, print board and links, then supervise it."""
        if not home.exists:
            if home.path.exists() and any(home.path.iterdir()):
                raise BadInputError(f"{home.path} is not empty and holds no demo; remove it and run again")
            make_directory(home, name=BUREAU, demo=True, ports=Ports(*(listen.free_port(port) for port in (8600, 5514, 8601))))
            self.child(home, "demo", "build")
        else:
            self.child(home, "demo", "migrate")
        self.child(home, "board")
        self.child(home, "demo", "login")
        if once:
            return
        place = listen.web(Home(home.path))
        if not place.is_free:
            raise BadInputError(f"{place} is taken by another program; change server.bind in {home.settings_file}")
        self.stdout.write(f"\n安章演示：http://{place}/  （Ctrl-C 停止）")
        self.stdout.flush()
        code = supervise.run(home, TRAFFIC)
        if code:
            raise SystemExit(code)

    def child(self, home: Home, *words: str) -> None:
        """Run another verb on the demo; what it prints is printed."""
        self.stdout.flush()
        done = subprocess.run([sys.executable, "-m", "anzhang", *words], env={**os.environ, "ANZHANG_HOME": str(home.path)}, check=False)
        if done.returncode:
            raise FailedError(f"`anzhang {' '.join(words)}` ended with {done.returncode}; remove {home.path} and run again")
