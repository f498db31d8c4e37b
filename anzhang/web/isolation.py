"""The page of what can pass between networks by the newest configurations: each pair with its grade, a packet's way, what nobody knows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET

from anzhang import clock
from anzhang.casework import parameters, wording
from anzhang.network import reachability
from anzhang.network.models import Device, Zone
from anzhang.network.tables import ConfigSnapshot
from anzhang.registers.rights import Sight
from anzhang.regulation.checks import Context, page
from anzhang.web.access import login_needed
from anzhang.web.actors import actor_of

if TYPE_CHECKING:
    from anzhang.engines.isolation import Verdict

GRADES = {"connected": _("走得通"), "unproved": _("未能证明"), "routes_only": _("仅靠路由隔开"), "isolated": _("已证隔离")}
MOST = 400  # pairs of a page
ROWS = 4


@dataclass(frozen=True)
class Passage:
    """A pair in one direction: its two ends, how it was graded, what passes, by which hops."""

    source: str
    target: str
    grade: str
    is_approved: bool  # something between them is
    rows: tuple[str, ...]
    hops: tuple[tuple[str, str, int | None], ...]  # device and interfaces, the lines that decided, the snapshot

    @property
    def label(self) -> str:
        """Return the grade in words."""
        return str(_("不超出批准")) if self.is_approved and self.grade == "isolated" else str(GRADES[self.grade])


@page("isolation", articles=(9, 31), nouns=("zone", "config_snapshot"))
@require_GET
@login_needed
def show(request: HttpRequest) -> HttpResponse:
    """Show what the newest configurations prove of the pairs that are kept apart and of those that links join."""
    at = clock.now()
    sight = Sight(actor_of(request), at)
    context = Context(at, parameters.values(at))
    reach = reachability.of(context)
    seen = {reachability.area(zone) for zone in sight.narrowed(Zone.objects.all(), ("unit__path",)) if zone.kind != Zone.Kind.INTERNET}
    mine = set(sight.narrowed(Device.objects.all(), ("unit__path",)).filter(code__in=reach.rows).values_list("code", flat=True))
    names = {reachability.INTERNET: str(_("互联网"))} | {name: zone.name for name, zone in reach.zones.items()}
    linked = {frozenset(pair) for pair in reachability.approved(reachability.standing(at))}
    order = list(GRADES)
    passages = [
        Passage(
            names.get(source, str(_("互联网"))),
            names.get(target, str(_("互联网"))),
            verdict.grade,
            frozenset((source, target)) in linked,
            _rows(verdict),
            _hops(verdict, reach, mine),
        )
        for (source, target), verdict in reach.proof.verdicts.items()
        if {source, target} & seen
    ]
    passages.sort(key=lambda each: (order.index(each.grade), each.source, each.target))
    grounds = [*reach.stale, *reachability.doubts(reach)] if seen else []
    shown = [(each.subject.label if each.subject else "", wording.text(each.why)) for each in grounds]
    found = {
        "passages": passages[:MOST],
        "count": len(passages),
        "grounds": shown[:MOST],
        "ground_count": len(shown),
        "devices": len(reach.seen.devices),
        "joining": len(reach.proof.joining),
        "oldest": min((row.collected_at for row in reach.rows.values()), default=None),
        "now": at,
    }
    return render(request, "network/isolation.html", found)


def _rows(verdict: Verdict) -> tuple[str, ...]:
    said = tuple(f"{row.source} → {row.target} {reachability.service_of(row)}" for row in verdict.rows[:ROWS])
    return (*said, "…") if len(verdict.rows) > ROWS else said


def _hops(verdict: Verdict, reach: reachability.Reach, mine: set[str]) -> tuple[tuple[str, str, int | None], ...]:
    """Return the way of the first witness; of devices out of sight their names only."""
    if not verdict.witnesses:
        return ()
    found = []
    for hop in verdict.witnesses[0].hops:
        row: ConfigSnapshot | None = reach.rows.get(hop.device)
        lines = "，".join(f"{text}（{line}）" for line, text in hop.lines)
        if hop.device in mine:
            found.append((f"{hop.device} {hop.come} → {hop.go}", lines, row.pk if row is not None else None))
        else:
            found.append((hop.device, "", None))
    return tuple(found)
