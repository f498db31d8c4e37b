"""Art. 16: machine rooms. Each duty red on what is planted, silent on near-misses, green after the remedy, unknown without evidence."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import IntegrityError, transaction
from django.test import Client

from anzhang.casework import procedures as cases
from anzhang.casework import queries as casework
from anzhang.casework.models import Case, Finding
from anzhang.directory import procedures as directory
from anzhang.engines.vault import Batch
from anzhang.home import Home
from anzhang.journal import verify
from anzhang.network import procedures as network
from anzhang.network.models import Device
from anzhang.organization import measures
from anzhang.permissions import Actor, RefusedError, Via, system
from anzhang.rooms import moves, procedures, visits
from anzhang.rooms.gate import room_entry
from anzhang.rooms.models import EquipmentMove, Facility, MachineRoom, RoomVisit, Shift
from tests import world
from tests.articles.stories import file, measure, opened, state, through, verdict
from tests.web.visitors import enter

pytestmark = pytest.mark.usefixtures("bureau")
FACILITIES, GRADED, POLICIES, DUTY, MOVES, KEEPER, RANGE, ENTRY = (f"A16.{n}" for n in range(1, 9))
SETUP = Actor(id="setup", via=Via.SETUP)
DAY = date(2026, 11, 24)  # of world.START
KINDS = ("power", "communication", "air_conditioning", "fire_protection", "surveillance")
MAC, OTHER_MAC = "00:1a:2b:3c:4d:5e", "00:1a:2b:3c:4d:99"


@pytest.fixture
def room(bureau, clock):
    """Return a machine room of 信息中心 whose keeper is 王芳; 郭磊 is on its duty list."""
    row = procedures.register_machine_room(
        SETUP, at=clock.now, code="R1", name="一号机房", place="主楼三层", unit=bureau.unit["IC"], grade=3, systems=["SB01"],
        aliases=["主楼机房"], cards=["000123 P012"], witnesses=["tor01"], in_service_on=date(2025, 6, 1),
    )  # fmt: skip
    for code, duty in (("P012", "room_keeper"), ("P014", "room_attendant")):
        post(bureau, clock, row, code, duty)
    return row


def post(bureau, clock, room, code, duty, **period):
    given = {"valid_from": clock.now - timedelta(days=100), "valid_to": None, **period}
    person = bureau.person[code]
    return directory.start_assignment(SETUP, person=person, duty=duty, unit=room.unit, room=room, basis=None, at=clock.now, **given)


def change(room, acting, clock, **values) -> MachineRoom:
    room.refresh_from_db()
    return procedures.change_machine_room(acting("liming"), room, at=clock.now, **values)


def seal(vault, at, *lines: str) -> None:
    with vault.writer() as writer:
        writer.append(Batch("ROOMS", "".join(f"{line}\n" for line in lines).encode(), at))
        writer.seal(at)


def syslog(at, host, app, text) -> str:
    return f"<14>1 {at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ} {host} {app} - - - {text}"


def door(at, person="李明", card="000777", event="刷卡开门", result="成功", room="一号机房") -> str:
    return syslog(at, "door01", "door", f"机房={room} 门=北门 卡号={card} 姓名={person} 事件={event} 结果={result} 方向=进")


def sensor(at, metric="temperature", value=22.0, name="T-1", unit="C", state="normal", room="主楼机房") -> str:
    return syslog(at, "env01", "sensor", f"room={room} sensor={name} metric={metric} value={value} unit={unit} state={state}")


def codes(obligation: str) -> dict[str, str]:
    return {f"{finding.subject}": finding.reason["code"] for finding in opened(obligation)}


def why(obligation: str, unit: str | None = "IC") -> str:
    return verdict(obligation, unit).why["code"]


def minute(at: datetime) -> str:
    return (at + timedelta(hours=8)).strftime("%Y-%m-%d %H:%M")


def visit_form(at, person="P022", minutes=120, **values) -> dict[str, str]:
    return {
        "room": "R1", "person": person, "escort": "", "purpose": "maintenance", "enters_from": minute(at),
        "leaves_by": minute(at + timedelta(minutes=minutes)), "card": "", "reason": "更换硬盘", **values,
    }  # fmt: skip


def granted(bureau, acting, clock, form) -> RoomVisit:
    """Let 孙丽 of 就业促进处 ask and the head of 信息中心 agree."""
    case = through(file(bureau, acting, clock, "sunli", "room_visit", **form), acting, clock, "zhouwei")
    return RoomVisit.objects.get(basis__case=case)


# A16.1


def test_a_kind_of_facility_that_is_not_listed_is_found_until_it_is_listed_or_says_why_not(room, acting, clock):
    for kind in KINDS[:4]:
        procedures.register_facility(acting("liming"), at=clock.now, room=room, kind=kind, name=kind)
    measure(clock, FACILITIES)
    (finding,) = opened(FACILITIES, "IC")
    assert (finding.subject, finding.reason["code"], finding.reason["params"]["kind"]) == ("machine_room:R1", "facility_missing", "监控")
    assert (finding.person.name, finding.evidence) == ("王芳", [f"machine_room:{room.pk}"])
    with pytest.raises(procedures.rows.RowError, match="理由"):
        procedures.register_facility(acting("liming"), at=clock.now, room=room, kind="surveillance", name="监控", state="absent")
    procedures.register_facility(
        acting("liming"), at=clock.now, room=room, kind="surveillance", name="监控", state="absent", reason="由大楼统一监控"
    )
    measure(clock, FACILITIES)
    assert (codes(FACILITIES), state(FACILITIES, "IC")) == ({}, "met")


def test_a_facility_out_of_service_is_none_and_a_retired_room_owes_none(room, acting, clock):
    rows = [procedures.register_facility(acting("liming"), at=clock.now, room=room, kind=kind, name=kind) for kind in KINDS]
    procedures.change_facility(acting("liming"), rows[0], at=clock.now, state="retired")
    measure(clock, FACILITIES)
    assert [finding.reason["params"]["kind"] for finding in opened(FACILITIES)] == ["供电"]
    change(room, acting, clock, state="retired", retired_on=DAY)
    measure(clock, FACILITIES)
    assert codes(FACILITIES) == {}


@pytest.mark.parametrize("obligation", [FACILITIES, GRADED, POLICIES, DUTY, MOVES, KEEPER, RANGE, ENTRY])
def test_without_rooms_nothing_is_green(obligation, vault, clock):
    measure(clock, obligation, vault=vault)
    assert (state(obligation, None), why(obligation, None)) == ("unknown", "no_rooms")


# A16.2


@pytest.fixture
def requirement(bureau, acting, clock):
    """Return the Office's requirement of rooms graded 2 and above."""
    return measures.register_control_measure(
        acting("zhengkai"), at=clock.now, code="YQ01", name="电子门禁", kind="machine_room", level=2, unit=bureau.unit["LGO"]
    )


