"""Art. 6: no service without a system that some unit manages (A06.2)."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from anzhang import clock as clocks
from anzhang.directory import procedures as directory
from anzhang.systems import procedures, releases
from tests.articles import crossings
from tests.articles.crossings import SETUP, device, flow, telling
from tests.articles.stories import opened, state, verdict

pytestmark = pytest.mark.usefixtures("bureau")
SERVICES = "A06.2"
SHADOW, CLIENT = "10.30.1.5", "10.30.1.7"
FOUND = {(f"service:{SHADOW} tcp/8080", "service_without_system"): "open"}


@pytest.fixture(autouse=True)
def zones(bureau, acting, clock):
    return crossings.zones(bureau, acting, clock)


@pytest.fixture
def tell(vault, clock):
    return telling(vault, clock, SERVICES)


def days(tell, clock, count, *, step=1.0, **given):
    """Let a service answer once each day, and say what stands after the last."""
    target, port, more = given.get("target", SHADOW), given.get("port", 8080), given.get("more", {})
    begun = clock.now
    clock.advance(days=step * count)
    return tell(*(flow(begun + timedelta(days=step * number), CLIENT, target, port, **more) for number in range(count + 1)))


def system(bureau, clock, code="JY01", **values):
    """Say where a system runs."""
    given = {"kind": "production", "hosts": [], "addresses": [], "folders": [], **values}
    return releases.register_environment(SETUP, at=clock.now, code=f"{code}-P", name="生产", system=bureau.system[code], **given)


def test_a_service_of_no_system_is_found_after_its_days_and_named_with_who_keeps_it(bureau, acting, zones, tell, clock):
    device(bureau, acting, clock, zones["OFF"], kind="terminal", addresses=[SHADOW])
    assert days(tell, clock, 7, step=0.999) == {}, "a little less than seven days"
    assert days(tell, clock, 1, step=0.5) == FOUND
    (finding,) = opened(SERVICES, "JYC")
    told = finding.reason["params"]
    assert (finding.person.name, told["device"], told["door"], told["days"]) == ("孙丽", "前置机", "tcp/8080", 7)
    assert all(each.startswith("line:") for each in finding.evidence)
    system(bureau, clock, addresses=[SHADOW])
    assert tell(flow(clock.now, CLIENT, SHADOW, 8080)) == {}
    assert state(SERVICES, "JYC") == "met"


def test_it_is_over_when_it_has_not_answered_for_as_long(tell, clock):
    assert days(tell, clock, 8) == FOUND
    clock.advance(days=6.9)
    assert tell(flow(clock.now, CLIENT, "10.30.1.6", 8080)) == FOUND
    clock.advance(days=0.2)
    assert tell(flow(clock.now, CLIENT, "10.30.1.6", 8080)) == {}
    assert tell(flow(clock.now, CLIENT, SHADOW, 8080)) == {}, "it begins anew"


def test_a_host_of_an_environment_serves_its_system_by_whatever_address_its_device_has(bureau, acting, zones, tell, clock):
    device(bureau, acting, clock, zones["OFF"], hosts=["jyapp09"], addresses=[SHADOW])
    system(bureau, clock, hosts=["jyapp09"])
    assert days(tell, clock, 8) == {}


@pytest.mark.parametrize(
    "given",
    [
        {"more": {"outcome": "failure"}},
        {"target": "198.51.100.9"},
        {"target": "172.31.5.20"},
        {"port": 3389},
        {"port": 50123},
        {"port": 40123, "more": {"source_port": 443}},
        {"more": {"bytes_in": 0}},
    ],
    ids=["refused", "on the internet", "a partner's", "how any computer is administered", "lent", "an answer", "never answered"],
)
def test_what_is_no_service_of_ours_is_silent(given, tell, clock):
    assert days(tell, clock, 8, **given) == {}


@pytest.mark.parametrize(("kind", "found"), [("printer", False), ("switch", False), ("terminal", True), ("server", True)])
def test_what_network_devices_and_printers_answer_is_their_own(kind, found, bureau, acting, zones, tell, clock):
    device(bureau, acting, clock, zones["OFF"], kind=kind, addresses=[SHADOW])
    assert days(tell, clock, 8) == (FOUND if found else {})


def test_a_system_whose_unit_was_closed_is_managed_by_nobody(bureau, acting, tell, clock):
    system(bureau, clock, addresses=[SHADOW])
    assert days(tell, clock, 8) == {}
    gone = directory.register_unit(
        SETUP,
        at=clock.now,
        code="GONE",
        name="原培训中心",
        kind="subordinate_unit",
        parent=bureau.unit["IC"],
        established_on=date(2020, 1, 1),
    )
    procedures.change_system(SETUP, bureau.system["JY01"], at=clock.now, managing_unit=gone)
    directory.change_unit(SETUP, gone, at=clock.now, closed_on=clocks.day_of(clock.now))
    assert tell(flow(clock.now, CLIENT, SHADOW, 8080)) == {(f"service:{SHADOW} tcp/8080", "service_without_unit"): "open"}


def test_without_flows_it_says_so(tell):
    assert tell() == {}
    assert verdict(SERVICES, "IC").why["code"] == "no_flows_of_services"
