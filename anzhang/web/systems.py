"""系统档案: where a system runs, what was released with which proof, who works with it, what its logs say, what is wrong (Art. 11, 13).

Whoever carries a go-live out notes it here; results of code scans are taken in here; the gate answers here what a script would ask.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages
from django.db.models import Count, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from anzhang import clock
from anzhang.casework import wording
from anzhang.casework.models import Finding
from anzhang.directory.models import Person
from anzhang.engines import vault as engine
from anzhang.monitoring.models import LogSource, LogSourceActivity
from anzhang.network.models import Device
from anzhang.permissions import Actor, RefusedError
from anzhang.registers import rights
from anzhang.registers.declaration import REGISTERS
from anzhang.registers.procedures import record_export
from anzhang.registers.rights import Sight
from anzhang.regulation.checks import page
from anzhang.systems import dossiers, evidence, gate, go_lives, load_tests, protection, queries, releases, sarif
from anzhang.systems import obligations_gradings as gradings
from anzhang.systems.models import Account, System
from anzhang.systems.tables import CodeScan, Database, DesignItem, Environment, GoLive, Release, TestReport
from anzhang.systems.upkeep import CheckPlan, LoadTest, OpsDossier
from anzhang.web import evidence as proofs
from anzhang.web import projects
from anzhang.web.access import login_needed
from anzhang.web.actors import actor_of
from anzhang.web.asked import typed
from anzhang.web.registers import attachment

NOUNS = ("environment", "database", "release", "design_item", "test_report", "code_scan", "load_test", "ops_dossier")
MOST_SYSTEMS = 500
SHOWN = 30  # rows of each table; the registers hold all
DAYS = (30, 90, 365)  # of the timeline
MOST_ENTRIES = 1000
# Refusals of the gates that no application puts right.
HOPELESS = frozenset({"digest_invalid", "source_unreadable", "environment_retired", "system_retired", "not_employed"})


@dataclass(frozen=True)
class Shown:
    """One release as the dossier shows it: its tests, the newest scans of its digests, what is missing, who let it go live."""

    release: Release
    developers: list[str]
    tests: list[TestReport]
    scans: list[CodeScan]
    missing: list[str]
    granted: list[GoLive]
    apply: str


def in_sight(actor: Actor, at: datetime) -> QuerySet[System]:
    """Return the systems that the reader sees as the register shows them, and those in which the reader holds an account or a post."""
    seen = Sight(actor, at).narrowed(System.objects.all(), REGISTERS["system"].scope)
    person = actor.person_id or 0
    mine = Q(account__person=person, account__state=Account.State.OPEN) | Q(assignment__person=person, assignment__superseded_at=None)
    found = System.objects.filter(Q(pk__in=seen.values("pk")) | Q(pk__in=System.objects.filter(mine).values("pk")))
    return found.select_related("managing_unit", "responsible_unit").order_by("code")


def system_or_404(request: HttpRequest, code: str) -> tuple[System, Actor, datetime]:
    """Return a system in the reader's sight, who reads, and when."""
    actor, at = actor_of(request), clock.now()
    system = in_sight(actor, at).filter(code=code).first()
    if system is None:
        raise Http404(code)
    return system, actor, at


@page("systems", nouns=("environment", "release"))
@require_GET
@login_needed
def index(request: HttpRequest) -> HttpResponse:
    """List the systems in sight with how many environments and releases they have, and their open findings."""
    actor, at = actor_of(request), clock.now()
    found = in_sight(actor, at).annotate(
        environments=Count("environment", filter=Q(environment__state="in_service"), distinct=True),
        releases=Count("release", distinct=True),
    )
    shown = list(found[:MOST_SYSTEMS])
    counts = _counts(shown)
    return render(request, "systems/index.html", {"systems": [(each, counts[each.code]) for each in shown]})


