"""What a log source must look like before it may send."""

from __future__ import annotations

import ipaddress
import re
import zoneinfo
from collections.abc import Iterable
from functools import cache

from django.utils.translation import gettext as _

from anzhang.engines.vault.encodings import EncodingError, encoding_code
from anzhang.monitoring.models import LogSource
from anzhang.permissions import RefusedError

CODE = re.compile(r"[A-Z0-9][A-Z0-9_-]{0,31}", re.ASCII)
HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,254}", re.ASCII)
NAME = re.compile(r"[A-Za-z0-9*_][A-Za-z0-9._:@/*+-]{0,254}", re.ASCII)  # in a certificate: DNS name, address, mailbox, URI
FINGERPRINT = re.compile(r"[0-9a-f]{64}", re.ASCII)
SMALLEST_QUOTA = 1 << 16
BY_ADDRESS = frozenset({LogSource.Transport.SYSLOG_TCP, LogSource.Transport.SYSLOG_UDP, LogSource.Transport.RELP})


@cache
def _zones() -> frozenset[str]:
    """Return the names of the zones; finding them walks the disk, too slow for every row of a large sheet."""
    return frozenset(zoneinfo.available_timezones())


def check_source(source: LogSource) -> None:
    """Raise RefusedError naming the first column that is wrong."""
    if not CODE.fullmatch(source.code):
        _refuse("code", source.code, _("用大写字母、数字、横线和下划线，最多 32 位。"))
    _check_senders(source)
    if source.timezone not in _zones():
        _refuse("timezone", source.timezone, _("写时区名，例如 Asia/Shanghai。"))
    try:
        encoding_code(source.encoding)
    except EncodingError:
        _refuse("encoding", source.encoding, _("写 utf-8 或 gb18030。"))
    if source.quota_bytes_per_hour < SMALLEST_QUOTA:
        _refuse("quota_bytes_per_hour", source.quota_bytes_per_hour, _("配额至少 65536 字节。"))


def _check_senders(source: LogSource) -> None:
    for address in _strings(source.addresses, "addresses"):
        try:
            ipaddress.ip_network(address, strict=False)
        except ValueError:
            _refuse("addresses", address, _("写 IP 地址或网段，例如 10.1.2.3 或 10.1.2.0/24。"))
    for host in _strings(source.hosts, "hosts"):
        if not HOST.fullmatch(host):
            _refuse("hosts", host, _("写日志头里的主机名。"))
    _strings(source.kinds, "kinds")
    if source.transport == LogSource.Transport.FILE and not source.file_path.startswith("/"):
        _refuse("file_path", source.file_path, _("写日志文件的绝对路径。"))
    _check_certificates(source)
    if source.transport in BY_ADDRESS and not (source.addresses or source.certificates):
        _refuse("addresses", "", _("Syslog 日志源至少要有一个来源地址。"))


def _check_certificates(source: LogSource) -> None:
    """Bring fingerprints into one form: 64 small hexadecimal digits. Anything else is a name in the certificate."""
    given = [fingerprint(name) for name in _strings(source.certificates, "certificates")]
    for name in given:
        if not (FINGERPRINT.fullmatch(name) or NAME.fullmatch(name)):
            _refuse("certificates", name, _("写证书的 SHA-256 指纹，或证书里的名称（DNS 名、IP、邮箱或 URI）。"))
    source.certificates = given
    if source.transport == LogSource.Transport.SYSLOG_TLS and not given:
        _refuse("certificates", "", _("Syslog TLS 日志源至少要有一张客户端证书。"))


def fingerprint(text: str) -> str:
    """Return a SHA-256 fingerprint, with or without colons, in small letters; any other text as it is, trimmed."""
    bare = text.strip().lower().removeprefix("sha256:").replace(":", "")
    return bare if FINGERPRINT.fullmatch(bare) else text.strip()


def check_routes(source: LogSource, others: Iterable[LogSource] | None = None) -> None:
    """Raise RefusedError when another active source of the same transport would claim the same lines.

    That is: the same address or certificate, with the same host name or with none. `others` are the sources that could, all when None.
    """
    if source.transport in {LogSource.Transport.HTTP, LogSource.Transport.FILE} or source.state != LogSource.State.ACTIVE:
        return
    mine = [ipaddress.ip_network(address, strict=False) for address in source.addresses]
    if others is None:
        others = LogSource.objects.filter(transport=source.transport, state=LogSource.State.ACTIVE).exclude(pk=source.pk)
    for other in others:
        theirs = [ipaddress.ip_network(address, strict=False) for address in other.addresses]
        if not (any(a == b for a in mine for b in theirs) or set(source.certificates) & set(other.certificates)):
            continue  # of two different blocks the narrower wins
        shared = set(source.hosts) & set(other.hosts)
        if shared or (not source.hosts and not other.hosts):
            hint = _("给两个日志源写不同的主机名。")
            raise RefusedError("sender_taken", _("同一地址或证书上的同名主机已属于日志源 %s。") % other.code, hint)


def _strings(value: object, column: str) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        _refuse(column, value, _("应为文字的列表。"))
    return value  # type: ignore[return-value]


def _refuse(column: str, value: object, remedy: str) -> None:
    name = getattr(LogSource._meta.get_field(column), "verbose_name", column)  # Django documents _meta
    raise RefusedError(f"bad_{column}", _("%(name)s“%(value)s”不正确。") % {"name": name, "value": value}, remedy)
