"""Art. 4: the leading group, its Office, planning and grading. A04.1, A04.2. What they deploy and sign: test_article_04_supervision.py."""

from datetime import timedelta

import pytest

from anzhang import clock as wall
from anzhang.casework.models import Act
from anzhang.demo.bureau import SETUP
from anzhang.directory import procedures as directory
from anzhang.directory.models import Delegation, LeadingGroupMember
from anzhang.events import Event
from anzhang.journal.procedures import write
from anzhang.network import procedures as network
from anzhang.network.models import Link
from anzhang.rooms.models import MachineRoom
from anzhang.systems import databases
from anzhang.systems import procedures as systems
from anzhang.systems.models import System
from tests.articles.crossings import approved, internet, zones
from tests.articles.stories import file, measure, opened, state, through, verdict


def test_a_system_without_planning_flag_is_a_breach_until_it_has_one(bureau, acting, clock):
    measure(clock, "A04.2")
    assert state("A04.2", "JYC") == "met"
    system = systems.register_system(
        acting("liuyang"), at=clock.now, code="PX01", name="职业培训报名系统", kind="website", managing_unit=bureau.unit["JYC"],
        responsible_unit=bureau.unit["JYC"],
    )  # fmt: skip
    measure(clock, "A04.2")
    assert verdict("A04.2", "JYC").why["code"] == "system_without_both"
    assert [finding.subject for finding in opened("A04.2")] == ["system:PX01"]
    systems.change_system(acting("liuyang"), system, at=clock.now, centrally_planned=False)
    measure(clock, "A04.2")
    assert verdict("A04.2", "JYC").why["code"] == "system_without_level"
    systems.change_system(acting("liuyang"), System.objects.get(code="PX01"), at=clock.now, management_level="unit")
    measure(clock, "A04.2")
    assert state("A04.2", "JYC") == "met"
    assert opened("A04.2") == []


def test_a_system_that_is_not_in_service_owes_nothing_yet(bureau, acting, clock):
    systems.register_system(
        acting("liuyang"), at=clock.now, code="PX01", name="职业培训报名系统", managing_unit=bureau.unit["JYC"], state="building",
        responsible_unit=bureau.unit["JYC"],
    )  # fmt: skip
    measure(clock, "A04.2")
    assert (state("A04.2", "JYC"), verdict("A04.2", "JYC").population) == ("met", 1)


def resolved(bureau, acting, clock):
    """A resolution of the leading group, filed by the Office and carried by two of three."""
    case = file(bureau, acting, clock, "wujie", "leading_group_member", person="P010", role="member")
    return through(case, acting, clock, "gaojianguo", "hemin")


@pytest.mark.usefixtures("bureau")
def test_no_resolution_yet_leaves_nothing_to_judge(clock):
    measure(clock, "A04.1")
    assert state("A04.1", None) == "not_applicable"


def test_signatures_of_members_in_term_count(bureau, acting, clock):
    assert resolved(bureau, acting, clock).state == "approved"
    measure(clock, "A04.1")
    assert (state("A04.1", None), verdict("A04.1", None).population) == ("met", 1)


def test_a_signature_after_the_term_is_a_breach_until_the_term_is_corrected(bureau, acting, clock):
    case = resolved(bureau, acting, clock)
    term = LeadingGroupMember.objects.get(person__code="P002")
    term.valid_to = Act.objects.get(case=case, person__code="P002", verb="agree").at
    term.save()
    measure(clock, "A04.1")
    assert verdict("A04.1", None).why["code"] == "signer_out_of_term"
    assert len(opened("A04.1")) == 1
    term.valid_to += timedelta(seconds=1)
    term.save()
    measure(clock, "A04.1")
    assert state("A04.1", None) == "met"


def test_a_deputy_signs_within_the_delegation_only(bureau, acting, clock):
    case = resolved(bureau, acting, clock)
    act = Act.objects.get(case=case, person__code="P002", verb="agree")
    LeadingGroupMember.objects.filter(person__code="P002").update(valid_to=act.at)
    paper = Delegation.objects.create(
        principal=bureau.person["P001"], deputy=bureau.person["P002"], duty="leading_group", valid_from=act.at - timedelta(days=1),
        valid_to=act.at + timedelta(days=1), recorded_at=clock.now,
    )  # fmt: skip
    measure(clock, "A04.1")
    assert state("A04.1", None) == "met"
    paper.valid_to = act.at
    paper.save()
    measure(clock, "A04.1")
    assert state("A04.1", None) == "breach"


# A04.7


