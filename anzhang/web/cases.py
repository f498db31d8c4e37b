"""待办, 已办, 我的申请, 全部; the form of any route; and the one screen on which a case is read and decided."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.core.paginator import Page
from django.db import transaction
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from anzhang import clock
from anzhang.casework import eligibility, emergency, forms, parameters, procedures, queries, routes, stand_ins, stuck, unit_routes
from anzhang.casework.models import Act, Approval, Case, Todo
from anzhang.casework.routes import Field, Route
from anzhang.directory.models import Person, Unit
from anzhang.monitoring import redactions
from anzhang.permissions import Actor, RefusedError
from anzhang.registers import attachments, text_index
from anzhang.registers.rights import Sight
from anzhang.regulation.checks import page
from anzhang.web import chain, evidence, turns
from anzhang.web import findings as findings_page
from anzhang.web import unit_routes as unit_routes_page
from anzhang.web.access import login_needed, second_factor_needed
from anzhang.web.actors import actor_of
from anzhang.web.asked import typed
from anzhang.web.paging import KeyPaginator

PAGE_SIZE = 50
CHOSEN = frozenset({
    "choice", "person", "unit", "system", "approval", "finding", "route", "rule", "room", "device", "zone", "legal_basis", "link",
    "interconnection", "release", "environment", "project",
})  # kinds of field that are chosen from a list  # fmt: skip
# What a list shows of a case.
SHOWN = ("number", "title", "state", "step", "rules", "due_at", "decided_at", "filed_at", "unit__name", "applicant__name")


def _tabs() -> tuple[tuple[str, str], ...]:
    return (("todo", _("待办")), ("done", _("已办")), ("mine", _("我的申请")), ("all", _("全部事项")))


def seen(sight: Sight) -> QuerySet[Case]:
    """Return the cases of the reader's units and those in which the reader has a part."""
    if sight.path is None:
        return Case.objects.all()
    scoped = sight.narrowed(Case.objects.all(), ("unit__path",)).values("pk")
    if sight.actor.person_id is None:
        return Case.objects.filter(pk__in=scoped)
    mine = Case.objects.filter(applicant_id=sight.actor.person_id).values("pk")
    asked = Todo.objects.filter(person_id=sight.actor.person_id).values("case")
    return Case.objects.filter(Q(pk__in=scoped) | Q(pk__in=mine) | Q(pk__in=asked))


@require_GET
@login_needed
def index(request: HttpRequest) -> HttpResponse:
    """List cases; `list` chooses which, `q` searches title and number, `route` and `state` narrow."""
    actor, at = actor_of(request), clock.now()
    which = request.GET.get("list", "todo")
    if which not in dict(_tabs()):
        raise Http404(which)
    person_id = actor.person_id or 0
    rows: QuerySet[Any]
    prefix = "case__"
    if which == "todo":
        rows = queries.todos(person_id)
    elif which == "done":
        rows = queries.done(person_id).select_related("case__applicant")
    else:
        prefix = ""
        rows = queries.applied(person_id) if which == "mine" else seen(Sight(actor, at))
        rows = rows.select_related("unit", "applicant")
    text, route, state = (typed(request, name) for name in ("q", "route", "state"))
    if text:
        rows = text_index.named(rows, f"{prefix}title", f"{prefix}number", text)
    if route in routes.current():
        rows = rows.filter(**{f"{prefix}route": route})
    if state in Case.State.values:
        rows = rows.filter(**{f"{prefix}state": state})
    if request.GET.get("late") and not prefix:
        rows = rows.filter(pk__in=queries.overdue_cases(at).order_by().values("pk"))
    rows = rows.only(*(f"{prefix}{name}" for name in SHOWN), *(("case", "due_at") if prefix else ()))
    found: Page[Any] = KeyPaginator(rows, PAGE_SIZE).get_page(request.GET.get("page"))
    cases = [row.case if prefix else row for row in found]
    handlers = _handlers(cases)
    kept = request.GET.copy()
    kept.pop("page", None)
    context = {
        "tabs": _tabs(),
        "which": which,
        "page": found,
        "query": f"{kept.urlencode()}&" if kept else "",
        "lines": [Line(case, row if prefix else None, handlers.get(case.pk, ())) for case, row in zip(cases, found, strict=True)],
        "routes": [(route.key, route.title) for route in routes.current().values()],
        "states": Case.State.choices,
        "chosen": {"q": text, "route": route, "state": state},
        "now": at,
    }
    return render(request, "cases/index.html", context)