def prove(bureau, acting, clock, room, requirement, day, code="CS01"):
    return measures.register_control_measure(
        acting("liming"), at=clock.now, code=code, name="双因素门禁", kind="machine_room", requirement=requirement, room=room,
        unit=bureau.unit["IC"], proved_on=day, proof="检测报告 2026-08",
    )  # fmt: skip


def test_a_required_measure_is_proved_within_its_days(room, requirement, bureau, acting, clock):
    measure(clock, GRADED)
    (finding,) = opened(GRADED, "IC")
    assert (finding.reason["code"], finding.evidence) == ("measure_unproved", [f"control_measure:{requirement.pk}"])
    proof = prove(bureau, acting, clock, room, requirement, DAY - timedelta(days=90))
    measure(clock, GRADED)
    assert (codes(GRADED), state(GRADED, "IC")) == ({}, "met")  # the ninetieth day is in time
    clock.advance(days=1)
    measure(clock, GRADED)
    assert [finding.reason["code"] for finding in opened(GRADED)] == ["measure_proof_old"]
    measures.change_control_measure(acting("liming"), proof, at=clock.now, proved_on=DAY)
    measure(clock, GRADED)
    assert (codes(GRADED), state(GRADED, "IC")) == ({}, "met")


def test_the_grade_is_not_below_that_of_a_system_in_the_room(room, requirement, bureau, acting, clock):
    prove(bureau, acting, clock, room, requirement, DAY)
    change(room, acting, clock, grade=2)
    measure(clock, GRADED)
    (finding,) = opened(GRADED)
    assert (finding.reason["code"], finding.reason["params"]["system"]) == ("room_grade_too_low", "社会保险核心业务系统")
    change(room, acting, clock, grade=None)
    measure(clock, GRADED)
    assert [finding.reason["code"] for finding in opened(GRADED)] == ["room_without_grade"]
    change(room, acting, clock, grade=3)
    measure(clock, GRADED)
    assert (codes(GRADED), state(GRADED, "IC")) == ({}, "met")


def test_a_grade_for_which_nothing_is_required_yet_is_unknown(room, bureau, acting, clock):
    measures.register_control_measure(
        acting("zhengkai"), at=clock.now, code="YQ04", name="屏蔽", kind="machine_room", level=4, unit=bureau.unit["LGO"]
    )
    measure(clock, GRADED)
    assert (state(GRADED, "IC"), why(GRADED)) == ("unknown", "room_measures_not_set")


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({}, "not_the_office"),
        ({"level": None}, "invalid"),
        ({"proved_on": DAY, "proof": "x"}, "invalid"),
    ],
)
def test_what_a_grade_requires_is_set_by_the_office(values, code, room, bureau, acting, clock):
    given = {"code": "YQ09", "name": "x", "kind": "machine_room", "level": 2, "unit": bureau.unit["IC"], **values}
    with pytest.raises(RefusedError) as refused:
        measures.register_control_measure(acting("liming"), at=clock.now, **given)
    assert refused.value.code == code


def test_a_proof_is_not_of_tomorrow_and_not_of_another_kind(room, requirement, bureau, acting, clock):
    with pytest.raises(RefusedError, match="今天"):
        prove(bureau, acting, clock, room, requirement, DAY + timedelta(days=1))
    with pytest.raises(RefusedError, match="同一类"):
        measures.register_control_measure(
            acting("liming"), at=clock.now, code="CS09", name="x", kind="system", requirement=requirement, system=bureau.system["SB01"],
            unit=bureau.unit["IC"],
        )  # fmt: skip


# A16.3


def test_each_kind_of_policy_is_in_force_and_reviewed(room, bureau, acting, clock):
    for kind in ("room_management", "duty"):
        issue(bureau, acting, clock, kind)
    measure(clock, POLICIES)
    (finding,) = opened(POLICIES, "IC")
    assert (finding.reason["code"], finding.reason["params"]["kind"]) == ("room_policy_missing", "设备登记制度")
    issue(bureau, acting, clock, "equipment_registration")
    measure(clock, POLICIES)
    assert (codes(POLICIES), state(POLICIES, "IC")) == ({}, "met")
    clock.advance(days=365)
    measure(clock, POLICIES)
    assert codes(POLICIES) == {}
    clock.advance(days=1)
    measure(clock, POLICIES)
    assert {finding.reason["code"] for finding in opened(POLICIES)} == {"room_policy_review_overdue"}


def issue(bureau, acting, clock, kind) -> Case:
    case = file(bureau, acting, clock, "liming", "policy_document", kind=kind, title=f"{kind}制度", edition="1")
    return through(case, acting, clock, "zhouwei")


# A16.4


def roster(room, bureau, clock, starts, hours=12, code="P012") -> Shift:
    return procedures.roster_shift(
        SETUP, at=clock.now, room=room, person=bureau.person[code], starts_at=starts, ends_at=starts + timedelta(hours=hours)
    )


def seen(shift: Shift, **delta) -> str:
    person = {"P012": ("王芳", "000123"), "P014": ("郭磊", "000999")}[shift.person.code]
    return door(shift.starts_at + timedelta(**delta), *person)


@pytest.fixture
def duty(room, bureau, acting, clock):
    """Return two shifts of 12 h: 王芳 from the present minute on, 郭磊 after her, and what covers the day after."""
    change(room, acting, clock, duty_from="00:00", duty_to="24:00")
    start = clock.now
    for number, code in enumerate(("P012", "P014", "P012", "P014", "P012", "P014", "P012", "P014", "P012")):
        roster(room, bureau, clock, start + timedelta(hours=12 * number), code=code)
    return list(Shift.objects.order_by("starts_at"))


def sign(shift, acting, clock) -> Shift:
    return procedures.sign_in_shift(acting({"P012": "wangfang", "P014": "guolei"}[shift.person.code]), shift, clock.now)


def hand(shift, acting, clock) -> Shift:
    return procedures.hand_over_shift(acting({"P012": "wangfang", "P014": "guolei"}[shift.person.code]), shift, "设备正常", clock.now)


