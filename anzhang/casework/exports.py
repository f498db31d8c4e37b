"""Exports of more than 1,000 rows need an approval: a case that opens the download for its applicant until it expires (DESIGN 12)."""

from __future__ import annotations

from datetime import datetime
from urllib.parse import parse_qsl, urlencode

from django.utils.translation import gettext as _

from anzhang.casework import queries, routes
from anzhang.casework.models import Approval
from anzhang.permissions import Actor, RefusedError
from anzhang.registers.rights import is_machine

ROUTE = "register_export"
FREE = 1000  # rows that anybody may take of what they see


class ExportNeedsApprovalError(RefusedError):
    """More rows than may be taken freely; `apply` is where to ask for it, empty where the catalog has no such route."""

    def __init__(self, register: str, query: str, rows: int, *, at_the_machine: bool = False) -> None:
        """Say how many, and lead to the form filled in."""
        offered = ROUTE in routes.current()
        self.apply = f"/cases/new/{ROUTE}/?{urlencode({'register': register, 'query': query, 'rows': rows})}" if offered else ""
        remedy = _("请提出导出申请，或缩小筛选范围。") if offered else _("请缩小筛选范围。")
        if offered and at_the_machine:
            remedy = _("请先在网页上对该台账和筛选条件提出导出申请，批准后加 --case 事项编号 再执行；或缩小筛选范围。")
        super().__init__(
            "export_needs_approval", _("导出 %(rows)d 行需要审批（超过 %(free)d 行）。") % {"rows": rows, "free": FREE}, remedy
        )


def require(actor: Actor, register: str, query: str, rows: int, at: datetime, case: str = "") -> Approval | None:
    """Return the approval that covers an export, None where none is needed. Raises ExportNeedsApprovalError.

    It covers the very register and filter that were granted, up to the rows that were granted, for its applicant, while it is
    in force. Whoever works at the machine itself is nobody's applicant: they name the `case` that they carry out.
    """
    if rows <= FREE:
        return None
    at_the_machine = is_machine(actor)
    whose = {"case__number": case} if at_the_machine else {"case__applicant_id": actor.person_id or 0}
    for approval in queries.in_force(ROUTE, at).filter(**whose).select_related("case").order_by("-valid_from"):
        form = approval.case.form
        same = form.get("register") == register and _normal(form.get("query")) == _normal(query)
        if same and rows <= int(form.get("rows") or 0):
            return approval
    raise ExportNeedsApprovalError(register, query, rows, at_the_machine=at_the_machine)


def _normal(query: str | None) -> list[tuple[str, str]]:
    """Return a query's conditions in one order; how it is sorted and paged does not matter."""
    return sorted(pair for pair in parse_qsl(query or "") if pair[0] not in {"sort", "page", "size"})
