"""Art. 15: endpoints are classed, kept, protected, and checked before they come in. Red on what is planted, silent on near-misses."""

from __future__ import annotations

from datetime import UTC, date, timedelta

import pytest

from anzhang.demo.bureau import SETUP
from anzhang.directory import procedures as directory
from anzhang.endpoints import procedures
from anzhang.engines.vault import Batch
from anzhang.network import procedures as network
from anzhang.organization.models import PolicyDocument
from tests.articles.stories import measure, opened, state, verdict
from tests.endpoints import reports
from tests.endpoints.conftest import endpoint, product, report, zones

__all__ = ["endpoint", "product", "report", "zones"]  # fixtures
pytestmark = pytest.mark.usefixtures("bureau")
KINDS, POLICY, KEEPER, ANTIVIRUS, SIGNATURES, PATCHES, CHECKED = (f"A15.{number}" for number in range(1, 8))
DAY = date(2026, 11, 24)  # of world.START
MAC = "02:00:00:00:00:01"


def seal(vault, at, *texts: str) -> None:
    with vault.writer() as writer:
        for text in texts:
            writer.append(Batch("RADIUS", text.encode(), at, timezone="UTC"))
        writer.seal(at)


def accept(at, mac=MAC, vlan="100", why="admitted C1") -> str:
    """Return what our FreeRADIUS writes of an accept (operate/radius.py)."""
    return (
        f"{at.astimezone(UTC):%a %b %d %H:%M:%S %Y}\n\tPacket-Type = Access-Accept\n\tTunnel-Type = VLAN\n"
        f'\tTunnel-Private-Group-Id = "{vlan}"\n\tCalling-Station-Id = "{mac}"\n\tUser-Name = "{mac}"\n\tNAS-IP-Address = 10.9.9.9\n'
        f'\tModule-Failure-Message = "{why}"\n\tTimestamp = {int(at.timestamp())}\n\n'
    )


def lease(at, mac=MAC, ip="10.20.1.7") -> str:
    return f"<30>1 {at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ} dhcp01 dhcpd 1 - - DHCPACK on {ip} to {mac} via eth1\n"


def codes(obligation: str) -> dict[str, str]:
    return {finding.subject: finding.reason["code"] for finding in opened(obligation)}


# A15.1


def test_an_endpoint_of_no_listed_kind_is_found_until_it_is_classed(endpoint, acting, clock):
    row = endpoint(kind="")
    endpoint("C2", "02:00:00:00:00:02", kind="other")
    measure(clock, KINDS)
    (finding,) = opened(KINDS)
    assert (finding.subject, finding.reason["code"], finding.person.code) == ("endpoint:C1", "endpoint_without_kind", "P021")
    assert (finding.unit.code, finding.evidence) == ("JYC", [f"endpoint:{row.pk}"])
    procedures.change_endpoint(acting("liming"), row, at=clock.now, kind="self_service")
    measure(clock, KINDS)
    assert (codes(KINDS), state(KINDS, "JYC")) == ({}, "met")


def test_without_endpoints_nobody_can_say(vault, clock):
    every = (KINDS, POLICY, KEEPER, ANTIVIRUS, SIGNATURES, PATCHES, CHECKED)
    measure(clock, *every, vault=vault)
    assert {state(each, None) for each in every} == {"unknown"}
    assert {verdict(each, None).why["code"] for each in every} == {"no_endpoints"}


# A15.2


def test_every_unit_has_an_endpoint_policy_that_was_reviewed_in_time(bureau, endpoint, clock):
    endpoint()
    reviewed = DAY - timedelta(days=366)
    document = PolicyDocument(
        unit=bureau.unit["JYC"], kind="endpoint", title="客户端管理制度", edition="1", issued_on=reviewed, reviewed_on=reviewed,
        in_force_from=reviewed,
    )  # fmt: skip
    document.save()
    measure(clock, POLICY)
    (finding,) = opened(POLICY, "JYC")
    assert (finding.reason["code"], finding.evidence) == ("endpoint_policy_review_overdue", [f"policy_document:{document.pk}"])
    document.reviewed_on = reviewed + timedelta(days=1)
    document.save()
    measure(clock, POLICY)
    assert (opened(POLICY, "JYC"), state(POLICY, "JYC")) == ([], "met")


