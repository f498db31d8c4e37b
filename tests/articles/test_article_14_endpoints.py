"""Art. 14: only listed software (A14.6) and listed peripherals (A14.7) on endpoints, and none on the internet (A14.8)."""

from __future__ import annotations

import json
from datetime import UTC, date, timedelta

import pytest

from anzhang.endpoints import procedures
from anzhang.engines.vault import Batch
from anzhang.systems.models import Account
from tests.articles.stories import measure, opened, state, verdict
from tests.endpoints import reports
from tests.endpoints.conftest import endpoint, product, report, zones

__all__ = ["endpoint", "product", "report", "zones"]  # fixtures
pytestmark = pytest.mark.usefixtures("bureau")
SOFTWARE, PERIPHERALS = "A14.6", "A14.7"
DAY = date(2026, 11, 24)  # of world.START


def codes(obligation: str) -> dict[str, str]:
    return {finding.subject: finding.reason["code"] for finding in opened(obligation)}


@pytest.fixture
def listed(acting, clock):
    """The list of counters: one program, and everything of one maker."""
    for name in ("社保前台", "Microsoft *"):
        procedures.register_software(acting("liming"), at=clock.now, endpoint_class="counter", name=name)


def software(*names):
    return reports.content(DAY, software=[{"name": name, "version": "1"} for name in names])


@pytest.mark.usefixtures("listed")
def test_software_outside_the_list_has_its_grace_and_is_then_found_until_it_is_gone(endpoint, report, clock):
    endpoint(endpoint_class="counter")
    report(given=software("社保前台", "microsoft Edge", "炒股软件"))
    clock.advance(hours=24)
    sent = report(given=software("社保前台", "炒股软件"))
    measure(clock, SOFTWARE)
    assert (codes(SOFTWARE), state(SOFTWARE, "JYC")) == ({}, "met")
    clock.advance(seconds=1)
    measure(clock, SOFTWARE)
    (finding,) = opened(SOFTWARE)
    assert (finding.subject, finding.reason["code"], finding.person.code) == ("endpoint:C1", "software_outside_list", "P021")
    assert (finding.reason["params"]["software"], finding.evidence) == ("炒股软件", [f"posture_report:{sent.pk}"])
    report(given=software("社保前台", "Microsoft Office"))
    measure(clock, SOFTWARE)
    assert (codes(SOFTWARE), state(SOFTWARE, "JYC")) == ({}, "met")


@pytest.mark.usefixtures("listed")
def test_putting_it_on_the_list_closes_it_and_a_new_one_counts_from_its_own_day(endpoint, report, acting, clock):
    endpoint(endpoint_class="counter")
    report(given=software("看图软件"))
    clock.advance(hours=25)
    report(given=software("看图软件", "新软件"))
    measure(clock, SOFTWARE)
    assert opened(SOFTWARE)[0].reason["params"]["software"] == "看图软件"
    procedures.register_software(acting("liming"), at=clock.now, endpoint_class="counter", name="看图软件", purpose="阅卷")
    measure(clock, SOFTWARE)
    assert (codes(SOFTWARE), state(SOFTWARE, "JYC")) == ({}, "met")


def test_without_a_list_or_a_report_nobody_can_say(endpoint, report, clock):
    endpoint(endpoint_class="counter")
    measure(clock, SOFTWARE)
    assert (state(SOFTWARE, "JYC"), verdict(SOFTWARE, "JYC").why["code"]) == ("unknown", "software_unknown")
    report()
    measure(clock, SOFTWARE)
    assert state(SOFTWARE, "JYC") == "unknown"


# Peripherals


def attached(vault, at, *texts, host="ck01") -> None:
    lines = "".join(f"<6>1 {at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ} {host} kernel - - - {text}\n" for text in texts)
    with vault.writer() as writer:
        writer.append(Batch("PC", lines.encode(), at))
        writer.seal(at)


STICK = "usb 1-1: New USB device found, idVendor=0951, idProduct=1666, bcdDevice= 1.00"
KEYBOARD = "usb 1-2: New USB device found, idVendor=046d, idProduct=c31c, bcdDevice=64.00"


