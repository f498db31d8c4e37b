"""Who sits where in the demo: log-ins to the systems from people's own endpoints, and what is plugged into endpoints."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta

from anzhang import clock
from anzhang.demo import estate, logs, presence
from anzhang.demo.bureau import Bureau
from anzhang.demo.chapter import Chapter, Line, NearMiss, Planted, Site
from anzhang.demo.crowd import Crowd, put
from anzhang.demo.estate import Machine, terminal
from anzhang.demo.network import STICK
from anzhang.demo.presence import event, stamp
from anzhang.endpoints.models import SoftwareBaseline

READER = ("0400", "c35a")
KEYBOARD = ("17ef", "6099")
# account, host of the system that tells of it, marked terminal of its owner
OWN = (("zhanghua", "jyapp01", "surfer"), ("tangxin", "jyapp01", "lender"))
JUMP = "10.40.250.10"
FILES, SITES = ("sbclient.exe", "et.exe", "wps.exe"), ("tj.gov.cn", "hrss.local")
TOLD_OF = 20  # of so many endpoints one tells which programs are started and which sites are asked for


def registers(site: Site, _bureau: Bureau, _crowd: Crowd) -> None:
    """List which programs business computers run and which sites they visit."""
    kinds = ((SoftwareBaseline.Kind.PROGRAM, FILES), (SoftwareBaseline.Kind.SITE, SITES))
    put(
        site.now,
        SoftwareBaseline,
        [
            SoftwareBaseline(endpoint_class=group, kind=kind, name=name, purpose="办公和经办")
            for group in ("office", "counter", "self_service")
            for kind, listed in kinds
            for name in listed
        ],
    )


def program(at: datetime, machine: Machine, file: str) -> bytes:
    """Return what the endpoint control says of a program that was started."""
    return event(at, "edc01", "process_event", host=machine.host, executable=f"C:/Program Files/{file}", action="started", result="success")


def asked(at: datetime, machine: Machine, name: str) -> bytes:
    """Return what the probe says of a question to the bureau's own name server."""
    return event(at, "probe01", "dns_event", source_ip=machine.ip, server_ip="10.21.0.53", question_name=name)


def _work(site: Site, begin: datetime, end: datetime) -> Iterator[Line]:
    """Yield what some endpoints do once they are let in."""
    for at, machine in presence.arrivals(site, begin - timedelta(minutes=2), end):
        if int(machine.code[2:]) % TOLD_OF == 0:
            for when, line in (
                (at + timedelta(seconds=60), program(at + timedelta(seconds=60), machine, FILES[0])),
                (at + timedelta(seconds=90), asked(at + timedelta(seconds=90), machine, f"www.{SITES[0]}")),
            ):
                if begin <= when < end:
                    yield when, line


def login(at: datetime, teller: str, account: str, seat: str, ip: str) -> bytes:
    """Return what a system says of a log-in: whose, at which computer."""
    return event(at, teller, "auth_event", user=account, action="logged-in", result="success", host=seat, ip=ip, service="web")


def plugged(at: datetime, seat: str, vendor: str, product: str, serial: str = "") -> bytes:
    """Return what the endpoint control says of a peripheral that was plugged in."""
    more = {"serial": serial} if serial else {}
    return event(
        at, "edc01", "peripheral_event", host=seat, vendor_id=vendor, product_id=product, action="attached", result="success", **more
    )


def lines(site: Site, begin: datetime, end: datetime) -> Iterator[Line]:
    """Yield log-ins of the day, and what endpoints tell of their card readers and keyboards, oldest first."""
    known = estate.by_code(site.devices)
    day = clock.day_of(begin)
    while (start := clock.start_of(day)) < end:
        found: list[Line] = []
        if day.weekday() < 5:
            dice = random.Random(f"seats/{day}")  # noqa: S311  # demo data, not a secret
            for account, teller, name in OWN:
                at = start + timedelta(hours=9, minutes=dice.randint(0, 59))
                seat = known[terminal(name)]
                found.append((at, login(at, teller, account, seat.host, seat.ip)))
        found += _plugged(site, start)
        found += _work(site, max(begin, start), min(end, start + timedelta(days=1)))
        yield from sorted(each for each in found if begin <= each[0] < end)
        day += timedelta(days=1)


