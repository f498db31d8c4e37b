"""核对问题: the list, and one finding with its reason, evidence, deadline, plan and measurements."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from anzhang import clock
from anzhang.casework import findings, remedies, routes, waivers, wording
from anzhang.casework.models import Finding
from anzhang.casework.parameters import catalog
from anzhang.directory.models import Unit
from anzhang.events import Event
from anzhang.journal import sequencer
from anzhang.journal.models import Entry
from anzhang.permissions import Actor, Administrator, RefusedError
from anzhang.registers import text_index
from anzhang.registers.rights import Sight
from anzhang.regulation.catalog import Obligation
from anzhang.regulation.checks import page
from anzhang.web import evidence
from anzhang.web.access import login_needed
from anzhang.web.actors import actor_of
from anzhang.web.asked import typed
from anzhang.web.paging import KeyPaginator
from anzhang.web.tags import article_word

PAGE_SIZE = 30
# What a list shows of a finding.
SHOWN = ("number", "obligation", "severity", "state", "reason", "due_at", "closed_at", "unit__name", "person__name")
ACTIVE = "active"


@dataclass(frozen=True)
class Line:
    """A row of the list."""

    finding: Finding
    title: str
    reason: str


def _line(finding: Finding) -> Line:
    obligation = catalog().by_id.get(finding.obligation)
    return Line(finding, title_of(obligation) if obligation else finding.obligation, wording.text(finding.reason))


def title_of(obligation: Obligation) -> str:
    """Return an obligation's title in the language of the moment."""
    return obligation.title.in_language(get_language() or "zh")


def seen(sight: Sight) -> QuerySet[Finding]:
    """Return the findings of the reader's units, and those for which the reader answers."""
    if sight.path is None:
        return Finding.objects.all()
    scoped = sight.narrowed(Finding.objects.all(), ("unit__path",)).values("pk")
    return Finding.objects.filter(Q(pk__in=scoped) | Q(person_id=sight.actor.person_id or 0))


@page("findings")
@require_GET
@login_needed
def index(request: HttpRequest) -> HttpResponse:
    """List findings by deadline; `state`, `unit`, `article` and `q` narrow, all in the address."""
    actor, at = actor_of(request), clock.now()
    sight = Sight(actor, at)
    rows = seen(sight).select_related("unit", "person")
    state, unit, article, text = (typed(request, name) for name in ("state", "unit", "article", "q"))
    if state in Finding.State.values:
        rows = rows.filter(state=state)
    elif state != "all":
        state = ACTIVE
        rows = rows.exclude(state=Finding.State.CLOSED)
    if unit:
        rows = rows.filter(unit__code=unit)
    if article.isascii() and article.isdigit() and len(article) <= 3:
        rows = rows.filter(obligation__startswith=f"A{int(article):02d}.")
    if text:
        rows = text_index.named(rows, "subject_label", "number", text)
    found = KeyPaginator(rows.only(*SHOWN), PAGE_SIZE).get_page(request.GET.get("page"))
    kept = request.GET.copy()
    kept.pop("page", None)
    context = {
        "page": found,
        "lines": [_line(finding) for finding in found],
        "query": f"{kept.urlencode()}&" if kept else "",
        "states": Finding.State.choices,
        "units": sight.narrowed(Unit.objects.only("code", "name"), ("path",)),
        "articles": [(each.number, article_word(each.number)) for each in catalog().articles],
        "chosen": {"state": state, "unit": unit, "article": article, "q": text},
        "now": at,
    }
    return render(request, "findings/index.html", context)


@dataclass(frozen=True)
class Moment:
    """One entry of the ledger about a finding, in words."""

    at: datetime
    text: str
    index: int


def _moments(finding: Finding) -> list[Moment]:
    words = {
        Event.FINDING_OPEN: _("核对发现"),
        Event.FINDING_REOPEN: _("再次发现"),
        Event.FINDING_PLAN: _("填写整改措施"),
        Event.FINDING_CLOSE: _("核对确认已消除"),
        Event.FINDING_REGULARIZE: _("事后补批"),
        Event.FINDING_WAIVE: _("获准豁免"),
        Event.FINDING_RESUME: _("豁免结束"),
    }
    sequencer.settle()
    entries = Entry.objects.filter(object_type="finding", object_key=str(finding.pk)).order_by("index")
    return [Moment(entry.at, str(words.get(Event(entry.act), entry.act)), entry.index) for entry in entries]


def _day(text: str) -> date | None:
    if not text.strip():
        return None
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        raise RefusedError("plan_past", _("“%s”不是日期，请写成 2026-11-24。") % text[:40]) from None


