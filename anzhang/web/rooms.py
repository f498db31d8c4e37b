"""机房日表: what happened in a machine room on a day - duty, visits, doors, equipment, environment - and what is due (Art. 16).

Whoever is on duty signs in and hands over here; the keeper notes who comes and goes and what is carried; the gate answers at the door.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from anzhang import clock
from anzhang.casework import parameters, routes, wording, workdays
from anzhang.casework.models import Finding
from anzhang.directory.models import Assignment, Person
from anzhang.engines import vault as engine
from anzhang.organization.models import ControlMeasure
from anzhang.permissions import Actor, RefusedError
from anzhang.registers.rights import Sight
from anzhang.regulation.checks import page
from anzhang.rooms import doors, duty, gate, moves, procedures, queries, sensors, visits
from anzhang.rooms.models import EquipmentMove, Facility, MachineRoom, RoomVisit, Shift
from anzhang.web import evidence
from anzhang.web.access import login_needed
from anzhang.web.actors import actor_of
from anzhang.web.asked import typed

SHOWN_OPENINGS = 200
NOUNS = ("machine_room", "facility", "shift", "room_visit", "equipment_move", "door_event", "sensor_event")


@dataclass(frozen=True)
class Passage:
    """One opening of a door as the sheet shows it: its line, what allows it, or where to apply for leave afterwards."""

    opening: doors.Opening
    line: evidence.Evidence
    allowed_by: str
    href: str
    apply: str


@dataclass(frozen=True)
class Due:
    """One measure that the room's grade requires: its newest proof, and by when it is to be proved again."""

    requirement: ControlMeasure
    proof: ControlMeasure | None
    due_on: date | None
    is_late: bool


def in_sight(actor: Actor, at: datetime) -> QuerySet[MachineRoom]:
    """Return the rooms of the units that the reader sees, and those in which the reader holds a post."""
    seen = Sight(actor, at).narrowed(MachineRoom.objects.all(), ("unit__path",))
    posted = Assignment.objects.filter(Assignment.in_force(at), person=actor.person_id or 0, duty__in=Assignment.ROOM_DUTIES)
    return MachineRoom.objects.filter(Q(pk__in=seen.values("pk")) | Q(pk__in=posted.values("room"))).select_related("unit").order_by("code")


def room_or_404(request: HttpRequest, code: str) -> tuple[MachineRoom, Actor, datetime]:
    """Return a room in the reader's sight, who reads, and when."""
    actor, at = actor_of(request), clock.now()
    room = in_sight(actor, at).filter(code=code).first()
    if room is None:
        raise Http404(code)
    return room, actor, at


@page("rooms", nouns=("machine_room",))
@require_GET
@login_needed
def index(request: HttpRequest) -> HttpResponse:
    """List the rooms in sight with their keepers, who is on duty now, and how many findings are open."""
    actor, at = actor_of(request), clock.now()
    rooms = list(in_sight(actor, at))
    keepers = queries.keepers(rooms, at)
    present = Shift.objects.filter(room__in=rooms, starts_at__lte=at, ends_at__gt=at).select_related("person").order_by("pk")
    on_duty = {shift.room_id: shift for shift in present}
    counts: dict[str, int] = {}
    for subject in _findings(rooms).values_list("subject", flat=True):
        counts[subject] = counts.get(subject, 0) + 1
    lines = [(room, keepers.get(room.pk, []), on_duty.get(room.pk), counts.get(f"machine_room:{room.code}", 0)) for room in rooms]
    return render(request, "rooms/index.html", {"lines": lines, "today": clock.day_of(at).isoformat()} | _frame())


@require_GET
@login_needed
def show(request: HttpRequest, code: str) -> HttpResponse:
    """Lead to today's sheet of a room."""
    room, _actor, at = room_or_404(request, code)
    return redirect("room_day", room.code, clock.day_of(at).isoformat())


