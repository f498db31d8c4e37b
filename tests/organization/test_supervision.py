"""The verbs of deployments, visits, statements and decisions: who may, in which order, and what is refused."""

import pytest

from anzhang.casework.models import Notice
from anzhang.directory.models import LeadingGroupMember
from anzhang.journal.models import Entry
from anzhang.organization import decisions, desk, directives, inspections, statements
from anzhang.organization.models import Decision, Directive, Inspection, ResponsibilityStatement
from anzhang.permissions import Via
from anzhang.registers import attachments
from anzhang.registers.declaration import REGISTERS
from tests import world
from tests.articles.stories import file, through
from tests.articles.test_article_04_supervision import deploy
from tests.organization.actions import day, inspect, refused

Paper = statements.Paper


def test_a_deployment_is_the_offices_to_make(bureau, acting, clock):
    units, due = [bureau.unit["JYC"]], day(clock, 5)

    def issue(who="wujie", chosen=units, title="事项", content="要求", due_on=due):
        return directives.issue_directives(acting(who), chosen, title, content, due_on, clock.now)

    assert refused(issue, who="liuyang") == "not_the_office"
    assert refused(issue, who="guolei") == "not_the_office"
    assert refused(issue, chosen=[]) == "no_unit"
    assert refused(issue, title=" ") == "title_needed"
    assert refused(issue, content="\x00") == "text_too_long"
    assert refused(issue, title="长" * 201) == "text_too_long"
    assert refused(issue, due_on=day(clock, -1)) == "day_passed"
    assert refused(issue, due_on=day(clock).replace(year=202)) == "implausible_day"
    first, second = issue(chosen=[bureau.unit["JYC"], bureau.unit["IC"]])
    assert (first.number, second.number) == ("BS2026-0001", "BS2026-0002")
    assert {notice.person.name for notice in Notice.objects.filter(code="directive_issued")} == {"刘洋", "周伟", "李明"}
    assert Entry.objects.filter(act="organization:directive:issue").count() == 2


def test_an_item_is_reported_by_its_unit_and_closed_by_the_office_in_that_order(bureau, acting, clock):
    (item,) = deploy(bureau, acting, clock, "JYC")
    report = directives.report_directive
    assert refused(directives.finish_directive, acting("wujie"), item, "", clock.now) == "not_reported"
    assert refused(directives.return_directive, acting("wujie"), item, "补充", clock.now) == "not_reported"
    assert refused(report, acting("zhouwei"), item, "好", "1号", clock.now) == "not_the_unit"
    assert refused(report, acting("sunli"), item, "好", "1号", clock.now) == "not_the_unit"
    assert refused(report, acting("liuyang"), item, "", "1号", clock.now) == "result_needed"
    assert refused(report, acting("liuyang"), item, "好", " ", clock.now) == "no_evidence"
    assert refused(report, acting("liuyang"), item, "好", "号" * 501, clock.now) == "text_too_long"
    item = report(acting("liuyang"), item, "好", "1号", clock.now)
    assert refused(report, acting("liuyang"), item, "好", "1号", clock.now) == "not_open"
    assert refused(directives.remind_directive, acting("wujie"), item, clock.now) == "not_open"
    assert refused(directives.return_directive, acting("wujie"), item, "", clock.now) == "remark_needed"
    item = directives.return_directive(acting("wujie"), item, "请附清单", clock.now)
    assert (item.state, item.remark, item.evidence) == ("open", "请附清单", "1号")
    item = report(acting("gaojianguo"), item, "附清单", "2号", clock.now)  # the head above answers too
    assert refused(directives.finish_directive, acting("liuyang"), item, "", clock.now) == "not_the_office"
    item = directives.finish_directive(acting("wujie"), item, "", clock.now)
    assert refused(directives.withdraw_directive, acting("wujie"), item, "重复", clock.now) == "closed_already"
    assert Directive.objects.get().state == "finished"


def test_pressing_a_unit_without_anybody_is_refused(bureau, acting, clock):
    (item,) = deploy(bureau, acting, clock, "JYC")
    bureau.person["P020"].left_on = day(clock)
    bureau.person["P020"].save()
    assert desk.desk(bureau.unit["JYC"], clock.now) == []
    assert refused(directives.remind_directive, acting("wujie"), item, clock.now) == "nobody_to_tell"