@page("system_dossier", articles=(12, 13), nouns=NOUNS)
@require_http_methods(["GET", "POST"])
@login_needed
def dossier(request: HttpRequest, code: str) -> HttpResponse:
    """Show the dossier of a system; take the operator's note that something is put live; send the timeline as a sheet."""
    system, actor, at = system_or_404(request, code)
    refusal = None
    if request.method == "GET" and request.GET.get("export") == "csv":
        return _sheet(request, system, actor, at)
    if request.method == "POST":
        text = request.POST.get("row", "")
        pk = int(text) if text.isascii() and text.isdigit() and len(text) < 16 else 0  # what a key may be
        granted = GoLive.objects.filter(release__system=system, pk=pk).first()
        if granted is None or request.POST.get("verb") != "put_live":
            raise Http404(text)
        try:
            go_lives.put_live(actor, granted, at)
        except RefusedError as error:
            refusal = error
        else:
            messages.success(request, _("已登记上线。"))
            return redirect("system_dossier", system.code)
    return _page(request, system, actor, at, refusal)


@require_POST
@login_needed
def scan(request: HttpRequest, code: str, release: str) -> HttpResponse:
    """Take in a SARIF file about an artifact of a release."""
    system, actor, at = system_or_404(request, code)
    row = Release.objects.filter(system=system, code=release).first()
    file = request.FILES.get("file")
    if row is None:
        raise Http404(release)
    try:
        if file is None:
            raise RefusedError("file_missing", _("没有选择文件。"), _("选择 SARIF 2.1.0 文件。"))
        taken = releases.import_code_scan(actor, row, request.POST.get("digest", ""), file.read(sarif.LARGEST + 1), at)
    except RefusedError as error:
        return _page(request, system, actor, at, error)
    messages.success(request, _("已导入 %(tool)s 的扫描结果：严重以上 %(count)d 个。") % {"tool": taken.tool, "count": taken.blocking})
    return redirect("system_dossier", system.code)


def _page(request: HttpRequest, system: System, actor: Actor, at: datetime, refusal: RefusedError | None) -> HttpResponse:
    context = _dossier(system, actor, at) | _asked(request, system, at) | _operations(request, system, at) | {"refusal": refusal}
    return render(request, "systems/dossier.html", context, status=422 if refusal else 200)


def _dossier(system: System, actor: Actor, at: datetime) -> dict[str, Any]:
    register = REGISTERS["release"]
    (level,) = protection.states([system], at)
    required, proved = gradings.requirements(), gradings.proofs(system)
    writes = rights.may_write(register, actor, at)
    sources = list(LogSource.objects.filter(system=system, state=LogSource.State.ACTIVE).order_by("code")[:SHOWN])
    heard = dict(LogSourceActivity.objects.filter(source__in=sources).values_list("source", "last_seen_at"))
    posts = [post for post in queries.posts_by_system([system], at)[system.pk] if post.valid_to is None or post.valid_to > at]
    shown = list(Release.objects.filter(system=system).select_related("system__managing_unit")[:SHOWN])
    return {
        "system": system,
        "environments": list(Environment.objects.filter(system=system)[:SHOWN]),
        "databases": list(Database.objects.filter(system=system).select_related("person")[:SHOWN]),
        "devices": list(Device.objects.filter(system=system).select_related("person").order_by("code")[:SHOWN]),
        "releases": _shown(shown),
        "granted": list(_granted(shown)[:SHOWN]),
        "standing": set(GoLive.objects.filter(evidence.standing(at), release__in=shown).values_list("pk", flat=True)),
        "design": list(DesignItem.objects.filter(system=system, state=DesignItem.State.REQUIRED)[:SHOWN]),
        "posts": posts[:SHOWN],
        "accounts": list(Account.objects.filter(system=system, state=Account.State.OPEN).select_related("person__unit")[:SHOWN]),
        "sources": [(source, heard.get(source.pk)) for source in sources],
        "findings": [(each, wording.text(each.reason)) for each in _findings(system).order_by("due_at", "pk")[:SHOWN]],
        "protection": level,
        "measures": [
            (due, due.state(clock.day_of(at)))
            for due in (gradings.dues(system, level.level, required, proved) if level.level is not None else [])
        ],
        "projects": [each for each in projects.in_sight(actor, at) if system.code in each.systems],
        "grades": rights.may_write(REGISTERS["protection_grading"], actor, at),
        "reader": actor.person_id,
        "writes": writes,
        "now": at,
    }


