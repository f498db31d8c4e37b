"""`anzhang regulation`: import the official text, or check a catalog folder."""

from argparse import ArgumentParser
from datetime import date
from pathlib import Path
from typing import Any

from anzhang import clock
from anzhang.casework import parameters, text
from anzhang.directory.identity import cli_actor
from anzhang.management import BadInputError, FailedError, Verb
from anzhang.regulation import catalog
from anzhang.regulation.reading import CatalogError

WORDS = {
    "missing": "缺少",
    "altered": "与原文不同",
    "reordered": "位置不对",
    "extra": "多出",
    "truncated": "不完整",
}


class Command(Verb):
    """Import the text that the bureau has, sentence by sentence; or say what is wrong with a catalog."""

    help = "import the official text (txt, docx), or check a catalog folder"
    reads = True

    def arguments(self, parser: ArgumentParser) -> None:
        """Take the action and its file."""
        parser.add_argument("action", choices=["import", "check"])
        parser.add_argument("file", nargs="?", type=Path, help="the text; for `check` a catalog's folder")
        parser.add_argument("--accept", action="store_true", help="store a text that does not align throughout, marked so")
        parser.add_argument("--published-on", type=date.fromisoformat, metavar="YYYY-MM-DD", help="day of publication (Art. 36)")
        parser.add_argument("--effective-on", type=date.fromisoformat, metavar="YYYY-MM-DD", help="day from which it applies")

    def run(self, **options: Any) -> None:
        """Dispatch."""
        if options["action"] == "check":
            self.check_catalog(options["file"])
            return
        if options["file"] is None:
            raise BadInputError("regulation import: name the file of the official text (txt or docx)")
        try:
            data = options["file"].read_bytes()
        except OSError as error:
            raise BadInputError(f"{options['file']}: {error.strerror}") from error
        dates = {key: options[key] for key in ("published_on", "effective_on")}
        try:
            report = text.import_text(cli_actor("regulation"), data, clock.now(), accept=options["accept"], **dates)
        except text.TextError as error:
            raise BadInputError(f"{options['file']}: {error}") from error
        if options["as_json"]:
            self.print_json(report.as_json())
        else:
            self.print_report(report)
        if not report.is_aligned:
            kept = "stored as not aligned" if report.stored else "not stored; --accept stores it as it is"
            raise FailedError(f"{len(report.alignment.differences)} differences from the catalog; {kept}")

    def check_catalog(self, folder: Path | None) -> None:
        """Load a catalog; exit 2 with its first defect."""
        try:
            found = catalog.load(folder) if folder else parameters.catalog()
        except CatalogError as error:
            raise BadInputError(str(error)) from error
        self.stdout.write(f"{found.name}: {len(found.articles)} articles, {len(found.obligations)} obligations")

    def print_report(self, report: text.Report) -> None:
        """Print counts, then one line per difference."""
        self.stdout.write(f"{report.title}：{report.articles} 条，{report.sentences} 句，{report.aligned} 句对齐")
        for difference in report.alignment.differences:
            place = f"第{difference.article}条" + (f"第{difference.sentence}句" if difference.sentence else "")
            found = "，现位于第{}条第{}句".format(*difference.found_at) if difference.found_at else ""
            self.stdout.write(f"  {place}：{WORDS[difference.kind]}{found}")
        if report.alignment.ends_early:
            self.stdout.write("  文本在结尾之前中断")
        if report.known:
            self.stdout.write("  此文本先前已导入")