def test_a_visit_takes_place_before_it_is_noted(bureau, acting, clock):
    record = inspections.record_inspection
    unit = bureau.unit["JYC"]
    assert refused(record, acting("liuyang"), unit, day(clock), "on_site", "好", clock.now) == "not_the_office"
    assert refused(record, acting("wujie"), unit, day(clock, 1), "on_site", "好", clock.now) == "in_the_future"
    assert refused(record, acting("wujie"), unit, day(clock), "on_site", "", clock.now) == "result_needed"
    assert refused(record, acting("wujie"), unit, day(clock), "by_phone", "好", clock.now) == "invalid"
    assert not Inspection.objects.exists()


def test_a_notice_is_answered_once_and_taken_or_returned(bureau, acting, clock):
    visit = inspect(bureau, acting, clock, "JYC")
    notify, reply, accept = inspections.notify_inspected_unit, inspections.reply_to_inspection, inspections.accept_reply
    assert refused(reply, acting("liuyang"), visit, "好", clock.now) == "nothing_to_reply"
    assert refused(notify, acting("liuyang"), visit, "改", day(clock, 5), clock.now) == "not_the_office"
    assert refused(notify, acting("wujie"), visit, " ", day(clock, 5), clock.now) == "notice_needed"
    assert refused(notify, acting("wujie"), visit, "改", day(clock, -1), clock.now) == "day_passed"
    visit = notify(acting("wujie"), visit, "改", day(clock, 5), clock.now)
    assert refused(notify, acting("wujie"), visit, "再改", day(clock, 5), clock.now) == "notified_already"
    assert refused(accept, acting("wujie"), visit, "", clock.now) == "not_replied"
    assert refused(reply, acting("sunli"), visit, "好", clock.now) == "not_the_unit"
    assert refused(reply, acting("liuyang"), visit, "", clock.now) == "reply_needed"
    visit = reply(acting("liuyang"), visit, "已改", clock.now)
    assert refused(reply, acting("liuyang"), visit, "已改", clock.now) == "nothing_to_reply"
    assert refused(accept, acting("liuyang"), visit, "", clock.now) == "not_the_office"
    assert refused(inspections.return_reply, acting("wujie"), visit, "", day(clock, 9), clock.now) == "remark_needed"
    visit = inspections.return_reply(acting("wujie"), visit, "附证明", day(clock, 9), clock.now)
    assert (visit.stage, visit.reply_due_on) == ("notified", day(clock, 9))
    visit = accept(acting("wujie"), reply(acting("liuyang"), visit, "附后", clock.now), "", clock.now)
    assert refused(accept, acting("wujie"), visit, "", clock.now) == "not_replied"


def test_a_statement_is_signed_by_hand_by_its_person_and_the_level_above(bureau, acting, clock):
    issue, sign, countersign = statements.issue_statements, statements.sign_statement, statements.countersign_statements
    unit = bureau.unit["JYC"]
    assert refused(issue, acting("sunli"), unit, "2026", "负责", clock.now) == "not_answerable"
    assert refused(issue, acting("liuyang"), unit, " ", "负责", clock.now) == "term_needed"
    assert refused(issue, acting("liuyang"), unit, "2026", "", clock.now) == "duties_needed"
    made = {each.person.code: each for each in issue(acting("liuyang"), unit, "2026", "负责", clock.now)}
    assert set(made) == {"P020", "P022", "P023"}
    assert refused(issue, acting("liuyang"), unit, "2026", "负责", clock.now) == "nobody_owes"
    mine = made["P022"]
    assert refused(countersign, acting("liuyang"), [mine], clock.now) == "not_signed"
    assert refused(sign, acting("liuyang"), mine, clock.now) == "not_yourself"
    assert refused(sign, world.actor(bureau, "zhanghua", Via.API), mine, clock.now) == "not_browser"
    bare = world.actor(bureau, "zhanghua")
    assert refused(sign, type(bare)(**{**vars(bare), "second_factor": False}), mine, clock.now) == "no_second_factor"
    mine = sign(acting("zhanghua"), mine, clock.now)
    assert refused(sign, acting("zhanghua"), mine, clock.now) == "signed_already"
    for stranger in ("gaojianguo", "zhouwei", "wujie", "zhanghua"):
        assert refused(countersign, acting(stranger), [mine], clock.now) == "not_the_level_above"
    own = sign(acting("liuyang"), made["P020"], clock.now)
    assert refused(countersign, acting("liuyang"), [mine, own], clock.now) == "not_the_level_above"
    mine.refresh_from_db()
    assert mine.stage == "signed"  # all or none
    assert countersign(acting("liuyang"), [mine], clock.now) == 1
    mine.refresh_from_db()
    assert (mine.stage, mine.superior.name) == ("in_force", "刘洋")


