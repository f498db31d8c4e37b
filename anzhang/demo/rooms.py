"""The demo's machine rooms: what they have, who is on duty, who came in, what was carried where, what doors and sensors said."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from anzhang import clock
from anzhang.casework import workdays
from anzhang.demo import estate
from anzhang.demo.bureau import Bureau
from anzhang.demo.chapter import Chapter, Line, NearMiss, Planted, Site
from anzhang.demo.crowd import Crowd, put
from anzhang.demo.estate import fixed
from anzhang.demo.hands import hand
from anzhang.demo.presence import sighting, stamp
from anzhang.directory.models import Assignment, Person, Unit
from anzhang.events import Event
from anzhang.organization.models import ControlMeasure, PolicyDocument
from anzhang.rooms import procedures
from anzhang.rooms.models import Facility, MachineRoom, RoomVisit, Shift

KINDS = {
    "power": "双路市电与 UPS",
    "communication": "综合布线",
    "air_conditioning": "精密空调",
    "fire_protection": "七氟丙烷灭火",
    "surveillance": "视频监控",
}
POLICIES = {"room_management": "机房管理制度", "duty": "值班制度", "equipment_registration": "设备登记制度"}
SENSORS = (("T1", "temperature", 22.4, "C"), ("H1", "humidity", 44.0, "%"), ("P1", "power", 220.0, "V"), ("L1", "leak", 0.0, ""))
CARDS = {"P012": "000123", "P014": "000124", "P015": "000125", "P011": "000126"}
AHEAD = 60  # days for which the roster is written
LIMIT = timedelta(minutes=30)
STRAYED, CARRIED = fixed("server", 9), fixed("server", 12)  # both registered in the first room when the demo begins
EARLY, LATE = timedelta(minutes=8), timedelta(minutes=4)  # before a shift begins, before it ends


def registers(site: Site, bureau: Bureau, crowd: Crowd) -> None:
    """Write rooms, facilities, what they must have and do, policies, posts and the roster."""
    center, training = bureau.unit["IC"], next(unit for unit in crowd.units if unit.code == "S08")
    rooms = _rooms(site, center, training, crowd)
    _facilities(site, rooms)
    _measures(site, bureau, rooms)
    _policies(site, center, training)
    _posts(site, bureau, crowd, rooms)
    _roster(site, bureau, crowd, rooms)


def _rooms(site: Site, center: Unit, training: Unit, crowd: Crowd) -> dict[str, MachineRoom]:
    begun = clock.day_of(site.now) - timedelta(days=900)
    graver = next(system.code for system in crowd.systems if system.protection_level == 3)
    rows = [
        MachineRoom(
            code=code, name=name, place=place, unit=unit, grade=grade, systems=systems, aliases=[f"机房{code}"], in_service_on=begun,
            cards=[f"{card} {person}" for person, card in CARDS.items()] if unit == center else [], witnesses=[f"tor0{code[1]}"],
            sensors=[f"{code}-{name}" for name, *_ in SENSORS], **duty,
        )
        for code, name, place, unit, grade, systems, duty in (
            ("R1", "一号机房", "主楼三层", center, 3, ["SB01", "JY01", "AZ01"], {}),
            ("R2", "灾备机房", "南院地下一层", center, 3, [], {"duty_from": "08:30", "duty_to": "17:30", "duty_workdays": True}),
            ("R3", "实训机房", "实训楼二层", training, 2, [graver], {"duty_from": "08:30", "duty_to": "17:30", "duty_workdays": True}),
        )
    ]  # fmt: skip
    return {row.code: row for row in put(site.now, MachineRoom, rows, Event.ROOM_REGISTER)}


def _facilities(site: Site, rooms: dict[str, MachineRoom]) -> None:
    """List everything; the third room has no surveillance, the second says why it has none of its own."""
    rows = []
    for code, room in rooms.items():
        for kind, name in KINDS.items():
            if kind != "surveillance" or code == "R1":
                rows.append(Facility(room=room, kind=kind, name=name))
            elif code == "R2":
                rows.append(Facility(room=room, kind=kind, name=name, state="absent", reason="由大院安保统一监控，录像保存九十天"))
    put(site.now, Facility, rows)


def _measures(site: Site, bureau: Bureau, rooms: dict[str, MachineRoom]) -> None:
    today, office = clock.day_of(site.now), bureau.unit["LGO"]
    required = put(
        site.now,
        ControlMeasure,
        [
            ControlMeasure(code="YQ01", name="电子门禁", kind="machine_room", level=2, unit=office),
            ControlMeasure(code="YQ02", name="不间断供电", kind="machine_room", level=3, unit=office),
        ],
    )
    put(
        site.now,
        ControlMeasure,
        [
            ControlMeasure(
                code=f"CS{code}{number}", name=f"{each.name}检测", kind="machine_room", requirement=each, room=room, unit=room.unit,
                proved_on=today - timedelta(days=90 if code == "R2" else 30), proof="季度检测报告",
            )
            for code, room in rooms.items()
            for number, each in enumerate(required, 1)
        ],
    )  # fmt: skip


def _policies(site: Site, center: Unit, training: Unit) -> None:
    today = clock.day_of(site.now)
    rows = [
        PolicyDocument(
            unit=unit, kind=kind, title=title, edition="第一版", issued_on=today - timedelta(days=500),
            in_force_from=today - timedelta(days=500),
            reviewed_on=today - timedelta(days=365 if unit == center and kind == "duty" else 100),
        )
        for unit in (center, training)
        for kind, title in POLICIES.items()
        if (unit, kind) != (training, "equipment_registration")
    ]  # fmt: skip
    put(site.now, PolicyDocument, rows, Event.POLICY_ISSUE)


def _attendants(bureau: Bureau, crowd: Crowd) -> dict[str, list[Person]]:
    return {
        "R1": [bureau.person[code] for code in ("P012", "P014", "P015")], "R2": [bureau.person["P011"]], "R3": crowd.staff["S08"][4:6],
    }  # fmt: skip


def _posts(site: Site, bureau: Bureau, crowd: Crowd, rooms: dict[str, MachineRoom]) -> None:
    """Give every room its keeper and attendants; the third has had no keeper for twenty days, the second's left six days ago."""
    duty, started = Assignment.Duty, site.now - timedelta(days=365)
    keepers = {
        "R1": (bureau.person["P012"], None), "R2": (bureau.person["P013"], site.now - timedelta(days=6)),
        "R3": (crowd.staff["S08"][3], site.now - timedelta(days=20)),
    }  # fmt: skip
    posts = [
        Assignment(person=person, duty=duty.ROOM_KEEPER, unit=rooms[code].unit, room=rooms[code], valid_from=started, valid_to=until,
                   recorded_at=site.now)
        for code, (person, until) in keepers.items()
    ]  # fmt: skip
    posts += [
        Assignment(
            person=person, duty=duty.ROOM_ATTENDANT, unit=rooms[code].unit, room=rooms[code], valid_from=started, recorded_at=site.now
        )
        for code, people in _attendants(bureau, crowd).items()
        for person in people
    ]
    crowd.posts += put(site.now, Assignment, posts, Event.ASSIGNMENT_START)


