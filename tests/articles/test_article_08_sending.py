"""Art. 8: network devices keep sending logs, flows and configurations (A08.3). Red on what is silent or strange, silent on near-misses."""

from __future__ import annotations

import json
from datetime import UTC

import pytest

from anzhang.engines.vault import Batch
from anzhang.monitoring import procedures as sources
from anzhang.monitoring.models import LogSource
from anzhang.network import procedures, snapshots
from anzhang.network.models import Interface
from anzhang.systems import releases
from tests.articles import crossings
from tests.articles.stories import measure, opened, state, verdict
from tests.world import actor_of_machine

pytestmark = pytest.mark.usefixtures("bureau")
SENDING = "A08.3"
ROUTER = (
    "hostname r1\ninterface Gi0/0\n ip address 10.20.0.1 255.255.0.0\nip route 10.9.0.0 255.255.0.0 10.20.0.9\nlogging host 10.20.9.5\n"
)


@pytest.fixture
def router(bureau, acting, clock):
    zones = crossings.zones(bureau, acting, clock)
    return crossings.device(
        bureau, acting, clock, zones["BIZ"], code="SW-R1", name="核心路由器", kind="router", hosts=["r1"], addresses=["10.20.0.1"]
    )


@pytest.fixture
def source(bureau, acting, clock):
    def register(code="NET-R1", **values):
        given = {
            "name": "路由器日志",
            "transport": "syslog_udp",
            "addresses": ["10.20.0.1"],
            "hosts": [],
            "unit": bureau.unit["IC"],
            **values,
        }
        return sources.register_source(acting("guolei"), LogSource(code=code, registered_on=clock.now.date(), **given), clock.now)

    return register


def say(vault, clock, source="NET-R1", host="r1", *, flow=True):
    told = {"stream": "flow_event", "source_ip": "10.20.1.7", "destination_ip": "10.20.1.8", "result": "success"}
    text = json.dumps(told) if flow else "link up"
    line = f"<30>1 {clock.now.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ} {host} {'netwatch' if flow else 'kernel'} 1 - - {text}\n"
    with vault.writer() as writer:
        writer.append(Batch(source, line.encode(), clock.now))
        writer.seal(clock.now)


def tell(vault, clock) -> set[str]:
    clock.advance(minutes=1)
    assert measure(clock, SENDING, vault=vault).failed == []
    return {finding.reason["code"] for finding in opened(SENDING)}


def test_a_device_that_sends_everything_is_green_and_each_silence_is_told(router, source, vault, clock):
    assert tell(vault, clock) == {"device_without_log_source", "device_without_flows", "device_without_configuration"}
    (finding, *_others) = opened(SENDING, "JYC")
    assert (finding.subject, finding.person.code) == ("device:SW-R1", "P021")
    source()
    assert tell(vault, clock) == {"device_log_silent", "device_without_flows", "device_without_configuration"}, "never heard"
    say(vault, clock)
    snapshots.receive_snapshot(actor_of_machine(), ROUTER.encode(), clock.now)
    assert tell(vault, clock) == set()
    assert state(SENDING, "JYC") == "met"
    clock.advance(minutes=58)
    assert tell(vault, clock) == set()
    say(vault, clock, flow=False)
    clock.advance(minutes=1)
    assert tell(vault, clock) == {"device_flows_silent"}
    clock.advance(hours=47)
    assert tell(vault, clock) == {"device_flows_silent", "device_log_silent", "device_configuration_silent"}


@pytest.mark.parametrize(
    ("values", "host"),
    [
        ({"addresses": ["10.20.0.0/24"]}, "x"), ({"addresses": ["127.0.0.1"], "hosts": ["R1"]}, "r1"),
        ({"addresses": ["127.0.0.1"], "name": "核心路由器"}, "r1"), ({"silence_minutes": 600}, "r1"),
    ],
    ids=["of a network", "by name on a shared address", "by its name", "which may be silent longer"],
)  # fmt: skip
def test_a_source_is_the_devices_by_address_or_name(values, host, router, source, vault, clock):
    source(**values)
    say(vault, clock, host=host)
    snapshots.receive_snapshot(actor_of_machine(), ROUTER.encode(), clock.now)
    assert tell(vault, clock) == set()
    if "silence_minutes" in values:
        clock.advance(hours=5)
        assert tell(vault, clock) == {"device_flows_silent"}


def test_a_source_of_another_name_or_address_is_not_the_devices(router, source, vault, clock):
    source(addresses=["10.20.0.1"], hosts=["r2"])
    say(vault, clock, host="r2")
    snapshots.receive_snapshot(actor_of_machine(), ROUTER.encode(), clock.now)
    assert tell(vault, clock) == {"device_without_log_source", "device_without_flows"}
    say(vault, clock, source="SSH-SB01", host="r1")
    assert tell(vault, clock) == {"device_without_log_source"}, "a probe tells the flows of a device by its name"


def test_a_switch_sends_no_flows_and_a_server_is_no_network_device(router, source, vault, acting, clock):
    procedures.change_device(acting("liming"), router, at=clock.now, kind="switch")
    source()
    say(vault, clock, flow=False)
    snapshots.receive_snapshot(actor_of_machine(), ROUTER.encode(), clock.now)
    assert tell(vault, clock) == set()
    procedures.change_device(acting("liming"), router, at=clock.now, kind="wireless")
    clock.advance(minutes=50)
    assert tell(vault, clock) == set()
    procedures.change_device(acting("liming"), router, at=clock.now, kind="server")
    assert tell(vault, clock) == set()
    assert verdict(SENDING, None).why["code"] == "no_network_devices"


def test_an_address_that_belongs_to_no_interface_is_told_until_it_does(router, source, bureau, vault, acting, clock):
    source(addresses=["10.20.0.1", "10.20.0.77", "127.0.0.1", "10.88.0.0/16"])
    source("SRV", name="业务主机", addresses=["10.20.5.5"], system=bureau.system["SB01"])
    say(vault, clock)
    snapshots.receive_snapshot(actor_of_machine(), ROUTER.encode(), clock.now)
    assert tell(vault, clock) == {"sender_without_interface"}
    assert [finding.reason["params"]["address"] for finding in opened(SENDING, "IC")] == ["10.20.0.77"]
    releases.register_environment(
        acting("liming"),
        at=clock.now,
        code="SB-P",
        name="社保生产",
        system=bureau.system["SB01"],
        kind="production",
        addresses=["10.20.0.77"],
    )
    assert tell(vault, clock) == set()
    procedures.change_interface(acting("liming"), Interface.objects.get(), at=clock.now, addresses=["10.20.0.2"])
    assert "sender_without_interface" in tell(vault, clock)