def test_a_policy_that_is_not_in_force_is_none(bureau, endpoint, clock):
    endpoint()
    PolicyDocument.objects.create(
        unit=bureau.unit["JYC"],
        kind="endpoint",
        title="t",
        edition="1",
        issued_on=DAY,
        reviewed_on=DAY,
        in_force_from=DAY + timedelta(days=1),
    )
    PolicyDocument.objects.create(
        unit=bureau.unit["JYC"], kind="operations", title="t", edition="1", issued_on=DAY, reviewed_on=DAY, in_force_from=DAY
    )
    measure(clock, POLICY)
    assert codes(POLICY)["unit:JYC"] == "endpoint_policy_missing"


# A15.3


def test_a_unit_with_endpoints_has_somebody_in_charge_of_them(bureau, endpoint, clock):
    row = endpoint()
    clock.advance(days=7)
    measure(clock, KEEPER)
    assert codes(KEEPER) == {}
    clock.advance(seconds=1)
    measure(clock, KEEPER)
    (finding,) = opened(KEEPER)
    assert (finding.subject, finding.reason["code"], finding.unit.code) == ("unit:JYC", "endpoint_keeper_missing", "JYC")
    assert (finding.evidence, finding.person.code) == ([f"endpoint:{row.pk}"], "P020")  # the head of the unit
    given = {"person": bureau.person["P021"], "duty": "endpoint_keeper", "unit": bureau.unit["JYC"], "basis": None}
    post = directory.start_assignment(SETUP, valid_from=clock.now, at=clock.now, **given)
    measure(clock, KEEPER)
    assert (codes(KEEPER), state(KEEPER, "JYC")) == ({}, "met")
    directory.end_assignment(SETUP, post, clock.advance(days=1), clock.now)
    clock.advance(days=7, seconds=1)
    measure(clock, KEEPER)
    assert opened(KEEPER)[0].evidence == [f"assignment:{post.pk}"]


# A15.4, A15.5, A15.6


def admit(vault, clock, **more) -> None:
    seal(vault, clock.now, accept(clock.now, **more))
    clock.advance(minutes=1)


@pytest.mark.parametrize(
    ("products", "code"),
    [([], "antivirus_missing"), (reports.antivirus(DAY, state="stopped"), "antivirus_stopped"), (reports.antivirus(DAY), None)],
)
def test_an_admitted_endpoint_runs_an_antivirus(products, code, endpoint, report, vault, clock):
    endpoint()
    sent = report(given=reports.content(DAY, products=products))
    admit(vault, clock)
    measure(clock, ANTIVIRUS, vault=vault)
    assert codes(ANTIVIRUS) == ({"endpoint:C1": code} if code else {})
    assert state(ANTIVIRUS, "JYC") == ("breach" if code else "met")
    if code:
        (finding,) = opened(ANTIVIRUS)
        assert (finding.person.code, finding.evidence) == ("P021", [f"posture_report:{sent.pk}", "line:n1-000000001:1"])
        report()
        measure(clock, ANTIVIRUS, vault=vault)
        assert (codes(ANTIVIRUS), state(ANTIVIRUS, "JYC")) == ({}, "met")


def test_one_that_was_quarantined_owes_nothing_yet(endpoint, report, vault, clock):
    endpoint()
    report(given=reports.content(DAY, products=[]))
    admit(vault, clock, vlan="666", why="quarantined C1 antivirus_missing")
    measure(clock, ANTIVIRUS, CHECKED, vault=vault)
    assert (codes(ANTIVIRUS), codes(CHECKED)) == ({}, {})


@pytest.mark.parametrize(
    ("given", "obligation", "code"),
    [
        ({"products": None}, ANTIVIRUS, "posture_without_products"),
        ({"products": reports.antivirus(DAY, state="unknown")}, ANTIVIRUS, "antivirus_state_unknown"),
        ({"products": reports.antivirus(DAY, signatures_on=None)}, SIGNATURES, "signatures_unknown"),
        ({"products": reports.antivirus(DAY, name="别的")}, SIGNATURES, "product_unregistered"),
        ({"patches": None}, PATCHES, "posture_without_patches"),
    ],
)
def test_what_a_report_does_not_say_is_unknown(given, obligation, code, endpoint, report, acting, vault, clock):
    procedures.register_patch(acting("liming"), at=clock.now, code="KB1", platform="windows", severity="low", published_on=DAY)
    endpoint()
    report(given=reports.content(DAY, **given))
    admit(vault, clock)
    measure(clock, obligation, vault=vault)
    assert (state(obligation, "JYC"), verdict(obligation, "JYC").why["code"]) == ("unknown", code)