def _roster(site: Site, bureau: Bureau, crowd: Crowd, rooms: dict[str, MachineRoom]) -> None:
    """Write the roster of the month and of two months to come, signed as far as it is past; the newest shift of the first room is not."""
    calendar, first = workdays.calendar(), clock.day_of(site.now) - timedelta(days=site.days + 1)
    spans: list[tuple[str, datetime, datetime]] = []
    for number in range(site.days + 1 + AHEAD):
        start = clock.start_of(first + timedelta(days=number))
        spans += [("R1", start + timedelta(hours=8 + 12 * half), start + timedelta(hours=20 + 12 * half)) for half in (0, 1)]
        if calendar.is_workday(first + timedelta(days=number)):
            spans += [(code, start + timedelta(hours=8, minutes=30), start + timedelta(hours=17, minutes=30)) for code in ("R2", "R3")]
    people, turn = _attendants(bureau, crowd), dict.fromkeys(rooms, 0)
    shifts = []
    for code, begins, ends in spans:
        mine = people[code]
        shifts.append(Shift(room=rooms[code], person=mine[turn[code] % len(mine)], starts_at=begins, ends_at=ends))
        turn[code] += 1
    unsigned = max(
        (each for each in shifts if each.room.code == "R1" and each.starts_at <= site.now - 2 * LIMIT), key=lambda each: each.starts_at
    )
    before = {id(each): each for each in shifts if each.room.code == "R1" and each.ends_at == unsigned.starts_at}
    follows = {(each.room.code, each.starts_at): each for each in shifts}
    for each in shifts:
        late = id(each) in before  # it is signed in the last minute that still counts
        signed = each.starts_at + LIMIT if late else each.starts_at - EARLY
        if each is unsigned or signed >= site.now:
            continue
        each.signed_in_at = signed
        if each.ends_at - LATE < site.now:
            after = follows.get((each.room.code, each.ends_at))
            each.handed_over_at, each.note, each.handed_to = each.ends_at - LATE, "设备运行正常", after.person if after else None
    put(site.now, Shift, shifts, Event.SHIFT_ROSTER)