@dataclass(frozen=True)
class Line:
    """A row of the list: the case, the reader's own todo where the list is of todos, who must act now."""

    case: Case
    todo: Todo | None
    handlers: tuple[str, ...]

    @property
    def state(self) -> str:
        """Return the state's class: an open case is running."""
        return "running" if self.case.state == Case.State.OPEN else self.case.state

    @property
    def step(self) -> str:
        """Return the title of the present step."""
        return str(queries.step_of(self.case).title) if self.case.state == Case.State.OPEN else ""

    @property
    def due_at(self) -> datetime | None:
        """Return the deadline that concerns the reader."""
        return self.todo.due_at if self.todo else self.case.due_at

    @property
    def article(self) -> int | None:
        """Return the first article the route rests on."""
        articles: list[int] = self.case.rules.get("articles") or []
        return articles[0] if articles else None


def _handlers(cases: list[Case]) -> dict[int, tuple[str, ...]]:
    """Return who must act now, by case, in one query."""
    found: dict[int, tuple[str, ...]] = {}
    pending = Todo.objects.filter(case__in=[case.pk for case in cases], closed_at=None)
    for case_id, name in pending.values_list("case", "person__name").order_by("person__code"):
        found[case_id] = (*found.get(case_id, ()), name)
    return found


@require_GET
@login_needed
def choose(request: HttpRequest) -> HttpResponse:
    """List the routes, so that one can be chosen; whoever can file nothing is told so here, not behind every line."""
    refusal: RefusedError | None = None
    try:
        _filer(actor_of(request))
    except RefusedError as error:
        refusal = error
    return render(request, "cases/choose.html", {"routes": routes.current().values(), "refusal": refusal})


def _filer(actor: Actor) -> Person:
    """Return the person who files. Raises RefusedError for the auditor and for a user who is nobody in the register of people."""
    eligibility.require_changer(actor)
    person = Person.objects.select_related("unit").filter(pk=actor.person_id or 0).first()
    if person is None:
        raise RefusedError("not_a_person", _("该账号没有对应的人员，不能提出事项。"))
    return person


@dataclass(frozen=True)
class Input:
    """One field of a route's form as the page draws it."""

    field: Field
    value: Any
    options: forms.Options
    fault: str

    @property
    def template(self) -> str:
        """Return the kind of control."""
        if self.field.kind in CHOSEN:
            return "select"
        return {
            "long_text": "textarea",
            "rules": "textarea",
            "date": "date",
            "instant": "datetime-local",
            "number": "number",
            "scan": "file",
        }.get(self.field.kind, "text")


def inputs(route: Route, values: Mapping[str, Any], faults: Mapping[str, str], unit: Unit, at: datetime) -> list[Input]:
    """Return the controls of a route's form, filled with `values`."""
    return [
        Input(field, values.get(field.name) or "", forms.options(field, unit, at), faults.get(field.name, "")) for field in route.fields
    ]


def _units_for(person: Person, actor: Actor, at: datetime) -> list[Unit]:
    """Return the units a person may speak for: their own first, then what they see of the open ones."""
    seen = Sight(actor, at).narrowed(Unit.objects.filter(closed_on=None), ("path",))
    return sorted(seen, key=lambda unit: (unit.pk != person.unit_id, unit.path))


