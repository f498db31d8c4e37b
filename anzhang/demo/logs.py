"""Log lines of the demo's hosts, made on the spot: log-ins of the staff on working days, strangers knocking, cron, the business.

The same seed and week give the same lines. Lines are RFC 3164 as Debian's rsyslog forwards them, RFC 5424 for the
business application, with Beijing device time.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from anzhang import clock
from anzhang.demo.chapter import Chapter, Line, Site

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
DAEMON, AUTH, AUTHPRIV, CRON, LOCAL0 = 3, 4, 10, 9, 16
HOSTS = ("sbapp01", "sbdb01", "jyapp01")
INFO, NOTICE, WARNING = 6, 5, 4
STRANGERS = ("admin", "oracle", "test", "ubuntu", "postgres", "git")
TRADES = ("养老保险参保登记", "失业保险待遇核定", "就业登记", "劳动合同备案", "工伤认定申请", "社保卡补换")


@dataclass(frozen=True)
class Staff:
    """Who logs in where, from which address."""

    account: str
    host: str
    address: str


STAFF = (
    Staff("liming", "sbapp01", "10.20.1.11"),
    Staff("wangfang", "sbdb01", "10.20.1.12"),
    Staff("luona", "sbapp01", "10.20.3.31"),
    Staff("zhanghua", "jyapp01", "10.20.2.22"),
    Staff("tangxin", "jyapp01", "10.20.2.23"),
)


def between(begin: datetime, end: datetime, seed: int = 20261124) -> Iterator[bytes]:
    """Yield the lines of `begin <= device instant < end`, oldest first, without line ends."""
    yield from (line for _at, line in dated(begin, end, seed))


def dated(begin: datetime, end: datetime, seed: int = 20261124) -> Iterator[Line]:
    """Yield (device instant, line) of `begin <= device instant < end`, oldest first."""
    day = clock.day_of(begin)
    while day <= clock.day_of(end):
        yield from (each for each in sorted(day_of(day, seed)) if begin <= each[0] < end)
        day += timedelta(days=1)


def lines(_site: Site, begin: datetime, end: datetime) -> Iterator[Line]:
    """Yield what the hosts of the cast's systems say."""
    return dated(begin, end)


def day_of(day: date, seed: int = 20261124) -> list[tuple[datetime, bytes]]:
    """Return (device instant, line) of one Beijing day."""
    dice = random.Random(f"{seed}/{day.isoformat()}")  # noqa: S311  # demo data, not a secret
    start = clock.start_of(day)
    lines: list[tuple[datetime, bytes]] = []
    if day.weekday() < 5:  # Monday to Friday
        for who in STAFF:
            for _ in range(dice.randint(1, 3)):
                begin = start + timedelta(hours=8, minutes=dice.randint(20, 520), seconds=dice.randint(0, 59))
                lines += session(who, begin, timedelta(minutes=dice.randint(5, 90)), dice)
    for host in HOSTS:
        for hour in range(24):
            at = start + timedelta(hours=hour, minutes=17, seconds=1)
            pid = dice.randint(1000, 60000)
            lines.append((at, rfc3164(CRON, INFO, at, host, f"CRON[{pid}]", "(root) CMD (cd / && run-parts --report /etc/cron.hourly)")))
        for _ in range(dice.randint(20, 60)):
            at = start + timedelta(seconds=dice.randint(0, 86399))
            pid, name = dice.randint(1000, 60000), dice.choice(STRANGERS)
            octet, port = dice.randint(2, 250), dice.randint(1024, 65000)
            lines.append((at, rfc3164(AUTH, INFO, at, host, f"sshd[{pid}]", f"Invalid user {name} from 10.99.7.{octet} port {port}")))
            lines.append(
                (
                    at,
                    rfc3164(
                        AUTH,
                        INFO,
                        at,
                        host,
                        f"sshd[{pid}]",
                        f"Failed password for invalid user {name} from 10.99.7.{octet} port {port} ssh2",
                    ),
                )
            )
    for number in range(dice.randint(600, 1200)):
        at = start + timedelta(hours=8, seconds=dice.randint(0, 36000))
        trade, took = dice.choice(TRADES), dice.randint(8, 900)
        host, app = ("sbapp01", "sbhx") if trade != "就业登记" else ("jyapp01", "jyfw")
        lines.append((at, rfc5424(LOCAL0, INFO, at, host, app, f"业务受理成功 事项={trade} 流水号={day:%Y%m%d}{number:06d} 耗时={took}ms")))
    return lines


def session(who: Staff, begin: datetime, length: timedelta, dice: random.Random) -> list[tuple[datetime, bytes]]:
    """Return one log-in from its acceptance to its end, sometimes with a sudo inside."""
    pid, port = dice.randint(1000, 60000), dice.randint(40000, 65000)
    end, tag = begin + length, f"sshd[{pid}]"
    lines = [
        (
            begin,
            AUTH,
            tag,
            f"Accepted publickey for {who.account} from {who.address} port {port} ssh2: ED25519 SHA256:{dice.randbytes(16).hex()}",
        ),
        (begin, AUTHPRIV, tag, f"pam_unix(sshd:session): session opened for user {who.account}(uid=1001) by (uid=0)"),
        (end, AUTH, tag, f"Received disconnect from {who.address} port {port}:11: disconnected by user"),
        (end, AUTH, tag, f"Disconnected from user {who.account} {who.address} port {port}"),
        (end, AUTHPRIV, tag, f"pam_unix(sshd:session): session closed for user {who.account}"),
    ]
    if dice.random() < 0.3:
        middle = begin + length / 2
        command = dice.choice(("/usr/bin/systemctl status sbhx", "/usr/bin/journalctl -u sbhx -n 100", "/usr/bin/df -h"))
        lines.append((middle, AUTHPRIV, "sudo", f"{who.account:>8} : TTY=pts/0 ; PWD=/home/{who.account} ; USER=root ; COMMAND={command}"))
    return [(at, rfc3164(facility, INFO, at, who.host, tag, text)) for at, facility, tag, text in lines]


def rfc3164(facility: int, severity: int, at: datetime, host: str, tag: str, text: str) -> bytes:
    """Return one RFC 3164 line."""
    local = at.astimezone(clock.BEIJING)
    stamp = f"{MONTHS[local.month - 1]} {local.day:>2} {local:%H:%M:%S}"
    return f"<{facility * 8 + severity}>{stamp} {host} {tag}: {text}".encode()


def rfc5424(facility: int, severity: int, at: datetime, host: str, app: str, text: str) -> bytes:
    """Return one RFC 5424 line."""
    stamp = at.astimezone(clock.BEIJING).isoformat(timespec="milliseconds")
    return f"<{facility * 8 + severity}>1 {stamp} {host} {app} 4711 - - {text}".encode()


CHAPTER = Chapter("logs", lines=lines)
