"""One article: official text where imported, each obligation in our words, verdict per unit, findings, what enforces it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import get_language
from django.views.decorators.http import require_GET

from anzhang import clock
from anzhang.casework import wording
from anzhang.casework.board import Square, UnitVerdict, board
from anzhang.casework.models import Finding
from anzhang.casework.parameters import catalog, values
from anzhang.casework.text import official
from anzhang.registers.declaration import REGISTERS, Register
from anzhang.registers.rights import Sight
from anzhang.regulation.binding import load_bindings
from anzhang.regulation.catalog import Obligation
from anzhang.regulation.checks import CHECKS, GATES, PROCEDURES, page
from anzhang.regulation.verdicts import State
from anzhang.web import board as boards
from anzhang.web.access import login_needed
from anzhang.web.actors import actor_of
from anzhang.web.findings import seen, title_of

FOLDED = 8  # units that keep an obligation are folded from so many on: what is wrong and what is unknown comes first
SHOWN = 50  # findings of an article; the list of findings has the rest


@dataclass(frozen=True)
class Part:
    """One obligation as the page draws it."""

    square: Square
    title: str
    duty: str
    sentences: tuple[str, ...]
    verdicts: tuple[tuple[UnitVerdict, str], ...]
    kept: tuple[tuple[UnitVerdict, str], ...]  # of units in order, where they are many
    findings: tuple[Finding, ...]
    open_words: tuple[tuple[str, object, bool], ...]
    registers: tuple[Register, ...]
    enforced: tuple[tuple[str, str], ...]

    @property
    def obligation(self) -> Obligation:
        """Return the obligation."""
        return self.square.obligation


@cache
def _bound() -> bool:
    load_bindings()
    return True


def _enforced(obligation: Obligation) -> tuple[tuple[str, str], ...]:
    """Return kind and place of everything in the program that enforces an obligation."""
    _bound()
    found = []
    if obligation.check in CHECKS:
        found.append(("check", f"{obligation.check} · {CHECKS[obligation.check].__module__}"))
    if obligation.gate:
        place = GATES[obligation.gate].__module__ if obligation.gate in GATES else ""
        found.append(("gate" if place else "no_door", f"{obligation.gate} · {place}" if place else obligation.gate))
    found += [("procedure", f"{name} · {PROCEDURES[name].__module__}") for name in obligation.procedures if name in PROCEDURES]
    return tuple(found)


@page("article")
@require_GET
@login_needed
def show(request: HttpRequest, number: int) -> HttpResponse:
    """Show an article for the units in the reader's sight."""
    rules = catalog()
    if number not in rules.by_article:
        raise Http404(number)
    article = rules.article(number)
    actor, at, language = actor_of(request), clock.now(), get_language() or "zh"
    sight = Sight(actor, at)
    choice = boards.choose(request, sight)
    block = board(at, choice.unit, rules.by_article[number]).article(number)
    findings = _findings(sight, number, choice)
    text = official(number)
    in_force = values(at)
    parts = []
    for square in block.squares:
        shown, kept = _folded([(verdict, wording.text(verdict.why)) for verdict in square.by_unit])
        parts.append(
            Part(
                square=square,
                title=title_of(square.obligation),
                duty=square.obligation.duty.in_language(language),
                sentences=tuple(sentence.text for sentence in text if sentence.ordinal in square.obligation.sentences),
                verdicts=shown,
                kept=kept,
                findings=tuple(findings[square.obligation.id]),
                open_words=tuple((name, in_force[name], name in in_force.unsigned) for name in square.obligation.params),
                registers=tuple(REGISTERS[name] for name in square.obligation.registers if name in REGISTERS),
                enforced=_enforced(square.obligation),
            )
        )
    numbers = [each.number for each in rules.articles]
    context = {
        "article": article,
        "title": article.title.in_language(language),
        "summary": article.summary.in_language(language),
        "chapter": next(each for each in rules.chapters if each.number == article.chapter).title.in_language(language),
        "state": block.state,
        "text": text,
        "parts": parts,
        "choice": choice,
        "previous": number - 1 if number - 1 in numbers else None,
        "next": number + 1 if number + 1 in numbers else None,
    }
    return render(request, "articles/article.html", context)


def _folded(rows: list[tuple[UnitVerdict, str]]) -> tuple[tuple[tuple[UnitVerdict, str], ...], tuple[tuple[UnitVerdict, str], ...]]:
    """Return the verdicts to show, what is wrong first, and those that are folded away."""
    kept = tuple(row for row in rows if row[0].state == State.MET)
    rest = [row for row in rows if row[0].state != State.MET]
    worst_first = sorted(rest, key=lambda row: row[0].state != State.BREACH)
    return (tuple(worst_first), kept) if len(kept) >= FOLDED else ((*worst_first, *kept), ())


def _findings(sight: Sight, number: int, choice: boards.Choice) -> Mapping[str, list[Finding]]:
    """Return the most urgent active findings of an article in sight, by obligation; of the chosen unit when there is one."""
    rows = seen(sight).filter(obligation__startswith=f"A{number:02d}.").exclude(state=Finding.State.CLOSED)
    if choice.unit is not None:
        rows = rows.filter(unit=choice.unit)
    found: dict[str, list[Finding]] = defaultdict(list)
    for finding in rows.only("number", "obligation", "subject_label", "state").order_by("due_at", "pk")[:SHOWN]:
        found[finding.obligation].append(finding)
    return found
