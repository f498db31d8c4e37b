"""The register of assessments (Art. 10, 27)."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from anzhang.assessment import conditions as _conditions  # noqa: F401  # what the gate of links asks
from anzhang.assessment import procedures as _procedures  # noqa: F401  # named procedures
from anzhang.assessment.models import Assessment
from anzhang.registers.declaration import Kind, Register, Writer, declare
from anzhang.registers.filters import by_choice, by_unit, by_year

declare(
    Register(
        id="assessment",
        chapter="assessment",
        model=Assessment,
        kind=Kind.PLAIN,
        columns=("code", "kind", "title", "unit", "subject", "performed_to", "result", "concluded_at", "valid_until"),
        order=("-performed_to", "code"),
        search=("code", "title", "subject"),
        filters=(by_unit("unit"), by_choice(Assessment, "kind"), by_choice(Assessment, "result"), by_year("performed_to", _("年度"))),
        scope=("unit__path",),
        key=("code",),
        fields=(
            "code",
            "kind",
            "title",
            "unit",
            "subject",
            "performed_from",
            "performed_to",
            "assessor",
            "provider",
            "concluded_at",
            "result",
            "report_sha256",
            "valid_until",
        ),
        create="record_assessment",
        change="change_assessment",
        fixed=frozenset({"code"}),
        writers=frozenset({Writer.OFFICE, Writer.UNIT}),
        hints={
            "subject": _("对外互联或信息系统的编号；全局评估不填。"),
            "concluded_at": _("结论作出的时间；没有结论的不填。"),
            "report_sha256": _("报告文件的 SHA-256；文件可作为附件保存。"),
        },
        articles=(10, 27),
    )
)
