"""What the units of the full demo have done on paper, and the few things they have failed to do, each with the finding it makes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta

from anzhang import clock
from anzhang.casework.legal_basis import LegalBasis
from anzhang.demo import planning
from anzhang.demo.bureau import SETUP, Bureau
from anzhang.demo.chapter import Chapter, Planted, Site
from anzhang.demo.crowd import WITHOUT_OFFICER, Crowd, put
from anzhang.directory.models import Assignment, Person, Unit
from anzhang.events import Event
from anzhang.organization import directives, statements
from anzhang.organization.models import Directive, Filing, Inspection, PolicyDocument, TrainingRecord
from anzhang.organization.queries import owing_statements
from anzhang.systems.models import System

NOT_FILED, NOT_INSPECTED, SILENT, LATE, UNSIGNED, NO_POLICY, UNCLASSED = (
    "调解仲裁管理处", "人事档案服务中心", "公共实训中心", "国际合作处", "人才服务中心", "离退休干部处", "电话咨询服务中心"
)  # fmt: skip
# Unit by name: the obligation of the one finding that its planted breach makes.
EXPECTED: Mapping[str, str] = {
    WITHOUT_OFFICER: "A05.3", NOT_FILED: "A05.4", NO_POLICY: "A05.1", LATE: "A04.4", NOT_INSPECTED: "A04.5", SILENT: "A04.5",
    UNSIGNED: "A04.6", UNCLASSED: "A34.1",
}  # fmt: skip
DUTIES = "落实本单位网络信息安全责任，管好分管的系统、账号和数据，发现事件立即报告。"

# code, title, kind, number, edition, in force from, replaces, articles
LAW = (
    ("CSL-2017", "中华人民共和国网络安全法", "law", "主席令第五十三号", "2016 年通过", date(2017, 6, 1), "", ("8", "9", "12", "29")),
    ("CSL-2026", "中华人民共和国网络安全法", "law", "", "2025 年修正", date(2026, 1, 1), "CSL-2017", ("8", "9", "12", "29")),
    ("DSL", "中华人民共和国数据安全法", "law", "主席令第八十四号", "2021 年通过", date(2021, 9, 1), "", ("17", "18", "19")),
    ("PIPL", "中华人民共和国个人信息保护法", "law", "主席令第九十一号", "2021 年通过", date(2021, 11, 1), "", ("18", "19", "32")),
    ("CIIR", "关键信息基础设施安全保护条例", "regulation", "国务院令第745号", "2021 年公布", date(2021, 9, 1), "", ("25", "28")),
    ("NDSR", "网络数据安全管理条例", "regulation", "国务院令第790号", "2024 年公布", date(2025, 1, 1), "", ("18", "19", "24")),
    ("GB22239", "网络安全等级保护基本要求", "standard", "GB/T 22239-2019", "2019 版", date(2019, 12, 1), "", ("8", "14", "16")),
)  # fmt: skip
UNREVIEWED = "CSL-2017"
BEFORE_CHANGE = date(2025, 12, 1)  # what is reviewed by then knows nothing of the law of 2026


def behave(bureau: Bureau, crowd: Crowd, now: datetime) -> None:
    """Write the papers of the year for the whole bureau, the cast's units included. Runs in the caller's transaction."""
    _law(now)
    _policies_and_filings(bureau, crowd, now)
    _training(crowd, now)
    _statements(now)
    _inspections(bureau, crowd, now)
    _directives(bureau, crowd, now)
    put(now, System, [_unclassed(crowd)], Event.SYSTEM_REGISTER)
    planning.resolve(bureau, now)


def _law(now: datetime) -> None:
    """Register the law in force; its newest change lies open, unreviewed (A01.2)."""
    made: dict[str, LegalBasis] = {}
    today = clock.day_of(now)
    for code, title, kind, number, edition, begins, replaces, articles in LAW:
        before = made.get(replaces)
        if before is not None:
            before.in_force_to = begins
        made[code] = LegalBasis(
            code=code, title=title, kind=kind, document_no=number, edition=edition, in_force_from=begins, articles=list(articles),
            reviewed_on=None if replaces else min(today - timedelta(days=330), BEFORE_CHANGE),
            review="" if replaces else "条款与现行规定一致。",
        )  # fmt: skip
    for code, *_rest, replaces, _articles in LAW:
        if replaces:
            made[code].replaces = made[replaces]
    put(now, LegalBasis, [row for row in made.values() if row.replaces is None])
    for row in made.values():
        if row.replaces is not None:
            row.replaces_id = row.replaces.pk
    put(now, LegalBasis, [row for row in made.values() if row.replaces is not None])


def _policies_and_filings(bureau: Bureau, crowd: Crowd, now: datetime) -> None:
    today, started = clock.day_of(now), now - timedelta(days=365)
    issued_on = today - timedelta(days=300)
    documents = [
        PolicyDocument(
            unit=unit, kind="responsibility", title=f"{unit.name}网络信息安全责任制度", edition="第一版", issued_on=issued_on,
            reviewed_on=today - timedelta(days=90), in_force_from=issued_on,
        )
        for unit in crowd.units
        if unit.name != NO_POLICY
    ]  # fmt: skip
    put(now, PolicyDocument, documents, Event.POLICY_ISSUE)
    filed = [officer for officer in crowd.officers if officer.unit.name != NOT_FILED]
    first = Filing.objects.count() + 1
    receipts = [
        Filing(
            receipt_no=f"BA{clock.day_of(started).year}-{first + number:04d}", kind=Filing.Kind.OFFICER_APPOINTED, unit=officer.unit,
            officer=officer, received_at=started + timedelta(days=3), received_by=bureau.person["P005"],
        )
        for number, officer in enumerate(filed)
    ]  # fmt: skip
    put(now, Filing, receipts, Event.FILING_RECEIVE)


def _training(crowd: Crowd, now: datetime) -> None:
    today = clock.day_of(now)
    people = {post.person_id: post.person for post in crowd.posts} | {officer.person_id: officer.person for officer in crowd.officers}
    put(
        now,
        TrainingRecord,
        (
            TrainingRecord(person=person, topic="网络信息安全年度培训", trained_on=today - timedelta(days=40 + number % 200), hours=4)
            for number, person in enumerate(people.values())
        ),
        Event.TRAINING_RECORD,
    )


def _statements(now: datetime) -> None:
    """Enter last year's paper statements of everybody who owes one, but for one person (A04.6)."""
    signed_on = clock.day_of(now) - timedelta(days=200)
    papers = []
    spared = False
    for owing in owing_statements(now):
        if owing.unit.name == UNSIGNED and not spared:
            spared = True  # its head
        elif owing.superiors:
            papers.append(statements.Paper(owing.person, owing.unit, owing.superiors[0], signed_on, signed_on + timedelta(days=5)))
    statements.enter_paper_statements(SETUP, str(signed_on.year), DUTIES, papers, now)


