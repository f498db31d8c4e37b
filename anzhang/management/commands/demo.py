"""`anzhang demo`: a bureau everyone can know, with a month of evidence, planted breaches and a clock that can be moved."""

import os
import subprocess
import sys
from argparse import ArgumentParser
from typing import Any

import django
from django.core.management import call_command

from anzhang.demo import signing
from anzhang.demo.size import DAYS, DEVICES, FEWEST_DAYS, FEWEST_DEVICES
from anzhang.home import Home
from anzhang.management import BadInputError, FailedError, Verb
from anzhang.operate import listen, supervise
from anzhang.operate.initialize import Ports, make_directory

BUREAU = "天津市人力资源和社会保障局"
WEB = 8600
TRAFFIC = {"traffic": ("demo", "traffic")}


class Command(Verb):
    """Make the demo when it is not there, then run it; or move its clock, or print a log-in link."""

    help = "run the demo bureau; `demo login NAME` prints a one-use link; `--advance 8d` moves its clock"

    def arguments(self, parser: ArgumentParser) -> None:
        """Take an action and its name; `build`, `migrate`, `show` and `traffic` are the demo's own child processes."""
        parser.add_argument("action", nargs="?", choices=["run", "login", "build", "migrate", "show", "traffic"], default="run")
        parser.add_argument("name", nargs="?", default="", help="log-in name for `login`; without it everybody's links")
        parser.add_argument("--once", action="store_true", help="make the demo, print the board, exit")
        parser.add_argument("--devices", type=int, default=DEVICES, help=f"of a new demo (default %(default)s, at least {FEWEST_DEVICES})")
        parser.add_argument("--days", type=int, default=DAYS, help=f"days of its evidence (default %(default)s, at least {FEWEST_DAYS})")
        parser.add_argument(
            "--port", type=int, default=WEB, help="of the pages of a new demo (default %(default)s); its listeners are beside it"
        )
        parser.add_argument("--advance", metavar="8d", help="move the demo's clock forward: 8d, 12h or 30m")

    def run(self, **options: Any) -> None:
        """Dispatch."""
        home = Home.current()
        if home.exists and not home.is_demo:
            raise BadInputError(f"{home.path} is a real installation; the demo needs a folder of its own (--home)")
        if options["action"] == "run" and not options["advance"]:
            self.start(home, options)
            return
        if not home.exists:
            raise BadInputError(f"{home.path} holds no demo yet; run `anzhang demo` first")
        django.setup()
        from anzhang.demo import stage

        try:
            self.act(home, stage, options)
        except stage.WrongWordError as error:
            raise BadInputError(str(error)) from error
        except stage.StageError as error:
            raise FailedError(str(error)) from error

    def act(self, home: Home, stage: Any, options: dict[str, Any]) -> None:
        """Do one of the actions that need the database."""
        if options["advance"]:
            self.stdout.write(stage.advance(home, stage.parse_span(options["advance"])))
        elif options["action"] == "migrate":
            stage.migrate()
        elif options["action"] == "traffic":
            stage.keep_sending(home)
        elif options["action"] == "build":
            self.stdout.write(stage.build(home, options["devices"], options["days"]))
        else:
            if options["action"] == "show":
                call_command("board", stdout=self.stdout)
            self.stdout.write(stage.login_links(home, options["name"]))

    def start(self, home: Home, options: dict[str, Any]) -> None:
        """Make the demo where none stands, print board and links, and supervise it: one that stands has its pages first."""
        fresh, once, devices, days, port = not home.exists, *(options[name] for name in ("once", "devices", "days", "port"))
        if fresh:
            if devices < FEWEST_DEVICES or days < FEWEST_DAYS:
                raise BadInputError(f"the demo's breaches need --devices {FEWEST_DEVICES} and --days {FEWEST_DAYS} at least")
            if home.path.exists() and any(home.path.iterdir()):
                raise BadInputError(f"{home.path} is not empty and holds no demo; remove it and run again")
            ports = Ports(*listen.free_ports(port, 5514 if port == WEB else port + 2, port + 1))
            make_directory(home, name=BUREAU, demo=True, ports=ports)
            with home.settings_file.open("a", encoding="utf-8") as file:
                file.write(signing.settings())
            self.child(home, "demo", "build", "--devices", str(devices), "--days", str(days))
        elif supervise.behind(home):
            self.child(home, "demo", "migrate")
        if fresh or once:
            self.child(home, "demo", "show")
        if once:
            return
        place = listen.web(Home(home.path))
        if not place.is_free:
            raise BadInputError(f"{place} is taken by another program; change server.bind in {home.settings_file}")
        self.stdout.write(f"\n安章演示：http://{place}/  （Ctrl-C 停止）")
        self.stdout.flush()
        code = supervise.run(home, TRAFFIC, None if fresh else lambda: self.show(home))
        if code:
            raise SystemExit(code)

    def show(self, home: Home) -> None:
        """Print board and links while the demo runs; a demo that cannot print them runs on."""
        try:
            self.child(home, "demo", "show")
        except FailedError as error:
            self.stderr.write(f"anzhang: {error}")

    def child(self, home: Home, *words: str) -> None:
        """Run another verb on the demo; what it prints is printed."""
        self.stdout.flush()
        done = subprocess.run([sys.executable, "-m", "anzhang", *words], env={**os.environ, "ANZHANG_HOME": str(home.path)}, check=False)
        if done.returncode:
            raise FailedError(f"`anzhang {' '.join(words)}` ended with {done.returncode}; remove {home.path} and run again")
