"""存证: the newest signed heads, the last verification, the entries in the reader's scope, one entry with its proof."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from django.contrib import messages
from django.db.models import Model, OuterRef, Subquery
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from anzhang import clock
from anzhang.casework.models import Case, Finding, Schedule
from anzhang.directory.models import User
from anzhang.engines.crypto import SHA256, SUITES
from anzhang.journal import heads, keys, procedures, queries, verify
from anzhang.journal.models import Entry, Frontier, Head, HeadConfirmation, LedgerCheck, Payload
from anzhang.permissions import Permission, RefusedError
from anzhang.registers.declaration import REGISTERS
from anzhang.registers.rights import Sight
from anzhang.regulation.checks import page
from anzhang.web import acts, entries
from anzhang.web.access import login_needed, permission_needed, second_factor_needed
from anzhang.web.actors import actor_of

AT_ONCE = 20_000  # entries that are verified while the reader waits (about a second); more are left to the worker
SAVED_BYTES = 64 * 1024  # a saved head has a few hundred
FAULTS_SHOWN = 50


@dataclass(frozen=True)
class Outside:
    """The newest head that somebody kept outside this machine and brought back."""

    size: int
    confirmed_at: datetime
    actor: str
    signed_at: datetime
    since: int  # entries after it, which only this machine vouches for

    @property
    def age(self) -> str:
        """Return how long ago that head was signed, in days and hours."""
        days, hours = entries.age(self.signed_at, clock.now())
        spans = [ngettext("%d 天", "%d 天", days) % days] if days else []
        return " ".join([*spans, ngettext("%d 小时", "%d 小时", hours) % hours])


@page("ledger")
@require_GET
@login_needed
def index(request: HttpRequest) -> HttpResponse:
    """Show heads, the last verification, and a page of the entries that the reader sees."""
    sight = Sight(actor_of(request), clock.now())
    fault, status, chosen = "", 200, entries.Filter()
    found = entries.Page([], newer=False, older=False)
    try:
        chosen = entries.parse(request.GET.dict())
        found = entries.page(sight, chosen)
    except entries.BadFilterError as error:
        fault, status = str(error), 400
    newest = list(Head.objects.order_by("-size", "suite")[: len(SUITES)])
    check = LedgerCheck.objects.first()
    sees_faults = sight.actor.administrator is not None
    context = {
        "heads": newest,
        "outside": _outside(newest[0].size if newest else 0),
        "check": check,
        "faults": check.faults[:FAULTS_SHOWN] if check and sees_faults else [],
        "may_check": sight.actor.may(Permission.LEDGER_READ),
        "rows": found.rows,
        "names": _names(entry.actor for entry in found.rows),
        "newer": chosen.address(after=found.rows[0].index) if found.newer and found.rows else "",
        "older": chosen.address(before=found.rows[-1].index) if found.older and found.rows else "",
        "first": chosen.address() if found.newer else "",
        "chosen": chosen,
        "acts": acts.act_choices(get_language()),
        "kinds": acts.object_choices(get_language()),
        "everything": sees_faults,
        "fault": fault,
    }
    return render(request, "ledger/index.html", context, status=status)


@page("ledger_entry")
@require_GET
@login_needed
def entry(request: HttpRequest, index: int) -> HttpResponse:
    """Show one entry; a foreign object's entry is 404."""
    found, sight = _entry_or_404(request, index)
    about = entries.object_of(sight, found)
    leaf = bytes(found.leaf)
    reads = entries.reads_payload(sight, about)
    same = entries.seen(sight).filter(object_type=found.object_type, object_key=found.object_key).defer("leaf")
    context = {
        "entry": found,
        "name": _names([found.actor]).get(found.actor) or acts.actor_word(found.actor),
        "link": _link(found, about),
        "leaf": leaf.decode("utf-8", "replace"),
        "hashes": [(suite.name, suite.leaf(leaf).hex()) for suite in SUITES],
        "head": Head.objects.filter(suite=SHA256.name, size__gt=index).order_by("size").first(),
        "reads": reads,
        "payload": _payload(found) if reads else "",
        "before": same.filter(index__lt=index).order_by("-index").first(),
        "after": same.filter(index__gt=index).order_by("index").first(),
        "same": entries.Filter(kind=found.object_type, key=found.object_key).address(),
    }
    return render(request, "ledger/entry.html", context)


@require_GET
@login_needed
def proof(request: HttpRequest, index: int, suite: str) -> HttpResponse:
    """Send the proof that an entry is in the newest signed tree (C2SP tlog-proof); it holds the entry, never its payload."""
    found, _sight = _entry_or_404(request, index)
    tree = next((each for each in SUITES if each.name == suite), None)
    if tree is None:
        raise Http404(suite)
    try:
        text = queries.prove(found.index, tree).text()
    except queries.NotProvableError as error:
        raise RefusedError(
            "not_provable", _("现在不能给出证明：%s。") % error, _("新记录约一秒后签名；仍不成功时请告知审计管理员。")
        ) from error
    return _download(text, f"entry-{found.index}-{tree.name}.tlog-proof")


