"""The gate of Art. 9 and 10: whether traffic may pass between an address of the bureau and another one now.

1. Both addresses and the port are read, and the inner one lies in a zone of the bureau; otherwise nobody can say, so: no.
2. Within one zone nothing is decided here.
3. To an outside body: an interconnection whose approval stands holds the peer, the inner address and the port.
4. To the internet, and to another zone: a link whose approval stands joins the two zones and holds both addresses and the port.
5. An interconnection satisfies every condition of the chapters above as well: it has passed an assessment that still holds (A10.3). A
   condition that nobody has registered cannot be asked, so: no.
What is not plainly allowed is refused; a refusal names what is missing and, for an approval, the route on which one applies for it. The
API client is not asked here: no packet shows it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q
from django.utils.translation import gettext as _

from anzhang import clock
from anzhang.directory.models import Bitemporal
from anzhang.engines.sqlbox.addresses import is_public
from anzhang.network import fields, interconnections, links, scopes
from anzhang.network.models import Interconnection, Link, Zone
from anzhang.permissions import RefusedError
from anzhang.regulation.checks import gate

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
ROUTES = {"interconnection_missing": interconnections.ROUTE, "link_missing": links.ROUTE}  # where what a refusal misses is applied for
GROUP = "leading_group"
Condition = Callable[[Interconnection, datetime], RefusedError | None]
EXPECTED = ("assessed",)  # conditions that chapters above register
CONDITIONS: dict[str, Condition] = {}


def condition(name: str) -> Callable[[Condition], Condition]:
    """Add what an interconnection must satisfy besides its approval: a function that returns a refusal or None."""

    def bind(function: Condition) -> Condition:
        CONDITIONS[name] = function
        return function

    return bind


def _conditions_refuse(row: Interconnection, at: datetime) -> RefusedError | None:
    for name in EXPECTED:
        if name not in CONDITIONS:
            return RefusedError("condition_unknown", _("“%s”是否具备开通条件无从判断。") % row.name, _("请系统管理员检查程序是否完整。"))
    return next((refusal for ask in CONDITIONS.values() if (refusal := ask(row, at)) is not None), None)


@dataclass(frozen=True)
class Passage:
    """Traffic that somebody wants to let pass: `inner` and `outer` addresses, `port` as `tcp/443` or `icmp`."""

    inner: str
    outer: str
    port: str


def _standing(at: datetime) -> Q:
    """Return the condition that a row is in force at an instant and so is the leading group's approval behind it."""
    lasts = Q(basis__valid_to=None) | Q(basis__valid_to__gt=at)
    return Bitemporal.in_force(at) & lasts & Q(basis__authority=GROUP, basis__superseded_at=None, basis__valid_from__lte=at)


@gate("link_activation")
def link_activation(what: Passage | Link | Interconnection, at: datetime) -> RefusedError | None:
    """Decide whether traffic may pass, or a link or an interconnection may be switched on, at the instant: a refusal or None.

    The codes are `address_unreadable`, `port_unreadable`, `zone_unknown`, `zone_ambiguous`, `interconnection_missing`, `link_missing`,
    `condition_unknown` and those of the conditions: `assessment_missing`, `assessment_over`.

    Source: Art. 9, 10; A09.2, A10.1, A10.3, A10.4.
    """
    if isinstance(what, Link):
        return None if Link.objects.filter(_standing(at), pk=what.pk).exists() else _link_refused(_period(what, at))
    if isinstance(what, Interconnection):
        found = Interconnection.objects.filter(_standing(at), pk=what.pk).exists()
        return _conditions_refuse(what, at) if found else _interconnection_refused(_period(what, at))
    return _passage(what, at)


def _passage(what: Passage, at: datetime) -> RefusedError | None:
    try:
        inner, outer, port = _read(what)
        own, other = _placed(inner, outer)
    except RefusedError as refusal:
        return refusal
    if own == other or _linked(own, other, (inner, outer), port, at):
        return None
    if other is not None:
        return _link_refused(_("“%(near)s”与“%(far)s”之间") % {"near": own.name, "far": other.name})
    return _outside(inner, outer, port, at)


def _read(what: Passage) -> tuple[Address, Address, tuple[str, int]]:
    """Return the addresses, and the port with its protocol. Raises RefusedError for what cannot be read: nobody can decide on it."""
    try:
        inner, outer = ipaddress.ip_address(what.inner.strip()), ipaddress.ip_address(what.outer.strip())
    except ValueError as error:
        raise RefusedError("address_unreadable", _("地址不能识别，不能放行。"), _("写成 10.20.1.7 这样。")) from error
    unreadable = RefusedError("port_unreadable", _("端口不能识别，不能放行。"), _("写一个端口，例如 tcp/443，或 icmp。"))
    try:
        protocol, port, last = fields.port_range(what.port.strip().lower())
    except ValueError as error:
        raise unreadable from error
    if protocol != "icmp" and port != last:
        raise unreadable
    return inner, outer, (protocol, port)


