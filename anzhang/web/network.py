"""网络图: the zones of the bureau, what joins them with each other and with outside bodies, and what was found there (Art. 9, 10).

The gate of links answers here whether a passage is approved now.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET

from anzhang import clock
from anzhang.casework import parameters, wording
from anzhang.casework.models import Finding, Verdict
from anzhang.network import gate, scopes
from anzhang.network.models import Device, Interconnection, Link, Zone
from anzhang.registers.rights import Sight
from anzhang.regulation.checks import page
from anzhang.web.access import login_needed
from anzhang.web.actors import actor_of
from anzhang.web.asked import typed

CHECKS = frozenset({"links_to_internet_approved", "internal_devices_offline", "outside_peers_approved", "interconnections_have_schemes",
                    "interconnections_within_scope"})  # whose findings the page shows  # fmt: skip
SHOWN_FINDINGS = 50
ENDED_SHOWN = timedelta(days=30)  # how long what has ended stays on the map
SOON = timedelta(days=30)
STATES: dict[str, str | Promise] = {
    "future": gettext_lazy("未生效"),
    "valid": gettext_lazy("有效"),
    "soon": gettext_lazy("即将到期"),
    "over": gettext_lazy("已失效"),
}
# The map: two columns of boxes; units of the drawing, which the page scales to its width.
WIDTH, BOX, TALL, GAP, MOST_LETTERS = 960, 300, 54, 18, 22


@dataclass(frozen=True)
class Crossing:
    """A link or an interconnection on the map: its state now, and how many findings about it stand."""

    row: Link | Interconnection
    state: str
    findings: int

    @property
    def label(self) -> str | Promise:
        """Return the word of its state."""
        return STATES[self.state]

    @property
    def late(self) -> bool:
        """Whether it was approved after it had begun (补批)."""
        return self.row.basis.valid_from > self.row.valid_from


@dataclass(frozen=True)
class Box:
    """A zone or an outside body, drawn; `y` is its upper edge."""

    key: str
    title: str
    note: str
    x: int
    y: int
    kind: str

    @property
    def middle(self) -> int:
        """Return the height of its middle."""
        return self.y + TALL // 2

    @property
    def inside(self) -> int:
        """Return where its text begins."""
        return self.x + 12

    @property
    def first_line(self) -> int:
        """Return the baseline of its title."""
        return self.y + 23

    @property
    def second_line(self) -> int:
        """Return the baseline of its note."""
        return self.y + 42


@dataclass(frozen=True)
class Line:
    """One line between two boxes: an SVG path, its state, its title."""

    path: str
    state: str
    title: str


def state_of(row: Link | Interconnection, at: datetime) -> str:
    """Return how a link or an interconnection stands at an instant: a key of `STATES`."""
    if row.valid_to is not None and row.valid_to <= at:
        return "over"
    if row.valid_from > at:
        return "future"
    return "soon" if row.valid_to is not None and row.valid_to <= at + SOON else "valid"


@page("network", nouns=("zone", "link", "interconnection"))
@require_GET
@login_needed
def show(request: HttpRequest) -> HttpResponse:
    """Show the map of what the reader sees, the tables behind it, and what the gate says of a passage that is asked about."""
    at = clock.now()
    sight = Sight(actor_of(request), at)
    recent = Q(valid_to=None) | Q(valid_to__gt=at - ENDED_SHOWN)
    findings = _findings(sight)
    about: dict[str, int] = {}
    for subject in findings.values_list("subject", flat=True):
        about[subject] = about.get(subject, 0) + 1
    links = [
        Crossing(row, state_of(row, at), 0)
        for row in sight.narrowed(Link.objects.filter(recent, superseded_at=None), ("unit__path",)).select_related(
            "unit", "person", "near_zone", "far_zone", "basis__case"
        )
    ]
    interconnections = [
        Crossing(row, state_of(row, at), about.get(f"interconnection:{row.code}", 0))
        for row in sight.narrowed(Interconnection.objects.filter(recent, superseded_at=None), ("unit__path",)).select_related(
            "unit", "person", "standard", "basis__case"
        )
    ]
    zones = _zones(sight, links, interconnections)
    counted = Device.objects.filter(zone__in=zones, state=Device.State.IN_SERVICE).order_by().values_list("zone").annotate(Count("pk"))
    devices: dict[int, int] = dict(counted)
    boxes, lines = draw(zones, devices, links, interconnections)
    context = {
        "zones": [(zone, devices.get(zone.pk, 0), about.get(f"zone:{zone.code}", 0)) for zone in zones],
        "links": links,
        "interconnections": interconnections,
        "boxes": boxes,
        "lines": lines,
        "width": WIDTH,
        "height": max((box.y + TALL + GAP for box in boxes), default=0),
        "box": BOX,
        "tall": TALL,
        "findings": [(each, wording.text(each.reason)) for each in findings.order_by("due_at", "pk")[:SHOWN_FINDINGS]],
        "count": findings.count(),
        "verdicts": _verdicts(),
        "states": STATES,
        "now": at,
    }
    return render(request, "network/map.html", context | _asked(request, at))


def _obligations() -> dict[str, Any]:
    return {each.id: each for each in parameters.catalog().obligations if each.check in CHECKS}


def _findings(sight: Sight) -> QuerySet[Finding]:
    standing = Finding.objects.filter(obligation__in=_obligations()).exclude(state=Finding.State.CLOSED)
    return sight.narrowed(standing, ("unit__path",))


def _verdicts() -> list[tuple[Any, str, datetime]]:
    """Return the obligations of the page with their worst verdict and when it was measured; those never measured are left out."""
    worst: dict[str, tuple[str, datetime]] = {}
    order = ("breach", "unknown", "met", "not_applicable")
    for obligation, state, checked_at in Verdict.objects.filter(obligation__in=_obligations(), current=True).values_list(
        "obligation", "state", "checked_at"
    ):
        known = worst.get(obligation)
        if known is None or order.index(state) < order.index(known[0]):
            worst[obligation] = (state, checked_at)
    return [(each, *worst[key]) for key, each in _obligations().items() if key in worst]


def _zones(sight: Sight, links: Iterable[Crossing], interconnections: Iterable[Crossing]) -> list[Zone]:
    """Return the zones that the reader sees, and those that what they see ends in."""
    ends = {pk for each in links if isinstance(each.row, Link) for pk in (each.row.near_zone_id, each.row.far_zone_id)}
    ends |= {zone.pk for each in interconnections if isinstance(each.row, Interconnection) for zone in _touched(each.row)}
    seen = sight.narrowed(Zone.objects.all(), ("unit__path",)).values("pk")
    return list(Zone.objects.filter(Q(pk__in=seen) | Q(pk__in=ends)).select_related("unit").order_by("code"))


def _touched(row: Interconnection) -> list[Zone]:
    """Return the zones in which the bureau's side of an interconnection lies."""
    mine = scopes.parsed(row.inner)
    return list(
        {zone.pk: zone for zone, network in scopes.bureau_networks() if any(scopes.within(each, network) for each in mine)}.values()
    )