def _operations(request: HttpRequest, system: System, at: datetime) -> dict[str, Any]:
    """Return what happened to a system (A12.2), who keeps its dossier, its check plans and load tests; ask the gate about a source."""
    kind, days = _chosen(request)
    entries = _entries(system, kind, days, at)
    shown = entries[:SHOWN]
    links = proofs.of(item.reference for _source, item in shown)
    environment = Environment.objects.filter(system=system, code=typed(request, "load_environment")).select_related("system").first()
    source = typed(request, "source")
    denied = load_tests.load_test(environment, source, at) if environment and source else None
    apply = f"{reverse('case_form', args=[load_tests.ROUTE])}?{urlencode(_proposed(environment, source))}"
    return {
        "kept": OpsDossier.objects.filter(system=system).select_related("keeper").first(),
        "kinds": [(each.kind, str(each.label)) for each in dossiers.SOURCES.values()],
        "kind": kind,
        "days": days,
        "spans": DAYS,
        "entries": [(source, item, link.href) for (source, item), link in zip(shown, links, strict=True)],
        "entry_count": len(entries),
        "waits": dossiers.waiting(),
        "plans": list(CheckPlan.objects.filter(system=system).select_related("person").order_by("code")[:SHOWN]),
        "load_tests": list(LoadTest.objects.filter(environment__system=system).select_related("environment", "basis__case")[:SHOWN]),
        "load_environment": environment,
        "source": source,
        "load_denied": denied,
        "load_apply": apply if denied and denied.code not in HOPELESS else "",
    }


def _proposed(environment: Environment | None, source: str) -> dict[str, str]:
    """Return what the form of a load test can be filled with."""
    if environment is None:
        return {}
    targets = chr(10).join([*environment.hosts, *environment.addresses])
    return {"environment": environment.code, "sources": source, "targets": targets}


def _chosen(request: HttpRequest) -> tuple[str, int]:
    """Return of which kind and how many days back the address wants the timeline."""
    kind, days = typed(request, "kind"), typed(request, "days")
    return kind if kind in dossiers.SOURCES else "", int(days) if days in {str(each) for each in DAYS} else DAYS[1]


def _entries(system: System, kind: str, days: int, at: datetime) -> list[tuple[dossiers.Source, dossiers.Item]]:
    vault = engine.Vault(settings.HOME.vault)
    found = dossiers.items([system], at - timedelta(days=days), at + timedelta(microseconds=1), vault, [kind] if kind else None)
    return [(source, item) for _key, source, item in found[:MOST_ENTRIES]]


def _sheet(request: HttpRequest, system: System, actor: Actor, at: datetime) -> HttpResponse:
    """Send the timeline as CSV, and keep in the ledger that it was sent."""
    kind, days = _chosen(request)
    entries = _entries(system, kind, days, at)
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow([_("时间"), _("类别"), _("内容"), _("结果"), _("依据")])
    writer.writerows(
        [clock.minute(item.at), str(source.label), _plain(item.title), _plain(item.state), item.reference] for source, item in entries
    )
    query = urlencode({"system": system.code, "kind": kind, "days": days})
    record_export(actor, REGISTERS["ops_dossier"], at=at, rows=len(entries), form="csv", query=query)
    return attachment(("\ufeff" + out.getvalue()).encode(), "text/csv; charset=utf-8", f"dossier-{clock.day_of(at)}.csv")