@require_http_methods(["GET", "POST"])
@login_needed
def new(request: HttpRequest, route: str) -> HttpResponse:
    """Show and take the form of a route; values may be given in the address, so that a refusal can lead here filled in."""
    if route not in routes.current():
        raise Http404(route)
    actor, at = actor_of(request), clock.now()
    person = _filer(actor)
    given = request.POST if request.method == "POST" else request.GET
    units = _units_for(person, actor, at)
    code = given.get("unit_of_case") or person.unit.code
    unit = next((each for each in units if each.code == code), None)
    if unit is None:
        raise Http404(code)
    way = unit_routes.effective(route, unit, at)
    values = {field.name: given.get(field.name, "") for field in way.fields}
    faults: Mapping[str, str] = {}
    refusal: RefusedError | None = None
    if request.method == "POST":
        try:
            case = _filed(request, actor, way, unit, person, values, at)
        except forms.FormError as error:
            faults, refusal = error.faults, _named(error, way)
        except RefusedError as error:
            refusal = error
        else:
            messages.success(
                request, _("已提出 %(number)s，等待“%(step)s”。") % {"number": case.number, "step": queries.step_of(case).title}
            )
            return redirect("case", case.number)
    context = {
        "route": way,
        "inputs": inputs(way, values, faults, unit, at),
        "faults": faults,
        "refusal": refusal,
        "units": units,
        "unit": unit,
        "title": given.get("title_of_case", ""),
        "person": person,
        "steps": stand_ins.settled(way, Case(route=way.key, unit=unit, applicant=person, form=values), at).steps,
        "why_first": given.get("why_first", ""),
        "hours": parameters.values(at)["regularization_hours"] if way.emergency is not None else 0,
    }
    return render(request, "cases/new.html", context)


def _named(error: forms.FormError, way: Route) -> RefusedError:
    """Return the faults of a form for the top of its page, where each says which field it is about."""
    labels = {field.name: str(field.label) for field in way.fields}
    texts = [text if text.startswith(labels.get(name, "")) else f"{labels[name]}：{text}" for name, text in error.faults.items()]
    return RefusedError(error.code, " ".join(texts), error.remedy)


def _filed(request: HttpRequest, actor: Actor, way: Route, unit: Unit, person: Person, values: dict[str, Any], at: datetime) -> Case:
    """File what the form says, with its scan; at once in force where the second button was pressed (先办后批)."""
    title = request.POST.get("title_of_case", "")  # a field of a form may be called title itself
    scans: dict[str, tuple[bytes, str]] = {}
    for field in way.fields:
        upload = request.FILES.get(field.name) if field.kind == "scan" else None
        if upload is not None:
            scans[field.name] = (turns.scan_of(upload), upload.name or "")
            values[field.name] = hashlib.sha256(scans[field.name][0]).hexdigest()
    with transaction.atomic():
        if request.POST.get("act_first"):
            case = emergency.act_first(actor, way, unit, person, title, values, request.POST.get("why_first", ""), at)
        else:
            case = procedures.file_case(actor, way, unit, person, title, values, at)
        for data, name in scans.values():
            attachments.keep(actor, ("case", str(case.pk)), data, name, at=at)
    return case


def case_or_404(request: HttpRequest, number: str) -> tuple[Case, Actor, datetime]:
    """Return a case the reader may see, who reads, and when."""
    actor, at = actor_of(request), clock.now()
    case = seen(Sight(actor, at)).select_related("unit", "applicant").filter(number=number).first()
    if case is None:
        raise Http404(number)
    return case, actor, at


@page("case", nouns=("case", "approval", "officer", "filing"))
@require_GET
@login_needed
def show(request: HttpRequest, number: str) -> HttpResponse:
    """Show a case: chain, what was asked, what the system checked, the opinion box for whoever must act."""
    case, actor, at = case_or_404(request, number)
    return page_of(request, case, actor, at)


