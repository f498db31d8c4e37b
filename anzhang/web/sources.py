"""日志源: who should send and who does, one source with its token, and the quarantine of senders that nobody registered (Art. 29)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from anzhang import clock
from anzhang.casework import parameters, wording
from anzhang.casework.models import Finding
from anzhang.monitoring import procedures, quarantine
from anzhang.monitoring.models import LogSource, VaultSegment
from anzhang.monitoring.queries import WORDS, State, collector, standings
from anzhang.permissions import Actor, Permission
from anzhang.registers import rights
from anzhang.registers.declaration import REGISTERS
from anzhang.registers.rights import Sight
from anzhang.regulation.checks import page
from anzhang.web import findings as findings_page
from anzhang.web.access import login_needed, permission_needed, second_factor_needed
from anzhang.web.actors import actor_of
from anzhang.web.asked import typed
from anzhang.web.searching import Form, shown

PAGE_SIZE = 50
RECENT_SEGMENTS = 10
SHOWN_LINES = 100
TAIL_BYTES = 64 << 10
REASONS = {
    "unregistered": gettext_lazy("地址未登记"),
    "unregistered_udp": gettext_lazy("地址未登记（UDP）"),
    "unregistered_relp": gettext_lazy("地址未登记（RELP）"),
    "unknown_host": gettext_lazy("地址已登记，主机名未登记"),
    "certificate_untrusted": gettext_lazy("客户端证书不可信"),
    "certificate_expired": gettext_lazy("客户端证书已过期"),
    "certificate_not_yet_valid": gettext_lazy("客户端证书尚未生效"),
    "certificate_revoked": gettext_lazy("客户端证书已吊销"),
    "certificate_unregistered": gettext_lazy("客户端证书未登记"),
    "no_certificate": gettext_lazy("没有客户端证书"),
    "not_tls": gettext_lazy("不是 TLS 连接"),
    "handshake_unfinished": gettext_lazy("TLS 握手未完成"),
    "too_many": gettext_lazy("同时握手的连接过多"),
}
# What to register a stranger as, by how it came; one that failed at a certificate is registered by its certificate.
TRANSPORTS = {"unregistered_udp": LogSource.Transport.SYSLOG_UDP, "unregistered_relp": LogSource.Transport.RELP}
BY_ADDRESS = frozenset({"unregistered", "unknown_host", *TRANSPORTS})


@page("sources", nouns=("log_source", "vault_segment"))
@require_GET
@login_needed
def index(request: HttpRequest) -> HttpResponse:
    """List the sources the reader sees, expected against heard; `state` and `q` narrow. Administrators see the strangers too."""
    actor, at = actor_of(request), clock.now()
    says = collector(settings.HOME, at)
    rows = _seen(actor, at)
    text, state = typed(request, "q"), typed(request, "state")
    if text:
        rows = rows.filter(Q(code__holds=text) | Q(name__holds=text))
    found = standings(rows, says, _silence(at), at)
    counts = {each: sum(one.state == each for one in found) for each in State}
    if state in counts:
        found = [one for one in found if one.state == state]
    strangers = _strangers() if actor.administrator else []
    context = {
        "page": Paginator(found, PAGE_SIZE).get_page(request.GET.get("page")),
        "query": urlencode({name: value for name, value in (("q", text), ("state", state)) if value} | {"page": ""}).rpartition("page=")[0],
        "states": [(str(each), WORDS[each], counts[each]) for each in State],
        "chosen": {"q": text, "state": state},
        "collector": says,
        "strangers": strangers[:PAGE_SIZE],
        "watches": bool(actor.administrator),
        "registers": _may_register(actor, at),
        "now": at,
    }
    return render(request, "sources/index.html", context)


@page("source", nouns=("log_source", "vault_segment"))
@require_GET
@login_needed
def show(request: HttpRequest, code: str) -> HttpResponse:
    """Show one source: how it stands, what is wrong, where its lines lie, and its token."""
    source, actor, at = _source_or_404(request, code)
    return render(request, "sources/source.html", _context(source, actor, at))


@permission_needed(Permission.TOKENS_MANAGE)
@second_factor_needed
@never_cache
@require_POST
def issue(request: HttpRequest, code: str) -> HttpResponseBase:
    """Issue a token for HTTP push and show it, this once; the earlier one ends."""
    source, actor, at = _source_or_404(request, code)
    token = procedures.issue_source_token(actor, source, at)
    place = settings.HOME.get("collector", "http", "127.0.0.1:8601")
    near = place.startswith(("127.", "localhost:", "[::1]:"))  # away from this machine the port speaks TLS only
    place = f"{'http' if near else 'https'}://{place}/ingest/json"
    return render(request, "sources/token_once.html", {"source": source, "token": token, "place": place})


@permission_needed(Permission.TOKENS_MANAGE)
@second_factor_needed
@require_POST
def revoke(request: HttpRequest, code: str) -> HttpResponseBase:
    """End the token of a source now."""
    source, actor, at = _source_or_404(request, code)
    procedures.revoke_source_token(actor, source, at)
    messages.success(request, _("令牌已吊销，采集进程两秒内停止接受。"))
    return redirect("source", code)


@page("quarantine", nouns=("log_source",))
@permission_needed(Permission.SOURCES_MANAGE, Permission.TOKENS_MANAGE, Permission.AUDIT_READ)
@require_GET
def quarantined(request: HttpRequest) -> HttpResponse:
    """Show the quarantine: who knocks, how much is kept and dropped, and the last lines, masked."""
    actor, at = actor_of(request), clock.now()
    folder = settings.HOME.path / "collector" / "quarantine"
    context = {
        "strangers": _strangers(),
        "totals": quarantine.read(folder),
        "lines": list(_last_lines(folder)),
        "registers": _may_register(actor, at),
    }
    return render(request, "sources/quarantine.html", context)


@dataclass(frozen=True)
class Knock:
    """An unregistered sender as the list shows it; `register` is the form filled in for it."""

    address: str
    why: str
    first_at: datetime
    last_at: datetime
    lines: int
    bytes: int
    sample: SafeString
    register: str


def _strangers() -> list[Knock]:
    found = quarantine.read(settings.HOME.path / "collector" / "quarantine").senders.values()
    return [_knock(each) for each in sorted(found, key=lambda each: each.last_at, reverse=True)]


def _knock(each: quarantine.Stranger) -> Knock:
    host = quarantine.host_of(each.sample) if each.why == "unknown_host" else ""
    transport = TRANSPORTS.get(each.why, LogSource.Transport.SYSLOG_TCP)
    wanted = {"transport": transport.value, "addresses": each.address, "hosts": host}
    known = each.address != quarantine.OTHER and each.why in BY_ADDRESS
    href = f"{reverse('register_new', args=['log_source'])}?{urlencode({k: v for k, v in wanted.items() if v})}" if known else ""
    first, last = (datetime.fromisoformat(text) for text in (each.first_at, each.last_at))
    sample = shown(each.sample.partition("\n")[0], Form())
    return Knock(each.address, str(REASONS.get(each.why, each.why)), first, last, each.lines, each.bytes, sample, href)


def _last_lines(folder: Path) -> Iterator[str]:
    files = sorted(folder.glob("*.raw"))
    if not files:
        return
    with files[-1].open("rb") as file:
        file.seek(max(0, files[-1].stat().st_size - TAIL_BYTES))
        tail = file.read().decode("utf-8", "replace")
    for line in tail.splitlines()[-SHOWN_LINES:]:
        yield shown(line, Form())


def _seen(actor: Actor, at: datetime) -> QuerySet[LogSource]:
    rows = LogSource.objects.select_related("unit", "system", "activity").order_by("code")
    return Sight(actor, at).narrowed(rows, ("unit__path",))


def _source_or_404(request: HttpRequest, code: str) -> tuple[LogSource, Actor, datetime]:
    actor, at = actor_of(request), clock.now()
    source = _seen(actor, at).filter(code=code).first()
    if source is None:
        raise Http404(code)
    return source, actor, at


def _context(source: LogSource, actor: Actor, at: datetime) -> dict[str, object]:
    (standing,) = standings([source], collector(settings.HOME, at), _silence(at), at)
    sight = Sight(actor, at)
    wrong = findings_page.seen(sight).exclude(state=Finding.State.CLOSED).filter(subject=f"source:{source.code}")
    newest = VaultSegment.objects.exclude(state=VaultSegment.State.MERGED).order_by("-number")[:500]
    segments = [each for each in newest if source.code in each.sources][:RECENT_SEGMENTS]
    return {
        "source": source,
        "standing": standing,
        "refused_why": _why_refused(source),
        "findings": [(each, wording.text(each.reason)) for each in wrong[:PAGE_SIZE]],
        "segments": [(each, each.sources[source.code]) for each in segments],
        "manages_token": actor.may(Permission.TOKENS_MANAGE) and source.transport == LogSource.Transport.HTTP,
        "edits": _may_register(actor, at),
        "now": at,
    }


def _why_refused(source: LogSource) -> str:
    activity = getattr(source, "activity", None)
    return str(REASONS.get(activity.refused_why, activity.refused_why)) if activity is not None else ""


def _may_register(actor: Actor, at: datetime) -> bool:
    return rights.may_write(REGISTERS["log_source"], actor, at)


def _silence(at: datetime) -> int:
    return int(parameters.values(at)["source_silence_minutes"])
