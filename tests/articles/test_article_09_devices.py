"""Art. 9: devices past their life are gone (A09.6), and replaced in time (A09.7). Red on what is planted, silent on near-misses."""

from __future__ import annotations

from datetime import UTC, date, timedelta

import pytest

from anzhang.engines.vault import Batch
from anzhang.network import procedures
from anzhang.network.models import Device, Interface
from tests.articles.stories import measure, opened, state, verdict

pytestmark = pytest.mark.usefixtures("bureau")
GONE, REPLACED = "A09.6", "A09.7"
MAC, OTHER_MAC = "00:1a:2b:3c:4d:5e", "00:1a:2b:3c:4d:99"
DAY = date(2026, 11, 24)  # of world.START


@pytest.fixture
def device(bureau, acting, clock):
    """Return what registers a device of 信息中心 with one interface."""

    def made(code="D1", mac=MAC, addresses=("10.20.1.7",), hosts=(), **values):
        given = {
            "code": code, "name": f"设备{code}", "kind": "server", "unit": bureau.unit["IC"], "person": bureau.person["P011"],
            "hosts": list(hosts), "in_service_on": date(2024, 1, 1), **values,
        }  # fmt: skip
        row = procedures.register_device(acting("liming"), at=clock.now, **given)
        procedures.register_interface(acting("liming"), at=clock.now, device=row, name="eth0", mac=mac, addresses=list(addresses))
        return row

    return made


def seal(vault, at, *lines: str) -> None:
    with vault.writer() as writer:
        writer.append(Batch("DHCP", "".join(f"{line}\n" for line in lines).encode(), at))
        writer.seal(at)


def lease(at, mac=MAC, ip="10.20.1.7") -> str:
    """Return a line of ISC dhcpd; time stamps of a syslog header are Beijing's."""
    return f"<30>1 {at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ} dhcp01 dhcpd 1 - - DHCPACK on {ip} to {mac} via eth1"


def login(at, host="db01", ip="10.9.9.9") -> str:
    return f"<38>1 {at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ} {host} sshd 7 - - Accepted password for liming from {ip} port 5 ssh2"


def codes(obligation: str) -> dict[str, str]:
    return {finding.subject: finding.reason["code"] for finding in opened(obligation)}


def change(row: Device, acting, clock, **values) -> Device:
    row.refresh_from_db()
    return procedures.change_device(acting("liming"), row, at=clock.now, **values)


# A09.6


def test_a_retired_device_that_is_seen_is_found_with_its_line_and_closes_when_it_is_gone(device, vault, acting, clock):
    row = device(state="retired", retired_on=DAY)
    clock.advance(days=1)
    seal(vault, clock.now, lease(clock.now))
    clock.advance(minutes=1)
    measure(clock, GONE, vault=vault)
    (finding,) = opened(GONE, "IC")
    assert (finding.subject, finding.reason["code"], finding.person.name) == ("device:D1", "device_seen_after_retirement", "李明")
    assert (finding.reason["params"]["day"], finding.reason["params"]["known_by"]) == ("2026-11-24", MAC)
    assert finding.evidence == ["line:n1-000000001:1"]
    clock.advance(days=1, hours=1)
    seal(vault, clock.now, lease(clock.now, OTHER_MAC, "10.20.9.9"))
    clock.advance(minutes=1)
    measure(clock, GONE, vault=vault)
    assert opened(GONE) == []
    assert state(GONE, "IC") == "met"
    assert Device.objects.get(pk=row.pk).state == "retired"


def test_to_its_last_midnight_it_may_be_seen(device, vault, clock):
    device(state="retired", retired_on=DAY)
    midnight = clock.now.replace(hour=16, minute=0, second=0, microsecond=0)  # Beijing's
    seal(vault, clock.now, lease(midnight - timedelta(seconds=1)))
    clock.now = midnight + timedelta(minutes=1)
    measure(clock, GONE, vault=vault)
    assert (codes(GONE), state(GONE, "IC")) == ({}, "met")
    seal(vault, clock.now, lease(midnight))
    measure(clock, GONE, vault=vault)
    assert codes(GONE) == {"device:D1": "device_seen_after_retirement"}


@pytest.mark.parametrize(
    ("dates", "found"),
    [
        ({"in_service_on": DAY.replace(year=2020)}, True),  # six years are over since yesterday
        ({"in_service_on": DAY.replace(year=2020) + timedelta(days=2)}, False),
        ({"vendor_end_on": DAY - timedelta(days=1)}, True),
        ({"vendor_end_on": DAY}, False),
        ({"vendor_end_on": DAY - timedelta(days=400), "approved_end_on": DAY + timedelta(days=30)}, False),  # approved for longer
        ({"vendor_end_on": DAY + timedelta(days=400), "approved_end_on": DAY - timedelta(days=1)}, True),
        ({"in_service_on": None}, False),
    ],
)
def test_the_end_of_life_is_the_approved_day_else_the_vendors_else_its_age(dates, found, device, vault, clock):
    device(**dates)
    seal(vault, clock.now, lease(clock.now))
    clock.advance(minutes=1)
    measure(clock, GONE, vault=vault)
    assert codes(GONE) == ({"device:D1": "device_seen_after_end"} if found else {})


