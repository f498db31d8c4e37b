"""The engine under any order of acts: nothing is approved without its quorum of distinct, eligible people who hold their seats.

Hypothesis lets the cast file, vote, return, resubmit, withdraw, hand over, take back, add signers, revoke and act first, moves
terms, posts, acting heads, delegations, a unit's own route and people under them, lets time pass, and runs the sweeps.
After every step the books are checked from the acts alone, by rules written here a second time: who held which seat when they
voted is read from the registers, not from the engine.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.db import transaction
from django.test import TransactionTestCase
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from anzhang.casework import eligibility, emergency, parameters, queries, revocation, routes, stuck, turns
from anzhang.casework import procedures as cases
from anzhang.casework.models import Act, Approval, Case, Todo
from anzhang.casework.tables import UnitRoute
from anzhang.clock import day_of
from anzhang.demo import bureau as demo
from anzhang.directory.models import Assignment, Bitemporal, Delegation, LeadingGroupMember, Person, Unit
from anzhang.journal import sequencer
from anzhang.journal.models import Entry
from anzhang.journal.procedures import row_digest
from anzhang.permissions import RefusedError, system
from tests import world
from tests.casework.paths import acting_as, route, seat, step

SEATS = ("P001", "P002", "P003", "P010", "P020")
HEAD = step(
    "head", "unit_head@applicant", otherwise=["super_head@applicant"], stand_in={"who": ["leading_group"], "need": "majority"}
)  # fmt: skip
EXTRA = step("extra", "super_head@applicant", "office")
STEPS = {
    "fast": (HEAD, step("office", "office")),
    "group": (HEAD, step("group", "leading_group", need="majority")),
    "pair": (step("pair", "unit_head@applicant", "leading_group", need="all"),),
    "two": (step("two", "leading_group", need=2), step("office", "office")),
}
WAYS = {key: route(*steps, key=key, **({"emergency": [], "valid_days": 2} if key == "fast" else {})) for key, steps in STEPS.items()}
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
        self.away: list[list] = []  # who had left the bureau, from when, until when; the registers know days only
        self.catalog = routes.current
        routes.current = lambda: {**self.catalog(), **WAYS}

    def teardown(self) -> None:
        routes.current = self.catalog
        transaction.set_rollback(True)
        self.transaction.__exit__(None, None, None)

    def tick(self) -> datetime:
        return self.clock.advance(minutes=7)

    @precondition(lambda self: self.case is None or self.case.state not in {"open", "returned"})
    @rule(way=st.sampled_from(sorted(WAYS)), who=st.sampled_from(("P020", "P021", "P022", "P001", "P010")))
    def file(self, way: str, who: str) -> None:
        self.begin(cases.file_case, way, who)

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

    @rule(
        principal=st.sampled_from(PEOPLE), deputy=st.sampled_from(PEOPLE), role=st.sampled_from(("unit_head", "leading_group", "office")),
        hours=st.sampled_from((1, 200)),
    )  # fmt: skip
    def let_sign(self, principal: str, deputy: str, role: str, hours: int) -> None:
        now = self.tick()
        if principal != deputy:
            Delegation.objects.create(
                principal=self.bureau.person[principal], deputy=self.bureau.person[deputy], duty=role, valid_from=now,
                valid_to=now + timedelta(hours=hours), recorded_at=now,
            )  # fmt: skip

    @precondition(lambda self: self.case is not None and self.case.state == "open" and self.case.step > 0)
    @rule()
    def wear_two_hats(self) -> None:
        """Give whoever decided an earlier step a seat in the present one, and let them try to decide again."""
        earlier = Act.objects.filter(case=self.case, round=self.case.round, step__lt=self.case.step, verb="agree").order_by("-pk").first()
        if earlier is None:
            return
        now, (who, *_others) = self.tick(), queries.step_of(self.case).who
        if who == "leading_group":
            self.seat_again(earlier.person.code)
        else:
            duty, unit = ("office_member", "LGO") if who == "office" else ("acting_head", self.case.unit.code)
            given = {"valid_from": now, "valid_to": now + timedelta(hours=1), "recorded_at": now}
            Assignment.objects.create(person=earlier.person, duty=duty, unit=self.bureau.unit[unit], **given)
        self.attempt(cases.agree, acting_as(earlier.person), self.case, "同意", self.tick())

    @precondition(lambda self: self.case is not None and self.case.opening.get("people"))
    @rule(turn=st.integers(0, 5))
    def vote_after_the_seat_has_gone(self, turn: int) -> None:
        people = self.case.opening["people"]
        someone, now = Person.objects.get(pk=people[turn % len(people)]), self.tick()
        LeadingGroupMember.objects.filter(person=someone, valid_to=None).update(valid_to=now)
        Assignment.objects.filter(person=someone, valid_to=None).update(valid_to=now)
        self.attempt(cases.agree, acting_as(someone), self.case, "同意", self.tick())

    @precondition(lambda self: self.case is not None and self.case.opening.get("people"))
    @rule(turn=st.integers(0, 5), deputy=st.sampled_from(PEOPLE))
    def hand_over(self, turn: int, deputy: str) -> None:
        people = self.case.opening["people"]
        someone = Person.objects.get(pk=people[turn % len(people)])
        given = Delegation.objects.filter(Bitemporal.in_force(self.clock.now), principal=someone).first()
        who = given.deputy if given else self.bureau.person[deputy]
        self.attempt(turns.delegate, acting_as(someone), self.case, who, "", self.tick())

    @precondition(lambda self: self.case is not None)
    @rule(turn=st.integers(0, 5))
    def agree_as_deputy(self, turn: int) -> None:
        proxies = self.case.opening.get("proxies", [])
        if proxies:
            someone = Person.objects.get(pk=proxies[turn % len(proxies)][1])
            self.attempt(cases.agree, acting_as(someone), self.case, "同意", self.tick())

    @precondition(lambda self: self.case is not None)
    @rule(who=st.sampled_from(PEOPLE))
    def take_back(self, who: str) -> None:
        self.attempt(turns.take_back, acting_as(self.bureau.person[who]), self.case, "", self.tick())

    @precondition(lambda self: self.case is not None and self.case.opening.get("people"))
    @rule(turn=st.integers(0, 5), signer=st.sampled_from(PEOPLE), placement=st.sampled_from(("before", "after")))
    def add_signer(self, turn: int, signer: str, placement: str) -> None:
        people = self.case.opening["people"]
        someone = Person.objects.get(pk=people[turn % len(people)])
        self.attempt(turns.add_signer, acting_as(someone), self.case, self.bureau.person[signer], placement, "会签", self.tick())

    @precondition(lambda self: self.case is not None)
    @rule(turn=st.integers(0, 5))
    def agree_as_signer(self, turn: int) -> None:
        signers = self.case.opening.get("before", []) + self.case.opening.get("after", [])
        if signers:
            someone = Person.objects.get(pk=signers[turn % len(signers)])
            self.attempt(cases.agree, acting_as(someone), self.case, "同意", self.tick())

    @precondition(lambda self: self.case is not None)
    @rule(who=st.sampled_from(PEOPLE))
    def revoke(self, who: str) -> None:
        self.attempt(revocation.revoke, acting_as(self.bureau.person[who]), self.case, "撤销", self.tick())

    @precondition(lambda self: self.case is None or self.case.state not in {"open", "returned"})
    @rule(who=st.sampled_from(("P020", "P021", "P022")))
    def act_first(self, who: str) -> None:
        self.begin(emergency.act_first, "fast", who, "急")

    def begin(self, verb, way: str, who: str, *more: str) -> None:
        applicant = Person.objects.get(pk=self.bureau.person[who].pk)
        try:
            self.case = verb(acting_as(applicant), way, applicant.unit, applicant, "试验", {}, *more, self.tick())
        except RefusedError:
            assert applicant.left_on is not None
            return
        own = UnitRoute.objects.filter(UnitRoute.in_force(self.clock.now), unit=applicant.unit, route=way).exists()
        assert ("extra" in {each.key for each in queries.route_of(self.case).steps}) is own

    @rule(way=st.sampled_from(sorted(WAYS)))
    def go_another_way(self, way: str) -> None:
        """Let 就业促进处 add a step to its route, or go the catalog's way again."""
        unit, now = self.bureau.unit["JYC"], self.tick()
        standing = UnitRoute.objects.filter(UnitRoute.in_force(now), unit=unit, route=way)
        approval = Approval.objects.first()
        if standing.exists():
            standing.update(valid_to=now)
        elif approval is not None:
            source = {**WAYS[way].source, "step": [EXTRA, *STEPS[way]]}
            count = UnitRoute.objects.filter(unit=unit, route=way).count()
            given = {"rules": source, "basis": approval, "valid_from": now, "recorded_at": now}
            UnitRoute.objects.create(unit=unit, route=way, version=count + 1, **given)

    @rule(who=st.sampled_from(("P021", "P022", "P002")), unit=st.sampled_from(("JYC", "HRSS")), hours=st.sampled_from((1, 100)))
    def act_as_head(self, who: str, unit: str, hours: int) -> None:
        now = self.tick()
        given = {"valid_from": now, "valid_to": now + timedelta(hours=hours), "recorded_at": now}
        Assignment.objects.create(person=self.bureau.person[who], duty="acting_head", unit=self.bureau.unit[unit], **given)

    @rule(hours=st.sampled_from((1, 30, 80)))
    def let_time_pass(self, hours: int) -> None:
        revocation.expire(system("approvals"), self.clock.advance(hours=hours))
        assert revocation.expire(system("approvals"), self.clock.now) == 0

    @rule(who=st.sampled_from(("P002", "P003", "P021")))
    def leave(self, who: str) -> None:
        person, now = Person.objects.get(pk=self.bureau.person[who].pk), self.tick()
        if person.left_on:
            next(each for each in reversed(self.away) if each[0] == person.pk)[2] = now
        else:
            self.away.append([person.pk, now, None])
        person.left_on = None if person.left_on else day_of(now)
        person.save()

    @rule()
    def sweep(self) -> None:
        cases.refresh_cases(system("cases"), self.tick())
        assert cases.refresh_cases(system("cases"), self.clock.now) == 0
        if self.case is not None:
            self.case = Case.objects.get(pk=self.case.pk)
        reported = {each.subject.key for found in stuck.breaches(parameters.catalog(), self.clock.now).values() for each in found}
        for case in Case.objects.filter(state="open"):
            self.check_stuck(case, reported)

    def attempt(self, verb, *given) -> None:
        before = (Act.objects.count(), Entry.objects.count(), Approval.objects.count())
        try:
            self.case = verb(*given)
        except RefusedError:
            assert (Act.objects.count(), Entry.objects.count(), Approval.objects.count()) == before
            self.case = Case.objects.get(pk=self.case.pk)

    @invariant()
    def nothing_is_granted_without_its_quorum(self) -> None:
        for approval in Approval.objects.filter(superseded_at=None).select_related("case"):
            if approval.origin == Approval.Origin.EMERGENCY:
                self.check_emergency(approval)
                continue
            way = queries.route_of(approval.case)
            for index in range(way.deciding):
                self.check_step(approval, way.steps[index], index)

    def check_emergency(self, approval: Approval) -> None:
        """What acted first is allowed for its hours only, whatever happens to its case."""
        assert approval.valid_to <= approval.case.emergency_until
        assert approval.case.state in {"open", "returned", "refused", "revoked"}
        assert approval.case.state not in {"refused", "revoked"} or approval.revoked_at is not None or approval.valid_to <= self.clock.now

    def check_step(self, approval: Approval, rules, index: int) -> None:
        acts = Act.objects.filter(case=approval.case, step=index, round=approval.case.round).order_by("pk")
        agreed = [act for act in acts if act.verb == "agree"]
        refused = {act.person_id for act in acts if act.verb == "refuse"}
        signers = {act.target_id for act in acts if act.verb == "add_signer"}
        voters = [act.person_id for act in agreed]
        assert len(voters) == len(set(voters)), "one person, one vote"
        assert approval.case.applicant_id not in voters
        assert approval.case.applicant_id not in {act.principal_id for act in agreed}
        assert not set(voters) & refused
        later = Todo.objects.filter(case=approval.case, round=approval.case.round, step__gt=index).order_by("opened_at").first()
        passed = later.opened_at if later else approval.valid_from

        def seated(act: Act) -> bool:
            """Whether a vote fills a seat; an added signer's does where a seat of the step had come to them by the time it passed."""
            if act.principal_id is not None or act.person_id not in signers:
                return True
            return any(self.held(who, act.person_id, approval.case.unit, passed) for who in (*rules.who, *rules.otherwise))

        seats = {act.principal_id or act.person_id: act for act in agreed if seated(act)}
        for act in agreed:
            if act.principal_id is not None:
                assert self.was_delegated(act), "a deputy votes only while the delegation runs"
        for signer in signers & set(voters):
            assert next(act for act in agreed if act.person_id == signer).principal_id is None
        opened = Todo.objects.filter(case=approval.case, round=approval.case.round, step=index).order_by("opened_at")[0].opened_at
        if rules.need == "majority":
            assert len(seats) * 2 > self.members(opened)
        elif rules.need == "one":
            assert len(seats) >= 1
            assert not refused
        elif rules.need == "all":
            assert len(seats) >= 2
            assert not refused
        else:
            assert len(seats) >= rules.need

    def held(self, who: str, person: int, unit: Unit, at: datetime) -> bool:
        """Whether somebody held one of a step's seats at an instant, as the registers say."""
        role = who.partition("@")[0]
        here = Assignment.objects.filter(Bitemporal.in_force(at), person_id=person)
        if not self.is_here(person, at):
            return False
        if role == "leading_group":
            return LeadingGroupMember.objects.filter(Bitemporal.in_force(at), person_id=person).exists()
        if role == "office":
            return here.filter(unit__code="LGO", duty__in=["unit_head", "office_member"]).exists()
        place = unit.pk if role == "unit_head" else unit.parent_id
        return here.filter(unit_id=place, duty__in=["unit_head", "acting_head"]).exists()

    def was_delegated(self, act: Act) -> bool:
        return Delegation.objects.filter(Bitemporal.in_force(act.at), principal=act.principal_id, deputy=act.person_id).exists()

    def members(self, at: datetime) -> int:
        """Return how many sat in the leading group; whoever has left the bureau sits there no more."""
        seats = LeadingGroupMember.objects.filter(Bitemporal.in_force(at)).values_list("person", flat=True).distinct()
        return sum(self.is_here(person, at) for person in seats)

    def is_here(self, person: int, at: datetime) -> bool:
        return not any(who == person and left <= at and (back is None or at < back) for who, left, back in self.away)

    @invariant()
    def nobody_votes_without_a_seat(self) -> None:
        """Every vote there is, of cases that passed and of those on their way."""
        for act in Act.objects.filter(verb__in=["agree", "refuse"]).select_related("case__unit").order_by("-pk")[:5]:
            rules = queries.route_of(act.case).steps[act.step]
            asked = Act.objects.filter(case=act.case, round=act.round, step=act.step, verb="add_signer", target=act.person)
            if act.principal_id is None and asked.exists():
                continue
            holder = act.principal_id or act.person_id
            named = (*rules.who, *rules.otherwise)
            assert any(self.held(who, holder, act.case.unit, act.at) for who in named), "voted without the seat, or out of term"

    @invariant()
    def nobody_decides_two_steps_or_the_own_case(self) -> None:
        for case in Case.objects.all():
            acts = Act.objects.filter(case=case, verb__in=["agree", "refuse", "send_back"])
            assert case.applicant_id not in {act.person_id for act in acts}
            assert case.applicant_id not in {act.principal_id for act in acts}
            steps: dict[int, set[int]] = {}
            for act in acts:
                for person in {act.person_id, act.principal_id} - {None}:
                    steps.setdefault(person, set()).add(act.step)
            assert all(len(each) == 1 for each in steps.values())

    @invariant()
    def gates_honour_nothing_that_has_ended(self) -> None:
        for approval in queries.in_force("trial", self.clock.now):
            assert approval.case.state != "revoked"
            assert approval.revoked_at is None
            assert approval.valid_to is None or approval.valid_to > self.clock.now

    def check_stuck(self, case: Case, reported: set[str]) -> None:
        """A case whose step nobody can end is marked and reported; called when the books are fresh."""
        rules = queries.step_of(case)
        panel = eligibility.convene(case, rules, self.clock.now)
        agreed, refused = cases.engine.votes(case)
        able = eligibility.hands(rules.need, panel, agreed, refused) - agreed - refused
        assert able or case.fault, "open, nobody can act, and nobody is told"
        assert not case.fault or f"case:{case.number}" in reported, "stuck without a finding"
        assert self.could_pass(case, rules) or case.fault, "too few people sit there, and nobody is told"
        waiting = set(Todo.objects.filter(case=case, closed_at=None).values_list("person", flat=True))
        assert able <= waiting

    def could_pass(self, case: Case, rules) -> bool:
        """Whether as many people as the step needs hold its seats now, the applicant and who decided elsewhere left out."""
        acts = Act.objects.filter(case=case, verb__in=["agree", "refuse", "send_back"]).exclude(step=case.step)
        barred = {case.applicant_id, *(each.person_id for each in acts), *(each.principal_id for each in acts)}
        people = set(Person.objects.values_list("pk", flat=True)) - barred
        seats = [{each for each in people if self.held(who, each, case.unit, self.clock.now)} for who in (*rules.who, *rules.otherwise)]
        least = rules.need if isinstance(rules.need, int) and not isinstance(rules.need, str) else rules.minimum
        return len(set().union(*seats)) >= least

    @invariant()
    def todos_follow_the_case(self) -> None:
        pending = Todo.objects.filter(closed_at=None).select_related("case")
        for todo in pending:
            assert todo.case.state == "open"
            assert (todo.round, todo.step) == (todo.case.round, todo.case.step)
            opening = todo.case.opening
            deputies = {deputy for _seat, deputy in opening.get("proxies", [])}
            assert todo.person_id in {*opening["people"], *deputies, *opening.get("before", []), *opening.get("after", [])}

    @invariant()
    def rows_match_their_entries(self) -> None:
        if self.case is not None:
            row = Case.objects.get(pk=self.case.pk)
            sequencer.sequence()  # the outbox waits for a commit that this run never makes
            last = Entry.objects.filter(object_type="case", object_key=str(row.pk)).order_by("-index")[0]
            assert last.after == row_digest(row)


class EngineTest(TransactionTestCase):
    """Run inside a database of its own kind: every run is one transaction, rolled back."""

    def test_no_reachable_state_is_approved_without_its_quorum(self) -> None:
        run_state_machine_as_test(
            Engine,
            settings=settings(
                max_examples=10, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate]
            ),
        )

    @pytest.mark.long
    @pytest.mark.timeout(3600)
    def test_no_reachable_state_is_approved_without_its_quorum_in_long_runs(self) -> None:
        run_state_machine_as_test(
            Engine,
            settings=settings(
                max_examples=200, stateful_step_count=60, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate]
            ),
        )
