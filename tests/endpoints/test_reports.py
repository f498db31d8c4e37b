"""A report is taken from whom it may come from, once, and while it is fresh."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.test import Client

from anzhang.endpoints import procedures
from anzhang.endpoints.models import EndpointStanding, PostureReport
from anzhang.journal import verify
from anzhang.journal.models import Entry
from anzhang.permissions import RefusedError
from tests.endpoints import reports
from tests.endpoints.conftest import DAY

pytestmark = pytest.mark.usefixtures("bureau")


def code(call, *given, **named) -> str:
    with pytest.raises(RefusedError) as refusal:
        call(*given, **named)
    assert refusal.value.remedy
    return refusal.value.code


def test_it_is_kept_with_its_text_and_its_entry(endpoint, report, clock):
    endpoint()
    found = report()
    assert (found.state, found.signer, found.source) == ("pass", "endpoint:C1", "agent")
    entry = Entry.objects.get(object_type="posture_report")
    assert (entry.actor, entry.act, entry.object_key) == ("endpoint:C1", "endpoints:posture_report:receive", str(found.pk))
    assert json.loads(found.document.document)["subject"] == "C1"
    assert not [fault for fault in verify.check(clock.now).faults if fault["kind"].startswith("row")]


def test_only_the_endpoint_itself_or_a_registered_collector_is_believed(endpoint, report, settings, monkeypatch, clock):
    endpoint()
    endpoint("C2", "02:00:00:00:00:02", posture_key=reports.public(reports.OTHER))
    assert code(report, key=reports.OTHER) == "posture_unsigned"
    assert code(report, signer="endpoint:C2", key=reports.OTHER) == "posture_unsigned"  # another endpoint's key
    assert code(report, signer="collector:c1") == "posture_unsigned"
    monkeypatch.setitem(settings.HOME.settings, "posture", {"keys": {"c1": reports.public()}})
    assert report(signer="collector:c1").signer == "collector:c1"
    assert code(report, "NOBODY", signer="collector:c1") == "posture_subject_unknown"


def test_a_retired_endpoint_and_one_without_a_key_say_nothing(endpoint, report, acting, clock):
    endpoint("C1", posture_key="")
    assert code(report) == "posture_unsigned"
    row = endpoint("C2", "02:00:00:00:00:02")
    procedures.change_endpoint(acting("liming"), row, at=clock.now, state="retired")
    assert code(report, "C2") == "posture_unsigned"


def test_a_report_counts_once_and_never_after_a_later_one(endpoint, report, clock):
    endpoint()
    report(sequence=5)
    assert code(report, sequence=5) == "posture_replayed"
    assert code(report, sequence=4) == "posture_replayed"
    assert report(sequence=6)


def test_it_is_neither_from_tomorrow_nor_from_the_day_before_yesterday(endpoint, report, clock):
    endpoint()
    assert code(report, at=clock.now + timedelta(hours=1)) == "posture_ahead"
    assert report(at=clock.now + timedelta(seconds=1), sequence=100)
    assert code(report, at=clock.now - timedelta(hours=24), sequence=101) == "posture_old"
    old = reports.envelope("C1", clock.now, 102, "lynis_version=3\nreport_datetime_end=2026-11-20 09:00:00\n", form="lynis")
    assert code(lambda: procedures.receive_posture(procedures.open_report(old), clock.now)) == "posture_old"  # signed today, made on Friday


def test_what_cannot_be_read_says_where_and_what_to_do(endpoint, report):
    endpoint()
    with pytest.raises(RefusedError, match=r"content.products\[0\].kind 的取值“av”") as refusal:
        report(given=reports.content(DAY, products=[{"kind": "av"}]))
    assert "docs/formats/posture.md" in refusal.value.remedy


def test_a_scan_by_another_program_does_not_replace_the_endpoints_own_report(endpoint, report, clock):
    endpoint()
    own = report()
    clock.advance(minutes=5)
    report(given="lynis_version=3.0.8\nos=Linux\n", form="lynis")
    assert EndpointStanding.objects.get().report == own
    newer = report()
    assert EndpointStanding.objects.get().report == newer


def test_a_late_report_does_not_replace_a_newer_one(endpoint, report, clock):
    endpoint()
    newest = report()
    report(at=clock.now - timedelta(hours=2))
    assert EndpointStanding.objects.get().report == newest
    assert PostureReport.objects.count() == 2


# Over REST


def post(body):
    return Client().post("/api/posture", body, content_type="application/json")


def test_the_signature_is_the_credential(endpoint, clock):
    endpoint()
    answer = post(reports.envelope("C1", clock.now))
    assert (answer.status_code, answer.json()["state"], answer.json()["reasons"]) == (201, "pass", [])
    assert post(b"").status_code == 401
    assert post(reports.envelope("C1", clock.now, 2, key=reports.OTHER)).status_code == 401
    again = post(reports.envelope("C1", clock.now))
    assert (again.status_code, again.json()["code"]) == (422, "posture_replayed")
    broken = post(b"{")
    assert (broken.status_code, broken.json()["code"]) == (422, "posture_unreadable")
    failing = post(reports.envelope("C1", clock.now, 3, reports.content(DAY, products=[])))
    assert [reason["text"] for reason in failing.json()["reasons"]] == ["没有安装杀毒软件", f"没有安装规定的“{reports.ANTIVIRUS}”"]
