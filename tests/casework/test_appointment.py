"""Route `officer_appointment`: the unit head decides, the Office takes it on file."""

import pytest

from anzhang.casework import procedures as cases
from anzhang.casework.models import Case, Notice, Todo
from anzhang.organization.models import Filing, Officer
from anzhang.permissions import RefusedError


@pytest.fixture
def filed(bureau, acting, clock):
    return cases.file_case(
        acting("sunli"), "officer_appointment", bureau.unit["JYC"], bureau.person["P021"], "", {"person": "P022"}, clock.now
    )


def test_it_asks_the_unit_head_first(filed, bureau):
    assert [todo.person.name for todo in Todo.objects.filter(case=filed, closed_at=None)] == ["刘洋"]
    assert Notice.objects.get(person=bureau.named("刘洋")).code == "todo_opened"


def test_it_appoints_when_the_head_agrees_and_files_when_the_office_receives(filed, bureau, acting, clock):
    case = cases.agree(acting("liuyang"), filed, "同意", clock.now)
    officer = Officer.objects.get(unit=bureau.unit["JYC"])
    assert (officer.person.name, officer.valid_to, officer.basis.case_id) == ("张华", None, filed.pk)
    assert (case.state, case.step) == (Case.State.OPEN, 1)
    assert not Filing.objects.exists()
    case = cases.agree(acting("wujie"), case, "", clock.advance(days=1))
    assert case.state == Case.State.APPROVED
    filing = Filing.objects.get()
    assert (filing.receipt_no, filing.officer, filing.received_by.name) == ("BA2026-0001", officer, "吴洁")


def test_it_does_not_let_the_office_veto_an_appointment(filed, acting, clock):
    case = cases.agree(acting("liuyang"), filed, "同意", clock.now)
    with pytest.raises(RefusedError) as refusal:
        cases.refuse(acting("wujie"), case, "不合适", clock.now)
    assert refusal.value.code == "receive_only"
