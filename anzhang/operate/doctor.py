"""`anzhang doctor`: what is wrong with an installation, and what to do about each."""

from __future__ import annotations

import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.core import checks
from django.db import DatabaseError, connection

from anzhang.casework import parameters, routes
from anzhang.engines.printing import fonts
from anzhang.home import Home, HomeError
from anzhang.monitoring import quarantine
from anzhang.operate import database, listen, postgres, sign_in
from anzhang.regulation.binding import load_bindings, unbound
from anzhang.regulation.reading import CatalogError

LOW_DISK_BYTES = 5 * 1024**3


@dataclass(frozen=True)
class Finding:
    """One thing looked at: `ok`, what was seen, and the remedy when it is not. What is not `grave` may wait: it is a warning."""

    subject: str
    ok: bool
    seen: str
    remedy: str = ""
    grave: bool = True


def examine(home: Home) -> Iterator[Finding]:
    """Look at everything that can be looked at without changing anything."""
    if not home.exists:
        yield Finding("data directory", False, f"{home.path} holds no installation", f"anzhang --home {home.path} init")
        return
    yield from _files(home)
    yield from _listeners(home)
    yield _catalog(home)
    yield from _database()
    yield from _assets()
    yield _faces(home)
    yield from (Finding(seen.subject, seen.ok, seen.seen, seen.remedy, seen.grave) for seen in sign_in.look(home))
    yield from _quarantine(home)
    yield _rules()
    free = shutil.disk_usage(home.path).free
    yield Finding("disk", free > LOW_DISK_BYTES, f"{free / 1024**3:.1f} GiB free", "make room before the collector has to push back")
    yield from _system_checks()


def _rules() -> Finding:
    """Start the process in which rules run and say what the kernel took away from it."""
    from anzhang.casework.rule_runs.tables import box  # with Arrow and DuckDB
    from anzhang.engines.sqlbox import BoxError

    try:
        box().run("SELECT 1 AS one", {})
    except BoxError as error:
        return Finding("rules", False, str(error), "reinstall: the process in which rules run does not start")
    held = box().locks
    seen = f"their process has no {', no '.join(sorted(held))}" if held else "their process is locked by DuckDB alone"
    return Finding("rules", "files" in held, seen, "a kernel with Landlock (Linux 5.13 or later) takes files from it too", grave=False)


def _files(home: Home) -> Iterator[Finding]:
    mode = stat.S_IMODE(home.path.stat().st_mode)
    yield Finding("data directory", mode == 0o700, f"{home.path} has mode {mode:04o}", f"chmod 0700 {home.path}")
    for key in sorted(home.keys.iterdir()) if home.keys.is_dir() else ():
        mode = stat.S_IMODE(key.stat().st_mode)
        yield Finding(f"key {key.name}", mode & 0o077 == 0, f"mode {mode:04o}", f"chmod 0600 {key}")
    for name in ("secret.key", "ledger.ed25519"):
        if not (home.keys / name).is_file():
            yield Finding(f"key {name}", False, "missing", "restore it from a backup; without it sessions or heads cannot be signed")


def _listeners(home: Home) -> Iterator[Finding]:
    try:
        web = listen.web(home)
        syslog = listen.parse(home, "collector", "syslog_tcp", "127.0.0.1:5514")
        push = listen.parse(home, "collector", "http", "127.0.0.1:8601")
    except HomeError as error:
        yield Finding("settings", False, str(error), f"correct {home.settings_file}")
        return
    for name, place in (("pages", web), ("syslog", syslog), ("log push", push)):
        yield Finding(f"{name} listener", True, f"{place}, {'not answering' if place.is_free else 'answering'}")


def _catalog(home: Home) -> Finding:
    remedy = f"correct {home.settings_file} [bureau] catalog, or the folder it names"
    try:
        found, ways = parameters.catalog(), routes.current()
    except (CatalogError, routes.RouteError, HomeError) as error:
        return Finding("catalog", False, str(error), remedy)
    load_bindings()
    strange = "; ".join(str(error) for error in unbound(found))
    seen = f"{found.name}: {len(found.articles)} articles, {len(found.obligations)} obligations, {len(ways)} routes"
    return Finding("catalog", not strange, strange or seen, remedy)


def _database() -> Iterator[Finding]:
    try:
        waiting = database.waiting()
    except DatabaseError as error:
        yield Finding("database", False, str(error).splitlines()[0], "check ANZHANG_DATABASE_URL and that the server runs")
        return
    yield Finding("database", not waiting, f"{connection.vendor}, {len(waiting)} migrations waiting", "anzhang upgrade")
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA quick_check(1)")
            answer = cursor.fetchone()[0]
        yield Finding("database file", answer == "ok", answer, "anzhang restore from the last backup")
    elif not waiting:
        for seen in postgres.look():
            yield Finding(f"database {seen.subject}", seen.ok, seen.seen, seen.remedy)


def _system_checks() -> Iterator[Finding]:
    """Yield what Django and our own checks say, those that read the database too where it can be read."""
    try:
        messages = checks.run_checks(databases=[] if database.waiting() else ["default"])
    except DatabaseError:
        messages = checks.run_checks()  # the database itself has its own line
    for message in messages:
        of_the_code = str(message.id).startswith("models.")  # nothing that an operator could mend
        if message.level >= checks.WARNING and not message.is_silenced() and not of_the_code:
            yield Finding(f"check {message.id}", False, message.msg, message.hint or "", grave=message.level >= checks.ERROR)


def _assets() -> Iterator[Finding]:
    collected = Path(settings.STATIC_ROOT)
    manifest = collected / "staticfiles.json"
    yield Finding("page assets", manifest.is_file(), str(collected), "install the wheel again, or `make assets` in a checkout")


def _faces(home: Home) -> Finding:
    try:
        found = fonts.faces(home.fonts)
    except (fonts.FontsMissingError, OSError) as error:
        return Finding("typefaces", False, f"none for {error}: forms cannot be printed", fonts.REMEDY.format(folder=home.fonts))
    used = ", ".join(sorted({family for family, _weight in found.chosen.values()}))
    # A free face is a whole answer; what the standard would rather have is said, not held against the installation.
    lacking = f"; the standard's {'、'.join(found.lacking)} not found in {home.fonts}" if found.lacking else ""
    return Finding("typefaces", True, f"{used}{lacking}")


def _quarantine(home: Home) -> Iterator[Finding]:
    strangers = quarantine.read(home.path / "collector" / "quarantine")
    seen = f"{len(strangers.senders)} unregistered senders, {strangers.kept_bytes} bytes kept, {strangers.dropped_bytes} dropped"
    yield Finding("quarantine", not strangers.senders, seen, "register the sender as a log source, or stop it from sending")
    for sender in strangers.senders.values():
        yield Finding(f"sender {sender.address}", False, f"{sender.why}, {sender.bytes} bytes, last heard {sender.last_at}", "as above")
