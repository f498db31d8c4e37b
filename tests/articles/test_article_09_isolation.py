"""Art. 9: networks that are kept apart are not crossed (A09.1): red on a flow, silent on near-misses, regularized; red on a path in the
configurations, green only where they prove that there is none."""

from __future__ import annotations

from datetime import timedelta

import pytest

from anzhang.casework import wording
from anzhang.casework.models import Verdict
from anzhang.demo.bureau import SETUP
from anzhang.network import procedures as network
from anzhang.network import snapshots
from anzhang.network.models import Link, Zone
from anzhang.network.tables import ConfigSnapshot
from tests.articles import crossings
from tests.articles.crossings import approved, flow, instant, internet, telling
from tests.articles.stories import opened, state, verdict

pytestmark = pytest.mark.usefixtures("bureau")
ISOLATION = "A09.1"
OUT, LINE = "198.51.100.9", "203.0.113.2"


@pytest.fixture(autouse=True)
def zones(bureau, acting, clock):
    return crossings.zones(bureau, acting, clock)


@pytest.fixture
def tell(vault, clock):
    return telling(vault, clock, ISOLATION)


@pytest.mark.parametrize(
    ("source", "target", "zone", "pair"),
    [("10.20.1.7", OUT, "BIZ", "business-internet"), (OUT, "10.30.1.7", "OFF", "office-internet")],
)
def test_a_flow_between_networks_that_are_kept_apart_is_found_with_its_line(source, target, zone, pair, tell, clock):
    assert tell(flow(clock.now, source, target), flow(clock.now, source, target)) == {(f"zone:{zone}", "isolated_pair_crossed"): "open"}
    (finding,) = opened(ISOLATION, "IC")
    assert finding.evidence[0].startswith("line:")
    assert (finding.reason["params"]["pair"], finding.reason["params"]["times"]) == (pair, 2)
    clock.advance(days=8)
    assert tell(flow(clock.now, "10.20.1.7", "10.20.1.8")) == {}, "what was not seen for a week is over"


@pytest.mark.parametrize(
    ("source", "target", "outcome"),
    [
        ("10.20.1.7", OUT, "failure"), ("10.20.1.7", "10.30.1.7", "success"), ("10.90.0.5", OUT, "success"),
        ("10.20.1.7", "172.31.5.20", "success"),
        ("10.20.1.7", "10.20.1.8", "success"),
    ],
    ids=["denied", "business to office, which is no pair", "from the dmz", "a partner's private address", "inside"],
)  # fmt: skip
def test_what_crosses_no_pair_is_silent_and_is_still_no_proof(source, target, outcome, tell, clock):
    assert tell(flow(clock.now, source, target, outcome=outcome), flow(clock.now, "10.20.1.1", "10.20.1.2")) == {}
    assert (state(ISOLATION, None), verdict(ISOLATION, None).why["code"]) == ("unknown", "no_network_devices")
    assert state(ISOLATION, "IC") == "met"


def test_a_link_covers_its_addresses_while_it_holds_and_regularizes_afterwards(bureau, acting, tell, clock):
    at = clock.now
    assert tell(flow(at, "10.20.1.7", LINE)) == {("zone:BIZ", "isolated_pair_crossed"): "open"}
    row = approved(bureau, acting, clock, "link", internet(clock, opens_at=instant(at - timedelta(hours=1))))
    assert tell() == {("zone:BIZ", "isolated_pair_crossed"): "regularized"}
    clock.advance(days=8)
    assert tell(flow(clock.now, LINE, "10.20.1.7")) == {}
    assert tell(flow(clock.now, "10.20.2.7", LINE)) == {("zone:BIZ", "isolated_pair_crossed"): "open"}, "another inner network"
    clock.now = row.valid_to + timedelta(days=8)
    assert tell(flow(clock.now, "10.20.1.7", LINE)) == {("zone:BIZ", "isolated_pair_crossed"): "open"}, "it has ended"


def test_without_flows_it_says_so(tell):
    assert tell() == {}
    assert verdict(ISOLATION, "IC").why["code"] == "no_flows_of_pairs"


FIREWALL = """#
sysname fw9
#
interface GigabitEthernet1/0/1
 ip address 10.20.0.1 255.255.0.0
#
interface GigabitEthernet1/0/2
 ip address 10.30.0.1 255.255.0.0
#
interface GigabitEthernet1/0/3
 ip address 203.0.113.1 255.255.255.248
#
firewall zone trust
 add interface GigabitEthernet1/0/1
 add interface GigabitEthernet1/0/2
#
firewall zone untrust
 add interface GigabitEthernet1/0/3
#
{more}
security-policy
 default action deny
{rules}#
return
"""
OPEN = """ rule name trial
  source-zone untrust
  destination-zone trust
  destination-address 10.20.1.7 mask 255.255.255.255
  service protocol tcp destination-port 443
  action permit
"""


