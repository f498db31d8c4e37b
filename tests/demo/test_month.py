"""A month of the demo: every planted violation is found and nothing else, in every chapter; what comes late or is approved later too."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db import transaction

from anzhang import clock as anzhang_clock
from anzhang.casework import reconciliation
from anzhang.casework.models import Finding, Verdict
from anzhang.demo import chapters, estate, signing
from anzhang.demo.chapter import Line, Site
from anzhang.demo.logs import STAFF
from anzhang.endpoints.models import Endpoint, EndpointStanding, PostureReport
from anzhang.engines import posture
from anzhang.engines.vault import Batch, Vault
from anzhang.journal import verify
from anzhang.monitoring.models import LogSource
from anzhang.network.models import Device
from anzhang.permissions import system
from tests import world
from tests.regulation.test_binding import bound

pytestmark = pytest.mark.django_db
HOST = re.compile(rb"<\d+>(?:1 \S+ (\S+)|\w{3} [ \d]\d \d\d:\d\d:\d\d (\S+))")
FLOWS = ("A06.2", "A09.2", "A09.3", "A09.6", "A10.1", "A10.4", "A13.6", "A14.8", "A31.2")  # what the late lines may concern


@dataclass
class Month:
    """A small demo as it stands: the same code as the whole one, fewer devices and days."""

    site: Site
    vault: Vault
    first: set[tuple[str, str, str]]
    later: set[tuple[str, str, str]]
    next_morning: set[tuple[str, str, str]]
    met: set[str]
    ledger: list[dict[str, Any]]


def seal(vault: Vault, lines: list[Line], at: datetime) -> None:
    """Seal lines by the source whose host stands in their header, as the collector would."""
    of_host = {host: source.code for source in LogSource.objects.all() for host in source.hosts}
    batches: dict[str, list[bytes]] = defaultdict(list)
    for _at, line in lines:
        named = HOST.match(line)
        assert named, line
        batches[of_host[(named[1] or named[2]).decode()]].append(line + b"\n")
    with vault.writer() as writer:
        for source, each in batches.items():
            writer.append(Batch(source, b"".join(each), at))
        writer.seal(at)


def judge(vault: Vault, at: datetime, obligations: tuple[str, ...] | None = None) -> set[tuple[str, str, str]]:
    """Judge everything, or what reads flows only; return what stands."""
    summary = reconciliation.run(system("reconcile"), at, vault, obligations)
    assert summary.failed == []
    return set(Finding.objects.exclude(state="closed").values_list("obligation", "subject", "state"))


@pytest.fixture(scope="module")
def month(django_db_setup, django_db_blocker, tmp_path_factory):
    """Build it once: registers, evidence, the first judgement, the late lines, the next morning."""
    with django_db_blocker.unblock():
        real, frozen, patch = anzhang_clock.now, world.Clock(), pytest.MonkeyPatch()
        patch.setitem(
            settings.HOME.settings, "posture", {"keys": {signing.COLLECTOR: signing.public_key(f"collector:{signing.COLLECTOR}")}}
        )
        frozen.install()
        site, vault = Site(frozen.now, devices=400, days=8), Vault(tmp_path_factory.mktemp("month") / "vault")
        try:
            with transaction.atomic():
                chapters.build(site)
                seal(vault, chapters.month(site), site.now)
                frozen.advance(minutes=1)
                first = judge(vault, frozen.now)
                met = set(Verdict.objects.filter(current=True, state="met").values_list("obligation", flat=True))
                seal(vault, chapters.late(site), frozen.now)
                frozen.advance(minutes=1)
                later = judge(vault, frozen.now, FLOWS)
                frozen.advance(hours=23, minutes=30)
                chapters.go_on(site, site.now, frozen.now)
                seal(vault, list(chapters.lines(site, site.now, frozen.now)), frozen.now)
                frozen.advance(seconds=1)
                next_morning = judge(vault, frozen.now)
                yield Month(site, vault, first, later, next_morning, met, verify.check(frozen.now).faults)
                transaction.set_rollback(True)
        finally:
            anzhang_clock.now = real
            patch.undo()


def told(found):
    """Return which of what was found nobody planted."""
    return sorted(each for each in found if not any(planted.matches(*each[:2]) for planted in chapters.EXPECTED))


def test_everything_planted_is_found_and_nothing_else(month):
    assert told(month.first) == []
    for planted in chapters.EXPECTED:
        mine = {(subject, state) for obligation, subject, state in month.first if planted.matches(obligation, subject)}
        assert len(mine) == (0 if planted.late else 1), f"{planted.obligation} {planted.subject} {planted.what}: {mine}"
        assert all(state == planted.state for _subject, state in mine), planted


def test_every_obligation_of_articles_7_to_16_that_is_judged_has_something_planted():
    mine = {obligation for obligation in bound() if 7 <= int(obligation[1:3]) <= 16}
    assert mine <= {planted.obligation for planted in chapters.EXPECTED}
    assert mine - {near.obligation for near in chapters.NEAR} == {"A16.4"}  # beside the unsigned shift stands one signed in its last minute


@pytest.mark.parametrize("near", chapters.NEAR, ids=lambda near: f"{near.obligation} {near.what}")
def test_what_only_looks_like_a_breach_is_silent(near, month):
    assert not [each for each in month.first | month.later if near.matches(*each[:2])]


def test_a_line_that_comes_after_the_judgement_is_found_then(month):
    late = [planted for planted in chapters.EXPECTED if planted.late]
    assert late
    new = month.later - month.first
    assert all(any(planted.matches(*each[:2]) for each in new) for planted in late)
    assert all(any(planted.matches(*each[:2]) for planted in late) for each in new)
    assert month.first <= month.later


def test_the_demo_goes_on_for_a_day_and_only_what_stood_on_its_last_day_is_found_besides(month):
    new = month.next_morning - month.later
    last_day = [near for near in chapters.NEAR if near.today]
    assert last_day
    assert all(any(near.matches(*each[:2]) for each in new) for near in last_day)
    assert sorted(each for each in new if not any(near.matches(*each[:2]) for near in last_day)) == []


def test_every_device_is_seen_and_every_endpoint_reports(month):
    site = month.site
    seen = set(month.vault.events("sighting_event", site.now - timedelta(days=site.days), site.now)["source_mac"].to_pylist())
    assert {each.mac for each in estate.machines(site.devices)} - seen <= {estate.by_code(site.devices)[c].mac for c in silent()}
    assert Device.objects.count() == site.devices
    kept = Endpoint.objects.filter(state="in_service")
    assert EndpointStanding.objects.filter(endpoint__in=kept).count() >= kept.count() - len(silent())
    report = PostureReport.objects.select_related("document", "endpoint").filter(endpoint__isnull=False).last()
    body = f'{{"document": {_quoted(report.document.document)}, "signature": "{report.document.signature}"}}'
    posture.open_envelope(body.encode()).verify(report.endpoint.posture_key)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def silent() -> set[str]:
    """Return the marked terminals that never come in: refused ones, and those of which only a report was ever seen."""
    return {estate.terminal(name) for name in ("denied_only", "gamer", "gamer_new", "unadmitted")}


def test_the_ledger_of_the_demo_verifies(month):
    assert {str(fault["kind"]) for fault in month.ledger} <= {"key_missing"}  # this world has no keys


def test_the_estate_is_the_same_every_time_and_no_address_is_given_twice():
    machines = estate.machines(8000)
    assert len(machines) == 8000
    assert machines == estate.machines.__wrapped__(8000)
    for name in ("code", "mac", "ip", "host"):
        assert len({getattr(each, name) for each in machines}) == 8000, name
    assert not {who.address for who in STAFF} & {each.ip for each in machines if not each.leased}


@pytest.mark.long
@pytest.mark.timeout(900)
def test_the_whole_demo_of_8000_devices_by_its_own_collector(tmp_path):
    home = tmp_path / "demo"

    def run(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", *words], env={**os.environ, "ANZHANG_HOME": str(home)}, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout

    run("anzhang", "demo", "--once")
    stood = json.loads(run("tests.demo.told", str(home)))
    assert stood["devices"] == 8000
    assert told(map(tuple, stood["found"])) == []
    missed = [each for each in chapters.EXPECTED if not each.late and not any(each.matches(*row[:2]) for row in stood["found"])]
    assert missed == []
    assert not [row for row in stood["found"] if any(near.matches(*row[:2]) for near in chapters.NEAR)]
    run("anzhang", "ledger", "verify")
    run("anzhang", "demo", "--advance", "1h")
    later = {tuple(row) for row in json.loads(run("tests.demo.told", str(home)))["found"]}
    new = sorted(row for row in told(later) if not any(near.today and near.matches(*row[:2]) for near in chapters.NEAR))
    assert new == []
    assert all(any(each.matches(*row[:2]) for row in later) for each in chapters.EXPECTED if each.late)