def test_an_admitted_endpoint_that_never_reported_is_unknown_and_should_not_be_there(endpoint, vault, clock):
    endpoint()
    admit(vault, clock)
    measure(clock, ANTIVIRUS, SIGNATURES, PATCHES, CHECKED, vault=vault)
    assert {state(each, "JYC") for each in (ANTIVIRUS, SIGNATURES, PATCHES)} == {"unknown"}
    assert codes(CHECKED) == {"endpoint:C1": "admitted_without_posture"}


def test_signatures_follow_the_mirror_and_its_next_edition_reaches_old_reports(endpoint, report, product, acting, vault, clock):
    endpoint()
    report(given=reports.content(DAY, products=reports.antivirus(DAY - timedelta(days=7))))
    admit(vault, clock)
    measure(clock, SIGNATURES, vault=vault)
    assert (codes(SIGNATURES), state(SIGNATURES, "JYC")) == ({}, "met")
    network.change_security_product(acting("liming"), product, at=clock.now, signatures_on=DAY + timedelta(days=1))
    measure(clock, SIGNATURES, vault=vault)
    (finding,) = opened(SIGNATURES)
    assert (finding.reason["code"], finding.reason["params"]["behind"]) == ("signatures_old", 8)
    report(given=reports.content(DAY, products=reports.antivirus(DAY)))
    measure(clock, SIGNATURES, vault=vault)
    assert (codes(SIGNATURES), state(SIGNATURES, "JYC")) == ({}, "met")


def test_a_patch_may_be_missing_to_the_last_day_of_its_grace(endpoint, report, acting, vault, clock):
    endpoint()
    measure(clock, PATCHES, vault=vault)
    given = {"platform": "windows", "severity": "high"}
    procedures.register_patch(acting("liming"), at=clock.now, code="KB8", published_on=DAY - timedelta(days=14), **given)
    report()
    admit(vault, clock)
    measure(clock, PATCHES, vault=vault)
    assert (codes(PATCHES), state(PATCHES, "JYC")) == ({}, "met")
    clock.now = clock.now.replace(hour=16, minute=0)  # Beijing's midnight
    measure(clock, PATCHES, vault=vault)
    (finding,) = opened(PATCHES)
    assert (finding.reason["code"], finding.reason["params"]["patches"]) == ("patches_missing", "KB8")
    report(given=reports.content(DAY, patches={"installed": ["KB1", "KB2", "KB8"]}))
    measure(clock, PATCHES, vault=vault)
    assert (codes(PATCHES), state(PATCHES, "JYC")) == ({}, "met")


def test_without_a_baseline_nobody_knows_what_is_required(endpoint, report, vault, clock):
    endpoint()
    report()
    admit(vault, clock)
    measure(clock, PATCHES, vault=vault)
    assert (state(PATCHES, None), verdict(PATCHES, None).why["code"]) == ("unknown", "no_patch_baseline")


def test_without_lines_about_admissions_nobody_can_say(endpoint, report, vault, clock):
    endpoint()
    report()
    measure(clock, ANTIVIRUS, CHECKED, vault=vault)
    for each in (ANTIVIRUS, CHECKED):
        assert (state(each, "JYC"), verdict(each, "JYC").why["code"]) == ("unknown", "no_admissions")


# A15.7


def test_an_admission_without_a_fresh_passing_report_is_found_and_closes_when_it_is_over(endpoint, report, vault, clock):
    row = endpoint()
    sent = report()
    clock.advance(hours=24)
    seal(vault, clock.now, accept(clock.now - timedelta(seconds=1)), lease(clock.now - timedelta(seconds=1)))
    clock.advance(seconds=1)
    measure(clock, CHECKED, vault=vault)
    assert (codes(CHECKED), state(CHECKED, "JYC")) == ({}, "met")
    seal(vault, clock.now, accept(clock.now))
    clock.advance(minutes=1)
    measure(clock, CHECKED, vault=vault)
    (finding,) = opened(CHECKED)
    assert (finding.subject, finding.reason["code"], finding.unit.code, finding.person.code) == (
        "endpoint:C1", "admitted_without_posture", "JYC", "P021",
    )  # fmt: skip
    assert finding.evidence == [f"endpoint:{row.pk}", f"posture_report:{sent.pk}", "line:n1-000000002:12"]
    assert finding.reason["params"]["zone"] == "区域YW"
    report()
    clock.advance(days=1, seconds=1)
    report()
    seal(vault, clock.now, accept(clock.now), lease(clock.now))
    clock.advance(minutes=1)
    measure(clock, CHECKED, vault=vault)
    assert (codes(CHECKED), state(CHECKED, "JYC")) == ({}, "met")


