"""Every verb at every kind of step, and every edge of a route, as a story told through the pages' own forms.

What must have a story is read from the program (`required`); what has one is declared beside each story by `tells`, and a story
that does not show what it declares fails. The same stories run on PostgreSQL (Makefile).
"""

from __future__ import annotations

import ast
import dataclasses
import hashlib
import inspect
import json
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from anzhang.casework import (
    delegations,
    eligibility,
    emergency,
    engine,
    procedures,
    queries,
    reconciliation,
    revocation,
    route_changes,
    routes,
    sheet_cases,
    turns,
    unit_routes,
    waivers,
)
from anzhang.casework.legal_basis import LegalBasis
from anzhang.casework.models import Act, Approval, Case, Finding, Todo
from anzhang.casework.routes import Need, StepKind
from anzhang.casework.tables import UnitRoute
from anzhang.directory.models import Assignment, Delegation, LeadingGroupMember
from anzhang.endpoints.models import BusinessException
from anzhang.events import Event
from anzhang.network import change_gate
from anzhang.network import procedures as network
from anzhang.network.models import Interconnection, Link
from anzhang.network.tables import ChangeOrder
from anzhang.organization import projects
from anzhang.organization.models import Filing, Officer, PolicyDocument
from anzhang.permissions import Actor, RefusedError, Via, system
from anzhang.regulation.checks import PROCEDURES
from anzhang.rooms import procedures as rooms
from anzhang.rooms.models import EquipmentMove, RoomVisit
from anzhang.systems import releases
from anzhang.systems.tables import DeveloperException, GoLive
from anzhang.systems.upkeep import LoadTest
from tests import world
from tests.casework.paths import LABEL, delegate_by_row, post, route, seat, step
from tests.casework.stage import Stage, by_key
from tests.web.test_turns import PDF

MATTER = {"name": "matter", "kind": "text", "required": False, "label": {"zh": "事由", "en": "Matter"}}
ROWS = {"name": "rows", "kind": "number", "required": False, "label": {"zh": "行数", "en": "Rows"}}
SORT = {"name": "sort", "kind": "choice", "required": False, "label": {"zh": "类", "en": "Sort"}, "choices": {"a": LABEL, "b": LABEL}}
SYSTEM = {"name": "system", "kind": "system", "label": {"zh": "系统", "en": "System"}}
HEAD, OFFICER = "unit_head@applicant", "security_officer@applicant"
SETUP = Actor(id="setup", via=Via.SETUP)

TRIALS = by_key(
    route(step("s", HEAD), key="t_one", authority="office", field=[MATTER]),
    route(step("s", HEAD, OFFICER, need="all"), key="t_all", authority="office", field=[MATTER]),
    route(step("s", "leading_group", need="majority"), key="t_majority", authority="office", field=[MATTER]),
    route(step("s", "leading_group", need=2), key="t_k", authority="office", field=[MATTER]),
    route(step("h", HEAD), step("s", "office", kind="receive"), key="t_receive", authority="office", field=[MATTER]),
    route(step("h", HEAD, otherwise=["super_head@applicant"]), step("o", "office"), key="t_chain", authority="leading_group", valid_days=2),
    route(
        step("h", HEAD),
        step("r", "office", when=[{"field": "rows", "at_least": 1000}]),
        step("s", "security_officer@managing", when=[{"field": "sort", "any_of": ["b"]}]),
        step("g", "leading_group", need=2, when=[{"field": "matter", "given": True}]),
        key="t_when", field=[ROWS, SORT, MATTER, {**SYSTEM, "required": False}],
    ),
    route(step("m", "system_manager@managing"), key="t_managing", field=[SYSTEM]),
    route(step("o", "office"), step("a", "auditor"), key="t_audited"),
    route(step("h", HEAD), key="t_filers", filers=[OFFICER]),
    route(step("h", HEAD), key="t_unbound", effect="no_such_procedure"),
    route(step("h", HEAD), key="t_failing", effect="breaks_a_constraint"),
    route(step("h", HEAD), step("p", OFFICER, "staff@applicant", need="all", minimum=3), key="t_minimum"),
)  # fmt: skip
# Who sits at the step `s` of a trial of 信息中心, in the order in which they act; the deputy who takes the first seat, and as what.
SEATS = {"one": ["zhouwei"], "all": ["zhouwei", "liming"], "majority": ["gaojianguo", "hemin"], "k": ["gaojianguo", "hemin"],
         "receive": ["zhengkai"]}  # fmt: skip
ROLES = {"one": "unit_head", "all": "unit_head", "majority": "leading_group", "k": "leading_group", "receive": "office"}
SECOND_REFUSAL_ENDS = {"majority", "k"}
NO_SIGNERS = {"majority": "body_votes", "k": "body_votes", "receive": "receive_only"}

# Refused by procedures to callers that no page and no API offers: told below the faces, by the tests named.
BEHIND_THE_FACES = {
    "not_browser": "tests/casework/test_turns.py, tests/casework/test_quorum.py: deciding has no API and no command",
    "not_yourself": "tests/casework/test_verbs.py: every page files for its reader",
    "no_approval": "tests/casework/test_verbs.py: an effect called beside its case",
    "unknown_route": "tests/casework/test_verbs.py: the page of an unknown route is not found",
    "delegation_ended": "tests/directory: ending a delegation has no page",
    "ends_before_start": "tests/casework/test_turns.py: the form asks for days in order",
    "sheet_gone": "tests/registers: a sheet that somebody took from the store",
    "sheet_damaged": "tests/registers: a sheet that somebody changed in the store",
    "no_sheet": "tests/registers: the page of a sheet is not found for such a route",
}
SOURCES = (
    engine, procedures, turns, revocation, emergency, eligibility, delegations, route_changes, unit_routes, sheet_cases, queries, waivers,
)  # fmt: skip
BOOKS = ("casework:case", "casework:approval", "casework:unit_route")
VERBS = {f"casework:case:{verb}" for verb in Act.Verb.values}
DECLARED: dict[str, list[str]] = {}


