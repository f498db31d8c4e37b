"""What the page of a case offers besides deciding: hand over, take back, add a signer, revoke; and the files of a case."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.core.files.uploadedfile import UploadedFile
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from anzhang.casework import revocation, turns
from anzhang.casework.models import Act, Approval, Case, Todo
from anzhang.casework.routes import Route
from anzhang.directory.models import Bitemporal, Delegation, Person
from anzhang.directory.queries import employed
from anzhang.permissions import Actor, RefusedError
from anzhang.registers import attachments
from anzhang.registers.models import Attachment
from anzhang.web import cases, register_files
from anzhang.web.access import login_needed, second_factor_needed


@dataclass(frozen=True)
class Offer:
    """What the reader may do to the turn at hand."""

    deputies: tuple[Person, ...] = ()
    may_add: bool = False
    may_take_back: bool = False
    may_revoke: bool = False

    @property
    def anything(self) -> bool:
        """Whether there is something to show."""
        return bool(self.deputies or self.may_add or self.may_take_back)


def offer(case: Case, way: Route, actor: Actor, turn: Todo | None, approval: Approval | None, at: datetime) -> Offer:
    """Return what the page offers; the procedures ask again and in full."""
    who = actor.person_id
    if who is None:
        return Offer()
    if case.state != Case.State.OPEN:
        revocable = approval is not None and case.applicant_id != who and revocation.is_revocable(approval, at)
        return Offer(may_revoke=revocable and approval is not None and revocation.may_revoke(case, approval, who, at))
    proxies = dict(case.opening.get("proxies", []))
    if turn is None:
        return Offer(may_take_back=who in proxies)
    holds = who in case.opening.get("people", []) and who not in proxies
    given = Delegation.objects.filter(Bitemporal.in_force(at), principal=who).select_related("deputy__unit") if holds else ()
    # Nobody carries two seats, and the applicant none: who cannot take over is not offered.
    opening = case.opening
    taken = {case.applicant_id, *opening.get("people", []), *proxies.values(), *opening.get("before", []), *opening.get("after", [])}
    deputies = {row.deputy_id: row.deputy for row in given if row.deputy_id not in taken}
    seated = holds or who in proxies.values()
    return Offer(tuple(deputies.values()), may_add=seated and turns.takes_signers(way.steps[case.step]))


@require_POST
@second_factor_needed
def act(request: HttpRequest, number: str) -> HttpResponse:
    """Hand the turn over, take it back, add a signer or revoke the approval, as the button says."""
    case, actor, at = cases.case_or_404(request, number)
    verb, opinion = request.POST.get("verb", ""), request.POST.get("opinion", "")
    verbs: dict[str, Callable[[], Any]] = {
        "delegate": lambda: turns.delegate(actor, case, _person(request.POST.get("deputy", ""), at), opinion, at, _seen(request)),
        "take_back": lambda: turns.take_back(actor, case, opinion, at),
        "add_signer": lambda: turns.add_signer(
            actor, case, _person(request.POST.get("signer", ""), at), request.POST.get("placement", ""), opinion, at, _seen(request)
        ),
        "revoke": lambda: revocation.revoke(actor, case, opinion, at),
    }
    if verb not in verbs:
        raise Http404(verb)
    try:
        verbs[verb]()
    except RefusedError as refusal:
        case.refresh_from_db()
        return cases.page_of(request, case, actor, at, refusal)
    messages.success(request, _("已办理：%(verb)s。") % {"verb": Act.Verb(verb).label})
    return redirect("case", case.number)


def _seen(request: HttpRequest) -> tuple[int, int]:
    try:
        return int(request.POST.get("round", "")), int(request.POST.get("step", ""))
    except ValueError:
        raise Http404(request.path) from None


def _person(text: str, at: datetime) -> Person:
    """Return the serving person that somebody named by number or by a name that only one bears."""
    text = text.partition("（")[0].strip().replace("\x00", "")
    serving = Person.objects.filter(employed(at))
    found = list(serving.filter(code=text)[:1]) or list(serving.filter(name=text).order_by("code")[:6])
    if not found:
        raise RefusedError("no_such_person", _("没有工号或姓名为“%s”的在职人员。") % text[:40], _("填写工号，或从列表中选择。"))
    if len(found) > 1:
        codes = "、".join(f"{person.code} {person.name}" for person in found)
        raise RefusedError("ambiguous_person", _("有多人同名：%s。") % codes, _("填写工号。"))
    return found[0]


def files(case: Case) -> list[Attachment]:
    """Return the files that came with a case."""
    return list(Attachment.objects.filter(object_type="case", object_key=str(case.pk), removed_at=None))


def scan_of(upload: UploadedFile[Any] | None) -> bytes:
    """Return the content of an uploaded scan. Raises RefusedError."""
    if upload is None:
        raise RefusedError("file_missing", _("请选择扫描件。"))
    if (upload.size or 0) > attachments.MAX_BYTES:
        raise RefusedError("file_too_large", _("文件超过 %d MB。") % (attachments.MAX_BYTES // 2**20), _("压缩或拆分后再上传。"))
    data: bytes = upload.read()
    return data


@require_GET
@login_needed
def download(request: HttpRequest, number: str, file: int) -> HttpResponse:
    """Send a file of a case to whoever may read the case."""
    case, _actor, _at = cases.case_or_404(request, number)
    found = next((each for each in files(case) if each.pk == file), None)
    if found is None:
        raise Http404(file)
    return register_files.sent(found)
