"""Art. 10: an outside connection has passed an assessment before anything flows on it (A10.3), and the gate asks for it."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from anzhang.assessment import procedures
from anzhang.casework import reconciliation
from anzhang.network import gate
from anzhang.permissions import RefusedError, system
from tests.articles import crossings
from tests.articles.crossings import PEER, SETUP, approved, assessed, bank, call, flow, telling
from tests.articles.stories import file, opened, state, through, verdict

pytestmark = pytest.mark.usefixtures("bureau")
ASSESSED, BANK = "A10.3", "interconnection:HL01"
WITHOUT, BEFORE, AFTER = (f"traffic_{how}_assessment" for how in ("without", "before", "after"))


@pytest.fixture
def row(bureau, acting, clock):
    """The connection with the bank, approved."""
    crossings.zones(bureau, acting, clock)
    return approved(bureau, acting, clock, "interconnection", bank(clock))


@pytest.fixture
def tell(vault, clock):
    return telling(vault, clock, ASSESSED)


def test_traffic_without_an_assessment_is_found_with_person_unit_and_line_and_ends_with_the_logs_that_are_kept(
    row, bureau, tell, vault, clock
):
    assert tell() == {}
    assert (state(ASSESSED, "JYC"), "no_watch_of_assessed" in json.dumps(verdict(ASSESSED, "JYC").why)) == ("unknown", True)
    assert tell(flow(clock.now, target="10.30.1.1"), flow(clock.now, outcome="failure"), flow(clock.now, source="10.20.2.1")) == {}
    assert state(ASSESSED, "JYC") == "met", "no traffic, nothing to hold against it"
    assert tell(flow(clock.now), flow(clock.now + timedelta(seconds=9))) == {(BANK, WITHOUT): "open"}
    (finding,) = opened(ASSESSED, "JYC")
    assert (finding.person.code, finding.evidence[1:]) == ("P021", [f"interconnection:{row.pk}"])
    assert finding.evidence[0].startswith("line:n1-000000002:")
    assert (finding.reason["params"]["peer"], finding.reason["params"]["times"]) == (PEER, 2)

    assessed(bureau, clock, code="PG03", subject="HL02")
    assessed(bureau, clock, code="PG04", result="failed")
    assessed(bureau, clock, code="PG05", result="conditional")
    assessed(bureau, clock, code="PG06", result="", concluded_at=None)
    assert set(tell()) == {(BANK, WITHOUT)}, "another's, a failed one and one under conditions prove nothing"
    kept = [(each.subject, each.reason, each.evidence) for each in opened(ASSESSED)]
    reconciliation.run(system("reconcile"), clock.now, vault=vault, obligations=[ASSESSED], anew=True)
    assert [(each.subject, each.reason, each.evidence) for each in opened(ASSESSED)] == kept

    assessed(bureau, clock, concluded_at=clock.now)
    assert len(tell()) == 1, "it came too late"
    clock.advance(days=185)
    assert tell(flow(clock.now, target="10.30.1.1")) == {}, "the early traffic is older than what is kept"


@pytest.mark.parametrize(
    ("before", "event", "expected"),
    [
        (timedelta(seconds=1), flow, None),
        (timedelta(0), flow, None),
        (timedelta(seconds=-1), flow, BEFORE),
        (timedelta(seconds=1), call, None),
        (timedelta(seconds=-1), call, BEFORE),
        (timedelta(seconds=-1), lambda at: call(at, client="bank-b"), None),
        (timedelta(seconds=-1), lambda at: flow(at, source=PEER, target="10.20.1.9"), BEFORE),
    ],
    ids=["a second before", "the same second", "a second late", "call in time", "call too early", "another client", "from outside"],
)
def test_one_second_decides(before, event, expected, row, bureau, tell, clock):
    at = clock.now.replace(microsecond=0)
    clock.now = at + timedelta(minutes=5)
    assessed(bureau, clock, concluded_at=at - before)
    assert tell(event(at), flow(at, target="10.30.1.1")) == ({(BANK, expected): "open"} if expected else {})
    assert state(ASSESSED, "JYC") == ("breach" if expected else "met")


def test_an_assessment_that_was_over_by_then_covers_nothing(row, bureau, tell, clock):
    made = assessed(bureau, clock, valid_until=clock.now.date())
    assert tell(flow(clock.now)) == {}
    clock.advance(days=1)
    assert tell(flow(clock.now)) == {}, "the first traffic counts"
    procedures.change_assessment(SETUP, made, at=clock.now, valid_until=clock.now.date() - timedelta(days=2))
    assert tell() == {(BANK, AFTER): "open"}


def test_what_flowed_under_another_code_is_not_held_against_the_one_after_it(row, bureau, acting, tell, clock):
    assessed(bureau, clock)
    assert tell(flow(clock.now)) == {}
    through(
        file(bureau, acting, clock, "sunli", "interconnection_closing", interconnection="HL01", reason="换号"), acting, clock, "zhengkai"
    )
    clock.advance(days=10)
    approved(bureau, acting, clock, "interconnection", bank(clock, code="HL02"))
    assessed(bureau, clock, code="PG02", subject="HL02", concluded_at=clock.now)
    clock.advance(minutes=5)
    assert tell(flow(clock.now)) == {}
    assert state(ASSESSED, "JYC") == "met"


def test_the_gate_refuses_until_it_has_passed_and_while_it_lasts(row, bureau, clock, monkeypatch):
    asked = gate.Passage("10.20.1.7", PEER, "tcp/443")
    assessed(bureau, clock, code="PG02", result="conditional")
    refused = gate.link_activation(asked, clock.now)
    assert (refused.code, "有条件通过" in refused.message) == ("assessment_missing", True)
    made = assessed(bureau, clock, valid_until=clock.now.date())
    assert gate.link_activation(asked, clock.now) is gate.link_activation(row, clock.now) is None
    assert gate.link_activation(asked, clock.now - timedelta(hours=1, seconds=1)).code != "assessment_over"
    procedures.change_assessment(SETUP, made, at=clock.now, valid_until=clock.now.date() - timedelta(days=1))
    assert gate.link_activation(row, clock.now).code == "assessment_over"
    monkeypatch.setattr(gate, "CONDITIONS", {})
    assert gate.link_activation(asked, clock.now).code == "condition_unknown", "what cannot be asked is refused"


def test_a_conclusion_stands_and_names_what_exists(row, bureau, clock):
    made = assessed(bureau, clock)
    for values, code in (
        ({"result": "failed"}, "concluded"),
        ({"subject": "HL02"}, "concluded"),
        ({"kind": "bureau"}, "concluded"),
    ):
        with pytest.raises(RefusedError) as caught:
            procedures.change_assessment(SETUP, made, at=clock.now, **values)
        assert caught.value.code == code
    for values, code in (
        ({"kind": "system", "subject": "NN"}, "subject_unknown"),
        ({"unit": bureau.unit["IC"]}, "subject_unknown"),
        ({"concluded_at": clock.now + timedelta(seconds=1)}, "in_the_future"),
        ({"assessor": None}, "invalid"),
        ({"kind": "bureau"}, "invalid"),
    ):
        with pytest.raises(RefusedError) as caught:
            assessed(bureau, clock, code="PG09", **values)
        assert caught.value.code == code
