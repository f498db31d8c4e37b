"""Art. 31: nothing passes between networks beyond the links that were approved (A31.2)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.articles import crossings
from tests.articles.crossings import approved, flow, instant, internet, telling
from tests.articles.stories import opened, state, verdict

pytestmark = pytest.mark.usefixtures("bureau")
GROWTH = "A31.2"
OFFICE, SERVER, LINE = "10.30.1.7", "10.20.1.7", "203.0.113.2"
JOINED, OUTGROWN = ("zone:OFF", "networks_joined"), ("zone:OFF", "link_outgrown")


@pytest.fixture(autouse=True)
def zones(bureau, acting, clock):
    return crossings.zones(bureau, acting, clock)


@pytest.fixture
def tell(vault, clock):
    return telling(vault, clock, GROWTH)


def inside(clock, **changed):
    """Return the form of a link of the office network to the servers."""
    given = {
        "code": "LL02", "name": "办公访问", "near_zone": "OFF", "near_prefixes": "10.30.1.0/24", "far_zone": "BIZ",
        "far_prefixes": "10.20.1.0/24", "ports": "tcp/443\ntcp/8000-8010", **changed,
    }  # fmt: skip
    return internet(clock, **given)


def test_networks_that_no_link_joins_are_found_and_approved_afterwards(bureau, acting, tell, clock):
    at = clock.now
    assert tell(flow(at, OFFICE, SERVER), flow(at, OFFICE, "10.20.1.8")) == {JOINED: "open"}
    (finding,) = opened(GROWTH, "IC")
    told = finding.reason["params"]
    assert (told["other"], told["port"], told["ways"], finding.evidence[0][:5]) == ("业务专网", "tcp/443", 2, "line:")
    approved(bureau, acting, clock, "link", inside(clock, opens_at=instant(at - timedelta(hours=1))))
    assert tell() == {("zone:OFF", "link_outgrown"): "regularized"}
    clock.advance(days=8)
    assert tell(flow(clock.now, OFFICE, SERVER)) == {}
    assert state(GROWTH, "IC") == "met"


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ((OFFICE, SERVER, 443), False),
        ((OFFICE, SERVER, 8010), False),
        ((SERVER, OFFICE, 443), False),
        ((OFFICE, SERVER, 8011), True),
        ((OFFICE, "10.20.2.7", 443), True),
        (("10.30.2.7", SERVER, 443), True),
        ((OFFICE, SERVER, 443, "success", "udp"), True),
        ((OFFICE, SERVER, 8011, "failure"), False),
        ((OFFICE, "10.30.9.9", 22), False),
        ((OFFICE, "172.31.5.20", 443), False),
        ((OFFICE, LINE, 443), False),
        ((OFFICE, SERVER, None, "success", "tcp"), False),
    ],
    ids=[
        "approved", "the last port", "the other way", "a port more", "an address more", "another client", "another protocol", "denied",
        "inside one network", "a partner, which is A10.4's", "the internet without a link, which is A09.2's", "no port told",
    ],
)  # fmt: skip
def test_a_link_is_held_to_its_prefixes_and_ports(given, found, bureau, acting, tell, clock):
    approved(bureau, acting, clock, "link", inside(clock))
    clock.advance(minutes=5)
    assert tell(flow(clock.now, *given)) == ({OUTGROWN: "open"} if found else {})


def test_a_link_to_the_internet_is_held_to_its_scope_too(bureau, acting, tell, clock):
    approved(bureau, acting, clock, "link", internet(clock))
    clock.advance(minutes=5)
    assert tell(flow(clock.now, SERVER, LINE), flow(clock.now, LINE, SERVER)) == {}
    assert tell(flow(clock.now, SERVER, LINE, 22)) == {("zone:BIZ", "link_outgrown"): "open"}
    assert tell(flow(clock.now, "198.51.100.9", "10.20.1.9")) == {("zone:BIZ", "link_outgrown"): "open"}


def test_answers_are_covered_by_their_questions_only(bureau, acting, tell, clock):
    approved(bureau, acting, clock, "link", inside(clock, ports="tcp/443"))
    clock.advance(minutes=5)
    assert tell(flow(clock.now, OFFICE, SERVER, 443, source_port=50000), flow(clock.now, SERVER, OFFICE, 50000, source_port=443)) == {}
    # From port 443, as an answer would be, but nobody asked: a way out that looks like one.
    assert tell(flow(clock.now, "10.20.1.9", OFFICE, 50000, source_port=443)) == {("zone:BIZ", "link_outgrown"): "open"}


def test_the_second_before_the_end_counts_and_the_end_does_not(bureau, acting, tell, clock):
    row = approved(bureau, acting, clock, "link", inside(clock))
    clock.now = row.valid_to - timedelta(seconds=1)
    assert tell(flow(clock.now, OFFICE, SERVER)) == {}
    assert tell(flow(row.valid_to, OFFICE, SERVER)) == {OUTGROWN: "open"}


def test_it_is_never_green_for_the_bureau_and_says_when_nothing_was_told(tell):
    assert tell() == {}
    assert verdict(GROWTH, "IC").why["code"] == "no_flows_of_zones"
    assert (state(GROWTH, None), verdict(GROWTH, None).why["code"]) == ("unknown", "no_reachable_set")
