"""The verbs of endpoints, of what they may run and of what they report (Art. 14, 15).

A report is received when its signature fits a registered key, its instant is neither ahead of the clock nor older than a report may be,
and its number is above the last of the same signer about the same subject: a report that was kept and sent again changes nothing.
Keys: that of the endpoint itself (`posture_key`), else one of the collectors' in `anzhang.toml`:

    [posture.keys]
    lynis01 = "base64 of the public key"       # signs as `collector:lynis01`, about any endpoint or device
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, TypeVar

from django.conf import settings
from django.db import transaction
from django.db.models import Max, Q
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from anzhang.casework import parameters
from anzhang.directory import rows
from anzhang.directory.bulk import batcher
from anzhang.endpoints.models import Endpoint, EndpointStanding, PatchBaseline, Peripheral, PostureDocument, PostureReport, SoftwareBaseline
from anzhang.endpoints.requirements import Rules
from anzhang.engines import posture
from anzhang.events import Event
from anzhang.journal.procedures import record
from anzhang.network.models import Device
from anzhang.permissions import Actor, RefusedError, Via
from anzhang.regulation.checks import procedure

T = TypeVar("T")
COLLECTOR, OF_ENDPOINT = "collector:", "endpoint:"
SOURCES = {"anzhang": PostureReport.Source.AGENT, "lynis": PostureReport.Source.LYNIS, "openscap": PostureReport.Source.OPENSCAP}
CHUNK = 500
MOST_OUTSIDE = 50

FAULTS: Mapping[str, str | Promise] = {
    "too_large": gettext_lazy("报告太大（%(given)s 字节）"),
    "json": gettext_lazy("%(where)s 不是 JSON：%(given)s"),
    "object": gettext_lazy("%(where)s 应为对象"),
    "list": gettext_lazy("%(where)s 应为列表"),
    "too_many": gettext_lazy("%(where)s 项数太多（%(given)s）"),
    "text": gettext_lazy("%(where)s 应为文字，不能为空"),
    "too_long": gettext_lazy("%(where)s 太长（%(given)s 字）"),
    "word": gettext_lazy("%(where)s 的取值“%(given)s”不在格式说明之内"),
    "number": gettext_lazy("%(where)s 应为正整数，现为“%(given)s”"),
    "day": gettext_lazy("%(where)s 应为日期，例如 2026-11-24，现为“%(given)s”"),
    "instant": gettext_lazy("%(where)s 应为时间，例如 2026-11-24T09:30:00+08:00，现为“%(given)s”"),
    "version": gettext_lazy("%(where)s 应为 1，现为“%(given)s”"),
    "form": gettext_lazy("%(where)s 应为 anzhang、lynis 或 openscap，现为“%(given)s”"),
    "lynis": gettext_lazy("%(where)s 不是 Lynis 的 report.dat"),
    "openscap": gettext_lazy("%(where)s 里没有 XCCDF 的 TestResult"),
    "xml": gettext_lazy("%(where)s 行 XML 有误：%(given)s"),
    "doctype": gettext_lazy("%(where)s 带有文档类型声明，一律不收"),
}


@procedure("register_endpoint")
def register_endpoint(actor: Actor, *, at: datetime, **values: Any) -> Endpoint:
    """Add an endpoint (Art. 15). Raises RowError."""
    return rows.create(actor, Endpoint(**values), at)


@procedure("change_endpoint")
def change_endpoint(actor: Actor, row: Endpoint, *, at: datetime, expected_version: int | None = None, **values: Any) -> Endpoint:
    """Change an endpoint: also its keeper, its key, its retirement. Raises StaleError, RowError."""
    return rows.change(actor, row, values, at, expected_version)


@procedure("register_patch")
def register_patch(actor: Actor, *, at: datetime, **values: Any) -> PatchBaseline:
    """Add a patch to the baseline (Art. 15). Raises RowError."""
    return rows.create(actor, PatchBaseline(**values), at)


@procedure("change_patch")
def change_patch(actor: Actor, row: PatchBaseline, *, at: datetime, expected_version: int | None = None, **values: Any) -> PatchBaseline:
    """Change a patch of the baseline, or withdraw it. Raises StaleError, RowError."""
    return rows.change(actor, row, values, at, expected_version)


@procedure("register_software")
def register_software(actor: Actor, *, at: datetime, **values: Any) -> SoftwareBaseline:
    """Allow a program or a site to a class of endpoints (Art. 14). Raises RowError."""
    return rows.create(actor, SoftwareBaseline(**values), at)


@procedure("change_software")
def change_software(
    actor: Actor, row: SoftwareBaseline, *, at: datetime, expected_version: int | None = None, **values: Any
) -> SoftwareBaseline:
    """Change a line of a software baseline. Raises StaleError, RowError."""
    return rows.change(actor, row, values, at, expected_version)


@procedure("register_peripheral")
def register_peripheral(actor: Actor, *, at: datetime, **values: Any) -> Peripheral:
    """Allow a peripheral by its identity (Art. 14). Raises RowError."""
    return rows.create(actor, Peripheral(**values), at)


@procedure("change_peripheral")
def change_peripheral(actor: Actor, row: Peripheral, *, at: datetime, expected_version: int | None = None, **values: Any) -> Peripheral:
    """Change a peripheral, or end its use. Raises StaleError, RowError."""
    return rows.change(actor, row, values, at, expected_version)


register_endpoints = procedure("register_endpoints")(batcher(Endpoint))
register_patches = procedure("register_patches")(batcher(PatchBaseline))
register_softwares = procedure("register_softwares")(batcher(SoftwareBaseline))
register_peripherals = procedure("register_peripherals")(batcher(Peripheral))


# Reports


def open_report(body: bytes) -> posture.Envelope:
    """Return the envelope of a report whose signature fits a registered key.

    Raises RefusedError `posture_unreadable`, `posture_unsigned`.
    """
    envelope = worded(lambda: posture.open_envelope(body))
    require_signature(envelope, _key(envelope))
    return envelope


def require_signature(envelope: posture.Envelope, key: str) -> None:
    """Raise RefusedError `posture_unsigned` unless a report is signed with the key; no key, no report."""
    if key:
        try:
            envelope.verify(key)
        except posture.PostureError:
            key = ""
    if not key:
        raise RefusedError(
            "posture_unsigned",
            _("报告的签名者“%(signer)s”没有登记公钥，或签名与公钥不符（%(subject)s）。")
            % {"signer": envelope.signer, "subject": envelope.subject},
            _("在客户端台账登记报告签名公钥，或由系统管理员把采集程序的公钥写进 anzhang.toml 的 [posture.keys]。"),
        )


def reporter(envelope: posture.Envelope) -> Actor:
    """Return who acts when a report comes in: its signer."""
    return Actor(id=envelope.signer, via=Via.API)


def _key(envelope: posture.Envelope) -> str:
    if envelope.signer.startswith(COLLECTOR):
        keys = settings.HOME.get("posture", "keys", {})
        return str(keys.get(envelope.signer.removeprefix(COLLECTOR), ""))
    if envelope.signer != f"{OF_ENDPOINT}{envelope.subject}":
        return ""  # an endpoint speaks for itself only
    found = Endpoint.objects.filter(code=envelope.subject, state=Endpoint.State.IN_SERVICE).values_list("posture_key", flat=True)
    return found.first() or ""


@procedure("receive_posture")
def receive_posture(envelope: posture.Envelope, at: datetime) -> PostureReport:
    """Keep a report whose signature was checked (`open_report`), judge it and let the endpoint's standing follow (Art. 15).

    Raises RefusedError `posture_unreadable`, `posture_subject_unknown`, `posture_ahead`, `posture_old`, `posture_replayed`.
    """
    facts = worded(lambda: posture.read(envelope))
    values = parameters.values(at)
    rules = Rules(at, values)
    require_timely(envelope, rules, int(values["clock_tolerance_seconds"]), at)
    endpoint = Endpoint.objects.select_related("device").filter(code=envelope.subject).first()
    device = endpoint.device if endpoint else Device.objects.filter(code=envelope.subject).first()
    if endpoint is None and device is None:
        raise subject_unknown(envelope.subject)
    asked = rules.endpoints if endpoint else rules.of(str(device.kind) if device else "")
    judged = posture.judge(facts, asked, envelope.collected_at, at)
    report = PostureReport(
        endpoint=endpoint,
        device=device,
        source=SOURCES[envelope.form],
        signer=envelope.signer,
        sequence=envelope.sequence,
        collected_at=envelope.collected_at,
        received_at=at,
        state=judged.state,
        passed_until=judged.until,
        reasons=[reason.as_json() for reason in judged.reasons],
        digest=envelope.digest,
    )
    with transaction.atomic():
        if endpoint is not None:
            Endpoint.objects.select_for_update().get(pk=endpoint.pk)  # two reports of one subject come one after the other
        _require_new(report)
        rows.check(report)
        report.save(force_insert=True)
        PostureDocument.objects.create(report=report, document=envelope.document, signature=envelope.signature, facts=facts.as_json())
        payload = {"subject": envelope.subject, "digest": report.digest, "state": report.state, "sequence": str(report.sequence)}
        record(reporter(envelope), Event.POSTURE_RECEIVE, report, at=at, payload=payload)
        if endpoint is not None:
            _stand(report, judged, facts, rules.outside(facts, endpoint.endpoint_class), rules.digest, at)
    return report


def require_timely(envelope: posture.Envelope, rules: Rules, tolerance: int, at: datetime) -> None:
    """Raise RefusedError `posture_ahead`, `posture_old` unless a report that comes at an instant may be used."""
    ahead = envelope.collected_at - at
    if ahead > timedelta(seconds=tolerance):
        message = _("报告的采集时间比本系统时间快 %d 秒。") % int(ahead.total_seconds())
        raise RefusedError("posture_ahead", message, _("校准客户端时钟后重新采集。"))
    if -ahead >= rules.age:
        hours = int(rules.age.total_seconds() // 3600)
        raise RefusedError("posture_old", _("报告是 %(hours)d 小时以前采集的，不再作数。") % {"hours": hours}, _("重新采集后再报。"))


def _require_new(report: PostureReport) -> None:
    same = PostureReport.objects.filter(signer=report.signer, endpoint=report.endpoint, device=report.device)
    last = same.aggregate(last=Max("sequence"))["last"] or 0
    if report.sequence <= last or PostureReport.objects.filter(digest=report.digest).exists():
        raise replayed(report.sequence, last)


def subject_unknown(code: str) -> RefusedError:
    """Return the refusal of a report about what is on no register."""
    return RefusedError("posture_subject_unknown", _("没有编号为“%s”的客户端或设备。") % code, _("先在客户端台账或设备台账登记。"))


def replayed(given: int, last: int) -> RefusedError:
    """Return the refusal of a report that came before."""
    message = _("序号 %(given)d 的报告已经收过，最近一份是 %(last)d。") % {"given": given, "last": last}
    return RefusedError("posture_replayed", message, _("每份报告的序号都要大于上一份。"))


def worded(read: Callable[[], T]) -> T:
    """Return what is read; what cannot be is refused in words."""
    try:
        return read()
    except posture.PostureError as error:
        text = FAULTS[error.code] % {"where": error.where or _("报告"), "given": error.given}
        raise RefusedError("posture_unreadable", f"{text}。", _("按 docs/formats/posture.md 的格式重新生成报告。")) from error


# Standings


def _stand(
    report: PostureReport, judged: posture.Judged, facts: posture.Facts, outside: list[str] | None, basis: str, at: datetime
) -> None:
    """Let the standing of an endpoint follow a report: the newest of its own program counts, else the newest of any."""
    old = EndpointStanding.objects.select_related("report").filter(endpoint=report.endpoint).first()
    if old is not None and not counts_more(report, old.report):
        return
    EndpointStanding.objects.update_or_create(
        endpoint=report.endpoint,
        defaults={
            "report": report,
            "collected_at": report.collected_at,
            "state": judged.state,
            "passed_until": judged.until,
            "reasons": report.reasons,
            "outside": since(outside, old, report.collected_at),
            "tells_network": facts.network is not None,
            "basis": basis,
            "judged_at": at,
        },
    )


def since(outside: list[str] | None, old: EndpointStanding | None, at: datetime) -> dict[str, str] | None:
    """Return when each piece of software outside the list was first seen there."""
    if outside is None:
        return None
    before = (old.outside if old is not None else None) or {}
    return {name: before.get(name, at.isoformat()) for name in outside[:MOST_OUTSIDE]}


def counts_more(new: PostureReport, old: PostureReport) -> bool:
    """Whether a report takes the place of the one that an endpoint's standing rests on."""
    own = PostureReport.Source.AGENT
    if (new.source == own) != (old.source == own):
        return new.source == own
    return new.collected_at >= old.collected_at


