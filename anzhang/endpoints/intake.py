"""Take in many posture reports at once: what a collector kept while its line was down, a fleet that reports in one minute (Art. 15).

What is asked of one report (`procedures.receive_posture`) is asked of each: a signature that fits a registered key, an instant that
is neither ahead nor too old when it came, a number above the last. The whole batch is refused for one that fails, and says which.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.db.models import Max

from anzhang.casework import parameters
from anzhang.directory.bulk import write_many
from anzhang.endpoints import procedures
from anzhang.endpoints.models import Endpoint, EndpointStanding, PostureDocument, PostureReport
from anzhang.endpoints.requirements import Rules
from anzhang.engines import posture
from anzhang.events import Event
from anzhang.network.models import Device
from anzhang.permissions import Actor, RefusedError
from anzhang.regulation.checks import procedure

STANDING = ("report", "collected_at", "state", "passed_until", "reasons", "outside", "tells_network", "basis", "judged_at")
PIECE = 2000


@dataclass(frozen=True)
class Came:
    """A report as it came and when."""

    body: bytes
    at: datetime


@procedure("receive_postures")
def receive_postures(actor: Actor, came: Iterable[Came], at: datetime) -> list[PostureReport]:
    """Keep reports whose signatures fit, in the order in which they came, judge them and let the standings follow; return them.

    Each is judged at the instant at which it came; standings are judged by the rules of `at`. Raises what `open_report` and
    `receive_posture` do. Source: Art. 15.
    """
    opened = [(procedures.worded(lambda body=each.body: posture.open_envelope(body)), each.at) for each in came]  # type: ignore[misc]
    subjects = _Subjects([envelope for envelope, _at in opened])
    values = parameters.values(at)
    rules, tolerance = Rules(at, values), int(values["clock_tolerance_seconds"])
    reports, kept, facts_of = [], [], []
    for envelope, came_at in opened:
        subjects.require_signed(envelope)
        procedures.require_timely(envelope, rules, tolerance, came_at)
        facts = procedures.worded(lambda given=envelope: posture.read(given))  # type: ignore[misc]
        report = subjects.report(envelope, facts, rules, came_at)
        reports.append(report)
        facts_of.append(facts)
        kept.append(PostureDocument(document=envelope.document, signature=envelope.signature, facts=facts.as_json()))
    with transaction.atomic():
        write_many(actor, PostureReport, reports, at, Event.POSTURE_RECEIVE)
        for report, document in zip(reports, kept, strict=True):
            document.report = report
        PostureDocument.objects.bulk_create(kept, batch_size=PIECE)
        _stand(reports, facts_of, rules, at)
    return reports


class _Subjects:
    """What the reports are about, their keys and their last numbers: four queries for any number of them."""

    def __init__(self, envelopes: Sequence[posture.Envelope]) -> None:
        codes = {envelope.subject for envelope in envelopes}
        served = Endpoint.objects.select_related("device")
        self.endpoints = {row.code: row for start in _pieces(codes) for row in served.filter(code__in=start)}
        rest = codes - self.endpoints.keys()
        self.devices = {row.code: row for start in _pieces(rest) for row in Device.objects.filter(code__in=start)}
        signers = {envelope.signer for envelope in envelopes}
        found = (
            PostureReport.objects.filter(signer__in=start).values_list("signer", "endpoint", "device").annotate(Max("sequence"))
            for start in _pieces(signers)
        )
        self.last = {(signer, endpoint, device): last for each in found for signer, endpoint, device, last in each}

    def require_signed(self, envelope: posture.Envelope) -> None:
        """Raise RefusedError `posture_unsigned` unless the signature fits a registered key."""
        endpoint = self.endpoints.get(envelope.subject)
        if envelope.signer.startswith(procedures.COLLECTOR):
            key = str(settings.HOME.get("posture", "keys", {}).get(envelope.signer.removeprefix(procedures.COLLECTOR), ""))
        else:
            own = envelope.signer == f"{procedures.OF_ENDPOINT}{envelope.subject}"
            key = endpoint.posture_key if own and endpoint is not None and endpoint.state == Endpoint.State.IN_SERVICE else ""
        procedures.require_signature(envelope, key)

    def report(self, envelope: posture.Envelope, facts: posture.Facts, rules: Rules, at: datetime) -> PostureReport:
        """Return the report of an envelope, judged. Raises RefusedError `posture_subject_unknown`, `posture_replayed`."""
        endpoint = self.endpoints.get(envelope.subject)
        device = endpoint.device if endpoint else self.devices.get(envelope.subject)
        if endpoint is None and device is None:
            raise procedures.subject_unknown(envelope.subject)
        place = (envelope.signer, endpoint.pk if endpoint else None, device.pk if device else None)
        last = self.last.get(place, 0)
        if envelope.sequence <= last:
            raise procedures.replayed(envelope.sequence, last)
        self.last[place] = envelope.sequence
        asked = rules.endpoints if endpoint else rules.of(str(device.kind) if device else "")
        judged = posture.judge(facts, asked, envelope.collected_at, at)
        return PostureReport(
            endpoint=endpoint, device=device, source=procedures.SOURCES[envelope.form], signer=envelope.signer, sequence=envelope.sequence,
            collected_at=envelope.collected_at, received_at=at, state=judged.state, passed_until=judged.until,
            reasons=[reason.as_json() for reason in judged.reasons], digest=envelope.digest,
        )  # fmt: skip


def _pieces(codes: Iterable[str]) -> Iterable[list[str]]:
    ordered = sorted(codes)
    return (ordered[start : start + PIECE] for start in range(0, len(ordered), PIECE))


def _stand(reports: Sequence[PostureReport], facts: Sequence[posture.Facts], rules: Rules, at: datetime) -> None:
    """Let the standings follow: each report in turn, as if it had come alone."""
    endpoints = {report.endpoint_id for report in reports if report.endpoint_id}
    ordered = sorted(endpoints)
    found = {
        row.pk: row
        for start in range(0, len(ordered), PIECE)
        for row in EndpointStanding.objects.select_related("report").filter(pk__in=ordered[start : start + PIECE])
    }
    old = set(found)
    touched: dict[int, EndpointStanding] = {}
    for report, said in zip(reports, facts, strict=True):
        endpoint = report.endpoint
        if endpoint is None or ((before := found.get(endpoint.pk)) is not None and not procedures.counts_more(report, before.report)):
            continue
        standing = before or EndpointStanding(endpoint=endpoint)
        outside = procedures.since(rules.outside(said, endpoint.endpoint_class), before, report.collected_at)
        judged = posture.judge(said, rules.endpoints, report.collected_at, at)
        standing.report, standing.collected_at, standing.state, standing.passed_until = (
            report,
            report.collected_at,
            judged.state,
            judged.until,
        )
        standing.reasons, standing.outside = [reason.as_json() for reason in judged.reasons], outside
        standing.tells_network, standing.basis, standing.judged_at = said.network is not None, rules.digest, at
        found[endpoint.pk] = touched[endpoint.pk] = standing
    EndpointStanding.objects.bulk_create([row for pk, row in touched.items() if pk not in old], batch_size=PIECE)
    EndpointStanding.objects.bulk_update([row for pk, row in touched.items() if pk in old], STANDING, batch_size=200)


__all__ = ["Came", "RefusedError", "receive_postures"]