def _inspections(bureau: Bureau, crowd: Crowd, now: datetime) -> None:
    """Note the Office's visits of the year; one unit was left out, another has not replied (both A04.5)."""
    today, visits = clock.day_of(now), []
    places = [unit for code, unit in bureau.unit.items() if code != "HRSS"] + crowd.units
    for number, unit in enumerate(places, 1):
        on = today - timedelta(days=420 if unit.name == NOT_INSPECTED else 20 + number * 7)
        visit = Inspection(
            number=f"JC{on.year}-{number:04d}", unit=unit, inspected_on=on, inspector=bureau.person["P005"],
            result="查看了责任制度、人员台账、账号清单和培训记录。",
        )  # fmt: skip
        if unit.name == SILENT or number % 9 == 0:
            visit.notice = "部分账号长期未用，请清理后书面回复。"
            visit.notified_at, visit.reply_due_on = clock.start_of(on + timedelta(days=2)), on + timedelta(days=20)
            if unit.name != SILENT:
                visit.reply, visit.replied_at = "已清理长期未用账号，并建立按季核对机制。", clock.start_of(on + timedelta(days=12))
                visit.replied_by, visit.accepted_at = _answers(bureau, crowd, unit), clock.start_of(on + timedelta(days=14))
        visits.append(visit)
    put(now, Inspection, visits, Event.INSPECTION_RECORD)


def _answers(bureau: Bureau, crowd: Crowd, unit: Unit) -> Person:
    if unit.code in crowd.staff and unit.code not in bureau.unit:
        return crowd.head(unit)
    return Assignment.objects.select_related("person").get(unit=unit, duty="unit_head").person


def _directives(bureau: Bureau, crowd: Crowd, now: datetime) -> None:
    """Deploy two pieces of work: an old one that all but one unit have finished (A04.4), a new one that just began."""
    today = clock.day_of(now)
    items = []
    for number, unit in enumerate(crowd.units, 1):
        item = Directive(
            number=f"BS{today.year}-{number:04d}", unit=unit, title="弱口令和闲置账号专项清理", content="清理后报送清单。",
            issued_at=now - timedelta(days=60), issued_by=bureau.person["P004"], due_on=today - timedelta(days=15),
        )  # fmt: skip
        if unit.name != LATE:
            item.state, item.result = Directive.State.FINISHED, "已完成清理，清单见附件。"
            item.evidence = f"{unit.name}〔{today.year}〕{number + 6}号"
            item.reported_at, item.reported_by = now - timedelta(days=25), crowd.head(unit)
            item.finished_at = now - timedelta(days=22)
        items.append(item)
    put(now, Directive, items, Event.DIRECTIVE_ISSUE)
    some = [bureau.unit["JYC"], bureau.unit["SBZX"], *crowd.units[:6]]
    directives.issue_directives(
        SETUP, some, "年度应急演练筹备", "制定演练方案，明确场景、时间和参加人员，报办公室。", today + timedelta(days=20), now
    )


def _unclassed(crowd: Crowd) -> System:
    """Return a system that nobody has classed (A34.1)."""
    unit = next(unit for unit in crowd.units if unit.name == UNCLASSED)
    return System(
        code="XT900", name="坐席质检录音系统", managing_unit=unit, responsible_unit=unit, centrally_planned=False, management_level="unit",
        protection_level=2,
    )  # fmt: skip


def registers(site: Site, bureau: Bureau, crowd: Crowd) -> None:
    """Write the papers of the year."""
    behave(bureau, crowd, site.now)


CHAPTER = Chapter(
    "conduct",
    registers=registers,
    expected=(
        Planted("A01.2", f"legal_basis:{UNREVIEWED}", "法律修正后没有复核"),
        Planted("A05.3", "unit:D22", "信访接待处没有信息安全管理人员"),
        Planted("A05.4", "officer:*", "调解仲裁管理处的信息安全管理人员没有备案"),
        Planted("A05.1", "unit:D21", "离退休干部处没有责任制度"),
        Planted("A04.4", "directive:BS*-0018", "国际合作处逾期没有完成督办事项"),
        Planted("A04.5", "unit:S10", "人事档案服务中心一年多没有检查"),
        Planted("A04.5", "unit:S08", "公共实训中心没有回复检查意见"),
        Planted("A04.6", "person:P1026", "人才服务中心负责人没有签责任书"),
        Planted("A34.1", "system:XT900", "系统没有归类"),
    ),
)
