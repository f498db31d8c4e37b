"""The gate of Art. 15: who comes into which VLAN, and what the daemon's table says."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from anzhang.daemons.admission import Table, reply
from anzhang.endpoints import admission, procedures
from anzhang.endpoints.admission import Admit, Quarantine
from anzhang.network import procedures as network
from tests.endpoints import reports
from tests.endpoints.conftest import DAY

pytestmark = pytest.mark.usefixtures("bureau")
MAC = "02:00:00:00:00:01"


def why(verdict) -> tuple[str, ...]:
    assert isinstance(verdict, Quarantine)
    return verdict.reasons


def test_a_sound_endpoint_comes_into_its_zone_for_as_long_as_its_posture_holds(endpoint, report, clock):
    endpoint()
    report()
    verdict = admission.admission(MAC, "eap", clock.now)
    assert (verdict.endpoint, verdict.zone, verdict.vlan, verdict.stands) == ("C1", "YW", 100, 0)
    assert verdict.seconds == admission.LONGEST_SECONDS
    clock.advance(hours=23)
    assert admission.admission(MAC, "eap", clock.now).seconds == 3600
    clock.advance(hours=1)
    assert why(admission.admission(MAC, "eap", clock.now)) == ("posture_stale",)


@pytest.mark.parametrize("written", ["02-00-00-00-00-01", "0200.0000.0001", "020000000001", "02:00:00:00:00:01"])
def test_an_address_is_known_however_a_switch_writes_it(written, endpoint, report, clock):
    endpoint()
    report()
    assert admission.admission(written, "mac", clock.now)


def test_strangers_and_retired_and_silent_ones_are_quarantined(endpoint, report, acting, clock):
    assert why(admission.admission(MAC, "eap", clock.now)) == ("mac_unknown",)
    assert why(admission.admission("", "eap", clock.now)) == ("mac_unknown",)
    row = endpoint()
    assert why(admission.admission(MAC, "eap", clock.now)) == ("posture_missing",)
    report()
    procedures.change_endpoint(acting("liming"), row, at=clock.now, state="retired")
    assert why(admission.admission(MAC, "eap", clock.now)) == ("endpoint_retired",)


def test_an_address_alone_is_enough_only_where_the_zone_says_so(endpoint, report, zones, clock):
    endpoint("C2", "02:00:00:00:00:02", zone=zones["BG"])
    report("C2")
    assert why(admission.admission("02:00:00:00:00:02", "mac", clock.now)) == ("mac_not_enough",)
    assert why(admission.admission("02:00:00:00:00:02", "something", clock.now)) == ("mac_not_enough",)
    assert admission.admission("02:00:00:00:00:02", "eap", clock.now).vlan == 200


def test_a_zone_without_vlan_and_the_quarantine_admit_nobody(endpoint, report, zones, acting, clock):
    row = endpoint()
    report()
    procedures.change_endpoint(acting("liming"), row, at=clock.now, zone=zones["GL"])
    assert why(admission.admission(MAC, "eap", clock.now)) == ("zone_is_quarantine",)
    network.change_zone(acting("liming"), zones["YW"], at=clock.now, vlan=None)
    row.refresh_from_db()
    procedures.change_endpoint(acting("liming"), row, at=clock.now, zone=zones["YW"])
    assert why(admission.admission(MAC, "eap", clock.now)) == ("zone_without_vlan",)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"products": []}, "antivirus_missing"),
        ({"products": None}, "posture_without_products"),
        ({"products": reports.antivirus(DAY, state="stopped")}, "antivirus_stopped"),
        ({"products": reports.antivirus(DAY, state="unknown")}, "antivirus_state_unknown"),
        ({"products": reports.antivirus(DAY, name="别的")}, "product_missing"),
        ({"products": reports.antivirus(DAY - timedelta(days=8))}, "signatures_old"),
        ({"products": reports.antivirus(DAY, signatures_on=None)}, "signatures_unknown"),
        ({"patches": None}, "posture_without_patches"),
        ({"patches": {"installed": ["KB1"]}}, "patches_missing"),
        ({"patches": {"installed": ["KB1", "KB2"], "missing": ["KB2"]}}, "patches_missing"),
        ({"products": reports.antivirus(DAY - timedelta(days=7))}, None),
    ],
)
def test_what_a_report_shows_or_leaves_open_is_no_pass(changes, reason, endpoint, report, acting, clock):
    endpoint()
    procedures.register_patch(
        acting("liming"), at=clock.now, code="KB2", platform="windows", severity="critical", published_on=DAY - timedelta(days=8)
    )
    report(given=reports.content(DAY, **changes))
    verdict = admission.admission(MAC, "eap", clock.now)
    assert verdict if reason is None else reason in why(verdict)


def test_an_admission_ends_the_day_a_missing_patch_is_due(endpoint, report, acting, clock):
    endpoint()
    procedures.register_patch(
        acting("liming"), at=clock.now, code="KB9", platform="windows", severity="critical", published_on=DAY - timedelta(days=7)
    )
    found = report()
    assert found.passed_until == clock.now.replace(hour=16, minute=0, second=0, microsecond=0)  # Beijing's midnight
    assert admission.admission(MAC, "eap", found.passed_until - timedelta(seconds=1))
    assert not admission.admission(MAC, "eap", found.passed_until)


def test_results_that_prove_nothing_admit_nobody(endpoint, report, clock):
    endpoint(posture_key=reports.public())
    given = (
        '<TestResult xmlns="http://checklists.nist.gov/xccdf/1.2" end-time="2026-11-24T09:20:00">'
        '<rule-result idref="a"><result>notapplicable</result></rule-result>'
        '<rule-result idref="b"><result>notchecked</result></rule-result>'
        "</TestResult>"
    )
    found = report(given=given, form="openscap")
    assert (found.state, found.passed_until) == ("unknown", None)
    assert "posture_proves_nothing" in why(admission.admission(MAC, "eap", clock.now))


def test_a_new_rule_reaches_what_was_admitted_before(endpoint, report, acting, clock):
    endpoint()
    report()
    clock.advance(hours=1)
    procedures.register_patch(
        acting("liming"), at=clock.now, code="KB7", platform="windows", severity="critical", published_on=date(2026, 11, 1)
    )
    assert admission.admission(MAC, "eap", clock.now)
    assert (procedures.judge_again(clock.now), procedures.judge_again(clock.now)) == (1, 0)
    assert why(admission.admission(MAC, "eap", clock.now)) == ("patches_missing",)


# The daemon's table


def test_the_table_follows_registers_and_reports(endpoint, report, acting, zones, clock):
    table = Table()
    assert table.is_current is False
    assert table.refresh() == 0
    assert (table.is_current, table.quarantine) == (True, "666")
    row = endpoint()
    table.refresh()
    assert why(table.decide(MAC, "eap", clock.now.timestamp())) == ("posture_missing",)
    report()
    assert table.refresh() == 1
    assert table.decide(MAC, "eap", clock.now.timestamp()) == admission.admission(MAC, "eap", clock.now)
    clock.advance(hours=1)
    report(given=reports.content(DAY, products=[]))
    table.refresh()
    assert why(table.decide(MAC, "eap", clock.now.timestamp())) == ("antivirus_missing", "product_missing")
    procedures.change_endpoint(acting("liming"), row, at=clock.now, mac="02:00:00:00:00:09")
    table.refresh()
    assert why(table.decide(MAC, "eap", clock.now.timestamp())) == ("mac_unknown",)


def test_an_address_that_two_claim_belongs_to_neither(bureau, endpoint, report, acting, clock):
    device = network.register_device(acting("liming"), at=clock.now, code="D1", name="主机", kind="terminal", unit=bureau.unit["IC"])
    network.register_interface(acting("liming"), at=clock.now, device=device, name="eth0", mac="02:00:00:00:00:07")
    endpoint("C1", "02:00:00:00:00:07")
    endpoint("C2", "", device=device)
    report()
    report("C2")
    table = Table()
    table.refresh()
    assert why(table.decide("02:00:00:00:00:07", "eap", clock.now.timestamp())) == ("mac_claimed_twice",)
    assert why(admission.admission("02:00:00:00:00:07", "eap", clock.now)) == ("mac_claimed_twice",)


def test_an_answer_says_vlan_time_and_how_long_it_may_stand(endpoint, report, zones, acting, clock):
    import json

    network.change_zone(acting("liming"), zones["YW"], at=clock.now, fail_mode="last_verdict", fail_hours=8)
    endpoint()
    report()
    given = json.loads(reply(admission.admission(MAC, "eap", clock.now), "666"))
    assert (given["reply:Tunnel-Private-Group-Id"], given["reply:Tunnel-Type"], given["control:Cache-TTL"]) == ("100", "VLAN", "-28800")
    refused = json.loads(reply(Quarantine("C1", ("posture_stale",)), "666"))
    assert (refused["reply:Tunnel-Private-Group-Id"], refused["control:Tmp-Integer-1"]) == ("666", "0")
    assert refused["control:Tmp-String-0"]["value"] == ["quarantined C1 posture_stale"]
    assert isinstance(admission.admission(MAC, "eap", clock.now), Admit)


@pytest.mark.parametrize(
    ("values", "column"),
    [
        ({"fail_mode": "last_verdict"}, ""),
        ({"fail_hours": 8}, ""),
        ({"fail_mode": "last_verdict", "fail_hours": 73}, ""),
        ({"vlan": 4095}, ""),
        ({"vlan": 100}, ""),
    ],
)
def test_a_fail_mode_has_its_limit_and_a_vlan_its_zone(values, column, zones, acting, clock):
    with pytest.raises(network.rows.RowError) as wrong:
        network.change_zone(acting("liming"), zones["BG"], at=clock.now, **values)
    assert column in wrong.value.faults
