"""Art. 5: every unit has a policy, manages its staff, names an officer and files them. A05.1 to A05.4."""

from datetime import timedelta

import pytest

from anzhang import clock as wall
from anzhang.casework.models import Finding, Notice
from anzhang.directory.models import Assignment
from anzhang.organization import procedures as organization
from anzhang.organization.models import Filing, Officer, PolicyDocument, TrainingRecord
from anzhang.systems import procedures as systems
from anzhang.systems.models import Account
from tests.articles.stories import file, log_in, measure, opened, state, through, verdict

# A05.1


def test_a_policy_is_reviewed_within_a_year(bureau, acting, clock):
    policy = PolicyDocument.objects.get(unit=bureau.unit["SBZX"])
    reviewed = policy.reviewed_on
    clock.advance(days=365 - (wall.day_of(clock.now) - reviewed).days)
    measure(clock, "A05.1")
    assert state("A05.1", "SBZX") == "met"  # on the last day
    clock.advance(days=1)
    measure(clock, "A05.1")
    assert verdict("A05.1", "SBZX").why["params"]["reviewed_on"] == reviewed.isoformat()
    (finding,) = opened("A05.1", "SBZX")
    assert (finding.person.name, finding.evidence) == ("徐斌", [f"policy_document:{policy.pk}"])
    organization.review_policy_document(acting("xubin"), policy, clock.now)
    measure(clock, "A05.1")
    assert state("A05.1", "SBZX") == "met"
    assert opened("A05.1", "SBZX") == []


def test_a_policy_no_longer_in_force_does_not_count(bureau, clock):
    policy = PolicyDocument.objects.get(unit=bureau.unit["JYC"])
    policy.in_force_to = wall.day_of(clock.now)
    policy.save()
    measure(clock, "A05.1")
    assert verdict("A05.1", "JYC").why["code"] == "policy_missing"
    clock.now -= timedelta(days=1)
    measure(clock, "A05.1")
    assert state("A05.1", "JYC") == "met"


def test_a_policy_of_another_kind_does_not_count(bureau, clock):
    PolicyDocument.objects.filter(unit=bureau.unit["JYC"]).update(kind="operations")
    measure(clock, "A05.1")
    assert state("A05.1", "JYC") == "breach"


# A05.2


@pytest.mark.usefixtures("bureau")
def test_it_is_unknown_until_the_staff_are_heard_and_green_then(clock, vault):
    measure(clock, "A05.2", vault=vault)
    assert verdict("A05.2", "JYC").why["code"] == "system_silent"
    log_in(vault, "SSH-JY01", "nobody", "jyapp01", clock.now - timedelta(hours=3), failed=True)
    measure(clock, "A05.2", vault=vault)
    assert verdict("A05.2", "JYC").why["code"] == "no_login_heard"
    log_in(vault, "SSH-JY01", "zhanghua", "jyapp01", clock.now - timedelta(hours=2))
    measure(clock, "A05.2", vault=vault)
    assert (state("A05.2", "JYC"), verdict("A05.2", "JYC").population) == ("met", 1)
    assert state("A05.2", "IC") == "unknown"  # its own system is still silent
    assert Finding.objects.filter(obligation="A05.2").count() == 0


def test_without_any_source_the_system_is_named(bureau, clock, vault):
    bureau.source["SSH-JY01"].state = "closed"
    bureau.source["SSH-JY01"].save()
    measure(clock, "A05.2", vault=vault)
    assert verdict("A05.2", "JYC").why == {"code": "system_without_source", "params": {"system": "就业管理服务系统"}}


def test_a_leavers_login_is_a_breach_until_the_account_is_closed(bureau, acting, clock, vault):
    person = bureau.named("张华")
    log_in(vault, "SSH-JY01", "zhanghua", "jyapp01", clock.now - timedelta(hours=1))
    person.left_on = wall.day_of(clock.now)
    person.save()
    clock.now = wall.start_of(person.left_on) + timedelta(hours=24)
    log_in(vault, "SSH-JY01", "zhanghua", "jyapp01", clock.now)
    clock.advance(minutes=30)
    measure(clock, "A05.2", vault=vault)
    assert state("A05.2", "JYC") == "met"  # exactly 24 hours after leaving is still allowed
    log_in(vault, "SSH-JY01", "zhanghua", "jyapp01", clock.now)
    clock.advance(minutes=30)
    measure(clock, "A05.2", vault=vault)
    found = verdict("A05.2", "JYC")
    assert (found.state, found.why["code"], found.why["params"]["person"]) == ("breach", "login_after_leaving", "张华")
    (finding,) = opened("A05.2")
    assert (finding.subject, finding.person.name) == ("account:JY01/zhanghua", "刘洋")
    assert {reference.split(":")[0] for reference in finding.evidence} == {"line"}
    systems.close_account(acting("liuyang"), Account.objects.get(name="zhanghua"), clock.now)
    measure(clock, "A05.2", vault=vault)
    assert state("A05.2", "JYC") == "met"
    assert opened("A05.2") == []
    clock.advance(days=1)
    log_in(vault, "SSH-JY01", "zhanghua", "jyapp01", clock.now)
    clock.advance(hours=1)
    measure(clock, "A05.2", vault=vault)
    assert state("A05.2", "JYC") == "breach"  # a closed account that still logs in
    assert opened("A05.2")[0].reopened == 1


