"""Art. 9: no device of an internal zone touches the internet, stands in two zones, or is set up to leave (A09.3)."""

from __future__ import annotations

import json
from datetime import UTC, date, timedelta

import pytest

from anzhang.engines.vault import Batch
from anzhang.network import procedures
from tests.articles.stories import measure, opened, state, verdict
from tests.endpoints import reports
from tests.endpoints.conftest import endpoint, product, report

__all__ = ["endpoint", "product", "report"]  # fixtures
pytestmark = pytest.mark.usefixtures("bureau")
OFFLINE = "A09.3"
MAC, OTHER = "00:1a:2b:3c:4d:5e", "00:1a:2b:3c:4d:99"
OUT = "203.0.113.9"


@pytest.fixture
def zones(bureau, acting, clock):
    told = {
        "YW": ("柜面专网", "business", ["10.40.0.0/16"]),
        "BIZ": ("业务专网", "business", ["10.20.0.0/16", "fd20::/32"]), "OFF": ("办公网", "office", ["10.30.0.0/16"]),
        "DMZ": ("对外服务区", "dmz", ["10.90.0.0/24"]), "NET": ("互联网", "internet", []),
    }  # fmt: skip
    return {
        code: procedures.register_zone(
            acting("liming"), at=clock.now, code=code, name=name, kind=kind, networks=networks, unit=bureau.unit["IC"]
        )
        for code, (name, kind, networks) in told.items()
    }


@pytest.fixture
def device(bureau, acting, clock, zones):
    """Return what registers a device of 就业促进处 with one interface."""

    def made(code="D1", mac=MAC, addresses=("10.20.1.7",), zone="BIZ", **values):
        given = {
            "code": code, "name": f"设备{code}", "kind": "terminal", "unit": bureau.unit["JYC"], "person": bureau.person["P021"],
            "hosts": [], "in_service_on": date(2024, 1, 1), "zone": zones[zone] if zone else None, **values,
        }  # fmt: skip
        row = procedures.register_device(acting("liming"), at=clock.now, **given)
        procedures.register_interface(acting("liming"), at=clock.now, device=row, name="eth0", mac=mac, addresses=list(addresses))
        return row

    return made


@pytest.fixture
def told(vault, clock):
    """Return what seals events and measures a minute later."""

    def seal(*events: tuple) -> dict[str, str]:
        lines = []
        for stream, at, values in events:
            said = {"stream": stream, "time": at.astimezone(UTC).isoformat(), **values}
            lines.append(f"<30>1 {at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ} fw01 netwatch 1 - - {json.dumps(said)}\n")
        with vault.writer() as writer:
            writer.append(Batch("PROBE", "".join(lines).encode(), clock.now))
            writer.seal(clock.now)
        clock.advance(minutes=1)
        measure(clock, OFFLINE, vault=vault)
        return {finding.subject: finding.reason["code"] for finding in opened(OFFLINE)}

    return seal


def flow(at, source="10.20.1.7", target=OUT, outcome="success", **more):
    return "flow_event", at, {"source_ip": source, "destination_ip": target, "result": outcome, "action": "allowed", **more}


def lease(at, mac=MAC, ip="10.20.1.7"):
    return "sighting_event", at, {"source_mac": mac, "source_ip": ip, "action": "lease"}


def test_a_flow_to_the_internet_is_found_with_its_line_and_over_after_a_week(device, told, clock):
    device()
    assert told(flow(clock.now, target="10.30.1.1")) == {}
    assert told(flow(clock.now)) == {"device:D1": "device_on_internet"}
    (finding,) = opened(OFFLINE, "JYC")
    assert finding.person.code == "P021"
    assert finding.reason["params"]["zone"] == "业务专网"
    assert finding.evidence == ["line:n1-000000002:2"]
    assert verdict(OFFLINE, "JYC").state == "breach"
    clock.advance(days=7)
    assert told(flow(clock.now, target="10.30.1.1")) == {}


