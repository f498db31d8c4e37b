"""Art. 7: no change outside an approved window takes a system down (A07.1). Red on what is planted, silent on near-misses, unknown without
probes, and never wholly green while nobody knows which scans were allowed.
"""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from anzhang.systems import procedures, releases
from tests.articles import crossings
from tests.articles.stories import measure, opened, state, verdict
from tests.articles.test_article_08 import ordered, receive, text

pytestmark = pytest.mark.usefixtures("bureau")
BUSINESS = "A07.1"


@pytest.fixture
def router(bureau, acting, clock):
    zones = crossings.zones(bureau, acting, clock)
    releases.register_environment(
        acting("liming"), at=clock.now, code="SB-P", name="社保生产", system=bureau.system["SB01"], kind="production", hosts=["sbapp01"],
        addresses=["10.20.1.10"],
    )  # fmt: skip
    for code in ("JY01", "AZ01"):
        procedures.change_system(acting("liming"), bureau.system[code], at=clock.now, state="planned")
    return crossings.device(bureau, acting, clock, zones["BIZ"], code="SW-R1", name="核心路由器", kind="router", hosts=["r1"])


def probes(at, target="https://10.20.1.10:8443/login", *, minutes=20):
    """Return probes of a target: up, down for some minutes, up again."""
    states = [(0, "success"), (10, "failure"), (10 + minutes // 2, "failure"), (10 + minutes, "success")]
    return [
        ("availability_event", at + timedelta(minutes=after), {"target": target, "result": result, "state": "x"})
        for after, result in states
    ]


@pytest.fixture
def tell(vault, clock):
    def told(*events) -> dict[str, str]:
        if events:
            crossings.seal(vault, clock, *events)
        clock.advance(minutes=1)
        assert measure(clock, BUSINESS, vault=vault).failed == []
        return {finding.reason["code"]: finding.state for finding in opened(BUSINESS)}

    return told


def change(clock):
    """Collect a device, change it within a day, collect it again; return when the day began."""
    begin = clock.now
    receive(text(), begin, device="SW-R1")
    clock.advance(hours=24)
    receive(text("shutdown"), clock.now, device="SW-R1")
    return begin


@pytest.mark.parametrize("target", ["https://10.20.1.10:8443/login", "be_sb/sbapp01", "SBAPP01", "sb01"])
def test_an_outage_while_a_device_is_changed_without_an_order_is_found(target, router, tell, clock):
    begin = change(clock)
    assert tell(*probes(begin + timedelta(hours=3), target)) == {"outage_during_change": "open"}
    (finding,) = opened(BUSINESS, "IC")
    params = finding.reason["params"]
    assert (params["minutes"], params["device"], params["begin"]) == (20, "核心路由器", "2026-11-24 12:40")
    assert (finding.evidence[0][:5], finding.evidence[1][:16]) == ("line:", "config_snapshot:")


@pytest.mark.parametrize(
    ("after", "minutes", "target"),
    [(3, 4, "sbapp01"), (-8, 20, "sbapp01"), (3, 20, "jyapp01")],
    ids=["a short one", "before the change", "of another system"],
)
def test_what_hangs_on_no_change_is_silent(after, minutes, target, router, tell, clock):
    clock.advance(hours=12)
    begin = change(clock)
    told = tell(*probes(begin + timedelta(hours=after), target, minutes=minutes), *probes(begin, "sbapp01", minutes=1))
    assert told == {}
    assert state(BUSINESS, "IC") == "met"
    assert "检测授权" in json.dumps(verdict(BUSINESS, None).why, ensure_ascii=False)


def test_an_order_for_the_hour_allows_it_and_one_afterwards_regularizes(router, bureau, acting, tell, clock):
    at = clock.now + timedelta(hours=3)
    ordered(bureau, acting, clock, at, hours=1)
    begin = change(clock)
    assert tell(*probes(begin + timedelta(hours=3))) == {}
    assert tell(*probes(begin + timedelta(hours=9))) == {"outage_during_change": "open"}
    ordered(bureau, acting, clock, begin + timedelta(hours=9), hours=1)
    assert tell() == {"outage_during_change": "regularized"}
    clock.advance(days=8)
    assert tell(*probes(clock.now - timedelta(hours=1), minutes=2)) == {}


def test_a_change_of_a_device_elsewhere_touches_nothing_and_without_probes_it_is_unknown(router, bureau, acting, tell, clock):
    crossings.device(bureau, acting, clock, None, code="SW-R9", name="别处", kind="router", hosts=["r9"])
    receive(text(), clock.now, device="SW-R9")
    clock.advance(hours=24)
    receive(text("shutdown"), clock.now, device="SW-R9")
    assert tell() == {}
    assert verdict(BUSINESS, "IC").why["code"] == "system_without_availability"
    assert tell(*probes(clock.now - timedelta(hours=9))) == {}
    assert state(BUSINESS, "IC") == "met"