def test_an_approved_longer_life_closes_it(device, vault, acting, clock):
    row = device(vendor_end_on=DAY - timedelta(days=9))
    seal(vault, clock.now, lease(clock.now))
    clock.advance(minutes=1)
    measure(clock, GONE, vault=vault)
    assert codes(GONE) == {"device:D1": "device_seen_after_end"}
    change(row, acting, clock, approved_end_on=DAY + timedelta(days=90))
    measure(clock, GONE, vault=vault)
    assert (codes(GONE), state(GONE, "IC")) == ({}, "met")


def test_its_own_lines_and_its_address_give_it_away_too(device, vault, clock):
    device("D1", hosts=["DB01"], addresses=[], state="retired", retired_on=DAY - timedelta(days=3))
    device("D2", OTHER_MAC, addresses=["10.20.1.8"], state="retired", retired_on=DAY - timedelta(days=3))
    seal(vault, clock.now, login(clock.now, "db01", "10.20.1.8"))
    clock.advance(minutes=1)
    measure(clock, GONE, vault=vault)
    assert codes(GONE) == {"device:D1": "device_seen_after_retirement", "device:D2": "device_seen_after_retirement"}


def test_an_address_and_a_name_that_another_device_has_now_are_not_the_old_ones(device, vault, clock):
    """The lease, or the fixed address and the name, went to its successor."""
    device("D1", hosts=["db01"], state="retired", retired_on=DAY - timedelta(days=3))
    device("D2", OTHER_MAC, hosts=["db01"])
    seal(vault, clock.now, lease(clock.now, OTHER_MAC), login(clock.now, "db01", "10.20.1.7"))
    clock.advance(minutes=1)
    measure(clock, GONE, vault=vault)
    assert codes(GONE) == {}


def test_an_address_seen_with_another_card_is_not_the_device(device, vault, clock):
    device("D1", state="retired", retired_on=DAY - timedelta(days=3))
    seal(vault, clock.now, lease(clock.now, OTHER_MAC))
    clock.advance(minutes=1)
    measure(clock, GONE, vault=vault)
    assert codes(GONE) == {}


def test_without_anything_that_shows_devices_nobody_can_say(device, vault, clock):
    device()
    measure(clock, GONE, vault=vault)
    assert (state(GONE, "IC"), verdict(GONE, "IC").why["code"]) == ("unknown", "no_sightings")


def test_without_devices_nothing_is_green(vault, clock):
    measure(clock, GONE, vault=vault)
    measure(clock, REPLACED)
    assert (state(GONE, None), state(REPLACED, None)) == ("unknown", "unknown")


# A09.7


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"vendor_end_on": DAY + timedelta(days=180)}, "expiring_without_successor"),
        ({"vendor_end_on": DAY + timedelta(days=181)}, None),
        ({"vendor_end_on": DAY - timedelta(days=5)}, "expiring_without_successor"),
        ({"in_service_on": date(2021, 5, 23)}, "expiring_without_successor"),  # six years, less a day: 2027-05-22, in 179 days
        ({"in_service_on": date(2021, 5, 25)}, None),
        ({"state": "retired", "retired_on": DAY}, "retired_without_successor"),
        ({"state": "retired", "retired_on": DAY, "no_successor": "业务已并入省平台"}, None),
        ({"vendor_end_on": DAY, "no_successor": "随系统下线"}, None),
        ({"state": "stock", "vendor_end_on": DAY}, None),
    ],
)
def test_what_nears_its_end_has_a_successor_or_a_reason_for_none(values, code, device, clock):
    device("D0", OTHER_MAC, in_service_on=DAY)
    device(**values)
    measure(clock, REPLACED)
    assert codes(REPLACED) == ({"device:D1": code} if code else {})
    assert state(REPLACED, "IC") == ("breach" if code else "met")


def test_naming_the_successor_closes_it(device, acting, clock):
    old, new = device(vendor_end_on=DAY), device("D2", OTHER_MAC)
    measure(clock, REPLACED)
    assert codes(REPLACED) == {"device:D1": "expiring_without_successor"}
    change(old, acting, clock, successor=new)
    measure(clock, REPLACED)
    assert (codes(REPLACED), state(REPLACED, "IC")) == ({}, "met")


def test_a_device_of_which_nothing_is_known_is_unknown(device, clock):
    device(in_service_on=None)
    measure(clock, REPLACED)
    assert (state(REPLACED, "IC"), verdict(REPLACED, "IC").why["code"]) == ("unknown", "device_without_dates")


def test_a_device_of_the_29th_of_february_has_an_end(device, clock):
    device(in_service_on=date(2024, 2, 29))
    measure(clock, REPLACED)
    assert state(REPLACED, "IC") == "met"


# The registers


@pytest.mark.parametrize("written", ["00-1A-2B-3C-4D-5E", "001a.2b3c.4d5e", "00:1a:2b:3c:4d:5e", "001A2B3C4D5E"])
def test_hardware_addresses_are_kept_in_one_form(written, device):
    device(mac=written)
    assert Interface.objects.get().mac == MAC


@pytest.mark.parametrize(
    ("values", "column"),
    [
        ({"mac": "00:1a:2b:3c:4d"}, "mac"),
        ({"addresses": ["10.20.1.300"]}, "addresses"),
        ({"hosts": ["with space"]}, "hosts"),
        ({"state": "retired"}, ""),
        ({"retired_on": DAY}, ""),
    ],
)
def test_what_is_wrong_is_named(values, column, device):
    with pytest.raises(procedures.rows.RowError) as wrong:
        device(**values)
    assert column in wrong.value.faults


def test_one_card_belongs_to_one_interface(device):
    device()
    with pytest.raises(procedures.rows.RowError):
        device("D2", MAC.replace(":", "-").upper())