def _plain(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula."""
    return f"'{text}" if text[:1] in {"=", "+", "-", "@", "\t", "\r"} else text


def _granted(shown: Sequence[Release]) -> QuerySet[GoLive]:
    return GoLive.objects.filter(release__in=shown).select_related("release", "environment", "operator", "basis__case")


def _shown(shown: Sequence[Release]) -> list[Shown]:
    names = dict(Person.objects.filter(code__in={code for each in shown for code in each.developers}).values_list("code", "name"))
    granted = list(_granted(shown))
    proof = evidence.Proof.of(shown)
    return [
        Shown(
            each,
            [names.get(code, code) for code in each.developers],
            proof.reports.get(each.pk, [])[::-1],
            proof.scans.get(each.pk, [])[::-1],
            evidence.missing(each, each.digests, proof) if each.state != Release.State.WITHDRAWN else [],
            [one for one in granted if one.release_id == each.pk],
            f"{reverse('case_form', args=[gate.ROUTE])}?{urlencode({'release': each.code, 'digest': chr(10).join(each.digests)})}",
        )
        for each in shown
    ]


def _counts(systems: Sequence[System]) -> Counter[str]:
    """Return how many findings are open about each system, its environments, releases and accounts, by its code."""
    owner = {f"system:{each.code}": each.code for each in systems}
    for kind, model in (("environment", Environment), ("release", Release)):
        codes = model._default_manager.filter(system__in=systems).values_list("code", "system__code")
        owner |= {f"{kind}:{code}": system for code, system in codes}
    about = Q(subject__in=owner) | Q(subject__startswith="account:")
    found = Finding.objects.filter(about).exclude(state=Finding.State.CLOSED).values_list("subject", flat=True)
    return Counter(owner.get(subject) or subject.removeprefix("account:").partition("/")[0] for subject in found)


def _findings(system: System) -> QuerySet[Finding]:
    environments = Environment.objects.filter(system=system).values_list("code", flat=True)
    known = Release.objects.filter(system=system).values_list("code", flat=True)
    subjects = [f"system:{system.code}", *(f"environment:{code}" for code in environments), *(f"release:{code}" for code in known)]
    about = Q(subject__in=subjects) | Q(subject__startswith=f"account:{system.code}/")
    return Finding.objects.filter(about).exclude(state=Finding.State.CLOSED)


def _asked(request: HttpRequest, system: System, at: datetime) -> dict[str, Any]:
    """Ask the gate whether somebody may put the artifact that the address names into one of the system's environments now."""
    digest, who = typed(request, "digest").lower(), typed(request, "person")
    environment = Environment.objects.filter(system=system, code=typed(request, "environment")).select_related("system").first()
    person = Person.objects.filter(Q(code=who) | Q(name=who)).order_by("left_on", "code").first() if who else None
    context = {"asked": {"digest": digest, "person": who}, "asked_environment": environment, "person": person}
    if not (environment and person and digest):
        return context | {"incomplete": _incomplete(environment, digest, who) if digest or who else ""}
    denied = gate.go_live(environment, digest, person, at)
    return context | {"asks": True, "denied": denied, "way_on": _way_on(denied, environment, digest) if denied else None}


def _incomplete(environment: Environment | None, digest: str, who: str) -> str:
    """Return what the question lacks."""
    if environment is None:
        return _("请选择运行环境。没有可选的，先登记运行环境。")
    if not digest:
        return _("请填写制品的 SHA-256。")
    return _("人员台账中没有“%s”。请填写工号或姓名。") % who[:40] if who else _("请填写执行人员的工号或姓名。")


def _way_on(denied: RefusedError, environment: Environment, digest: str) -> tuple[str, str] | None:
    """Return title and address of where one puts right what the gate refused; None where no form would help."""
    release = next(iter(evidence.releases_of(environment.system, digest)), None)
    if denied.code in HOPELESS:
        return None
    if release is None or denied.code == "release_withdrawn":
        return _("登记版本发布"), f"{reverse('register_new', args=['release'])}?{urlencode({'system': environment.system.code})}"
    if denied.code == "evidence_missing":
        return _("补登测试报告"), f"{reverse('register_new', args=['test_report'])}?{urlencode({'release': release.code})}"
    given = {"environment": environment.code, "digest": digest, "release": release.code}
    return _("申请上线"), f"{reverse('case_form', args=[gate.ROUTE])}?{urlencode(given)}"
