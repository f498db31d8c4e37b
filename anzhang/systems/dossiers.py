"""Operations dossiers (运维档案): the verbs, and what happens to a system, gathered from the registers where it happened (A12.2).

Nobody files entries. A register says by `source` that its closed rows are entries, also one of a chapter above:

    @dossiers.source("incident", _("事件"))
    def incidents(systems, since, until, vault):
        for row in Incident.objects.filter(system__in=systems, closed_at__gte=since, closed_at__lt=until):
            yield row.system_id, Item(row.closed_at, str(row), row.get_state_display(), f"incident:{row.pk}")
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.apps import apps
from django.db import transaction
from django.db.models import Q
from django.utils.functional import Promise
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from anzhang import clock
from anzhang.casework.models import Case
from anzhang.directory import rows
from anzhang.directory.queries import is_employed
from anzhang.events import Event
from anzhang.network.tables import ChangeOrder
from anzhang.permissions import Actor, RefusedError
from anzhang.regulation.checks import procedure
from anzhang.systems.models import System
from anzhang.systems.tables import Environment, GoLive, Release
from anzhang.systems.upkeep import CheckRun, LoadTest, OpsDossier

REACH = timedelta(days=7)  # how far back outages are read from the vault
EXPECTED = ("change_order", "work_order", "gateway_session", "incident")  # registers of A12.2 whose closed rows are entries
DOWN = "down"


@dataclass(frozen=True)
class Item:
    """Something that happened to a system: when, what, how it ended, and the reference of where it stands (`case:1`, `line:…`)."""

    at: datetime
    title: str
    state: str
    reference: str


Gather = Callable[[Collection[System], datetime, datetime, Any], Iterable[tuple[int, Item]]]


@dataclass(frozen=True)
class Source:
    """A register or stream whose rows are entries of dossiers."""

    kind: str
    label: str | Promise
    gather: Gather


SOURCES: dict[str, Source] = {}


def source(kind: str, label: str | Promise) -> Callable[[Gather], Gather]:
    """Add a kind of entries. The function yields (key of the system, item) of `since <= at < until`; the vault may be None."""

    def bind(function: Gather) -> Gather:
        SOURCES[kind] = Source(kind, label, function)
        return function

    return bind


def unlinked() -> list[str]:
    """Return the registers of A12.2 that stand and have not said that their rows are entries."""
    return [noun for noun in EXPECTED if noun not in SOURCES and _stands(noun)]


def waiting() -> list[str]:
    """Return the registers of A12.2 that do not stand yet: what happens there is in no dossier."""
    return [noun for noun in EXPECTED if not _stands(noun)]


def _stands(noun: str) -> bool:
    try:
        apps.get_model("anzhang", noun.replace("_", ""))
    except LookupError:
        return False
    return True


def items(
    systems: Collection[System], since: datetime, until: datetime, vault: Any, kinds: Collection[str] | None = None
) -> list[tuple[int, Source, Item]]:
    """Return what happened to systems in a time, the newest first; one question for each kind."""
    chosen = [each for kind, each in SOURCES.items() if kinds is None or kind in kinds]
    found = [(key, each, item) for each in chosen for key, item in each.gather(systems, since, until, vault)]
    return sorted(found, key=lambda row: row[2].at, reverse=True)


def newest(systems: Collection[System], since: datetime, until: datetime, vault: Any) -> Mapping[int, datetime]:
    """Return when something last happened to each system in a time; the vault is asked of those only of which no register tells."""
    found: dict[int, datetime] = {}
    for kinds in ([kind for kind in SOURCES if kind != "outage"], ["outage"]):
        silent = [system for system in systems if system.pk not in found]
        for key, _source, item in items(silent, since, until, vault, kinds) if silent else ():
            found[key] = max(found.get(key, item.at), item.at)
    return found


@procedure("open_dossier")
def open_dossier(actor: Actor, *, at: datetime, **values: Any) -> OpsDossier:
    """Open the dossier of a system. Raises RefusedError `in_the_future`, `not_employed`, RowError."""
    row = OpsDossier(**values)
    rows.check(row)
    _require_sound(row, at)
    return rows.create(actor, row, at, Event.DOSSIER_OPEN)


@procedure("change_dossier")
def change_dossier(actor: Actor, row: OpsDossier, *, at: datetime, expected_version: int | None = None, **values: Any) -> OpsDossier:
    """Give a dossier another keeper. Raises RefusedError `in_the_future`, `not_employed`, StaleError, RowError."""
    with transaction.atomic():
        changed = rows.change(actor, row, values, at, expected_version, Event.DOSSIER_CHANGE)
        _require_sound(changed, at)
        return changed


def _require_sound(row: OpsDossier, at: datetime) -> None:
    if row.opened_on > clock.day_of(at):
        raise RefusedError("in_the_future", _now("建档日期不能晚于今天。"), _now("改正后重新提交。"))
    if not is_employed(row.keeper, at):
        raise RefusedError("not_employed", _now("%s 在该日期不在职。") % row.keeper.name, _now("核对人员台账。"))


@source("go_live", _("上线"))
def go_lives(systems: Collection[System], since: datetime, until: datetime, _vault: Any) -> Iterator[tuple[int, Item]]:
    """Yield go-lives that were carried out."""
    found = GoLive.objects.filter(release__system__in=systems, done_at__gte=since, done_at__lt=until)
    for row in found.select_related("release", "environment", "operator"):
        if row.done_at is not None:
            yield row.release.system_id, Item(row.done_at, str(row), row.operator.name, f"go_live:{row.pk}")


@source("check_run", _("例行检查"))
def check_runs(systems: Collection[System], since: datetime, until: datetime, _vault: Any) -> Iterator[tuple[int, Item]]:
    """Yield runs of planned checks."""
    found = CheckRun.objects.filter(plan__system__in=systems, done_at__gte=since, done_at__lt=until)
    for row in found.select_related("plan", "person"):
        state = _now("%d 项异常") % row.abnormal if row.abnormal else _now("正常")
        yield row.plan.system_id or 0, Item(row.done_at, f"{row.plan.title} {row.person.name}", state, f"check_run:{row.pk}")


@source("load_test", _("压测"))
def load_tests(systems: Collection[System], since: datetime, until: datetime, _vault: Any) -> Iterator[tuple[int, Item]]:
    """Yield load tests whose window has begun."""
    found = LoadTest.objects.filter(environment__system__in=systems, window_from__gte=since, window_from__lt=until)
    for row in found.select_related("environment"):
        state = f"{clock.minute(row.window_from)} — {clock.minute(row.window_to)}"
        yield row.environment.system_id, Item(row.window_from, row.scheme, state, f"load_test:{row.pk}")


@source("change_order", _("变更"))
def change_orders(systems: Collection[System], since: datetime, until: datetime, _vault: Any) -> Iterator[tuple[int, Item]]:
    """Yield ordered changes of production whose window has begun."""
    known = ChangeOrder.objects.filter(superseded_at=None, valid_from__gte=since, valid_from__lt=until)
    named = known.filter(Q(system__in=systems) | Q(environment__system__in=systems))
    for row in named.select_related("environment", "executor"):
        key = row.environment.system_id if row.environment else row.system_id
        if key is not None:
            yield key, Item(row.valid_from, f"{row.number} {row.what}", row.executor.name, f"change_order:{row.pk}")


@source("case", _("事项"))
def cases(systems: Collection[System], since: datetime, until: datetime, _vault: Any) -> Iterator[tuple[int, Item]]:
    """Yield decided cases that name a system, or a release or an environment of it."""
    owner = {("system", system.code): system.pk for system in systems}
    for name, model in (("release", Release), ("environment", Environment)):
        codes = model._default_manager.filter(system__in=systems).values_list("code", "system")
        owner |= {(name, code): key for code, key in codes}
    decided = Case.objects.filter(decided_at__gte=since, decided_at__lt=until).exclude(state__in=[Case.State.OPEN, Case.State.RETURNED])
    naming = Q(form__has_key="system") | Q(form__has_key="release") | Q(form__has_key="environment")
    for row in decided.filter(naming).only("number", "title", "form", "state", "decided_at"):
        keys = {owner.get((name, str(row.form.get(name)))) for name in ("system", "release", "environment")} - {None}
        for key in keys:
            if key is not None and row.decided_at is not None:
                yield key, Item(row.decided_at, str(row), row.get_state_display(), f"case:{row.number}")


@source("outage", _("故障"))
def outages(systems: Collection[System], since: datetime, until: datetime, vault: Any) -> Iterator[tuple[int, Item]]:
    """Yield when monitors said that a system was down, each outage once, as far back as is read."""
    since = max(since, until - REACH)
    if vault is None or since >= until:
        return
    owners = _called(systems)
    columns = ("timestamp", "target", "service", "state", "segment", "seq")
    table = vault.events("availability_event", since, until, columns)
    open_ones: dict[tuple[int, str], tuple[datetime, str]] = {}
    for said in sorted(table.to_pylist(), key=lambda row: row["timestamp"]):
        target = said["target"] or said["service"] or ""
        for key in {owners[name] for name in names_of(target) if name in owners}:
            begun = open_ones.get((key, target))
            if said["state"] == DOWN and begun is None:
                line = f"line:{said['segment']}:{said['seq']}"
                open_ones[key, target] = (said["timestamp"].astimezone(UTC), line)
            elif said["state"] != DOWN and begun is not None:
                del open_ones[key, target]
                until_at = clock.minute(said["timestamp"].astimezone(UTC))
                yield key, Item(begun[0], _now("%s 不可用") % target, _now("%s 恢复") % until_at, begun[1])
    for (key, target), (at, line) in open_ones.items():
        yield key, Item(at, _now("%s 不可用") % target, _now("没有恢复的记录"), line)


def _called(systems: Collection[System]) -> Mapping[str, int]:
    """Return systems by what monitors may call them, as `rules/systems_monitored.sql` matches them."""
    found = {name.lower(): system.pk for system in systems for name in (system.code, system.name)}
    running = Environment.objects.filter(system__in=systems, kind=Environment.Kind.PRODUCTION, state=Environment.State.IN_SERVICE)
    for each in running:
        found |= {name.lower(): each.system_id for name in (*each.hosts, *each.addresses)}
    return found


def names_of(target: str) -> set[str]:
    """Return what a target may be called: the host of an URL, either part of `backend/server`, without port."""
    text = target.strip().lower()
    parts = [text.split("://", 1)[1].split("/")[0]] if "://" in text else [*text.split("/"), text]
    return {head if tail.isdigit() else part for part in parts for head, _colon, tail in [part.rpartition(":")] if part}