def _plugged(site: Site, start: datetime) -> Iterator[Line]:
    """Yield peripherals: every endpoint's in the days that are looked at, every tenth's before."""
    terminals = estate.machines(site.devices)[: round(site.devices * estate.TERMINALS)]
    recent = start >= site.now - timedelta(days=2)
    for number, each in enumerate(terminals):
        if recent or number % 10 == start.day % 10:
            at = start + timedelta(hours=8, seconds=number * 3 % 7200)
            yield at, plugged(at, each.host, *(READER if each.endpoint in {"counter", "self_service"} else KEYBOARD))


def planted(site: Site) -> Iterator[Line]:
    """Yield an account on somebody else's computer, one in two places at once, a stick that nobody listed, and what only looks like it."""
    known = estate.by_code(site.devices)

    def seat(name: str) -> Machine:
        return known[terminal(name)]

    at = site.now - timedelta(hours=26)
    yield at, login(at, "jyapp01", "tangxin", seat("lent_to").host, seat("lent_to").ip)
    at = site.now - timedelta(hours=2)
    yield at, login(at, "jyapp01", "zhanghua", seat("surfer").host, seat("surfer").ip)
    evening = clock.start_of(clock.day_of(site.now)) - timedelta(hours=4)  # yesterday at eight
    yield from _sessions("luona", "sbapp01", evening, ("10.20.3.31", 0, 60), ("10.20.9.40", 49, 60))
    yield from _sessions("liming", "sbapp01", evening, ("10.20.1.11", 0, 60), ("10.20.9.41", 50, 60))
    yield from _sessions("wangfang", "sbdb01", evening, ("10.20.1.12", 0, 60), (JUMP, 5, 60))
    at = site.now - timedelta(hours=4)
    yield at, plugged(at, seat("sticky").host, "0951", "1666", "60A44C413FAEF3A1")
    yield at, plugged(at, seat("sticky_listed").host, *STICK)
    for minutes in (90, 80):
        at = site.now - timedelta(minutes=minutes)
        yield at, program(at, seat("lent_to"), "browser.exe")


def _sessions(account: str, host: str, begin: datetime, *stays: tuple[str, int, int]) -> Iterator[Line]:
    """Yield sessions of one account by sshd: address, minutes after `begin`, minutes it lasts."""
    for number, (address, after, minutes) in enumerate(stays):
        at, pid = begin + timedelta(minutes=after), 61000 + number + len(account) * 10
        ends = at + timedelta(minutes=minutes)
        text = f"Accepted publickey for {account} from {address} port 50222 ssh2: ED25519 SHA256:{'a' * 32}"
        yield at, f"<{logs.AUTH * 8 + logs.INFO}>{stamp(at)} {host} sshd[{pid}]: {text}".encode()
        text = f"pam_unix(sshd:session): session closed for user {account}"
        yield ends, f"<{logs.AUTHPRIV * 8 + logs.INFO}>{stamp(ends)} {host} sshd[{pid}]: {text}".encode()


CHAPTER = Chapter(
    "seats",
    registers=registers,
    lines=lines,
    planted=planted,
    expected=(
        Planted("A14.2", "account:JY01/tangxin", "唐欣的账号在孙丽的终端上登录"),
        Planted("A14.2", "account:SB01/luona", "罗娜的账号同时在两处登录十一分钟"),
        Planted("A14.3", f"endpoint:{terminal('surfer')}", "一天三次查询清单以外的网站"),
        Planted("A14.7", f"endpoint:{terminal('sticky')}", "插了没有登记的 U 盘"),
    ),
    near=(
        NearMiss("A14.2", "account:JY01/zhanghua", "张华在自己的终端上登录"),
        NearMiss("A14.2", "account:SB01/liming", "两处会话恰好重叠十分钟"),
        NearMiss("A14.2", "account:SB01/wangfang", "另一处是大家共用的跳板机"),
        NearMiss("A14.3", f"endpoint:{terminal('lent_to')}", "一天两次打开清单以外的程序，未满三次"),
        NearMiss("A14.7", f"endpoint:{terminal('sticky_listed')}", "插的是登记给这台终端的加密 U 盘"),
    ),
)
