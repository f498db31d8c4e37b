"""`anzhang export REGISTER FILE`: write a register's rows to xlsx or CSV; the ledger keeps who took them."""

from __future__ import annotations

import importlib
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.http import QueryDict

from anzhang import clock
from anzhang.casework import exports
from anzhang.directory.tickets import cli_actor
from anzhang.management import BadInputError, Verb
from anzhang.registers import exporting, listing, procedures
from anzhang.registers.rights import Sight

# `import` is a word of the language, so its module is reached by name.
sheet_verb = importlib.import_module("anzhang.management.commands.import")


class Command(Verb):
    """The form follows the file's name: .xlsx or .csv."""

    help = "export a register to FILE.xlsx or FILE.csv"

    def arguments(self, parser: ArgumentParser) -> None:
        """Take the register, the file and the filter."""
        parser.add_argument("register", help="register id, e.g. person")
        parser.add_argument("file", help="file to write, ending in .xlsx or .csv")
        parser.add_argument("--filter", default="", help="the query of the register's page, e.g. 'unit=JYC&q=…'")
        parser.add_argument("--case", default="", help="number of the granted export case that is carried out (more than 1,000 rows)")

    def run(self, **options: Any) -> None:
        """Select, write, record."""
        register = sheet_verb.register_named(options["register"])
        form = Path(options["file"]).suffix.removeprefix(".").lower()
        if form not in exporting.TYPES:
            raise BadInputError(f"{options['file']}: the name must end in .xlsx or .csv")
        actor, now = cli_actor("export"), clock.now()
        try:
            query = listing.parse(register, QueryDict(options["filter"]).dict())
            rows = listing.select(register, query, Sight(actor, now))
        except listing.BadQueryError as error:
            raise BadInputError(f"--filter: {error.name}: {error.message}") from error
        asked, many = query.address(page=1, sort="", size=listing.DEFAULT_SIZE), rows.count()
        try:
            approval = exports.require(actor, register.id, asked, many, now, options["case"])
        except exports.ExportNeedsApprovalError:
            procedures.record_export_refused(actor, register, at=now, rows=many, query=asked)
            raise
        body, count = exporting.export(register, rows, form)
        basis = approval.case.number if approval else ""
        procedures.record_export(actor, register, at=now, rows=count, form=form, query=query.address(page=1), basis=basis)
        sheet_verb.write_file(options["file"], body)
        self.stdout.write(f"{register.id}: {count} rows")