def test_evidence_leads_to_the_line(bureau, clock, vault):
    TrainingRecord.objects.filter(person=bureau.named("张华")).delete()
    log_in(vault, "SSH-JY01", "zhanghua", "jyapp01", clock.now - timedelta(hours=2))
    measure(clock, "A05.2", vault=vault)
    _kind, segment, number = opened("A05.2")[0].evidence[0].split(":")
    lines = {(e["segment"], e["seq"]): e for e in vault.events("auth_event").to_pylist()}
    assert lines[segment, int(number)]["user_name"] == "zhanghua"


@pytest.mark.parametrize("duty", ["dba", "unit_head"])
def test_a_login_without_a_post_of_the_four_kinds_is_a_breach(bureau, clock, vault, duty):
    Assignment.objects.filter(person=bureau.named("张华")).update(duty=duty)
    log_in(vault, "SSH-JY01", "zhanghua", "jyapp01", clock.now - timedelta(hours=2))
    measure(clock, "A05.2", vault=vault)
    assert verdict("A05.2", "JYC").why["code"] == "login_without_post"
    Assignment.objects.filter(person=bureau.named("张华")).update(duty="operator")
    measure(clock, "A05.2", vault=vault)
    assert state("A05.2", "JYC") == "met"


def test_a_post_for_another_system_does_not_cover_the_login(bureau, clock, vault):
    Assignment.objects.filter(person=bureau.named("张华")).update(system=bureau.system["SB01"])
    log_in(vault, "SSH-JY01", "zhanghua", "jyapp01", clock.now - timedelta(hours=2))
    measure(clock, "A05.2", vault=vault)
    assert state("A05.2", "JYC") == "breach"


def test_training_older_than_a_year_does_not_cover_the_login(bureau, acting, clock, vault):
    record, today = TrainingRecord.objects.get(person=bureau.named("张华")), wall.day_of(clock.now)
    log_in(vault, "SSH-JY01", "zhanghua", "jyapp01", clock.now - timedelta(minutes=30))
    record.trained_on = today - timedelta(days=365)
    record.save()
    measure(clock, "A05.2", vault=vault)
    assert state("A05.2", "JYC") == "met"
    record.trained_on -= timedelta(days=1)
    record.save()
    measure(clock, "A05.2", vault=vault)
    assert verdict("A05.2", "JYC").why["code"] == "login_without_training"
    organization.record_training(acting("liuyang"), at=clock.now, person=bureau.named("张华"), topic="补训", trained_on=today, hours=2)
    measure(clock, "A05.2", vault=vault)
    assert state("A05.2", "JYC") == "met"
    assert opened("A05.2") == []


def test_a_failed_login_of_a_leaver_is_no_breach(bureau, clock, vault):
    person = bureau.named("张华")
    log_in(vault, "SSH-JY01", "tangxin", "jyapp01", clock.now - timedelta(hours=2))
    person.left_on = wall.day_of(clock.now) - timedelta(days=9)
    person.save()
    log_in(vault, "SSH-JY01", "zhanghua", "jyapp01", clock.now - timedelta(hours=1), failed=True)
    measure(clock, "A05.2", vault=vault)
    assert state("A05.2", "JYC") == "met"


def test_the_unit_of_the_minute_of_the_act_answers(bureau, clock, vault):
    person = bureau.named("张华")
    TrainingRecord.objects.filter(person=person).delete()
    log_in(vault, "SSH-JY01", "zhanghua", "jyapp01", clock.now - timedelta(hours=2))
    post = Assignment.objects.get(person=person)
    post.valid_to = clock.now - timedelta(hours=1)
    post.save()
    person.unit = bureau.unit["SBZX"]
    person.save()
    measure(clock, "A05.2", vault=vault)
    assert [finding.unit.code for finding in opened("A05.2") if finding.reason["code"] == "login_without_training"] == ["JYC"]


# A05.3