@pytest.fixture
def listed_keyboard(bureau, acting, clock):
    """Keyboards of one make may be attached in 就业促进处."""
    return procedures.register_peripheral(
        acting("liming"), at=clock.now, code="W1", name="键盘", kind="input", vendor_id="046d", product_id="c31c", unit=bureau.unit["JYC"]
    )


@pytest.mark.usefixtures("listed_keyboard")
def test_a_peripheral_outside_the_list_is_found_and_closes_when_it_is_listed(bureau, endpoint, acting, vault, clock):
    endpoint(hosts=["CK01"])
    attached(vault, clock.now, KEYBOARD)
    clock.advance(minutes=1)
    measure(clock, PERIPHERALS, vault=vault)
    assert (codes(PERIPHERALS), state(PERIPHERALS, "JYC")) == ({}, "met")
    attached(vault, clock.now, STICK)
    clock.advance(minutes=1)
    measure(clock, PERIPHERALS, vault=vault)
    (finding,) = opened(PERIPHERALS)
    assert (finding.subject, finding.reason["code"], finding.person.code) == ("endpoint:C1", "peripheral_unlisted", "P021")
    assert finding.evidence == ["line:n1-000000002:2"]
    given = {"name": "U盘", "kind": "storage", "vendor_id": "0951", "product_id": "1666", "serial": "S1", "unit": bureau.unit["JYC"]}
    procedures.register_peripheral(acting("liming"), at=clock.now, code="W2", **given)
    measure(clock, PERIPHERALS, vault=vault)
    assert (codes(PERIPHERALS), state(PERIPHERALS, "JYC")) == ({}, "met")


def test_another_units_list_an_ended_row_and_another_endpoints_row_allow_nothing(bureau, endpoint, listed_keyboard, acting, vault, clock):
    row = endpoint(hosts=["ck01"], unit=bureau.unit["IC"])
    other = endpoint("C2", "02:00:00:00:00:02", unit=bureau.unit["IC"])
    attached(vault, clock.now, KEYBOARD)
    clock.advance(minutes=1)
    measure(clock, PERIPHERALS, vault=vault)
    assert codes(PERIPHERALS) == {"endpoint:C1": "peripheral_unlisted"}
    procedures.change_peripheral(acting("liming"), listed_keyboard, at=clock.now, unit=bureau.unit["IC"], endpoint=other)
    measure(clock, PERIPHERALS, vault=vault)
    assert codes(PERIPHERALS) == {"endpoint:C1": "peripheral_unlisted"}
    listed_keyboard.refresh_from_db()
    procedures.change_peripheral(acting("liming"), listed_keyboard, at=clock.now, endpoint=row, ended_on=DAY)
    measure(clock, PERIPHERALS, vault=vault)
    assert codes(PERIPHERALS) == {"endpoint:C1": "peripheral_unlisted"}
    listed_keyboard.refresh_from_db()
    procedures.change_peripheral(acting("liming"), listed_keyboard, at=clock.now, ended_on=None)
    measure(clock, PERIPHERALS, vault=vault)
    assert codes(PERIPHERALS) == {}


def test_any_network_adapter_outside_the_list_is_found(endpoint, vault, clock):
    endpoint(hosts=["ck01"])
    told = {"stream": "peripheral_event", "host": "ck01", "event_action": "attached", "result": "success", "device_kind": "Net"}
    line = json.dumps(told | {"device_name": "随身WiFi"}, ensure_ascii=False) + "\n"
    with vault.writer() as writer:
        writer.append(Batch("PC", line.encode(), clock.now))
        writer.seal(clock.now)
    clock.advance(minutes=1)
    measure(clock, PERIPHERALS, vault=vault)
    assert codes(PERIPHERALS) == {"endpoint:C1": "network_adapter_unlisted"}


