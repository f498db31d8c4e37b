"""The outbox and its sequencer; `make test` runs this file on PostgreSQL, where they are at work."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from django.db import DatabaseError, IntegrityError, connection, connections, transaction

from anzhang.daemons.sequencer import Sequencer
from anzhang.demo import bureau as demo
from anzhang.events import Event
from anzhang.journal import procedures, sequencer
from anzhang.journal.models import Entry, Frontier, Head, Outbox, Payload
from anzhang.journal.placing import prepare
from anzhang.journal.verify import verify
from anzhang.operate import postgres
from anzhang.permissions import system
from tests import world

ME = system("test")


@pytest.fixture(autouse=True)
def _on_postgres(transactional_db):
    assert connection.vendor == "postgresql", "run it by `python -m tests.postgres`"
    connections["default"].ensure_connection()


@pytest.fixture
def nobody_places(monkeypatch):
    """Nobody sequences after a commit, as when the process is killed there."""
    monkeypatch.setattr(sequencer, "place_after_commit", lambda: None)


def record(number: int = 0) -> Entry:
    with transaction.atomic():
        return procedures.record(ME, Event.CLOCK_ADVANCE, ("clock", str(number)), at=world.START, payload={"n": number})


def keys() -> list[str]:
    indexes = list(Entry.objects.order_by("index").values_list("index", flat=True))
    assert indexes == list(range(len(indexes)))
    assert list(Payload.objects.order_by("pk").values_list("pk", flat=True)) == indexes
    assert set(Frontier.objects.values_list("size", flat=True)) <= {len(indexes)}
    return list(Entry.objects.order_by("index").values_list("object_key", flat=True))


@contextmanager
def elsewhere(act: Callable[[], object]) -> Iterator[threading.Event]:
    """Do something in a transaction on another connection that stays open until the block ends or the event is set."""
    done, go = threading.Event(), threading.Event()

    def run() -> None:
        try:
            with transaction.atomic():
                act()
                done.set()
                assert go.wait(30)
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    assert done.wait(30)
    try:
        yield go
    finally:
        go.set()
        thread.join()


def test_an_act_waits_with_its_transaction_and_is_placed_after_the_commit():
    with transaction.atomic():
        entry = procedures.record(ME, Event.CLOCK_ADVANCE, ("clock", "a"), at=world.START)
        assert (entry.index, Outbox.objects.count(), Entry.objects.count()) == (None, 1, 0)
    assert (keys(), Outbox.objects.count()) == (["a"], 0)


def test_an_act_that_is_rolled_back_leaves_nothing():
    with pytest.raises(ZeroDivisionError), transaction.atomic():  # noqa: PT012 - the act and the failure belong together
        record()
        raise ZeroDivisionError
    with transaction.atomic():
        with pytest.raises(ZeroDivisionError), transaction.atomic():  # noqa: PT012 - the act and the failure belong together
            record(1)
            raise ZeroDivisionError
        record(2)  # the callback of the first went with its savepoint; this one brings its own
    assert (keys(), Outbox.objects.count()) == (["2"], 0)


def test_an_act_is_refused_where_its_entry_cannot_be_written_and_the_next_one_is_not():
    record(1)
    with connection.cursor() as cursor:
        cursor.execute("DEALLOCATE ALL")
    with pytest.raises(DatabaseError):
        record(2)
    record(3)
    assert keys() == ["1", "3"]
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE {Outbox._meta.db_table} ADD CHECK (length(leaf) < 9) NOT VALID")
        with pytest.raises(IntegrityError):
            record(4)
        transaction.set_rollback(True)
    record(5)
    assert keys() == ["1", "3", "5"]


def test_an_act_committed_late_is_not_passed_over():
    with elsewhere(lambda: record(1)) as finish:  # written first
        record(2)
        assert keys() == ["2"]
        finish.set()
    assert keys() == ["2", "1"]


def test_one_sequencer_at_a_time_and_the_other_waits_or_leaves(nobody_places):
    record(1)
    with elsewhere(sequencer.hold):
        assert (sequencer.sequence(wait=False), Outbox.objects.count()) == (0, 1)
    assert (sequencer.sequence(), keys()) == (1, ["1"])


def test_a_batch_is_taken_by_one_range_and_no_row_is_looked_up_by_itself():
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {sequencer.TAKE}")
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "Delete on anzhang_outbox" in plan
    assert "Join" not in plan
    assert "Nested Loop" not in plan


def test_two_sequencers_at_once_place_everything_once(nobody_places, monkeypatch):
    monkeypatch.setattr(sequencer, "BATCH", 50)
    monkeypatch.setattr(sequencer, "TAKE", sequencer.TAKE.replace("LIMIT 5000", "LIMIT 50"))
    with transaction.atomic():
        for number in range(400):
            record(number)
    placed: list[int] = []

    def work() -> None:
        try:
            placed.append(sequencer.sequence())
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (sum(placed), keys()) == (400, [str(number) for number in range(400)])


def test_a_sequencer_killed_before_its_commit_loses_nothing(nobody_places):
    record(1)
    with pytest.raises(ZeroDivisionError), transaction.atomic():  # noqa: PT012 - the act and the failure belong together
        assert sequencer.sequence() == 1
        raise ZeroDivisionError
    assert (keys(), Outbox.objects.count()) == ([], 1)
    assert (sequencer.sequence(), keys()) == (1, ["1"])


def test_signing_places_what_waits_first(nobody_places, home):
    record(1)
    assert {head.size for head in procedures.sign_heads(world.START)} == {1}
    assert procedures.sign_heads(world.START) == []
    assert Head.objects.count() == 2


def test_verification_counts_what_waits_and_holds_rows_against_it(nobody_places, home, clock):
    bureau = demo.build(clock.now)
    waiting = Outbox.objects.count()
    report = verify()
    assert (report.entries, report.waiting, report.faults) == (0, waiting, [])
    sequencer.sequence()
    procedures.sign_heads(clock.now)
    person = bureau.person["P021"]
    person.post = "换岗"
    with transaction.atomic():
        procedures.write(ME, Event.ROW_CHANGE, person, at=clock.now)
    assert (verify().waiting, verify().faults) == (1, [])
    with connection.cursor() as cursor:
        cursor.execute("UPDATE anzhang_person SET post = '偷改' WHERE id = %s", (person.pk,))
    assert [str(fault) for fault in verify().faults] == [
        f"row_changed: person:{person.pk}: the row differs from what the entry in the outbox left"
    ]


@pytest.mark.parametrize(("column", "kind"), [("body", "payload_changed"), ("leaf", "entry_changed")])
def test_verification_names_a_waiting_act_that_was_changed(nobody_places, home, column, kind):
    record(1)
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE anzhang_outbox SET {column} = '[]'")
    assert [(str(fault.kind), fault.subject) for fault in verify().faults] == [(kind, f"outbox {Outbox.objects.get().pk}")]


def test_a_second_sequencer_process_stands_by_and_takes_over(nobody_places, home):
    record(1)
    first = Sequencer()
    with elsewhere(sequencer.lead):
        assert (first.tick(), first.leading, keys()) == (1.0, False, [])
        assert sequencer.is_led()
    assert not sequencer.is_led()
    first.tick()
    assert (first.leading, keys(), Head.objects.count()) == (True, ["1"], 2)
    connection.close()


def test_while_a_sequencer_process_leads_acts_wait_for_it_and_whoever_reads_asks_first():
    with elsewhere(sequencer.lead) as finish:
        record(1)
        record(2)
        assert (keys(), Outbox.objects.count()) == ([], 2)
        sequencer.settle()
        assert (keys(), Outbox.objects.count()) == (["1", "2"], 0)
        record(3)
        finish.set()
    assert (keys(), Outbox.objects.count()) == (["1", "2"], 1), "the leader ended before it placed the last"
    record(4)
    assert keys() == ["1", "2", "3", "4"]


def test_many_entries_of_one_act_wait_for_the_leader_too():
    with elsewhere(sequencer.lead), transaction.atomic():
        sequencer.stage([prepare(ME, Event.CLOCK_ADVANCE, ("clock", str(number)), "", b"{}", world.START) for number in range(3)])
    assert (keys(), Outbox.objects.count()) == ([], 3)
    sequencer.settle()
    assert keys() == ["0", "1", "2"]


def test_asking_whether_somebody_leads_keeps_nobody_from_leading():
    with elsewhere(record):
        assert sequencer.lead()
    connection.close()


def test_a_leader_that_hangs_is_passed_by(nobody_places, home):
    record(1)
    second = Sequencer()
    with elsewhere(sequencer.lead):
        with connection.cursor() as cursor:
            cursor.execute("UPDATE anzhang_outbox SET staged_at = now() - interval '2 seconds'")
        assert (second.tick(), second.leading, keys()) == (1.0, False, ["1"])


def test_reading_inside_a_transaction_places_nothing(nobody_places):
    record(1)
    with transaction.atomic():
        sequencer.settle()
    assert keys() == []


def test_a_placing_that_fails_does_not_keep_anybody_from_reading(nobody_places, monkeypatch, caplog):
    record(1)
    monkeypatch.setattr(sequencer, "TAKE", "SELECT 1 FROM nowhere")
    sequencer.settle()
    assert (keys(), Outbox.objects.count()) == ([], 1)
    assert "could not be placed" in caplog.text


def test_doctor_sees_the_server_and_a_backlog(nobody_places):
    seen = {look.subject: look for look in postgres.look()}
    assert [name for name, look in seen.items() if not look.ok] == ["durability"]  # the tests' server runs without fsync
    assert seen["sequencer"].seen == "not at work, 0 acts wait for their index"
    record(1)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE anzhang_outbox SET staged_at = now() - interval '1 minute'")
    late = {look.subject: look for look in postgres.look()}["sequencer"]
    assert (late.ok, "1 acts wait" in late.seen, "60." in late.seen) == (False, True, True)