@pytest.mark.parametrize(
    "event",
    [
        lambda at: flow(at, outcome="failure"),
        lambda at: flow(at, source="10.90.0.5"),
        lambda at: flow(at, target="172.31.255.255"),
        lambda at: flow(at, target="100.64.1.1"),
        lambda at: flow(at, source="198.51.100.4", target=OUT),
        lambda at: ("dns_event", at, {"source_ip": "10.20.1.7", "server_ip": "10.20.0.53", "question_name": "example.com"}),
    ],
    ids=["denied", "from the dmz", "to a private address", "to a shared address", "not ours", "asked an internal server"],
)
def test_what_is_no_contact_is_silent(event, device, told, clock):
    device()
    device("D2", OTHER, ["10.90.0.5"], "DMZ")
    assert told(event(clock.now), flow(clock.now, target="10.30.1.1")) == {}


@pytest.mark.parametrize(
    "event",
    [
        lambda at: ("dns_event", at, {"source_ip": "10.20.1.7", "server_ip": "223.5.5.5", "question_name": "example.com"}),
        lambda at: ("beacon_event", at, {"beacon": "b1", "source_mac": "001A.2B3C.4D5E", "source_ip": "198.51.100.7"}),
        lambda at: ("beacon_event", at, {"beacon": "b1", "device_name": "设备D1", "source_ip": "198.51.100.7"}),
        lambda at: flow(at, source="240e:1::9", target="10.20.1.7"),
        lambda at: flow(at, source="10.20.99.99", source_mac=MAC),
    ],
    ids=["dns", "beacon by hardware address", "beacon by name", "from the internet to it", "by hardware address"],
)
def test_every_way_to_the_internet_is_a_contact(event, device, told, clock):
    device()
    assert told(event(clock.now)) == {"device:D1": "device_on_internet"}


def test_an_address_of_ipv6_belongs_to_its_zone_and_device(device, told, clock):
    device(addresses=["fd20::7"])
    assert told(flow(clock.now, "fd20::7", "240e::1")) == {"device:D1": "device_on_internet"}
    assert told(flow(clock.now, "fd20::8", "240e::1")) == {"device:D1": "device_on_internet", "address:fd20::8": "address_on_internet"}


def test_a_leased_address_belongs_to_who_held_it_at_that_minute(device, told, clock):
    device("D1", MAC, ())
    device("D2", OTHER, ())
    at = clock.now
    events = lease(at - timedelta(hours=5)), lease(at - timedelta(hours=4)), lease(at - timedelta(hours=2), OTHER)
    assert told(*events, flow(at - timedelta(hours=1))) == {"device:D2": "device_on_internet"}


def test_the_lease_that_began_after_the_contact_is_not_blamed(device, told, clock):
    device("D1", MAC, ())
    device("D2", OTHER, ())
    at = clock.now
    events = lease(at - timedelta(hours=5)), flow(at - timedelta(hours=3)), lease(at - timedelta(hours=2), OTHER)
    assert told(*events) == {"device:D1": "device_on_internet"}


def test_where_two_held_it_in_turns_the_address_is_found(device, told, clock):
    device("D1", MAC, ())
    device("D2", OTHER, ())
    at = clock.now
    events = (
        lease(at - timedelta(hours=5)),
        lease(at - timedelta(hours=4), OTHER),
        lease(at - timedelta(minutes=20)),
        flow(at - timedelta(hours=1)),
    )
    assert told(*events, lease(at - timedelta(minutes=10), OTHER)) == {"address:10.20.1.7": "address_on_internet"}
    (finding,) = opened(OFFLINE)
    assert finding.unit.code == "IC", "the zone's unit answers"


def test_a_device_in_two_zones_on_one_day_is_found_and_a_firewall_is_not(device, told, clock):
    device("D1", MAC, ())
    device("D2", OTHER, (), kind="firewall")
    at = clock.now
    watch = flow(at, "10.20.0.1", "10.30.0.1")
    moves = [lease(at - timedelta(hours=1), mac, ip) for mac in (MAC, OTHER) for ip in ("10.20.1.7", "10.30.1.7")]
    assert told(*moves, watch) == {"device:D1": "device_in_two_zones"}
    (finding,) = opened(OFFLINE)
    assert finding.reason["params"]["zones"] == "业务专网、办公网"
    assert len(finding.evidence) == 2


