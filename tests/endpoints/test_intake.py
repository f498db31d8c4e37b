"""Many reports at once come to what each would have come to alone, and a batch with one bad report is refused whole."""

from __future__ import annotations

from datetime import timedelta

import pytest

from anzhang.demo.bureau import SETUP
from anzhang.endpoints import procedures
from anzhang.endpoints.intake import Came, receive_postures
from anzhang.endpoints.models import EndpointStanding, PostureDocument, PostureReport
from anzhang.journal import verify
from anzhang.permissions import RefusedError
from tests.endpoints import reports
from tests.endpoints.conftest import endpoint, product, zones

__all__ = ["endpoint", "product", "zones"]  # fixtures
pytestmark = pytest.mark.usefixtures("bureau")
DERIVED = ("state", "passed_until", "reasons", "outside", "tells_network", "basis", "collected_at")
OF_REPORT = ("state", "passed_until", "reasons", "sequence", "source", "signer", "collected_at", "received_at", "digest")


def told(clock, subject):
    """Return three reports of an endpoint: sound, with its antivirus stopped, sound again but older than the one before."""
    day = (clock.now + timedelta(hours=8)).date()
    stopped = reports.content(day, products=reports.antivirus(day, state="stopped"))
    given = ((4, 1, None), (2, 2, stopped), (3, 3, None))
    return [
        Came(reports.envelope(subject, at, sequence, content), at)
        for hours, sequence, content in given
        for at in [clock.now - timedelta(hours=hours)]
    ]


def verdict_of(code):
    standing = EndpointStanding.objects.values_list(*DERIVED, "report__sequence").get(endpoint__code=code)
    kept = PostureReport.objects.filter(endpoint__code=code).order_by("sequence")
    return standing, [tuple(getattr(each, name) for name in OF_REPORT if name not in {"signer", "digest"}) for each in kept]


def test_a_batch_comes_to_what_each_report_would_have_come_to_alone(product, endpoint, clock):
    endpoint("ONE", mac="02:00:00:00:00:01")
    endpoint("MANY", mac="02:00:00:00:00:02")
    for each in told(clock, "ONE"):
        procedures.receive_posture(procedures.open_report(each.body), each.at)
    procedures.judge_again(clock.now)
    made = receive_postures(SETUP, told(clock, "MANY"), clock.now)
    assert len(made) == 3
    assert verdict_of("MANY") == verdict_of("ONE")
    assert PostureDocument.objects.filter(report__in=made).count() == 3
    assert not [fault for fault in verify.check(clock.now).faults if str(fault["kind"]).startswith("row")]


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"key": reports.OTHER}, "posture_unsigned"),
        ({"signer": "endpoint:ELSE"}, "posture_unsigned"),
        ({"sequence": 3}, "posture_replayed"),
        ({"hours": 30}, "posture_old"),
    ],
)
def test_a_batch_with_one_bad_report_is_refused_whole(changed, code, product, endpoint, clock):
    endpoint("MANY", mac="02:00:00:00:00:02")
    at = clock.now - timedelta(hours=changed.pop("hours", 0))
    bad = Came(reports.envelope("MANY", at, changed.pop("sequence", 9), **changed), clock.now)
    with pytest.raises(RefusedError) as refused:
        receive_postures(SETUP, [*told(clock, "MANY"), bad], clock.now)
    assert refused.value.code == code
    assert not PostureReport.objects.exists()


def test_a_batch_about_nobody_is_refused(product, clock, monkeypatch):
    from django.conf import settings

    monkeypatch.setitem(settings.HOME.settings, "posture", {"keys": {"c1": reports.public()}})
    body = reports.envelope("NOBODY", clock.now, signer="collector:c1")
    with pytest.raises(RefusedError) as refused:
        receive_postures(SETUP, [Came(body, clock.now)], clock.now)
    assert refused.value.code == "posture_subject_unknown"