def test_a_shift_signed_in_and_handed_over_in_the_last_minute_allowed_is_kept(duty, vault, acting, clock):
    first, second = duty[:2]
    clock.advance(minutes=30)
    sign(first, acting, clock)
    seal(vault, clock.now, seen(first, minutes=20))
    clock.advance(hours=11, minutes=30)
    sign(second, acting, clock)
    clock.advance(minutes=30)
    first = hand(first, acting, clock)
    assert (first.handed_to.name, first.note) == ("郭磊", "设备正常")
    seal(vault, clock.now, seen(second, minutes=-10))
    clock.advance(minutes=1)
    measure(clock, DUTY, vault=vault)
    assert (codes(DUTY), state(DUTY, "IC")) == ({}, "met")


def test_a_shift_not_signed_in_is_found_with_its_person_and_over_when_the_next_are_kept(duty, vault, acting, clock):
    first = duty[0]
    clock.advance(minutes=30)
    seal(vault, clock.now, seen(first, minutes=5))
    measure(clock, DUTY, vault=vault)
    assert codes(DUTY) == {}
    clock.advance(seconds=1)
    measure(clock, DUTY, vault=vault)
    (finding,) = opened(DUTY, "IC")
    assert (finding.subject, finding.reason["code"], finding.person.name) == (f"shift:{first.pk}", "sign_in_missing", "王芳")
    assert finding.evidence == [f"shift:{first.pk}"]
    clock.advance(minutes=10)
    sign(first, acting, clock)
    measure(clock, DUTY, vault=vault)
    assert why(DUTY) == "sign_in_late"  # late stays late, and is the same finding
    assert len(opened(DUTY)) == 1
    for shift in duty[1:4]:
        clock.now = shift.starts_at
        sign(shift, acting, clock)
        before = duty[duty.index(shift) - 1]
        hand(before, acting, clock)
        seal(vault, clock.now, seen(shift, seconds=-1))
    clock.now = datetime(2026, 11, 25, 15, 59, 59, tzinfo=UTC)  # a second before Beijing's midnight
    measure(clock, DUTY, vault=vault)
    assert len(opened(DUTY)) == 1
    clock.advance(seconds=1)
    measure(clock, DUTY, vault=vault)
    assert (codes(DUTY), state(DUTY, "IC")) == ({}, "met")


def test_a_shift_that_nobody_hands_over_and_one_that_no_door_saw_are_found(duty, vault, acting, clock):
    first, second = duty[:2]
    sign(first, acting, clock)
    seal(vault, clock.now, seen(first, minutes=-1))
    clock.now = second.starts_at
    sign(second, acting, clock)
    clock.now = second.starts_at + timedelta(minutes=31)
    measure(clock, DUTY, vault=vault)
    assert codes(DUTY) == {f"shift:{first.pk}": "handover_missing", f"shift:{second.pk}": "duty_unseen"}
    seal(vault, clock.now, seen(second, minutes=30))
    hand(first, acting, clock)
    measure(clock, DUTY, vault=vault)
    assert (list(codes(DUTY)), why(DUTY)) == ([f"shift:{first.pk}"], "handover_late")


def test_hours_that_nobody_is_rostered_for_are_found_until_somebody_is(room, bureau, vault, acting, clock):
    change(room, acting, clock, duty_from="08:00", duty_to="20:00")
    measure(clock, DUTY, vault=vault)
    (finding,) = opened(DUTY, "IC")
    assert (finding.reason["code"], finding.reason["params"]["since"]) == ("duty_vacant", "2026-11-24 08:00")
    roster(room, bureau, clock, clock.now, hours=10.5)
    tomorrow = clock.now + timedelta(hours=22, minutes=30)  # 08:00 in Beijing
    roster(room, bureau, clock, tomorrow + timedelta(seconds=1))
    measure(clock, DUTY, vault=vault)
    told = verdict(DUTY, "IC").why
    assert (told["code"], told["params"]["since"], told["params"]["count"]) == ("duty_vacant", "2026-11-25 08:00", 1)
    roster(room, bureau, clock, tomorrow, hours=1, code="P014")
    seal(vault, clock.now, door(clock.now - timedelta(minutes=1), "王芳", "000123"))
    measure(clock, DUTY, vault=vault)
    assert (codes(DUTY), state(DUTY, "IC")) == ({}, "met")


def test_duty_on_workdays_leaves_the_weekend_out(room, bureau, acting, clock):
    change(room, acting, clock, duty_workdays=True, doors_controlled=False)
    clock.now = datetime(2026, 11, 28, 1, 30, tzinfo=UTC)  # a Saturday; the roster is looked at until Sunday morning
    measure(clock, DUTY)
    assert (codes(DUTY), state(DUTY, "IC")) == ({}, "met")


def test_presence_behind_doors_that_say_nothing_is_unknown(duty, vault, acting, clock):
    sign(duty[0], acting, clock)
    clock.advance(minutes=31)
    measure(clock, DUTY, vault=vault)
    assert (state(DUTY, "IC"), why(DUTY)) == ("unknown", "room_doors_silent")


@pytest.mark.parametrize(
    ("username", "minutes", "code"),
    [("guolei", 0, "not_your_shift"), ("wangfang", -31, "too_early"), ("wangfang", 12 * 60, "shift_over"), ("wangfang", -30, None)],
)
def test_nobody_signs_in_for_another_nor_too_early_nor_afterwards(username, minutes, code, duty, acting, clock):
    clock.advance(minutes=minutes)
    if code is None:
        assert procedures.sign_in_shift(acting(username), duty[0], clock.now).signed_in_at == clock.now
        return
    with pytest.raises(RefusedError) as refused:
        procedures.sign_in_shift(acting(username), duty[0], clock.now)
    assert refused.value.code == code


def test_a_shift_is_handed_over_once_by_who_signed_in_with_a_word_on_how_things_stand(duty, acting, clock):
    first = duty[0]

    def refuse(note="正常") -> str:
        with pytest.raises(RefusedError) as refused:
            procedures.hand_over_shift(acting("wangfang"), first, note, clock.now)
        return refused.value.code

    assert refuse() == "not_signed_in"
    first = sign(first, acting, clock)
    assert refuse() == "too_early"
    clock.now = first.ends_at - timedelta(minutes=30)
    assert refuse(" ") == "note_needed"
    hand(first, acting, clock)
    assert refuse() == "handed_over_already"
    with pytest.raises(RefusedError, match="已于"):
        sign(first, acting, clock)