def page_of(
    request: HttpRequest, case: Case, actor: Actor, at: datetime, refusal: RefusedError | None = None, opinion: str = ""
) -> HttpResponse:
    """Return the page of a case, with what was refused where something was."""
    way = queries.route_of(case)
    acts = list(case.acts.select_related("person", "target", "principal"))
    todos = list(case.todos.select_related("person", "principal"))
    approval = Approval.objects.filter(case=case, superseded_at=None).first()
    own = case.applicant_id == actor.person_id
    turn = next((todo for todo in todos if todo.closed_at is None and todo.person_id == actor.person_id), None)
    granted = approval is not None and approval.origin != Approval.Origin.EMERGENCY
    edits = own and case.state == Case.State.RETURNED and not granted
    faults = refusal.faults if isinstance(refusal, forms.FormError) else {}
    given = {field.name: request.POST.get(field.name, "") for field in way.fields} if faults else case.form
    context = {
        "case": case,
        "state": "running" if case.state == Case.State.OPEN else case.state,
        "route": way,
        "chain": chain.links(way, case, acts, todos),
        "asked": forms.display(way, case.form),
        "named": evidence.of(redactions.references(case.form)) if way.key == redactions.ROUTE else (),
        "checked": chain.checked(case, todos, at, _stuck_findings(case, actor, at)),
        "acts": acts,
        "verbs": dict(Act.Verb.choices),
        "approval": approval,
        "turn": turn,
        "receives": turn is not None and way.steps[case.step].kind == routes.StepKind.RECEIVE,
        "own": own,
        "may_withdraw": own and case.state in {Case.State.OPEN, Case.State.RETURNED} and approval is None,
        "offer": turns.offer(case, way, actor, turn, approval, at),
        "files": turns.files(case) if any(field.kind == "scan" for field in way.fields) else (),
        "comparison": unit_routes_page.comparison(case, at),
        "may_resubmit": own and case.state == Case.State.RETURNED,
        "inputs": inputs(way, given, faults, case.unit, at) if edits else (),
        "refusal": _named(refusal, way) if isinstance(refusal, forms.FormError) else refusal,
        "opinion": opinion,
        "now": at,
    }
    return render(request, "cases/case.html", context)


def _stuck_findings(case: Case, actor: Actor, at: datetime) -> list[str]:
    """Return the numbers of the findings about a case that nobody can decide, of those the reader may open."""
    if not case.fault:
        return []
    known = stuck.findings_of(case).values("pk")
    return list(findings_page.seen(Sight(actor, at)).filter(pk__in=known).values_list("number", flat=True))


@require_http_methods(["POST"])
@second_factor_needed
def decide(request: HttpRequest, number: str) -> HttpResponse:
    """Agree, send back or refuse, as the button says; the page that was read is named by its round and step."""
    case, actor, at = case_or_404(request, number)
    verbs = {"agree": procedures.agree, "send_back": procedures.send_back, "refuse": procedures.refuse}
    verb, opinion = request.POST.get("verb", ""), request.POST.get("opinion", "")
    if verb not in verbs:
        raise Http404(verb)
    try:
        seen = (int(request.POST.get("round", "")), int(request.POST.get("step", "")))
    except ValueError:
        raise Http404(number) from None
    # The box comes filled with 同意; left untouched it is no reason for the two other buttons.
    if verb != "agree" and opinion.strip() in {"同意", _("同意")}:
        opinion = ""
    try:
        verbs[verb](actor, case, opinion, at, seen)
    except RefusedError as refusal:
        case.refresh_from_db()
        return page_of(request, case, actor, at, refusal, opinion)
    messages.success(request, _("已办理：%(verb)s。") % {"verb": Act.Verb(verb).label})
    return redirect("case", case.number)


@require_http_methods(["POST"])
@login_needed
def apply(request: HttpRequest, number: str) -> HttpResponse:
    """Withdraw or resubmit one's own case."""
    case, actor, at = case_or_404(request, number)
    verb, opinion = request.POST.get("verb", ""), request.POST.get("opinion", "")
    way = queries.route_of(case)
    try:
        if verb == "withdraw":
            procedures.withdraw(actor, case, opinion, at)
        elif verb == "resubmit":
            edited = {field.name: request.POST[field.name] for field in way.fields if field.name in request.POST}
            procedures.resubmit(actor, case, edited or None, at, opinion)
        else:
            raise Http404(verb)
    except RefusedError as refusal:
        case.refresh_from_db()
        return page_of(request, case, actor, at, refusal, opinion)
    messages.success(request, _("已办理：%(verb)s。") % {"verb": Act.Verb(verb).label})
    return redirect("case", case.number)
