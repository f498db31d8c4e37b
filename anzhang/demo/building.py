"""What the full demo builds and how its systems are protected (Art. 8, 10, 11), and the few things left undone, each with its finding.

Every system is graded, filed, evaluated and proves what its level requires; the center rebuilds one, four units have built or plan to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta

from anzhang import clock
from anzhang.assessment.models import Assessment
from anzhang.casework import procedures as cases
from anzhang.casework.models import Case
from anzhang.demo import crossings
from anzhang.demo.bureau import SETUP, Bureau
from anzhang.demo.chapter import Chapter, NearMiss, Planted, Site
from anzhang.demo.conduct import UNREVIEWED
from anzhang.demo.crowd import Crowd, put
from anzhang.directory.models import Person, Unit, User
from anzhang.events import Event
from anzhang.organization import measures, projects
from anzhang.organization.models import ControlMeasure, PolicyDocument
from anzhang.organization.tables import Project
from anzhang.permissions import Actor, Via
from anzhang.systems import releases
from anzhang.systems.models import System
from anzhang.systems.obligations_gradings import requirements
from anzhang.systems.tables import ProtectionGrading

UNPROVED, LATE_DESIGN, WITHDRAWN, NO_PROCEDURE, TOO_EARLY = (
    "人才开发处", "职业能力建设处", "养老保险处", "失业保险处", "工伤保险处"
)  # fmt: skip
EVALUATED = "XT117"  # of the third level: evaluated exactly as long ago as it may be
JUST_ASSESSED, UNASSESSED = "HL01", "HL07"
STANDARD = "GB22239"
POINTS = (f"{STANDARD} 8.1.4.1 符合 双因素登录", f"{STANDARD} 8.1.4.3 符合 审计记录集中留存", f"{STANDARD} 8.1.5.4 不适用")
KINDS = tuple(f"{what}_{how}" for how in ("policy", "procedure") for what in ("development", "integration", "maintenance"))
GROUP = ("P005", "P001", "P002")  # the Office, then a majority of the leading group


def registers(site: Site, bureau: Bureau, crowd: Crowd) -> None:
    """Grade every system, prove its measures, enter the projects and the assessments."""
    now = site.now
    _protect(bureau, crowd, now)
    units = {unit.name: unit for unit in crowd.units}
    center = bureau.unit["IC"]
    row = _project(bureau, (center, bureau.person["P010"], bureau.person["P011"]), "XM01", ["DA01"], now, stage="under_construction")
    _policies(bureau, row, KINDS, now)
    for number, name in enumerate((LATE_DESIGN, WITHDRAWN, TOO_EARLY), 2):
        unit = units[name]
        people = (unit, crowd.head(unit), crowd.officer(unit))
        built = _project(bureau, people, f"XM{number:02d}", [], now, late=name == LATE_DESIGN, early=name == TOO_EARLY)
        if name == WITHDRAWN:  # a second checklist, by a law that had been replaced
            _checklist(built, (crowd.staff[unit.code][2], crowd.staff[unit.code][3]), now, code="H2", standard=UNREVIEWED, days=80)
    unit = units[NO_PROCEDURE]
    planned = Project(
        code="XM09", name=f"{unit.name}业务系统升级", kind="reconstruction", unit=unit, person=crowd.officer(unit), protection_level=2
    )
    (planned,) = put(now, Project, [planned], Event.PROJECT_REGISTER)
    _policies(bureau, planned, KINDS[:-1], now)
    _assess(site, bureau)


def _protect(bureau: Bureau, crowd: Crowd, now: datetime) -> None:
    """Adopt what the catalog proposes; grade and file every system and prove its measures, but for one proof past its day."""
    today = clock.day_of(now)
    measures.adopt_measures(SETUP, bureau.unit["LGO"], now)
    systems = list(System.objects.filter(state=System.State.IN_SERVICE).select_related("managing_unit").order_by("code"))
    put(now, ProtectionGrading, (_grading(system, number, today) for number, system in enumerate(systems)), Event.GRADING_RECORD)
    required = requirements()
    proofs = [
        ControlMeasure(
            code=f"{system.code}-{each.code.removeprefix('MLPS-')}"[:32], name=each.name, kind="system", requirement=each, system=system,
            unit=system.managing_unit, proved_on=today - timedelta(days=60), valid_until=today + timedelta(days=305), proof="自查记录",
        )
        for system in systems
        for each in required
        if each.level is not None and each.level <= (system.protection_level or 2)
    ]  # fmt: skip
    unit = next(unit for unit in crowd.units if unit.name == UNPROVED)
    spoiled = next(each for each in proofs if each.unit == unit)
    spoiled.proved_on, spoiled.valid_until = today - timedelta(days=400), today - timedelta(days=35)
    put(now, ControlMeasure, proofs, Event.MEASURE_PROVE)


def _grading(system: System, number: int, today: date) -> ProtectionGrading:
    level, due_today = system.protection_level or 2, system.code == EVALUATED
    graded_on = today - timedelta(days=900 + number % 200)
    return ProtectionGrading(
        system=system, graded_on=graded_on, level=level, filing_number=f"12010000{number:03d}-{graded_on:%y}001",
        filed_on=graded_on + timedelta(days=40), evaluated_on=today - timedelta(days=365 if due_today else 60 + number % 200),
        result=("good", "fair")[number % 2], evaluator="市信息安全测评中心",
        earlier=[(graded_on + timedelta(days=90)).isoformat()] if level > 2 else [],
    )  # fmt: skip


def _project(
    bureau: Bureau, people: tuple[Unit, Person, Person], code: str, systems: Sequence[str], now: datetime, *,
    stage: str = "closed", late: bool = False, early: bool = False,
) -> Project:  # fmt: skip
    """Enter a project with design, checklist and approval; `late`: designed after initiation, `early`: contract before approval."""
    unit, head, clerk = people

    def ago(days: int) -> date:
        return clock.day_of(now) - timedelta(days=days)

    open_one = stage != "closed"
    ended = {"accepted_on": ago(90), "ended_on": ago(60)} if stage == "closed" else {}
    project = projects.register_project(
        SETUP, at=now, code=code, name=f"{unit.name}信息系统建设", kind="construction", unit=unit, person=clerk, systems=list(systems),
        protection_level=3 if systems else 2, stage=stage, initiated_on=ago(330 if late else 320 if open_one else 299),
        contract_on=ago(310 if early else 299 if open_one else 280), started_on=ago(270), **ended,
    )  # fmt: skip
    for number, name in enumerate(("双因素登录", "操作审计", "数据备份"), 1):
        system = System.objects.get(code=systems[0]) if systems else None
        releases.register_design_item(
            SETUP, at=now, code=f"{code}-S{number}", name=name, project=project, system=system, designed_on=ago(320)
        )
    staff = Person.objects.filter(unit=unit, kind="staff").exclude(user__administrator="auditor").order_by("code")
    others = [each for each in staff if each.pk not in {head.pk, clerk.pk}]
    _checklist(project, (others[0], others[1]), now)
    form = {"project": code, "summary": "按等级保护二级建设，含登录、审计和备份。"}
    _walked(bureau, clerk, head, "project_approval", form, clock.start_of(ago(300)) + timedelta(hours=9))
    project.refresh_from_db()
    return project


def _checklist(
    project: Project, signers: tuple[Person, Person], now: datetime, code: str = "H1", standard: str = STANDARD, days: int = 310
) -> None:
    """Enter a checklist that two people signed on paper some days ago."""
    day = clock.day_of(now) - timedelta(days=days)
    points = POINTS if standard == STANDARD else (f"{standard} 21 符合",)
    projects.register_project_checklist(
        SETUP, at=now, code=f"{project.code}-{code}", project=project, scheme_title=f"{project.name}方案", scheme_on=day,
        standards=[standard], points=list(points), first_signer=signers[0], first_signed_on=day, second_signer=signers[1],
        second_signed_on=day,
    )  # fmt: skip


def _policies(bureau: Bureau, project: Project, kinds: Sequence[str], now: datetime) -> None:
    """Let the leading group approve the construction documents of a unit: one case, and the others of the set rest on it too."""
    unit, clerk = project.unit, project.person
    head = next(post.person for post in unit.assignment_set.filter(duty="unit_head", superseded_at=None))
    at = clock.start_of(clock.day_of(now) - timedelta(days=200)) + timedelta(hours=9)
    form = {"kind": kinds[0], "title": f"{unit.name}建设制度汇编", "edition": "第一版", "in_force_from": ""}
    _walked(bureau, clerk, head, "construction_policy", form, at)
    first = PolicyDocument.objects.get(unit=unit, kind=kinds[0])
    rest = [
        PolicyDocument(
            unit=unit, kind=kind, title=first.title, edition=first.edition, issued_on=first.issued_on, reviewed_on=first.reviewed_on,
            in_force_from=first.in_force_from, basis=first.basis,
        )
        for kind in kinds[1:]
    ]  # fmt: skip
    put(now, PolicyDocument, rest, Event.POLICY_ISSUE)


def _assess(site: Site, bureau: Bureau) -> None:
    """Record the assessments of the connections: each passed before its first traffic, one in the last second, but one was never made."""
    earliest = site.now - timedelta(days=site.days)
    peer = crossings.peer_of(crossings.PARTNERS[0]).encode()
    first = next(at for at, line in crossings.lines(site, earliest, site.now) if peer in line)
    rows = []
    for code, title in [(each.code, each.name) for each in crossings.PARTNERS] + [("HL08", "劳动用工备案数据核验")]:
        concluded = first - timedelta(seconds=1) if code == JUST_ASSESSED else earliest - timedelta(days=1)
        day = clock.day_of(concluded)
        rows.append(
            Assessment(
                code=f"PG-{code}", kind="interconnection", title=f"{title}安全评估", unit=bureau.unit["IC"], subject=code,
                performed_from=day - timedelta(days=3), performed_to=day, assessor=bureau.person["P014"], concluded_at=concluded,
                result="passed", valid_until=day + timedelta(days=365),
            )
        )  # fmt: skip
    put(site.now, Assessment, [row for row in rows if row.subject != UNASSESSED], Event.ASSESSMENT_RECORD)


def _walked(bureau: Bureau, clerk: Person, head: Person, route: str, form: Mapping[str, str], at: datetime) -> Case:
    """File a case and let the unit's head, the Office and the leading group agree, in the course of a day."""
    case = cases.file_case(_hand(clerk), route, clerk.unit, clerk, "", form, at)
    case = cases.agree(_hand(head), case, "同意", at + timedelta(hours=1))
    return _agree(bureau, case, GROUP, at + timedelta(hours=1))


