"""`anzhang board`: 36 articles, their obligations, one verdict each."""

from argparse import ArgumentParser
from typing import Any

from anzhang import clock
from anzhang.casework.board import Board, Square, board
from anzhang.directory.models import Unit
from anzhang.management import BadInputError, FailedError, Verb
from anzhang.regulation.verdicts import State

MARKS = {"met": "✓", "breach": "✗", "unknown": "?", "not_applicable": "-", "scope": "·"}


class Command(Verb):
    """Print the board as it was last judged; --check exits 1 when anything is in breach."""

    help = "print the board of all articles"
    reads = True

    def arguments(self, parser: ArgumentParser) -> None:
        """Take a unit."""
        parser.add_argument("--unit", metavar="CODE", help="the board of one unit")
        parser.add_argument("--check", action="store_true", help="exit 1 when an obligation is in breach")

    def run(self, **options: Any) -> None:
        """Print it."""
        unit = None
        if options["unit"]:
            unit = Unit.objects.filter(code=options["unit"]).first()
            if unit is None:
                raise BadInputError(f"no unit {options['unit']!r}; there are: {', '.join(Unit.objects.values_list('code', flat=True))}")
        found = board(clock.now(), unit)
        if options["as_json"]:
            self.print_json(found.as_json())
        else:
            self.print_board(found)
        breaches = found.counts[State.BREACH]
        if options["check"] and breaches:
            raise FailedError(f"{breaches} obligations are in breach")

    def print_board(self, found: Board) -> None:
        """Print one line per article, and below it the obligations that are judged."""
        whose = found.unit.name if found.unit else "全局"
        words = {"met": "符合", "breach": "不符合", "unknown": "未知", "not_applicable": "不适用"}
        counts = "，".join(f"{words[state]} {count}" for state, count in found.counts.items())
        self.stdout.write(f"{whose}：{len(found.articles)} 条 {len(found.squares)} 项义务，{counts}")
        for article in found.articles:
            self.stdout.write(f"{MARKS[article.state]} 第{article.number}条 {article.article.title.zh}　{article.state_text}")
            for square in article.squares:
                if square.is_judged:
                    self.print_square(square)

    def print_square(self, square: Square) -> None:
        """Print one judged obligation with its proof class where it is green."""
        proof = f"［{square.proof_text}］" if square.state is State.MET else ""
        provisional = "（暂行）" if square.provisional else ""
        title = f"{square.obligation.id} {square.obligation.title.zh}"
        self.stdout.write(f"    {MARKS[square.state]} {title}{proof}{provisional}：{square.text}")
