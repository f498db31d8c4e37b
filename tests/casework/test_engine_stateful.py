"""The engine under any order of acts: nothing is approved without its quorum of distinct, eligible people who hold their seats.

Hypothesis lets the cast file, vote, return, resubmit and withdraw, moves terms and posts under them, and runs the sweep.
After every step the books are checked from the acts alone, by rules written here a second time.
"""

from __future__ import annotations

from datetime import datetime

import pytest
from django.db import transaction
from django.test import TransactionTestCase
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from anzhang.casework import procedures as cases
from anzhang.casework.models import Act, Approval, Case, Todo
from anzhang.demo import bureau as demo
from anzhang.directory.models import Assignment, Bitemporal, LeadingGroupMember, Person
from anzhang.journal.models import Entry
from anzhang.journal.procedures import row_digest
from anzhang.permissions import RefusedError, system
from tests import world
from tests.casework.paths import acting_as, route, seat, step

SEATS = ("P001", "P002", "P003", "P010", "P020")
WAYS = {
    "group": route(
        step("head", "unit_head@applicant", otherwise=["super_head@applicant"]), step("group", "leading_group", need="majority")
    ),
    "pair": route(step("pair", "unit_head@applicant", "leading_group", need="all")),
    "two": route(step("two", "leading_group", need=2), step("office", "office")),
}
PEOPLE = ("P001", "P002", "P003", "P004", "P005", "P010", "P020", "P021", "P022")