def test_a_roster_names_people_with_a_post_ahead_of_time_and_once(room, bureau, acting, clock):
    def refuse(code, starts) -> str:
        with pytest.raises(RefusedError) as refused:
            procedures.roster_shift(
                acting("liming"), at=clock.now, room=room, person=bureau.person[code], starts_at=starts, ends_at=starts + timedelta(hours=8)
            )
        return refused.value.code

    assert refuse("P011", clock.now) == "not_posted"
    assert refuse("P012", clock.now - timedelta(seconds=1)) == "shift_past"
    shift = roster(room, bureau, clock, clock.now + timedelta(hours=1))
    assert refuse("P012", clock.now) == "shift_overlaps"
    moved = procedures.change_shift(acting("liming"), shift, at=clock.now, ends_at=shift.starts_at + timedelta(hours=6))
    assert moved.ends_at - moved.starts_at == timedelta(hours=6)
    clock.advance(hours=1)
    with pytest.raises(RefusedError, match="已开始"):
        procedures.change_shift(acting("liming"), moved, at=clock.now, ends_at=clock.now + timedelta(hours=9))


# A16.5


@pytest.fixture
def device(bureau, acting, clock, room):
    """Return a server of 信息中心 that stands in the room."""
    row = network.register_device(
        acting("liming"), at=clock.now, code="D1", name="数据库服务器", kind="server", unit=bureau.unit["IC"], room=room, in_service_on=DAY
    )
    network.register_interface(acting("liming"), at=clock.now, device=row, name="eth0", mac=MAC)
    return row


def sighting(at, mac=MAC, host="tor01") -> str:
    return syslog(at, host, "dhcpd", f"DHCPACK on 10.20.1.7 to {mac} via eth1")


def move_form(at, direction="out", device="D1", room="R1") -> dict[str, str]:
    until = at + timedelta(hours=4)
    return {"device": device, "room": room, "direction": direction, "moves_from": minute(at), "moves_by": minute(until), "reason": "送修"}


def test_what_is_seen_in_a_room_is_registered_there_or_was_moved(device, room, bureau, vault, acting, clock):
    other = network.register_device(acting("liming"), at=clock.now, code="D2", name="备机", kind="server", unit=bureau.unit["IC"])
    network.register_interface(acting("liming"), at=clock.now, device=other, name="eth0", mac=OTHER_MAC)
    seal(vault, clock.now, sighting(clock.now), sighting(clock.now, OTHER_MAC))
    clock.advance(minutes=1)
    measure(clock, MOVES, vault=vault)
    (finding,) = opened(MOVES, "IC")
    assert (finding.subject, finding.reason["code"], finding.person.name) == ("device:D2", "equipment_elsewhere", "王芳")
    assert finding.evidence == ["line:n1-000000001:2"]
    case = file(bureau, acting, clock, "sunli", "equipment_move", **move_form(clock.now, "in", "D2"))
    through(case, acting, clock, "wangfang")  # the keeper decides
    move = EquipmentMove.objects.get()
    moves.carry_out_move(acting("guolei"), move, clock.now)
    assert (Device.objects.get(code="D2").room, EquipmentMove.objects.get().moved_by.name) == (room, "郭磊")
    measure(clock, MOVES, vault=vault)
    assert (codes(MOVES), state(MOVES, "IC")) == ({}, "met")


@pytest.mark.parametrize(("hours", "found"), [(24, False), (24.01, True)])
def test_a_device_carried_out_may_have_been_seen_within_the_hours_allowed(hours, found, device, room, bureau, vault, acting, clock):
    gone = clock.now
    through(file(bureau, acting, clock, "liming", "equipment_move", **move_form(clock.now)), acting, clock, "wangfang")
    moves.carry_out_move(acting("wangfang"), EquipmentMove.objects.get(), clock.now)
    clock.now = gone + timedelta(hours=hours)
    seal(vault, clock.now, sighting(clock.now))
    clock.advance(seconds=30)
    measure(clock, MOVES, vault=vault)
    assert codes(MOVES) == ({"device:D1": "equipment_elsewhere"} if found else {})


def test_a_device_that_stands_in_another_room_is_one_finding(device, room, bureau, vault, clock):
    clock.advance(days=2)
    procedures.register_machine_room(
        SETUP, at=clock.now, code="R2", name="灾备机房", place="副楼", unit=bureau.unit["IC"], grade=2, systems=["SB01"],
        aliases=[], cards=[], witnesses=["tor02"], in_service_on=date(2025, 6, 1),
    )  # fmt: skip
    seal(vault, clock.now, sighting(clock.now, OTHER_MAC), sighting(clock.now, host="tor02"))
    clock.advance(minutes=1)
    measure(clock, MOVES, vault=vault)
    assert codes(MOVES) == {"device:D1": "equipment_elsewhere", "machine_room:R1": "equipment_unregistered"}
    assert Finding.objects.filter(obligation=MOVES, subject="device:D1").count() == 1


def test_a_device_that_is_gone_and_one_that_nobody_registered_are_found(device, room, vault, clock):
    clock.advance(days=2)
    seal(vault, clock.now, sighting(clock.now, OTHER_MAC))
    clock.advance(minutes=1)
    measure(clock, MOVES, vault=vault)
    assert codes(MOVES) == {"device:D1": "equipment_gone", "machine_room:R1": "equipment_unregistered"}
    clock.advance(days=1)
    seal(vault, clock.now, sighting(clock.now))
    clock.advance(minutes=1)
    measure(clock, MOVES, vault=vault)
    assert (codes(MOVES), state(MOVES, "IC")) == ({}, "met")


def test_what_another_switch_sees_says_nothing_of_the_room(device, vault, clock):
    seal(vault, clock.now, sighting(clock.now, OTHER_MAC, "core01"))
    clock.advance(minutes=1)
    measure(clock, MOVES, vault=vault)
    assert (codes(MOVES), state(MOVES, "IC"), why(MOVES)) == ({}, "unknown", "room_witness_silent")


def test_a_device_without_address_and_a_room_without_witness_are_unknown(device, room, bureau, vault, acting, clock):
    network.register_device(acting("liming"), at=clock.now, code="D3", name="KVM", kind="other", unit=bureau.unit["IC"], room=room)
    seal(vault, clock.now, sighting(clock.now))
    clock.advance(minutes=1)
    measure(clock, MOVES, vault=vault)
    assert (codes(MOVES), state(MOVES, "IC"), why(MOVES)) == ({}, "unknown", "equipment_without_address")
    change(room, acting, clock, witnesses=[])
    measure(clock, MOVES, vault=vault)
    assert why(MOVES) == "room_without_witness"


