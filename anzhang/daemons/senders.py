"""Who may send: the registered sources as the receivers see them, and their hourly quotas.

The table is read from the database every few seconds and replaced whole, so a receiver never sees half of a change.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import cast

from anzhang.daemons import framing
from anzhang.engines.vault.batch import Format
from anzhang.monitoring.models import LogSource

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Blocks = dict[tuple[int, int], dict[int, list["Source"]]]  # by (IP version, prefix length), then by the block's number
CACHED_ROUTES = 65536  # a flood of addresses must not grow the cache
TCP = str(LogSource.Transport.SYSLOG_TCP)
UNANSWERED = frozenset({LogSource.Transport.HTTP, LogSource.Transport.FILE})  # known by a token or a path, not by who sends


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
    certificates: tuple[str, ...] = ()
    format: Format = "auto"


@dataclass(frozen=True)
class Route:
    """Where the lines of one sender go: to `hosts[name]` by the host in the line's header, else to `default`."""

    default: str | None = None
    hosts: Mapping[bytes, str] = field(default_factory=dict)

    @property
    def is_known(self) -> bool:
        """Whether any source is registered there."""
        return self.default is not None or bool(self.hosts)

    @property
    def codes(self) -> list[str]:
        """Return the sources that the lines may belong to."""
        return sorted({*self.hosts.values(), *([self.default] if self.default is not None else [])})

    @property
    def names(self) -> framing.Hosts:
        """Return the host names for the compiled pass, each as its source's place in `codes`."""
        codes = self.codes
        return framing.Hosts({host: codes.index(code) for host, code in self.hosts.items()})

    @property
    def otherwise(self) -> int:
        """Return the place in `codes` of what is no named host's."""
        return framing.UNKNOWN if self.default is None else self.codes.index(self.default)


@dataclass(frozen=True)
class Senders:
    """All active sources at one moment."""

    sources: Mapping[str, Source] = field(default_factory=dict)
    _routes: dict[tuple[str, str], Route] = field(default_factory=dict, compare=False)
    _tokens: Mapping[str, Source] = field(default_factory=dict, compare=False)
    _blocks: Mapping[str, Blocks] = field(default_factory=dict, compare=False)

    @classmethod
    def of(cls, sources: Iterable[Source]) -> Senders:
        """Index sources by code, token and address block."""
        table = {source.code: source for source in sources}
        tokens = {source.token_hash: source for source in table.values() if source.token_hash}
        return cls(table, {}, tokens, _indexed(table.values()))

    def route(self, address: str, transport: str = TCP) -> Route:
        """Return the route of a peer address; the narrowest registered block wins. Unknown addresses get an empty route."""
        found = self._routes.get((transport, address))
        if found is None:
            found = _joined(self._around(plain(address), transport))
            if len(self._routes) < CACHED_ROUTES:
                self._routes[transport, address] = found
        return found

    def by_certificate(self, names: Collection[str], address: str, transport: str) -> Route:
        """Return the route of a peer that proved a certificate with these names or fingerprint.

        A source that names addresses too is meant only for these.
        """
        peer = plain(address)
        mine = [
            source
            for source in self.sources.values()
            if source.transport == transport
            and not set(names).isdisjoint(source.certificates)
            and (not source.networks or any(net.version == peer.version and peer in net for net in source.networks))
        ]
        return _joined((0, source) for source in mine)

    def at(self, address: str, transport: str) -> list[str]:
        """Return the sources whose registered addresses hold this one: whom a refused connection concerns."""
        return sorted({source.code for _, source in self._around(plain(address), transport)})

    def by_token(self, digest: str) -> Source | None:
        """Return the source whose token has this SHA-256, hex."""
        return self._tokens.get(digest)

    def files(self) -> list[Source]:
        """Return the sources that are files on this machine."""
        return [source for source in self.sources.values() if source.transport == LogSource.Transport.FILE]

    def _around(self, peer: Address, transport: str) -> Iterator[tuple[int, Source]]:
        """Yield (prefix length, source) of the blocks that hold an address: one look per registered length, however many sources."""
        for (version, width), blocks in self._blocks.get(transport, {}).items():
            if version == peer.version:
                for source in blocks.get(int(peer) >> (peer.max_prefixlen - width), ()):
                    yield width, source


def _indexed(sources: Iterable[Source]) -> dict[str, Blocks]:
    index: dict[str, Blocks] = {}
    for source in sources:
        if source.transport in UNANSWERED:
            continue
        for net in source.networks:
            table = index.setdefault(source.transport, {}).setdefault((net.version, net.prefixlen), {})
            table.setdefault(int(net.network_address) >> (net.max_prefixlen - net.prefixlen), []).append(source)
    return index


def _joined(candidates: Iterable[tuple[int, Source]]) -> Route:
    """Return the route over some sources, the one of the widest prefix first in each place."""
    default: tuple[int, str] | None = None
    hosts: dict[bytes, tuple[int, str]] = {}
    for width, source in candidates:
        for host in source.hosts:
            if host not in hosts or hosts[host][0] < width:
                hosts[host] = (width, source.code)
        if not source.hosts and (default is None or default[0] < width):
            default = (width, source.code)
    return Route(default[1] if default else None, {host: code for host, (_, code) in hosts.items()})


def plain(address: str) -> Address:
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
            certificates=tuple(row.certificates),
            format="auto" if row.transport == LogSource.Transport.HTTP else cast("Format", row.format),  # what is pushed gets a header
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
