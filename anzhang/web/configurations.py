"""设备配置: what devices are set to, when that changed and by which order, what nobody ordered (Art. 7, 8, 9)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from anzhang import clock
from anzhang.casework import forms, parameters, routes
from anzhang.engines import configs
from anzhang.network import change_gate, change_orders, changes, snapshots
from anzhang.network.models import Device
from anzhang.network.tables import ChangeOrder, ConfigSnapshot
from anzhang.permissions import Actor, RefusedError
from anzhang.registers import rights
from anzhang.registers.declaration import REGISTERS
from anzhang.registers.rights import Sight
from anzhang.regulation.checks import page
from anzhang.web.access import login_needed
from anzhang.web.actors import actor_of

PER_PAGE, SHOWN_OPEN, SHOWN_HISTORY, SHOWN_FACTS, SHOWN_CHANGES = 100, 50, 100, 200, 2000
MOST_LINES = 20_000  # of a whole text on one page
NOUNS = ("config_snapshot", "change_order")


@dataclass(frozen=True)
class Shown:
    """One difference as pages show it: the orders that cover it, or the address where one applies afterwards."""

    row: ConfigSnapshot
    begin: datetime
    orders: list[ChangeOrder]
    others: tuple[str, ...]  # what covers it and is no order
    late: bool
    apply: str


@dataclass(frozen=True)
class Part:
    """A section of a difference: its headers, its changed lines."""

    section: str
    lines: list[configs.Change]


def in_sight(actor: Actor, at: datetime) -> QuerySet[Device]:
    """Return the devices that the reader sees."""
    return Sight(actor, at).narrowed(Device.objects.all(), ("unit__path",)).select_related("unit", "person", "zone").order_by("code")


def device_or_404(request: HttpRequest, code: str) -> tuple[Device, Actor, datetime]:
    """Return a device in the reader's sight, who reads, and when."""
    actor, at = actor_of(request), clock.now()
    found = in_sight(actor, at).filter(code=code).first()
    if found is None:
        raise Http404(code)
    return found, actor, at


@page("configurations", nouns=NOUNS)
@require_http_methods(["GET", "POST"])
@login_needed
def index(request: HttpRequest) -> HttpResponse:
    """List what nobody ordered, across devices, then the network devices with their newest configuration; take a file in."""
    actor, at = actor_of(request), clock.now()
    refusal = None
    if request.method == "POST":
        refusal, row = _taken(request, actor, at)
        if row is not None:
            return redirect("config_difference", row.device.code, row.pk)
    seen = in_sight(actor, at)
    hours = _hours(at)
    found = changes.differences(at, hours, seen)
    bare = [each for each in found if each.is_open][::-1]
    listed = seen.filter(kind__in=snapshots.NETWORK_KINDS, state=Device.State.IN_SERVICE)
    part = Paginator(snapshots.with_newest(listed, at), PER_PAGE).get_page(request.GET.get("page"))
    dialects = dict(ConfigSnapshot.Dialect.choices)
    counts: dict[int, int] = {}
    for each in bare:
        counts[each.row.device_id] = counts.get(each.row.device_id, 0) + 1
    context = {
        "open": _shown(bare[:SHOWN_OPEN]),
        "open_count": len(bare),
        "devices": [(device, dialects.get(device.newest_dialect), counts.get(device.pk, 0)) for device in part.object_list],
        "part": part,
        "stale": at - timedelta(hours=2 * hours),
        "refusal": refusal,
        "collects": rights.may_write(REGISTERS["device"], actor, at),
        "days": change_orders.BACKWARDS.days,
    }
    return render(request, "configurations/index.html", context | _frame(), status=422 if refusal else 200)


