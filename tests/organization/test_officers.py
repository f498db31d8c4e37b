"""Officers: appointed, replaced, filed, gone (Art. 5)."""

from datetime import timedelta

import pytest

from anzhang import clock as wall
from anzhang.casework import procedures as cases
from anzhang.casework import queries
from anzhang.casework.models import Case
from anzhang.directory.procedures import change_person
from anzhang.journal.models import Entry
from anzhang.journal.procedures import row_digest
from anzhang.organization.models import Filing, Officer
from anzhang.organization.queries import officers
from anzhang.permissions import RefusedError


def refused(call, *given, **named):
    with pytest.raises(RefusedError) as refusal:
        call(*given, **named)
    return refusal.value.code


@pytest.fixture
def ask(bureau, acting, clock):
    def file(username, route, **form):
        person = bureau.user[username].person
        return cases.file_case(acting(username), route, person.unit, person, "", form, clock.now)

    return file


def through(case, acting, clock, head, receiver="wujie"):
    case = cases.agree(acting(head), case, "同意", clock.now)
    return cases.agree(acting(receiver), case, "已收", clock.now)


def test_a_replacement_ends_the_officer_before_and_files_both(ask, bureau, acting, clock):
    before = Officer.objects.get(unit=bureau.unit["IC"])
    case = through(ask("liming", "officer_appointment", person="P012"), acting, clock, "zhouwei")
    before.refresh_from_db()
    assert (before.valid_to, before.end_reason) == (clock.now, "由王芳接任")
    assert [officer.person.name for officer in officers(bureau.unit["IC"], clock.now)] == ["王芳"]
    assert sorted(Filing.objects.filter(case=case).values_list("kind", "officer__person__name", "receipt_no")) == [
        ("officer_appointed", "王芳", "BA2026-0001"),
        ("officer_changed", "李明", "BA2026-0002"),
    ]
    for row in Officer.objects.all():
        assert Entry.objects.filter(object_type="officer", object_key=str(row.pk)).order_by("-index")[0].after == row_digest(row)


def test_an_appointment_may_begin_on_a_later_day(ask, bureau, acting, clock):
    day = wall.day_of(clock.now) + timedelta(days=5)
    cases.agree(acting("zhouwei"), ask("liming", "officer_appointment", person="P012", effective_on=day.isoformat()), "同意", clock.now)
    assert [officer.person.name for officer in officers(bureau.unit["IC"], clock.now)] == ["李明"]
    assert [officer.person.name for officer in officers(bureau.unit["IC"], wall.start_of(day))] == ["王芳"]


def test_nothing_is_appointed_backwards(ask, acting, clock):
    day = wall.day_of(clock.now) - timedelta(days=1)
    case = ask("liming", "officer_appointment", person="P012", effective_on=day.isoformat())
    assert refused(cases.agree, acting("zhouwei"), case, "同意", clock.now) == "backdated"


@pytest.mark.parametrize(("person", "code"), [("P022", "other_unit"), ("P090", "other_unit"), ("P011", "already_officer")])
def test_the_wrong_person_is_refused(person, code, ask, acting, clock):
    case = ask("wangfang", "officer_appointment", person=person)
    assert refused(cases.agree, acting("zhouwei"), case, "同意", clock.now) == code


def test_a_person_who_left_is_refused(ask, bureau, acting, clock):
    case = ask("sunli", "officer_appointment", person="P022")
    change_person(acting("guolei"), bureau.person["P022"], at=clock.now, left_on=wall.day_of(clock.now))
    assert refused(cases.agree, acting("liuyang"), case, "同意", clock.now) == "not_employed"


def test_a_head_who_asks_is_decided_above(ask, acting, clock):
    case = ask("liuyang", "officer_appointment", person="P022")
    assert through(case, acting, clock, "gaojianguo").state == Case.State.APPROVED


def test_the_offices_head_who_decided_does_not_receive(ask, acting, clock):
    case = ask("wujie", "officer_appointment", person="P006")
    case = cases.agree(acting("zhengkai"), case, "同意", clock.now)
    assert refused(cases.agree, acting("zhengkai"), case, "已收", clock.now) == "decided_other_step"
    assert refused(cases.agree, acting("wujie"), case, "已收", clock.now) == "own_case"
    assert cases.agree(acting("fengxue"), case, "已收", clock.now).state == Case.State.APPROVED


def test_a_departure_ends_the_post_and_is_filed(ask, bureau, acting, clock):
    day = wall.day_of(clock.now)
    case = ask("liming", "officer_departure", person="P011", effective_on=day.isoformat(), reason="轮岗")
    case = through(case, acting, clock, "zhouwei")
    officer = Officer.objects.get(unit=bureau.unit["IC"], superseded_at=None)
    assert (officer.valid_to, officer.end_reason) == (wall.start_of(day), "轮岗")
    assert Filing.objects.get(case=case).kind == Filing.Kind.OFFICER_CHANGED
    assert not officers(bureau.unit["IC"], clock.now).exists()


def test_who_is_no_officer_cannot_depart(ask, acting, clock):
    case = ask("liming", "officer_departure", person="P012", effective_on="2026-11-24", reason="轮岗")
    assert refused(cases.agree, acting("zhouwei"), case, "同意", clock.now) == "not_officer"


def test_a_departure_before_the_appointment_is_refused(ask, acting, clock):
    case = ask("liming", "officer_departure", person="P011", effective_on="2020-01-01", reason="轮岗")
    assert refused(cases.agree, acting("zhouwei"), case, "同意", clock.now) == "ends_before_start"


def test_appointed_and_gone_on_one_day_ends_with_the_act(ask, bureau, acting, clock):
    through(ask("sunli", "officer_appointment", person="P022"), acting, clock, "liuyang")
    clock.advance(hours=2)
    case = ask("sunli", "officer_departure", person="P022", effective_on=wall.day_of(clock.now).isoformat(), reason="误报")
    through(case, acting, clock, "liuyang")
    assert Officer.objects.get(unit=bureau.unit["JYC"], superseded_at=None).valid_to == clock.now


def test_papers_sent_back_by_the_office_come_again_without_a_second_appointment(ask, bureau, acting, clock):
    case = cases.agree(acting("liuyang"), ask("sunli", "officer_appointment", person="P022"), "同意", clock.now)
    case = cases.send_back(acting("wujie"), case, "缺任命文件", clock.now)
    assert refused(cases.withdraw, acting("sunli"), case, "", clock.now) == "granted"
    assert refused(cases.resubmit, acting("sunli"), case, {"person": "P023"}, clock.now) == "form_granted"
    case = cases.resubmit(acting("sunli"), case, None, clock.now, "已补任命文件")
    assert (case.round, case.step) == (2, 1)
    assert cases.agree(acting("wujie"), case, "已收", clock.now).state == Case.State.APPROVED
    assert Officer.objects.filter(unit=bureau.unit["JYC"]).count() == 1
    assert Filing.objects.get().officer.person.name == "张华"


def test_a_granted_case_is_not_withdrawn(ask, acting, clock):
    case = cases.agree(acting("liuyang"), ask("sunli", "officer_appointment", person="P022"), "同意", clock.now)
    assert queries.approval_of(case) is not None
    assert refused(cases.withdraw, acting("sunli"), case, "", clock.now) == "granted"
