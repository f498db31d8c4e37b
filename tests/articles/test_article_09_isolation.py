"""Art. 9: networks that are kept apart are not crossed (A09.1): red on a flow, silent on near-misses, regularized, and never green yet."""

from __future__ import annotations

from datetime import timedelta

import pytest

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
    assert (state(ISOLATION, None), verdict(ISOLATION, None).why["code"]) == ("unknown", "no_reachability_proof")
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