@require_GET
@login_needed
def head(request: HttpRequest) -> HttpResponse:  # noqa: ARG001  # every view takes it
    """Send the newest signed heads of both trees, to be kept outside this machine."""
    newest = [found for suite in SUITES if (found := heads.latest(suite)) is not None]
    if not newest:
        raise RefusedError("nothing_signed", _("还没有签名的树头。"), _("工作进程启动后约一秒即签名。"))
    return _download("\n".join(each.note for each in newest), f"head-{newest[0].size}.txt")


@permission_needed(Permission.LEDGER_READ)
@second_factor_needed
@require_http_methods(["GET", "POST"])
def confirm(request: HttpRequest) -> HttpResponse:
    """Take a head that was kept outside this machine and note that the ledger still contains it."""
    refusal = None
    if request.method == "POST":
        try:
            kept = procedures.confirm(actor_of(request), _saved(request), clock.now())
        except RefusedError as error:
            refusal = error
        except (keys.KeyMissingError, heads.InconsistentError) as error:
            refusal = RefusedError("ledger_inconsistent", str(error), _("请在服务器上运行 anzhang ledger verify。"))
        else:
            messages.success(request, _("存证包含这个树头：前 %d 条没有被改动。") % kept.size)
            return redirect("ledger")
    return render(request, "ledger/confirm.html", {"refusal": refusal}, status=409 if refusal else 200)


@permission_needed(Permission.LEDGER_READ)
@second_factor_needed
@require_POST
def check(request: HttpRequest) -> HttpResponse:
    """Verify the whole ledger now; a long one is left to the worker, whose daily verification becomes due."""
    now = clock.now()
    size = Frontier.objects.filter(suite=SHA256.name).values_list("size", flat=True).first() or 0
    if size > AT_ONCE:
        Schedule.objects.update_or_create(key="ledger", defaults={"next_at": now})
        messages.success(request, _("已安排检验，完成后结果显示在本页。"))
        return redirect("ledger")
    result = verify.check_for(actor_of(request), now)
    if result.faults:
        messages.error(request, _("检验发现 %d 处不符，已点名列出。") % len(result.faults))
    else:
        messages.success(request, _("检验完成：%d 条记录全部相符。") % result.entries)
    return redirect("ledger")


def _entry_or_404(request: HttpRequest, index: int) -> tuple[Entry, Sight]:
    sight = Sight(actor_of(request), clock.now())
    found = entries.seen(sight).filter(index=index).first() if index.bit_length() < 64 else None
    if found is None:
        raise Http404(f"entry {index}")
    return found, sight


def _outside(newest: int) -> Outside | None:
    signed = Head.objects.filter(suite=SHA256.name, size=OuterRef("size")).values("signed_at")[:1]
    kept = HeadConfirmation.objects.annotate(signed_at=Subquery(signed)).order_by("-size", "-confirmed_at").first()
    if kept is None:
        return None
    return Outside(kept.size, kept.confirmed_at, kept.actor, kept.signed_at or kept.confirmed_at, max(0, newest - kept.size))


def _names(actors: Any) -> dict[str, str]:
    """Return the names of the people behind actors."""
    usernames = {actor.removeprefix("user:") for actor in actors if actor.startswith("user:")}
    if not usernames:
        return {}
    rows = User.objects.filter(username__in=usernames, person__isnull=False).values_list("username", "person__name")
    return {f"user:{username}": name for username, name in rows}


def _link(found: Entry, about: Model | None) -> str:
    """Return where the object itself is shown, empty when nowhere or not to this reader."""
    if isinstance(about, Case):
        return reverse("case", args=[about.number])
    if isinstance(about, Finding):
        return reverse("finding", args=[about.number])
    if found.object_type == "obligation":
        return f"{reverse('article', args=[int(found.object_key[1:3])])}#{found.object_key}"
    if about is not None and found.object_type in REGISTERS:
        return reverse("register_row", args=[found.object_type, about.pk])
    return ""


def _payload(found: Entry) -> str:
    """Return the payload as indented JSON, without the fields that no face shows."""
    body = Payload.objects.filter(entry_id=found.index).values_list("body", flat=True).first()
    if body is None:
        return ""
    try:
        said = orjson.loads(bytes(body))
    except orjson.JSONDecodeError:
        return bytes(body).decode("utf-8", "replace")
    register = REGISTERS.get(found.object_type)
    if register is not None and isinstance(said, dict):
        for part in (said, said.get("changed")):
            if isinstance(part, dict):
                for name in register.hidden:
                    part.pop(name, None)
    return json.dumps(said, ensure_ascii=False, indent=2) if said else ""


def _saved(request: HttpRequest) -> str:
    """Return the head that was uploaded or pasted. Raises RefusedError."""
    file = request.FILES.get("file")
    raw = file.read(SAVED_BYTES + 1) if file else request.POST.get("head", "").encode("utf-8", "surrogatepass")
    if len(raw) > SAVED_BYTES:
        raise RefusedError("head_too_long", _("文件过长，不是树头。"), _("请提交 anzhang ledger head 输出的原文件。"))
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RefusedError("head_unreadable", _("文件不是文本，不是树头。"), _("请提交 anzhang ledger head 输出的原文件。")) from error


def _download(text: str, name: str) -> HttpResponse:
    disposition = f'attachment; filename="{name}"'
    return HttpResponse(text, content_type="text/plain; charset=utf-8", headers={"Content-Disposition": disposition})