def judge_again(at: datetime) -> int:
    """Judge the newest reports anew whose rules changed, or whose time is over; return how many. An idempotent sweep."""
    rules = Rules(at)
    done = last = 0
    while True:
        with transaction.atomic():  # a report that comes in meanwhile waits, or its standing would get the verdict of the one before
            overdue = Q(passed_until__lte=at) | ~Q(basis=rules.digest)
            rest = EndpointStanding.objects.filter(overdue, pk__gt=last).order_by("pk").select_for_update(of=("self",))
            chunk = list(rest.select_related("endpoint", "report__document")[:CHUNK])
            for standing in chunk:
                judge_standing(standing, rules, at)
            EndpointStanding.objects.bulk_update(
                chunk, ["state", "passed_until", "reasons", "outside", "tells_network", "basis", "judged_at"]
            )
        if not chunk:
            return done
        done, last = done + len(chunk), chunk[-1].pk


def judge_standing(standing: EndpointStanding, rules: Rules, at: datetime) -> None:
    """Set what a standing comes to by the rules of an instant; nothing is saved."""
    facts = posture.facts(standing.report.document.facts)
    judged = posture.judge(facts, rules.endpoints, standing.collected_at, at)
    standing.state, standing.passed_until, standing.basis, standing.judged_at = judged.state, judged.until, rules.digest, at
    standing.reasons = [reason.as_json() for reason in judged.reasons]
    standing.outside = since(rules.outside(facts, standing.endpoint.endpoint_class), standing, at)
    standing.tells_network = facts.network is not None


def unpassed(at: datetime) -> Q:
    """Return the condition that an endpoint has no passing report at an instant."""
    return Q(standing=None) | Q(standing__passed_until=None) | Q(standing__passed_until__lte=at)
