"""File, agree, refuse, send back, resubmit, withdraw: what each does to a case, and what it refuses."""

import dataclasses
from datetime import timedelta

import pytest

from anzhang.casework import forms, queries, routes
from anzhang.casework import procedures as cases
from anzhang.casework.models import Act, Approval, Case, Notice, Todo
from anzhang.journal.models import Entry
from anzhang.journal.procedures import row_digest
from anzhang.organization.models import Officer
from anzhang.permissions import RefusedError
from anzhang.regulation.checks import PROCEDURES
from tests.casework.paths import file, route, step

CHAIN = route(
    step("head", "unit_head@applicant"),
    step("office", "office"),
    field=[{"name": "matter", "kind": "text", "label": {"zh": "事由", "en": "Matter"}}],
)


def refused(call, *given, **named):
    with pytest.raises(RefusedError) as refusal:
        call(*given, **named)
    return refusal.value.code


@pytest.fixture
def case(bureau, acting, clock):
    return file(bureau, acting, clock, CHAIN, form={"matter": "试验"})


def test_filing_numbers_cases_by_year(bureau, acting, clock):
    numbers = [file(bureau, acting, clock, CHAIN, form={"matter": "试验"}).number for _ in range(3)]
    clock.advance(days=60)
    numbers.append(file(bureau, acting, clock, CHAIN, form={"matter": "试验"}).number)
    assert numbers == ["2026-0001", "2026-0002", "2026-0003", "2027-0001"]


def test_the_number_after_9999_has_five_digits(bureau, acting, clock, case):
    Case.objects.filter(pk=case.pk).update(number="2026-9999")
    numbers = [file(bureau, acting, clock, CHAIN, form={"matter": "试验"}).number for _ in range(2)]
    assert numbers == ["2026-10000", "2026-10001"]


def test_filing_for_somebody_else_is_refused(bureau, acting, clock):
    given = ("trial", bureau.unit["JYC"], bureau.person["P021"], "", {"matter": "试验"}, clock.now)
    assert refused(cases.file_case, acting("zhanghua"), CHAIN, *given[1:]) == "not_yourself"


def test_filing_for_a_foreign_unit_is_refused(bureau, acting, clock):
    given = (CHAIN, bureau.unit["IC"], bureau.person["P022"], "", {"matter": "试验"}, clock.now)
    assert refused(cases.file_case, acting("zhanghua"), *given) == "not_a_filer"
    assert not Case.objects.exists()


def test_an_unknown_route_is_refused(bureau, acting, clock):
    given = ("no_such_route", bureau.unit["JYC"], bureau.person["P022"], "", {}, clock.now)
    assert refused(cases.file_case, acting("zhanghua"), *given) == "unknown_route"


def test_a_wrong_form_names_every_field(bureau, acting, clock):
    given = ("assignment", bureau.unit["JYC"], bureau.person["P022"], "", {"duty": "king", "person": "P999", "extra": "x"}, clock.now)
    with pytest.raises(forms.FormError) as refusal:
        cases.file_case(acting("zhanghua"), *given)
    assert set(refusal.value.faults) == {"person", "duty", "extra"}
    assert "P999" in refusal.value.faults["person"]


def test_the_rules_are_frozen_at_filing(case, monkeypatch):
    monkeypatch.setattr(routes, "current", dict)
    assert [each.key for each in queries.route_of(case).steps] == ["head", "office"]


def test_agreeing_moves_to_the_next_step(case, acting, clock):
    case = cases.agree(acting("liuyang"), case, "同意", clock.now)
    assert (case.state, case.step) == (Case.State.OPEN, 1)
    assert set(Todo.objects.filter(case=case, step=1).values_list("person__name", flat=True)) == {"郑凯", "吴洁", "冯雪"}


def test_passing_the_last_step_grants_an_approval(case, acting, clock):
    case = cases.agree(acting("liuyang"), case, "同意", clock.now)
    case = cases.agree(acting("wujie"), case, "", clock.now)
    approval = Approval.objects.get(case=case)
    assert (case.state, case.decided_at) == (Case.State.APPROVED, clock.now)
    assert approval.scope == {"unit": "JYC", "matter": "试验"}
    assert (approval.kind, approval.authority, approval.valid_from, approval.valid_to) == ("trial", "unit_head", clock.now, None)


def test_a_route_with_a_term_grants_until_the_end_of_its_last_day(bureau, acting, clock):
    way = route(step("head", "unit_head@applicant"), valid_days=30)
    case = cases.agree(acting("liuyang"), file(bureau, acting, clock, way), "同意", clock.now)
    assert queries.approval_of(case).valid_to.isoformat() == "2026-12-23T16:00:00+00:00"