@page("device_configurations", nouns=NOUNS)
@require_http_methods(["GET", "POST"])
@login_needed
def device(request: HttpRequest, code: str) -> HttpResponse:
    """Show what a device was set to and when that changed, what its newest configuration says, and what the gate says now."""
    found, actor, at = device_or_404(request, code)
    refusal = None
    if request.method == "POST":
        refusal, row = _taken(request, actor, at, found)
        if row is not None:
            return redirect("device_configurations", found.code)
    history = list(ConfigSnapshot.objects.filter(device=found).order_by("-collected_at")[:SHOWN_HISTORY])
    differences = {each.row.pk: each for each in _shown(changes.differences(at, _hours(at), Device.objects.filter(pk=found.pk)))}
    newest = ConfigSnapshot.objects.filter(device=found).select_related("text").order_by("-collected_at").first()
    lines = snapshots.body_of(newest.text).split("\n") if newest else []
    denied = change_gate.config_change(found, at)
    orders = change_orders.naming(found).select_related("applicant", "executor", "basis__case").order_by("-valid_from")
    context = {
        "device": found,
        "history": [(row, differences.get(row.pk)) for row in history],
        "count": ConfigSnapshot.objects.filter(device=found).count(),
        "newest": newest,
        "facts": _facts(newest.text.facts[:SHOWN_FACTS]) if newest else [],
        "facts_count": len(newest.text.facts) if newest else 0,
        "unread": [(number, lines[number - 1].strip()) for number in (newest.unread if newest else []) if number <= len(lines)],
        "orders": list(orders[:SHOWN_OPEN]),
        "denied": denied,
        "apply": _address({"kind": ChangeOrder.Kind.NETWORK, "devices": found.code}),
        "collects": rights.may_write(REGISTERS["device"], actor, at),
        "refusal": refusal,
        "now": at,
    }
    return render(request, "configurations/device.html", context | _frame(), status=422 if refusal else 200)


@page("config_difference", nouns=NOUNS)
@require_GET
@login_needed
def difference(request: HttpRequest, code: str, pk: int) -> HttpResponse:
    """Show a snapshot beside the one before it, changed lines by section; with `text` in the address the whole text as it is kept."""
    found, _actor, at = device_or_404(request, code)
    row = ConfigSnapshot.objects.filter(device=found, pk=pk).select_related("text", "previous__text").first()
    if row is None:
        raise Http404(str(pk))
    body = snapshots.body_of(row.text)
    before = snapshots.body_of(row.previous.text) if row.previous else ""
    changed = configs.difference(before, body, row.dialect) if row.previous else []
    whole = "text" in request.GET or row.previous is None
    judged = [each for each in changes.differences(at, _hours(at), Device.objects.filter(pk=found.pk)) if each.row.pk == row.pk]
    later = ConfigSnapshot.objects.filter(previous=row).values_list("pk", flat=True).first()
    context = {
        "device": found,
        "row": row,
        "parts": list(_parts(changed[:SHOWN_CHANGES])),
        "left_out": max(0, len(changed) - SHOWN_CHANGES),
        "shown": next(iter(_shown(judged)), None),
        "judged": at - row.collected_at < change_orders.BACKWARDS,
        "whole": whole,
        "lines": [(number, line) for number, line in enumerate(body.split("\n")[:MOST_LINES], 1) if line] if whole else [],
        "later": later,
    }
    return render(request, "configurations/difference.html", context | _frame())


def _frame() -> dict[str, Any]:
    return {"article": next(iter(parameters.articles_of("config_snapshot", (8,))), ""), "routes": frozenset(routes.current())}


def _hours(at: datetime) -> float:
    return float(parameters.values(at)["config_match_hours"])