@page("room_day", nouns=NOUNS)
@require_http_methods(["GET", "POST"])
@login_needed
def day(request: HttpRequest, code: str, day: str) -> HttpResponse:
    """Show the sheet of a room and a day, `2026-11-24`; take what is signed and noted on it."""
    room, actor, at = room_or_404(request, code)
    try:
        wanted = date.fromisoformat(day)
    except ValueError:
        raise Http404(day) from None
    if not clock.is_plausible(wanted):
        raise Http404(day)
    refusal = None
    if request.method == "POST":
        refusal = _acted(request, room, actor, at)
        if refusal is None:
            return redirect("room_day", room.code, wanted.isoformat())
    context = (
        _sheet(room, wanted, actor, at) | _asked(request, room, at) | _frame() | {"refusal": refusal, "note": request.POST.get("note", "")}
    )
    return render(request, "rooms/day.html", context, status=422 if refusal else 200)


def _frame() -> dict[str, Any]:
    """Return the article and the routes by which one applies, as this catalog has them."""
    return {"article": next(iter(parameters.articles_of("machine_room", (16,))), ""), "routes": frozenset(routes.current())}


def _acted(request: HttpRequest, room: MachineRoom, actor: Actor, at: datetime) -> RefusedError | None:
    """Do what a button of the sheet says; return why it was refused, None when it was done."""
    text, note = request.POST.get("row", ""), request.POST.get("note", "")
    pk = int(text) if text.isascii() and text.isdigit() and len(text) < 16 else 0
    of_room = Q(from_room=room) | Q(to_room=room)
    verbs: Mapping[str, tuple[QuerySet[Any], Callable[[Any], Any], str]] = {
        "sign_in": (Shift.objects.filter(room=room), lambda row: procedures.sign_in_shift(actor, row, at), _("已签到。")),
        "hand_over": (Shift.objects.filter(room=room), lambda row: procedures.hand_over_shift(actor, row, note, at), _("已交接。")),
        "enter": (RoomVisit.objects.filter(room=room), lambda row: visits.enter_room(actor, row, at), _("已登记进入。")),
        "leave": (RoomVisit.objects.filter(room=room), lambda row: visits.leave_room(actor, row, at), _("已登记离开。")),
        "carry_out": (EquipmentMove.objects.filter(of_room), lambda row: moves.carry_out_move(actor, row, at), _("已登记移动。")),
    }
    name = request.POST.get("verb", "")
    if name not in verbs:
        raise Http404(name)
    rows, verb, done = verbs[name]
    row = rows.filter(pk=pk).first()
    if row is None:
        raise Http404(text)
    try:
        verb(row)
    except RefusedError as refusal:
        return refusal
    messages.success(request, done)
    return None


