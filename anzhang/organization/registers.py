"""The registers of Art. 3-6: officers, filings, policies, training, statements; decisions, directives, inspections."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import Model, QuerySet
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from anzhang.directory.models import Bitemporal
from anzhang.organization.models import (
    ControlMeasure,
    Decision,
    Directive,
    Filing,
    Inspection,
    Officer,
    PlanItem,
    PolicyDocument,
    ResponsibilityStatement,
    TrainingRecord,
)
from anzhang.organization.tables import Project, ProjectChecklist
from anzhang.registers import values
from anzhang.registers.declaration import Kind, Register, Writer, declare
from anzhang.registers.filters import by_choice, by_flag, by_unit, by_year, in_force
from anzhang.registers.panels import Line, panel
from anzhang.registers.rights import Sight, holds


@panel(_("办理页面"))
def pages(register: Register, row: Model, sight: Sight) -> list[Line]:  # noqa: ARG001  # every panel takes the sight
    """Return the page on which a row is worked on; none for rows that have no page but their own."""
    place = {"unit": "units", "directive": "directives", "inspection": "inspections", "decision": "decisions", "plan_item": "plan"}.get(
        register.id
    )
    if register.id == "responsibility_statement":
        return [Line(gettext("责任书签字"), "/statements/")]
    if isinstance(row, Project | ProjectChecklist):
        project = row if isinstance(row, Project) else row.project
        return [Line(gettext("%s的项目档案") % project.name, reverse("project", args=[project.code]))]
    return [Line(str(row), f"/{place}/{values.code_of(row)}/")] if place else []


@holds(Writer.UNIT)
def security_officers(at: datetime) -> QuerySet[Any]:
    """Return the posts of security officers at the instant (Art. 5)."""
    return Officer.objects.filter(Bitemporal.in_force(at))


declare(
    Register(
        id="officer",
        chapter="organization",
        model=Officer,
        kind=Kind.AUTHORITY,
        columns=("unit", "person", "valid_from", "valid_to", "end_reason"),
        order=("-valid_from",),
        search=("person__code", "person__name", "unit__name"),
        filters=(by_unit("unit"), in_force()),
        scope=("unit__path",),
        route="officer_appointment",
        articles=(5,),
    )
)
declare(
    Register(
        id="filing",
        chapter="organization",
        model=Filing,
        kind=Kind.DECISION,
        columns=("receipt_no", "kind", "unit", "officer", "received_at", "received_by"),
        order=("-received_at",),
        search=("receipt_no", "officer__person__name"),
        filters=(by_unit("unit"), by_choice(Filing, "kind")),
        scope=("unit__path",),
        articles=(5,),
    )
)
declare(
    Register(
        id="policy_document",
        chapter="organization",
        model=PolicyDocument,
        kind=Kind.AUTHORITY,
        columns=("unit", "kind", "title", "edition", "issued_on", "reviewed_on", "in_force_from", "in_force_to"),
        order=("unit__path", "kind", "-in_force_from"),
        search=("title", "edition"),
        filters=(by_unit("unit"), by_choice(PolicyDocument, "kind")),
        scope=("unit__path",),
        route="policy_document",
        articles=(6, 11, 16, 17),
    )
)
declare(
    Register(
        id="training_record",
        chapter="organization",
        model=TrainingRecord,
        kind=Kind.PLAIN,
        columns=("person", "person__unit", "topic", "trained_on", "hours"),
        order=("-trained_on",),
        search=("person__code", "person__name", "topic"),
        filters=(by_unit("person__unit"), by_year("trained_on", _("年度"))),
        scope=("person__unit__path",),
        key=("person", "topic", "trained_on"),
        fields=("person", "topic", "trained_on", "hours"),
        create="record_training",
        change="change_training",
        bulk="record_trainings",
        writers=frozenset({Writer.OFFICE, Writer.UNIT}),
        articles=(5,),
    )
)
declare(
    Register(
        id="responsibility_statement",
        chapter="organization",
        model=ResponsibilityStatement,
        kind=Kind.DECISION,
        columns=("number", "term", "unit", "person", "signed_at", "superior", "countersigned_at", "on_paper"),
        order=("-number",),
        search=("number", "person__code", "person__name"),
        filters=(by_unit("unit"), by_flag(ResponsibilityStatement, "on_paper")),
        scope=("unit__path",),
    )
)
declare(
    Register(
        id="decision",
        chapter="organization",
        model=Decision,
        kind=Kind.DECISION,
        columns=("number", "title", "about", "members", "agreed", "decided_at", "held_on", "minuted_at"),
        order=("-decided_at",),
        search=("number", "title"),
        filters=(by_year("held_on", _("会议年度")),),
        scope=("case__unit__path",),
    )
)
declare(
    Register(
        id="directive",
        chapter="organization",
        model=Directive,
        kind=Kind.DECISION,
        columns=("number", "title", "unit", "issued_at", "due_on", "state", "evidence", "finished_at"),
        order=("due_on",),
        search=("number", "title"),
        filters=(by_unit("unit"), by_choice(Directive, "state"), by_year("due_on", _("期限年度"))),
        scope=("unit__path",),
    )
)
declare(
    Register(
        id="plan_item",
        chapter="organization",
        model=PlanItem,
        kind=Kind.DECISION,
        columns=("number", "year", "title", "unit", "owner", "due_on", "state", "evidence", "completed_at"),
        order=("-year", "due_on"),
        search=("number", "title"),
        filters=(by_unit("unit"), by_choice(PlanItem, "state"), by_year("due_on", _("期限年度"))),
        scope=("unit__path",),
        articles=(4,),
    )
)
declare(
    Register(
        id="inspection",
        chapter="organization",
        model=Inspection,
        kind=Kind.DECISION,
        columns=("number", "unit", "inspected_on", "form", "notified_at", "reply_due_on", "replied_at", "accepted_at"),
        order=("-inspected_on",),
        search=("number", "unit__name"),
        filters=(by_unit("unit"), by_choice(Inspection, "form"), by_year("inspected_on", _("检查年度"))),
        scope=("unit__path",),
    )
)
declare(
    Register(
        id="control_measure",
        chapter="organization",
        model=ControlMeasure,
        kind=Kind.PLAIN,
        columns=("code", "name", "kind", "level", "requirement", "room", "system", "unit", "proved_on", "valid_until"),
        order=("code",),
        search=("code", "name"),
        filters=(by_unit("unit"), by_choice(ControlMeasure, "kind")),
        key=("code",),
        fields=("code", "name", "kind", "level", "requirement", "room", "system", "unit", "proved_on", "valid_until", "proof"),
        create="register_control_measure",
        change="change_control_measure",
        fixed=frozenset({"code", "kind", "requirement", "room", "system"}),
        writers=frozenset({Writer.OFFICE, Writer.UNIT}),
        hints={
            "level": _("这一类对象自几级起必须有这项措施；只由办公室填写。"),
            "requirement": _("本条落实哪一项要求；填写要求本身时不填。"),
            "valid_until": _("信息系统的证明写到哪一天有效；机房的按规定天数计算，可以不填。"),
            "proof": _("检测报告编号、巡检记录、照片等。"),
        },
        articles=(8, 16),
    )
)
declare(
    Register(
        id="project",
        chapter="organization",
        model=Project,
        kind=Kind.PLAIN,
        columns=("code", "name", "kind", "unit", "person", "stage", "initiated_on", "contract_on", "basis"),
        order=("code",),
        search=("code", "name"),
        filters=(by_unit("unit"), by_choice(Project, "kind"), by_choice(Project, "stage")),
        scope=("unit__path",),
        key=("code",),
        fields=(
            "code",
            "name",
            "kind",
            "unit",
            "person",
            "systems",
            "devices",
            "protection_level",
            "stage",
            "initiated_on",
            "contract_on",
            "started_on",
            "accepted_on",
            "ended_on",
            "review_on",
            "review_result",
            "reviewer",
        ),
        create="register_project",
        change="change_project",
        fixed=frozenset({"code", "unit", "stage"}),
        writers=frozenset({Writer.OFFICE, Writer.UNIT}),
        hints={
            "systems": _("信息系统编号，每行一个；网络项目可以不填。"),
            "devices": _("网络项目写设备编号，每行一个：获批后建设期间的配置改动以此为据。"),
            "stage": _("已在进行的项目写现在的阶段和走过的各阶段日期；以后的阶段在项目档案中办理。"),
            "reviewer": _("防护审查人不能是项目负责人。网络项目结项前必须审查通过。"),
        },
        articles=(8, 11),
    )
)
declare(
    Register(
        id="project_checklist",
        chapter="organization",
        model=ProjectChecklist,
        kind=Kind.PLAIN,
        columns=("code", "project", "scheme_title", "scheme_on", "first_signer", "second_signer", "second_signed_on", "on_paper"),
        order=("project__code", "code"),
        search=("code", "scheme_title", "project__code"),
        filters=(by_unit("project__unit"),),
        scope=("project__unit__path",),
        key=("code",),
        fields=(
            "code",
            "project",
            "scheme_title",
            "scheme_on",
            "standards",
            "points",
            "first_signer",
            "first_signed_on",
            "second_signer",
            "second_signed_on",
        ),
        create="register_project_checklist",
        change="change_project_checklist",
        fixed=frozenset({"code", "project"}),
        writers=frozenset({Writer.OFFICE, Writer.UNIT}),
        hints={
            "standards": _("上位依据台账中的编号，每行一个；一个编号就是一个版本。"),
            "points": _("每行一条：标准编号 条款 符合 说明。结论为符合、不符合或不适用。"),
            "first_signer": _("只有纸质签过字的由办公室补录；其余由签字人在项目档案中签。"),
        },
        articles=(11,),
    )
)