@pytest.fixture
def collect(bureau, clock, tell, zones):
    crossings_device = network.register_device(
        SETUP, at=clock.now, code="FH1", name="边界防火墙", kind="firewall", unit=bureau.unit["IC"], person=bureau.person["P011"],
        zone=zones["BIZ"],
    )  # fmt: skip

    def collect(rules="", more=""):
        clock.advance(minutes=5)
        text = FIREWALL.format(rules=rules, more=more)
        snapshots.receive_snapshot(SETUP, text.encode(), clock.now, device=crossings_device.code, collected_at=clock.now)
        clock.advance(minutes=1)
        return tell(flow(clock.now, "10.20.1.1", "10.20.1.2"))

    return collect


def judged():
    return {(each.unit.code if each.unit else None, each.state) for each in Verdict.objects.filter(obligation=ISOLATION, current=True)}


def test_a_path_in_the_configurations_is_found_with_its_lines_and_gone_when_it_is_closed(collect, clock):
    assert collect() == {}
    assert judged() == {("IC", "met")}, "proved, and nothing unknown is left"
    assert collect(OPEN) == {("zone:BIZ", "configured_path"): "open"}
    (finding,) = opened(ISOLATION, "IC")
    said = finding.reason["params"]
    assert (said["destination"], said["service"], said["pair"]) == ("10.20.1.7", "tcp/443", "business-internet")
    assert said["path"] == "FH1 GigabitEthernet1/0/3→GigabitEthernet1/0/1 rule name trial（23）"
    assert finding.evidence == [f"config_snapshot:{ConfigSnapshot.objects.order_by('-pk')[0].pk}"]
    assert "可到达 10.20.1.7（tcp/443）" in wording.text(finding.reason)
    assert collect() == {}
    assert judged() == {("IC", "met")}


def test_an_approved_link_covers_what_its_scope_holds_and_no_more(bureau, acting, collect, clock):
    approved(bureau, acting, clock, "link", internet(clock))  # 10.20.1.0/24 with 203.0.113.0/29 on tcp/443
    row = Link.objects.get()
    inside = OPEN.replace("  source-zone untrust", f"  source-zone untrust\n  source-address {_masked(row.far_prefixes[0])}")
    inside = inside.replace("10.20.1.7 mask 255.255.255.255", _masked(row.near_prefixes[0]))
    assert collect(inside) == {}
    assert collect(inside.replace("destination-port 443", "destination-port 443 3389")) == {("zone:BIZ", "configured_path"): "open"}


def _masked(network):
    return f"{network.split('/')[0]} mask {network.split('/')[1]}"


@pytest.mark.parametrize(
    ("more", "rules", "code"),
    [
        ("policy-based-route x permit node 5\n#\n", "", "isolation_doubt"),
        ("ip route-static 10.77.0.0 255.255.0.0 10.20.0.99\n#\n", "", "isolation_doubt_next_hop"),
        ("", OPEN.replace("  action permit", "  time-range work\n  action permit"), "isolation_doubt"),
    ],
)
def test_what_was_not_understood_leaves_it_unknown(collect, more, rules, code):
    assert collect(rules, more) == {}
    assert judged() == {("IC", "unknown")}
    assert Verdict.objects.get(obligation=ISOLATION, current=True).why["code"] == code


def test_a_configuration_that_is_missing_or_a_day_old_proves_nothing(bureau, collect, tell, clock):
    collect()
    clock.advance(hours=24)
    assert tell(flow(clock.now, "10.20.1.1", "10.20.1.2")) == {}
    assert Verdict.objects.get(obligation=ISOLATION, current=True).why["code"] == "snapshot_stale"
    collect()
    assert judged() == {("IC", "met")}
    network.register_device(SETUP, at=clock.now, code="LY1", name="路由器", kind="router", unit=bureau.unit["IC"])
    assert tell() == {}
    assert Verdict.objects.get(obligation=ISOLATION, current=True).why["code"] == "device_without_snapshot"


def test_the_internet_is_asked_for_also_where_no_zone_of_that_kind_is_registered(collect):
    Zone.objects.filter(kind="internet").delete()
    assert collect(OPEN) == {("zone:BIZ", "configured_path"): "open"}
