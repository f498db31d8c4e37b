"""凭据: what proves or disproves one obligation for a unit: subjects one by one, register rows, cases, log lines, ledger entries.

Four parts, each with an address: the verdict with what disproves it, every subject measured anew, the records that the check
reads, how the verdict came about in the ledger.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Model, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from anzhang import clock
from anzhang.casework import proofs, remedies, routes, wording
from anzhang.casework.board import board
from anzhang.casework.models import Finding, Verdict
from anzhang.casework.parameters import catalog
from anzhang.casework.proofs import Item
from anzhang.engines import masking
from anzhang.events import Event
from anzhang.journal.models import Entry
from anzhang.permissions import Actor, RefusedError
from anzhang.registers import values
from anzhang.registers.declaration import REGISTERS, Register
from anzhang.registers.rights import Sight
from anzhang.regulation.catalog import Obligation
from anzhang.regulation.checks import page
from anzhang.regulation.verdicts import State
from anzhang.web import board as boards
from anzhang.web import cases as cases_page
from anzhang.web import evidence
from anzhang.web import findings as findings_page
from anzhang.web.access import login_needed
from anzhang.web.actors import actor_of
from anzhang.web.board import Choice
from anzhang.web.evidence import Evidence
from anzhang.web.search import sources_of

PAGE_SIZE, LATEST = 50, 20
REGISTERS_SHOWN, ROWS_SHOWN, COLUMNS_SHOWN = 3, 10, 4
SEARCHED = timedelta(days=30)


def address(obligation: Obligation, unit: str = "", **more: str) -> str:
    """Return where the proofs of an obligation are read, for a unit or for the bureau."""
    query = urlencode({key: value for key, value in {"unit": unit, **more}.items() if value})
    return reverse("proofs", args=[obligation.article, obligation.id]) + (f"?{query}" if query else "")


@dataclass(frozen=True)
class Place:
    """One obligation, for whom, who reads, and when."""

    obligation: Obligation
    choice: Choice
    actor: Actor
    sight: Sight
    at: datetime

    @property
    def unit_code(self) -> str:
        """Return the unit's code, empty for the bureau."""
        return self.choice.unit.code if self.choice.unit else ""


def _place_or_404(request: HttpRequest, number: int, key: str) -> Place:
    obligation = catalog().by_id.get(key)
    if obligation is None or obligation.article != number:
        raise Http404(key)
    actor, at = actor_of(request), clock.now()
    sight = Sight(actor, at)
    return Place(obligation, boards.choose(request, sight), actor, sight, at)


@page("proofs", nouns=("finding",))
@require_GET
@login_needed
def show(request: HttpRequest, number: int, key: str) -> HttpResponse:
    """Show what a verdict rests on; `part` chooses which of the four, `state` narrows the subjects."""
    return _page(request, _place_or_404(request, number, key))


def _page(request: HttpRequest, place: Place, refusal: RefusedError | None = None) -> HttpResponse:
    obligation = place.obligation
    part = request.GET.get("part", "")
    parts = {"": _("结论与问题"), "subjects": _("逐个对象"), "records": _("台账、事项与日志"), "ledger": _("经过与存证")}
    shown = {"subjects": _subjects, "records": _records, "ledger": _ledger}.get(part, _standing)
    context = {
        "obligation": obligation,
        "title": findings_page.title_of(obligation),
        "duty": obligation.duty.in_language(get_language() or "zh"),
        "choice": place.choice,
        "part": part if part in parts else "",
        "tabs": [(name, word, address(obligation, place.unit_code, part=name)) for name, word in parts.items()],
        "refusal": refusal,
        "now": place.at,
        **shown(request, place),
    }
    return render(request, "articles/proofs.html", context)


# The verdict, what disproves it, and what people point to


@dataclass(frozen=True)
class Fault:
    """A finding that stands, with what proves it."""

    finding: Finding
    reason: str
    evidence: Sequence[Evidence]


