"""Art. 9: no internal zone is joined to the internet without a link that the leading group approved (A09.2)."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from anzhang.casework import forms
from anzhang.casework.models import Verdict
from anzhang.network import gate, snapshots
from anzhang.network.models import Link
from tests.articles import crossings
from tests.articles.crossings import approved, flow, instant, internet, sighting, telling
from tests.articles.stories import file, opened, state, through, verdict
from tests.world import actor_of_machine

pytestmark = pytest.mark.usefixtures("bureau")
LINKS = "A09.2"
MAC, OUT, NAT = "00:1a:2b:3c:4d:5e", "198.51.100.9", "203.0.113.2"


@pytest.fixture(autouse=True)
def zones(bureau, acting, clock):
    return crossings.zones(bureau, acting, clock)


@pytest.fixture
def router(bureau, acting, clock, zones):
    return crossings.device(bureau, acting, clock, zones["BIZ"], code="R1", name="出口路由器", kind="router", hosts=["fw01"], mac=MAC)


@pytest.fixture
def tell(vault, clock):
    told = telling(vault, clock, LINKS)
    return lambda *events: told(*events, flow(clock.now, target="10.30.1.1"), sighting(clock.now, source_ip="10.20.1.9"))


@pytest.fixture
def link(bureau, acting, clock):
    return lambda **changed: approved(bureau, acting, clock, "link", internet(clock, **changed))


def nat(at, source="10.20.1.7", outside=NAT, **more):
    return flow(at, source, OUT, nat_ip=outside, **more)


SIGNS = {
    "nat": nat,
    "neighbor": lambda at: sighting(at, neighbor="203.0.113.1", source_mac=MAC),
    "gateway": lambda at: sighting(at, source_mac=MAC, source_ip="203.0.113.3"),
}


@pytest.mark.parametrize("way", SIGNS)
def test_every_way_out_is_found_with_person_unit_and_line(way, router, tell, clock):
    assert tell(SIGNS[way](clock.now)) == {("device:R1", f"link_unapproved_{way}"): "open"}
    (finding,) = opened(LINKS, "JYC")
    assert (finding.person.code, finding.evidence) == ("P021", ["line:n1-000000001:1"])
    assert finding.reason["params"]["zone"] == "业务专网"
    assert verdict(LINKS, "JYC").state == "breach"
    clock.advance(days=8)
    assert tell() == {}, "what was not seen for a week is over"


@pytest.mark.parametrize(
    "event",
    [
        lambda at: nat(at, outcome="failure"),
        lambda at: nat(at, source="10.90.0.5"),
        lambda at: nat(at, outside="10.30.0.1"),
        lambda at: flow(at, target=OUT),
        lambda at: sighting(at, neighbor="10.20.0.1", source_mac=MAC),
        lambda at: sighting(at, neighbor="sw02", source_mac=MAC),
        lambda at: sighting(at, source_mac="00:00:5e:00:01:01", source_ip="203.0.113.3"),
    ],
    ids=["denied", "from the dmz", "to another address of ours", "no translation", "a neighbor of ours", "a name", "nobody's address"],
)
def test_what_joins_nothing_is_silent(event, tell, clock):
    assert tell(event(clock.now)) == {}


def test_a_gateway_that_nobody_registered_is_found_by_its_inner_address(tell, clock):
    events = (
        sighting(clock.now, source_mac="00:00:5e:00:01:01", source_ip="203.0.113.3"),
        sighting(clock.now, source_mac="00:00:5e:00:01:01", source_ip="10.30.0.1"),
    )
    assert tell(*events) == {("zone:OFF", "link_unapproved_gateway"): "open"}
    (finding,) = opened(LINKS)
    assert finding.unit.code == "IC"


@pytest.mark.parametrize("way", SIGNS)
def test_an_approved_link_is_silent_until_the_second_it_ends(way, router, link, tell, clock):
    row = link()
    clock.now = row.valid_to + timedelta(hours=1)
    assert tell(SIGNS[way](row.valid_to - timedelta(seconds=1))) == {}
    assert tell(SIGNS[way](row.valid_to)) == {("device:R1", f"link_unapproved_{way}"): "open"}


@pytest.mark.parametrize(
    "event",
    [lambda at: nat(at, source="10.20.2.7"), lambda at: nat(at, source="10.30.1.7"), lambda at: nat(at, outside="203.0.113.8")],
    ids=["another inner network", "another zone", "another line"],
)
def test_a_link_covers_its_own_prefixes_only(event, router, link, tell, clock):
    link()
    clock.advance(minutes=5)
    assert tell(event(clock.now)) == {("device:R1", "link_unapproved_nat"): "open"}


def test_a_link_may_be_written_from_either_end(router, link, tell, clock):
    link(near_zone="NET", near_prefixes="203.0.113.0/29", far_zone="BIZ", far_prefixes="10.20.1.0/24")
    clock.advance(minutes=5)
    assert tell(nat(clock.now)) == {}
    assert gate.link_activation(gate.Passage("10.20.1.7", "203.0.113.1", "tcp/443"), clock.now) is None


def test_an_approval_afterwards_regularizes(router, link, tell, clock):
    at = clock.now
    assert tell(nat(at)) == {("device:R1", "link_unapproved_nat"): "open"}
    clock.advance(hours=2)
    link(opens_at=instant(at - timedelta(hours=1)))
    assert tell() == {("device:R1", "link_unapproved_nat"): "regularized"}


# What devices are set up for

CONFIG = """hostname fw01
interface Gi0/0
 ip address 10.20.0.1 255.255.0.0
{more}ip route 10.9.0.0 255.255.0.0 10.20.0.9
logging host 10.20.9.5
"""
LINES = {
    "address": "interface Gi0/1\n ip address 203.0.113.2 255.255.255.248\n", "route": "ip route 0.0.0.0 0.0.0.0 203.0.113.1\n",
    "neighbor": "router bgp 65001\n neighbor 203.0.113.1 remote-as 4134\n",
    "tunnel": "interface Tunnel1\n tunnel destination 203.0.113.6\n",
    "nat": "ip nat inside source static tcp 10.20.1.7 443 203.0.113.5 443\n",
}  # fmt: skip


def collect(clock, more=""):
    return snapshots.receive_snapshot(actor_of_machine(), CONFIG.format(more=more).encode(), clock.now)


def test_it_is_green_only_while_every_configuration_is_fresh_and_read(router, tell, bureau, acting, clock):
    assert tell() == {}
    assert verdict(LINKS, "JYC").why["code"] == "device_without_snapshot"
    collect(clock)
    assert tell() == {}
    assert (state(LINKS, "IC"), Verdict.objects.filter(obligation=LINKS, current=True, state="unknown").count()) == ("met", 0)
    clock.advance(minutes=1)
    collect(clock, "interface Gi0/1\n ip address dhcp\n")
    assert tell() == {}
    assert verdict(LINKS, "JYC").why["code"] == "snapshot_unread"
    clock.advance(minutes=1)
    collect(clock, "ip route 0.0.0.0 0.0.0.0 Dialer0\n")
    assert tell() == {}
    assert verdict(LINKS, "JYC").why["code"] == "default_route_without_hop"
    clock.advance(hours=49)
    assert tell() == {}
    assert verdict(LINKS, "JYC").why["code"] == "snapshot_stale"


@pytest.mark.parametrize("way", LINES)
def test_what_a_device_is_set_up_for_is_found_with_its_line_until_a_link_is_approved(way, router, link, tell, clock):
    row = collect(clock, LINES[way])
    assert tell() == {("configuration:R1", f"config_way_out_{way}"): "open"}
    (finding,) = opened(LINKS, "JYC")
    assert (finding.person.code, finding.evidence) == ("P021", [f"config_snapshot:{row.pk}"])
    params = finding.reason["params"]
    assert params["text"] == CONFIG.format(more=LINES[way]).split("\n")[params["line"] - 1].strip()
    assert params["zone"] == "业务专网"
    link(opens_at=instant(clock.now - timedelta(hours=1)))
    assert tell() == {("configuration:R1", f"config_way_out_{way}"): "regularized"}
    collect(clock, LINES[way])
    assert tell() == {}
    assert state(LINKS, "IC") == "met"


@pytest.mark.parametrize(
    ("more", "changed"),
    [
        ("ip route 0.0.0.0 0.0.0.0 10.20.0.9\n", {}), ("router bgp 65001\n neighbor 10.20.0.7 remote-as 65002\n", {}),
        (LINES["address"].replace("203.0.113.2", "10.90.0.2"), {}), (LINES["route"], {"zone": "DMZ"}),
    ],
    ids=["a hop of ours", "a neighbor of ours", "the dmz", "a router of the dmz"],
)  # fmt: skip
def test_what_a_device_is_set_up_for_inside_is_silent(more, changed, bureau, acting, tell, clock, zones):
    crossings.device(bureau, acting, clock, zones[changed.get("zone", "BIZ")], code="R1", name="出口路由器", kind="router", hosts=["fw01"])
    text = CONFIG.format(more=more)
    text = text.replace("10.20.0.1 255.255.0.0", "10.90.0.1 255.255.255.0") if changed else text
    snapshots.receive_snapshot(actor_of_machine(), text.encode(), clock.now)
    assert tell() == {}


def test_a_link_of_another_address_or_inner_network_covers_no_configuration(router, link, tell, clock):
    link(near_prefixes="10.20.2.0/24", far_prefixes="203.0.113.0/30")
    clock.advance(minutes=1)
    collect(clock, LINES["nat"] + LINES["route"] + LINES["tunnel"])
    assert tell() == {("configuration:R1", "config_way_out_nat"): "open", ("configuration:R1", "config_way_out_tunnel"): "open"}


def test_without_streams_it_says_which_is_missing(vault, clock):
    told = telling(vault, clock, LINKS)
    assert told(flow(clock.now, target="10.30.1.1")) == {}
    whys = json.dumps(verdict(LINKS, "IC").why)
    assert "no_sightings_of_links" in whys
    assert "no_flows_of_links" not in whys


def test_a_late_line_is_found(router, tell, clock):
    assert tell() == {}
    clock.advance(days=2)
    assert tell(nat(clock.now - timedelta(days=1))) == {("device:R1", "link_unapproved_nat"): "open"}


def test_the_group_opens_a_link_and_the_office_closes_it(bureau, acting, link, clock):
    passage = gate.Passage("10.20.1.7", "203.0.113.1", "tcp/443")
    refused = gate.link_activation(passage, clock.now)
    assert refused.code == "link_missing"
    assert "网络链路申请" in refused.remedy
    row = link()
    assert gate.link_activation(passage, clock.now) is None
    assert gate.link_activation(row, clock.now) is None
    assert gate.link_activation(gate.Passage("10.20.1.7", "203.0.113.1", "tcp/22"), clock.now).code == "link_missing"
    assert gate.link_activation(row, row.valid_to).code == "link_missing"
    case = file(bureau, acting, clock, "sunli", "link_closing", link="LL01", reason="线路退租")
    through(case, acting, clock, "zhengkai")
    assert gate.link_activation(row, clock.now).code == "link_missing"
    assert Link.objects.get(superseded_at=None).valid_to == clock.now


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"far_zone": "BIZ", "far_prefixes": "10.20.1.0/24"}, "far_zone"),
        ({"near_prefixes": "10.30.0.0/24"}, "near_prefixes"),
        ({"far_prefixes": "10.90.0.0/24"}, "far_prefixes"),
        ({"far_prefixes": "203.0.0.0/8"}, "far_prefixes"),
        ({"ports": ""}, "ports"),
        ({"near_zone": "XX"}, "near_zone"),
    ],
)
def test_a_form_that_cannot_be_carried_out_is_refused(changed, field, bureau, acting, clock):
    with pytest.raises(forms.FormError) as error:
        file(bureau, acting, clock, "sunli", "link", **internet(clock, **changed))
    assert set(error.value.faults) == {field}
