"""Art. 31: what networks reach does not grow beyond the links that were approved (A31.2): by flows, and by configurations."""

from __future__ import annotations

from datetime import timedelta

import pytest

from anzhang.casework.models import Verdict
from anzhang.network import procedures, snapshots
from tests.articles import crossings
from tests.articles.crossings import approved, bank, device, flow, instant, internet, telling
from tests.articles.stories import opened, state, verdict

pytestmark = pytest.mark.usefixtures("bureau")
GROWTH = "A31.2"
SERVER, CLERK = "10.20.1.7", "10.30.1.8"


@pytest.fixture(autouse=True)
def zones(bureau, acting, clock):
    return crossings.zones(bureau, acting, clock)


@pytest.fixture
def tell(vault, clock):
    return telling(vault, clock, GROWTH)


@pytest.fixture
def link(bureau, acting, clock):
    """Approve a link between the office and the business network: clerks reach four servers on two ports."""

    def approve(**changed):
        form = {"code": "LL02", "name": "办公访问业务", "near_zone": "OFF", "near_prefixes": "10.30.0.0/16", "far_zone": "BIZ",
                "far_prefixes": "10.20.1.4/30", "ports": "tcp/443\nicmp", "carrier": "自建", "line_number": ""}  # fmt: skip
        return approved(bureau, acting, clock, "link", internet(clock, **{**form, **changed}))

    return approve


def clerk(at, target=SERVER, port=443, **more):
    return flow(at, CLERK, target, port, **more)


def grown(what):
    return {("link:LL02", f"link_outgrown_{what}"): "open"}


def test_growth_is_found_by_port_address_and_date_with_unit_person_and_line(link, tell, clock):
    row = link()
    clock.advance(minutes=5)
    assert tell(clerk(clock.now, port=1433), clerk(clock.now, port=1433)) == grown("ports")
    (finding,) = opened(GROWTH, "JYC")
    assert finding.person.code == "P021"
    assert finding.evidence[0].startswith("line:")
    params = finding.reason["params"]
    assert (params["source"], params["destination"], params["service"], params["times"]) == (CLERK, SERVER, "tcp/1433", 2)
    assert verdict(GROWTH, "JYC").state == "breach"
    assert tell(clerk(clock.now, "10.20.1.8")) == grown("ports") | grown("addresses")
    assert tell(flow(clock.now, SERVER, CLERK, 3389)) == grown("ports") | grown("addresses"), "the other way round it is growth too"
    clock.advance(days=8)
    assert tell(clerk(clock.now)) == {}, "what was not seen for a week is over"
    clock.now = row.valid_to + timedelta(hours=1)
    assert tell(clerk(row.valid_to - timedelta(seconds=1))) == {}, "a second before the approval's end"
    assert tell(clerk(row.valid_to)) == grown("dates")


def test_what_stays_inside_is_silent_and_is_still_no_proof(bureau, acting, zones, link, tell, clock):
    link()
    jump = device(bureau, acting, clock, zones["OFF"], code="TB1", name="跳板机", kind="jump_host", addresses=["10.30.9.9"])
    clock.advance(minutes=5)
    at = clock.now
    silent = (
        clerk(at), clerk(at, protocol="icmp", port=None), clerk(at, port=1433, outcome="failure"), flow(at, CLERK, "10.30.1.9", 1433),
        flow(at, SERVER, CLERK, 51515, source_port=443, bytes_out=9000),  # the answer half of a session
        flow(at, "10.30.9.9", "10.20.3.3", 22),  # whoever operates by the jump host
        flow(at, "10.20.3.3", "10.30.9.9", 443), flow(at, "10.20.1.7", "172.31.5.20", 9999),  # an outside body
        flow(at, "198.51.100.7", "10.90.0.5", 443),  # a visitor
    )  # fmt: skip
    assert tell(*silent) == {}
    assert (state(GROWTH, "JYC"), verdict(GROWTH, "JYC").why["code"]) == ("unknown", "device_without_snapshot"), "the jump host's"
    assert tell(flow(clock.now, "10.30.9.9", "10.20.3.3", 1433)) == grown("addresses"), "not on the ports of remote operation"
    procedures.change_device(acting("liming"), jump, at=clock.now, kind="server")
    assert tell(flow(clock.now, SERVER, CLERK, 51515, source_port=1433, bytes_out=9000)) == grown("addresses") | grown("ports")


