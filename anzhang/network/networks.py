"""Which networks belong to which zone, link and interconnection, and which ports, as rules compare them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from anzhang.casework import rules
from anzhang.network.fields import port_range
from anzhang.network.models import Interconnection, Link, Zone


def _rows() -> Iterator[tuple[int, str, str, str]]:
    from anzhang.engines.sqlbox.addresses import bounds

    for zone in Zone.objects.order_by("pk"):
        for network in zone.networks:
            yield (zone.pk, network, *bounds(network))


# `first` and `last` are keys as the function `ip_key` of rules makes them.
zone_network = rules.derive("zone_network", ("zone",), zone_id=int, network=str, first=str, last=str)(_rows)


def _link_rows() -> Iterator[tuple[int, str, str, str, str]]:
    from anzhang.engines.sqlbox.addresses import bounds

    for link in Link.objects.order_by("pk"):
        for side, networks in (("near", link.near_prefixes), ("far", link.far_prefixes)):
            for network in networks:
                yield (link.pk, side, network, *bounds(network))


def _interconnection_rows() -> Iterator[tuple[int, str, str, str, str]]:
    from anzhang.engines.sqlbox.addresses import bounds

    for row in Interconnection.objects.order_by("pk"):
        for side, networks in (("peer", row.peers), ("inner", row.inner)):
            for network in networks:
                yield (row.pk, side, network, *bounds(network))


def _port_rows(model: type[Interconnection | Link]) -> Iterator[tuple[int, str, int, int]]:
    for row in model._default_manager.order_by("pk"):
        for port in row.ports:
            yield (row.pk, *port_range(port))


# Of every row, the superseded ones too: what was approved at the minute of the act is asked of what was believed then.
link_network = rules.derive("link_network", ("link",), link_id=int, side=str, network=str, first=str, last=str)(_link_rows)
link_port = rules.derive("link_port", ("link",), link_id=int, protocol=str, first=int, last=int)(partial(_port_rows, Link))
interconnection_network = rules.derive(
    "interconnection_network", ("interconnection",), interconnection_id=int, side=str, network=str, first=str, last=str
)(_interconnection_rows)
interconnection_port = rules.derive(
    "interconnection_port", ("interconnection",), interconnection_id=int, protocol=str, first=int, last=int
)(partial(_port_rows, Interconnection))