def _agree(bureau: Bureau, case: Case, people: Sequence[str], at: datetime) -> Case:
    for number, code in enumerate(people, 1):
        case = cases.agree(_hand(bureau.person[code]), case, "同意", at + timedelta(hours=number))
    return case


def _hand(person: Person) -> Actor:
    """Return somebody in a browser session with its second factor."""
    user = User.objects.get(person=person)
    return Actor(
        id=f"user:{user.username}", via=Via.BROWSER, user_id=user.pk, person_id=person.pk, unit_id=person.unit_id, second_factor=True
    )


CHAPTER = Chapter(
    "building",
    registers=registers,
    expected=(
        Planted("A08.2", "system:XT103", "一项防护措施的证明已过有效期"),
        Planted("A10.3", f"interconnection:{UNASSESSED}", "开通以前没有评估"),
        Planted("A11.1", "project:XM02", "立项十天后才开始安全设计"),
        Planted("A11.3", "project:XM03", "核对单依据的法律已被修正"),
        Planted("A11.4", "unit:D11", "失业保险处缺维护操作规程"),
        Planted("A11.5", "project:XM04", "批准前十天已签合同"),
    ),
    near=(
        NearMiss("A08.2", f"system:{EVALUATED}", "三级系统恰在 365 天前测评，当天仍算", today=True),
        NearMiss("A10.3", f"interconnection:{JUST_ASSESSED}", "第一次通信前一秒通过评估"),
        NearMiss("A11.1", "project:XM01", "立项当天开始安全设计"),
        NearMiss("A11.3", "project:XM01", "两人签字的核对单，所依标准现行有效"),
        NearMiss("A11.4", "unit:IC", "六项制度和规程齐全"),
        NearMiss("A11.5", "project:XM01", "批准次日签的合同"),
    ),
)