def test_the_officer_leaves_and_a_new_one_is_filed(bureau, acting, clock):
    measure(clock, "A05.3")
    assert (state("A05.3", "IC"), verdict("A05.3", "IC").proof) == ("met", "register")
    officer, today = bureau.named("李明"), wall.day_of(clock.now)
    systems.person_leaves(acting("zhouwei"), officer, today, clock.now)
    clock.now = wall.start_of(today) + timedelta(days=7)
    measure(clock, "A05.3")
    assert state("A05.3", "IC") == "met"  # seven days are allowed
    clock.advance(seconds=1)
    summary = measure(clock, "A05.3")
    found = verdict("A05.3", "IC")
    assert (found.state, found.why["code"], found.provisional) == ("breach", "officer_left", True)
    assert found.why["params"] == {"unit": "信息中心", "person": "李明", "since": today.isoformat(), "days": 7}
    (finding,) = opened("A05.3", "IC")
    assert summary.opened == [finding.number]
    assert (finding.person.name, finding.unit.code, finding.severity) == ("周伟", "IC", "high")
    assert Notice.objects.get(link=f"/findings/{finding.number}/").person.name == "周伟"
    case = file(bureau, acting, clock, "wangfang", "officer_appointment", person="P012")
    through(case, acting, clock, "zhouwei", "wujie")
    measure(clock, "A05.3")
    assert state("A05.3", "IC") == "met"
    finding.refresh_from_db()
    assert (finding.state, finding.closed_at) == ("closed", clock.now)


def test_a_unit_set_up_a_week_ago_is_given_its_time(bureau, clock):
    unit = bureau.unit["JYC"]
    unit.established_on = wall.day_of(clock.now) - timedelta(days=6)
    unit.save()
    measure(clock, "A05.3")
    assert state("A05.3", "JYC") == "met"
    clock.advance(days=1)
    measure(clock, "A05.3")
    assert verdict("A05.3", "JYC").why["code"] == "officer_missing"


def test_the_head_at_the_beginning_of_the_vacancy_answers(bureau, clock):
    Officer.objects.filter(unit=bureau.unit["IC"]).update(valid_to=clock.now)
    head = Assignment.objects.get(unit=bureau.unit["IC"], duty="unit_head")
    head.valid_to = clock.now + timedelta(days=1)
    head.save()
    Assignment.objects.create(
        person=bureau.named("郭磊"), duty="unit_head", unit=bureau.unit["IC"], valid_from=head.valid_to, recorded_at=clock.now
    )
    clock.advance(days=8)
    measure(clock, "A05.3")
    (finding,) = opened("A05.3", "IC")
    assert finding.person.name == "周伟"
    # The present head must act, the one of that day answers: both are told.
    assert {notice.person.name for notice in Notice.objects.filter(link=f"/findings/{finding.number}/")} == {"周伟", "郭磊"}


# A05.4


def test_an_appointment_is_filed_within_fifteen_days(bureau, clock):
    Officer.objects.filter(unit=bureau.unit["IC"]).update(valid_from=clock.now, recorded_at=clock.now)
    clock.advance(days=15)
    measure(clock, "A05.4")
    assert state("A05.4", "IC") == "met"
    clock.advance(seconds=1)
    measure(clock, "A05.4")
    assert verdict("A05.4", "IC").why["code"] == "appointment_not_filed"
    (finding,) = opened("A05.4", "IC")
    assert finding.person.name == "周伟"
    officer = Officer.objects.get(unit=bureau.unit["IC"])
    Filing.objects.create(
        receipt_no="BA2026-0001", kind="officer_appointed", unit=officer.unit, officer=officer, received_at=clock.now,
        received_by=bureau.named("吴洁"),
    )  # fmt: skip
    measure(clock, "A05.4")
    assert state("A05.4", "IC") == "met"
    assert opened("A05.4") == []


def test_a_change_is_filed_again(bureau, acting, clock):
    officer = Officer.objects.get(unit=bureau.unit["IC"])
    Filing.objects.create(
        receipt_no="BA2025-0001", kind="officer_appointed", unit=officer.unit, officer=officer, received_at=officer.valid_from,
        received_by=bureau.named("吴洁"),
    )  # fmt: skip
    measure(clock, "A05.4")
    assert state("A05.4", "IC") == "met"
    officer.valid_to = clock.now
    officer.save()
    clock.advance(days=16)
    measure(clock, "A05.4")
    assert verdict("A05.4", "IC").why["code"] == "change_not_filed"
    case = file(bureau, acting, clock, "wangfang", "officer_appointment", person="P012")
    through(case, acting, clock, "zhouwei", "wujie")
    measure(clock, "A05.4")
    assert state("A05.4", "IC") == "met"


def test_a_filing_of_another_unit_does_not_count(bureau, clock):
    officer = Officer.objects.get(unit=bureau.unit["IC"])
    other = Officer.objects.create(unit=bureau.unit["JYC"], person=bureau.named("张华"), valid_from=clock.now, recorded_at=clock.now)
    Filing.objects.create(
        receipt_no="BA2026-0001", kind="officer_appointed", unit=other.unit, officer=other, received_at=clock.now,
        received_by=bureau.named("吴洁"),
    )  # fmt: skip
    measure(clock, "A05.4")
    assert (state("A05.4", "IC"), state("A05.4", "JYC")) == ("breach", "met")
    assert officer.filings.count() == 0
