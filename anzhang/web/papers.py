"""What stands on the approval sheet (审批单) of a case and on the filing form (备案表) of an officer, in the reader's language.

The page of a case and its sheet show the same chain (`chain.links`), so this stands beside it in the web face.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from django.conf import settings
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from anzhang import clock
from anzhang.casework import forms, queries
from anzhang.casework.models import Act, Approval, Case
from anzhang.engines.crypto import SUITES
from anzhang.engines.printing.sheet import Pair, Proof, Sheet, Signed, Stage
from anzhang.journal.models import Entry
from anzhang.organization.models import Filing
from anzhang.web import chain

LONG_TEXT = "long_text"


def approval_sheet(case: Case, entry: Entry | None, address: str, printed_by: str, at: datetime) -> Sheet:
    """Return the sheet of a case; `address` is where its ledger entry is shown."""
    way = queries.route_of(case)
    asked = list(zip(way.fields, forms.display(way, case.form), strict=True))
    approval = queries.approval_of(case)
    return Sheet(
        english=_english(),
        organization=_bureau(),
        title=_("%(route)s审批单") % {"route": way.title},
        subject=case.title,
        number=Pair(_("事项编号"), case.number),
        dated=Pair(_("提出时间"), clock.minute(case.filed_at)),
        pairs=(
            Pair(_("事项"), case.title),
            Pair(_("申请单位"), case.unit.name),
            Pair(_("申请人"), _noted(case.applicant.name, case.applicant.post)),
            *(Pair(label, value or "—") for field, (label, value) in asked if field.kind != LONG_TEXT),
        ),
        texts=tuple(Pair(label, value) for field, (label, value) in asked if field.kind == LONG_TEXT and value),
        stages=tuple(_stages(case)),
        heads=(_("办理人"), _("意见"), _("时间")),
        stages_title=_("办理意见"),
        result=tuple(_result(case, approval)),
        proof=_proof(entry, address),
        printed=_printed(printed_by, at),
        state=str(case.get_state_display()),
        mark=_mark(),
    )


def filing_form(filing: Filing, entry: Entry | None, address: str, printed_by: str, at: datetime) -> Sheet:
    """Return the filing form of an officer; `address` is where the filing's ledger entry is shown."""
    officer, case = filing.officer, filing.case
    contact = "　".join(part for part in (officer.person.phone, officer.person.email) if part)
    return Sheet(
        english=_english(),
        organization=_bureau(),
        title=_("信息安全管理人员备案表"),
        subject=filing.receipt_no,
        number=Pair(_("回执编号"), filing.receipt_no),
        dated=Pair(_("收到时间"), clock.minute(filing.received_at)),
        pairs=(
            Pair(_("备案类别"), str(filing.get_kind_display())),
            Pair(_("报备单位"), filing.unit.name),
            Pair(_("信息安全管理人员"), _noted(officer.person.name, officer.person.post)),
            Pair(_("联系方式"), contact or "—"),
            Pair(_("任职起始"), clock.minute(officer.valid_from)),
            *((Pair(_("任职终止"), clock.minute(officer.valid_to)),) if officer.valid_to else ()),
            *((Pair(_("卸任原因"), officer.end_reason),) if officer.end_reason else ()),
            Pair(_("接收人"), _noted(filing.received_by.name, filing.received_by.post)),
            *((Pair(_("事项编号"), case.number),) if case else ()),
        ),
        texts=(),
        stages=tuple(_stages(case)) if case else (),
        heads=(_("办理人"), _("意见"), _("时间")),
        stages_title=_("办理意见"),
        result=(),
        proof=_proof(entry, address),
        printed=_printed(printed_by, at),
        mark=_mark(),
    )


def _stages(case: Case) -> Iterator[Stage]:
    """Yield the steps as the page shows them, then what happened in rounds before the last."""
    way = queries.route_of(case)
    acts = list(case.acts.select_related("person__unit", "target", "principal"))
    todos = list(case.todos.select_related("person"))
    shown: set[int] = set()
    for number, link in enumerate(chain.links(way, case, acts, todos), 1):
        shown.update(act.pk for act in link.acts)
        waiting = "、".join(todo.person.name for todo in link.waiting)
        due = clock.day_of(min(todo.due_at for todo in link.waiting)).isoformat() if link.waiting else ""
        yield Stage(
            title=f"{number}. {link.title}",
            note="　".join(part for part in (link.word, link.need) if part),
            signed=tuple(_signed(link.acts)),
            waiting=_("待办：%(names)s（时限 %(due)s）") % {"names": waiting, "due": due} if waiting else "",
        )
    others = [act for act in acts if act.pk not in shown and act.verb != Act.Verb.FILE]
    if others:
        yield Stage(_("此前及其他办理"), "", tuple(_signed(others)))


def _signed(acts: Iterable[Act]) -> Iterator[Signed]:
    for act in acts:
        verb = str(act.get_verb_display())
        # The box of the page comes filled with 同意: said once is enough.
        opinion = "" if act.opinion.strip() in {verb, "同意"} and act.verb == Act.Verb.AGREE else act.opinion
        done = str(act.get_placement_display()) if act.placement else verb
        done += f" → {act.target.name}" if act.target else ""
        name = act.person.name + (_("（代%(name)s）") % {"name": act.principal.name} if act.principal else "")
        yield Signed(done, opinion, name, f"{act.person.unit.name} {act.person.post}".strip(), clock.minute(act.at))


def _result(case: Case, approval: Approval | None) -> Iterator[Pair]:
    if case.decided_at:
        yield Pair(_("办结时间"), clock.minute(case.decided_at))
    if approval is not None:
        since = _("自 %(start)s 起生效") % {"start": clock.minute(approval.valid_from)}
        until = _("，至 %(end)s 止") % {"end": clock.minute(approval.valid_to)} if approval.valid_to else ""
        yield Pair(_("批准"), _noted(since + until, str(approval.get_origin_display() or "")))
        if approval.scan_sha256:
            yield Pair(_("扫描件摘要"), approval.scan_sha256)
        if approval.revoked_at:
            yield Pair(_("撤销时间"), clock.minute(approval.revoked_at))


def _proof(entry: Entry | None, address: str) -> Proof:
    if entry is None:
        return Proof(_("存证核验"), (Pair(_("存证记录"), _("尚未编号，请稍后重新打印")),), address, "")
    leaf = bytes(entry.leaf)
    lines = [Pair(_("存证记录"), str(entry.index)), *(Pair(suite.name.upper(), suite.leaf(leaf).hex()) for suite in SUITES)]
    return Proof(
        _("存证核验"), (*lines, Pair(_("核验地址"), address)), address, _("扫描二维码或打开核验地址，可查看该记录并下载其包含证明。")
    )


def _printed(who: str, at: datetime) -> str:
    return _("打印：%(who)s　%(at)s（打印已存证）") % {"who": who, "at": clock.minute(at)}


def _noted(text: str, note: str) -> str:
    return f"{text}（{note}）" if note else text


def _english() -> bool:
    return (get_language() or "zh").startswith("en")


def _bureau() -> str:
    return str(settings.HOME.get("bureau", "name", ""))


def _mark() -> str:
    return _("演示，不作凭证") if settings.HOME.is_demo else ""
