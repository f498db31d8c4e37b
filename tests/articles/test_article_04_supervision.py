"""Art. 4: decisions, deployments, supervision, statements. A04.3, A04.4, A04.5, A04.6."""

import pytest

from anzhang import clock as wall
from anzhang.casework import procedures as cases
from anzhang.casework import routes
from anzhang.casework.models import Approval, Finding
from anzhang.organization import decisions, directives, inspections, statements
from anzhang.organization.models import Decision, Directive, ResponsibilityStatement
from anzhang.organization.queries import owing_statements
from anzhang.organization.statements import Paper, enter_paper_statements
from tests.articles.stories import file, measure, opened, state, through, verdict
from tests.organization.actions import day, inspect, signed

MAJOR = {
    "key": "sanction", "title": {"zh": "责任追究", "en": "Sanction"}, "articles": [33], "authority": "office", "filers": ["office"],
    "step": [{"key": "office", "title": {"zh": "办公室", "en": "Office"}, "who": ["office"], "days": 3}],
}  # fmt: skip


# A04.3


def major(bureau, acting, clock):
    """A case of a major kind, filed by 吴洁 and not yet decided."""
    person = bureau.user["wujie"].person
    return cases.file_case(acting("wujie"), routes.parse(MAJOR), person.unit, person, "对某单位的处理", {}, clock.now)


def resolve(bureau, acting, clock, about=None):
    """A resolution of the leading group, carried by two of three; return the decision."""
    form = {"matter": "某单位的处理", "proposal": "同意处理意见。", **({"about": about.number} if about else {})}
    case = file(bureau, acting, clock, "wujie", "group_resolution", **form)
    through(case, acting, clock, "zhengkai", "gaojianguo", "hemin")
    return Decision.objects.get(case=case)


def minute(bureau, acting, clock, decision):
    chair, deputy = bureau.person["P001"], bureau.person["P002"]
    return decisions.take_minutes(
        acting("fengxue"), decision, held_on=day(clock), chair=chair, present=[deputy], minutes="同意处理意见。", at=clock.now
    )


@pytest.mark.usefixtures("bureau")
def test_without_major_matters_nothing_is_owed(clock):
    measure(clock, "A04.3")
    assert state("A04.3", None) == "not_applicable"


def test_a_major_matter_waits_for_the_decision_and_its_minutes(bureau, acting, clock):
    case = major(bureau, acting, clock)
    decision = resolve(bureau, acting, clock, about=case)
    assert (decision.members, decision.agreed, decision.about) == (3, 2, case)
    clock.advance(hours=1)
    cases.agree(acting("fengxue"), case, "同意", clock.now)
    measure(clock, "A04.3")
    assert verdict("A04.3", None).why["code"] == "decision_without_minutes"
    minute(bureau, acting, clock, decision)
    measure(clock, "A04.3")
    assert (state("A04.3", None), verdict("A04.3", None).population) == ("met", 1)
    assert Finding.objects.get(obligation="A04.3").state == "closed"


def test_a_major_matter_without_decision_is_a_breach_that_a_later_decision_does_not_heal(bureau, acting, clock):
    case = major(bureau, acting, clock)
    cases.agree(acting("fengxue"), case, "同意", clock.now)
    measure(clock, "A04.3")
    assert verdict("A04.3", None).why["code"] == "matter_without_decision"
    clock.advance(hours=1)
    minute(bureau, acting, clock, resolve(bureau, acting, clock, about=case))
    measure(clock, "A04.3")
    assert verdict("A04.3", None).why["code"] == "matter_before_decision"
    approval = Approval.objects.get(case=case)
    approval.valid_from = clock.now
    approval.save()
    measure(clock, "A04.3")
    assert state("A04.3", None) == "met"


def test_what_is_not_major_needs_no_decision(bureau, acting, clock):
    through(file(bureau, acting, clock, "sunli", "policy_document", kind="database", title="制度", edition="1"), acting, clock, "liuyang")
    measure(clock, "A04.3")
    assert state("A04.3", None) == "not_applicable"