def test_two_networks_without_any_link_show_no_growth_and_nobody_can_say(tell, clock):
    assert tell(clerk(clock.now)) == {}
    assert (state(GROWTH, "IC"), verdict(GROWTH, "IC").why["code"]) == ("unknown", "zones_meet_without_link")
    assert verdict(GROWTH, None).why["code"] == "no_network_devices"


def test_a_link_to_the_internet_is_outgrown_too_and_an_outside_bodys_traffic_is_not_its(bureau, acting, link, tell, clock):
    approved(bureau, acting, clock, "link", internet(clock))
    approved(bureau, acting, clock, "interconnection", bank(clock, peers="198.51.100.16/28"))
    clock.advance(minutes=5)
    at = clock.now
    assert tell(flow(at, SERVER, "203.0.113.2"), flow(at, SERVER, "198.51.100.20", 9999), flow(at, SERVER, "198.51.100.99", 443)) == {
        ("link:LL01", "link_outgrown_addresses"): "open"
    }
    assert opened(GROWTH)[0].reason["params"]["destination"] == "198.51.100.99"


def test_an_approval_afterwards_regularizes_and_a_closed_link_covers_no_more(link, tell, clock):
    link()
    at = clock.now
    clock.advance(minutes=5)
    assert tell(clerk(at + timedelta(minutes=2), port=8443)) == grown("ports")
    clock.advance(hours=1)
    link(code="LL03", name="办公访问业务（扩容）", ports="tcp/8443", opens_at=instant(at))
    assert {finding.state for finding in opened(GROWTH)} == {"open"}
    assert set(tell().values()) == {"regularized"}


def test_without_flows_it_says_so(link, tell):
    link()
    assert tell() == {}
    assert verdict(GROWTH, "JYC").why["code"] == "no_flows_beside_links"


ROUTER = """#
sysname r9
#
acl number 3001
 rule 5 permit tcp source 10.30.0.0 0.0.255.255 destination 10.20.1.4 0.0.0.3 destination-port eq 443
 rule 10 permit icmp source 10.30.0.0 0.0.255.255 destination 10.20.1.4 0.0.0.3
{more} rule 100 deny ip
acl number 3002
 rule 100 deny ip
#
interface GigabitEthernet0/0/1
 ip address 10.30.0.1 255.255.0.0
 traffic-filter inbound acl 3001
#
interface GigabitEthernet0/0/2
 ip address 10.20.0.1 255.255.0.0
 traffic-filter inbound acl 3002
#
return
"""


def test_what_a_configuration_lets_pass_beyond_a_link_is_growth_until_it_is_taken_back_or_approved(bureau, acting, link, tell, clock):
    link()
    procedures.register_device(acting("liming"), at=clock.now, code="LY9", name="路由器", kind="router", unit=bureau.unit["IC"])

    def collect(more=""):
        clock.advance(minutes=5)
        text = ROUTER.format(more=more).encode()
        snapshots.receive_snapshot(acting("liming"), text, clock.now, device="LY9", collected_at=clock.now)
        clock.advance(minutes=1)
        return tell(clerk(clock.now))

    assert collect() == {}
    assert (state(GROWTH, "JYC"), Verdict.objects.filter(obligation=GROWTH, current=True, state="unknown").count()) == ("met", 0)
    grown_by = collect(" rule 20 permit tcp source 10.30.0.0 0.0.255.255 destination 10.20.1.4 0.0.0.3 destination-port eq 1521\n")
    assert grown_by == {("link:LL02", "configured_path"): "open"}
    (finding,) = opened(GROWTH)
    assert (finding.reason["params"]["service"], finding.person.code) == ("tcp/1521", "P021")
    link(code="LL03", ports="tcp/1521")
    clock.advance(minutes=5)
    assert tell(clerk(clock.now)) == {}, "approved now"