def _standing(_request: HttpRequest, place: Place) -> dict[str, Any]:
    article = board(place.at, place.choice.unit, [place.obligation]).article(place.obligation.article)
    square = next(each for each in article.squares if each.obligation is place.obligation)
    active = _findings(place).exclude(state=Finding.State.CLOSED).order_by("due_at", "pk")
    total = active.count()
    rows = list(active[:LATEST])
    references = iter(evidence.of([ref for row in rows for ref in row.evidence]))
    return {
        "square": square,
        "reason": wording.text(square.why),
        "faults": [Fault(row, masking.mask(wording.text(row.reason)), [next(references) for _ref in row.evidence]) for row in rows],
        "total": total,
        "links": list(remedies.links_of(None, place.obligation.id, place.choice.unit)),
        "may_remedy": remedies.may_remedy(place.actor, place.choice.unit, place.at),
    }


def _findings(place: Place) -> QuerySet[Finding]:
    about = findings_page.seen(place.sight).filter(obligation=place.obligation.id)
    return about if place.choice.unit is None else about.filter(unit=place.choice.unit)


# What was measured


@dataclass(frozen=True)
class Line:
    """One subject as the page draws it."""

    subject: Evidence
    item: Item
    reason: str
    evidence: Sequence[Evidence]
    finding: str


def _subjects(request: HttpRequest, place: Place) -> dict[str, Any]:
    from anzhang.engines.vault import Vault  # its libraries are loaded by whoever needs them, not by every web process

    found = proofs.measure(place.obligation, place.at, Vault(settings.HOME.vault))
    items = found.of(None if place.choice.unit is None else {place.unit_code})
    counts = Counter(item.state for item in items)
    state = request.GET.get("state", "")
    if state in {str(each) for each in counts}:
        items = [item for item in items if item.state == state]
    shown = Paginator(items, PAGE_SIZE).get_page(request.GET.get("page"))
    kept = {"unit": place.unit_code, "part": "subjects", "state": state}
    return {
        "lines": _lines(place, list(shown)),
        "page": shown,
        "query": f"{urlencode({name: value for name, value in kept.items() if value})}&",
        "states": [
            (each, counts[each], address(place.obligation, place.unit_code, part="subjects", state=str(each)))
            for each in State
            if counts[each]
        ],
        "state": state,
        "unmeasured": wording.text(found.why) if found.why else "",
        "measured_at": found.at,
    }


def _lines(place: Place, items: Sequence[Item]) -> list[Line]:
    """Return the page's subjects with the findings about them; one query for findings, one for log segments."""
    active = _findings(place).exclude(state=Finding.State.CLOSED)
    about = dict(active.filter(subject__in={item.subject.key for item in items}).values_list("subject", "number"))
    references = evidence.of([ref for item in items for ref in (item.subject.key, *item.evidence)])
    lines, place_in_list = [], 0
    for item in items:
        own, *rest = references[place_in_list : place_in_list + 1 + len(item.evidence)]
        place_in_list += 1 + len(item.evidence)
        subject = Evidence(masking.mask(item.subject.label) or _("未核对的范围"), own.href)
        reason = masking.mask(wording.text(item.why)) if item.why else _("核对未见不符")
        lines.append(Line(subject, item, reason, rest, about.get(item.subject.key, "")))
    return lines


# The records behind it


@dataclass(frozen=True)
class Records:
    """Rows of one register that concern the unit; `more` when there are more than are shown."""

    register: Register
    rows: tuple[tuple[str, str], ...]
    href: str
    more: bool


def _records(_request: HttpRequest, place: Place) -> dict[str, Any]:
    rules = catalog()
    names = [name for name in place.obligation.registers if name in REGISTERS][:REGISTERS_SHOWN]
    resting = [way.key for way in routes.current().values() if place.obligation.article in way.articles]
    cases = cases_page.seen(place.sight).filter(route__in=resting).select_related("unit", "applicant")
    if place.choice.unit is not None:
        cases = cases.filter(unit=place.choice.unit)
    streams = sorted(place.obligation.nouns & rules.streams)
    return {
        "records": [_rows(place, REGISTERS[name]) for name in names],
        "cases": cases.order_by("-filed_at", "pk")[:LATEST],
        "streams": [rules.vocabulary["stream"][name][get_language() if get_language() == "en" else "zh"] for name in streams],
        "sources": _sources(place) if streams or "log_source" in place.obligation.nouns else (),
    }


