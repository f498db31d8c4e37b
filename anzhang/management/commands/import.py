"""`anzhang import REGISTER FILE`: bring a sheet into a plain register, all rows or none."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from anzhang import clock
from anzhang.directory.tickets import cli_actor
from anzhang.management import BadInputError, FailedError, Verb
from anzhang.registers import exporting, importing, plans, sheets
from anzhang.registers.declaration import REGISTERS, Register

SHOWN = 50


class Command(Verb):
    """Without --dry-run the rows are written; every fault is printed with its cell, and then nothing is."""

    help = "import a sheet (xlsx or CSV) into a plain register; --template writes the sheet to fill"
    reads = True

    def arguments(self, parser: ArgumentParser) -> None:
        """Take the register, the file, and what to do."""
        parser.add_argument("register", help="register id, e.g. person")
        parser.add_argument("file", help="xlsx or CSV file; with --template the file to write, - for standard output")
        parser.add_argument("--template", action="store_true", help="write an empty sheet with headers and hints to FILE")
        parser.add_argument("--dry-run", action="store_true", help="say what would happen and write nothing")

    def run(self, **options: Any) -> None:
        """Plan, print, apply."""
        register = plain_register(options["register"])
        if options["template"]:
            write_file(options["file"], exporting.template(register))
            return
        actor, now = cli_actor("import"), clock.now()
        try:
            data = Path(options["file"]).read_bytes()
        except OSError as error:
            raise BadInputError(f"{options['file']}: {error.strerror}") from error
        try:
            plan = importing.plan(register, data, options["file"], actor, now)
        except sheets.BadSheetError as error:
            raise BadInputError(f"{options['file']}: {error}") from error
        if not plan.faults and not options["dry_run"]:
            importing.apply(plan, actor, now)
        self._report(plan, options)

    def _report(self, plan: plans.Plan, options: dict[str, Any]) -> None:
        counts = {"created": plan.created, "changed": plan.changed, "unchanged": plan.unchanged}
        if plan.faults:
            counts = {"created": 0, "changed": 0, "unchanged": plan.unchanged}
        if options["as_json"]:
            faults = [{"cell": fault.cell, "message": fault.message} for fault in plan.faults]
            self.print_json({"register": plan.register.id, "dry_run": options["dry_run"], **counts, "faults": faults})
        else:
            for fault in plan.faults[:SHOWN]:
                self.stdout.write(f"{fault.cell}: {fault.message}")
            self.stdout.write(f"{plan.register.id}: " + ", ".join(f"{count} {word}" for word, count in counts.items()))
        if plan.faults:
            raise FailedError(f"{options['file']}: {len(plan.faults)} faults, no row imported")


def register_named(name: str) -> Register:
    """Return a declared register. Raises BadInputError listing what there is."""
    if name not in REGISTERS:
        raise BadInputError(f"no register {name!r}; there are: {', '.join(sorted(REGISTERS))}")
    return REGISTERS[name]


def plain_register(name: str) -> Register:
    """Return a register that takes sheets. Raises BadInputError."""
    register = register_named(name)
    if not register.writable:
        plain = ", ".join(sorted(each.id for each in REGISTERS.values() if each.writable))
        raise BadInputError(f"register {name} takes no sheet (kind {register.kind}); these do: {plain}")
    return register


def write_file(name: str, body: bytes) -> None:
    """Write a file, or standard output for `-`. Raises BadInputError."""
    if name == "-":
        sys.stdout.buffer.write(body)
        return
    try:
        Path(name).write_bytes(body)
    except OSError as error:
        raise BadInputError(f"{name}: {error.strerror}") from error