# A04.4


def deploy(bureau, acting, clock, *units, days=10):
    chosen = [bureau.unit[code] for code in units]
    return directives.issue_directives(acting("wujie"), chosen, "开展口令专项清理", "清理弱口令并报送结果。", day(clock, days), clock.now)


def test_an_item_past_its_day_is_a_breach_until_it_is_closed_with_proof(bureau, acting, clock):
    mine, other = deploy(bureau, acting, clock, "JYC", "IC")
    directives.report_directive(acting("liming"), other, "已清理。", "津人社信〔2026〕8号", clock.now)
    directives.finish_directive(acting("wujie"), Directive.objects.get(pk=other.pk), "", clock.now)
    clock.advance(days=10)
    measure(clock, "A04.4")
    assert state("A04.4", "JYC") == "met"  # the last day is still in time
    clock.advance(days=1)
    measure(clock, "A04.4")
    assert verdict("A04.4", "JYC").why["code"] == "directive_overdue"
    assert [finding.subject for finding in opened("A04.4")] == [f"directive:{mine.number}"]
    assert state("A04.4", "IC") == "met"
    reported = directives.report_directive(acting("liuyang"), mine, "清理完毕。", "就业〔2026〕3号", clock.now)
    measure(clock, "A04.4")
    assert verdict("A04.4", "LGO").why["code"] == "directive_not_closed"
    directives.finish_directive(acting("wujie"), reported, "同意办结", clock.now)
    measure(clock, "A04.4")
    assert opened("A04.4") == []


def test_an_item_closed_without_proof_is_a_breach(bureau, acting, clock):
    (item,) = deploy(bureau, acting, clock, "JYC")
    Directive.objects.filter(pk=item.pk).update(state="finished", finished_at=clock.now)
    measure(clock, "A04.4")
    assert verdict("A04.4", "JYC").why["code"] == "directive_without_evidence"
    Directive.objects.filter(pk=item.pk).update(evidence="就业〔2026〕3号")
    measure(clock, "A04.4")
    assert state("A04.4", "JYC") == "met"


def test_an_item_called_off_is_owed_by_nobody(bureau, acting, clock):
    (item,) = deploy(bureau, acting, clock, "JYC")
    directives.withdraw_directive(acting("wujie"), item, "任务合并", clock.now)
    clock.advance(days=30)
    measure(clock, "A04.4")
    assert state("A04.4", None) == "not_applicable"


# A04.5


def test_a_unit_is_inspected_within_the_period(bureau, acting, clock):
    clock.advance(days=10)
    for unit in ("LGO", "IC", "SBZX"):
        inspect(bureau, acting, clock, unit)
    inspect(bureau, acting, clock, "JYC", days_ago=364)
    clock.advance(days=1)
    measure(clock, "A04.5")
    assert state("A04.5", "JYC") == "met"  # 365 days ago is inside the period
    clock.advance(days=1)
    measure(clock, "A04.5")
    assert verdict("A04.5", "JYC").why["code"] == "inspection_overdue"
    inspect(bureau, acting, clock, "JYC")
    measure(clock, "A04.5")
    assert state("A04.5", "JYC") == "met"
    assert opened("A04.5") == []


def test_a_unit_nobody_ever_inspected_is_named_once_it_is_older_than_the_period(bureau, clock):
    measure(clock, "A04.5")
    assert state("A04.5", "JYC") == "met"  # set up 365 days ago
    clock.advance(days=1)
    measure(clock, "A04.5")
    assert verdict("A04.5", "JYC").why["code"] == "never_inspected"


def test_a_notice_past_its_reply_date_is_a_breach_until_the_unit_replies(bureau, acting, clock):
    visit = inspect(bureau, acting, clock, "JYC")
    visit = inspections.notify_inspected_unit(acting("wujie"), visit, "请补签两份责任书。", day(clock, 15), clock.now)
    clock.advance(days=15)
    measure(clock, "A04.5")
    assert state("A04.5", "JYC") == "met"
    clock.advance(days=1)
    measure(clock, "A04.5")
    assert verdict("A04.5", "JYC").why["code"] == "notice_unanswered"
    inspections.reply_to_inspection(acting("liuyang"), visit, "已补签。", clock.now)
    measure(clock, "A04.5")
    assert state("A04.5", "JYC") == "met"