def test_a_system_that_nobody_answers_for_is_a_breach_after_the_vacancy_until_somebody_does(bureau, acting, clock):
    systems.register_system(
        acting("liuyang"), at=clock.now, code="PX01", name="职业培训报名系统", managing_unit=bureau.unit["HRSS"],
        responsible_unit=bureau.unit["HRSS"],
    )  # fmt: skip
    measure(clock, "A04.7")
    assert opened("A04.7") == []  # a new system is given its time
    clock.advance(days=7)
    measure(clock, "A04.7")
    assert opened("A04.7") == []
    clock.advance(days=1)
    measure(clock, "A04.7")
    (found,) = opened("A04.7")
    assert (state("A04.7", "HRSS"), found.reason["code"], found.subject) == ("breach", "system_without_keeper", "system:PX01")
    person = bureau.person["P002"]
    directory.start_assignment(
        SETUP, person=person, duty="system_manager", unit=person.unit, system=System.objects.get(code="PX01"), basis=None,
        valid_from=clock.now, at=clock.now,
    )  # fmt: skip
    measure(clock, "A04.7")
    assert (state("A04.7", "HRSS"), opened("A04.7")) == ("met", [])


def test_a_system_whose_every_keeper_has_left_is_a_breach_at_once(bureau, clock):
    measure(clock, "A04.7")
    assert state("A04.7", "JYC") == "met"  # a post of the unit that names no system stands for all of them
    for code in ("P022", "P023"):
        bureau.person[code].left_on = wall.day_of(clock.now)
        bureau.person[code].save()
    measure(clock, "A04.7")
    (found,) = opened("A04.7", "JYC")
    assert (found.reason["code"], found.reason["params"]["person"]) == ("system_keeper_left", "唐欣、张华")
    bureau.person["P023"].left_on = None
    bureau.person["P023"].save()
    measure(clock, "A04.7")
    assert (state("A04.7", "JYC"), opened("A04.7", "JYC")) == ("met", [])


def test_a_device_without_anybody_is_given_its_days_and_one_whose_keeper_left_none(bureau, clock):
    kept = network.register_device(
        SETUP, at=clock.now, code="FW1", name="服务器一", kind="server", unit=bureau.unit["JYC"], person=bureau.person["P023"]
    )
    bare = network.register_device(SETUP, at=clock.now, code="FW2", name="服务器二", kind="server", unit=bureau.unit["JYC"])
    network.register_device(SETUP, at=clock.now, code="FW3", name="备用", kind="server", unit=bureau.unit["JYC"], state="stock")
    base = databases.register_database(SETUP, at=clock.now, code="DB1", name="缴费库", engine="mysql", unit=bureau.unit["IC"])
    bureau.person["P021"].left_on = wall.day_of(clock.now)
    bureau.person["P021"].save()
    clock.advance(days=7)
    measure(clock, "A04.7")
    assert opened("A04.7") == []
    network.change_device(SETUP, kept, at=clock.now, person=bureau.person["P021"])
    clock.advance(days=1)
    measure(clock, "A04.7")
    found = {each.subject: each for each in opened("A04.7")}
    assert {key: each.reason["code"] for key, each in found.items()} == {
        "device:FW1": "thing_keeper_left", "device:FW2": "thing_without_keeper", "database:DB1": "thing_without_keeper",
    }  # fmt: skip
    assert found["device:FW1"].evidence == [f"device:{kept.pk}", f"person:{bureau.person['P021'].pk}"]
    kept.refresh_from_db()
    network.change_device(SETUP, kept, at=clock.now, person=bureau.person["P022"])
    network.change_device(SETUP, bare, at=clock.now, person=bureau.person["P022"])
    databases.change_database(SETUP, base, at=clock.now, person=bureau.person["P011"])
    measure(clock, "A04.7")
    assert (state("A04.7", "JYC"), opened("A04.7")) == ("met", [])


def test_links_and_rooms_are_answered_for_too(bureau, acting, clock):
    room = MachineRoom(code="JF1", name="中心机房", unit=bureau.unit["IC"], in_service_on=wall.day_of(clock.now) - timedelta(days=30))
    write(SETUP, Event.ROW_CREATE, room, at=clock.now)
    measure(clock, "A04.7")
    assert [(each.subject, each.reason["code"]) for each in opened("A04.7")] == [("machine_room:JF1", "room_without_keeper")]
    person = bureau.person["P011"]
    directory.start_assignment(
        SETUP, person=person, duty="room_keeper", unit=person.unit, room=room, basis=None, valid_from=clock.now, at=clock.now,
    )  # fmt: skip
    measure(clock, "A04.7")
    assert opened("A04.7") == []
    zones(bureau, acting, clock)
    approved(bureau, acting, clock, "link", internet(clock))
    measure(clock, "A04.7")
    assert opened("A04.7") == []
    link = Link.objects.get()
    link.person.left_on = wall.day_of(clock.now)
    link.person.save()
    measure(clock, "A04.7")
    assert (f"link:{link.code}", "thing_keeper_left") in {(each.subject, each.reason["code"]) for each in opened("A04.7")}