def _finding_or_404(request: HttpRequest, number: str) -> tuple[Finding, Actor, datetime]:
    actor, at = actor_of(request), clock.now()
    finding = seen(Sight(actor, at)).select_related("unit", "person").filter(number=number).first()
    if finding is None:
        raise Http404(number)
    return finding, actor, at


def _may_plan(finding: Finding, actor: Actor) -> bool:
    running = finding.state in {Finding.State.OPEN, Finding.State.PLANNED}
    return running and actor.unit_id == finding.unit_id and actor.administrator is not Administrator.AUDITOR


def _ways(finding: Finding, obligation: Obligation, actor: Actor) -> list[tuple[str, str]]:
    """Return title and address of what the finding's unit may ask for: the routes whose effects are verbs of the obligation."""
    if not _may_plan(finding, actor):
        return []
    noun, _colon, key = finding.subject.partition(":")
    if noun == "account":
        noun, key = "system", key.partition("/")[0]
    found = []
    for way in routes.current().values():
        if {way.effect, *(step.effect for step in way.steps)}.intersection(obligation.procedures):
            given = urlencode({field.name: key for field in way.fields if field.kind == noun})
            found.append((str(way.title), f"{reverse('case_form', args=[way.key])}{'?' if given else ''}{given}"))
    return found


@require_http_methods(["POST"])
@login_needed
def remedy(request: HttpRequest, number: str) -> HttpResponse:
    """Measure again now, or put a link to evidence beside the finding or take one down, as the button says."""
    finding, actor, at = _finding_or_404(request, number)
    verb = request.POST.get("verb", "")
    try:
        if verb == "recheck":
            from anzhang.engines.vault import Vault  # its libraries are loaded by whoever needs them, not by every web process

            found = remedies.recheck(actor, finding, Vault(settings.HOME.vault), at)
            words = {Finding.State.CLOSED: _("已核对：问题已消除。"), Finding.State.REGULARIZED: _("已核对：事后已经补批。")}
            messages.success(request, words.get(Finding.State(found.state), _("已核对：问题仍然存在。")))
        elif verb == "add":
            title, address = (request.POST.get(name, "") for name in ("title", "address"))
            remedies.add_evidence(actor, title, address, at, finding=finding)
            messages.success(request, _("已登记佐证。"))
        elif verb.startswith("remove:"):
            link = next((each for each in remedies.links_of(finding) if str(each.pk) == verb.partition(":")[2]), None)
            if link is None:
                raise Http404(verb)
            remedies.remove_evidence(actor, link, at)
            messages.success(request, _("已撤下佐证。"))
        else:
            raise Http404(verb)
    except RefusedError as refusal:
        return page_of(request, finding, actor, at, refusal)
    return redirect("finding", finding.number)


@page("finding")
@require_http_methods(["GET", "POST"])
@login_needed
def show(request: HttpRequest, number: str) -> HttpResponse:
    """Show a finding; POST enters the plan of the responsible unit. Only a check closes it."""
    finding, actor, at = _finding_or_404(request, number)
    refusal = None
    if request.method == "POST":
        try:
            findings.plan(actor, finding, request.POST.get("plan", ""), at, _day(request.POST.get("planned_on", "")))
        except RefusedError as error:
            refusal = error
        else:
            messages.success(request, _("整改措施已登记，系统会继续核对，消除后自动关闭。"))
            return redirect("finding", finding.number)
    return page_of(request, finding, actor, at, refusal)


def page_of(request: HttpRequest, finding: Finding, actor: Actor, at: datetime, refusal: RefusedError | None = None) -> HttpResponse:
    """Return the page of a finding, with what was refused where something was."""
    obligation = catalog().by_id.get(finding.obligation)
    if obligation is None:
        raise Http404(finding.obligation)
    language = get_language() or "zh"
    context = {
        "finding": finding,
        "obligation": obligation,
        "title": title_of(obligation),
        "duty": obligation.duty.in_language(language),
        "reason": wording.text(finding.reason),
        "evidence": evidence.of(finding.evidence),
        "moments": _moments(finding),
        "may_plan": _may_plan(finding, actor),
        "may_remedy": finding.state != Finding.State.CLOSED and remedies.may_remedy(actor, finding.unit, at),
        "may_waive": finding.state in waivers.WAIVABLE and "finding_waiver" in routes.current() and actor.unit_id == finding.unit_id,
        "ways": _ways(finding, obligation, actor),
        "links": list(remedies.links_of(finding)),
        "plan": request.POST.get("plan", finding.plan),
        "refusal": refusal,
        "now": at,
    }
    return render(request, "findings/finding.html", context)