def test_nothing_is_moved_without_leave_outside_its_window_or_after_it_was_revoked(device, room, bureau, acting, clock):
    refusal = room_entry(device, room, clock.now)
    assert (refusal.code, "机房设备进出申请" in refusal.remedy) == ("move_missing", True)
    later = clock.now + timedelta(hours=1)
    case = through(file(bureau, acting, clock, "liming", "equipment_move", **move_form(later)), acting, clock, "wangfang")
    move = EquipmentMove.objects.get()
    with pytest.raises(RefusedError) as refused:
        moves.carry_out_move(acting("wangfang"), move, clock.now)
    assert refused.value.code == "move_missing"
    clock.now = later
    assert room_entry(device, room, clock.now) is None
    with pytest.raises(RefusedError) as refused:
        moves.carry_out_move(acting("zhanghua"), move, clock.now)
    assert refused.value.code == "not_the_keeper"
    from anzhang.casework import revocation

    revocation.revoke(acting("zhouwei"), case, "用途已变", clock.now)
    assert room_entry(device, room, clock.now).code == "move_missing"


@pytest.mark.parametrize(
    ("form", "field"),
    [({"direction": "in"}, "room"), ({"moves_by": "2026-11-24 01:00"}, "moves_by"), ({"moves_from": "昨天"}, "moves_from")],
)
def test_a_move_that_cannot_be_is_not_asked_for(form, field, device, bureau, acting, clock):
    with pytest.raises(casework_form_error()) as refused:
        file(bureau, acting, clock, "liming", "equipment_move", **{**move_form(clock.now), **form})
    assert field in refused.value.faults


def casework_form_error():
    from anzhang.casework.forms import FormError

    return FormError


# A16.6


def test_a_room_has_a_keeper_but_for_the_days_a_vacancy_may_last(room, bureau, acting, clock):
    measure(clock, KEEPER)
    assert (codes(KEEPER), state(KEEPER, "IC")) == ({}, "met")
    directory.change_person(SETUP, bureau.person["P012"], at=clock.now, left_on=DAY)
    clock.now = datetime(2026, 11, 30, 16, 0, tzinfo=UTC)  # seven days after Beijing's midnight
    measure(clock, KEEPER)
    assert codes(KEEPER) == {}
    clock.advance(seconds=1)
    measure(clock, KEEPER)
    (finding,) = opened(KEEPER, "IC")
    assert (finding.reason["code"], finding.reason["params"]["person"]) == ("room_keeper_left", "王芳")
    case = file(bureau, acting, clock, "liming", "assignment", person="P014", duty="room_keeper", room="R1")
    through(case, acting, clock, "zhouwei")
    measure(clock, KEEPER)
    assert (codes(KEEPER), state(KEEPER, "IC")) == ({}, "met")


def test_a_room_that_never_had_a_keeper_is_found(bureau, acting, clock):
    procedures.register_machine_room(
        acting("liming"), at=clock.now, code="R9", name="九号机房", unit=bureau.unit["IC"], in_service_on=DAY - timedelta(days=8)
    )
    measure(clock, KEEPER)
    assert codes(KEEPER) == {"machine_room:R9": "room_without_keeper"}


@pytest.mark.parametrize("form", [{"duty": "room_keeper"}, {"duty": "maintainer", "room": "R1"}])
def test_a_post_in_a_room_names_the_room_and_no_other_does(form, room, bureau, acting, clock):
    case = file(bureau, acting, clock, "liming", "assignment", person="P014", **form)
    with pytest.raises(RefusedError) as refused:
        through(case, acting, clock, "zhouwei")
    assert refused.value.code == "room_needed"


def test_keeping_a_room_gives_no_account_of_a_system(room, bureau, clock):
    from anzhang.systems.procedures import account_grant

    assert account_grant(bureau.person["P014"], bureau.system["JY01"], clock.now) is not None


# A16.7


def whole(vault, at, *lines, minutes=15, power="normal") -> None:
    """Seal readings of temperature, humidity and power every five minutes up to an instant, and the given ones."""
    usual = []
    for back in range(minutes, -1, -5):
        moment = at - timedelta(minutes=back)
        usual += [
            sensor(moment),
            sensor(moment, "humidity", 40, "H-1", "%"),
            sensor(moment, "power", 1, "P-1", "", power),
        ]
    seal(vault, at, *usual, *lines)


@pytest.mark.parametrize(
    ("metric", "value", "unit", "state_of", "code"),
    [
        ("temperature", 27, "C", "normal", None),
        ("temperature", 27.1, "C", "normal", "room_too_hot"),
        ("temperature", 18, "C", "normal", None),
        ("温度", 17.9, "℃", "normal", "room_too_cold"),
        ("temperature", 80.6, "F", "normal", None),
        ("temperature", 80.7, "F", "normal", "room_too_hot"),
        ("humidity", 60, "%", "normal", None),
        ("humidity", 60.1, "%", "normal", "room_too_humid"),
        ("湿度", 20, "%", "normal", None),
        ("humidity", 19.9, "%", "normal", "room_too_dry"),
        ("power", 0, "", "normal", "room_power_lost"),
        ("供电", 220, "V", "报警", "room_power_lost"),
        ("漏水", 0, "", "normal", None),
        ("leak", 1, "", "normal", "room_leak"),
        ("smoke", 1, "", "alarm", None),
    ],
)
def test_readings_at_the_limit_are_in_range_and_beyond_it_are_not(metric, value, unit, state_of, code, room, vault, clock):
    whole(vault, clock.now, sensor(clock.now - timedelta(minutes=1), metric, value, "X-1", unit, state_of))
    clock.advance(minutes=1)
    measure(clock, RANGE, vault=vault)
    assert codes(RANGE) == ({"machine_room:R1": code} if code else {})
    assert state(RANGE, "IC") == ("breach" if code else "met")


def test_a_hot_room_is_found_with_its_lines_and_its_keeper_and_over_after_a_day_in_range(room, vault, clock):
    whole(vault, clock.now, sensor(clock.now, value=31.5, name="T-2"))
    clock.advance(minutes=1)
    measure(clock, RANGE, vault=vault)
    (finding,) = opened(RANGE, "IC")
    assert (finding.reason["code"], finding.reason["params"]["value"], finding.person.name) == ("room_too_hot", "31.5", "王芳")
    assert len(finding.evidence) == 1
    clock.advance(days=1, minutes=20)
    whole(vault, clock.now)
    clock.advance(minutes=1)
    measure(clock, RANGE, vault=vault)
    assert (codes(RANGE), state(RANGE, "IC")) == ({}, "met")


@pytest.mark.parametrize(("seconds", "found"), [(599, False), (600, True)])
def test_a_sensor_is_silent_at_the_limit(seconds, found, room, vault, clock):
    whole(vault, clock.now)
    clock.advance(seconds=seconds)
    measure(clock, RANGE, vault=vault)
    assert {finding.reason["code"] for finding in opened(RANGE)} == ({"sensor_silent"} if found else set())


