"""What an installation asks of PostgreSQL: dump, load, empty, and whether the server is set up so that the ledger may trust it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection, transaction

from anzhang.journal import sequencer

OLDEST = 150000  # server_version_num: the release that the tests run on
LAG_SECONDS = 5.0
SAFE = {"fsync": {"on"}, "synchronous_commit": {"on", "remote_apply", "remote_write", "local"}, "full_page_writes": {"on"}}
DEBIAN = Path("/usr/lib/postgresql")


class PostgresError(Exception):
    """One of PostgreSQL's programs is missing or failed; the message says which and why."""


@dataclass(frozen=True)
class Look:
    """One thing looked at, as `anzhang doctor` prints it."""

    subject: str
    ok: bool
    seen: str
    remedy: str = ""


def dump(target: Path, snapshot: str = "") -> None:
    """Write the database into a new file in pg_dump's custom format, as of an exported snapshot or of now. Raises PostgresError."""
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    of = ["--snapshot", snapshot] if snapshot else []
    _run("pg_dump", "--format=custom", "--no-owner", "--no-privileges", *of, "--file", str(target))


def load(source: Path) -> None:
    """Fill the empty database from a dump, all of it or nothing. Raises PostgresError."""
    _run("pg_restore", "--no-owner", "--no-privileges", "--exit-on-error", "--single-transaction", "--dbname", _database(), str(source))


def tables() -> list[str]:
    """Return the names of the tables in the schema we use. Raises DatabaseError."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = current_schema() ORDER BY tablename")
        return [name for (name,) in cursor.fetchall()]


def empty() -> None:
    """Drop every table, so that a dump can be loaded; needs no right over the schema itself."""
    names = ", ".join(connection.ops.quote_name(name) for name in tables())
    if names:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"DROP TABLE {names} CASCADE")


def look() -> Iterator[Look]:
    """Look at the server's version, encoding, durability and connections, and at the sequencer."""
    facts = _facts()
    version = int(facts["server_version_num"])
    yield Look("server", version >= OLDEST, f"PostgreSQL {facts['server_version']}", "upgrade the server to PostgreSQL 15 or newer")
    yield Look("encoding", facts["server_encoding"] == "UTF8", facts["server_encoding"], "create the database anew: ENCODING 'UTF8'")
    yield Look("time zone", facts["TimeZone"] == "UTC", f"sessions run in {facts['TimeZone']}", "remove the time zone set for our role")
    level = facts["default_transaction_isolation"]
    remedy = "ALTER ROLE ... RESET default_transaction_isolation: procedures lock the rows they change and expect read committed"
    yield Look("isolation", level == "read committed", level, remedy)
    unsafe = [f"{name} = {facts[name]}" for name, safe in SAFE.items() if facts[name] not in safe]
    seen = "; ".join(unsafe) or "fsync, full_page_writes and synchronous_commit are on"
    yield Look("durability", not unsafe, seen, "turn it on in postgresql.conf: an acknowledged act must survive a power cut")
    used, most = int(facts["used"]), int(facts["max_connections"])
    yield Look("connections", used < most * 0.9, f"{used} of {most}", "raise max_connections, or lower database.connections")
    yield _sequencer()


def _sequencer() -> Look:
    count, seconds = sequencer.backlog()
    led = sequencer.is_led()
    seen = f"{'at work' if led else 'not at work'}, {count} acts wait for their index"
    if count:
        seen += f", the oldest for {seconds:.1f} s"
    return Look("sequencer", seconds < LAG_SECONDS, seen, "start it: anzhang up, or systemctl start anzhang-sequencer")


def _facts() -> dict[str, Any]:
    names = ("server_version", "server_version_num", "server_encoding", "TimeZone", "default_transaction_isolation", "max_connections")
    with connection.cursor() as cursor:
        cursor.execute("SELECT name, setting FROM pg_settings WHERE name = ANY(%s)", ([*names, *SAFE],))
        facts = dict(cursor.fetchall())
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'")
        return facts | {"used": cursor.fetchone()[0]}


def _database() -> str:
    return str(settings.DATABASES["default"]["NAME"])


def _run(program: str, *words: str) -> None:
    given = settings.DATABASES["default"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    for name, key in (("PGHOST", "HOST"), ("PGPORT", "PORT"), ("PGUSER", "USER"), ("PGPASSWORD", "PASSWORD"), ("PGDATABASE", "NAME")):
        if given.get(key):
            environment[name] = str(given[key])  # never on the command line, where everybody can read it
    for option in ("sslmode", "sslrootcert", "sslcert", "sslkey"):
        if option in given.get("OPTIONS", {}):
            environment[f"PG{option.upper()}"] = given["OPTIONS"][option]
    done = subprocess.run([_program(program), *words], capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise PostgresError(f"{program}: {done.stderr.strip().splitlines()[0] if done.stderr.strip() else done.returncode}")


def _program(name: str) -> str:
    """Return the newest of PostgreSQL's client programs: a dump must not be older than its server."""
    installed = [path for path in DEBIAN.glob(f"*/bin/{name}") if path.parts[-3].isdigit()]
    newest = max(installed, key=lambda path: int(path.parts[-3]), default=None)
    found = str(newest) if newest else shutil.which(name)
    if found is None:
        raise PostgresError(f"{name} is missing: apt-get install postgresql-client")
    return found