def kinds() -> list[str]:
    """Return the kinds of step that a route may have."""
    return [*(str(need) for need in Need), "k", *(str(kind) for kind in StepKind if kind is not StepKind.DECIDE)]


def required() -> set[str]:
    """Return what must have a story, read from the program."""
    cells = {f"{verb}.{kind}" for verb in Act.Verb.values for kind in kinds()}
    cells |= {f"case.{state}" for state in Case.State.values} | {f"todo.{outcome or 'pending'}" for outcome in Todo.Outcome.values}
    cells |= {f"placement.{each}" for each in Act.Placement.values} | {f"origin.{each}" for each in Approval.Origin.values}
    cells |= {f"fault.{each}" for each in eligibility.Fault} | {f"role.{each}" for each in routes.ROLES}
    cells |= {f"where.{each}" for each in routes.WHERES}
    cells |= {f"event.{each}" for each in Event if each.startswith(BOOKS) and str(each) not in VERBS}
    for owner, names in ((routes.Route, "filers effect valid_days emergency"), (routes.Step, "otherwise need minimum days effect when")):
        known = {each.name for each in dataclasses.fields(owner)}
        assert set(names.split()) <= known
        passive = {"key", "title", "articles", "authority", "fields", "steps", "source", "kind", "who"}
        cells |= {f"{owner.__name__.lower()}.{name}" for name in known - passive}
    cells |= {f"when.{each.name}" for each in dataclasses.fields(routes.Condition) if each.name != "field"}
    cells |= {f"fact.{each}" for each in routes.PSEUDO_FIELDS}
    return cells | {f"refusal.{code}" for code in refusals()}


def refusals() -> set[str]:
    """Return every code with which the verbs refuse, read from their source."""
    calls = [node for module in SOURCES for node in ast.walk(ast.parse(inspect.getsource(module))) if isinstance(node, ast.Call)]
    named = [call for call in calls if getattr(call.func, "id", "") == "RefusedError" and call.args]
    return {call.args[0].value for call in named if isinstance(call.args[0], ast.Constant)}


def tells(*cells: str, **by_kind: str):
    """Declare what a story shows; `{kind}` stands for its parameter, `by_kind` is shown under that parameter only."""

    def told(kind: str) -> set[str]:
        return {cell.format(kind=kind) for cell in cells} | ({by_kind[kind]} if kind in by_kind else set())

    def declare(function):
        for cell in set().union(*map(told, kinds())):
            DECLARED.setdefault(cell, []).append(function.__name__)
        function.told = told
        return function

    return declare


@pytest.fixture
def stage(request, bureau, clock, monkeypatch):
    """Open the stage; afterwards the story must have shown what it declares."""
    known, refused, begin = routes.current(), [], RefusedError.__init__

    def noted(self, code, message, remedy=""):
        refused.append((code, message))
        begin(self, code, message, remedy)

    monkeypatch.setattr(routes, "current", lambda: {**known, **TRIALS})
    monkeypatch.setattr(RefusedError, "__init__", noted)
    stage = Stage(bureau, clock, refused)
    yield stage
    kind = request.node.callspec.params.get("kind", "") if hasattr(request.node, "callspec") else ""
    missing = request.function.told(kind) - stage.gather()
    assert not missing, f"declared and not shown: {sorted(missing)}"


def to_step(stage: Stage, kind: str) -> Case:
    """Let 王芳 of 信息中心 file a trial and bring it to its step of the kind."""
    case = stage.file("wangfang", f"t_{kind}")
    return stage.agree(case, "zhouwei") if kind == "receive" else case


def waiting(case: Case) -> set[str]:
    return set(Todo.objects.filter(case=case, closed_at=None).values_list("person__name", flat=True))


def test_every_verb_kind_of_step_and_edge_has_a_story():
    assert set(BEHIND_THE_FACES) <= refusals(), "no longer refused with"
    exempt = {f"refusal.{code}" for code in BEHIND_THE_FACES}
    assert sorted(required() - set(DECLARED) - exempt) == []
    assert sorted(set(DECLARED) - required()) == [], "declared and no part of the program"


# Verbs by kinds of step


@pytest.mark.parametrize("kind", kinds())
@tells("file.{kind}", "agree.{kind}", "revoke.{kind}", "case.approved", "case.revoked", "todo.done")
def test_it_is_filed_agreed_to_and_revoked(kind, stage):
    case = to_step(stage, kind)
    stage.note("file", case)
    for username in SEATS[kind]:
        assert case.state == Case.State.OPEN
        stage.agree(case, username)
    assert case.state == Case.State.APPROVED
    assert stage.forge("wangfang", case, "revoke") == "own_case"
    assert stage.press("fengxue", case, "revoke", opinion="用途已变").state == Case.State.REVOKED


@pytest.mark.parametrize("kind", kinds())
@tells("refuse.{kind}", "event.casework:case:advance", receive="refusal.receive_only")
def test_it_is_refused_or_taken_on_file_only(kind, stage):
    case = to_step(stage, kind)
    if kind == "receive":
        assert stage.forge(SEATS[kind][0], case, "refuse") == "receive_only"
        stage.seen.add("refuse.receive")
        return
    stage.press(SEATS[kind][0], case, "refuse", opinion="理由不足")
    if kind in SECOND_REFUSAL_ENDS:
        assert case.state == Case.State.OPEN
        stage.press(SEATS[kind][1], case, "refuse", opinion="理由不足")
    assert case.state == Case.State.REFUSED
    assert not waiting(case)


