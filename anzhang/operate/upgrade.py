"""`anzhang upgrade`: back up, migrate, verify, or back.

1. Nobody else may be at work: the listeners of `up` must be silent, and on PostgreSQL no sequencer may be at work.
2. An upgrade that a power cut ended is first taken back: `upgrade/pending` names its copy of the database.
3. The ledger verifies. Else nothing is touched.
4. The database is copied to `upgrade/`.
5. The migrations that wait are applied.
6. Rows whose columns a migration changed get a new entry each; the upgrade gets one.
7. The ledger verifies again. Else, and after any error since 4, the copy takes the database's place.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from django.core.management import call_command
from django.db import connections, transaction
from django.db.migrations.executor import MigrationExecutor

from anzhang import __version__
from anzhang.engines import durable
from anzhang.events import Event
from anzhang.home import Home
from anzhang.journal import rows
from anzhang.journal.faults import Kind, Report
from anzhang.journal.procedures import record
from anzhang.journal.sequencer import has_outbox, is_led, sequence
from anzhang.journal.verify import verify
from anzhang.operate import copies, listen, postgres
from anzhang.permissions import Actor

PENDING = "pending"


class UpgradeError(Exception):
    """The upgrade was not begun; nothing was changed."""


class WentBackError(Exception):
    """The upgrade failed and the database stands as it stood before."""


@dataclass(frozen=True)
class Upgraded:
    """What was applied, how many rows were entered anew, where the copy of before lies."""

    migrations: list[str]
    restated: int
    copy: Path | None


def upgrade(actor: Actor, home: Home, at: datetime) -> Upgraded:
    """Bring the database to this release, or leave it as it was. Raises UpgradeError, WentBackError."""
    suffix = Path(copies.kind()).suffix
    for place in (listen.web(home), listen.parse(home, "collector", "syslog_tcp", "127.0.0.1:5514")):
        if not place.is_free:
            raise UpgradeError(f"something answers at {place}: stop the installation first")
    if has_outbox() and is_led():
        raise UpgradeError("a sequencer is at work on this database: stop the installation first")
    folder = home.path / "upgrade"
    durable.make_folder(folder)
    if (folder / PENDING).is_file():
        _go_back(home, folder, folder / (folder / PENDING).read_text(encoding="utf-8"))
    waiting = pending()
    if not waiting:
        return Upgraded([], 0, None)
    sequence()  # what waits for its index would be held against rows that the migration changes
    _must_hold(verify(), UpgradeError, "the ledger does not verify, so nothing was begun")
    copy = folder / f"db-{at:%Y%m%dT%H%M%SZ}{suffix}"
    if copy.exists():
        raise UpgradeError(f"{copy} exists already; wait a second and try again")
    try:
        copies.take(home, copy)
    except (OSError, copies.ForeignDatabaseError, postgres.PostgresError) as error:
        raise UpgradeError(f"the database could not be copied, so nothing was begun: {error}") from error
    durable.write_file(folder / PENDING, copy.name.encode())
    try:
        call_command("migrate", verbosity=0, interactive=False)
        restated = _restate(actor, waiting, at)
        _must_hold(verify(), WentBackError, "the ledger does not verify after the migration")
    except Exception as error:
        _go_back(home, folder, copy)
        raise WentBackError(f"{type(error).__name__}: {error}. The database stands as it stood before.") from error
    _done(folder)
    return Upgraded(waiting, restated, copy)


def pending() -> list[str]:
    """Return the migrations that wait, `app.name` each, in order."""
    executor = MigrationExecutor(connections["default"])
    return [f"{migration.app_label}.{migration.name}" for migration, _ in executor.migration_plan(executor.loader.graph.leaf_nodes())]


def _restate(actor: Actor, migrations: list[str], at: datetime) -> int:
    """Enter anew every row whose digest the migration changed, and the upgrade itself; return how many rows.

    Sound only here: the ledger verified before the migration, and nobody else has written since.
    """
    report = Report()
    rows.compare(report)
    models = rows.ledgered()
    with transaction.atomic():
        record(actor, Event.UPGRADE, ("software", __version__), at=at, payload={"migrations": migrations})
        for fault in report.faults:
            kind, _, key = fault.subject.partition(":")
            if fault.kind not in {Kind.ROW_CHANGED, Kind.ROW_UNLEDGERED} or kind not in models:
                raise UpgradeError(f"a migration may not do this: {fault}")
            record(actor, Event.UPGRADE, models[kind]._default_manager.get(pk=key), at=at, payload={"migrations": migrations})
    return len(report.faults)


def _must_hold(report: Report, error: type[Exception], what: str) -> None:
    if report.faults:
        raise error(f"{what}: {report.faults[0]}")


def _go_back(home: Home, folder: Path, copy: Path) -> None:
    copies.put_back(home, copy)
    _done(folder)


def _done(folder: Path) -> None:
    (folder / PENDING).unlink(missing_ok=True)
    durable.sync_folder(folder)
