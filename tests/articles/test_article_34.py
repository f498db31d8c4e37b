"""Art. 34: what a system is. A34.1."""

import pytest

from anzhang import clock as wall
from anzhang.demo.bureau import SETUP
from anzhang.network import procedures as network
from anzhang.systems import databases, releases
from anzhang.systems import procedures as systems
from tests.articles.stories import measure, opened, state, verdict


def test_a_system_of_no_kind_is_a_breach_until_it_is_classed(bureau, acting, clock):
    measure(clock, "A34.1")
    assert state("A34.1", "JYC") == "met"
    system = systems.register_system(
        acting("liuyang"), at=clock.now, code="PX01", name="职业培训报名系统", managing_unit=bureau.unit["JYC"],
        responsible_unit=bureau.unit["JYC"],
    )  # fmt: skip
    measure(clock, "A34.1")
    assert verdict("A34.1", "JYC").why["code"] == "system_without_kind"
    assert [finding.subject for finding in opened("A34.1")] == ["system:PX01"]
    systems.change_system(acting("liuyang"), system, at=clock.now, kind="website")
    measure(clock, "A34.1")
    assert state("A34.1", "JYC") == "met"
    assert opened("A34.1") == []


def test_a_retired_system_needs_no_kind(bureau, acting, clock):
    systems.register_system(
        acting("liuyang"), at=clock.now, code="PX01", name="旧系统", managing_unit=bureau.unit["JYC"], responsible_unit=bureau.unit["JYC"],
        state="retired",
    )  # fmt: skip
    measure(clock, "A34.1")
    assert (state("A34.1", "JYC"), verdict("A34.1", "JYC").population) == ("met", 1)


def register(at, **values):
    return network.register_device(SETUP, at=at, **values)


def test_a_server_that_belongs_to_no_system_is_a_breach_until_it_does(bureau, acting, clock):
    server = register(clock.now, code="FW1", name="服务器一", kind="server", unit=bureau.unit["JYC"], person=bureau.person["P023"])
    register(clock.now, code="FW2", name="备用服务器", kind="server", unit=bureau.unit["JYC"], state="stock")
    gone = {"state": "retired", "retired_on": wall.day_of(clock.now)}
    register(clock.now, code="FW3", name="旧服务器", kind="server", unit=bureau.unit["JYC"], **gone)
    register(clock.now, code="JH1", name="交换机", kind="switch", unit=bureau.unit["JYC"])
    measure(clock, "A34.1")
    (found,) = opened("A34.1")
    assert (found.reason["code"], found.subject, found.evidence) == ("belongs_to_no_system", "device:FW1", [f"device:{server.pk}"])
    assert (found.unit.code, found.person.code) == ("JYC", "P023")
    old = systems.register_system(
        acting("liuyang"), at=clock.now, code="PX01", name="旧系统", managing_unit=bureau.unit["JYC"], responsible_unit=bureau.unit["JYC"],
        kind="website",
    )  # fmt: skip
    server = network.change_device(SETUP, server, at=clock.now, system=old)
    measure(clock, "A34.1")
    assert (state("A34.1", "JYC"), opened("A34.1")) == ("met", [])
    systems.change_system(acting("liuyang"), old, at=clock.now, state="retired")
    measure(clock, "A34.1")
    (found,) = opened("A34.1")
    assert (found.reason["code"], found.reason["params"]["system"]) == ("belongs_to_retired_system", "旧系统")
    network.change_device(SETUP, server, at=clock.now, **gone)
    measure(clock, "A34.1")
    assert opened("A34.1") == []


@pytest.mark.parametrize("how", ["hosts", "name", "addresses"])
def test_a_server_that_an_environment_names_belongs_to_its_system(bureau, clock, how):
    server = register(clock.now, code="FW1", name="sbapp07", kind="server", unit=bureau.unit["IC"], hosts=["SBAPP01"])
    network.register_interface(SETUP, at=clock.now, device=server, name="eth0", addresses=["10.21.1.10"])
    named = {"hosts": {"hosts": ["sbapp01"]}, "name": {"hosts": ["sbapp07"]}, "addresses": {"addresses": ["10.21.1.10"]}}[how]
    place = releases.register_environment(
        SETUP, at=clock.now, code="E1", name="生产", system=bureau.system["SB01"], kind="production", **named
    )  # fmt: skip
    measure(clock, "A34.1")
    assert opened("A34.1") == []
    releases.change_environment(SETUP, place, at=clock.now, state="retired")
    measure(clock, "A34.1")
    assert [found.subject for found in opened("A34.1")] == ["device:FW1"]


def test_a_database_of_no_system_is_a_breach_until_it_is_known_whose_it_is(bureau, clock):
    mine = databases.register_database(
        SETUP, at=clock.now, code="DB1", name="缴费库", engine="kingbase", unit=bureau.unit["IC"], person=bureau.person["P011"],
        addresses=["10.21.1.11"], port=54321,
    )  # fmt: skip
    databases.register_database(SETUP, at=clock.now, code="DB2", name="旧库", engine="oracle", unit=bureau.unit["IC"], state="retired")
    measure(clock, "A34.1")
    (found,) = opened("A34.1")
    assert (found.reason["code"], found.subject, found.person.code) == ("belongs_to_no_system", "database:DB1", "P011")
    databases.change_database(SETUP, mine, at=clock.now, system=bureau.system["SB01"])
    measure(clock, "A34.1")
    assert (state("A34.1", "IC"), opened("A34.1")) == ("met", [])