# A04.6


def test_everybody_with_a_post_signs_and_the_level_above_countersigns(bureau, acting, clock):
    measure(clock, "A04.6")
    assert {finding.subject for finding in opened("A04.6", "JYC")} == {"person:P020", "person:P022", "person:P023"}
    assert {finding.reason["code"] for finding in opened("A04.6", "JYC")} == {"statement_missing"}
    mine = signed(bureau, acting, clock, "JYC", "liuyang", "zhanghua", "liuyang")
    measure(clock, "A04.6")
    codes = {each["params"]["person"]: each["code"] for each in verdict("A04.6", "JYC").why["params"]["reasons"]}
    assert codes == {"刘洋": "statement_not_countersigned", "张华": "statement_not_countersigned", "唐欣": "statement_not_signed"}
    statements.countersign_statements(acting("liuyang"), [mine["zhanghua"]], clock.now)
    statements.countersign_statements(acting("gaojianguo"), [mine["liuyang"]], clock.now)
    measure(clock, "A04.6")
    assert {finding.subject for finding in opened("A04.6", "JYC")} == {"person:P023"}


def test_statements_on_paper_count_with_their_scans(bureau, acting, clock):
    measure(clock, "A04.6")
    assert (state("A04.6", "JYC"), len(opened("A04.6", "JYC"))) == ("breach", 3)
    scan, today = ("责任书.pdf", b"%PDF-1.7\n%%EOF\n"), wall.day_of(clock.now)
    papers = [
        Paper(each.person, each.unit, each.superiors[0], today, today, scan) for each in owing_statements(clock.now, bureau.unit["JYC"])
    ]
    enter_paper_statements(acting("wujie"), "2026", "负责", papers[:-1], clock.now)
    measure(clock, "A04.6")
    assert len(opened("A04.6", "JYC")) == 1
    enter_paper_statements(acting("wujie"), "2026", "负责", papers[-1:], clock.now)
    measure(clock, "A04.6")
    assert (state("A04.6", "JYC"), opened("A04.6", "JYC")) == ("met", [])


def test_a_statement_is_renewed_within_the_period(bureau, acting, clock):
    mine = signed(bureau, acting, clock, "JYC", "liuyang", "zhanghua")
    statements.countersign_statements(acting("liuyang"), mine.values(), clock.now)
    clock.advance(days=365)
    measure(clock, "A04.6")
    assert "person:P022" not in {finding.subject for finding in opened("A04.6")}
    clock.advance(minutes=1)
    measure(clock, "A04.6")
    (finding,) = [each for each in opened("A04.6") if each.subject == "person:P022"]
    assert (finding.reason["code"], finding.person.name) == ("statement_expired", "张华")
    again = signed(bureau, acting, clock, "JYC", "liuyang", "zhanghua", term="2027")
    statements.countersign_statements(acting("liuyang"), again.values(), clock.now)
    measure(clock, "A04.6")
    assert "person:P022" not in {finding.subject for finding in opened("A04.6")}


def test_a_statement_for_another_unit_does_not_count(bureau, acting, clock):
    mine = signed(bureau, acting, clock, "JYC", "liuyang", "zhanghua")
    statements.countersign_statements(acting("liuyang"), mine.values(), clock.now)
    ResponsibilityStatement.objects.update(unit=bureau.unit["IC"])
    measure(clock, "A04.6")
    assert "person:P022" in {finding.subject for finding in opened("A04.6", "JYC")}


@pytest.mark.usefixtures("bureau")
def test_the_head_of_the_bureau_has_nobody_above_inside_it(clock):
    measure(clock, "A04.6")
    assert "person:P001" not in {finding.subject for finding in opened("A04.6")}