@pytest.mark.parametrize("kind", kinds())
@tells(
    "send_back.{kind}",
    "resubmit.{kind}",
    "withdraw.{kind}",
    "case.open",
    "case.returned",
    receive="refusal.granted",
    one="case.withdrawn",
)
def test_it_is_sent_back_handed_in_again_and_withdrawn(kind, stage):
    case = to_step(stage, kind)
    here = case.step
    stage.press(SEATS[kind][-1], case, "send_back", opinion="请补充")
    assert case.state == Case.State.RETURNED
    stage.press("wangfang", case, "resubmit", opinion="已补充")
    stage.note("resubmit", case)
    assert (case.state, case.round, case.step) == (Case.State.OPEN, 2, here)
    if kind == "receive":
        assert stage.forge("wangfang", case, "withdraw") == "granted"
        stage.seen.add("withdraw.receive")
        return
    assert stage.press("wangfang", case, "withdraw").state == Case.State.WITHDRAWN


@pytest.mark.parametrize("kind", kinds())
@tells("delegate.{kind}", "take_back.{kind}", "todo.delegated", "refusal.handed_over")
def test_the_turn_is_handed_over_taken_back_and_filled_by_the_deputy(kind, stage):
    case = to_step(stage, kind)
    first, *others = SEATS[kind]
    delegate_by_row(stage.clock, stage.bureau.user[first].person, stage.bureau.named("徐斌"), ROLES[kind])
    stage.press(first, case, "delegate", deputy="P030", opinion="出差")
    assert "徐斌" in waiting(case)
    assert stage.forge(first, case, "agree") == "handed_over"
    stage.press(first, case, "take_back")
    assert "徐斌" not in waiting(case)
    stage.press(first, case, "delegate", deputy="P030", opinion="还是出差")
    stage.agree(case, "xubin", *others)
    assert case.state == Case.State.APPROVED
    assert Act.objects.get(case=case, verb="agree", person__name="徐斌").principal == stage.bureau.user[first].person


@pytest.mark.parametrize("kind", kinds())
@tells("add_signer.{kind}", majority="refusal.body_votes", receive="refusal.receive_only", one="role.unit_head", all="where.applicant")
def test_one_more_signature_is_asked_for_where_nobody_votes(kind, stage):
    case = to_step(stage, kind)
    first, *others = SEATS[kind]
    if kind in NO_SIGNERS:
        assert stage.forge(first, case, "add_signer", signer="徐斌", placement="before") == NO_SIGNERS[kind]
        stage.seen.add(f"add_signer.{kind}")
        return
    stage.press(first, case, "add_signer", signer="徐斌", placement="before", opinion="请核对")
    stage.press(first, case, "add_signer", signer="罗娜", placement="after", opinion="请会签")
    assert stage.press(first, case, "agree", taken=False) == case
    assert stage.refusals[-1][0] == "signers_first"
    stage.agree(case, "xubin", first, *others)
    assert (case.state, waiting(case)) == (Case.State.OPEN, {"罗娜"})
    assert stage.agree(case, "luona").state == Case.State.APPROVED


# Who may not, and when


@tells("refusal.own_case", "refusal.not_your_step", "refusal.decided_other_step", "refusal.already_decided", "refusal.not_the_applicant",
       "refusal.stale", "refusal.case_closed", "refusal.not_returned", "refusal.not_a_filer", "refusal.auditor_changes_nothing",
       "refusal.not_granted", "refusal.not_handed_over", "refusal.no_delegation", "step.days")  # fmt: skip
def test_nobody_decides_out_of_turn(stage):
    case = stage.file("wangfang", "t_all")
    assert stage.forge("wangfang", case, "agree") == "own_case"
    assert stage.forge("gaojianguo", case, "agree") == "not_your_step"
    assert stage.forge("zhouwei", case, "withdraw") == "not_the_applicant"
    assert stage.forge("wangfang", case, "resubmit") == "not_returned"
    assert stage.forge("zhouwei", case, "revoke") == "not_granted"
    assert stage.forge("zhouwei", case, "take_back") == "not_handed_over"
    assert stage.forge("zhouwei", case, "delegate", deputy="P030") == "no_delegation"
    stage.agree(case, "zhouwei")
    assert stage.forge("zhouwei", case, "agree") == "already_decided"
    assert stage.forge("liming", case, "agree", round="7") == "stale"
    assert stage.agree(case, "liming").state == Case.State.APPROVED
    assert stage.forge("liming", case, "agree") == "case_closed"
    assert stage.refuse_to_file("wangfang", "t_filers", unit_of_case="IC") == "not_a_filer"
    assert stage.refuse_to_file("chenjing", "t_one", unit_of_case="IC") == "auditor_changes_nothing"
    post(stage.clock, stage.bureau.named("周伟"), "office_member", unit=stage.bureau.unit["LGO"])
    chain = stage.agree(stage.file("wangfang", "t_chain"), "zhouwei")
    assert stage.forge("zhouwei", chain, "agree") == "decided_other_step"
    todo = Todo.objects.get(case=chain, step=0)
    assert todo.due_at == case.todos.first().due_at  # three working days
    stage.seen.add("step.days")


@tells("refusal.not_a_person", "refusal.no_second_factor", "route.filers")
def test_a_reader_without_a_person_or_a_second_factor_decides_nothing(stage, acting, clock):
    case = stage.file("liming", "t_filers")  # the officer of 信息中心: whom this route lets file
    assert case.state == Case.State.OPEN
    stage.seen.add("route.filers")
    half = Client()
    world.enter(half, stage.bureau.user["zhouwei"], second_factor=False)
    answer = half.post(f"/cases/{case.number}/decide/", {"verb": "agree", "round": 1, "step": 0})
    assert (answer.status_code, "/cases/" in answer["Location"].partition("?")[0]) == (302, False)
    for change, code in (({"second_factor": False}, "no_second_factor"), ({"person_id": None}, "not_a_person")):
        with pytest.raises(RefusedError):
            procedures.agree(dataclasses.replace(acting("zhouwei"), **change), case, "同意", clock.now)
        assert stage.refusals[-1][0] == code
        stage.seen.add(f"refusal.{code}")
    case.refresh_from_db()
    assert case.state == Case.State.OPEN