@pytest.mark.parametrize(("seconds", "found"), [(599, False), (600, True)])
def test_a_sensor_that_was_silent_between_two_readings_is_found_for_a_day(seconds, found, room, vault, clock):
    last = clock.now - timedelta(seconds=10)
    whole(vault, clock.now, sensor(last - timedelta(seconds=seconds), name="T-7"), sensor(last, name="T-7"))
    clock.advance(minutes=1)
    measure(clock, RANGE, vault=vault)
    assert [finding.reason["code"] for finding in opened(RANGE)] == (["sensor_was_silent"] if found else [])


def test_a_sensor_on_the_register_that_says_nothing_is_found_and_one_that_speaks_is_not(room, vault, acting, clock):
    change(room, acting, clock, sensors=["t-1", "T-9"])
    whole(vault, clock.now)
    clock.advance(minutes=1)
    measure(clock, RANGE, vault=vault)
    (finding,) = opened(RANGE)
    assert (finding.reason["code"], finding.reason["params"]["sensor"]) == ("sensor_silent", "T-9")


def test_a_room_without_readings_or_without_one_kind_of_them_is_unknown(room, vault, clock):
    measure(clock, RANGE, vault=vault)
    assert (state(RANGE, "IC"), why(RANGE)) == ("unknown", "room_sensors_silent")
    seal(vault, clock.now, sensor(clock.now), sensor(clock.now, "humidity", 40, "H-1"), sensor(clock.now, room="别的机房"))
    clock.advance(minutes=1)
    measure(clock, RANGE, vault=vault)
    assert (state(RANGE, "IC"), verdict(RANGE, "IC").why["params"]["missing"]) == ("unknown", "供电")


# A16.8


def test_an_opening_without_visit_is_found_with_what_is_missing_and_closes_when_it_is_approved(room, bureau, vault, acting, clock):
    entered = clock.now
    seal(vault, clock.now, door(entered, "张华", "000555"))
    clock.advance(minutes=5)
    measure(clock, ENTRY, vault=vault)
    (finding,) = opened(ENTRY, "IC")
    assert (finding.subject, finding.reason["code"], finding.person.name) == ("machine_room:R1", "opening_without_visit", "王芳")
    assert (finding.reason["params"]["person"], finding.evidence) == ("张华", ["line:n1-000000001:1"])
    visit = granted(bureau, acting, clock, visit_form(entered))
    assert visit.is_late
    measure(clock, ENTRY, vault=vault)
    assert (codes(ENTRY), state(ENTRY, "IC")) == ({}, "met")


@pytest.mark.parametrize(
    ("seconds", "found"),
    [(-1, True), (0, False), (1, False), (7199, False), (7200, True)],
    ids=["before", "first", "inside", "last", "end"],
)
def test_a_visit_covers_its_window_to_the_second(seconds, found, room, bureau, vault, acting, clock):
    begins = clock.now.replace(second=0) + timedelta(hours=1)
    granted(bureau, acting, clock, visit_form(begins))
    clock.now = begins + timedelta(hours=3)
    seal(vault, clock.now, door(begins + timedelta(seconds=seconds), "张华", "000555"))
    measure(clock, ENTRY, vault=vault)
    assert codes(ENTRY) == ({"machine_room:R1": "opening_without_visit"} if found else {})


def test_standing_posts_cards_and_refused_cards_are_no_offence(room, vault, clock):
    at = clock.now - timedelta(minutes=5)
    seal(
        vault, clock.now, door(at, "郭磊", "000999"), door(at, "王芳", ""), door(at, "", "000123"), door(at, "P014", ""),
        door(at, "张华", "000555", "刷卡", "失败"), door(at, "张华", "000555", "门未关", "成功"), door(at, "张华", "000555", room="档案室"),
    )  # fmt: skip
    measure(clock, ENTRY, vault=vault)
    assert (codes(ENTRY), state(ENTRY, "IC")) == ({}, "met")


def test_a_card_says_who_it_was_whatever_name_stands_beside_it(room, bureau, vault, acting, clock):
    granted(bureau, acting, clock, visit_form(clock.now, card="000800"))
    clock.advance(minutes=10)
    seal(vault, clock.now, door(clock.now, "访客", "000800"), door(clock.now, "张华", "000123"))
    clock.advance(minutes=1)
    measure(clock, ENTRY, vault=vault)
    assert codes(ENTRY) == {}


def test_forced_doors_and_openings_by_nobody_are_found(room, vault, clock):
    seal(vault, clock.now, door(clock.now, "", "", "强行开门", "失败"), door(clock.now, "", ""))
    clock.advance(minutes=1)
    measure(clock, ENTRY, vault=vault)
    assert {finding.reason["code"] for finding in opened(ENTRY)} == {"door_forced", "opening_by_nobody"}


def test_a_post_that_has_ended_and_a_person_who_has_left_open_no_door(room, bureau, vault, clock):
    post(bureau, clock, room, "P011", "room_attendant", valid_to=clock.now)
    seal(vault, clock.now, door(clock.now - timedelta(seconds=1), "李明"), door(clock.now, "李明"))
    clock.advance(minutes=1)
    measure(clock, ENTRY, vault=vault)
    (finding,) = opened(ENTRY)
    assert (finding.reason["params"]["person"], finding.reason["params"]["times"]) == ("李明", 1)


def test_a_visit_whose_approval_was_revoked_covers_what_was_before_and_nothing_after(room, bureau, vault, acting, clock):
    from anzhang.casework import revocation

    visit = granted(bureau, acting, clock, visit_form(clock.now))
    assert room_entry(bureau.person["P022"], room, clock.now) is None
    first = clock.now
    clock.advance(minutes=20)
    revocation.revoke(acting("zhouwei"), visit.basis.case, "不再需要", clock.now)
    assert room_entry(bureau.person["P022"], room, clock.now).code == "visit_missing"
    clock.advance(minutes=1)
    seal(vault, clock.now, door(first + timedelta(minutes=1), "张华"), door(clock.now, "张华"))
    clock.advance(minutes=1)
    measure(clock, ENTRY, vault=vault)
    (finding,) = opened(ENTRY)
    assert finding.reason["params"]["times"] == 1


def test_a_room_whose_doors_say_nothing_or_that_has_none_is_unknown(room, vault, acting, clock):
    measure(clock, ENTRY, vault=vault)
    assert (state(ENTRY, "IC"), why(ENTRY)) == ("unknown", "room_doors_silent")
    change(room, acting, clock, doors_controlled=False)
    measure(clock, ENTRY)
    assert (state(ENTRY, "IC"), why(ENTRY)) == ("unknown", "room_without_doors")


