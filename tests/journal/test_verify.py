"""Whoever changes the database behind the ledger's back is found, and what they changed is named."""

import pytest
from django.db import connection, transaction

from anzhang.directory.models import Person
from anzhang.engines.crypto import SUITES
from anzhang.engines.ledger import tree
from anzhang.events import Event
from anzhang.journal import heads, keys, procedures
from anzhang.journal.models import Entry, Frontier, Head, Payload, Tile
from anzhang.journal.verify import check, verify
from anzhang.permissions import RefusedError, system

ME = system("test")


def sql(statement, *values):
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        assert cursor.rowcount != 0, statement


def change(person, at, **columns):
    for name, value in columns.items():
        setattr(person, name, value)
    person.version += 1
    procedures.write(ME, Event.ROW_CHANGE, person, at=at, payload={"columns": sorted(columns)})


@pytest.fixture
def ledger(bureau, home, clock):
    """The bureau with its heads signed at several sizes, and two unsigned entries at the end."""
    person = bureau.person["P011"]
    procedures.sign_heads(clock.now)
    for number in range(300):
        change(person, clock.now, phone=str(number))
        if number % 50 == 0:
            procedures.sign_heads(clock.now)
    procedures.sign_heads(clock.now)
    change(person, clock.now, phone="unsigned")
    change(person, clock.now, phone="last")
    return bureau


def named(report):
    return [(str(fault.kind), fault.subject) for fault in report.faults]


def saved():
    return "\n".join(heads.latest(suite).note for suite in SUITES)


def test_an_untouched_ledger_is_whole(ledger):
    report = verify(saved())
    assert named(report) == []
    assert report.entries == Entry.objects.count() > 300
    assert (report.unsigned, report.rows > 50, report.heads) == (2, True, Head.objects.count())


def test_a_changed_business_row_is_named(ledger):
    sql("UPDATE anzhang_person SET post = '主任' WHERE code = 'P021'")
    assert named(verify()) == [("row_changed", f"person:{ledger.person['P021'].pk}")]


def never():
    """Return what a date column takes and no date of Python's is; PostgreSQL lets no text in."""
    return "never" if connection.vendor == "sqlite" else "infinity"


def test_a_row_with_an_unreadable_date_is_named(ledger):
    sql("UPDATE anzhang_person SET joined_on = %s WHERE code = 'P021'", never())
    assert named(verify()) == [("row_changed", f"person:{ledger.person['P021'].pk}")]


def test_a_row_written_or_deleted_behind_the_ledgers_back_is_named(ledger):
    Person.objects.bulk_create([Person(code="P777", name="某", unit=ledger.unit["IC"], joined_on="2026-01-01")])
    gone = ledger.person["P090"].pk
    sql("DELETE FROM anzhang_person WHERE id = %s", gone)
    assert named(verify()) == [("row_unledgered", f"person:{Person.objects.get(code='P777').pk}"), ("row_gone", f"person:{gone}")]


def test_a_changed_payload_is_named(ledger):
    sql("UPDATE anzhang_payload SET body = %s WHERE entry_id = 120", b"{}")
    sql("UPDATE anzhang_payload SET salt = %s WHERE entry_id = 121", b"0" * 16)
    sql("DELETE FROM anzhang_payload WHERE entry_id = 122")
    assert named(verify()) == [("payload_changed", "payload 120"), ("payload_changed", "payload 121"), ("payload_missing", "payload 122")]


@pytest.mark.parametrize(
    ("column", "value"),
    [("actor", "user:nobody"), ("act", "x:y:z"), ("after", ""), ("at", "2020-01-01 00:00:00"), ("at", "never"), ("object_key", "0")],
)
def test_an_entry_with_a_changed_column_is_named(ledger, column, value):
    sql(f"UPDATE anzhang_entry SET {column} = %s WHERE {chr(34)}index{chr(34)} = 130", never() if value == "never" else value)
    assert ("entry_changed", "entry 130") in named(verify())


def forge(index, old, new):
    """Change an entry and all its columns together, as somebody who has read the code would."""
    entry = Entry.objects.get(index=index)
    entry.actor = entry.actor.replace(old, new)
    entry.leaf = bytes(entry.leaf).replace(old.encode(), new.encode())
    entry.save()


def test_an_entry_forged_leaf_and_all_is_named_exactly(ledger):
    forge(130, "system:test", "user:liming")
    forge(205, "system:test", "user:liming")
    assert named(verify()) == [("entry_changed", "entry 130"), ("entry_changed", "entry 205")]


def test_an_entry_forged_with_its_tiles_is_confined_to_its_stretch(ledger):
    forge(130, "system:test", "user:liming")
    for suite in SUITES:
        tile = Tile.objects.get(suite=suite.name, level=0, index=0)
        hashes = bytearray(tile.hashes)
        hashes[130 * 32 : 131 * 32] = suite.leaf(bytes(Entry.objects.get(index=130).leaf))
        tile.hashes = bytes(hashes)
        tile.save()
    [(kind, subject)] = named(verify())
    first, last = (int(part) for part in subject.removeprefix("entries ").split("-"))
    assert kind == "history_changed"
    assert first <= 130 <= last
    assert last - first <= 50


def test_a_forged_unsigned_entry_is_found(ledger):
    index = Entry.objects.last().index
    forge(index, "system:test", "user:liming")
    assert {kind for kind, _ in named(verify())} == {"frontier_changed"}


