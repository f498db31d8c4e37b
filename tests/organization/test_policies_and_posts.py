"""Policy documents, training, and the posts and seats that decided cases give (Art. 3-5, 35)."""

from datetime import timedelta

import pytest

from anzhang import clock as wall
from anzhang.casework import parameters
from anzhang.casework import procedures as cases
from anzhang.casework.models import Case, Interpretation
from anzhang.demo.bureau import SETUP
from anzhang.directory import queries
from anzhang.directory.models import Assignment, LeadingGroupMember
from anzhang.organization import procedures
from anzhang.organization.models import PolicyDocument, TrainingRecord
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


def test_a_new_edition_is_in_force_and_ends_the_one_before(ask, bureau, acting, clock):
    case = ask("sunli", "policy_document", kind="responsibility", title="责任制度", edition="第二版")
    assert cases.agree(acting("liuyang"), case, "同意", clock.now).state == Case.State.APPROVED
    today = wall.day_of(clock.now)
    first, second = PolicyDocument.objects.filter(unit=bureau.unit["JYC"]).order_by("in_force_from")
    assert (first.edition, first.in_force_to) == ("第一版", today)
    assert (second.edition, second.issued_on, second.in_force_to, second.basis.case) == ("第二版", today, None, case)


def test_an_edition_is_issued_once(ask, acting, clock):
    case = ask("sunli", "policy_document", kind="responsibility", title="责任制度", edition="第一版")
    assert refused(cases.agree, acting("liuyang"), case, "同意", clock.now) == "edition_exists"


def test_a_document_is_not_put_in_force_backwards(ask, acting, clock):
    case = ask("sunli", "policy_document", kind="database", title="制度", edition="1", in_force_from="2026-01-01")
    assert refused(cases.agree, acting("liuyang"), case, "同意", clock.now) == "backdated"


def test_a_review_by_the_head_is_noted(bureau, acting, clock):
    document = PolicyDocument.objects.get(unit=bureau.unit["JYC"])
    reviewed = procedures.review_policy_document(acting("liuyang"), document, clock.now, expected_version=1)
    assert reviewed.reviewed_on == wall.day_of(clock.now)
    assert refused(procedures.review_policy_document, acting("zhouwei"), document, clock.now) == "not_answerable"
    assert refused(procedures.review_policy_document, acting("liuyang"), document, clock.now, expected_version=1) == "stale"


def test_a_document_out_of_force_is_not_reviewed(ask, bureau, acting, clock):
    case = ask("sunli", "policy_document", kind="responsibility", title="责任制度", edition="第二版")
    cases.agree(acting("liuyang"), case, "同意", clock.now)
    old = PolicyDocument.objects.get(unit=bureau.unit["JYC"], edition="第一版")
    assert refused(procedures.review_policy_document, acting("liuyang"), old, clock.now) == "not_in_force"


def test_training_is_noted_and_corrected(bureau, acting, clock):
    today = wall.day_of(clock.now)
    record = procedures.record_training(
        acting("liuyang"), at=clock.now, person=bureau.person["P021"], topic="保密", trained_on=today, hours=2
    )
    procedures.change_training(acting("liuyang"), record, at=clock.now, expected_version=1, topic="保密教育")
    assert TrainingRecord.objects.get(pk=record.pk).topic == "保密教育"


def test_training_does_not_lie_in_the_future(bureau, acting, clock):
    tomorrow = wall.day_of(clock.now) + timedelta(days=1)
    given = {"person": bureau.person["P021"], "topic": "保密", "trained_on": tomorrow, "hours": 2}
    assert refused(procedures.record_training, acting("liuyang"), at=clock.now, **given) == "in_the_future"
    record = TrainingRecord.objects.first()
    assert refused(procedures.change_training, SETUP, record, at=clock.now, trained_on=tomorrow) == "in_the_future"
    record.refresh_from_db()
    assert record.trained_on < tomorrow


def test_a_post_is_given_by_the_unit_head(ask, bureau, acting, clock):
    case = ask("sunli", "assignment", person="P021", duty="operator", system="JY01")
    cases.agree(acting("liuyang"), case, "同意", clock.now)
    post = Assignment.objects.get(person=bureau.person["P021"])
    assert (post.duty, post.system, post.unit, post.basis.case, post.valid_from) == (
        "operator",
        bureau.system["JY01"],
        bureau.unit["JYC"],
        case,
        clock.now,
    )