def test_endpoints_whose_lines_nobody_hears_are_unknown(endpoint, vault, clock):
    measure(clock, PERIPHERALS, SOFTWARE, vault=vault)
    assert {verdict(each, None).why["code"] for each in (PERIPHERALS, SOFTWARE)} == {"no_endpoints"}
    endpoint(hosts=["ck01"])
    measure(clock, PERIPHERALS, vault=vault)
    assert (state(PERIPHERALS, "JYC"), verdict(PERIPHERALS, "JYC").why["code"]) == ("unknown", "no_peripheral_lines")


# On the internet, by whom

INTERNET = "A14.8"
MAC = "02:00:00:00:00:01"


def contact(vault, clock, *, host="", user="", before=timedelta(minutes=5)) -> None:
    """Seal a flow from the endpoint to the internet, and who logged in there before it."""
    at = clock.now
    said = {"stream": "flow_event", "source_ip": "10.20.1.1", "source_mac": MAC, "destination_ip": "203.0.113.9", "result": "success"}
    lines = [f"<30>1 {at:%Y-%m-%dT%H:%M:%SZ} fw01 netwatch 1 - - {json.dumps(said)}\n"]
    if host:
        text = f"Accepted password for {user} from 10.20.9.9 port 5 ssh2"
        lines.append(f"<38>1 {at - before:%Y-%m-%dT%H:%M:%SZ} {host} sshd 7 - - {text}\n")
    with vault.writer() as writer:
        writer.append(Batch("FW", "".join(lines).encode(), at))
        writer.seal(at)
    clock.advance(minutes=1)
    measure(clock, INTERNET, vault=vault)


def told() -> tuple[str, str]:
    (finding,) = opened(INTERNET)
    return finding.person.code, finding.reason["code"]


def test_who_sat_at_the_computer_answers_for_it(endpoint, report, vault, bureau, clock):
    endpoint(hosts=["CK01"])
    account = Account.objects.exclude(person__code="P021").filter(state="open").first()
    report(given=reports.content(DAY, network={"default_routes": 1, "active": []}))
    contact(vault, clock, host="ck01", user=account.name)
    assert told() == (account.person.code, "person_on_internet")
    (finding,) = opened(INTERNET)
    assert (finding.subject, len(finding.evidence), finding.unit.code) == ("endpoint:C1", 2, "JYC")
    clock.advance(days=7)
    seal_other(vault, clock)
    assert (opened(INTERNET), state(INTERNET, "JYC")) == ([], "met")


def seal_other(vault, clock) -> None:
    """Seal a flow that stays inside."""
    said = {"stream": "flow_event", "source_ip": "10.20.1.1", "destination_ip": "10.30.1.1", "result": "success"}
    with vault.writer() as writer:
        writer.append(Batch("FW", f"<30>1 {clock.now:%Y-%m-%dT%H:%M:%SZ} fw01 netwatch 1 - - {json.dumps(said)}\n".encode(), clock.now))
        writer.seal(clock.now)
    clock.advance(minutes=1)
    measure(clock, INTERNET, vault=vault)


@pytest.mark.parametrize(
    "near", [{}, {"host": "ck02"}, {"host": "ck01", "before": timedelta(hours=13)}, {"host": "ck01", "before": -timedelta(minutes=1)}]
)
def test_who_was_not_there_is_not_blamed(near, endpoint, report, vault, clock):
    endpoint(hosts=["CK01"])
    account = Account.objects.exclude(person__code="P021").filter(state="open").first()
    contact(vault, clock, user=account.name, **near)
    assert told() == ("P021", "endpoint_on_internet")


def test_a_name_that_two_people_hold_blames_neither(endpoint, vault, acting, bureau, clock):
    endpoint(hosts=["CK01"])
    account = Account.objects.exclude(person__code="P021").filter(state="open").first()
    other = Account.objects.exclude(system=account.system).exclude(person=account.person).filter(state="open").first()
    Account.objects.filter(pk=other.pk).update(name=account.name)
    contact(vault, clock, host="ck01", user=account.name)
    assert told() == ("P021", "endpoint_on_internet")


def test_without_flows_or_reports_it_is_unknown(endpoint, vault, clock):
    endpoint()
    measure(clock, INTERNET, vault=vault)
    assert (state(INTERNET, "JYC"), opened(INTERNET)) == ("unknown", [])
