"""`anzhang regulation`: import the official text, or check a catalog folder."""

from argparse import ArgumentParser
from datetime import date
from pathlib import Path
from typing import Any

from anzhang import clock
from anzhang.casework import parameters, routes, text
from anzhang.directory.identity import cli_actor
from anzhang.management import BadInputError, FailedError, Verb
from anzhang.regulation import catalog
from anzhang.regulation.binding import load_bindings, unbound
from anzhang.regulation.reading import CatalogError

WORDS = {
    "missing": "缺少",
    "altered": "与原文不同",
    "reordered": "位置不对",
    "extra": "多出",
    "truncated": "不完整",
}


class Command(Verb):
    """Import the text that the bureau has, sentence by sentence; say what is wrong with a catalog; or begin one."""

    help = "import the official text (txt, docx), check a catalog folder, or digest a text for a new one"
    reads = True

    def arguments(self, parser: ArgumentParser) -> None:
        """Take the action and its file."""
        parser.add_argument("action", choices=["import", "check", "digest"])
        parser.add_argument("file", nargs="?", type=Path, help="the text; for `check` a catalog's folder, default the one in use")
        parser.add_argument("--accept", action="store_true", help="store a text that does not align throughout, marked so")
        parser.add_argument("--published-on", type=date.fromisoformat, metavar="YYYY-MM-DD", help="day of publication (Art. 36)")
        parser.add_argument("--effective-on", type=date.fromisoformat, metavar="YYYY-MM-DD", help="day from which it applies")

    def run(self, **options: Any) -> None:
        """Dispatch."""
        if options["action"] == "check":
            self.check_catalog(options["file"])
            return
        if options["file"] is None:
            raise BadInputError(f"regulation {options['action']}: name the file of the official text (txt or docx)")
        try:
            data = options["file"].read_bytes()
        except OSError as error:
            raise BadInputError(f"{options['file']}: {error.strerror}") from error
        if options["action"] == "digest":
            self.print_digests(options["file"], data)
            return
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
        """Load a catalog and its routes; exit 2 with the first defect, or with the names that nothing in the program carries."""
        place = folder or parameters.folder()
        try:
            found, ways = catalog.load(place), routes.load(place / "routes.toml")
        except (CatalogError, routes.RouteError) as error:
            raise BadInputError(str(error)) from error
        load_bindings()
        if strange := [str(error) for error in unbound(found)]:
            raise BadInputError("; ".join(strange))
        self.stdout.write(f"{found.name}: {len(found.articles)} articles, {len(found.obligations)} obligations, {len(ways)} routes")

    def print_digests(self, file: Path, data: bytes) -> None:
        """Print sentences.toml for a text: what a new catalog holds instead of the text."""
        try:
            articles = text.articles_of(text.read(data))
        except text.TextError as error:
            raise BadInputError(f"{file}: {error}") from error
        for article in articles:
            digests = "".join(f'  "{sentence.digest}",\n' for sentence in article.sentences)
            self.stdout.write(f"[article.{article.number}]\nsha256 = [\n{digests}]\n")

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
