"""`anzhang <verb>`: the command line. Verbs are the management commands of this package and nothing else."""

from __future__ import annotations

import importlib
import os
import pkgutil
import signal
import sys
from pathlib import Path

from anzhang.home import HomeError

EXIT_BAD_INPUT = 2
STARTERS = frozenset({"up", "demo"})  # they only start other processes, or set Django up themselves: loading it twice costs a second
DAEMONS = frozenset({"worker", "collector", "sequencer"})


def verbs() -> list[str]:
    """Return the names of all verbs."""
    folder = Path(__file__).parent / "management" / "commands"
    return sorted(module.name for module in pkgutil.iter_modules([str(folder)]) if not module.name.startswith("_"))


def main() -> None:
    """Run the verb that the command line names."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "anzhang.settings")
    arguments = sys.argv[1:]
    if "--home" in arguments:
        place = arguments.index("--home")
        if place + 1 >= len(arguments):
            _leave("--home needs a folder")
        os.environ["ANZHANG_HOME"] = str(Path(arguments[place + 1]).resolve())
        del arguments[place : place + 2]
    if not arguments or arguments[0] in {"help", "--help", "-h"}:
        sys.stdout.write("anzhang [--home DIR] <verb> [...]\n\n" + "".join(f"  {verb}\n" for verb in verbs()))
        return
    verb = arguments[0].replace("-", "_")
    if verb not in verbs():
        _leave(f"no verb {arguments[0]!r}; `anzhang help` lists them")
    try:
        _run(verb, ["anzhang", verb, *arguments[1:]])
    except HomeError as error:
        _leave(str(error))


def _run(verb: str, words: list[str]) -> None:
    if verb in DAEMONS:
        # Until the daemon's own handlers stand, which takes as long as its libraries take to load, a signal is a clean end: nothing is
        # open yet. An exception would not do: a library that catches everything while it loads would catch it too.
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, lambda *_: os._exit(0))
    if verb in DAEMONS or verb == "demo":
        from anzhang.operate.readiness import stand_back

        stand_back()
    if verb in STARTERS:
        importlib.import_module(f"anzhang.management.commands.{verb}").Command().run_from_argv(words)
        return
    from django.core.management import ManagementUtility

    ManagementUtility(words).execute()


def _leave(line: str) -> None:
    sys.stderr.write(f"anzhang: {line}\n")
    raise SystemExit(EXIT_BAD_INPUT)


if __name__ == "__main__":
    main()
