"""Set the demo's stage: registers, a month of evidence through the real collector, one judgement, links to log in."""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import signal
import subprocess
import sys
import time
from datetime import datetime, timedelta

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.db import transaction
from django.db.models import Sum

from anzhang import clock, jobs
from anzhang.demo import bureau, chapters, progress, traffic
from anzhang.demo.chapter import Site
from anzhang.demo.size import DAYS, DEVICES
from anzhang.directory import links, tickets
from anzhang.directory.models import Unit, User
from anzhang.directory.passwords import change
from anzhang.events import Event
from anzhang.home import Home
from anzhang.journal.procedures import record, sign_heads
from anzhang.monitoring.models import VaultSegment
from anzhang.operate import database, listen, platform

SHOWN = ("liuyang", "sunli", "wujie", "zhouwei", "gaojianguo", "guolei", "mali", "chenjing")
LETTERS = "ABCDEFGHJKMNPQRSTUVWXYZabcdefghjkmnpqrstuvwxyz23456789"
SPANS = {"d": "days", "h": "hours", "m": "minutes"}
PATIENCE_SECONDS = 180.0
LISTENS_SECONDS = 0.5  # in which a collector that runs answers


class StageError(Exception):
    """The stage cannot be set; the message says what did not happen."""


class WrongWordError(Exception):
    """A word of the command line is wrong; the message says which and what to write."""


def build(home: Home, devices: int = DEVICES, days: int = DAYS) -> str:
    """Make the database, the bureau, the breaches, the evidence and the first verdicts; return what was made."""
    now = clock.now()
    site = Site(now, devices, days)
    database.create(home)
    with transaction.atomic():
        record(bureau.SETUP, Event.INSTALLATION_INIT, ("installation", "demo"), at=now, payload={"demo": True})
        built = chapters.build(site)
        platform.register(bureau.SETUP, Unit.objects.get(function=Unit.Function.INFO_CENTER), home, now)
        passwords = give_passwords(built, now)
    told = chapters.month(site)
    collect(home, [line for _at, line in told])
    progress.begin(home, site)
    jobs.reconcile(clock.now())
    sign_heads(clock.now())
    return f"演示单位已建立：{site.devices} 台设备，{len(told)} 行日志已封存。\n{passwords}"


def give_passwords(built: bureau.Bureau, now: datetime) -> str:
    """Give each of the cast a random password and return them as text: nothing but the hash is kept, so this is the only time."""
    lines = ["登录名与密码（随机生成，只在此显示一次；用密码登录的，首次要绑定第二重验证）："]
    for username in SHOWN:
        user = built.user[username]
        password = random_password(user)
        change(bureau.SETUP, user, password, now)
        lines.append(f"  {user.person.name if user.person else username}\t{username}\t{password}")
    return "\n".join(lines)


def random_password(user: User) -> str:
    """Return a password that the rules accept: sixteen characters in groups of four, none that reads like another."""
    while True:
        password = "-".join("".join(secrets.choice(LETTERS) for _ in range(4)) for _ in range(4))
        with contextlib.suppress(ValidationError):
            validate_password(password, user)
            return password


def migrate() -> None:
    """Bring a demo that an earlier version made to this version's database; a real installation uses `anzhang upgrade`."""
    if database.waiting():
        call_command("migrate", verbosity=0)


def collect(home: Home, lines: list[bytes]) -> None:
    """Start the collector, send the lines over TCP, stop it, and see that every line is sealed."""
    environment = {**os.environ, "ANZHANG_HOME": str(home.path)}
    process = subprocess.Popen([sys.executable, "-m", "anzhang", "collector"], env=environment)
    try:
        place = place_of(home)
        before = sealed_lines()
        if not traffic.wait_for(place, PATIENCE_SECONDS):
            raise StageError(f"the collector does not answer at {place}")
        traffic.send(place, lines)
        await_sealed(before + len(lines))
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=PATIENCE_SECONDS)


def await_sealed(count: int) -> None:
    """Wait until so many lines stand in sealed segments. Raises StageError when that takes too long."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while sealed_lines() < count:
        if time.monotonic() > deadline:
            raise StageError(f"{sealed_lines()} of {count} lines were sealed within {PATIENCE_SECONDS:.0f} s")
        time.sleep(0.2)


def sealed_lines() -> int:
    """Return how many lines stand in sealed segments."""
    return VaultSegment.objects.exclude(state=VaultSegment.State.MERGED).aggregate(Sum("rows"))["rows__sum"] or 0


def keep_sending(home: Home) -> None:
    """Send the day's lines as their minute comes, and what the demo's hosts had kept."""
    traffic.keep_sending(home, place_of(home))


def place_of(home: Home) -> listen.Listen:
    """Return where the demo's collector takes lines over TCP."""
    return listen.parse(home, "collector", "syslog_tcp", "127.0.0.1:5514")


def catch_up(home: Home, now: datetime) -> None:
    """Let what the span brings come before it is judged: lines by the collector that runs, else by one started for it."""
    place = place_of(home)

    def deliver(lines: list[bytes]) -> None:
        if not lines:
            return
        if not traffic.wait_for(place, LISTENS_SECONDS):
            collect(home, lines)
            return
        before = sealed_lines()
        traffic.send(place, lines)
        await_sealed(before + len(lines))

    progress.go_on(home, now, deliver)


def parse_span(text: str) -> timedelta:
    """Return the span of `8d`, `12h` or `30m`. Raises WrongWordError for anything else."""
    match = re.fullmatch(r"(\d{1,4})([dhm])", text)
    if not match:
        raise WrongWordError(f"--advance {text!r}: write a number and d, h or m, for example 8d")
    return timedelta(**{SPANS[match[2]]: int(match[1])})


def advance(home: Home, span: timedelta) -> str:
    """Move the demo's clock for every process, ledger it, and judge anew."""
    file = home.path / "clock.json"
    offset = span + (clock.now() - clock.real_now())
    temporary = file.with_suffix(".new")
    temporary.write_text(json.dumps({"offset_seconds": offset.total_seconds()}), encoding="utf-8")
    temporary.rename(file)
    now = clock.now()
    catch_up(home, now)
    with transaction.atomic():
        record(tickets.cli_actor("demo"), Event.CLOCK_ADVANCE, ("clock", "demo"), at=now, payload={"seconds": int(span.total_seconds())})
    summary = jobs.reconcile(now)
    return f"演示时钟：{now.astimezone(clock.BEIJING):%Y-%m-%d %H:%M}（北京时间）\n{summary}"


def login_links(home: Home, name: str) -> str:
    """Return a one-use link for one user, or one for each of the cast. Raises WrongWordError for an unknown name."""
    names = (name,) if name else SHOWN
    users = {user.username: user for user in User.objects.filter(username__in=names).select_related("person__unit")}
    if name and name not in users:
        raise WrongWordError(f"no demo user {name!r}; there are: {', '.join(User.objects.values_list('username', flat=True))}")
    place = listen.web(home)
    lines = [] if name else ["一次性登录链接（每条只能用一次，`anzhang demo login 登录名` 再取）："]
    for username in names:
        user = users[username]
        link = links.issue_link(user, "demo", clock.now())
        who = f"{user.person.name}（{user.person.unit.name} {user.person.post}）" if user.person else username
        lines.append(f"  {who}  http://{place}{link}")
    return "\n".join(lines)