def test_refusing_ends_the_case_without_approval(case, acting, clock):
    case = cases.refuse(acting("liuyang"), case, "理由不足", clock.now)
    assert case.state == Case.State.REFUSED
    assert not Approval.objects.exists()
    assert Notice.objects.filter(person=case.applicant, code="case_refused").exists()


@pytest.mark.parametrize("verb", [cases.refuse, cases.send_back])
@pytest.mark.parametrize("reason", ["", "   "])
def test_refusing_and_sending_back_need_a_reason(verb, reason, case, acting, clock):
    assert refused(verb, acting("liuyang"), case, reason, clock.now) == "reason_needed"


def test_sending_back_gives_the_case_to_its_applicant(case, acting, clock):
    case = cases.send_back(acting("liuyang"), case, "请补充", clock.now)
    assert case.state == Case.State.RETURNED
    assert not Todo.objects.filter(case=case, closed_at=None).exists()
    assert Notice.objects.filter(person=case.applicant, code="case_returned").exists()
    assert refused(cases.agree, acting("liuyang"), case, "同意", clock.now) == "case_closed"


def test_resubmitting_opens_a_new_round_from_the_first_step(case, acting, clock):
    case = cases.agree(acting("liuyang"), case, "同意", clock.now)
    case = cases.send_back(acting("wujie"), case, "请补充", clock.now)
    case = cases.resubmit(acting("zhanghua"), case, {"matter": "补充后的试验"}, clock.now)
    assert (case.state, case.round, case.step, case.form) == (Case.State.OPEN, 2, 0, {"matter": "补充后的试验"})
    assert [act.form for act in Act.objects.filter(case=case, verb__in=["file", "resubmit"])] == [
        {"matter": "试验"},
        {"matter": "补充后的试验"},
    ]
    case = cases.agree(acting("liuyang"), case, "同意", clock.now)
    assert cases.agree(acting("wujie"), case, "同意", clock.now).state == Case.State.APPROVED


def test_only_the_applicant_resubmits_and_withdraws(case, acting, clock):
    returned = cases.send_back(acting("liuyang"), case, "请补充", clock.now)
    for username in ("liuyang", "sunli", "guolei"):
        assert refused(cases.resubmit, acting(username), returned, None, clock.now) == "not_the_applicant"
        assert refused(cases.withdraw, acting(username), returned, "", clock.now) == "not_the_applicant"


def test_an_open_case_is_not_resubmitted(case, acting, clock):
    assert refused(cases.resubmit, acting("zhanghua"), case, None, clock.now) == "not_returned"


def test_withdrawing_ends_an_open_and_a_returned_case(bureau, case, acting, clock):
    assert cases.withdraw(acting("zhanghua"), case, "", clock.now).state == Case.State.WITHDRAWN
    other = file(bureau, acting, clock, CHAIN, form={"matter": "试验"})
    other = cases.send_back(acting("liuyang"), other, "请补充", clock.now)
    assert cases.withdraw(acting("zhanghua"), other, "", clock.now).state == Case.State.WITHDRAWN


def test_what_has_ended_stays_ended(case, acting, clock):
    case = cases.withdraw(acting("zhanghua"), case, "", clock.now)
    assert refused(cases.withdraw, acting("zhanghua"), case, "", clock.now) == "case_closed"
    assert refused(cases.agree, acting("liuyang"), case, "同意", clock.now) == "case_closed"


def test_a_page_of_an_earlier_step_decides_nothing(bureau, case, acting, clock):
    shown = Case.objects.get(pk=case.pk)
    cases.agree(acting("liuyang"), case, "同意", clock.now)
    assert refused(cases.agree, acting("wujie"), shown, "同意", clock.now) == "stale"
    assert refused(cases.agree, acting("wujie"), Case.objects.get(pk=case.pk), "同意", clock.now, seen=(1, 0)) == "stale"
    assert cases.agree(acting("wujie"), Case.objects.get(pk=case.pk), "同意", clock.now, seen=(1, 1)).state == Case.State.APPROVED


def test_a_page_of_an_earlier_round_decides_nothing(case, acting, clock):
    returned = cases.send_back(acting("liuyang"), case, "请补充", clock.now)
    again = cases.resubmit(acting("zhanghua"), returned, None, clock.now)
    assert refused(cases.agree, acting("liuyang"), again, "同意", clock.now, seen=(1, 0)) == "stale"


def test_a_long_opinion_is_refused(case, acting, clock):
    assert refused(cases.agree, acting("liuyang"), case, "同" * 1001, clock.now) == "opinion_too_long"


def test_every_act_is_a_row_and_an_entry(case, acting, clock):
    cases.agree(acting("liuyang"), case, "同意", clock.now)
    acts = Act.objects.filter(case=case)
    assert [act.verb for act in acts] == ["file", "agree"]
    for act in acts:
        entry = Entry.objects.get(object_type="act", object_key=str(act.pk))
        assert entry.after == row_digest(act)


