"""What a construction project has on file: its design, its signed checklist, its approvals, and what was built (Art. 11). It only reads.

Gate, checks and page read the same: a few queries for any number of projects.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from anzhang import clock
from anzhang.casework.legal_basis import LegalBasis
from anzhang.casework.models import Approval
from anzhang.organization.projects import ROUTE, not_in_force
from anzhang.organization.tables import Project, ProjectChecklist
from anzhang.systems.tables import DesignItem, Environment, Release

GROUP = "leading_group"
ACTS: Mapping[str, Promise] = {"contract": _("签订合同"), "start": _("开工"), "release": _("构建版本"), "environment": _("建成环境")}


@dataclass(frozen=True)
class Act:
    """One dated act of construction; `day` None where nobody wrote it down."""

    kind: str  # of ACTS
    name: str
    day: date | None
    evidence: str


@dataclass(frozen=True)
class Granted:
    """One approval of the leading group for a project: in force from a day until another, reaching back to `covers_from`."""

    approval: Approval
    on: date
    until: date | None  # the first day without it
    covers_from: date | None

    def held_on(self, day: date) -> bool:
        """Whether it had been given and still stood on a day."""
        return self.on <= day and (self.until is None or day < self.until)

    def reaches(self, day: date) -> bool:
        """Whether it approves afterwards what was done on a day before it."""
        return self.covers_from is not None and self.covers_from <= day < self.on


@dataclass(frozen=True)
class File:
    """What one project has on file."""

    project: Project
    items: Sequence[DesignItem]  # that the design still holds
    designed_on: date | None  # the earliest dated item, dropped ones included
    checklists: Sequence[ProjectChecklist]  # the newest signature last, unsigned ones first
    withdrawn: Sequence[str]  # standards of the newest signed checklist that did not hold on its signing date
    approvals: Sequence[Granted]
    acts: Sequence[Act]  # the earliest first, undated ones last

    @property
    def signed(self) -> ProjectChecklist | None:
        """Return the newest checklist signed by two people."""
        return next((each for each in reversed(self.checklists) if each.is_signed), None)


def of(projects: Iterable[Project]) -> dict[int, File]:
    """Return what projects have on file, by key; seven queries."""
    found = list(projects)
    items: dict[int, list[DesignItem]] = defaultdict(list)
    for item in DesignItem.objects.filter(project__in=found).order_by("designed_on", "code"):
        items[item.project_id or 0].append(item)
    lists: dict[int, list[ProjectChecklist]] = defaultdict(list)
    for each in ProjectChecklist.objects.filter(project__in=found).select_related("first_signer", "second_signer", "prepared_by"):
        lists[each.project_id].append(each)
    laws = {law.code: law for law in LegalBasis.objects.all()}
    approvals, acts = _approvals(found), _acts(found)
    files = {}
    for project in found:
        ordered = sorted(lists[project.pk], key=lambda each: (each.second_signed_on or date.min, each.pk))
        last = next((each for each in reversed(ordered) if each.is_signed), None)
        withdrawn = not_in_force(last, last.second_signed_on, laws) if last is not None and last.second_signed_on is not None else []
        dated = [item.designed_on for item in items[project.pk] if item.designed_on is not None]
        held = [item for item in items[project.pk] if item.state == DesignItem.State.REQUIRED]
        files[project.pk] = File(
            project, held, min(dated, default=None), ordered, withdrawn, approvals[project.pk],
            sorted(acts[project.pk], key=lambda act: (act.day is None, act.day or date.max, act.kind, act.name)),
        )  # fmt: skip
    return files


def _approvals(projects: Sequence[Project]) -> dict[int, list[Granted]]:
    """Return the leading group's approvals of each project: of its cases, and the one that it rests on (entered from paper, perhaps)."""
    by_code = {project.code: project for project in projects}
    resting = {project.basis_id: project for project in projects if project.basis_id is not None}
    granted: dict[int, list[Granted]] = defaultdict(list)
    rows = Approval.objects.filter(kind=ROUTE, authority=GROUP, superseded_at=None).select_related("case").order_by("valid_from", "pk")
    for approval in rows:
        asked = approval.case.form
        project = by_code.get(str(asked.get("project"))) or resting.get(approval.pk)
        if project is not None:
            until = clock.day_of(approval.valid_to) if approval.valid_to is not None else None
            reach = date.fromisoformat(asked["covers_from"]) if asked.get("covers_from") else None
            granted[project.pk].append(Granted(approval, clock.day_of(approval.valid_from), until, reach))
    return granted


def _acts(projects: Sequence[Project]) -> dict[int, list[Act]]:
    acts: dict[int, list[Act]] = defaultdict(list)
    for project in projects:
        if project.contract_on is not None:
            acts[project.pk].append(Act("contract", project.name, project.contract_on, f"project:{project.pk}"))
        if project.started_on is not None:
            acts[project.pk].append(Act("start", project.name, project.started_on, f"project:{project.pk}"))
    for release in Release.objects.filter(project__in=projects):
        acts[release.project_id or 0].append(Act("release", str(release), release.built_on, f"release:{release.pk}"))
    for environment in Environment.objects.filter(project__in=projects):
        acts[environment.project_id or 0].append(
            Act("environment", environment.name, environment.set_up_on, f"environment:{environment.pk}")
        )
    return acts


def standing(file: File, at: datetime) -> Granted | None:
    """Return an approval of a project that stands at an instant."""
    for each in file.approvals:
        approval = each.approval
        if approval.valid_from <= at and (approval.valid_to is None or at < approval.valid_to):
            return each
    return None
