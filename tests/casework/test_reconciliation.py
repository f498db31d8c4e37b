"""The runner: verdict rows, what it waits for, broken checks, the ledger."""

import json
from collections.abc import Iterator

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from anzhang import permissions
from anzhang.casework import parameters, reconciliation
from anzhang.casework.models import Finding, Notice, Verdict
from anzhang.directory.models import Unit
from anzhang.events import Event
from anzhang.journal.models import Entry
from anzhang.organization.models import Officer
from anzhang.regulation.checks import CHECKS
from anzhang.regulation.verdicts import Breach, Ground, Outcome, Subject, Why

JUDGE = permissions.system("reconcile")
UNIT = Subject("unit:JYC", "就业促进处", "JYC")


def run(clock, *obligations):
    return reconciliation.run(JUDGE, clock.now, obligations=obligations or None)


@pytest.fixture
def said(monkeypatch) -> Iterator[dict]:
    """Replace the check of A05.3 by one that says `said["outcome"]`, or raises it."""
    box = {}

    def answer(_context):
        if isinstance(box["outcome"], Exception):
            raise box["outcome"]
        return box["outcome"]

    monkeypatch.setitem(CHECKS, "officer_in_post", answer)
    return box


@pytest.mark.usefixtures("bureau")
def test_every_obligation_has_a_current_verdict_with_a_reason(clock):
    run(clock)
    current = Verdict.objects.filter(current=True)
    assert set(current.values_list("obligation", flat=True)) == set(parameters.catalog().by_id)
    assert all(verdict.why["code"] for verdict in current)


@pytest.mark.usefixtures("bureau")
def test_running_twice_writes_nothing_new(clock):
    run(clock)
    rows, entries, notices = Verdict.objects.count(), Entry.objects.count(), Notice.objects.count()
    summary = run(clock)
    assert (Verdict.objects.count(), Entry.objects.count(), Notice.objects.count()) == (rows, entries, notices)
    assert (summary.verdicts_written, summary.opened, summary.closed) == (0, [], [])


@pytest.mark.usefixtures("bureau")
def test_a_minute_later_only_checked_at_moves(clock):
    run(clock, "A05.1")
    before = Verdict.objects.get(obligation="A05.1", unit__code="IC")
    clock.advance(minutes=1)
    run(clock, "A05.1")
    after = Verdict.objects.get(obligation="A05.1", unit__code="IC")
    assert (after.pk, after.since, after.checked_at) == (before.pk, before.since, clock.now)


@pytest.mark.usefixtures("bureau")
def test_a_new_beijing_day_writes_a_new_row_without_a_ledger_entry(clock):
    run(clock, "A05.1")
    entries = Entry.objects.count()
    clock.advance(days=1)
    assert run(clock, "A05.1").verdicts_written == 4
    assert Verdict.objects.filter(obligation="A05.1", unit__code="IC").count() == 2
    assert Entry.objects.count() == entries


def test_a_changed_verdict_is_in_the_ledger_with_both_states(bureau, clock):
    run(clock, "A05.3")
    Officer.objects.filter(unit=bureau.unit["IC"]).update(valid_to=clock.now)
    clock.advance(days=8)
    run(clock, "A05.3")
    entry = Entry.objects.filter(act=Event.VERDICT_CHANGE).latest("index")
    changed = [row for row in json.loads(bytes(entry.payload.body))["verdicts"] if row["unit"] == "IC"]
    assert [(row["from"], row["to"]) for row in changed] == [("met", "breach")]


@pytest.mark.usefixtures("bureau")
def test_a_check_that_raises_leaves_no_green_square_and_closes_no_finding(clock, said, caplog):
    said["outcome"] = Outcome((UNIT,), (Breach(UNIT, Why("officer_missing")),))
    run(clock, "A05.3")
    said["outcome"] = ZeroDivisionError("boom")
    summary = run(clock, "A05.3")
    assert summary.failed == ["A05.3"]
    (verdict,) = Verdict.objects.filter(obligation="A05.3", current=True)
    assert (verdict.state, verdict.why["code"], verdict.unit) == ("unknown", "check_failed", None)
    assert Finding.objects.get().state == "open"
    assert "boom" in caplog.text


@pytest.mark.usefixtures("bureau")
def test_the_other_obligations_are_judged_although_one_check_raises(clock, said):
    said["outcome"] = ZeroDivisionError("boom")
    run(clock)
    assert Verdict.objects.get(obligation="A05.1", unit__code="IC", current=True).state == "met"


@pytest.mark.usefixtures("bureau")
def test_ground_nobody_watches_closes_no_finding(clock, said):
    said["outcome"] = Outcome((UNIT,), (Breach(UNIT, Why("officer_missing")),))
    run(clock, "A05.3")
    said["outcome"] = Outcome((), unknown=(Ground("JYC", Why("system_silent")),))
    run(clock, "A05.3")
    assert Finding.objects.get().state == "open"
    said["outcome"] = Outcome((UNIT,), unknown=(Ground("IC", Why("system_silent")),))
    run(clock, "A05.3")
    assert Finding.objects.get().state == "closed"


@pytest.mark.usefixtures("bureau")
def test_an_obligation_without_check_names_what_it_waits_for(clock):
    run(clock, "A02.1", "A01.1")
    verdict = Verdict.objects.get(obligation="A02.1")
    assert (verdict.state, verdict.why["code"]) == ("unknown", "waits_for")
    assert [noun["zh"] for noun in verdict.why["params"]["missing"]] == ["安全事件"]
    assert Verdict.objects.get(obligation="A01.1").why["code"] == "informative"


@pytest.mark.usefixtures("bureau")
def test_a_verdict_on_an_unsigned_default_is_provisional(clock):
    run(clock, "A05.3", "A04.2")
    assert Verdict.objects.get(obligation="A05.3", unit__code="IC", current=True).provisional
    assert not Verdict.objects.get(obligation="A04.2", unit__code="IC", current=True).provisional


@pytest.mark.usefixtures("bureau")
def test_an_unknown_obligation_is_named(clock):
    with pytest.raises(KeyError, match=r"A99\.1"):
        run(clock, "A99.1")


def test_the_queries_do_not_grow_with_the_units(bureau, clock):
    def asked() -> int:
        run(clock)  # what is new is written once
        clock.advance(minutes=1)
        with CaptureQueriesContext(connection) as queries:
            run(clock)
        return len(queries)

    few = asked()
    for n in range(40):
        Unit.objects.create(
            code=f"U{n}", name=f"单位{n}", kind="subordinate_unit", parent=bureau.unit["HRSS"], path=f"/HRSS/U{n}/",
            established_on=bureau.unit["HRSS"].established_on,
        )  # fmt: skip
    assert asked() <= few