def _sheet(room: MachineRoom, wanted: date, actor: Actor, at: datetime) -> dict[str, Any]:
    since, until = clock.start_of(wanted), clock.start_of(wanted + timedelta(days=1))
    shown_until = min(until, at)
    vault = engine.Vault(settings.HOME.vault)
    shifts = list(Shift.objects.filter(room=room, starts_at__lt=until, ends_at__gt=since).select_related("person", "handed_to"))
    allowed = RoomVisit.objects.filter(room=room, enters_from__lt=until, leaves_by__gt=since).select_related(
        "person", "escort", "basis__case"
    )
    within = Q(moved_at__gte=since, moved_at__lt=until) | Q(moved_at=None, moves_from__lt=until, moves_by__gt=since)
    carried = EquipmentMove.objects.filter(within, Q(from_room=room) | Q(to_room=room))
    values = parameters.values(at)
    heard = doors.heard(vault, [room], since, shown_until) if since < at else doors.Heard((), frozenset())
    openings, book = heard.of(room), doors.Book([room], since, until)
    strange = sum(book.allows(each) is None for each in openings)
    newest = openings[-SHOWN_OPENINGS:]
    lines = evidence.of(each.reference for each in newest)
    found = sensors.readings(vault, room, since, shown_until) if since < at else []
    bounds = values["temperature_celsius"], values["humidity_percent"]
    return {
        "room": room,
        "day": wanted,
        "previous": (wanted - timedelta(days=1)).isoformat(),
        "next": (wanted + timedelta(days=1)).isoformat(),
        "is_future": since >= at,
        "keepers": queries.keepers([room], at).get(room.pk, []),
        "shifts": shifts,
        "gaps": duty.vacant(duty.owed(room, since, until, workdays.calendar()), shifts) if room.state == queries.IN_SERVICE else [],
        "visits": list(allowed.order_by("enters_from", "pk")),
        "passages": [_passage(room, each, line, book) for each, line in zip(newest, lines, strict=True)],
        "passage_count": len(openings),
        "strange_count": strange,
        "doors_heard": room.pk in heard.rooms,
        "moves": list(carried.select_related("device", "from_room", "to_room", "basis__case", "moved_by").order_by("moves_from", "pk")),
        "readings": [(each, each.is_beyond(*bounds)) for each in found],
        "bounds": {"temperature": bounds[0], "humidity": bounds[1]},
        "measures": _measures(room, int(values["measure_proof_days"]), clock.day_of(at)),
        "facilities": list(Facility.objects.filter(room=room).exclude(state=Facility.State.RETIRED)),
        "findings": [(each, wording.text(each.reason)) for each in _findings([room], shifts).order_by("due_at", "pk")[:20]],
        "keeps": visits.keeps(actor, room, at),
        "reader": actor.person_id,
        "now": at,
    }


def _passage(room: MachineRoom, opening: doors.Opening, line: evidence.Evidence, book: doors.Book) -> Passage:
    found = book.allows(opening)
    if isinstance(found, RoomVisit):
        return Passage(opening, line, _("出入单 %s") % found.basis.case.number, reverse("case", args=[found.basis.case.number]), "")
    if found is not None:
        return Passage(opening, line, found.get_duty_display(), reverse("register_row", args=["assignment", found.pk]), "")
    local = opening.at.astimezone(clock.BEIJING).strftime("%Y-%m-%dT%H:%M")
    return Passage(
        opening, line, "", "", f"{reverse('case_form', args=['room_visit'])}?{urlencode({'room': room.code, 'enters_from': local})}"
    )


def _measures(room: MachineRoom, days: int, today: date) -> list[Due]:
    """Return the measures that a room's grade requires, the most urgent first."""
    required = ControlMeasure.objects.filter(kind=ControlMeasure.Kind.ROOM, requirement=None, level__lte=room.grade or 0).order_by("code")
    proved = ControlMeasure.objects.filter(room=room, proved_on__isnull=False).exclude(requirement=None).order_by("proved_on", "pk")
    newest = {proof.requirement_id: proof for proof in proved}
    found = []
    for requirement in required:
        proof = newest.get(requirement.pk)
        due_on = proof.proved_on + timedelta(days=days) if proof and proof.proved_on else None
        found.append(Due(requirement, proof, due_on, due_on is None or due_on < today))
    return sorted(found, key=lambda due: due.due_on or date.min)


def _findings(rooms: Sequence[MachineRoom], shifts: Sequence[Shift] = ()) -> QuerySet[Finding]:
    subjects = [*(f"machine_room:{room.code}" for room in rooms), *(f"shift:{shift.pk}" for shift in shifts)]
    return Finding.objects.filter(subject__in=subjects).exclude(state=Finding.State.CLOSED)


def _asked(request: HttpRequest, room: MachineRoom, at: datetime) -> dict[str, Any]:
    """Ask the gate whether the person named in the address may enter now."""
    text = typed(request, "person")
    person = Person.objects.filter(Q(code=text) | Q(name=text)).order_by("left_on", "code").first() if text else None
    refused = gate.room_entry(person, room, at) if person else None
    apply = f"{reverse('case_form', args=['room_visit'])}?{urlencode({'room': room.code, 'person': person.code})}" if person else ""
    return {"asked": text, "person": person, "denied": refused, "apply": apply}
