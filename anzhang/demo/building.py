"""What the full demo builds and how its systems are protected (Art. 8, 10, 11), and the few things left undone, each with its finding.

Every system is graded, filed, evaluated and proves what its level requires; the center rebuilds one, four units have built or plan to.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta

from anzhang import clock
from anzhang.casework import procedures as cases
from anzhang.casework.models import Case
from anzhang.demo.bureau import SETUP, Bureau
from anzhang.demo.conduct import UNREVIEWED
from anzhang.demo.crowd import Crowd, put
from anzhang.directory.models import Person, Unit, User
from anzhang.events import Event
from anzhang.network import procedures as network
from anzhang.organization import decisions, measures, projects
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
# Unit by name: the obligation of the one finding that its planted breach makes.
EXPECTED: Mapping[str, str] = {
    UNPROVED: "A08.2", LATE_DESIGN: "A11.1", WITHDRAWN: "A11.3", NO_PROCEDURE: "A11.4", TOO_EARLY: "A11.5"
}  # fmt: skip
LINE = "HL01"  # of 就业促进处: it carries traffic and was never assessed (A10.3)
STANDARD = "GB22239"
POINTS = (f"{STANDARD} 8.1.4.1 符合 双因素登录", f"{STANDARD} 8.1.4.3 符合 审计记录集中留存", f"{STANDARD} 8.1.5.4 不适用")
KINDS = tuple(f"{what}_{how}" for how in ("policy", "procedure") for what in ("development", "integration", "maintenance"))
GROUP = ("P005", "P001", "P002")  # the Office, then a majority of the leading group


def build(bureau: Bureau, crowd: Crowd, now: datetime) -> None:
    """Grade every system, prove its measures, enter the projects and the connection. Runs in the caller's transaction."""
    _protect(bureau, crowd, now)
    units = {unit.name: unit for unit in crowd.units}
    center = bureau.unit["IC"]
    row = _project(bureau, (center, bureau.person["P010"], bureau.person["P011"]), "XM01", ["SB01"], now, stage="under_construction")
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
    _connect(bureau, now)


def lines(now: datetime) -> Iterator[bytes]:
    """Yield what a host of the employment system tells of its traffic with the bank, and inside: the last three days."""
    for days in (3, 2, 1):
        at = clock.start_of(clock.day_of(now) - timedelta(days=days)) + timedelta(hours=10)
        for target, port in (("172.31.5.20", 443), ("10.20.2.40", 8080)):
            told = {
                "stream": "flow_event", "time": at.astimezone(UTC).isoformat(), "source_ip": "10.20.1.7", "destination_ip": target,
                "destination_port": port, "protocol": "tcp", "result": "success", "action": "allowed", "bytes_out": 48_000,
                "bytes_in": 12_000,
            }  # fmt: skip
            yield f"<30>1 {at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ} jyapp01 netwatch 812 - - {json.dumps(told)}".encode()


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
    level = system.protection_level or 2
    graded_on = today - timedelta(days=900 + number % 200)
    return ProtectionGrading(
        system=system, graded_on=graded_on, level=level, filing_number=f"12010000{number:03d}-{graded_on:%y}001",
        filed_on=graded_on + timedelta(days=40), evaluated_on=today - timedelta(days=60 + number % 200),
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

    ended = {"accepted_on": ago(90), "ended_on": ago(60)} if stage == "closed" else {}
    project = projects.register_project(
        SETUP, at=now, code=code, name=f"{unit.name}信息系统建设", kind="construction", unit=unit, person=clerk, systems=list(systems),
        protection_level=3 if systems else 2, stage=stage, initiated_on=ago(330 if late else 299), contract_on=ago(310 if early else 280),
        started_on=ago(270), **ended,
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


def _connect(bureau: Bureau, now: datetime) -> None:
    """Register the business network and let the group approve a line to a bank, resolved and minuted; nobody assesses it."""
    network.register_zone(SETUP, at=now, code="YWZW", name="业务专网", kind="business", networks=["10.20.0.0/16"], unit=bureau.unit["IC"])
    at = clock.start_of(clock.day_of(now) - timedelta(days=16)) + timedelta(hours=9)
    opens, closes = at + timedelta(days=2), at + timedelta(days=300)
    form = {
        "code": LINE, "name": "代发银行专线", "person": "P021", "partner": "某银行", "purpose": "代发就业补贴", "level": "2",
        "standard": STANDARD, "scheme_title": "代发银行互联方案", "scheme_on": f"{clock.day_of(at) - timedelta(days=5)}",
        "peers": "172.31.5.16/28", "inner": "10.20.1.0/24", "ports": "tcp/443", "daily_mb": "100",
        "opens_at": f"{opens.astimezone(clock.BEIJING):%Y-%m-%dT%H:%M}", "closes_at": f"{closes.astimezone(clock.BEIJING):%Y-%m-%dT%H:%M}",
    }  # fmt: skip
    clerk = bureau.person["P021"]
    case = cases.file_case(_hand(clerk), "interconnection", clerk.unit, clerk, "", form, at)
    office = bureau.person["P005"]
    asked = {"about": case.number, "matter": "审议代发银行专线", "proposal": "同意按方案开通。"}
    matter = cases.file_case(_hand(office), "group_resolution", office.unit, office, "", asked, at)
    _agree(bureau, matter, ("P004", "P001", "P002"), at)
    matter.refresh_from_db()
    decisions.take_minutes(
        _hand(office), matter.decision, held_on=clock.day_of(at), chair=bureau.person["P001"],
        present=[bureau.person["P002"], bureau.person["P003"]], minutes="会议审议了互联方案，一致同意。", at=at + timedelta(hours=5),
    )  # fmt: skip
    _agree(bureau, case, GROUP, at + timedelta(hours=6))


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
