"""Scopes as people write them in forms, one entry a line: networks, ports, names; and what such a scope must satisfy (Art. 9, 10)."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from anzhang import clock
from anzhang.casework import forms
from anzhang.network import fields
from anzhang.network.models import Zone

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

BACKWARDS = timedelta(days=30)  # how far back what already runs may be approved afterwards
WIDEST = {4: 16, 6: 48}  # shortest prefix of an outside peer, by IP version: a wider one names nobody


def lines(text: str | None) -> list[str]:
    """Return the entries of a field: one a line, or parted by commas and semicolons."""
    return [each.strip() for each in re.split(r"[\n,;，；]", text or "") if each.strip()]


def networks(text: str | None) -> list[str]:
    """Return networks in their one form; an address is a network of one. What is neither stays as written, for its field to refuse."""
    return [_network(each) for each in lines(text)]


def _network(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text, strict=True))
    except ValueError:
        return text


def ports(text: str | None) -> list[str]:
    """Return ports in their one form, in small letters."""
    return [each.lower().replace(" ", "") for each in lines(text)]


def parsed(written: Iterable[str]) -> list[Network]:
    """Return networks that a field has taken."""
    return [ipaddress.ip_network(each) for each in written]


def holds(written: Iterable[str], address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Whether an address lies in one of the networks of a register row."""
    return any(address in network for network in parsed(written))


def allows(written: Iterable[str], protocol: str, port: int | None) -> bool:
    """Whether a port lies in one of the ranges of a register row; `icmp` has no port."""
    ranges = [fields.port_range(each) for each in written]
    return any(protocol == name and (name == "icmp" or (port is not None and first <= port <= last)) for name, first, last in ranges)


Checked = tuple[tuple[str, Callable[[str | None], list[str]], Callable[[Any], None]], ...]


def list_faults(form: Mapping[str, Any], checked: Checked) -> dict[str, str]:
    """Return what is wrong with fields that hold lists; `checked`: field, how it is read, what refuses it."""
    faults = {}
    for name, read, refuse in checked:
        try:
            refuse(read(form[name]))
        except ValidationError as error:
            faults[name] = "；".join(error.messages)
    return faults


def period_faults(form: Mapping[str, Any], at: datetime) -> dict[str, str]:
    """Return what is wrong with the period of a form: over before it begins, over already, too far back."""
    begins, ends = forms.instant(form["opens_at"]), forms.instant(form["closes_at"])
    if ends <= begins:
        return {"closes_at": _("要晚于 %s。") % clock.minute(begins)}
    if ends <= at:
        return {"closes_at": _("要晚于现在。")}
    if begins < at - BACKWARDS:
        return {"opens_at": _("最多补办 %d 天以内的。") % BACKWARDS.days}
    return {}


def bureau_networks() -> list[tuple[Zone, Network]]:
    """Return the networks of every zone of the bureau's own, the narrowest first; what is registered as the internet is not its own."""
    zones = Zone.objects.exclude(kind=Zone.Kind.INTERNET).order_by("pk")
    found = [(zone, network) for zone in zones for network in parsed(zone.networks)]
    return sorted(found, key=lambda pair: -pair[1].prefixlen)


def within(network: Network, outer: Network) -> bool:
    """Whether a network lies wholly in another."""
    return network.version == outer.version and network.subnet_of(outer)  # type: ignore[arg-type]  # of one version


def outside_fault(written: Iterable[str]) -> str:
    """Return what is wrong with the networks of an outside body: too wide, or the bureau's own; empty where nothing is."""
    own = bureau_networks()
    for network in parsed(written):
        if network.prefixlen < WIDEST[network.version]:
            return _("“%s”太宽，写到对方实际使用的网段。") % network
        if (zone := next((zone for zone, mine in own if mine.overlaps(network)), None)) is not None:
            return _("“%(network)s”属于本局的“%(zone)s”，不是外部地址。") % {"network": network, "zone": zone.name}
    return ""


def inside_fault(written: Iterable[str], zone: Zone | None = None) -> str:
    """Return what is wrong with networks of the bureau, or of one zone of it: they lie in no registered one; empty where nothing is."""
    own = bureau_networks() if zone is None else [(zone, network) for network in parsed(zone.networks)]
    for network in parsed(written):
        if not any(within(network, mine) for _zone, mine in own):
            return _("“%(network)s”不在%(zone)s登记的网段内。") % {
                "network": network,
                "zone": f"“{zone.name}”" if zone else _("本局网络区域"),
            }
    return ""