def test_a_device_that_moved_overnight_or_within_its_zone_is_not_in_two(device, told, clock):
    device("D1", MAC, ())
    at = clock.now.replace(hour=15, minute=59, second=59)  # a second before Beijing's midnight
    clock.now = at + timedelta(hours=1)
    assert (
        told(lease(at), lease(at + timedelta(seconds=1), ip="10.30.1.7"), lease(at, ip="10.20.9.9"), flow(at, "10.20.0.1", "10.30.0.1"))
        == {}
    )


def test_without_evidence_nothing_is_green(device, told, vault, clock):
    measure(clock, OFFLINE, vault=vault)
    assert state(OFFLINE, None) == "unknown"
    device()
    device("D9", OTHER, (), zone=None)
    assert told(lease(clock.now)) == {}
    assert state(OFFLINE, "JYC") == "unknown"
    whys = json.dumps(verdict(OFFLINE, "JYC").why)
    assert "no_watch_of_internet" in whys
    assert "devices_without_zone" in whys


def test_a_line_that_comes_a_day_late_is_found(device, told, clock):
    device()
    assert told(flow(clock.now, target="10.30.1.1")) == {}
    clock.advance(days=2)
    assert told(flow(clock.now - timedelta(days=1, hours=3))) == {"device:D1": "device_on_internet"}
    (finding,) = opened(OFFLINE)
    assert finding.reason["params"]["at"].startswith("2026-11-25")


# How an endpoint reaches networks, by its own report


def network(**changes):
    told = {"default_routes": 1, "active": [{"name": "以太网", "kind": "wired"}], "proxy": "", "sharing": False}
    return reports.content(date(2026, 11, 24), network={**told, **changes})


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"default_routes": 2}, "posture_second_route"),
        ({"active": [{"name": "以太网", "kind": "wired"}, {"name": "WLAN", "kind": "wireless"}]}, "posture_outside_adapter"),
        ({"active": [{"name": "4G", "kind": "mobile"}]}, "posture_outside_adapter"),
        ({"proxy": "http://192.168.43.1:8080"}, "posture_proxy"),
        ({"sharing": True}, "posture_sharing"),
    ],
)
def test_an_endpoint_that_could_leave_is_found_by_its_report_and_green_when_it_cannot(changes, code, endpoint, report, told, clock):
    endpoint()
    sent = report(given=network(**changes))
    assert (sent.state, sent.reasons[0]["code"]) == ("fail", code), "the gate sees it too"
    assert told(flow(clock.now, "10.40.0.1", "10.30.0.1")) == {"endpoint:C1": code}
    (finding,) = opened(OFFLINE, "JYC")
    assert (finding.person.code, finding.evidence) == ("P021", [f"posture_report:{sent.pk}"])
    assert report(given=network()).state == "pass"
    assert told(flow(clock.now, "10.40.0.1", "10.30.0.1")) == {}
    assert state(OFFLINE, "JYC") == "met"


def test_a_tunnel_and_a_virtual_adapter_are_no_way_out(endpoint, report, told, clock):
    endpoint()
    active = [{"name": name, "kind": kind} for name, kind in (("以太网", "wired"), ("vEthernet", "virtual"), ("tun0", "tunnel"))]
    assert report(given=network(active=active)).state == "pass"
    assert told(flow(clock.now, "10.40.0.1", "10.30.0.1")) == {}


def test_a_report_that_says_nothing_of_the_network_leaves_it_unknown(endpoint, report, told, clock):
    endpoint()
    assert told(flow(clock.now, "10.40.0.1", "10.30.0.1")) == {}
    assert "endpoint_without_report" in json.dumps(verdict(OFFLINE, "JYC").why)
    assert report().state == "pass", "it may come in all the same"
    assert told(flow(clock.now, "10.40.0.1", "10.30.0.1")) == {}
    assert verdict(OFFLINE, "JYC").state == "unknown"
    assert "posture_without_network" in json.dumps(verdict(OFFLINE, "JYC").why)


def test_an_endpoint_of_no_device_is_known_by_its_own_hardware_address(endpoint, report, told, clock):
    endpoint(mac=MAC)
    report(given=network())
    assert told(flow(clock.now, "10.40.1.1", source_mac=MAC)) == {"endpoint:C1": "device_on_internet"}