def test_a_failing_report_covers_no_admission_however_fresh(endpoint, report, vault, clock):
    endpoint()
    report(given=reports.content(DAY, products=[]))
    admit(vault, clock)
    measure(clock, CHECKED, vault=vault)
    assert codes(CHECKED) == {"endpoint:C1": "admitted_without_posture"}


def test_every_passage_by_a_last_verdict_is_found(endpoint, report, vault, clock):
    endpoint()
    report()
    admit(vault, clock, why="last_verdict")
    measure(clock, CHECKED, vault=vault)
    assert codes(CHECKED) == {"endpoint:C1": "admitted_by_last_verdict"}


def test_a_switchs_own_line_beside_that_of_the_quarantine_is_the_same_act(endpoint, vault, clock):
    endpoint()
    login = f"{clock.now:%a %b %d %H:%M:%S %Y} : Auth: (7) Login OK: [{MAC}] (from client sw1 port 3 cli {MAC})\n"
    seal(vault, clock.now, accept(clock.now, vlan="666"), login)
    clock.advance(minutes=1)
    measure(clock, CHECKED, vault=vault)
    assert codes(CHECKED) == {}
    clock.advance(minutes=10)
    seal(vault, clock.now, f"{clock.now:%a %b %d %H:%M:%S %Y} : Auth: (8) Login OK: [{MAC}] (from client sw1 port 3 cli {MAC})\n")
    clock.advance(minutes=1)
    measure(clock, CHECKED, vault=vault)
    assert codes(CHECKED) == {"endpoint:C1": "admitted_without_posture"}


def test_strangers_that_are_let_in_or_seen_in_an_internal_zone_are_found(zones, endpoint, report, vault, clock):
    endpoint()
    report()
    stranger, other, outside = "02:00:00:00:00:77", "02:00:00:00:00:78", "02:00:00:00:00:79"
    seal(
        vault, clock.now, accept(clock.now), lease(clock.now), accept(clock.now, stranger), lease(clock.now, other),
        lease(clock.now, outside, "192.168.1.1"),
    )  # fmt: skip
    clock.advance(minutes=1)
    measure(clock, CHECKED, vault=vault)
    assert codes(CHECKED) == {f"mac:{stranger}": "stranger_admitted", f"mac:{other}": "stranger_seen"}
    assert {finding.unit.code for finding in opened(CHECKED)} == {"IC"}


def test_an_endpoint_seen_in_a_zone_was_let_in_before(bureau, endpoint, report, acting, vault, clock):
    endpoint()
    report()
    device = network.register_device(acting("liming"), at=clock.now, code="D1", name="打印机", kind="printer", unit=bureau.unit["IC"])
    network.register_interface(acting("liming"), at=clock.now, device=device, name="eth0", mac="02:00:00:00:00:66")
    seal(vault, clock.now, accept(clock.now, "02:00:00:00:00:55", "666"), lease(clock.now), lease(clock.now, "02:00:00:00:00:66"))
    clock.advance(minutes=1)
    measure(clock, CHECKED, vault=vault)
    assert codes(CHECKED) == {"endpoint:C1": "endpoint_seen_without_admission"}
    clock.advance(days=1)
    report()
    seal(vault, clock.now, accept(clock.now), lease(clock.now))
    clock.advance(minutes=1)
    measure(clock, CHECKED, vault=vault)
    assert (codes(CHECKED), state(CHECKED, "JYC")) == ({}, "met")


def test_without_sightings_it_is_said_that_nobody_looks(endpoint, report, vault, clock):
    endpoint()
    report()
    admit(vault, clock)
    measure(clock, CHECKED, vault=vault)
    assert (state(CHECKED, "JYC"), state(CHECKED, None)) == ("met", "unknown")
    assert verdict(CHECKED, None).why["code"] == "no_zone_sightings"