@tells("refusal.signers_first", "refusal.not_yet", "refusal.barred", "refusal.has_a_turn", "refusal.no_seat", "refusal.placement",
       "refusal.reason_needed", "refusal.opinion_too_long",
       "placement.before", "placement.after", "todo.dropped", "case.refused")  # fmt: skip
def test_signers_come_on_top_in_their_order(stage):
    case = stage.file("wangfang", "t_one")
    given = {"signer": "罗娜", "placement": "after"}
    assert stage.forge("zhouwei", case, "add_signer", **given, opinion=" ") == "reason_needed"
    assert stage.forge("zhouwei", case, "add_signer", **{**given, "placement": "aside"}) == "placement"
    assert stage.forge("zhouwei", case, "add_signer", **given, opinion="长" * 1001) == "opinion_too_long"
    assert stage.forge("zhouwei", case, "add_signer", **{**given, "signer": "王芳"}) == "barred"
    assert stage.forge("zhouwei", case, "add_signer", **{**given, "signer": "周伟"}) == "has_a_turn"
    stage.press("zhouwei", case, "add_signer", signer="李明", placement="after", opinion="会签")
    assert stage.forge("liming", case, "agree") == "not_yet"
    stage.press("zhouwei", case, "add_signer", signer="徐斌", placement="before", opinion="先核")
    assert stage.forge("xubin", case, "add_signer", signer="何敏", placement="before") == "no_seat"
    stage.press("zhouwei", case, "agree", taken=False)
    assert stage.press("xubin", case, "refuse", opinion="不符").state == Case.State.REFUSED


@tells("refusal.post_ended", "case.open", "todo.pending")
def test_a_post_that_ended_while_the_case_waited_decides_nothing(stage):
    case = stage.file("wangfang", "t_one")
    Assignment.objects.filter(person__name="周伟").update(valid_to=stage.clock.advance(hours=1))
    assert stage.forge("zhouwei", case, "agree", opinion="同意") == "post_ended"


# Quorums and vacancies


@tells("step.need", "step.minimum", "fault.too_few", "fault.role_vacant")
def test_too_few_people_or_an_empty_role_hold_the_case_up_and_are_found(stage):
    LeadingGroupMember.objects.filter(person__name__in=["何敏", "林涛"]).update(valid_to=stage.clock.advance(hours=1))
    few = stage.file("wangfang", "t_majority")
    stage.agree(few, "gaojianguo")
    assert (few.state, few.fault) == (Case.State.OPEN, "too_few")
    empty = stage.file("sunli", "t_all")  # 就业促进处 has no security officer
    assert (empty.state, empty.fault) == (Case.State.OPEN, "role_vacant")
    reconciliation.run(system("reconcile"), stage.clock.now)
    found = set(Finding.objects.values_list("subject", flat=True))
    assert {f"case:{few.number}", f"case:{empty.number}"} <= found
    assert "法定人数不减" in stage.client("sunli").get(f"/cases/{empty.number}/").text
    seat(stage.clock, stage.bureau.named("何敏"))
    procedures.refresh_cases(system("cases"), stage.clock.advance(minutes=1))
    few.refresh_from_db()
    assert stage.agree(few, "hemin").state == Case.State.APPROVED
    three = stage.agree(stage.file("wangfang", "t_minimum"), "zhouwei")
    assert three.opening["need"] >= 3
    stage.seen |= {"step.need", "step.minimum"}


@tells("step.otherwise", "role.super_head", "route.valid_days", "refusal.not_the_authority", "event.casework:approval:expire",
       "event.casework:approval:warn", "refusal.ended")  # fmt: skip
def test_a_heads_own_case_goes_to_the_head_above_and_its_approval_ends_by_the_calendar(stage):
    case = stage.file("zhouwei", "t_chain")
    assert waiting(case) == {"高建国"}
    stage.seen |= {"step.otherwise", "role.super_head"}
    stage.agree(case, "gaojianguo", "zhengkai")
    assert stage.forge("zhengkai", case, "revoke") == "not_the_authority"  # the group's: not for one of the Office to take back
    approval = queries.approval_of(case)
    assert approval.valid_to is not None
    stage.seen.add("route.valid_days")
    sweep = system("approvals")
    assert queries.in_force("t_chain", approval.valid_to - timedelta(seconds=1)).exists()
    assert not queries.in_force("t_chain", approval.valid_to).exists()
    Approval.objects.filter(pk=approval.pk).update(valid_from=approval.valid_from - timedelta(days=90))  # one that had lasted
    assert revocation.expire(sweep, approval.valid_to - timedelta(hours=1)) == 1
    stage.clock.now = approval.valid_to
    assert revocation.expire(sweep, stage.clock.now) == 1
    assert stage.forge("zhengkai", case, "revoke") == "ended"


@tells("role.auditor")
def test_the_auditor_has_a_say_where_a_route_asks_for_it(stage):
    case = stage.agree(stage.file("luona", "t_audited"), "zhengkai")
    assert waiting(case) == {"陈静"}
    assert stage.agree(case, "chenjing").state == Case.State.APPROVED


# Conditions, places, effects


@tells("step.when", "when.at_least", "when.any_of", "when.given", "where.managing", "role.security_officer", "role.leading_group",
       "role.system_manager")  # fmt: skip
