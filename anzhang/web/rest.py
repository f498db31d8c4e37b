"""The part of the REST face above the registers: board, cases, findings. Read-only: nothing is decided through it (DESIGN 5)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from django.db.models import QuerySet
from django.http import Http404, HttpRequest
from ninja import Query, Router, Schema
from pydantic import ConfigDict, Field, StringConstraints

from anzhang import clock
from anzhang.casework import queries, wording
from anzhang.casework.board import board
from anzhang.casework.models import Case, Finding
from anzhang.directory.models import Unit
from anzhang.permissions import Actor
from anzhang.registers.rights import Sight
from anzhang.web import cases, findings
from anzhang.web.problems import PROBLEMS

MOST = 100
LARGEST = 2**63 - 1
router = Router()
Word = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$", max_length=64)]


class Named(Schema):
    """Something with a code and a name."""

    code: str
    name: str


class Words(Schema):
    """A text in both languages."""

    zh: str
    en: str


class UnitVerdict(Schema):
    """What one unit's verdict on an obligation is."""

    unit: str
    name: str
    verdict: str
    population: int
    breaches: int
    why: dict[str, Any]


class ObligationVerdict(Schema):
    """One obligation: state, proof class, and why."""

    model_config = ConfigDict(extra="allow")
    id: str
    title: Words
    modality: str
    severity: str
    verdict: str
    proof_class: str
    population: int
    breaches: int
    coverage: float | None
    provisional: bool
    checked_at: datetime | None
    why: dict[str, Any]
    by_unit: list[UnitVerdict]


class ArticleVerdict(Schema):
    """One article with its obligations."""

    number: int
    chapter: int
    title: Words
    verdict: str
    counts: dict[str, int]
    obligations: list[ObligationVerdict]


class BoardOut(Schema):
    """The board as it was last judged."""

    at: datetime
    catalog: str
    unit: Named | None
    counts: dict[str, int]
    met_by_proof: dict[str, int]
    articles: list[ArticleVerdict]


class BoardQuery(Schema):
    """Whose board: a unit's code, empty for all that the caller sees."""

    unit: Word = ""


class Walk(Schema):
    """How lists are walked: `after` is the `next` of the answer before, 0 to begin."""

    after: int = Field(0, ge=0, le=LARGEST)
    size: int = Field(50, ge=1, le=MOST)


class CaseQuery(Walk):
    """Which cases."""

    state: Word = ""
    route: Word = ""
    unit: Word = ""


class FindingQuery(Walk):
    """Which findings; `active` (the default) leaves out the closed ones."""

    state: Word = findings.ACTIVE
    obligation: Word = ""
    unit: Word = ""


class CaseOut(Schema):
    """A case; its form and acts only where one case is asked for."""

    id: int
    number: str
    route: str
    title: str
    state: str
    unit: str
    applicant: str
    filed_at: datetime
    due_at: datetime | None
    step: str
    fault: str
    form: dict[str, Any] | None = None
    acts: list[dict[str, Any]] | None = None
    approval: dict[str, Any] | None = None


class FindingOut(Schema):
    """A finding with the reason in both languages."""

    id: int
    number: str
    obligation: str
    subject: str
    subject_label: str
    severity: str
    state: str
    unit: str | None
    person: str | None
    reason: dict[str, Any]
    evidence: list[Any]
    opened_at: datetime
    due_at: datetime
    closed_at: datetime | None
    reopened: int


class CasePage(Schema):
    """Cases, and where the next ones begin (null at the end)."""

    items: list[CaseOut]
    next: int | None


class FindingPage(Schema):
    """Findings, and where the next ones begin (null at the end)."""

    items: list[FindingOut]
    next: int | None


@router.get("/board", response={200: BoardOut, **PROBLEMS}, operation_id="board", summary="The board", tags=["board"])
def show_board(request: HttpRequest, query: Query[BoardQuery]) -> dict[str, Any]:
    """Return the verdicts; who does not see the whole bureau gets their own unit."""
    sight = _sight(request)
    seen = sight.narrowed(Unit.objects.all(), ("path",))
    chosen = seen.filter(code=query.unit).first() if query.unit else None
    if chosen is None and not query.unit and sight.path is not None:
        chosen = seen.filter(pk=sight.actor.unit_id or 0).first()
    if chosen is None and (query.unit or sight.path is not None):
        raise Http404(query.unit)
    return board(sight.at, chosen).as_json()


