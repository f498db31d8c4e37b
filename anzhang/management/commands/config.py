"""`anzhang config`: take collected configurations in, ask the gate before a change."""

import sys
from argparse import ArgumentParser
from datetime import datetime
from pathlib import Path
from typing import Any

from anzhang import clock
from anzhang.management import BadInputError, Verb

REFUSED = 3  # of the gate: a script tells it from a file that could not be read


class Command(Verb):
    """One sub-verb each: receive, check."""

    help = "take in configurations of network devices; ask whether a device may be changed now"

    def arguments(self, parser: ArgumentParser) -> None:
        """Declare the sub-verbs."""
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="receive|check")
        receive = verbs.add_parser("receive", help="keep configurations and how they differ; exit 1 when one was refused")
        receive.add_argument("files", type=Path, nargs="+", metavar="FILE", help="- for standard input")
        receive.add_argument("--device", default="", metavar="CODE", help="default: found by the name or the addresses in the file")
        receive.add_argument(
            "--collected-at", metavar="INSTANT", help="ISO 8601, Beijing unless it says otherwise; default: the file's time"
        )
        receive.add_argument("--json", action="store_true", dest="as_json", help="print JSON")
        check = verbs.add_parser("check", help="exit 0 when it may be changed now, 3 with what is missing when it may not")
        check.add_argument("device", metavar="DEVICE", help="its code on the register")
        check.add_argument("--json", action="store_true", dest="as_json", help="print JSON")

    def run(self, **options: Any) -> None:
        """Do the sub-verb."""
        getattr(self, f"_{options['verb']}")(options)

    def _receive(self, options: dict[str, Any]) -> None:
        from anzhang.directory.tickets import cli_actor
        from anzhang.network import snapshots
        from anzhang.permissions import RefusedError

        files = options["files"]
        if len(files) > 1 and options["device"]:
            raise BadInputError("--device: names one device, so give one file")
        given = instant_of(options["collected_at"]) if options["collected_at"] else None
        actor, told, refused = cli_actor("import"), [], []
        for file in files:
            body, changed = read(file)
            try:
                row = snapshots.receive_snapshot(actor, body, clock.now(), device=options["device"], collected_at=given or changed)
            except RefusedError as error:
                refused.append(f"{file}: {error.code}: {error.message} {error.remedy}".rstrip())
                continue
            told.append({
                "file": str(file), "device": row.device.code, "snapshot": row.pk, "dialect": row.dialect, "lines": row.lines,
                "added": row.added, "removed": row.removed, "unread": row.unread_count, "collected_at": row.collected_at,
            })  # fmt: skip
        if options["as_json"]:
            self.print_json(told)
        for each in [] if options["as_json"] else told:
            self.stdout.write("{file}: {device} {dialect} {lines} lines, +{added} -{removed}, {unread} unread".format(**each))
        for line in refused:
            sys.stderr.write(f"anzhang: refused: {line}\n")
        if refused:
            raise SystemExit(1)

    def _check(self, options: dict[str, Any]) -> None:
        from anzhang.network import change_gate

        refusal = change_gate.config_change(options["device"], clock.now())
        if options["as_json"]:
            said = {"code": refusal.code, "message": refusal.message, "remedy": refusal.remedy} if refusal else None
            way = f"/cases/new/{change_gate.ROUTE}/?devices={options['device']}" if refusal else None
            self.print_json({"allowed": refusal is None, "device": options["device"], "refusal": said, "apply": way})
        elif refusal is None:
            self.stdout.write(f"{options['device']}：现在可以变更")
        if refusal is not None:
            self.stop(REFUSED, f"{refusal.code}: {refusal.message} {refusal.remedy}")


def read(file: Path) -> tuple[bytes, datetime | None]:
    """Return the bytes of a file and when it was last written; of standard input nobody knows when. Raises BadInputError."""
    from anzhang.engines.configs import LARGEST

    if str(file) == "-":
        return sys.stdin.buffer.read(LARGEST + 1), None
    try:
        with file.open("rb") as opened:
            changed = datetime.fromtimestamp(int(file.stat().st_mtime), tz=clock.BEIJING)
            return opened.read(LARGEST + 1), changed
    except OSError as error:
        raise BadInputError(f"{file}: {error.strerror}") from error


def instant_of(text: str) -> datetime:
    """Return an instant; one without a zone is Beijing's. Raises BadInputError."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise BadInputError(f"--collected-at: {text!r} is no instant; write 2026-11-24T09:30") from error
    return found if found.tzinfo else found.replace(tzinfo=clock.BEIJING)
