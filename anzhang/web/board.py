"""条款落实: the 36 articles of the bureau or of one unit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import get_language
from django.views.decorators.http import require_GET

from anzhang import clock
from anzhang.casework.parameters import catalog
from anzhang.casework.tally import Tally, Tile, tally
from anzhang.directory.models import Unit
from anzhang.registers.rights import Sight
from anzhang.regulation.checks import page
from anzhang.web.access import login_needed
from anzhang.web.actors import actor_of


@dataclass(frozen=True)
class Choice:
    """Whose board: `unit` None is the whole bureau, `units` may be chosen from; `whole` says whether the bureau may."""

    unit: Unit | None
    units: QuerySet[Unit]  # asked for where the page offers the choice
    whole: bool

    @property
    def query(self) -> str:
        """Return what keeps the choice in a link."""
        return f"?unit={self.unit.code}" if self.unit else ""


def choose(request: HttpRequest, sight: Sight) -> Choice:
    """Return the board asked for; who does not see the whole bureau begins with their own unit. 404 for a unit out of sight."""
    units = sight.narrowed(Unit.objects.filter(closed_on=None), ("path",))
    whole = sight.path is None
    code = request.GET.get("unit", "").replace("\x00", "")
    unit = units.filter(code=code).first() if code else None if whole else units.filter(pk=sight.actor.unit_id or 0).first()
    if unit is None and (code or not whole):
        raise Http404(code)
    return Choice(unit, units.only("code", "name"), whole)


@dataclass(frozen=True)
class Block:
    """One article as board and home draw it."""

    tile: Tile
    title: str

    @property
    def number(self) -> int:
        """Return the article's number."""
        return self.tile.number

    @property
    def state(self) -> str:
        """Return the worst state."""
        return self.tile.state

    @property
    def proofs(self) -> list[tuple[str, int]]:
        """Return how many obligations are Met under each proof class, never added up."""
        return by_proof(self.tile.proofs)

    @property
    def counts(self) -> list[tuple[str, int]]:
        """Return how many obligations are in each state, the worst first."""
        return [(state, self.tile.counts[state]) for state in ("breach", "unknown", "met") if self.tile.counts.get(state)]


def by_proof(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """Return counts in the order of proof classes, without those of which there are none."""
    return [(kind, counts[kind]) for kind in ("events", "register", "attested") if counts.get(kind)]


@dataclass(frozen=True)
class Part:
    """A chapter of the regulation on the board."""

    title: str
    blocks: tuple[Block, ...]


def blocks(found: Tally) -> tuple[Block, ...]:
    """Return the articles of a tally in the language of the moment."""
    language = get_language() or "zh"
    return tuple(Block(tile, tile.article.title.in_language(language)) for tile in found.tiles)


@page("board")
@require_GET
@login_needed
def show(request: HttpRequest) -> HttpResponse:
    """Show the board; `unit` chooses whose."""
    actor, at = actor_of(request), clock.now()
    choice = choose(request, Sight(actor, at))
    found = tally(at, choice.unit)
    language = get_language() or "zh"
    every = {block.number: block for block in blocks(found)}
    chapters = [
        Part(chapter.title.in_language(language), tuple(every[number] for number in range(chapter.first, chapter.last + 1)))
        for chapter in catalog().chapters
    ]
    context = {
        "choice": choice,
        "chapters": chapters,
        "totals": found.totals,
        "met_by_proof": by_proof(found.met_by_proof),
    }
    return render(request, "board/board.html", context)