# The gate and the visits


def test_the_gate_names_the_missing_approval_and_the_route(room, bureau, acting, clock):
    person = bureau.person["P022"]
    refusal = room_entry(person, room, clock.now)
    assert (refusal.code, "机房出入申请" in refusal.remedy) == ("visit_missing", True)
    assert room_entry(bureau.person["P012"], room, clock.now) is None  # the keeper
    later = clock.now + timedelta(hours=1)
    granted(bureau, acting, clock, visit_form(later))
    assert "自 2026-11-24 10:30 起有效" in room_entry(person, room, clock.now).remedy
    assert room_entry(person, room, later) is None
    assert room_entry(person, room, later + timedelta(hours=2)).code == "visit_missing"
    change(room, acting, clock, state="retired", retired_on=DAY)
    room.refresh_from_db()
    assert room_entry(bureau.person["P012"], room, clock.now).code == "room_closed"


def test_who_left_the_bureau_does_not_enter(room, bureau, acting, clock):
    granted(bureau, acting, clock, visit_form(clock.now))
    directory.change_person(SETUP, bureau.person["P022"], at=clock.now, left_on=DAY)
    bureau.person["P022"].refresh_from_db()
    assert room_entry(bureau.person["P022"], room, clock.now).code == "not_employed"


def test_the_keeper_notes_who_comes_and_goes(room, bureau, acting, clock):
    visit = granted(bureau, acting, clock, visit_form(clock.now + timedelta(minutes=10)))
    with pytest.raises(RefusedError) as refused:
        visits.enter_room(acting("wangfang"), visit, clock.now)
    assert refused.value.code == "visit_missing"
    clock.advance(minutes=11)
    with pytest.raises(RefusedError) as refused:
        visits.enter_room(acting("sunli"), visit, clock.now)
    assert refused.value.code == "not_the_keeper"
    with pytest.raises(RefusedError, match="尚未登记进入"):
        visits.leave_room(acting("wangfang"), visit, clock.now)
    visits.enter_room(acting("wangfang"), visit, clock.now)
    clock.advance(minutes=30)
    visits.leave_room(acting("guolei"), visit, clock.now)
    visit.refresh_from_db()
    assert visit.left_at - visit.entered_at == timedelta(minutes=30)
    assert not [fault for fault in verify.check(clock.now).faults if fault["kind"].startswith("row")]


@pytest.mark.parametrize(
    ("form", "field"),
    [
        ({"leaves_by": "2026-11-24 09:30"}, "leaves_by"),
        ({"leaves_by": "2026-12-24 09:30"}, "leaves_by"),
        ({"enters_from": "2026-11-01 09:30"}, "leaves_by"),
        ({"enters_from": "2026-11-16 09:30", "leaves_by": "2026-11-16 10:30"}, "enters_from"),
        ({"escort": "P022"}, "escort"),
        ({"room": "R8"}, "room"),
        ({"enters_from": "2026-13-01 09:30"}, "enters_from"),
    ],
)
def test_a_visit_that_cannot_be_is_not_asked_for(form, field, room, bureau, acting, clock):
    with pytest.raises(casework_form_error()) as refused:
        file(bureau, acting, clock, "sunli", "room_visit", **{**visit_form(clock.now), **form})
    assert field in refused.value.faults


def test_people_from_outside_are_accompanied(room, bureau, acting, clock):
    outside = directory.register_person(
        SETUP, at=clock.now, code="W001", name="赵强", kind="outside", unit=bureau.unit["IC"], joined_on=date(2026, 1, 1)
    )
    with pytest.raises(casework_form_error()) as refused:
        file(bureau, acting, clock, "sunli", "room_visit", **visit_form(clock.now, "W001"))
    assert "escort" in refused.value.faults
    granted(bureau, acting, clock, visit_form(clock.now, "W001", escort="P022"))
    assert room_entry(outside, room, clock.now) is None
    directory.change_person(SETUP, bureau.person["P022"], at=clock.now, left_on=DAY)
    assert room_entry(outside, room, clock.now).code == "escort_missing"


def test_an_urgent_repair_goes_in_first_and_is_approved_within_hours(room, bureau, vault, acting, clock):
    from anzhang.casework import emergency, revocation, routes

    way, person = routes.current()["room_visit"], bureau.user["sunli"].person
    form = visit_form(clock.now, purpose="repair", minutes=60 * 48)
    case = emergency.act_first(acting("sunli"), way, person.unit, person, "", form, "核心交换机故障", clock.now)
    assert room_entry(bureau.person["P022"], room, clock.now) is None
    clock.advance(hours=25)
    revocation.expire(system("approvals"), clock.now)
    assert room_entry(bureau.person["P022"], room, clock.now).code == "visit_missing"
    assert casework.approval_of(case).revoked_at is not None or casework.approval_of(case).valid_to <= clock.now


def test_an_ordinary_visit_has_no_emergency_path(room, bureau, acting, clock):
    from anzhang.casework import emergency, routes

    person = bureau.user["sunli"].person
    with pytest.raises(RefusedError) as refused:
        emergency.act_first(
            acting("sunli"), routes.current()["room_visit"], person.unit, person, "", visit_form(clock.now), "急", clock.now
        )
    assert refused.value.code == "no_emergency_path"


def test_the_head_who_asks_is_decided_on_above(room, bureau, acting, clock):
    case = file(bureau, acting, clock, "zhouwei", "room_visit", **visit_form(clock.now))
    with pytest.raises(RefusedError) as refused:
        cases.agree(acting("zhouwei"), case, "同意", clock.now)
    assert refused.value.code == "own_case"
    assert through(case, acting, clock, "gaojianguo").state == Case.State.APPROVED


# The registers


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"systems": ["XX"]}, "system_unknown"),
        ({"cards": ["000123 P999"]}, "holder_unknown"),
        ({"cards": ["000123"]}, "invalid"),
        ({"aliases": ["一号机房"]}, "name_taken"),
        ({"grade": 6}, "invalid"),
        ({"duty_from": "20:00", "duty_to": "08:00"}, "invalid"),
        ({"state": "retired"}, "invalid"),
    ],
)
def test_what_is_wrong_with_a_room_is_named(values, code, room, bureau, acting, clock):
    given = {"code": "R2", "name": "二号机房", "unit": bureau.unit["IC"], "in_service_on": DAY, **values}
    with pytest.raises(RefusedError) as refused:
        procedures.register_machine_room(acting("liming"), at=clock.now, **given)
    assert refused.value.code == code


