"""Art. 14: business computers run listed programs and visit listed sites (A14.3)."""

from __future__ import annotations

import json
from datetime import UTC, timedelta

import pytest

from anzhang.endpoints import procedures
from anzhang.engines.vault import Batch
from anzhang.network import procedures as network
from tests.articles.stories import measure, opened, state, verdict
from tests.endpoints.conftest import endpoint, product, report, zones

__all__ = ["endpoint", "product", "report", "zones"]  # fixtures
pytestmark = pytest.mark.usefixtures("bureau")
USE = "A14.3"
MAC, OTHER = "02:00:00:00:00:c1", "02:00:00:00:00:c2"
IP = "10.40.0.7"


@pytest.fixture
def counter(endpoint, acting, clock):
    """Return a counter of 就业促进处 in the business network, whose class has a list of programs and sites."""
    for kind, name in (
        ("program", "sbfront.exe"), ("program", "C:\\Windows\\*"), ("program", "社保前台*"), ("site", "hrss.tj.gov.cn"),
        ("site", "*.12333.cn"),
    ):  # fmt: skip
        procedures.register_software(acting("liming"), at=clock.now, endpoint_class="counter", kind=kind, name=name)
    return endpoint(endpoint_class="counter", hosts=["CK01"], mac=MAC)


@pytest.fixture
def told(vault, clock):
    """Return what seals events and measures a minute later."""

    def seal(*events: tuple) -> dict[str, str]:
        lines = []
        for stream, at, values in events:
            said = {"stream": stream, "time": at.astimezone(UTC).isoformat(), **values}
            host = said.pop("on", "ns01")
            lines.append((at, f"<30>1 {at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ} {host} netwatch 1 - - {json.dumps(said)}\n"))
        with vault.writer() as writer:
            writer.append(Batch("PROBE", "".join(line for _at, line in sorted(lines)).encode(), clock.now))
            writer.seal(clock.now)
        clock.advance(minutes=1)
        measure(clock, USE, vault=vault)
        return {finding.subject: finding.reason["code"] for finding in opened(USE)}

    return seal


def run(at, path="D:\\app\\sbfront.exe", host="ck01", action="started"):
    return "process_event", at, {"executable": path, "action": action, "on": host, "result": "success"}


def ask(at, name="www.hrss.tj.gov.cn", ip=IP):
    return "dns_event", at, {"source_ip": ip, "question_name": name, "question_type": "A", "action": "query"}


def lease(at, mac=MAC, ip=IP):
    return "sighting_event", at, {"source_mac": mac, "source_ip": ip, "action": "lease"}


RED = {"endpoint:C1": "endpoint_off_task"}


@pytest.mark.usefixtures("counter")
def test_three_hits_in_a_day_are_found_with_what_they_were_and_over_after_a_day(told, clock, vault):
    now = clock.now
    good = [lease(now - timedelta(hours=1)), run(now), run(now, "C:\\Windows\\System32\\svchost.exe")]
    good += [ask(now), ask(now, "12333.cn"), ask(now, "a.12333.cn.")]
    assert told(*good, run(now, "D:\\game\\poker.exe"), ask(now, "stock.example.com")) == {}  # two
    assert state(USE, "JYC") == "met"
    assert told(ask(clock.now, "stock.example.com")) == RED
    (finding,) = opened(USE)
    assert (finding.person.code, finding.unit.code, finding.severity) == ("P021", "JYC", "low")
    said = finding.reason["params"]
    assert (said["times"], said["day"], set(said["names"].split("、"))) == (3, "2026-11-24", {"poker.exe", "stock.example.com"})
    assert len(finding.evidence) == 3
    clock.advance(days=2)
    assert told(lease(clock.now), run(clock.now), ask(clock.now)) == {}
    assert state(USE, "JYC") == "met"


@pytest.mark.usefixtures("counter")
def test_what_is_no_use_or_on_two_days_is_silent(told, clock):
    midnight = clock.now.replace(hour=16, minute=0) - timedelta(days=1)  # in Beijing
    before, after = midnight - timedelta(seconds=1), midnight + timedelta(seconds=1)
    clock.now = midnight + timedelta(hours=1)
    strange = "D:\\game\\poker.exe"
    assert told(
        lease(before - timedelta(hours=1)), run(before, strange), run(before, strange), run(after, strange), ask(after, "x.example.com"),
        *(run(after, strange, action="ended") for _ in range(3)), *(run(after, strange, host="ck02") for _ in range(3)),
        *(ask(after, name) for name in ("7.0.40.10.in-addr.arpa", "printer", "_ldap._tcp.example.com", "hrss.tj.gov.cn")),
        *(ask(after, "x.example.com", ip="10.40.0.8") for _ in range(3)),
    ) == {}  # fmt: skip
    assert told(ask(clock.now, "nothrss.tj.gov.cn")) == RED


def test_an_address_that_changed_hands_is_its_holders(counter, endpoint, told, clock, zones):
    now = clock.now
    asked = [ask(now - timedelta(minutes=30) + timedelta(minutes=k), "game.example.com") for k in range(4)]
    assert told(lease(now - timedelta(hours=3)), lease(now - timedelta(minutes=40), mac=OTHER), *asked) == {}  # the other one's
    assert told(lease(now - timedelta(minutes=35))) == RED
    assert state(USE, "JYC") == "breach"
    told(lease(now - timedelta(minutes=29), mac=OTHER))
    assert state(USE, "JYC") == "unknown"  # both in that hour: nobody can say who asked, and the finding stays


def test_an_address_of_its_own_needs_no_lease(counter, told, bureau, acting, clock, zones):
    device = network.register_device(
        acting("liming"), at=clock.now, code="D1", name="柜面主机", kind="terminal", unit=bureau.unit["JYC"], person=bureau.person["P021"]
    )
    network.register_interface(acting("liming"), at=clock.now, device=device, name="eth0", mac="", addresses=["10.40.0.9"])
    procedures.change_endpoint(acting("liming"), counter, at=clock.now, device=device)
    assert told(*(ask(clock.now, "game.example.com", ip="10.40.0.9") for _ in range(3))) == RED


def test_without_list_class_or_events_nobody_can_say(endpoint, told, acting, clock, vault):
    measure(clock, USE, vault=vault)
    assert verdict(USE, None).why["code"] == "no_business_computers"
    row = endpoint(hosts=["CK01"], mac=MAC, endpoint_class="")
    assert told(run(clock.now), lease(clock.now), ask(clock.now)) == {}

    def why():
        measure(clock, USE, vault=vault)
        assert state(USE, "JYC") == "unknown"
        return verdict(USE, "JYC").why["code"]

    assert why() == "endpoint_without_class"
    row = procedures.change_endpoint(acting("liming"), row, at=clock.now, endpoint_class="counter")
    procedures.register_software(acting("liming"), at=clock.now, endpoint_class="counter", kind="program", name="社保前台*")
    procedures.register_software(acting("liming"), at=clock.now, endpoint_class="counter", kind="site", name="tj.gov.cn")
    assert why() == "class_without_list"  # installed software names no file
    procedures.register_software(acting("liming"), at=clock.now, endpoint_class="counter", kind="program", name="sbfront.exe")
    measure(clock, USE, vault=vault)
    assert state(USE, "JYC") == "met"
    clock.advance(days=1)
    told(ask(clock.now, ip="10.40.0.99"))
    assert why() == "programs_not_told"
    told(run(clock.now))
    assert why() == "sites_not_told"