class Engine(RuleBasedStateMachine):
    """One case at a time, and a bureau whose posts move."""

    def __init__(self) -> None:
        super().__init__()
        self.transaction = transaction.atomic()
        self.transaction.__enter__()
        self.clock = world.Clock()
        self.bureau = demo.build(self.clock.now)
        seat(self.clock, self.bureau.person["P010"], self.bureau.person["P020"])
        self.case: Case | None = None

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.transaction.__exit__(None, None, None)

    def tick(self) -> datetime:
        return self.clock.advance(minutes=7)

    @precondition(lambda self: self.case is None or self.case.state not in {"open", "returned"})
    @rule(way=st.sampled_from(sorted(WAYS)), who=st.sampled_from(("P020", "P021", "P022", "P001", "P010")))
    def file(self, way: str, who: str) -> None:
        applicant = self.bureau.person[who]
        self.case = cases.file_case(acting_as(applicant), WAYS[way], applicant.unit, applicant, "试验", {}, self.tick())

    @precondition(lambda self: self.case is not None and self.case.opening.get("people"))
    @rule(turn=st.integers(0, 5))
    def agree_in_turn(self, turn: int) -> None:
        people = self.case.opening["people"]
        someone = Person.objects.get(pk=people[turn % len(people)])
        self.attempt(cases.agree, acting_as(someone), self.case, "同意", self.tick())

    @precondition(lambda self: self.case is not None)
    @rule(who=st.sampled_from(PEOPLE), verb=st.sampled_from(("agree", "agree", "agree", "refuse", "send_back")))
    def decide(self, who: str, verb: str) -> None:
        self.attempt(getattr(cases, verb), acting_as(self.bureau.person[who]), self.case, "意见", self.tick())

    @precondition(lambda self: self.case is not None)
    @rule(who=st.sampled_from(PEOPLE))
    def resubmit(self, who: str) -> None:
        self.attempt(cases.resubmit, acting_as(self.bureau.person[who]), self.case, None, self.tick())

    @precondition(lambda self: self.case is not None)
    @rule(who=st.sampled_from(PEOPLE))
    def withdraw(self, who: str) -> None:
        self.attempt(cases.withdraw, acting_as(self.bureau.person[who]), self.case, "", self.tick())

    @rule(who=st.sampled_from(SEATS))
    def end_term(self, who: str) -> None:
        LeadingGroupMember.objects.filter(person=self.bureau.person[who], valid_to=None).update(valid_to=self.tick())

    @rule(who=st.sampled_from(SEATS))
    def seat_again(self, who: str) -> None:
        person, now = self.bureau.person[who], self.tick()
        if not LeadingGroupMember.objects.filter(Bitemporal.in_force(now), person=person).exists():
            LeadingGroupMember.objects.create(person=person, role="member", valid_from=now, recorded_at=now)

    @rule(successor=st.sampled_from(("P020", "P021", "P022")))
    def change_head(self, successor: str) -> None:
        unit, now = self.bureau.unit["JYC"], self.tick()
        Assignment.objects.filter(unit=unit, duty="unit_head", valid_to=None).update(valid_to=now)
        Assignment.objects.create(person=self.bureau.person[successor], duty="unit_head", unit=unit, valid_from=now, recorded_at=now)

    @rule()
    def sweep(self) -> None:
        cases.refresh_cases(system("cases"), self.tick())
        assert cases.refresh_cases(system("cases"), self.clock.now) == 0
        if self.case is not None:
            self.case = Case.objects.get(pk=self.case.pk)

    def attempt(self, verb, *given) -> None:
        before = (Act.objects.count(), Entry.objects.count(), Approval.objects.count())
        try:
            self.case = verb(*given)
        except RefusedError:
            assert (Act.objects.count(), Entry.objects.count(), Approval.objects.count()) == before
            self.case = Case.objects.get(pk=self.case.pk)

    @invariant()
    def nothing_is_granted_without_its_quorum(self) -> None:
        for approval in Approval.objects.select_related("case"):
            way = cases.queries.route_of(approval.case)
            for index in range(way.deciding):
                self.check_step(approval, way.steps[index], index)

    def check_step(self, approval: Approval, rules, index: int) -> None:
        acts = Act.objects.filter(case=approval.case, step=index, round=approval.case.round)
        agreed = {act.person_id: act.at for act in acts if act.verb == "agree"}
        refused = {act.person_id for act in acts if act.verb == "refuse"}
        assert approval.case.applicant_id not in agreed
        assert not set(agreed) & refused
        opened = Todo.objects.filter(case=approval.case, round=approval.case.round, step=index).order_by("opened_at")[0].opened_at
        if rules.key in {"head", "office"}:
            assert len(agreed) >= 1
        elif rules.key == "group":
            assert len(agreed) * 2 > self.members(opened)
            assert all(self.sat(person, at) for person, at in agreed.items())
        elif rules.key == "two":
            assert len(agreed) >= 2
            assert all(self.sat(person, at) for person, at in agreed.items())
        else:
            assert len(agreed) >= 2
            assert not refused

    def members(self, at: datetime) -> int:
        return LeadingGroupMember.objects.filter(Bitemporal.in_force(at)).values("person").distinct().count()

    def sat(self, person_id: int, at: datetime) -> bool:
        return LeadingGroupMember.objects.filter(Bitemporal.in_force(at), person_id=person_id).exists()

    @invariant()
    def nobody_decides_two_steps_or_the_own_case(self) -> None:
        for case in Case.objects.all():
            acts = Act.objects.filter(case=case, verb__in=["agree", "refuse", "send_back"])
            assert case.applicant_id not in {act.person_id for act in acts}
            steps: dict[int, set[int]] = {}
            for act in acts:
                steps.setdefault(act.person_id, set()).add(act.step)
            assert all(len(each) == 1 for each in steps.values())

    @invariant()
    def todos_follow_the_case(self) -> None:
        pending = Todo.objects.filter(closed_at=None).select_related("case")
        for todo in pending:
            assert todo.case.state == "open"
            assert (todo.round, todo.step) == (todo.case.round, todo.case.step)
            assert todo.person_id in todo.case.opening["people"]

    @invariant()
    def rows_match_their_entries(self) -> None:
        if self.case is not None:
            row = Case.objects.get(pk=self.case.pk)
            last = Entry.objects.filter(object_type="case", object_key=str(row.pk)).order_by("-index")[0]
            assert last.after == row_digest(row)


class EngineTest(TransactionTestCase):
    """Run inside a database of its own kind: every run is one transaction, rolled back."""

    def test_no_reachable_state_is_approved_without_its_quorum(self) -> None:
        run_state_machine_as_test(
            Engine,
            settings=settings(
                max_examples=25, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate]
            ),
        )

    @pytest.mark.long
    def test_no_reachable_state_is_approved_without_its_quorum_in_long_runs(self) -> None:
        run_state_machine_as_test(
            Engine,
            settings=settings(
                max_examples=300, stateful_step_count=60, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate]
            ),
        )
