"""Zones to come into, a product to run, an endpoint to be let in."""

from __future__ import annotations

from datetime import date

import pytest

from anzhang.endpoints import procedures
from anzhang.network import procedures as network
from tests.endpoints import reports

DAY = date(2026, 11, 24)  # of world.START


@pytest.fixture
def zones(bureau, acting, clock):
    """Business (VLAN 100, addresses admit), office (200) and quarantine (666), run by 信息中心."""
    made = {}
    for code, kind, vlan, more in (
        ("YW", "business", 100, {"mac_admits": True, "networks": ["10.20.0.0/16"]}),
        ("BG", "office", 200, {"networks": ["10.30.0.0/16"]}),
        ("GL", "quarantine", 666, {}),
    ):
        made[code] = network.register_zone(
            acting("liming"), at=clock.now, code=code, name=f"区域{code}", kind=kind, vlan=vlan, unit=bureau.unit["IC"], **more
        )
    return made


@pytest.fixture
def product(bureau, acting, clock):
    """The antivirus that every endpoint must run."""
    return network.register_security_product(
        acting("liming"), at=clock.now, code="AV1", name=reports.ANTIVIRUS, kind="antivirus", required_of=["endpoint"], signatures_on=DAY
    )


@pytest.fixture
def endpoint(bureau, acting, clock, zones, product):
    """Return what registers an endpoint of 就业处, answered for by P021."""

    def made(code="C1", mac="02:00:00:00:00:01", **values):
        given = {
            "code": code, "name": f"窗口{code}", "kind": "counter", "mac": mac, "zone": zones["YW"], "unit": bureau.unit["JYC"],
            "person": bureau.person["P021"], "posture_key": reports.public(), **values,
        }  # fmt: skip
        return procedures.register_endpoint(acting("liming"), at=clock.now, **given)

    return made


@pytest.fixture
def report(clock):
    """Return what sends an endpoint's signed report."""
    numbers = iter(range(1, 10_000))

    def sent(code="C1", at=None, given=None, **more):
        body = reports.envelope(code, at or clock.now, more.pop("sequence", None) or next(numbers), given, **more)
        return procedures.receive_posture(procedures.open_report(body), clock.now)

    return sent
