"""Give the acts that wait in the outbox their indexes: PostgreSQL only, where many transactions write at once.

An index given inside a business transaction would make every writer wait for the commit before it. So the transaction of
the act leaves a row in the outbox, certain as the act itself, and one sequencer at a time, held to one by an advisory lock
that ends with its transaction,

1. takes the rows that are committed out of the outbox, in the order in which they were written;
2. places them at the next indexes (`placing.py`);
3. commits all of it at once: killed anywhere before, the rows wait on; killed after, they are placed. No row is passed over
   because it was committed late, as a reader of "id greater than the last" would: a queue is emptied, never followed.

The order within one batch is the order of writing. Two acts on the same row are written in the order of their commits,
because a procedure holds the lock of the row it changes when it writes its entry.

Who sequences: the sequencer process ten times a second (`daemons/sequencer.py`), which so places what many did at once in one
transaction, and finds what a killed process left. While none is at work, every process right after the commit of its own act,
unless another is at it. Whoever is about to read entries asks first (`settle`), so that everybody finds what was committed
before; a leader that hangs is passed by in the same way.

The placing need not reach the disk by itself: after a power cut the outbox rows are there again. An index is therefore
final once a head covers it, a second later; the head's commit waits for the disk and everything before it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any
from weakref import WeakSet

from django.db import DatabaseError, connection, transaction

from anzhang.journal.copying import copy
from anzhang.journal.models import Outbox
from anzhang.journal.placing import Prepared, place, staged

log = logging.getLogger("anzhang.sequencer")
BATCH = 5000  # acts in one transaction of the sequencer
LOCK = 0x616E7A68  # "anzh": whoever holds it for a transaction places entries or signs heads
LEADER = LOCK + 1  # whoever holds it for a session is the sequencer process
# Whether nobody leads, asked on the way: a lock that is free is had and given back within the statement, so that it is in nobody's way.
UNLED = f"CASE WHEN pg_try_advisory_lock_shared({LEADER}) THEN pg_advisory_unlock_shared({LEADER}) ELSE false END"
INSERT = f"INSERT INTO {Outbox._meta.db_table} (leaf, salt, body) VALUES ($1, $2, $3) RETURNING {UNLED}".encode()  # noqa: S608 - a table name of ours
STAGE = b"anzhang_stage"  # the name under which a connection has it prepared
WAITING = f"SELECT EXISTS (SELECT 1 FROM {Outbox._meta.db_table})"  # noqa: S608
# One range, not "id IN (...)": the outbox is empty whenever statistics are gathered, so the server expects a handful of rows and
# would look each of five thousand up by reading the whole table. An earlier id that is not committed yet is not seen, and waits.
TAKE = (
    f"DELETE FROM {Outbox._meta.db_table} WHERE id <= (SELECT max(id) FROM"  # noqa: S608
    f" (SELECT id FROM {Outbox._meta.db_table} ORDER BY id LIMIT {BATCH}) AS first) RETURNING id, leaf, salt, body"
)


def has_outbox() -> bool:
    """Whether entries wait for a sequencer here; where one writer writes at a time, they need not."""
    return connection.vendor != "sqlite"


def stage(prepared: Sequence[Prepared]) -> None:
    """Leave prepared entries in the outbox, inside the transaction of their acts; they are placed after its commit."""
    *others, last = [(each.leaf, each.salt, each.body) for each in prepared]
    if others:
        copy(Outbox._meta.db_table, ("leaf", "salt", "body"), others)
    if _left(last):
        place_after_commit()


def _left(parts: tuple[bytes, bytes, bytes]) -> bool:
    """Write one row of the outbox and return whether nobody leads.

    By a prepared statement and below the driver's cursor, which costs four times what the statement does: every act pays it.
    """
    wrapper: Any = connection
    psycopg, driver = wrapper.Database, wrapper.connection
    server, binary = driver.pgconn, psycopg.pq.Format.BINARY
    with connection.wrap_database_errors:
        if server.transaction_status == psycopg.pq.TransactionStatus.IDLE:
            driver.execute("SELECT")  # the driver begins the transaction with its first statement, which this must not be
        if driver not in _ready:
            _answer(psycopg, server.prepare(STAGE, INSERT))
            _ready.add(driver)
        try:
            answer = _answer(psycopg, server.exec_prepared(STAGE, parts, (binary,) * len(parts)))
        except psycopg.errors.InvalidSqlStatementName:
            _ready.discard(driver)  # somebody had the server forget it
            raise
    return bool(answer.get_value(0, 0) == b"t")


def _answer(psycopg: Any, result: Any) -> Any:
    if result.status not in {psycopg.pq.ExecStatus.TUPLES_OK, psycopg.pq.ExecStatus.COMMAND_OK}:
        raise psycopg.errors.error_from_result(result)
    return result


_ready: WeakSet[Any] = WeakSet()  # connections on which the statement is prepared


def place_after_commit() -> None:
    """Have this process sequence once its transaction is committed; an error then is logged and the rows wait on."""
    if all(each[1] is not _NUDGE for each in connection.run_on_commit):
        transaction.on_commit(_NUDGE, robust=True)


def sequence(*, wait: bool = True) -> int:
    """Place every act that is committed; return how many. Without `wait`, none when another is at it.

    Inside a transaction the rows are placed with it, and others wait for its end.
    """
    if not has_outbox():
        return 0
    total = 0
    while _is_waiting():
        count = _sequence_batch(wait=wait)
        total += count
        if count < BATCH:
            break
    return total


_NUDGE: Callable[[], object] = partial(sequence, wait=False)


def settle() -> None:
    """Have everything that is committed placed before one reads entries; where that fails, they are read as they are."""
    if has_outbox() and not connection.in_atomic_block:
        try:
            sequence()
        except DatabaseError:
            log.exception("what waits could not be placed")


def hold() -> None:
    """Keep other sequencers and signers out until this transaction ends. On SQLite its lock on the file does that."""
    if has_outbox():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))


def lead() -> bool:
    """Make this connection the one that keeps sequencing until it ends; false while another one does.

    A second sequencer process stands by: placing is safe with any number of them, this only spares the asking.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", (LEADER,))
        return bool(cursor.fetchone()[0])


def is_led() -> bool:
    """Whether a sequencer process is at work on this database."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND classid = 0 AND objid = %s AND objsubid = 1 AND granted"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))",
            (LEADER,),
        )
        return bool(cursor.fetchone()[0])


def backlog() -> tuple[int, float]:
    """Return how many acts wait for their index and for how many seconds the oldest of them has."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*), COALESCE(EXTRACT(EPOCH FROM now() - min(staged_at)), 0) FROM {Outbox._meta.db_table}")  # noqa: S608
        count, seconds = cursor.fetchone()
        return int(count), float(seconds)


def _is_waiting() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(WAITING)
        return bool(cursor.fetchone()[0])


def _sequence_batch(*, wait: bool) -> int:
    alone = not connection.in_atomic_block
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)" if not wait else "SELECT pg_advisory_xact_lock(%s)", (LOCK,))
        if cursor.fetchone()[0] is False:
            return 0
        if alone:  # never for the act of somebody else's transaction
            cursor.execute("SET LOCAL synchronous_commit TO off")
        cursor.execute(TAKE)
        rows = sorted(cursor.fetchall())
        if rows:
            place([staged(bytes(leaf), bytes(salt), bytes(body)) for _id, leaf, salt, body in rows])
        return len(rows)