@router.get("/cases", response={200: CasePage, **PROBLEMS}, operation_id="cases", summary="Cases", tags=["cases"])
def list_cases(request: HttpRequest, query: Query[CaseQuery]) -> dict[str, Any]:
    """Return the cases that the caller sees, in the order of filing."""
    rows = cases.seen(_sight(request)).select_related("unit", "applicant")
    for name, value in (("state", query.state), ("route", query.route), ("unit__code", query.unit)):
        rows = rows.filter(**{name: value}) if value else rows
    found, following = _walked(rows, query)
    return {"items": [_case(case) for case in found], "next": following}


@router.get("/cases/{number}", response={200: CaseOut, **PROBLEMS}, operation_id="case", summary="One case", tags=["cases"])
def show_case(request: HttpRequest, number: str) -> dict[str, Any]:
    """Return a case with its form, its acts and what it granted."""
    case = cases.seen(_sight(request)).select_related("unit", "applicant").filter(number=_text(number)).first()
    if case is None:
        raise Http404(number)
    acts = case.acts.select_related("person").order_by("pk")
    approval = queries.approval_of(case)
    said = [
        {"verb": act.verb, "person": act.person.code if act.person else None, "opinion": act.opinion, "at": act.at.isoformat()}
        for act in acts
    ]
    granted = {"kind": approval.kind, "valid_from": approval.valid_from, "valid_to": approval.valid_to} if approval else None
    return _case(case) | {"form": case.form, "acts": said, "approval": granted}


@router.get("/findings", response={200: FindingPage, **PROBLEMS}, operation_id="findings", summary="Findings", tags=["findings"])
def list_findings(request: HttpRequest, query: Query[FindingQuery]) -> dict[str, Any]:
    """Return the findings that the caller sees, in the order of opening."""
    rows = findings.seen(_sight(request)).select_related("unit", "person")
    rows = rows.exclude(state=Finding.State.CLOSED) if query.state == findings.ACTIVE else rows.filter(state=query.state)
    for name, value in (("obligation", query.obligation), ("unit__code", query.unit)):
        rows = rows.filter(**{name: value}) if value else rows
    found, following = _walked(rows, query)
    return {"items": [_finding(finding) for finding in found], "next": following}


@router.get("/findings/{number}", response={200: FindingOut, **PROBLEMS}, operation_id="finding", summary="One finding", tags=["findings"])
def show_finding(request: HttpRequest, number: str) -> dict[str, Any]:
    """Return a finding."""
    found = findings.seen(_sight(request)).select_related("unit", "person").filter(number=_text(number)).first()
    if found is None:
        raise Http404(number)
    return _finding(found)


def _sight(request: HttpRequest) -> Sight:
    actor: Actor = request.auth  # type: ignore[attr-defined]  # set by ninja
    return Sight(actor, clock.now())


def _text(number: str) -> str:
    return number if "\x00" not in number and len(number) <= 32 else ""


def _walked(rows: QuerySet[Any], query: Walk) -> tuple[list[Any], int | None]:
    found = list(rows.filter(pk__gt=query.after).order_by("pk")[: query.size + 1])
    page = found[: query.size]
    return page, page[-1].pk if len(found) > query.size else None


def _case(case: Case) -> dict[str, Any]:
    step = queries.step_of(case).key if case.state == Case.State.OPEN else ""
    return {
        "id": case.pk, "number": case.number, "route": case.route, "title": case.title, "state": case.state, "unit": case.unit.code,
        "applicant": case.applicant.code, "filed_at": case.filed_at, "due_at": case.due_at, "step": step, "fault": case.fault,
    }  # fmt: skip


def _finding(found: Finding) -> dict[str, Any]:
    reason = {"code": found.reason.get("code"), "params": found.reason.get("params", {}), "text": wording.text(found.reason)}
    return {
        "id": found.pk, "number": found.number, "obligation": found.obligation, "subject": found.subject,
        "subject_label": found.subject_label, "severity": found.severity, "state": found.state,
        "unit": found.unit.code if found.unit else None, "person": found.person.code if found.person else None,
        "reason": reason, "evidence": found.evidence, "opened_at": found.opened_at, "due_at": found.due_at,
        "closed_at": found.closed_at, "reopened": found.reopened,
    }  # fmt: skip