def test_a_post_ends_by_its_date(ask, bureau, acting, clock):
    day = wall.day_of(clock.now) + timedelta(days=10)
    case = ask("sunli", "assignment", person="P021", duty="operator", ends_on=day.isoformat())
    cases.agree(acting("liuyang"), case, "同意", clock.now)
    assert Assignment.objects.get(person=bureau.person["P021"]).valid_to == wall.start_of(day)


def test_a_system_manager_names_the_system(ask, acting, clock):
    case = ask("sunli", "assignment", person="P021", duty="system_manager")
    assert refused(cases.agree, acting("liuyang"), case, "同意", clock.now) == "system_needed"


def test_a_new_head_follows_the_head_before(ask, bureau, acting, clock):
    case = ask("sunli", "unit_head", person="P021")
    assert refused(cases.agree, acting("liuyang"), case, "同意", clock.now) == "not_your_step"
    cases.agree(acting("gaojianguo"), case, "同意", clock.now)
    assert queries.head(bureau.unit["JYC"], clock.now).name == "孙丽"
    assert queries.head(bureau.unit["JYC"], clock.now - timedelta(seconds=1)).name == "刘洋"


def test_the_group_seats_a_member_by_majority(ask, bureau, acting, clock):
    case = ask("wujie", "leading_group_member", person="P010", role="member", ends_on="2027-11-24")
    case = cases.agree(acting("gaojianguo"), case, "同意", clock.now)
    assert not LeadingGroupMember.objects.filter(person=bureau.person["P010"]).exists()
    cases.agree(acting("hemin"), case, "同意", clock.now)
    seat = LeadingGroupMember.objects.get(person=bureau.person["P010"])
    assert (seat.role, seat.basis.case, seat.valid_to.isoformat()) == ("member", case, "2027-11-23T16:00:00+00:00")


def test_the_group_lets_a_member_go_by_majority(ask, bureau, acting, clock):
    case = ask("wujie", "leading_group_member", person="P003", role="leaves")
    case = cases.agree(acting("gaojianguo"), case, "同意", clock.now)
    cases.agree(acting("hemin"), case, "同意", clock.now)
    assert not queries.group_members(clock.now).filter(code="P003").exists()


def test_only_the_office_asks_for_a_change_of_the_group(ask):
    assert refused(ask, "zhanghua", "leading_group_member", person="P010", role="member") == "not_a_filer"


def test_an_interpretation_is_signed_by_another_member_of_the_office(ask, acting, clock):
    case = ask("wujie", "interpretation", parameter="vacancy_days", value="5", reason="从严")
    assert refused(cases.agree, acting("wujie"), case, "同意", clock.now) == "own_case"
    cases.agree(acting("zhengkai"), case, "同意", clock.now)
    assert parameters.values(clock.now)["vacancy_days"] == 5
    assert Interpretation.objects.get().case == case


def test_a_new_interpretation_ends_the_one_before(ask, acting, clock):
    for value in ("5", "3"):
        clock.advance(hours=1)
        cases.agree(
            acting("zhengkai"), ask("wujie", "interpretation", parameter="vacancy_days", value=value, reason="从严"), "同意", clock.now
        )
    assert [row.value for row in Interpretation.objects.filter(Interpretation.in_force(clock.now))] == [3]
    assert parameters.values(clock.now - timedelta(minutes=1))["vacancy_days"] == 5


@pytest.mark.parametrize(("parameter", "value"), [("vacancy_days", "许多"), ("vacancy_days", "-1"), ("major_matters", ";")])
def test_a_value_that_does_not_fit_is_not_signed(parameter, value, ask, acting, clock):
    case = ask("wujie", "interpretation", parameter=parameter, value=value, reason="从严")
    assert refused(cases.agree, acting("zhengkai"), case, "同意", clock.now) == "value_unfit"


def test_a_list_of_words_is_signed(ask, acting, clock):
    case = ask("wujie", "interpretation", parameter="major_matters", value="project；sanction", reason="从严")
    cases.agree(acting("zhengkai"), case, "同意", clock.now)
    assert parameters.values(clock.now)["major_matters"] == ["project", "sanction"]


def test_a_resolution_passes_the_office_and_the_group(ask, acting, clock):
    case = ask("wujie", "group_resolution", matter="年度计划", proposal="批准年度计划")
    case = cases.agree(acting("zhengkai"), case, "同意", clock.now)
    case = cases.refuse(acting("lintao"), case, "经费不足", clock.now)
    case = cases.agree(acting("gaojianguo"), case, "同意", clock.now)
    assert cases.agree(acting("hemin"), case, "同意", clock.now).state == Case.State.APPROVED