def test_a_deleted_entry_is_named(ledger):
    sql("DELETE FROM anzhang_payload WHERE entry_id IN (140, 141)")
    sql('DELETE FROM anzhang_entry WHERE "index" IN (140, 141)')
    assert named(verify()) == [("entry_missing", "entries 140-141")]


def test_an_inserted_entry_is_named(ledger):
    last = Entry.objects.last()
    payload = Payload.objects.get(pk=last.pk)
    last.index += 1
    last.save(force_insert=True)
    Payload.objects.create(entry=last, salt=payload.salt, body=payload.body)
    assert "frontier_changed" in {kind for kind, _ in named(verify())}


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE anzhang_head SET root = 'ab' WHERE suite = 'sha256' AND size = {size}",
        "UPDATE anzhang_head SET note = replace(note, '{size}', '9') WHERE suite = 'sha256' AND size = {size}",
        "UPDATE anzhang_head SET note = '' WHERE suite = 'sha256' AND size = {size}",
    ],
)
def test_a_changed_head_is_named(ledger, statement):
    size = Head.objects.filter(suite="sha256").order_by("size")[2].size
    sql(statement.format(size=size).replace("%", "%%"))
    assert named(verify()) == [("head_changed", f"head sha256 {size}")]


def test_deleted_heads_are_named(ledger):
    sizes = list(Head.objects.filter(suite="sm3").order_by("size").values_list("size", flat=True))
    Head.objects.filter(suite="sm3", size=sizes[1]).delete()
    Head.objects.filter(size=sizes[-1]).delete()
    assert named(verify()) == [
        ("head_missing", f"head sha256 {sizes[-1]}"),
        ("head_missing", f"head sm3 {sizes[-1]}"),
        ("head_missing", f"head sm3 {sizes[1]}"),
    ]


def test_a_changed_tile_and_a_changed_frontier_are_named(ledger):
    sql("UPDATE anzhang_tile SET hashes = %s || substr(hashes, 33) WHERE suite = 'sm3' AND level = 0 AND \"index\" = 0", b"\0" * 32)
    sql("UPDATE anzhang_frontier SET hashes = %s || substr(hashes, 33) WHERE suite = 'sha256'", b"\0" * 32)
    assert named(verify()) == [("tile_changed", "tile sm3 0/0"), ("frontier_changed", "frontier sha256")]


def cut(size, at):
    """Cut the ledger back to `size` entries and sign what is left, as somebody with database and key would."""
    for model, column in ((Payload, "pk"), (Entry, "index")):
        model.objects.filter(**{f"{column}__gte": size}).delete()
    Head.objects.filter(size__gt=size).delete()
    leaves = list(heads.leaves(0, size))
    for suite in SUITES:
        frontier = tree.Frontier(suite)
        for leaf in leaves:
            frontier.append(suite.leaf(leaf))
        Frontier.objects.filter(suite=suite.name).update(size=size, hashes=frontier.pack())
        Tile.objects.filter(suite=suite.name).delete()
    Head.objects.all().delete()
    heads.sign_heads(at)


def test_a_tail_cut_and_signed_with_the_stolen_key_is_found_by_a_saved_head(ledger, clock):
    kept = saved()
    cut(Head.objects.order_by("size").first().size, clock.now)
    Person.objects.filter(code="P011").update(phone="", version=1)
    assert named(verify()) == []  # nothing in the database tells
    report = verify(kept)
    assert {kind for kind, _ in named(report)} == {"tail_cut"}
    assert "the saved head covers" in str(report.faults[0])


def test_history_rewritten_and_grown_again_is_found_by_a_saved_head(ledger, clock):
    kept = saved()
    size = heads.latest().size
    cut(120, clock.now)
    while Entry.objects.count() < size + 5:
        change(ledger.person["P012"], clock.now, phone="x")
    heads.sign_heads(clock.now)
    assert ("history_rewritten", f"entries 0-{size - 1}") in named(verify(kept))


def test_nothing_is_signed_over_a_forged_entry(ledger, clock):
    forge(Entry.objects.last().index, "system:test", "user:liming")
    with pytest.raises(heads.InconsistentError, match="ledger verify"):
        procedures.sign_heads(clock.now)


def test_a_missing_key_is_a_fault(ledger, home):
    keys.path(home).unlink()
    assert named(verify())[0] == ("key_missing", "ledger.ed25519")


def test_heads_are_signed_only_when_something_changed(ledger, clock):
    assert [head.suite for head in procedures.sign_heads(clock.now)] == ["sha256", "sm3"]
    assert procedures.sign_heads(clock.now) == []


def test_a_check_is_kept_with_what_it_found(ledger, clock):
    sql("UPDATE anzhang_payload SET body = %s WHERE entry_id = 7", b"[]")
    row = check(clock.now)
    assert [fault["subject"] for fault in row.faults] == ["payload 7"]


def test_a_saved_head_is_confirmed_only_while_the_ledger_contains_it(ledger, clock):
    kept = saved()
    assert procedures.confirm(ME, kept, clock.now).size == heads.latest().size - 2
    with pytest.raises(RefusedError) as refusal:
        procedures.confirm(ME, kept.replace("anzhang/", "anzhang/x"), clock.now)
    assert refusal.value.code == "head_unreadable"
    with transaction.atomic():
        cut(100, clock.now)
    with pytest.raises(RefusedError) as refusal:
        procedures.confirm(ME, kept, clock.now)
    assert refusal.value.code == "ledger_cut"
