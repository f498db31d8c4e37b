"""Art. 6: no service without an owner (A06.2): what answers on our networks belongs to a system that a unit manages."""

from __future__ import annotations

from datetime import timedelta

import pytest

from anzhang.directory.models import Unit
from anzhang.permissions import Actor, Via
from anzhang.systems import databases, releases
from anzhang.systems import procedures as systems
from tests.articles import crossings
from tests.articles.crossings import device, flow, found, seal, sighting, telling
from tests.articles.stories import measure, opened, state, verdict

pytestmark = pytest.mark.usefixtures("bureau")
OWNERS = "A06.2"
SETUP = Actor(id="setup", via=Via.SETUP)
SHADOW, CLIENT, MAC = "10.20.1.77", "10.30.1.8", "00:1a:2b:3c:4d:5e"
FOUND = {(f"address:{SHADOW}", "service_unowned"): "open"}


@pytest.fixture(autouse=True)
def zones(bureau, acting, clock):
    return crossings.zones(bureau, acting, clock)


@pytest.fixture
def tell(vault, clock):
    return telling(vault, clock, OWNERS)


def asked(at, target=SHADOW, port=8080, source=CLIENT, back=5000, **more):
    return flow(at, source, target, port, source_port=51515, bytes_out=900, bytes_in=back, **more)


def days(clock, make, length=8.0, ends=0.0):
    """Return contacts every twelve hours over so many days, the last one so many days ago."""
    last = clock.now - timedelta(days=ends)
    return [make(last - timedelta(days=length) + timedelta(hours=12 * n)) for n in range(int(length * 2))] + [make(last)]


def environment(bureau, clock, **values):
    system = bureau.system["JY01"]
    given = {"code": "HJ1", "name": "生产环境", "system": system, "kind": "production", "hosts": [], "addresses": [], **values}
    return releases.register_environment(SETUP, at=clock.now, **given)


def test_a_service_that_nobody_registered_is_found_until_a_system_has_it(bureau, tell, clock):
    assert tell(*days(clock, asked), asked(clock.now, source="10.30.1.9")) == FOUND
    (finding,) = opened(OWNERS, "IC")
    params = finding.reason["params"]
    assert (params["place"], params["service"], params["clients"], params["times"]) == (f"业务专网 {SHADOW}", "tcp/8080", 2, 18)
    assert finding.evidence
    assert all(each.startswith("line:") for each in finding.evidence)
    assert state(OWNERS, "IC") == "breach"
    environment(bureau, clock, addresses=[SHADOW])
    assert tell(asked(clock.now, "10.20.1.5", source="10.90.0.5")) == {}, "and every zone is watched"
    assert verdict(OWNERS, "IC").state == "met"


def test_it_is_its_devices_and_gone_when_it_stopped(bureau, acting, zones, tell, clock):
    device(bureau, acting, clock, zones["BIZ"], addresses=[SHADOW])
    assert tell(*days(clock, asked)) == {("device:D1", "service_unowned"): "open"}
    (finding,) = opened(OWNERS, "JYC")
    assert finding.person.code == "P021"
    clock.advance(days=6)
    assert tell(asked(clock.now, "10.20.1.8")) == {("device:D1", "service_unowned"): "open"}
    clock.advance(days=2)
    assert tell(asked(clock.now, "10.20.1.8")) == {}, "its zone was watched and it did not answer"


def test_what_only_looks_like_a_service_without_owner_is_silent(bureau, acting, zones, tell, clock):
    environment(bureau, clock, addresses=["10.20.5.1"], hosts=["jyapp01"])
    mine = {"system": bureau.system["JY01"], "unit": bureau.unit["IC"], "engine": "dm"}
    databases.register_database(SETUP, at=clock.now, code="DB1", name="就业库", addresses=["10.20.5.11"], **mine)
    device(bureau, acting, clock, zones["BIZ"], addresses=["10.20.5.2"], hosts=["jyapp01"])
    device(bureau, acting, clock, zones["BIZ"], code="JH1", name="交换机", kind="switch", addresses=["10.20.5.3"])
    device(bureau, acting, clock, zones["BIZ"], code="ZD1", name="终端", kind="terminal", mac=MAC)
    silent = (
        lambda at: asked(at, "10.20.5.1"), lambda at: asked(at, "10.20.5.2"), lambda at: asked(at, "10.20.5.11", 5236),
        lambda at: asked(at, "10.20.5.3", 443),  # the switch's own
        lambda at: asked(at, "10.20.5.4", 445), lambda at: sighting(at, source_ip="10.20.5.4", source_mac=MAC),  # by lease, its own
        lambda at: asked(at, "10.20.5.5", outcome="failure"),
        lambda at: asked(at, "10.20.5.6", back=60), lambda at: asked(at, "10.20.5.7", back=0),
        lambda at: asked(at, "203.0.113.9"), lambda at: asked(at, "172.31.5.20"),  # not ours
        lambda at: asked(at, "10.20.5.8", 50123),  # a port that machines give out
        lambda at: asked(at, "10.20.5.9", nat_ip="10.20.5.1", nat_port=8443),  # the address before a system's
        lambda at: flow(at, "10.20.5.1", CLIENT, 51515, source_port=443, bytes_out=9000),  # the answer half of a session
    )  # fmt: skip
    told = [event for make in silent for event in days(clock, make)]
    told += days(clock, lambda at: asked(at, "10.20.6.1"), length=6.9)  # a day less
    told += days(clock, lambda at: asked(at, "10.20.6.2"), length=8, ends=9)  # stopped
    told += [asked(clock.now - timedelta(days=10), "10.20.6.3"), asked(clock.now, "10.20.6.3")]  # two scans with a pause between
    assert tell(*told) == {}
    assert state(OWNERS, "IC") == "unknown", "no flow of the area that serves the internet"
    assert verdict(OWNERS, "IC").why["code"] == "zone_without_flows"