def _rows(place: Place, register: Register) -> Records:
    rows = place.sight.rows(register)
    query = ""
    if place.choice.unit is not None and register.scope:
        own = Q()
        for path in register.scope:
            own |= Q(**{path: place.choice.unit.path})
        rows, query = rows.filter(own), f"?{urlencode({'unit': place.unit_code})}"
    found = list(rows.select_related(*register.relations(register.columns)).order_by(*register.order)[: ROWS_SHOWN + 1])
    shown = tuple((_label(register, row), reverse("register_row", args=[register.id, row.pk])) for row in found[:ROWS_SHOWN])
    return Records(register, shown, reverse("register", args=[register.id]) + query, len(found) > ROWS_SHOWN)


def _label(register: Register, row: Model) -> str:
    """Return the first columns of a row as its register's list shows them."""
    shown = (register.show(path, values.value_at(row, path)) for path in register.columns[:COLUMNS_SHOWN])
    return " · ".join(text for text in shown if text)


def _sources(place: Place) -> list[tuple[str, str]]:
    """Return the log sources of the unit that the reader may search, each with the address of a search of the last days."""
    since = (place.at - SEARCHED).astimezone(clock.BEIJING).strftime("%Y-%m-%dT%H:%M")
    found = [each for each in sources_of(place.actor, place.at) if place.choice.unit is None or each.unit_id == place.choice.unit.pk]
    return [
        (f"{each.code} {each.name}", f"{reverse('search')}?{urlencode({'source': each.code, 'since': since})}") for each in found[:LATEST]
    ]


# How it came about


@dataclass(frozen=True)
class Moment:
    """One state that a verdict had, from when on, and its entry in the ledger where it was a change."""

    verdict: Verdict
    state: State
    reason: str
    entry: int | None


def _ledger(_request: HttpRequest, place: Place) -> dict[str, Any]:
    rows = Verdict.objects.filter(obligation=place.obligation.id).select_related("unit")
    if place.choice.unit is not None:
        rows = rows.filter(Q(unit=place.choice.unit) | Q(unit=None))
    history = list(rows.order_by("-since", "-pk")[:LATEST])
    entries = Entry.objects.filter(act=Event.VERDICT_CHANGE, object_type="obligation", object_key=place.obligation.id)
    noted = dict(entries.filter(at__in={row.since for row in history}).values_list("at", "index"))
    return {
        "moments": [Moment(row, State(row.state), wording.text(row.why), noted.get(row.since)) for row in history],
        "findings": _findings(place).order_by("-opened_at", "pk")[:LATEST],
    }


@require_POST
@login_needed
def link(request: HttpRequest, number: int, key: str) -> HttpResponse:
    """Put a link to evidence beside the verdict or take one down, as the button says."""
    place = _place_or_404(request, number, key)
    unit, verb = place.choice.unit, request.POST.get("verb", "")
    try:
        if verb == "add":
            title, where = (request.POST.get(name, "") for name in ("title", "address"))
            remedies.add_evidence(place.actor, title, where, place.at, obligation=key, unit=unit)
            messages.success(request, _("已登记佐证。"))
        else:
            kept = remedies.links_of(None, key, unit)
            found = next((each for each in kept if verb == f"remove:{each.pk}"), None)
            if found is None:
                raise Http404(verb)
            remedies.remove_evidence(place.actor, found, place.at)
            messages.success(request, _("已撤下佐证。"))
    except RefusedError as refusal:
        return _page(request, place, refusal)
    return redirect(address(place.obligation, place.unit_code))