def goes_on(site: Site, begin: datetime, end: datetime) -> None:
    """Sign in and hand over what begins and ends as time passes, each by the person on duty."""
    near = Shift.objects.filter(starts_at__lt=end + EARLY, ends_at__gte=begin).select_related("room", "person").order_by("starts_at", "pk")
    acts: list[tuple[datetime, int, Shift]] = []
    for shift in near:
        if begin <= shift.starts_at - EARLY < end and shift.signed_in_at is None:
            acts.append((shift.starts_at - EARLY, 0, shift))
        comes = shift.signed_in_at is not None or begin <= shift.starts_at - EARLY < end
        if begin <= shift.ends_at - LATE < end and shift.handed_over_at is None and comes:
            acts.append((shift.ends_at - LATE, 1, shift))
    for at, over, shift in sorted(acts, key=lambda act: act[:2]):
        actor = hand(shift.person, at)
        if over:
            procedures.hand_over_shift(actor, shift, "设备运行正常", at)
        else:
            procedures.sign_in_shift(actor, shift, at)
    del site


def lines(site: Site, begin: datetime, end: datetime) -> Iterator[Line]:
    """Yield what doors, sensors and the switches in the rooms say, oldest first."""
    found = [*_doors(begin, end), *_visits(begin, end), *_sensors(site, begin, end), *_standing(site, begin, end)]
    yield from sorted(each for each in found if begin <= each[0] < end)


def _doors(begin: datetime, end: datetime) -> Iterator[Line]:
    """Yield the openings of those on duty: who comes before the shift, who goes after it."""
    near = Shift.objects.filter(starts_at__lt=end + LIMIT, ends_at__gte=begin - LIMIT).select_related("room", "person")
    for shift in near.order_by("starts_at", "pk"):
        for at, way in ((shift.starts_at - timedelta(minutes=9), "进"), (shift.ends_at + timedelta(minutes=2), "出")):
            yield at, opening(at, shift.room.name, shift.person.name, CARDS.get(shift.person.code, shift.person.code), way)


def _visits(begin: datetime, end: datetime) -> Iterator[Line]:
    """Yield the openings of those who had leave: five minutes after it begins, a second before it ends."""
    near = (
        RoomVisit.objects.filter(enters_from__lt=end, leaves_by__gte=begin).select_related("room", "person").order_by("enters_from", "pk")
    )
    for visit in near:
        for at, way in ((visit.enters_from + timedelta(minutes=5), "进"), (visit.leaves_by - timedelta(seconds=1), "出")):
            yield at, opening(at, visit.room.name, visit.person.name, visit.card or visit.person.code, way)


def opening(at: datetime, room: str, person: str, card: str, way: str = "进") -> bytes:
    """Return the line by which a door says who opened it."""
    return f"<14>{stamp(at)} door01 door: 机房={room} 门=北门 卡号={card} 姓名={person} 事件=刷卡开门 结果=成功 方向={way}".encode()


def reading(at: datetime, room: str, sensor: str, metric: str, value: float, unit: str) -> bytes:
    """Return the line by which a sensor tells a value."""
    told = f"room={room} sensor={room}-{sensor} metric={metric} value={value:.1f} unit={unit or '-'} state=normal"
    return f"<14>{stamp(at)} env01 sensor: {told}".encode()


