"""条款落实: the 36 articles of the bureau or of one unit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import get_language
from django.views.decorators.http import require_GET

from anzhang import clock
from anzhang.casework import board as boards
from anzhang.casework.board import ArticleSquare, Board
from anzhang.casework.parameters import catalog
from anzhang.directory.models import Unit
from anzhang.registers.rights import Sight
from anzhang.regulation.checks import page
from anzhang.web.access import login_needed
from anzhang.web.actors import actor_of


@dataclass(frozen=True)
class Choice:
    """Whose board: `unit` None is the whole bureau, `units` may be chosen from; `whole` says whether the bureau may."""

    unit: Unit | None
    units: Sequence[Unit]
    whole: bool

    @property
    def query(self) -> str:
        """Return what keeps the choice in a link."""
        return f"?unit={self.unit.code}" if self.unit else ""


def choose(request: HttpRequest, sight: Sight) -> Choice:
    """Return the board asked for; who does not see the whole bureau begins with their own unit. 404 for a unit out of sight."""
    units = list(sight.narrowed(Unit.objects.filter(closed_on=None), ("path",)))
    whole = sight.path is None
    code = request.GET.get("unit", "")
    if code:
        unit = next((each for each in units if each.code == code), None)
        if unit is None:
            raise Http404(code)
        return Choice(unit, units, whole)
    own = None if whole else next((each for each in units if each.pk == sight.actor.unit_id), None)
    if own is None and not whole:
        raise Http404
    return Choice(own, units, whole)


@dataclass(frozen=True)
class Block:
    """One article as board and home draw it."""

    square: ArticleSquare
    title: str

    @property
    def number(self) -> int:
        """Return the article's number."""
        return self.square.number

    @property
    def state(self) -> str:
        """Return the worst state."""
        return self.square.state

    @cached_property
    def units(self) -> int:
        """Return how many units answer for any part of it."""
        return len(self._judged)

    @cached_property
    def units_without_breach(self) -> int:
        """Return how many of those have no breach in it."""
        return len(self._judged) - sum("breach" in states for states in self._judged.values())

    @property
    def proofs(self) -> list[tuple[str, int]]:
        """Return how many obligations are Met under each proof class, never added up."""
        kinds = [each.obligation.proof for each in self.square.squares if each.state == "met"]
        return [(kind, kinds.count(kind)) for kind in ("events", "register", "attested") if kind in kinds]

    @property
    def provisional(self) -> bool:
        """Whether a part rests on an unsigned default."""
        return any(each.provisional for each in self.square.squares)

    @property
    def counts(self) -> list[tuple[str, int]]:
        """Return how many obligations are in each state, the worst first."""
        return [(state, self.square.counts[state]) for state in ("breach", "unknown", "met") if self.square.counts.get(state)]

    @cached_property
    def _judged(self) -> dict[str, set[str]]:
        states: dict[str, set[str]] = {}
        for each in self.square.squares:
            for verdict in each.by_unit:
                if verdict.code and verdict.state != "not_applicable":
                    states.setdefault(verdict.code, set()).add(str(verdict.state))
        return states


@dataclass(frozen=True)
class Part:
    """A chapter of the regulation on the board."""

    title: str
    blocks: tuple[Block, ...]


def blocks(found: Board) -> tuple[Block, ...]:
    """Return the articles of a board in the language of the moment."""
    language = get_language() or "zh"
    return tuple(Block(square, square.article.title.in_language(language)) for square in found.articles)


def totals(found: Board) -> dict[str, int]:
    """Return how many articles are in each state."""
    states = [article.state for article in found.articles]
    return {state: states.count(state) for state in ("met", "breach", "unknown", boards.SCOPE)}


@page("board")
@require_GET
@login_needed
def show(request: HttpRequest) -> HttpResponse:
    """Show the board; `unit` chooses whose."""
    actor, at = actor_of(request), clock.now()
    choice = choose(request, Sight(actor, at))
    found = boards.board(at, choice.unit)
    language = get_language() or "zh"
    every = {block.number: block for block in blocks(found)}
    chapters = [
        Part(chapter.title.in_language(language), tuple(every[number] for number in range(chapter.first, chapter.last + 1)))
        for chapter in catalog().chapters
    ]
    context = {
        "board": found,
        "choice": choice,
        "chapters": chapters,
        "totals": totals(found),
        "met_by_proof": [(kind, found.met_by_proof[kind]) for kind in ("events", "register", "attested") if kind in found.met_by_proof],
    }
    return render(request, "board/board.html", context)