@pytest.mark.parametrize(
    "change_of",
    [
        lambda room: MachineRoom.objects.filter(pk=room.pk).update(grade=6),
        lambda room: MachineRoom.objects.filter(pk=room.pk).update(state="retired"),
        lambda room: Facility.objects.create(room=room, kind="power", name="x", state="absent"),
        lambda room: Shift.objects.create(room=room, person_id=1, starts_at=world.START, ends_at=world.START),
    ],
)
def test_the_database_refuses_what_must_not_be_stored(change_of, room):
    with pytest.raises(IntegrityError), transaction.atomic():
        change_of(room)


# The day sheet (机房日表)


@pytest.fixture
def pages(bureau, tmp_path, settings):
    """Return a browser of somebody, on an installation whose vault is that of the story."""
    settings.HOME = Home(tmp_path)
    return lambda username: enter(Client(), bureau.user[username])


def test_the_day_sheet_shows_the_day(room, duty, device, requirement, bureau, vault, acting, clock, pages):
    sign(duty[0], acting, clock)
    granted(bureau, acting, clock, visit_form(clock.now))
    through(file(bureau, acting, clock, "liming", "equipment_move", **move_form(clock.now)), acting, clock, "wangfang")
    clock.advance(minutes=20)
    seal(
        vault, clock.now, door(clock.now, "张华", "000555"), door(clock.now, "李四", "000666"), door(clock.now, "王芳", "000123"),
        sensor(clock.now, value=31.5), sensor(clock.now, value=20),
    )  # fmt: skip
    clock.advance(minutes=1)
    measure(clock, ENTRY, GRADED, vault=vault)
    page = pages("liming").get("/rooms/R1/2026-11-24/")
    text = page.text
    assert page.status_code == 200
    case = RoomVisit.objects.get().basis.case.number
    for each in (
        "王芳",
        f"出入单 {case}",
        "没有获准的出入单",
        "机房专管员",
        "数据库服务器",
        "31.5",
        "20.0",
        "电子门禁",
        "从未证明",
        "李四于",
    ):
        assert each in text, each
    assert "/cases/new/room_visit/?room=R1&amp;enters_from=2026-11-24T09%3A50" in text
    assert text.count("2026-11-24 09:50:00") == 3
    assert 'value="enter"' not in text  # the officer is no keeper
    assert 'value="enter"' in pages("wangfang").get("/rooms/R1/2026-11-24/").text


def test_an_empty_day_says_that_nothing_was_heard(room, pages):
    text = pages("liming").get("/rooms/R1/2026-11-20/").text
    for each in ("这一天没有排班", "这一天没有获准的出入单", "这一天没有收到门禁日志", "这一天没有设备进出", "这一天没有收到环境读数"):
        assert each in text
    assert "还没有到这一天" in pages("liming").get("/rooms/R1/2027-01-01/").text


def test_the_rooms_are_listed_and_lead_to_today(room, pages):
    reader = pages("liming")
    assert "/rooms/R1/2026-11-24/" in reader.get("/rooms/").text
    assert reader.get("/rooms/R1/")["Location"] == "/rooms/R1/2026-11-24/"
    assert "还没有登记机房" in pages("liuyang").get("/rooms/").text


@pytest.mark.parametrize("path", ["/rooms/R1/", "/rooms/R1/2026-11-24/"])
def test_a_stranger_finds_no_room(path, room, pages):
    assert pages("liuyang").get(path).status_code == 404


@pytest.mark.parametrize("day", ["yesterday", "2026-13-01", "0001-01-01", "20261124x"])
def test_a_day_that_is_none_is_not_found(day, room, pages):
    assert pages("liming").get(f"/rooms/R1/{day}/").status_code == 404


def test_duty_is_signed_and_handed_over_on_the_sheet(duty, acting, clock, pages):
    first = duty[0]
    post_to = "/rooms/R1/2026-11-24/"
    assert 'value="sign_in"' in pages("wangfang").get(post_to).text
    assert pages("guolei").post(post_to, {"verb": "sign_in", "row": first.pk}).status_code == 422
    assert pages("wangfang").post(post_to, {"verb": "sign_in", "row": first.pk}).status_code == 302
    early = pages("wangfang").post(post_to, {"verb": "hand_over", "row": first.pk, "note": "空调异响"})
    assert (early.status_code, "还不能交接" in early.text, "空调异响" in early.text) == (422, True, True)
    clock.now = first.ends_at
    assert pages("wangfang").post(post_to, {"verb": "hand_over", "row": first.pk, "note": "空调异响"}).status_code == 302
    assert "空调异响" in pages("liming").get(post_to).text
    for wrong in ({"verb": "sign_in", "row": "x"}, {"verb": "burn", "row": first.pk}, {"verb": "enter", "row": 99}):
        assert pages("wangfang").post(post_to, wrong).status_code == 404


def test_visitors_and_equipment_are_noted_on_the_sheet(room, device, bureau, acting, clock, pages):
    visit = granted(bureau, acting, clock, visit_form(clock.now))
    through(file(bureau, acting, clock, "liming", "equipment_move", **move_form(clock.now)), acting, clock, "wangfang")
    keeper, sheet = pages("wangfang"), "/rooms/R1/2026-11-24/"
    for verb, row in (("enter", visit), ("leave", visit), ("carry_out", EquipmentMove.objects.get())):
        assert f'value="{verb}"' in keeper.get(sheet).text
        assert keeper.post(sheet, {"verb": verb, "row": row.pk}).status_code == 302
    visit.refresh_from_db()
    assert (visit.left_at, Device.objects.get(code="D1").room) == (clock.now, None)


def test_the_sheet_says_who_may_enter_and_offers_to_apply(room, pages):
    text = pages("liming").get("/rooms/R1/2026-11-24/?person=张华").text
    assert "没有此刻有效的" in text
    assert "/cases/new/room_visit/?room=R1&amp;person=P022" in text
    assert "王芳 此刻可以进入" in pages("liming").get("/rooms/R1/2026-11-24/?person=P012").text
    assert "没有这个人" in pages("liming").get("/rooms/R1/2026-11-24/?person=无名").text


def test_the_offer_opens_the_form_filled_in(room, pages):
    text = pages("sunli").get("/cases/new/room_visit/?room=R1&person=P022&enters_from=2026-11-24T09:50").text
    assert 'type="datetime-local"' in text
    assert 'value="2026-11-24T09:50"' in text


def test_a_sheet_asks_the_database_little(room, duty, pages, django_assert_max_num_queries):
    reader = pages("liming")
    reader.get("/rooms/R1/2026-11-24/")
    with django_assert_max_num_queries(40):
        assert reader.get("/rooms/R1/2026-11-24/").status_code == 200
