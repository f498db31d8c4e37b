"""Which networks belong to which zone, as rules compare them."""

from __future__ import annotations

from collections.abc import Iterator

from anzhang.casework import rules
from anzhang.network.models import Zone


def _rows() -> Iterator[tuple[int, str, str, str]]:
    from anzhang.engines.sqlbox.addresses import bounds

    for zone in Zone.objects.order_by("pk"):
        for network in zone.networks:
            yield (zone.pk, network, *bounds(network))


# `first` and `last` are keys as the function `ip_key` of rules makes them.
zone_network = rules.derive("zone_network", ("zone",), zone_id=int, network=str, first=str, last=str)(_rows)
