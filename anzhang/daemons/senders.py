"""Who may send: the registered sources as the receivers see them, and their hourly quotas.

The table is read from the database every few seconds and replaced whole, so a receiver never sees half of a change.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from anzhang.monitoring.models import LogSource

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True)
class Source:
    """A registered sender in the columns the receivers need."""

    code: str
    transport: str
    networks: tuple[Network, ...]
    hosts: tuple[bytes, ...]
    file_path: str
    token_hash: str
    timezone: str
    encoding: str
    quota: int  # bytes per hour


@dataclass(frozen=True)
class Route:
    """Where the lines of one address go: to `hosts[name]` by the host in the line's header, else to `default`."""

    default: str | None = None
    hosts: Mapping[bytes, str] = field(default_factory=dict)

    @property
    def is_known(self) -> bool:
        """Whether any source is registered at the address."""
        return self.default is not None or bool(self.hosts)


@dataclass(frozen=True)
class Senders:
    """All active sources at one moment."""

    sources: Mapping[str, Source] = field(default_factory=dict)
    _routes: dict[str, Route] = field(default_factory=dict, compare=False)
    _tokens: Mapping[str, Source] = field(default_factory=dict, compare=False)

    @classmethod
    def of(cls, sources: Iterable[Source]) -> Senders:
        """Index sources by code and token."""
        table = {source.code: source for source in sources}
        return cls(table, {}, {source.token_hash: source for source in table.values() if source.token_hash})

    def route(self, address: str) -> Route:
        """Return the route of a peer address; the narrowest registered block wins. Unknown addresses get an empty route."""
        found = self._routes.get(address)
        if found is None:
            found = self._find(address)
            if len(self._routes) < 65536:  # a flood of addresses must not grow the cache
                self._routes[address] = found
        return found

    def by_token(self, digest: str) -> Source | None:
        """Return the source whose token has this SHA-256, hex."""
        return self._tokens.get(digest)

    def files(self) -> list[Source]:
        """Return the sources that are files on this machine."""
        return [source for source in self.sources.values() if source.transport == LogSource.Transport.FILE]

    def _find(self, address: str) -> Route:
        peer = plain(address)
        default: tuple[int, str] | None = None
        hosts: dict[bytes, tuple[int, str]] = {}
        for source in self.sources.values():
            if source.transport != LogSource.Transport.SYSLOG_TCP:
                continue
            width = max((net.prefixlen for net in source.networks if net.version == peer.version and peer in net), default=None)
            if width is None:
                continue
            for host in source.hosts:
                if host not in hosts or hosts[host][0] < width:
                    hosts[host] = (width, source.code)
            if not source.hosts and (default is None or default[0] < width):
                default = (width, source.code)
        return Route(default[1] if default else None, {host: code for host, (_, code) in hosts.items()})


def plain(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Return a peer address, an IPv4 one mapped into IPv6 as IPv4 and without a zone."""
    peer = ipaddress.ip_address(address.partition("%")[0])
    mapped = getattr(peer, "ipv4_mapped", None)
    return mapped or peer


def load() -> Senders:
    """Read the active sources from the database."""
    rows = LogSource.objects.filter(state=LogSource.State.ACTIVE)
    return Senders.of(
        Source(
            code=row.code,
            transport=row.transport,
            networks=tuple(ipaddress.ip_network(address, strict=False) for address in row.addresses),
            hosts=tuple(host.encode() for host in row.hosts),
            file_path=row.file_path,
            token_hash=row.token_hash,
            timezone=row.timezone,
            encoding=row.encoding,
            quota=row.quota_bytes_per_hour,
        )
        for row in rows
    )


@dataclass
class Quotas:
    """Bytes per source in the present hour. Bytes already received are always kept; a source over its quota is held back."""

    hour: datetime | None = None
    used: dict[str, int] = field(default_factory=dict)
    over: set[str] = field(default_factory=set)

    def take(self, source: Source, size: int, at: datetime) -> bool:
        """Count bytes; return True once per hour, at the moment the quota is passed."""
        self._turn(at)
        self.used[source.code] = self.used.get(source.code, 0) + size
        if self.used[source.code] > source.quota and source.code not in self.over:
            self.over.add(source.code)
            return True
        return False

    def is_over(self, source: Source, at: datetime) -> bool:
        """Whether the source must wait for the next hour (or for a larger quota)."""
        self._turn(at)
        if source.code in self.over and self.used.get(source.code, 0) <= source.quota:
            self.over.discard(source.code)
        return source.code in self.over

    def used_at(self, at: datetime) -> dict[str, int]:
        """Return the bytes of the present hour by source."""
        self._turn(at)
        return dict(self.used)

    def would_pass(self, source: Source, size: int, at: datetime) -> bool:
        """Whether `size` more bytes pass the quota: what an input with answers asks before it accepts."""
        self._turn(at)
        return self.used.get(source.code, 0) + size > source.quota

    def wait_seconds(self, at: datetime) -> int:
        """Return the seconds until the next hour, at least 1."""
        return max(1, int((self._start(at) + timedelta(hours=1) - at).total_seconds()) + 1)

    def _turn(self, at: datetime) -> None:
        hour = self._start(at)
        if hour != self.hour:
            self.hour = hour
            self.used.clear()
            self.over.clear()

    @staticmethod
    def _start(at: datetime) -> datetime:
        return at.replace(minute=0, second=0, microsecond=0)
