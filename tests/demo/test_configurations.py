"""The demo's network devices: collected daily, one change without an order, and the same texts whenever they are asked for."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

from anzhang.demo import configurations, estate
from anzhang.demo.chapter import Site

NOW = datetime(2026, 11, 24, 1, 30, tzinfo=UTC)
SITE = Site(NOW, devices=400, days=8)


def test_every_network_device_is_collected_once_in_every_day():
    for back in range(4):
        end = NOW - timedelta(days=back)
        found = list(configurations.collected(SITE, end - timedelta(days=1), end))
        assert all(end - timedelta(days=1) <= at < end for at, _machine in found)
        assert Counter(machine.code for _at, machine in found) == Counter(each.code for each in configurations.devices(SITE))


def test_only_the_changed_devices_read_otherwise_after_the_day_of_the_change():
    known = estate.by_code(400)
    for code, changes in ((configurations.UNORDERED, True), (configurations.BORDER, False), (configurations.WAY_OUT, False)):
        texts = {configurations.text(SITE, known[code], NOW - timedelta(days=day)) for day in range(8)}
        assert len(texts) == (2 if changes else 1), code


def test_the_silent_firewall_tells_of_no_flows_and_the_patient_device_pauses():
    for code, word, silence in (
        (configurations.SILENT, b"flow_event", timedelta(hours=3)),
        (configurations.PATIENT, b"CRON", timedelta(minutes=100)),
    ):
        host = estate.by_code(400)[code].host.encode()
        lines = configurations.lines(SITE, NOW - timedelta(days=1), NOW)
        told = [at for at, line in lines if b" " + host + b" " in line and word in line]
        assert told
        assert NOW - max(told) >= silence
    after = [line for _at, line in configurations.lines(SITE, NOW, NOW + timedelta(hours=5)) if b" fh0001 " in line]
    assert after
    assert not [line for line in after if b"flow_event" in line]