def _sensors(site: Site, begin: datetime, end: datetime) -> Iterator[Line]:
    """Yield readings: every five minutes, and every hour of the days that no rule looks at any more."""
    fine = site.now - timedelta(days=2)
    at = clock.start_of(clock.day_of(begin))
    while at < end:
        if begin <= at:
            for room in estate.ROOMS:
                for sensor, metric, value, unit in SENSORS:
                    drift = (at.minute + ord(room[1]) + at.hour) % 7 / 10 if value not in {0.0, 220.0} else 0.0
                    yield at, reading(at, room, sensor, metric, value + drift, unit)
        at += timedelta(minutes=5) if at >= fine - timedelta(hours=1) else timedelta(hours=1)


def _standing(site: Site, begin: datetime, end: datetime) -> Iterator[Line]:
    """Yield what the switch in each room sees, twice a day."""
    inside = [each for each in estate.machines(site.devices) if each.room]
    carried_at = moved_at(site)
    start = clock.start_of(clock.day_of(begin))
    while start < end:
        for hour in (2, 14):
            for number, each in enumerate(inside):
                at = start + timedelta(hours=hour, seconds=number * 11)
                room = each.room
                if each.code == CARRIED and at >= carried_at:
                    room = "R2"
                if each.code == STRAYED and at >= site.now - timedelta(days=3):
                    room = "R2"
                yield at, sighting(at, f"tor0{room[1]}", each)
        start += timedelta(days=1)


def moved_at(site: Site) -> datetime:
    """Return when the server that was carried with leave was carried."""
    return site.now - timedelta(hours=20)


def planted(site: Site) -> Iterator[Line]:
    """Yield a room that grew hot, one that stayed on the limit, and a card that opened a door a minute after its leave ended."""
    for minutes in (190, 185):
        at = site.now - timedelta(minutes=minutes)
        yield at, reading(at, "R2", "T1", "temperature", 31.2, "C")
    at = site.now - timedelta(minutes=180)
    yield at, reading(at, "R1", "T1", "temperature", 27.0, "C")
    for visit in RoomVisit.objects.filter(card=OUTSTAYED).select_related("room", "person"):
        at = visit.leaves_by + timedelta(minutes=1)
        yield at, opening(at, visit.room.name, visit.person.name, visit.card)


OUTSTAYED = "LS0007"

CHAPTER = Chapter(
    "rooms",
    registers=registers,
    lines=lines,
    planted=planted,
    goes_on=goes_on,
    expected=(
        Planted("A16.1", "machine_room:R3", "实训机房没有监控设施，也没有写明理由"),
        Planted("A16.2", "machine_room:R3", "实训机房定二级，放着三级系统"),
        Planted("A16.3", "unit:S08", "公共实训中心没有设备登记制度"),
        Planted("A16.4", "shift:*", "一号机房最近一班没有签到"),
        Planted("A16.5", f"device:{STRAYED}", "登记在一号机房的服务器三天来只在灾备机房被看到，没有批准"),
        Planted("A16.6", "machine_room:R3", "实训机房专管员卸任二十天，无人接任"),
        Planted("A16.7", "machine_room:R2", "灾备机房温度到过 31.2 度"),
        Planted("A16.8", "machine_room:R1", "临时卡在准许离开时间一分钟后又开了一号机房的门"),
    ),
    near=(
        NearMiss("A16.1", "machine_room:R2", "灾备机房不设监控，写明了理由"),
        NearMiss("A16.2", "machine_room:R2", "措施恰在九十天前证明，当天仍算", today=True),
        NearMiss("A16.3", "unit:IC", "值班制度恰在 365 天前复审", today=True),
        NearMiss("A16.5", f"device:{CARRIED}", "二十小时前经批准搬到灾备机房，两边都见过它"),
        NearMiss("A16.6", "machine_room:R2", "专管员六天前卸任，未满七天"),
        NearMiss("A16.7", "machine_room:R1", "温度恰为上限 27 度"),
        NearMiss("A16.8", "machine_room:R2", "抢修先进门，出入单两小时后补批"),
    ),
)
