"""What the Office works from: deployments, supervision visits, decisions of the leading group (Art. 4); units answer on the same pages."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from anzhang import clock
from anzhang.casework import workdays
from anzhang.directory.models import LeadingGroupMember, Person, Unit
from anzhang.organization import decisions, desk, directives, inspections
from anzhang.organization.models import Decision, Directive, Inspection
from anzhang.permissions import Actor, RefusedError
from anzhang.registers import attachments
from anzhang.registers.declaration import REGISTERS
from anzhang.registers.rights import Sight
from anzhang.regulation.checks import page
from anzhang.web.access import login_needed
from anzhang.web.actors import actor_of
from anzhang.web.asked import typed
from anzhang.web.paging import KeyPaginator

PAGE_SIZE = 50
USUAL_DAYS = 14  # offered as deadline of a new item or notice


def day_of(request: HttpRequest, name: str) -> date:
    """Return a posted day. Raises RefusedError `day_needed`."""
    try:
        return date.fromisoformat(request.POST.get(name, ""))
    except ValueError:
        raise RefusedError("day_needed", _("请填写日期，如 2026-11-24。")) from None


def units_of(sight: Sight) -> list[Unit]:
    """Return the units that may be asked for something: those in sight but for the bureau itself."""
    return list(sight.narrowed(Unit.objects.filter(closed_on=None).exclude(parent=None), ("path",)))


def listed(request: HttpRequest, rows: QuerySet[Any], sight: Sight, extra: dict[str, Any]) -> dict[str, Any]:
    """Return the context of a list: rows in sight, narrowed by unit and page as the address says."""
    rows = sight.narrowed(rows, ("unit__path",))
    unit = typed(request, "unit")
    if unit:
        rows = rows.filter(unit__code=unit)
    kept = request.GET.copy()
    kept.pop("page", None)
    found = KeyPaginator(rows, PAGE_SIZE).get_page(request.GET.get("page"))
    base = {
        "page": found, "query": f"{kept.urlencode()}&" if kept else "", "units": units_of(sight), "unit": unit,
        "is_office": desk.is_office(sight.actor, sight.at), "now": sight.at, "today": clock.day_of(sight.at),
    }  # fmt: skip
    return base | extra


def acted(request: HttpRequest, verbs: dict[str, Callable[[], Any]], done: dict[str, str]) -> RefusedError | None:
    """Do the posted verb; return why it was refused, None when it was done."""
    verb = request.POST.get("verb", "")
    if verb not in verbs:
        raise Http404(verb)
    try:
        verbs[verb]()
    except RefusedError as refusal:
        return refusal
    messages.success(request, done[verb])
    return None


# Deployments


@page("directives", nouns=("directive",))
@require_GET
@login_needed
def directive_list(request: HttpRequest) -> HttpResponse:
    """List the items of deployments by day; `state`, `unit` and `q` narrow."""
    sight = Sight(actor_of(request), clock.now())
    rows = Directive.objects.select_related("unit").order_by("due_on", "pk")
    state, text = typed(request, "state"), typed(request, "q")
    if state in Directive.State.values:
        rows = rows.filter(state=state)
    elif state != "all":
        state, rows = "", rows.filter(state__in=(Directive.State.OPEN, Directive.State.REPORTED))
    if text:
        rows = rows.filter(title__holds=text)
    extra = {"states": Directive.State.choices, "state": state, "q": text}
    return render(request, "organization/directives.html", listed(request, rows, sight, extra))


@require_http_methods(["GET", "POST"])
@login_needed
def directive_new(request: HttpRequest) -> HttpResponse:
    """Deploy a piece of work to units."""
    actor, at = actor_of(request), clock.now()
    sight, refusal = Sight(actor, at), None
    desk.require_office(actor, at)
    units = units_of(sight)
    chosen = request.POST.getlist("unit")
    if request.method == "POST":
        try:
            given = [unit for unit in units if unit.code in chosen or "all" in request.POST]
            made = directives.issue_directives(
                actor, given, request.POST.get("title", ""), request.POST.get("content", ""), day_of(request, "due_on"), at
            )
        except RefusedError as error:
            refusal = error
        else:
            messages.success(request, _("已向 %d 个单位下达工作部署。") % len(made))
            return redirect("directives")
    usual = workdays.deadline(at, USUAL_DAYS)
    context = {
        "units": units, "chosen": chosen, "refusal": refusal, "title": request.POST.get("title", ""),
        "content": request.POST.get("content", ""), "due_on": request.POST.get("due_on", clock.day_of(usual).isoformat()),
    }  # fmt: skip
    return render(request, "organization/directive_new.html", context, status=422 if refusal else 200)


@page("directive", nouns=("directive",))
@require_http_methods(["GET", "POST"])
@login_needed
def directive(request: HttpRequest, number: str) -> HttpResponse:
    """Show an item; the unit reports its result, the Office closes, returns, presses for or calls it off."""
    sight = Sight(actor_of(request), clock.now())
    actor, at = sight.actor, sight.at
    rows = sight.narrowed(Directive.objects.select_related("unit", "issued_by", "reported_by", "basis"), ("unit__path",))
    item = rows.filter(number=number).first()
    if item is None:
        raise Http404(number)
    refusal = None
    if request.method == "POST":
        version, remark = version_of(request), request.POST.get("remark", "")
        verbs = {
            "report": lambda: directives.report_directive(
                actor, item, request.POST.get("result", ""), request.POST.get("evidence", ""), at, version, files_of(request)
            ),
            "finish": lambda: directives.finish_directive(actor, item, remark, at, version),
            "return": lambda: directives.return_directive(actor, item, remark, at, version),
            "withdraw": lambda: directives.withdraw_directive(actor, item, remark, at, version),
            "remind": lambda: directives.remind_directive(actor, item, at),
        }
        done = {
            "report": _("已报送办公室。"), "finish": _("已办结。"), "return": _("已退回承办单位。"), "withdraw": _("已撤销。"),
            "remind": _("督办通知已发出。"),
        }  # fmt: skip
        refusal = acted(request, verbs, done)
        if refusal is None:
            return redirect("directive", number)
        item.refresh_from_db()
    context = {
        "item": item, "refusal": refusal, "is_office": desk.is_office(actor, at), "answers": desk.is_desk(actor, item.unit, at),
        "result": request.POST.get("result", item.result), "evidence": request.POST.get("evidence", item.evidence),
        "files": attachments.of(REGISTERS["directive"], item), "remark": request.POST.get("remark", ""), "today": clock.day_of(at),
        "now": at,
    }  # fmt: skip
    return render(request, "organization/directive.html", context, status=422 if refusal else 200)


def files_of(request: HttpRequest) -> list[tuple[str, bytes]]:
    """Return the uploaded files as (name, content). Raises RefusedError `file_too_large` before reading one that is."""
    chosen = request.FILES.getlist("file")
    if any((each.size or 0) > attachments.MAX_BYTES for each in chosen):
        raise RefusedError("file_too_large", _("文件超过 %d MB。") % (attachments.MAX_BYTES // 2**20), _("压缩或拆分后再上传。"))
    return [(each.name or "", each.read()) for each in chosen]


def version_of(request: HttpRequest) -> int | None:
    """Return the version that the form was made from, None when it names none."""
    text = request.POST.get("version", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


# Supervision


@page("inspections", nouns=("inspection",))
@require_GET
@login_needed
def inspection_list(request: HttpRequest) -> HttpResponse:
    """List the visits, the newest first; `stage` narrows to notices that wait for a reply or for the Office."""
    sight = Sight(actor_of(request), clock.now())
    rows = Inspection.objects.select_related("unit", "inspector").order_by("-inspected_on", "-pk")
    stage = typed(request, "stage")
    if stage == "notified":
        rows = rows.filter(replied_at=None).exclude(notified_at=None)
    elif stage == "replied":
        rows = rows.filter(accepted_at=None).exclude(replied_at=None)
    else:
        stage = ""
    return render(request, "organization/inspections.html", listed(request, rows, sight, {"stage": stage}))


@require_http_methods(["GET", "POST"])
@login_needed
def inspection_new(request: HttpRequest) -> HttpResponse:
    """Note a visit, with its notice when there is one."""
    actor, at = actor_of(request), clock.now()
    desk.require_office(actor, at)
    units, refusal, given = units_of(Sight(actor, at)), None, request.POST
    if request.method == "POST":
        unit = next((each for each in units if each.code == given.get("unit")), None)
        try:
            if unit is None:
                raise RefusedError("no_unit", _("请选择受检单位。"))
            visit = _visit(request, actor, unit, at)
        except RefusedError as error:
            refusal = error
        else:
            messages.success(request, _("已登记检查 %s。") % visit.number)
            return redirect("inspection", visit.number)
    today = clock.day_of(at)
    context = {
        "units": units, "forms": Inspection.Form.choices, "refusal": refusal, "unit": given.get("unit", typed(request, "unit")),
        "form": given.get("form", "on_site"), "inspected_on": given.get("inspected_on", today.isoformat()),
        "result": given.get("result", ""), "notice": given.get("notice", ""),
        "reply_due_on": given.get("reply_due_on", (today + timedelta(days=USUAL_DAYS)).isoformat()),
    }  # fmt: skip
    return render(request, "organization/inspection_new.html", context, status=422 if refusal else 200)


def _visit(request: HttpRequest, actor: Actor, unit: Unit, at: datetime) -> Inspection:
    given = request.POST
    notice = given.get("notice", "").strip()
    due = day_of(request, "reply_due_on") if notice else None
    visit = inspections.record_inspection(actor, unit, day_of(request, "inspected_on"), given.get("form", ""), given.get("result", ""), at)
    return inspections.notify_inspected_unit(actor, visit, notice, due, at) if due else visit


@page("inspection", nouns=("inspection",))
@require_http_methods(["GET", "POST"])
@login_needed
def inspection(request: HttpRequest, number: str) -> HttpResponse:
    """Show a visit; the Office notifies, takes or returns the reply, the unit replies."""
    sight = Sight(actor_of(request), clock.now())
    actor, at = sight.actor, sight.at
    rows = sight.narrowed(Inspection.objects.select_related("unit", "inspector", "replied_by"), ("unit__path",))
    visit = rows.filter(number=number).first()
    if visit is None:
        raise Http404(number)
    refusal = None
    if request.method == "POST":
        version, given = version_of(request), request.POST
        verbs = {
            "notify": lambda: inspections.notify_inspected_unit(
                actor, visit, given.get("notice", ""), day_of(request, "reply_due_on"), at, version
            ),
            "reply": lambda: inspections.reply_to_inspection(actor, visit, given.get("reply", ""), at, version),
            "return": lambda: inspections.return_reply(actor, visit, given.get("remark", ""), day_of(request, "reply_due_on"), at, version),
            "accept": lambda: inspections.accept_reply(actor, visit, given.get("remark", ""), at, version),
        }
        done = {"notify": _("整改通知已下达。"), "reply": _("已回复。"), "return": _("已退回。"), "accept": _("已认可。")}
        refusal = acted(request, verbs, done)
        if refusal is None:
            return redirect("inspection", number)
        visit.refresh_from_db()
    context = {
        "visit": visit, "refusal": refusal, "is_office": desk.is_office(actor, at), "answers": desk.is_desk(actor, visit.unit, at),
        "given": request.POST, "usual": (clock.day_of(at) + timedelta(days=USUAL_DAYS)).isoformat(), "now": at, "today": clock.day_of(at),
    }  # fmt: skip
    return render(request, "organization/inspection.html", context, status=422 if refusal else 200)


# Decisions


def _decisions(sight: Sight) -> QuerySet[Decision]:
    rows = Decision.objects.select_related("case__unit", "about", "chair", "minuted_by")
    return sight.narrowed(rows, ("case__unit__path",))


@page("decisions", nouns=("decision",))
@require_GET
@login_needed
def decision_list(request: HttpRequest) -> HttpResponse:
    """List the decisions, and who sits in the leading group now."""
    sight = Sight(actor_of(request), clock.now())
    found = KeyPaginator(_decisions(sight).order_by("-decided_at", "pk"), PAGE_SIZE).get_page(request.GET.get("page"))
    seats = LeadingGroupMember.objects.filter(LeadingGroupMember.in_force(sight.at)).select_related("person__unit")
    order = {role: place for place, role in enumerate(LeadingGroupMember.Role.values)}
    context = {
        "page": found, "seats": sorted(seats, key=lambda seat: (order.get(seat.role, 9), seat.person.code)), "query": "",
        "is_office": desk.is_office(sight.actor, sight.at),
    }  # fmt: skip
    return render(request, "organization/decisions.html", context)


@page("decision", nouns=("decision",))
@require_GET
@login_needed
def decision(request: HttpRequest, number: str) -> HttpResponse:
    """Show a decision with its minutes."""
    return _decision(request, number)


def _decision(request: HttpRequest, number: str, refusal: RefusedError | None = None) -> HttpResponse:
    sight = Sight(actor_of(request), clock.now())
    found = _decisions(sight).filter(number=number).first()
    if found is None:
        raise Http404(number)
    held_on = found.held_on or clock.day_of(found.decided_at)
    seated = Person.objects.filter(pk__in=decisions.members_on(held_on)).select_related("unit").order_by("code")
    chair = found.chair.code if found.chair else next(iter(seated.values_list("code", flat=True)), "")
    context = {
        "decision": found, "refusal": refusal, "seated": seated, "is_office": desk.is_office(sight.actor, sight.at),
        "present": request.POST.getlist("present") or found.present or [person.code for person in seated],
        "chair": request.POST.get("chair", chair), "held_on": request.POST.get("held_on", held_on.isoformat()),
        "minutes": request.POST.get("minutes", found.minutes), "there": Person.objects.filter(code__in=found.present).order_by("code"),
    }  # fmt: skip
    return render(request, "organization/decision.html", context, status=422 if refusal else 200)


@require_POST
@login_needed
def minutes(request: HttpRequest, number: str) -> HttpResponse:
    """Enter or correct the minutes of a decision."""
    sight = Sight(actor_of(request), clock.now())
    found = _decisions(sight).filter(number=number).first()
    if found is None:
        raise Http404(number)
    people = {
        person.code: person for person in Person.objects.filter(code__in=[*request.POST.getlist("present"), request.POST.get("chair")])
    }
    try:
        chair = people.get(request.POST.get("chair", ""))
        if chair is None:
            raise RefusedError("chair_needed", _("请选择主持人。"))
        present = [people[code] for code in request.POST.getlist("present") if code in people]
        decisions.take_minutes(
            sight.actor, found, held_on=day_of(request, "held_on"), chair=chair, present=present, minutes=request.POST.get("minutes", ""),
            at=sight.at, expected_version=version_of(request),
        )  # fmt: skip
    except RefusedError as refusal:
        return _decision(request, number, refusal)
    messages.success(request, _("会议纪要已登记。"))
    return redirect("decision", number)