def draw(
    zones: Sequence[Zone], devices: dict[int, int], links: Iterable[Crossing], interconnections: Iterable[Crossing]
) -> tuple[list[Box], list[Line]]:
    """Return the boxes and the lines of the map: the bureau's zones at the left, the internet and outside bodies at the right."""
    inner = [zone for zone in zones if zone.kind != Zone.Kind.INTERNET]
    outer = [zone for zone in zones if zone.kind == Zone.Kind.INTERNET]
    partners = sorted({each.row.partner for each in interconnections if isinstance(each.row, Interconnection)})
    left = [
        Box(f"zone {zone.pk}", _cut(zone.name), _note(zone, devices.get(zone.pk, 0)), 1, _at(place), zone.kind)
        for place, zone in enumerate(inner)
    ]
    right = [
        Box(f"zone {zone.pk}", _cut(zone.name), str(zone.get_kind_display()), WIDTH - BOX - 1, _at(place), zone.kind)
        for place, zone in enumerate(outer)
    ]
    right += [
        Box(f"partner {name}", _cut(name), "", WIDTH - BOX - 1, _at(place), "partner") for place, name in enumerate(partners, len(outer))
    ]
    boxes = {box.key: box for box in (*left, *right)}
    lines = [
        _line(boxes, f"zone {each.row.near_zone_id}", f"zone {each.row.far_zone_id}", each) for each in links if isinstance(each.row, Link)
    ]
    for each in interconnections:
        if isinstance(each.row, Interconnection):
            lines += [_line(boxes, f"zone {zone.pk}", f"partner {each.row.partner}", each) for zone in _touched(each.row)]
    return [*left, *right], lines


def _line(boxes: dict[str, Box], near: str, far: str, crossing: Crossing) -> Line:
    one, two = sorted((boxes[near], boxes[far]), key=lambda box: box.x)
    title = f"{crossing.row.name}（{crossing.label}）"
    state = "found" if crossing.findings else crossing.state
    begin, bend = one.x + BOX, (WIDTH - 2 * BOX) // 2
    if one.x == two.x:  # both in one column: the line goes round
        side = begin if one.x < WIDTH // 2 else one.x
        out = side + bend // 2 if side == begin else side - bend // 2
        return Line(f"M{side} {one.middle} C{out} {one.middle} {out} {two.middle} {side} {two.middle}", state, title)
    return Line(f"M{begin} {one.middle} C{begin + bend} {one.middle} {two.x - bend} {two.middle} {two.x} {two.middle}", state, title)


def _at(place: int) -> int:
    return GAP // 2 + place * (TALL + GAP)


def _note(zone: Zone, devices: int) -> str:
    return _cut("、".join(zone.networks) or str(zone.get_kind_display())) + "　" + _("%d 台设备") % devices


def _cut(text: str) -> str:
    return text if len(text) <= MOST_LETTERS else text[: MOST_LETTERS - 1] + "…"


def _asked(request: HttpRequest, at: datetime) -> dict[str, Any]:
    """Ask the gate about the passage named in the address."""
    inner, outer, port = (typed(request, name) for name in ("inner", "outer", "port"))
    context: dict[str, Any] = {"inner": inner, "outer": outer, "port": port}
    if not (inner and outer and port):
        return context
    refused = gate.link_activation(gate.Passage(inner, outer, port), at)
    route = gate.ROUTES.get(refused.code) if refused else None
    if route == "interconnection":
        given = {"inner": inner, "peers": outer, "ports": port}
    else:
        given = {"near_prefixes": inner, "far_prefixes": outer, "ports": port}
    apply = f"{reverse('case_form', args=[route])}?{urlencode(given)}" if route else ""
    if refused is not None and refused.code.startswith("assessment_"):
        apply = f"{reverse('register_new', args=['assessment'])}?{urlencode({'kind': 'interconnection'})}"
    return context | {"denied": refused, "passes": refused is None, "apply": apply}