def test_every_ledgered_row_of_a_case_matches_its_last_entry(case, acting, clock):
    case = cases.agree(acting("liuyang"), case, "同意", clock.now)
    case = cases.agree(acting("wujie"), case, "同意", clock.now)
    for row in (Case.objects.get(pk=case.pk), Approval.objects.get(), *Notice.objects.all(), *Act.objects.all()):
        kind = type(row).__name__.lower()
        assert Entry.objects.filter(object_type=kind, object_key=str(row.pk)).order_by("-index")[0].after == row_digest(row)


def test_a_refusing_effect_undoes_the_act(bureau, acting, clock):
    given = ("officer_appointment", bureau.unit["JYC"], bureau.person["P021"], "", {"person": "P011"}, clock.now)
    case = cases.file_case(acting("sunli"), *given)
    entries = Entry.objects.count()
    assert refused(cases.agree, acting("liuyang"), case, "同意", clock.now) == "other_unit"
    case = Case.objects.get(pk=case.pk)
    assert (case.state, case.step) == (Case.State.OPEN, 0)
    assert not Approval.objects.exists()
    assert not Act.objects.filter(verb="agree").exists()
    assert Todo.objects.get(case=case).closed_at is None
    assert Entry.objects.count() == entries


def test_an_effect_that_cannot_write_undoes_the_act(bureau, acting, clock, monkeypatch):
    def breaks_a_constraint(*_given):
        Officer.objects.create(unit=bureau.unit["JYC"], person_id=None, valid_from=clock.now, recorded_at=clock.now)

    monkeypatch.setitem(PROCEDURES, "breaks_a_constraint", breaks_a_constraint)
    case = file(bureau, acting, clock, route(step("head", "unit_head@applicant"), effect="breaks_a_constraint"))
    assert refused(cases.agree, acting("liuyang"), case, "同意", clock.now) == "effect_failed"
    assert not Approval.objects.exists()


def test_a_route_whose_effect_is_missing_does_not_pass(bureau, acting, clock):
    case = file(bureau, acting, clock, route(step("head", "unit_head@applicant"), effect="no_such_procedure"))
    assert refused(cases.agree, acting("liuyang"), case, "同意", clock.now) == "effect_unbound"


def test_an_effect_wants_the_approval_of_its_own_case(bureau, acting, clock):
    first = cases.file_case(
        acting("sunli"), "officer_appointment", bureau.unit["JYC"], bureau.person["P021"], "", {"person": "P022"}, clock.now
    )
    approval = queries.approval_of(cases.agree(acting("liuyang"), first, "同意", clock.now))
    second = cases.file_case(
        acting("sunli"), "officer_appointment", bureau.unit["JYC"], bureau.person["P021"], "", {"person": "P023"}, clock.now
    )
    assert refused(PROCEDURES["appoint_officer"], acting("sunli"), second, approval, clock.now) == "no_approval"


def test_todos_are_due_in_working_days_at_the_close_of_the_office(case):
    # Tuesday 24 November, three working days: Friday, 18:00 Beijing time.
    assert Todo.objects.get(case=case).due_at.isoformat() == "2026-11-27T10:00:00+00:00"
    assert case.due_at.isoformat() == "2026-12-02T10:00:00+00:00"


def test_an_overdue_case_is_found(case, clock):
    clock.now = Todo.objects.get(case=case).due_at
    assert not queries.overdue_cases(clock.now).exists()
    assert list(queries.overdue_cases(clock.now + timedelta(seconds=1))) == [case]


def test_lists_show_what_waits_what_is_done_and_what_was_asked(case, bureau, acting, clock):
    head, applicant = bureau.named("刘洋").pk, bureau.named("张华").pk
    assert [todo.case for todo in queries.todos(head)] == [case]
    cases.agree(acting("liuyang"), case, "同意", clock.now)
    assert [todo.case for todo in queries.done(head)] == [case]
    assert not queries.todos(head).exists()
    assert list(queries.applied(applicant)) == [case]


def test_a_file_by_an_actor_who_left_is_refused(bureau, acting, clock):
    person = bureau.named("张华")
    person.left_on = clock.now.date()
    person.save()
    assert refused(file, bureau, acting, clock, CHAIN, form={"matter": "x"}) == "not_a_filer"


def test_a_token_may_file_and_not_decide(bureau, acting, clock):
    actor = dataclasses.replace(acting("zhanghua"), via="api", second_factor=False)
    case = cases.file_case(actor, CHAIN, bureau.unit["JYC"], bureau.person["P022"], "", {"matter": "x"}, clock.now)
    assert case.state == Case.State.OPEN