def test_answer_halves_alone_show_a_service_and_requests_alone_say_nothing(tell, clock):
    halves = days(clock, lambda at: flow(at, SHADOW, CLIENT, 51515, source_port=8080, bytes_out=9000))
    assert tell(*halves, asked(clock.now, "10.90.0.5")) == FOUND
    assert tell(*days(clock, lambda at: flow(at, CLIENT, "10.20.1.88", 8080))) == FOUND
    assert tell(*days(clock, lambda at: asked(at, "10.20.1.9"), length=1)) == FOUND


def test_a_leased_address_counts_from_the_card_that_has_it_and_three_clients_make_a_high_port_a_service(tell, clock):
    other = "00:1a:2b:3c:4d:5f"
    used = days(clock, asked)
    changed = [sighting(clock.now - timedelta(days=ago), source_ip=SHADOW, source_mac=mac) for ago, mac in ((2, other), (0, MAC))]
    assert tell(*used, *changed) == {}
    makers = [lambda at, last=last: asked(at, "10.20.1.78", 50000, f"10.30.2.{last}") for last in (1, 2, 3)]
    clients = [event for make in makers for event in days(clock, make)]
    assert tell(*clients) == {("address:10.20.1.78", "service_unowned"): "open"}


def test_it_is_without_owner_when_the_environment_or_the_unit_has_ended_for_as_long(bureau, vault, tell, clock):
    row = environment(bureau, clock, addresses=[SHADOW])
    seal(vault, clock, *days(clock, asked))
    assert tell() == {}
    releases.change_environment(SETUP, row, at=clock.now, state="retired")
    clock.advance(days=6)
    assert tell(asked(clock.now)) == {}, "somebody may still come"
    clock.advance(days=2)
    assert tell(asked(clock.now)) == {(f"address:{SHADOW}", "service_orphaned"): "open"}
    assert opened(OWNERS)[0].reason["params"]["system"] == "就业管理服务系统"
    releases.change_environment(SETUP, row, at=clock.now, state="in_service")
    assert tell() == {}
    Unit.objects.filter(pk=bureau.system["JY01"].managing_unit_id).update(closed_on=clock.now.date() - timedelta(days=8))
    measure(clock, OWNERS, vault=vault)
    assert found(OWNERS) == {(f"address:{SHADOW}", "service_orphaned"): "open"}
    systems.change_system(SETUP, bureau.system["JY01"], at=clock.now, managing_unit=bureau.unit["IC"])
    assert tell() == {}, "a unit was named"


def test_one_port_everywhere_is_one_finding_and_many_ports_of_one_place_are_one(tell, clock):
    agents = [event for n in range(1, 52) for event in (asked(clock.now - timedelta(days=d), f"10.20.9.{n}", 7001) for d in (8, 4, 0))]
    ports = [event for n in range(21) for event in (asked(clock.now - timedelta(days=d), SHADOW, 9000 + n) for d in (8, 4, 0))]
    assert tell(*agents, *ports) == {("zone:BIZ", "service_everywhere_unowned"): "open", (f"address:{SHADOW}", "services_unowned"): "open"}


def test_a_server_of_addresses_is_told_of_by_who_asks_it(tell, clock):
    told = days(clock, lambda at: sighting(at, source_mac=MAC, server_ip="10.20.1.3"))
    assert tell(*told) == {("address:10.20.1.3", "service_unowned"): "open"}
    assert opened(OWNERS)[0].reason["params"]["service"] == "udp/67"


def test_without_flows_it_says_so(tell):
    assert tell() == {}
    assert verdict(OWNERS, "IC").why["code"] == "no_flows_of_services"
