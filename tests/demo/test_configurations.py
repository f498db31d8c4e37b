"""The demo's network devices: a fortnight of configurations, one order, one change without one."""

from __future__ import annotations

from anzhang.demo import configurations
from anzhang.network import procedures
from anzhang.network.tables import ChangeOrder, ConfigSnapshot
from tests.articles.stories import measure, opened, state


def test_the_planted_change_makes_its_finding_and_the_others_none(bureau, acting, clock):
    zone = procedures.register_zone(
        acting("liming"), at=clock.now, code="BIZ", name="业务专网", kind="business", networks=["10.20.0.0/16"], unit=bureau.unit["IC"]
    )
    devices = configurations.plant(bureau, zone, clock.now)
    assert ConfigSnapshot.objects.count() == configurations.DAYS * len(devices)
    assert ChangeOrder.objects.get().devices == ["NET-R1"]
    clock.advance(minutes=1)
    measure(clock, "A08.1")
    assert [finding.subject for finding in opened("A08.1")] == [f"device:{configurations.UNORDERED}"]
    assert state("A08.1", "IC") == "breach"