def _taken(request: HttpRequest, actor: Actor, at: datetime, of: Device | None = None) -> tuple[RefusedError | None, ConfigSnapshot | None]:
    """Take the file of a form in; return why it was refused, or the snapshot."""
    file, text = request.FILES.get("file"), request.POST.get("collected_at", "").strip()
    try:
        if file is None:
            raise RefusedError("file_missing", _("没有选择文件。"), _("选择设备当前配置的文本文件。"))
        try:
            when = forms.instant(text) if text else None
        except ValueError:
            raise RefusedError("instant_unreadable", _("采集时间不能识别。"), _("写成 2026-11-24 09:30。")) from None
        body = file.read(configs.LARGEST + 1)
        row = snapshots.receive_snapshot(actor, body, at, device=of.code if of else "", collected_at=when)
    except RefusedError as refusal:
        return refusal, None
    told = {"device": row.device.name, "added": row.added, "removed": row.removed, "unread": row.unread_count}
    messages.success(request, _("已收到“%(device)s”的配置：新增 %(added)d 行，删除 %(removed)d 行，未读懂 %(unread)d 行。") % told)
    return None, row


def _shown(found: Iterable[changes.Difference]) -> list[Shown]:
    """Return differences with the orders that cover them; one query for all."""
    found = list(found)
    keys = {
        int(each.partition(":")[2])
        for difference in found
        for each in (*difference.in_time, *difference.later)
        if each.startswith("change_order:")
    }
    orders = {f"change_order:{order.pk}": order for order in ChangeOrder.objects.filter(pk__in=keys).select_related("basis__case")}
    shown = []
    for each in found:
        covering = (*each.in_time, *each.later)
        shown.append(
            Shown(
                each.row,
                each.begin,
                [orders[name] for name in covering if name in orders],
                tuple(name for name in covering if name not in orders),
                late=bool(each.later) and not each.in_time,
                apply=_afterwards(each) if each.is_open else "",
            )
        )
    return shown


def _afterwards(each: changes.Difference) -> str:
    """Return the address of the form by which a change is approved afterwards; a window may be seven days long, the last ones count."""
    begin = max(each.begin, each.row.collected_at - change_orders.LONGEST + timedelta(minutes=1))
    end = each.row.collected_at + timedelta(minutes=1)
    return _address(
        {
            "kind": ChangeOrder.Kind.NETWORK,
            "devices": each.row.device.code,
            "window_from": begin.astimezone(clock.BEIJING).strftime("%Y-%m-%dT%H:%M"),
            "window_to": end.astimezone(clock.BEIJING).strftime("%Y-%m-%dT%H:%M"),
            "what": _("补办：%s") % "；".join(each.row.sample),
        }
    )


def _address(form: dict[str, str]) -> str:
    return f"{reverse('case_form', args=[change_orders.ROUTE])}?{urlencode(form)}" if change_orders.ROUTE in routes.current() else ""


def _parts(found: Iterable[configs.Change]) -> Iterator[Part]:
    for section, lines in groupby(found, key=lambda each: each.section):
        yield Part(" › ".join(section), sorted(lines, key=lambda each: (each.number, each.sign == "+")))


def _facts(found: Iterable[dict[str, Any]]) -> list[tuple[str, int, str]]:
    """Return facts as kind, line and what they say."""
    labels = {
        "address": _("接口地址"), "zone": _("安全区域"), "route": _("静态路由"), "nat": _("地址转换"), "neighbor": _("路由邻居"),
        "tunnel": _("隧道"), "mirror": _("端口镜像"), "log_host": _("日志主机"),
    }  # fmt: skip
    return [(labels.get(each["kind"], each["kind"]), each["line"], _said(each)) for each in found]


def _said(fact: dict[str, Any]) -> str:
    interface, note = fact.get("interface", ""), fact.get("note", "")
    if fact["kind"] == "route":
        way = "，".join(each for each in (interface, fact.get("next_hop", "")) if each)
        return f"{fact.get('network', '')} → {way}" + (f"（{note}）" if note else "")
    if fact["kind"] == "nat":
        inside, outside = fact.get("inside", ""), fact.get("outside", "")
        ends = " → ".join(each for each in (inside, outside) if each)
        return "，".join(each for each in (note, interface, ends) if each)
    named = [fact.get(name, "") for name in ("zone", "interface", "address", "next_hop")]
    return "，".join(each for each in (*named, note) if each)