def test_steps_take_part_as_the_form_says(stage):
    def path(**form) -> list[str]:
        case = stage.file("zhanghua", "t_when", **form)
        stage.agree(case, "liuyang")
        return [queries.step_of(case).key] if case.state == Case.State.OPEN else []

    assert path() == []
    assert path(rows="999") == []
    assert path(rows="1000") == ["r"]
    assert path(sort="a") == []
    assert path(sort="b", system="SB01") == ["s"]
    assert path(matter="有") == ["g"]
    stage.seen |= {"step.when", "when.at_least", "when.any_of", "when.given"}
    post(stage.clock, stage.bureau.named("郭磊"), "system_manager", unit=stage.bureau.unit["IC"], system=stage.bureau.system["SB01"])
    case = stage.file("luona", "t_managing", system="SB01")
    assert waiting(case) == {"郭磊"}
    assert stage.agree(case, "guolei").state == Case.State.APPROVED


@tells("route.effect", "step.effect", "refusal.effect_unbound", "refusal.effect_failed", "refusal.form_granted", "role.office",
       "event.casework:case:approve", "event.casework:case:advance", "event.casework:approval:record")  # fmt: skip
def test_an_effect_takes_place_with_the_last_signature_or_the_act_is_undone(stage, monkeypatch):
    def breaks_a_constraint(*_given):
        Officer.objects.create(unit=stage.bureau.unit["JYC"], person_id=None, valid_from=stage.clock.now, recorded_at=stage.clock.now)

    monkeypatch.setitem(PROCEDURES, "breaks_a_constraint", breaks_a_constraint)
    for key, code in (("t_unbound", "effect_unbound"), ("t_failing", "effect_failed")):
        case = stage.press("zhouwei", stage.file("wangfang", key), "agree", taken=False)
        assert stage.refusals[-1][0] == code
        assert (case.state, Approval.objects.filter(case=case).exists()) == (Case.State.OPEN, False)
    case = stage.agree(stage.file("sunli", "officer_appointment", person="P022"), "liuyang")
    assert Officer.objects.filter(unit__code="JYC", superseded_at=None).get().person.name == "张华"
    stage.press("wujie", case, "send_back", opinion="缺材料")
    assert stage.forge("sunli", case, "resubmit", person="P023") == "form_granted"
    stage.press("sunli", case, "resubmit", opinion="已补")
    before = Filing.objects.count()
    assert stage.agree(case, "wujie").state == Case.State.APPROVED
    assert Filing.objects.count() == before + 1
    stage.seen |= {"route.effect", "step.effect"}


@tells("where.room", "role.room_keeper", "role.unit_head", "event.casework:approval:record", "origin.emergency", "origin.regularized")
def test_who_manages_a_room_decides_who_enters_it_and_what_is_moved(stage):
    at, unit = stage.clock.now, stage.bureau.unit["IC"]
    room = rooms.register_machine_room(SETUP, at=at, code="R1", name="一号机房", unit=unit, in_service_on=at.date())
    post(stage.clock, stage.bureau.named("郭磊"), "room_keeper", unit=unit, room=room)
    network.register_device(SETUP, at=at, code="D1", name="交换机", kind="switch", unit=unit, room=room)
    times = {"enters_from": "2026-11-24T09:30", "leaves_by": "2026-11-24T11:30"}
    asked = {"room": "R1", "person": "P022", "purpose": "maintenance", "reason": "更换硬盘", **times}
    case = stage.file("sunli", "room_visit", **asked)
    assert waiting(case) == {"周伟"}
    stage.agree(case, "zhouwei")
    assert RoomVisit.objects.get(basis__case=case).person.name == "张华"
    assert stage.press("zhouwei", case, "revoke", opinion="用途已变").state == Case.State.REVOKED  # the head who decided, of another unit
    own = stage.file("zhouwei", "room_visit", **asked)
    assert waiting(own) == {"高建国"}
    first = stage.file("sunli", "room_visit", first=True, why_first="夜间故障", **{**asked, "purpose": "repair"})
    assert queries.approval_of(first).origin == Approval.Origin.EMERGENCY
    stage.agree(first, "zhouwei")
    given = {"device": "D1", "room": "R1", "direction": "out", "reason": "送修"}
    move = stage.file("liming", "equipment_move", moves_from="2026-11-24T09:30", moves_by="2026-11-24T11:30", **given)
    assert waiting(move) == {"周伟", "郭磊"}
    stage.agree(move, "guolei")
    assert EquipmentMove.objects.get(basis__case=move).from_room == room


@tells("where.managing", "role.unit_head", "event.casework:approval:record", "refusal.not_the_authority")
def test_who_manages_a_system_lets_it_go_live_and_its_developers_operate(stage):
    at, system, digest = stage.clock.now, stage.bureau.system["SB01"], "a" * 64
    post(stage.clock, stage.bureau.named("郭磊"), "developer", unit=stage.bureau.unit["IC"], system=system)
    releases.register_environment(SETUP, at=at, code="E1", name="社保生产", system=system, kind="production", hosts=["sbapp01"])
    given = {"label": "v1", "artifact": "sb.jar", "digests": [digest], "developers": ["P014"], "built_on": at.date()}
    release = releases.register_release(SETUP, at=at, code="R1", system=system, **given)
    times = {"window_from": "2026-11-24T09:30", "window_to": "2026-11-24T11:30"}
    asked = {"release": "R1", "environment": "E1", "digest": digest, "operator": "P011", "reason": "修复", **times}
    assert stage.refuse_to_file("luona", "go_live", **asked) == "form_invalid"  # neither tested nor scanned
    for kind in ("functional", "security"):
        tested = {"digests": [digest], "passed": True, "tested_on": at.date(), "tester": stage.bureau.named("罗娜")}
        releases.record_test_report(SETUP, at=at, code=kind, release=release, kind=kind, **tested)
    scan = {"version": "2.1.0", "runs": [{"tool": {"driver": {"name": "semgrep"}}, "results": []}]}
    releases.import_code_scan(SETUP, release, digest, json.dumps(scan).encode(), at)
    case = stage.file("luona", "go_live", **asked)
    assert waiting(case) == {"周伟"}
    stage.agree(case, "zhouwei")
    assert GoLive.objects.get(basis__case=case).digests == [digest]
    assert stage.forge("fengxue", case, "revoke", opinion="用途已变") == "not_the_authority"  # the managing unit's, not the Office's
    assert stage.press("zhouwei", case, "revoke", opinion="用途已变").state == Case.State.REVOKED
    days = {"effective_on": "2026-11-24", "last_on": "2026-11-25", "reason": "夜间值守"}
    other = stage.agree(stage.file("luona", "developer_operates", system="SB01", person="P014", **days), "zhouwei")
    assert DeveloperException.objects.get(basis__case=other).person.name == "郭磊"


