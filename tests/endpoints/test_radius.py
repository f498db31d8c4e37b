"""FreeRADIUS admits by our verdict, and quarantines by itself when there is none (Art. 15): real programs throughout."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime
from http.client import HTTPConnection

import pytest

from anzhang.engines.vault import Batch, Vault
from tests.endpoints import radius
from tests.endpoints.radius import QUARANTINE, WITHIN, Site
from tests.monitoring.authority import Authority

SOUND, STALE, OFFICE, LASTING, SILENT, STRANGER = 1, 2, 3, 4, 5, 0x99  # tests.endpoints.stage


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """A data directory with endpoints, made once."""
    home = tmp_path_factory.mktemp("radius") / "home"
    radius.build(home)
    return home


@pytest.fixture
def site(template, tmp_path):
    """A copy of it, configured; what the test leaves running is stopped."""
    home = tmp_path / "home"
    shutil.copytree(template, home)
    made = Site(home, Authority(tmp_path / "authority", "bureau"))
    made.configure()
    yield made
    made.stop()


def vlans(answers) -> list[str]:
    assert all(answer.accepted for answer in answers)
    return [answer.vlan for answer in answers]


def test_each_endpoint_comes_where_it_belongs_by_address_and_by_eap(site):
    site.serve()
    with site.freeradius():
        answers, _seconds = site.mac_auth(SOUND, STALE, OFFICE, LASTING, SILENT, STRANGER)
        assert vlans(answers) == ["100", QUARANTINE, QUARANTINE, "300", QUARANTINE, QUARANTINE]
        assert answers[0].seconds > 3600
        assert answers[1].seconds == 60  # asks again soon
        for method in ("PEAP", "TTLS"):
            assert vlans([site.eap(method, OFFICE), site.eap(method, SOUND), site.eap(method, STALE)]) == ["200", "100", QUARANTINE]
        assert site.eap("PEAP", OFFICE, password="falsch").accepted is False
    detail = site.detail()
    assert 'Module-Failure-Message = "admitted SOUND"' in detail
    assert 'Module-Failure-Message = "quarantined OFFICE mac_not_enough"' in detail
    assert 'Module-Failure-Message = "quarantined - mac_unknown"' in detail
    vault = Vault(site.home / "vault")
    with vault.writer() as writer:
        writer.append(Batch("RADIUS", detail.encode(), datetime.now(UTC), timezone="UTC"))
        writer.seal(datetime.now(UTC))
    events = vault.events("admission_event").select(["source_mac", "vlan", "reason", "event_action", "user_name"]).to_pylist()
    assert {"accept"} == {event["event_action"] for event in events}
    assert ("02:00:00:00:00:01", "100", "admitted SOUND") in {(e["source_mac"], e["vlan"], e["reason"]) for e in events}
    assert "liming" in {event["user_name"] for event in events}


def test_it_starts_while_we_are_down_and_quarantines_until_we_are_up(site):
    with site.freeradius():
        answers, seconds = site.mac_auth(SOUND, LASTING)
        assert vlans(answers) == [QUARANTINE, QUARANTINE]
        assert seconds < 2 * WITHIN
        assert vlans([site.eap("PEAP", OFFICE)]) == [QUARANTINE]
        site.serve()
        radius.wait_until(lambda: vlans(site.mac_auth(SOUND)[0]) == ["100"], 10, "the first verdict")


@pytest.mark.parametrize("failure", ["dead", "hung"])
def test_without_us_64_at_once_are_quarantined_within_a_second_but_for_the_recorded_fail_mode(site, failure):
    site.serve()
    with site.freeradius():
        before, _seconds = site.mac_auth(*[SOUND, LASTING] * 32, parallel=64)
        assert Counter(vlans(before)) == {"100": 32, "300": 32}
        if failure == "dead":
            site.stop()
            during(site)
        else:
            with site.hung():
                during(site)
        if failure == "dead":
            site.serve()
        radius.wait_until(lambda: vlans(site.mac_auth(SOUND)[0]) == ["100"], 10, "a verdict again")
    detail = site.detail()
    assert 'Module-Failure-Message = "no_verdict"' in detail
    assert 'Module-Failure-Message = "last_verdict"' in detail


def during(site: Site) -> None:
    for _again in range(3):  # with the breaker open and closed
        answers, seconds = site.mac_auth(*[SOUND] * 64, parallel=64)
        assert vlans(answers) == [QUARANTINE] * 64
        assert seconds < WITHIN
    answers, seconds = site.mac_auth(*[LASTING] * 64, parallel=64)
    assert vlans(answers) == ["300"] * 64  # its zone lets the last verdict stand for an hour
    assert seconds < WITHIN
    assert vlans([site.eap("PEAP", LASTING), site.eap("PEAP", OFFICE)]) == [QUARANTINE, QUARANTINE]  # nobody had asked about them by EAP


def test_a_verdict_that_changed_replaces_the_last_one(site):
    site.serve()
    with site.freeradius():
        assert vlans(site.mac_auth(LASTING)[0]) == ["300"]
        with sqlite3.connect(site.home / "db.sqlite3") as database:  # as if its report had run out; the service reads standings that moved
            database.execute(
                "update anzhang_endpointstanding set passed_until = '2020-01-01', judged_at = ? where endpoint_id ="
                " (select id from anzhang_endpoint where code = 'LASTING')",
                [datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")],
            )
        radius.wait_until(lambda: vlans(site.mac_auth(LASTING)[0]) == [QUARANTINE], 10, "the new verdict")
        site.stop()
        assert vlans(site.mac_auth(LASTING)[0]) == [QUARANTINE]


def test_a_request_that_is_not_signed_is_dropped(site):
    site.serve()
    with site.freeradius():
        asked = 'User-Name = "020000000001", Calling-Station-Id = "02-00-00-00-00-01"\n'
        command = [radius.program("radclient"), "-x", "-r", "1", "-t", "1", f"127.0.0.1:{site.radius}", "auth", site.secret]
        done = subprocess.run(command, input=asked, capture_output=True, text=True, timeout=30, check=False)
        assert "Received Access" not in done.stdout
    assert "SOUND" not in (site.detail() if (site.folder / "log" / "admission.detail").exists() else "")


def test_the_service_tells_nothing_to_who_shows_no_token(site):
    site.serve()

    def status(path, **headers):
        with closing(HTTPConnection("127.0.0.1", site.service, timeout=10)) as connection:
            connection.request("GET", path, headers=headers)
            return connection.getresponse().status

    token = {"Authorization": f"Bearer {(site.home / 'keys' / 'admission.token').read_text().strip()}"}
    path = "/admission?mac=02-00-00-00-00-01&method=mac"
    assert (status(path), status(path, Authorization="Bearer no"), status(path, **token), status("/else", **token)) == (401, 401, 200, 404)


def test_what_an_operator_must_set_first_is_said(site):
    (site.home / "anzhang.toml").write_text('[admission]\nbind = "0.0.0.0:8610"\n')
    command = [sys.executable, "-m", "anzhang", "--home", str(site.home)]
    for verb in (("admission",), ("radius", "config", str(site.folder))):
        done = subprocess.run([*command, *verb], capture_output=True, text=True, env=radius.environment(), check=False)
        assert done.returncode == 2
        assert "is not loopback; set admission.certificate" in done.stderr
    (site.home / "anzhang.toml").write_text("")
    done = subprocess.run([*command, "admission"], capture_output=True, text=True, env=radius.environment(), check=False)
    assert (done.returncode, "[admission] bind" in done.stderr) == (2, True)
