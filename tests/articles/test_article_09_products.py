"""Art. 9: devices carry the required security products (A09.4) and keep them current (A09.5)."""

from __future__ import annotations

from datetime import UTC, date, timedelta

import pytest

from anzhang.endpoints import procedures
from anzhang.engines.vault import Batch
from anzhang.network import procedures as network
from tests.articles.stories import measure, opened, state, verdict
from tests.endpoints import reports

pytestmark = pytest.mark.usefixtures("bureau")
RUNNING, CURRENT = "A09.4", "A09.5"
DAY = date(2026, 11, 24)  # of world.START
MAC = "00:1a:2b:3c:4d:5e"


@pytest.fixture
def server(bureau, acting, clock, settings, monkeypatch):
    """A server of 信息中心 that needs an antivirus, and a switch that needs nothing; a collector reports for it."""
    monkeypatch.setitem(settings.HOME.settings, "posture", {"keys": {"c1": reports.public()}})
    network.register_security_product(
        acting("liming"), at=clock.now, code="AV1", name=reports.ANTIVIRUS, kind="antivirus", required_of=["server"], signatures_on=DAY,
        settings=["实时防护=开"], newest_version="6.0.2", newest_version_on=DAY - timedelta(days=90),
    )  # fmt: skip
    given = {"unit": bureau.unit["IC"], "person": bureau.person["P011"]}
    row = network.register_device(acting("liming"), at=clock.now, code="S1", name="应用服务器", kind="server", **given)
    network.register_device(acting("liming"), at=clock.now, code="W1", name="交换机", kind="switch", **given)
    network.register_interface(acting("liming"), at=clock.now, device=row, name="eth0", mac=MAC)
    return row


def tell(clock, sequence=1, **changes):
    given = {"state": "running", "settings": {"实时防护": "开"}, **changes}
    content = reports.content(DAY, products=reports.antivirus(DAY, **given) if given.pop("installed", True) else [])
    body = reports.envelope("S1", clock.now, sequence, content, signer="collector:c1")
    return procedures.receive_posture(procedures.open_report(body), clock.now)


def codes(obligation: str) -> set[str]:
    return {finding.reason["code"] for finding in opened(obligation)}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"installed": False}, "product_missing"),
        ({"state": "stopped"}, "product_stopped"),
        ({"settings": {"实时防护": "关"}}, "product_setting_wrong"),
        ({}, None),
    ],
)
def test_a_server_carries_what_is_required_running_and_set(changes, code, server, clock):
    sent = tell(clock, **changes)
    measure(clock, RUNNING)
    assert codes(RUNNING) == ({code} if code else set())
    assert state(RUNNING, "IC") == ("breach" if code else "met")
    if code:
        (finding,) = opened(RUNNING)
        assert (finding.subject, finding.person.name, finding.evidence) == ("device:S1", "李明", [f"posture_report:{sent.pk}"])
        tell(clock, 2)
        measure(clock, RUNNING)
        assert (codes(RUNNING), state(RUNNING, "IC")) == (set(), "met")


@pytest.mark.parametrize("changes", [{"state": "unknown"}, {"settings": {}}])
def test_what_is_not_said_is_unknown(changes, server, clock):
    tell(clock, **changes)
    measure(clock, RUNNING)
    assert (codes(RUNNING), state(RUNNING, "IC")) == (set(), "unknown")


def test_a_server_that_is_seen_and_does_not_report_is_found(server, vault, clock):
    measure(clock, RUNNING, CURRENT, vault=vault)
    assert (state(RUNNING, "IC"), verdict(RUNNING, "IC").why["code"]) == ("unknown", "device_report_missing")
    assert state(CURRENT, "IC") == "unknown"
    line = f"<30>1 {clock.now.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ} dhcp01 dhcpd 1 - - DHCPACK on 10.20.1.7 to {MAC} via eth1\n"
    with vault.writer() as writer:
        writer.append(Batch("DHCP", line.encode(), clock.now))
        writer.seal(clock.now)
    clock.advance(minutes=1)
    measure(clock, RUNNING, vault=vault)
    assert codes(RUNNING) == {"device_without_report"}
    tell(clock)
    measure(clock, RUNNING, vault=vault)
    assert (codes(RUNNING), state(RUNNING, "IC")) == (set(), "met")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"version": "6.0.1"}, "product_behind"),
        ({"signatures_on": (DAY - timedelta(days=8)).isoformat()}, "signatures_too_old"),
        ({"signatures_on": (DAY - timedelta(days=7)).isoformat()}, None),
        ({"version": "6.0.10"}, None),
    ],
)
def test_versions_and_signatures_keep_up(changes, code, server, clock):
    tell(clock, **changes)
    measure(clock, CURRENT)
    assert codes(CURRENT) == ({code} if code else set())
    assert state(CURRENT, "IC") == ("breach" if code else "met")
    tell(clock, 2)
    measure(clock, CURRENT)
    assert (codes(CURRENT), state(CURRENT, "IC")) == (set(), "met")


def test_a_new_version_is_given_its_days_and_support_its_last(server, acting, clock):
    from anzhang.network.models import SecurityProduct

    row = SecurityProduct.objects.get()
    network.change_security_product(acting("liming"), row, at=clock.now, newest_version="7", newest_version_on=DAY - timedelta(days=30))
    tell(clock)
    measure(clock, CURRENT)
    assert codes(CURRENT) == set()
    row.refresh_from_db()
    network.change_security_product(acting("liming"), row, at=clock.now, newest_version_on=DAY - timedelta(days=31), support_end_on=DAY)
    measure(clock, CURRENT)
    assert codes(CURRENT) == {"product_behind"}
    clock.advance(days=1)
    measure(clock, CURRENT)
    assert codes(CURRENT) == {"product_behind", "product_past_support"}


def test_without_required_products_nobody_has_looked(clock):
    measure(clock, RUNNING, CURRENT)
    assert {verdict(each, None).why["code"] for each in (RUNNING, CURRENT)} == {"no_required_products"}