@tells("event.casework:approval:record", "where.managing")
def test_who_manages_a_system_lets_it_be_put_under_load_as_two_of_its_people_evaluated(stage):
    system = stage.bureau.system["SB01"]
    given = {"code": "E1", "name": "社保生产", "system": system, "kind": "production", "hosts": ["sbapp01"], "addresses": ["10.20.1.10"]}
    releases.register_environment(SETUP, at=stage.clock.now, **given)
    weighed = {"scheme": "缴费高峰压测", "risk": "避开缴费日", "rollback": "停压测机", "watching": "值班看负载", "expected_factor": "5"}
    asked = {
        "environment": "E1", "targets": "10.20.1.10\nsbapp01", "sources": "10.50.0.9", "window_from": "2026-11-24T22:00",
        "window_to": "2026-11-25T02:00", "evaluator": "P011", "second_evaluator": "P012", **weighed,
    }  # fmt: skip
    assert stage.refuse_to_file("luona", "load_test", **{**asked, "second_evaluator": "P011"}) == "form_invalid"
    case = stage.file("luona", "load_test", **asked)
    assert waiting(case) == {"周伟"}
    stage.agree(case, "zhouwei")
    assert LoadTest.objects.get(basis__case=case).sources == ["10.50.0.9"]


@tells("event.casework:approval:record", "where.applicant")
def test_a_keeper_is_assigned_by_the_head_of_the_unit(stage):
    unit = stage.bureau.unit["IC"]
    rooms.register_machine_room(SETUP, at=stage.clock.now, code="R1", name="一号机房", unit=unit, in_service_on=stage.clock.now.date())
    case = stage.agree(stage.file("liming", "assignment", person="P014", duty="room_keeper", room="R1"), "zhouwei")
    assert Assignment.objects.get(basis__case=case).room.code == "R1"


@tells("event.casework:approval:record", "event.casework:approval:revoke", "role.unit_head", "where.applicant")
def test_business_outside_a_post_is_for_the_head_of_the_persons_unit(stage):
    days = {"effective_on": "2026-11-24", "last_on": "2026-11-25", "what": "夜间补录参保登记", "reason": "系统切换"}
    assert stage.refuse_to_file("liming", "business_exception", person="P031", system="SB01", **days) == "form_invalid"  # of another unit
    case = stage.file("luona", "business_exception", person="P031", system="SB01", **days)
    assert waiting(case) == {"徐斌"}
    stage.agree(case, "xubin")
    assert BusinessException.objects.get(basis__case=case).person.name == "罗娜"
    assert stage.press("xubin", case, "revoke", opinion="情况已变").state == Case.State.REVOKED


@tells("event.casework:approval:record", "event.casework:approval:revoke", "role.unit_head", "where.applicant")
def test_a_device_is_changed_by_order_of_the_unit_head_and_not_by_who_decides(stage):
    at, unit = stage.clock.now, stage.bureau.unit["JYC"]
    network.register_device(SETUP, at=at, code="SW1", name="接入交换机", kind="switch", unit=unit)
    asked = {
        "kind": "network", "devices": "SW1", "what": "调整接口", "rollback": "恢复原配置", "executor": "P022",
        "window_from": "2026-11-24T09:30", "window_to": "2026-11-24T11:30",
    }  # fmt: skip
    assert stage.refuse_to_file("sunli", "change_order", **{**asked, "executor": "P020"}) == "form_invalid"
    case = stage.file("sunli", "change_order", **asked)
    assert waiting(case) == {"刘洋"}
    stage.agree(case, "liuyang")
    assert ChangeOrder.objects.get(basis__case=case).devices == ["SW1"]
    assert change_gate.config_change("SW1", at) is None
    assert stage.press("liuyang", case, "revoke", opinion="业务高峰").state == Case.State.REVOKED
    assert change_gate.config_change("SW1", at).code == "approval_ended"