def test_paper_statements_are_entered_by_the_office_and_marked(bureau, acting, clock):
    person, head, unit = bureau.person["P022"], bureau.person["P020"], bureau.unit["JYC"]

    def enter(who="wujie", paper=None, term="2026"):
        paper = paper or Paper(person, unit, head, day(clock, -9), day(clock, -8), ("责任书.pdf", b"%PDF-1.7\n%%EOF\n"))
        return statements.enter_paper_statements(acting(who), term, "负责", [paper], clock.now)

    assert refused(enter, who="liuyang") == "not_the_office"
    assert refused(enter, paper=Paper(person, unit, head, day(clock, -9), day(clock, -8))) == "scan_needed"
    assert refused(enter, paper=Paper(person, unit, head, day(clock, -9), day(clock, -8), ("a.pdf", b"MZ"))) == "file_mismatch"
    assert refused(enter, paper=Paper(person, unit, head, day(clock, -8), day(clock, -9))) == "in_the_future"
    assert refused(enter, paper=Paper(person, unit, head, day(clock), day(clock, 1))) == "in_the_future"
    assert refused(enter, paper=Paper(head, unit, head, day(clock), day(clock))) == "own_superior"
    (kept,) = enter()
    assert (kept.on_paper, kept.stage) == (True, "in_force")
    assert attachments.of(REGISTERS["responsibility_statement"], kept).get().name == "责任书.pdf"
    assert refused(enter) == "entered_already"
    assert ResponsibilityStatement.objects.count() == 1


@pytest.fixture
def decision(bureau, acting, clock):
    case = file(bureau, acting, clock, "wujie", "group_resolution", matter="年度计划", proposal="同意。")
    through(case, acting, clock, "zhengkai", "gaojianguo", "hemin")
    return Decision.objects.get()


def test_a_resolution_about_a_case_names_one_that_exists(bureau, acting, clock):
    assert (
        refused(file, bureau, acting, clock, "wujie", "group_resolution", about="2026-9999", matter="计划", proposal="同意")
        == "form_invalid"
    )


def test_minutes_need_a_quorum_of_members_in_term_that_day(bureau, acting, clock, decision):
    chair, deputy, third, stranger = (bureau.person[code] for code in ("P001", "P002", "P003", "P020"))

    def take(who="wujie", held_on=None, chair=chair, present=(deputy,), minutes="同意。", version=None):
        return decisions.take_minutes(
            acting(who), decision, held_on=held_on or day(clock), chair=chair, present=present, minutes=minutes, at=clock.now,
            expected_version=version,
        )  # fmt: skip

    assert refused(take, who="gaojianguo") == "not_the_office"
    assert refused(take, held_on=day(clock, 1)) == "in_the_future"
    assert refused(take, minutes="") == "minutes_needed"
    assert refused(take, chair=stranger, present=(chair, deputy)) == "chair_not_member"
    assert refused(take, present=(stranger,)) == "no_quorum"  # one of three, and a guest
    assert refused(take, held_on=day(clock, -400)) == "chair_not_member"  # before anybody's term
    seat = LeadingGroupMember.objects.get(person=deputy)
    seat.valid_to = clock.now.replace(hour=1, minute=0)
    seat.save()
    clock.advance(days=1)
    assert refused(take, present=(deputy,)) == "no_quorum"  # the deputy's term ended yesterday; one of two is no majority
    assert take(present=(third,)).present == ["P001", "P003"]
    assert refused(take, present=(third,), version=1) == "stale"
    assert take(present=(third, deputy), minutes="更正。", version=2).version == 3