def _placed(inner: Address, outer: Address) -> tuple[Zone, Zone | None]:
    """Return the bureau's zones of both addresses, None for an outside one. Raises RefusedError where nobody can tell."""
    own, other = _zones_of(inner), _zones_of(outer)
    if not own:
        message = _("%s 不在登记的网络区域内，无从判断。") % inner
        raise RefusedError("zone_unknown", message, _("先在网络区域台账中登记它的网段。"))
    if len(own) > 1 or len(other) > 1:
        raise RefusedError("zone_ambiguous", _("地址同时属于几个网络区域，无从判断。"), _("改正网络区域台账中重叠的网段。"))
    return own[0], other[0] if other else None


def _zones_of(address: Address) -> list[Zone]:
    """Return the bureau's zones whose narrowest network holds an address: one, none, or several that cannot be told apart."""
    found = [(zone, network) for zone, network in scopes.bureau_networks() if address in network]
    narrowest = max((network.prefixlen for _zone, network in found), default=0)
    return list({zone.pk: zone for zone, network in found if network.prefixlen == narrowest}.values())


def _linked(own: Zone, other: Zone | None, pair: tuple[Address, Address], port: tuple[str, int], at: datetime) -> bool:
    """Whether a link joins the zones, the second of which is the internet where no zone of the bureau holds the address."""
    far = Q(far_zone=other) if other else Q(far_zone__kind=Zone.Kind.INTERNET)
    near = Q(near_zone=other) if other else Q(near_zone__kind=Zone.Kind.INTERNET)
    inner, outer = pair
    standing = Link.objects.filter(_standing(at))
    for link in standing.filter(far, near_zone=own):
        if scopes.holds(link.near_prefixes, inner) and scopes.holds(link.far_prefixes, outer) and scopes.allows(link.ports, *port):
            return True
    for link in standing.filter(near, far_zone=own):
        if scopes.holds(link.far_prefixes, inner) and scopes.holds(link.near_prefixes, outer) and scopes.allows(link.ports, *port):
            return True
    return False


def _outside(inner: Address, outer: Address, port: tuple[str, int], at: datetime) -> RefusedError | None:
    about = [row for row in Interconnection.objects.filter(superseded_at=None) if scopes.holds(row.peers, outer)]
    standing = set(Interconnection.objects.filter(_standing(at), pk__in=[row.pk for row in about]).values_list("pk", flat=True))
    live = [row for row in about if row.pk in standing]
    fitting = [row for row in live if scopes.holds(row.inner, inner) and scopes.allows(row.ports, *port)]
    if fitting:
        refusals = [_conditions_refuse(row, at) for row in fitting]
        return None if None in refusals else refusals[0]
    where = _("与外部地址 %s ") % outer
    if not about:
        return _link_refused(where) if is_public(str(outer)) and _is_internet_matter(inner) else _interconnection_refused(where)
    if not live:
        return _interconnection_refused(_nearest(about, at))
    row = live[0]
    message = _("“%s”的批准不包括这个地址或端口：") % row.name
    return _interconnection_refused(message + _("本局 %(inner)s，端口 %(ports)s。") % {
        "inner": "、".join(row.inner), "ports": "、".join(row.ports),
    }, bare=True)  # fmt: skip


def _is_internet_matter(inner: Address) -> bool:
    """Whether the address lies in an internal zone: to join it to the internet is a matter of links (Art. 9)."""
    return all(zone.kind in Zone.INTERNAL for zone in _zones_of(inner))


def _nearest(about: Iterable[Interconnection], at: datetime) -> str:
    row = max(about, key=lambda each: each.valid_from)
    return _period(row, at)


def _period(row: Link | Interconnection, at: datetime) -> str:
    """Say of a row why it does not hold at an instant."""
    if row.valid_from > at:
        return _("“%(name)s”自 %(at)s 起才生效，此刻") % {"name": row.name, "at": clock.minute(row.valid_from)}
    if row.valid_to is not None and row.valid_to <= at:
        return _("“%(name)s”已于 %(at)s 失效，此刻") % {"name": row.name, "at": clock.minute(row.valid_to)}
    return _("“%s”的批准此刻无效，") % row.name


def _interconnection_refused(where: str, *, bare: bool = False) -> RefusedError:
    message = where if bare else where + _("没有领导小组批准的对外互联，不能放行。")
    return RefusedError("interconnection_missing", message, _("先提出“对外互联申请”，经办公室和领导小组批准后开通。"))


def _link_refused(where: str) -> RefusedError:
    return RefusedError(
        "link_missing", where + _("没有领导小组批准的链路，不能放行。"), _("先提出“网络链路申请”，经办公室和领导小组批准后开通。")
    )