@tells("event.casework:approval:record", "event.casework:approval:revoke", "role.office", "role.leading_group")
def test_the_office_and_the_group_open_what_leads_outside_and_revocation_ends_it(stage):
    at, unit = stage.clock.now, stage.bureau.unit["IC"]
    LegalBasis.objects.create(code="GB22239", title="基本要求", kind="standard", edition="2019 版", in_force_from=at.date())
    for code, kind, networks in (("BIZ", "business", ["10.20.0.0/16"]), ("NET", "internet", [])):
        network.register_zone(SETUP, at=at, code=code, name=code, kind=kind, networks=networks, unit=unit)
    form = {"person": "P021", "purpose": "代发养老金", "ports": "tcp/443", "opens_at": "2026-11-24T09:30", "closes_at": "2026-12-24T09:30"}
    asked = {
        **form, "code": "HL01", "name": "银行专线", "partner": "某银行", "level": "3", "standard": "GB22239", "scheme_title": "互联方案",
        "scheme_on": "2026-11-02", "peers": "172.31.5.16/28", "inner": "10.20.1.0/24", "daily_mb": "100",
    }  # fmt: skip
    ends = {"near_zone": "BIZ", "near_prefixes": "10.20.1.0/24", "far_zone": "NET", "far_prefixes": "203.0.113.0/29", "carrier": "某电信"}
    for key, model, given in (
        ("interconnection", Interconnection, asked),
        ("link", Link, {**form, "code": "LL01", "name": "出口", **ends}),
    ):
        case = stage.file("sunli", key, **given)
        assert waiting(case) == {"郑凯", "吴洁", "冯雪"}
        stage.agree(case, "wujie")
        assert waiting(case) == {"高建国", "何敏", "林涛"}
        stage.agree(case, "gaojianguo", "hemin")
        row = model.objects.get(superseded_at=None)
        assert row.basis.case == case
        assert stage.forge("wujie", case, "revoke") == "not_the_authority"
        stage.agree(stage.file("sunli", "revocation", approval=case.number, reason="用途已变"), "wujie", "gaojianguo", "hemin")
        row.refresh_from_db()
        assert row.valid_to == stage.clock.now
        again = stage.agree(stage.file("sunli", key, **{**given, "code": f"{given['code']}B"}), "wujie", "gaojianguo", "hemin")
        assert again.state == Case.State.APPROVED
        stage.agree(stage.file("sunli", f"{key}_closing", **{key: f"{given['code']}B"}, reason="不再使用"), "zhengkai")
        assert not model.objects.filter(superseded_at=None, valid_to__gt=stage.clock.now).exists()


@tells("event.casework:approval:record", "role.unit_head", "role.office", "role.leading_group")
def test_the_head_the_office_and_the_group_let_a_project_and_its_rules_stand(stage):
    at, unit, day = stage.clock.now, stage.bureau.unit["JYC"], stage.clock.now.date()
    LegalBasis.objects.create(code="GB22239", title="基本要求", kind="standard", edition="2019 版", in_force_from=day)
    given = {"name": "就业系统改造", "kind": "reconstruction", "person": stage.bureau.named("孙丽"), "systems": ["JY01"]}
    project = projects.register_project(SETUP, at=at, code="XM01", unit=unit, **given)
    asked = {"project": "XM01", "summary": "改造登录"}
    assert stage.refuse_to_file("sunli", "project_approval", **asked) == "form_invalid"  # nothing on file
    releases.register_design_item(SETUP, at=at, code="S1", name="双因素登录", project=project, designed_on=day)
    signers = {"first_signer": stage.bureau.named("张华"), "second_signer": stage.bureau.named("唐欣")}
    days = {"scheme_on": day, "first_signed_on": day, "second_signed_on": day}
    projects.register_project_checklist(
        SETUP, at=at, code="H1", project=project, scheme_title="方案", standards=["GB22239"], **signers, **days
    )
    case = stage.file("sunli", "project_approval", **asked)
    for decider, seats in (("liuyang", {"刘洋"}), ("wujie", {"郑凯", "吴洁", "冯雪"}), ("gaojianguo", {"高建国", "何敏", "林涛"})):
        assert waiting(case) == seats
        stage.agree(case, decider)
    stage.agree(case, "hemin")
    project.refresh_from_db()
    assert (project.basis.case, project.basis.authority) == (case, "leading_group")
    document = {"kind": "development_policy", "title": "开发制度", "edition": "一"}
    other = stage.agree(stage.file("sunli", "construction_policy", **document), "liuyang", "wujie", "gaojianguo", "hemin")
    assert PolicyDocument.objects.get(kind="development_policy").basis.case == other


# Emergency and paper


@tells("route.emergency", "refusal.no_emergency_path", "refusal.acted_first", "origin.emergency", "origin.regularized",
       "event.casework:approval:regularize", "event.casework:approval:revoke")  # fmt: skip
def test_what_was_done_first_is_regularized_or_ends(stage):
    asked = {"person": "P022", "duty": "maintainer", "unit_of_case": "JYC"}
    late = {**asked, "duty": "dba", "act_first": "1", "why_first": "急"}
    assert stage.refuse_to_file("sunli", "assignment", **late) == "no_emergency_path"
    assert stage.refuse_to_file("sunli", "assignment", **{**late, "why_first": ""}) == "reason_needed"
    first = stage.file("sunli", "assignment", first=True, why_first="夜间故障", **asked)
    assert queries.approval_of(first).origin == Approval.Origin.EMERGENCY
    assert stage.forge("sunli", first, "withdraw") == "acted_first"
    assert stage.agree(first, "liuyang").state == Case.State.APPROVED
    assert queries.approval_of(first).origin == Approval.Origin.REGULARIZED
    other = stage.file("sunli", "assignment", first=True, why_first="又一故障", **{**asked, "person": "P023"})
    stage.press("liuyang", other, "refuse", opinion="并非紧急")
    assert queries.approval_of(other).revoked_at is not None
    stage.seen.add("route.emergency")


@tells("origin.paper", "event.casework:approval:enter")
def test_a_paper_approval_is_entered_by_two_and_valid_from_its_day(stage):
    form = {
        "route": "assignment",
        "paper_number": "18号",
        "signed_by": "刘洋",
        "approved_on": "2025-06-03",
        "content": "运维",
        "last_on": "",
    }
    case = stage.file("sunli", "back_entry", scan=SimpleUploadedFile("批件.pdf", PDF, "application/pdf"), **form)
    assert case.form["scan"] == hashlib.sha256(PDF).hexdigest()
    stage.agree(case, "liuyang", "zhengkai")
    approval = queries.approval_of(case)
    assert (approval.origin, approval.kind, approval.valid_from.isoformat()) == ("paper", "assignment", "2025-06-02T16:00:00+00:00")


