"""The checks of Art. 16: facilities, grades and measures, policies, duty, keepers, doors; moves and sensors are rules (`rules/*.sql`)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from django.apps import apps
from django.db.models import F, Min, Q

from anzhang import clock
from anzhang.casework import rules, workdays
from anzhang.directory.models import Assignment, Person, Unit
from anzhang.organization.models import ControlMeasure, PolicyDocument
from anzhang.organization.subjects import subject as unit_subject
from anzhang.regulation.checks import Context, check
from anzhang.regulation.verdicts import Breach, Ground, Outcome, Subject, Why
from anzhang.rooms import doors, duty, queries
from anzhang.rooms.models import Facility, MachineRoom, Shift

FOLDER = Path(__file__).parent / "rules"
rooms_in_range = rules.bind(FOLDER / "rooms_in_range.sql")
equipment_where_registered = rules.bind(FOLDER / "equipment_where_registered.sql")

DOOR_DAYS = 7  # how far back openings are matched; a visit may be approved as long afterwards
DUTY_DAYS = 1  # whole days before and after today of which duty is looked at
SHOWN_LINES = 20
NO_ROOMS = Ground(None, Why("no_rooms"), Subject("register:machine_room", "", None))  # a subject of its own: it keeps no finding open


def subject(room: MachineRoom, keepers: Mapping[int, Sequence[Person]]) -> Subject:
    """Return a room as the one that owes, answered for by its unit and its keeper."""
    mine = keepers.get(room.pk)
    return Subject(f"machine_room:{room.code}", room.name, room.unit.code, mine[0].code if mine else None)


def _rooms(context: Context) -> tuple[list[MachineRoom], dict[int, Subject]]:
    rooms = list(queries.rooms_in_service())
    keepers = queries.keepers(rooms, context.at)
    return rooms, {room.pk: subject(room, keepers) for room in rooms}


def _outcome(population: Iterable[Subject], breaches: Iterable[Breach], unknown: Iterable[Ground] = (), *, rooms: bool) -> Outcome:
    return Outcome(tuple(population), tuple(breaches), tuple(unknown) if rooms else (NO_ROOMS,))


@check("room_facilities_listed")
def room_facilities_listed(context: Context) -> Outcome:
    """Find rooms in service with neither a facility of a kind nor a reason for having none. Source: Art. 16; A16.1.

    A facility out of service is none; one that is registered as absent gives its reason.
    """
    kinds = list(context.parameters["facility_kinds"])
    rooms, subjects = _rooms(context)
    listed: dict[int, set[str]] = defaultdict(set)
    for room_id, kind in Facility.objects.filter(room__in=rooms).exclude(state=Facility.State.RETIRED).values_list("room", "kind"):
        listed[room_id].add(kind)
    labels = dict(Facility.Kind.choices)
    breaches = []
    for room in rooms:
        for kind in kinds:
            if kind not in listed[room.pk]:
                why = Why("facility_missing", {"room": room.name, "kind": str(labels.get(kind, kind))})
                breaches.append(Breach(subjects[room.pk], why, (f"machine_room:{room.pk}",), detail=kind))
    return _outcome(subjects.values(), breaches, rooms=bool(rooms))


@check("rooms_graded_and_protected")
def rooms_graded_and_protected(context: Context) -> Outcome:
    """Find rooms without grade, graded below a system in them, or lacking fresh proof of a measure that their grade requires.

    Where the Office has set no requirement that reaches a room's grade, nobody can say whether it is protected: unknown.

    Source: Art. 16; A16.2.
    """
    days, today = timedelta(days=context.parameters["measure_proof_days"]), clock.day_of(context.at)
    rooms, subjects = _rooms(context)
    levels = _levels(rooms)
    required = list(ControlMeasure.objects.filter(kind=ControlMeasure.Kind.ROOM, requirement=None).order_by("code"))
    proofs = _proofs(rooms)
    breaches, unknown = [], []
    for room in rooms:
        owes, evidence = subjects[room.pk], (f"machine_room:{room.pk}",)
        if room.grade is None:
            breaches.append(Breach(owes, Why("room_without_grade", {"room": room.name}), evidence, detail="no_grade"))
            continue
        name, level = max(((name, level) for name, level in levels[room.pk]), key=lambda each: each[1], default=("", 0))
        if level > room.grade:
            params = {"room": room.name, "grade": room.grade, "system": name, "level": level}
            breaches.append(Breach(owes, Why("room_grade_too_low", params), evidence, detail="grade"))
        mine = [each for each in required if each.level is not None and each.level <= room.grade]
        if not mine:
            unknown.append(Ground(room.unit.code, Why("room_measures_not_set", {"room": room.name, "grade": room.grade}), owes))
        for each in mine:
            proof = proofs.get((room.pk, each.pk))
            if proof is None or proof.proved_on is None:
                code, proved_on, found = "measure_unproved", "", proof
            elif today - proof.proved_on > days:
                code, proved_on, found = "measure_proof_old", proof.proved_on.isoformat(), proof
            else:
                continue
            params = {"room": room.name, "measure": each.name, "proved_on": proved_on, "days": days.days}
            cited = (f"control_measure:{each.pk}", *((f"control_measure:{found.pk}",) if found else ()))
            breaches.append(Breach(owes, Why(code, params), cited, detail=each.code))
    return _outcome(subjects.values(), breaches, unknown, rooms=bool(rooms))


def _levels(rooms: Iterable[MachineRoom]) -> dict[int, list[tuple[str, int]]]:
    """Return name and protection level of the systems in each room; their model stands in a chapter above."""
    codes = {code for room in rooms for code in room.systems}
    systems = apps.get_model("anzhang", "system")._default_manager.filter(code__in=codes).exclude(state="retired")
    known = {code: (name, level or 0) for code, name, level in systems.values_list("code", "name", "protection_level")}
    return {room.pk: [known[code] for code in room.systems if code in known] for room in rooms}


def _proofs(rooms: Iterable[MachineRoom]) -> dict[tuple[int, int], ControlMeasure]:
    """Return the newest proof of each requirement for each room, by room and requirement."""
    found: dict[tuple[int, int], ControlMeasure] = {}
    proved = ControlMeasure.objects.filter(room__in=rooms).exclude(requirement=None)
    for each in proved.order_by(F("proved_on").asc(nulls_first=True), "pk"):
        if each.room_id is not None and each.requirement_id is not None:
            found[each.room_id, each.requirement_id] = each
    return found


@check("room_policies_current")
def room_policies_current(context: Context) -> Outcome:
    """Find units that manage a room and lack a policy of a kind in force, or have not reviewed it. Source: Art. 16; A16.3."""
    kinds, limit = list(context.parameters["room_policy_kinds"]), timedelta(days=context.parameters["policy_review_days"])
    today = clock.day_of(context.at)
    units = list(Unit.objects.filter(pk__in=queries.rooms_in_service().values("unit")).order_by("path"))
    in_force = PolicyDocument.objects.filter(
        Q(in_force_to=None) | Q(in_force_to__gt=today), unit__in=units, kind__in=kinds, in_force_from__lte=today
    )
    newest = {(document.unit_id, document.kind): document for document in in_force.order_by("reviewed_on", "pk")}
    labels = dict(PolicyDocument.Kind.choices)
    breaches = []
    for unit in units:
        for kind in kinds:
            params = {"unit": unit.name, "kind": str(labels.get(kind, kind)), "days": limit.days}
            found = newest.get((unit.pk, kind))
            if found is None:
                breaches.append(Breach(unit_subject(unit), Why("room_policy_missing", params), detail=kind))
            elif today - found.reviewed_on > limit:
                why = Why("room_policy_review_overdue", {**params, "reviewed_on": found.reviewed_on.isoformat()})
                since = clock.start_of(found.reviewed_on + limit + timedelta(days=1))
                breaches.append(Breach(unit_subject(unit), why, (f"policy_document:{found.pk}",), since, kind))
    return _outcome([unit_subject(unit) for unit in units], breaches, rooms=bool(units))


@check("room_keeper_in_post")
def room_keeper_in_post(context: Context) -> Outcome:
    """Find rooms in service without a keeper for longer than a vacancy may last. Source: Art. 16; A16.6.

    It is counted from the end of the last keeper's post or employment, else from the day on which the room entered service.
    """
    at, limit = context.at, timedelta(days=context.parameters["vacancy_days"])
    rooms, subjects = _rooms(context)
    posts: dict[int, list[Assignment]] = defaultdict(list)
    held = Assignment.objects.filter(duty=Assignment.Duty.ROOM_KEEPER, room__in=rooms, superseded_at=None, valid_from__lte=at)
    for post in held.select_related("person").order_by("valid_from", "pk"):
        if post.room_id is not None:
            posts[post.room_id].append(post)
    breaches = []
    for room in rooms:
        ends = [(_ended(post, at), post) for post in posts[room.pk]]
        if any(end is None for end, _post in ends):
            continue
        since, last = max(((end, post) for end, post in ends if end), key=lambda pair: pair[0], default=(None, None))
        begun = since or clock.start_of(room.in_service_on)
        if at - begun <= limit:
            continue
        params = {"room": room.name, "since": clock.day_of(begun).isoformat(), "days": limit.days}
        why = Why("room_keeper_left", {**params, "person": last.person.name}) if last else Why("room_without_keeper", params)
        cited = (f"machine_room:{room.pk}", *((f"assignment:{last.pk}",) if last else ()))
        breaches.append(Breach(subjects[room.pk], why, cited, begun))
    return _outcome(subjects.values(), breaches, rooms=bool(rooms))


def _ended(post: Assignment, at: datetime) -> datetime | None:
    """Return when a keeper stopped being one, None while they are."""
    left = post.person.left_on
    ends = [end for end in (post.valid_to, clock.start_of(left) if left else None) if end is not None and end <= at]
    return max(min(ends), post.valid_from) if ends else None


@check("room_duty_kept")
def room_duty_kept(context: Context) -> Outcome:
    """Find hours of duty that nobody is rostered for, shifts not signed in or handed over in time, and people no door saw come.

    Hours are looked at from yesterday to the end of tomorrow, but for those before the first shift that the room ever had. Where
    doors are controlled the person on duty has opened one between the allowed minutes before the shift and its end; where such a
    room's doors said nothing, presence is unknown.

    Source: Art. 16; A16.4.
    """
    at, allowed = context.at, timedelta(minutes=context.parameters["handover_minutes"])
    rooms, subjects = _rooms(context)
    today = clock.day_of(at)
    since, until = clock.start_of(today - timedelta(days=DUTY_DAYS)), clock.start_of(today + timedelta(days=DUTY_DAYS + 1))
    shifts: dict[int, list[Shift]] = defaultdict(list)
    for shift in (
        Shift.objects.filter(room__in=rooms, ends_at__gt=since, starts_at__lt=until).select_related("person").order_by("starts_at")
    ):
        shifts[shift.room_id].append(shift)
    first = dict(Shift.objects.filter(room__in=rooms).values_list("room").annotate(first=Min("starts_at")))
    begun = min((shift.starts_at for each in shifts.values() for shift in each), default=since) - allowed
    heard = doors.heard(context.vault, rooms, begun, at)
    book = doors.Book(rooms, begun, at)
    calendar = workdays.calendar()
    breaches: list[Breach] = []
    unknown: list[Ground] = []
    for room in rooms:
        mine = shifts[room.pk]
        start = max(first.get(room.pk) or clock.start_of(today), since, clock.start_of(room.in_service_on))
        breaches += _vacancies(room, subjects[room.pk], duty.vacant(duty.owed(room, start, until, calendar), mine))
        past = [shift for shift in mine if shift.starts_at <= at]
        for shift in past:
            breaches += _shift_breaches(room, shift, allowed, at)
        if room.doors_controlled and past:
            if room.pk not in heard.rooms:
                unknown.append(Ground(room.unit.code, Why("room_doors_silent", {"room": room.name, "days": DUTY_DAYS}), subjects[room.pk]))
                continue
            breaches += _unseen(room, past, heard.of(room), book, allowed, at)
    return _outcome(subjects.values(), breaches, unknown, rooms=bool(rooms))


def _vacancies(room: MachineRoom, owes: Subject, gaps: Sequence[duty.Span]) -> list[Breach]:
    if not gaps:
        return []
    begin, end = gaps[0]
    params = {"room": room.name, "since": clock.minute(begin), "until": clock.minute(end), "count": len(gaps)}
    return [Breach(owes, Why("duty_vacant", params), (f"machine_room:{room.pk}",), begin, "roster")]


def _owes(room: MachineRoom, shift: Shift) -> Subject:
    label = f"{room.name} {clock.minute(shift.starts_at)} {shift.person.name}"
    return Subject(f"shift:{shift.pk}", label, room.unit.code, shift.person.code)


def _shift_breaches(room: MachineRoom, shift: Shift, allowed: timedelta, at: datetime) -> list[Breach]:
    """Return what is late or missing of one shift that has begun; the last allowed minute is in time."""
    params = {"room": room.name, "person": shift.person.name, "minutes": int(allowed.total_seconds() // 60)}
    found = []
    signed, handed = shift.signed_in_at, shift.handed_over_at
    for name, instant, due in (("sign_in", signed, shift.starts_at), ("handover", handed, shift.ends_at)):
        if instant is None and at - due > allowed:
            code = f"{name}_missing"
        elif instant is not None and instant - due > allowed:
            code = f"{name}_late"
        else:
            continue
        why = Why(code, {**params, "due": clock.minute(due), "at": clock.minute(instant) if instant else ""})
        found.append(Breach(_owes(room, shift), why, (f"shift:{shift.pk}",), due + allowed, name))
    return found


def _unseen(
    room: MachineRoom, past: Sequence[Shift], openings: Sequence[doors.Opening], book: doors.Book, allowed: timedelta, at: datetime
) -> list[Breach]:
    """Return the shifts whose person no door of the room saw; one that follows another of the same person begins with that one."""
    found = []
    begun: dict[int, datetime] = {}
    for shift in past:
        before = next((each for each in past if each.person_id == shift.person_id and each.ends_at == shift.starts_at), None)
        begun[shift.pk] = begun[before.pk] if before else shift.starts_at - allowed
        if at - shift.starts_at <= allowed:
            continue
        if any(begun[shift.pk] <= each.at < shift.ends_at and book.is_of(each, shift.person) for each in openings):
            continue
        params = {
            "room": room.name,
            "person": shift.person.name,
            "since": clock.minute(shift.starts_at),
            "until": clock.minute(shift.ends_at),
        }
        found.append(Breach(_owes(room, shift), Why("duty_unseen", params), (f"shift:{shift.pk}",), shift.starts_at, "presence"))
    return found


@check("room_entries_authorized")
def room_entries_authorized(context: Context) -> Outcome:
    """Find openings of a door that belong to no visit and to nobody with a standing post in the room. Source: Art. 16; A16.8.

    Openings of the last days count; a visit approved afterwards (补批) covers them. A room without controlled doors, or whose doors
    said nothing in that time, is unknown.
    """
    at = context.at
    since = at - timedelta(days=DOOR_DAYS)
    rooms, subjects = _rooms(context)
    heard, book = doors.heard(context.vault, rooms, since, at), doors.Book(rooms, since, at)
    population, breaches, unknown = [], [], []
    for room in rooms:
        owes = subjects[room.pk]
        if room.pk not in heard.rooms:
            code = "room_doors_silent" if room.doors_controlled else "room_without_doors"
            unknown.append(Ground(room.unit.code, Why(code, {"room": room.name, "days": DOOR_DAYS}), owes))
            continue
        population.append(owes)
        strange = [each for each in heard.of(room) if book.allows(each) is None]
        for (holder, card, forced), openings in sorted(doors.by_person(strange).items()):
            breaches.append(_strange(room, owes, holder, card, openings, forced=forced))
    return _outcome(population, breaches, unknown, rooms=bool(rooms))


def _strange(room: MachineRoom, owes: Subject, holder: str, card: str, openings: Sequence[doors.Opening], *, forced: bool) -> Breach:
    params = {"room": room.name, "person": holder or card or "—", "at": clock.minute(openings[-1].at), "times": len(openings)}
    code = "door_forced" if forced else "opening_without_visit" if holder or card else "opening_by_nobody"
    cited = tuple(each.reference for each in reversed(openings[-SHOWN_LINES:]))
    return Breach(owes, Why(code, params), cited, openings[0].at, f"{holder}/{card}" + ("/forced" if forced else ""))
