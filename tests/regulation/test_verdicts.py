"""What outcomes add up to."""

from hypothesis import given
from hypothesis import strategies as st

from anzhang.regulation.parameters import Tracked, Values
from anzhang.regulation.verdicts import Breach, Ground, Outcome, State, Subject, Why, judge, worst

A, B = Subject("unit:A", "甲", "A"), Subject("unit:B", "乙", "B")


def states(outcome, *, watches=False):
    return {judgement.unit: judgement.state for judgement in judge(outcome, watches=watches)}


def test_each_unit_is_judged_alone():
    outcome = Outcome((A, B), (Breach(A, Why("late")),))
    assert states(outcome) == {"A": State.BREACH, "B": State.MET}


def test_nobody_who_could_owe_it_makes_it_not_applicable():
    assert states(Outcome(())) == {None: State.NOT_APPLICABLE}


def test_a_prohibition_that_nothing_watches_is_never_green():
    assert states(Outcome(()), watches=True) == {None: State.UNKNOWN}
    assert states(Outcome((), coverage={"A": 0.0}), watches=True) == {"A": State.UNKNOWN}


def test_a_watched_prohibition_says_none_observed_and_how_much_was_watched():
    (judgement,) = judge(Outcome((A,), coverage={"A": 0.979}), watches=True)
    assert (judgement.state, judgement.why.code, judgement.why.params) == (State.MET, "none_observed", {"percent": 97})


def test_unwatched_ground_beside_watched_is_unknown():
    outcome = Outcome((A,), unknown=(Ground("A", Why("silent", {"host": "h1"})),), coverage={"A": 0.5})
    (judgement,) = judge(outcome, watches=True)
    assert (judgement.state, judgement.why.code) == (State.UNKNOWN, "silent")


def test_a_breach_outweighs_unwatched_ground():
    outcome = Outcome((A,), (Breach(A, Why("late")),), (Ground("A", Why("silent")),))
    assert states(outcome) == {"A": State.BREACH}


def test_two_breaches_of_one_subject_count_once():
    (judgement,) = judge(Outcome((A,), (Breach(A, Why("late"), detail="1"), Breach(A, Why("torn"), detail="2"))), watches=False)
    assert (judgement.breaches, judgement.population, judgement.why.code, judgement.why.params["count"]) == (1, 1, "breaches", 2)


def test_a_breach_outside_the_population_is_counted():
    (judgement,) = judge(Outcome((), (Breach(A, Why("late")),)), watches=False)
    assert (judgement.state, judgement.population, judgement.breaches) == (State.BREACH, 1, 1)


@given(st.lists(st.sampled_from(list(State))))
def test_the_worst_state_is_breach_then_unknown_then_met(found):
    if State.BREACH in found:
        assert worst(found) is State.BREACH
    elif State.UNKNOWN in found:
        assert worst(found) is State.UNKNOWN
    else:
        assert worst(found) is (State.MET if State.MET in found else State.NOT_APPLICABLE)


def test_reading_an_unsigned_default_makes_a_verdict_provisional():
    values = Values({"signed": 1, "open": 2, "fixed": 3}, frozenset({"open"}))
    tracked = Tracked(values)
    assert tracked["signed"] + tracked["fixed"] == 4
    assert not tracked.is_provisional
    assert tracked["open"] == 2
    assert tracked.is_provisional