@tells("step.stand_in")
def test_what_the_head_of_the_bureau_asks_is_decided_by_the_group_and_the_office(stage):
    form = {"route": "assignment", "paper_number": "3号", "signed_by": "高建国", "approved_on": "2025-06-03", "content": "运维"}
    case = stage.file("gaojianguo", "back_entry", scan=SimpleUploadedFile("批件.pdf", PDF, "application/pdf"), **form)
    assert "领导小组代行审批" in stage.client("gaojianguo").get(f"/cases/{case.number}/").text
    assert stage.forge("gaojianguo", case, "agree") == "own_case"
    stage.agree(case, "hemin", "lintao", "zhengkai")
    assert case.state == Case.State.APPROVED
    stage.seen.add("step.stand_in")


# Authority that moves by cases: delegations, acting heads, units' own routes, revocation by case


@tells("refusal.own_deputy", "refusal.delegation_overlaps", "refusal.already_head", "fact.unit_kind")
def test_delegations_and_acting_heads_come_from_cases(stage):
    given = {"deputy": "P021", "duty": "unit_head", "last_on": "2026-12-04", "reason": "出差"}
    case = stage.file("liuyang", "delegation", **given)
    assert [queries.step_of(case).key, waiting(case)] == ["head", {"高建国"}]
    own = stage.file("gaojianguo", "delegation", **{**given, "deputy": "P002"})
    assert queries.step_of(own).key == "office"  # the bureau's head has no head above: the step takes no part
    stage.seen.add("fact.unit_kind")
    stage.agree(case, "gaojianguo", "zhengkai")
    assert Delegation.objects.get().basis.case == case
    again = stage.agree(stage.file("liuyang", "delegation", **given), "gaojianguo")
    stage.press("zhengkai", again, "agree", taken=False)
    assert stage.refusals[-1][0] == "delegation_overlaps"
    self = stage.agree(stage.file("liuyang", "delegation", **{**given, "deputy": "P020"}), "gaojianguo")
    stage.press("zhengkai", self, "agree", taken=False)
    assert stage.refusals[-1][0] == "own_deputy"
    acting = {"last_on": "2026-11-30", "reason": "出国"}
    head = stage.agree(stage.file("zhanghua", "acting_head", person="P020", **acting), "gaojianguo")
    stage.press("zhengkai", head, "agree", taken=False)
    assert stage.refusals[-1][0] == "already_head"
    stage.agree(stage.file("zhanghua", "acting_head", person="P021", **acting), "gaojianguo", "zhengkai")
    turn = stage.file("zhanghua", "t_one")
    assert waiting(turn) == {"刘洋", "孙丽"}
    assert stage.agree(turn, "sunli").state == Case.State.APPROVED
    used = stage.file("zhanghua", "t_one")
    assert stage.forge("liuyang", used, "delegate", deputy="P021") == "has_a_turn"
    procedures.refresh_cases(system("cases"), stage.clock.advance(days=7))
    assert waiting(used) == {"刘洋"}
    stage.press("liuyang", used, "delegate", deputy="P021")
    procedures.refresh_cases(system("cases"), stage.clock.advance(days=7))
    assert waiting(used) == {"刘洋"}


@tells("event.casework:unit_route:change", "refusal.route_wrong", "refusal.below_minimum")
def test_a_unit_goes_its_own_stricter_way_once_that_is_approved(stage):
    steps = route_changes.as_rules(routes.current()["officer_appointment"])
    extra = {"key": "added1", "title": LABEL, "who": ["super_head@applicant"], "days": 2}
    address, person = "/cases/new/route_change/", stage.bureau.named("刘洋")
    form = {"route": "officer_appointment", "unit_of_case": "JYC", "do": "file", "reason": "人员多"}
    for wrong, code in (({"step": ["head", "filing"], "days-head": "99"}, "below_minimum"),
                        ({"step": ["head", "x", "filing"], "title-x": "x"}, "route_wrong")):  # fmt: skip
        stage.said(stage.client("liuyang").post(address, {**form, **wrong}))
        assert code in {each for each, _message in stage.refusals}
        stage.seen.add(f"refusal.{code}")
    kept = {"step": ["head", "added1", "filing"], "title-added1": "会签", "who-added1": extra["who"][0], "days-added1": "2"}
    answer = stage.client("liuyang").post(address, {**form, **kept})
    case = Case.objects.get(number=answer["Location"].strip("/").rpartition("/")[2])
    assert [each["key"] for each in json.loads(case.form["rules"])] == [steps[0]["key"], "added1", steps[1]["key"]]
    stage.agree(case, "gaojianguo", "zhengkai")
    assert UnitRoute.objects.get().unit == person.unit
    appointment = stage.file("sunli", "officer_appointment", person="P022")
    assert [each.key for each in queries.route_of(appointment).steps] == ["head", "added1", "filing"]


@tells("fact.approval_authority", "role.staff")
def test_what_the_group_granted_is_revoked_by_a_case_on_which_the_group_votes(stage):
    granted = stage.agree(stage.file("wangfang", "t_chain"), "zhouwei", "zhengkai")
    case = stage.file("liming", "revocation", approval=granted.number, reason="用途已变")
    stage.agree(case, "wujie")
    assert queries.step_of(case).key == "group"
    stage.seen.add("fact.approval_authority")
    stage.agree(case, "gaojianguo", "hemin")
    granted.refresh_from_db()
    assert granted.state == Case.State.REVOKED
    own = stage.file("wangfang", "t_minimum")
    assert stage.agree(own, "zhouwei").opening["who"] == [OFFICER, "staff@applicant"]
