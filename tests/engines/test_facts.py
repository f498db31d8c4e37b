"""Facts are made once of each line: however lines come late, are merged, redacted or torn into segments, they are those made anew."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from anzhang.engines import facts as engine
from anzhang.engines.facts import append
from anzhang.engines.sqlbox import Box, parse
from anzhang.engines.vault import Batch, Redaction, Vault, streams, succession

AT = datetime(2026, 11, 24, 8, tzinfo=UTC)
NOW = AT + timedelta(seconds=1)  # facts begin before the instant that asks
DAILY = """
    SELECT source_mac AS mac, source_ip AS ip, CAST(timestamp + INTERVAL 8 HOUR AS DATE) AS day,
           min(timestamp) AS first_at, max(timestamp) AS last_at, count(*) AS times,
           arg_min(line, timestamp) AS first_line, arg_max(line, timestamp) AS last_line
    FROM sighting_event GROUP BY ALL
"""
# Runs of sightings of one hardware address that no pause of an hour parts: what cannot be merged from its pieces.
RUNS = """
    WITH s AS (
        SELECT source_mac, timestamp AS t, line, lag(timestamp) OVER (PARTITION BY source_mac ORDER BY timestamp, seq) AS before
        FROM sighting_event
    ),
    n AS (
        SELECT *, count(*) FILTER (WHERE before IS NULL OR t > before + INTERVAL 1 HOUR)
                  OVER (PARTITION BY source_mac ORDER BY t, line ROWS UNBOUNDED PRECEDING) AS run
        FROM s
    )
    SELECT source_mac, min(t) AS first_at, max(t) AS last_at, count(*) AS times,
           arg_min(line, t) AS first_line, arg_max(line, t) AS last_line
    FROM n GROUP BY source_mac, run
"""


@pytest.fixture(scope="module")
def box():
    made = Box()
    yield made
    made.close()


def recipe(way: str, days: int = 30) -> engine.Recipe:
    streams_read = ("sighting_event",)
    if way == "append":
        return engine.Recipe("daily", parse(DAILY, set(streams_read)), streams_read, timedelta(days=days))
    told = ("source_mac",), timedelta(hours=24), timedelta(hours=6)
    return engine.Recipe("runs", parse(RUNS, set(streams_read)), streams_read, timedelta(days=days), *told)


def lease(at: datetime, k: int) -> bytes:
    return f"<30>1 {at:%Y-%m-%dT%H:%M:%SZ} dhcp01 dhcpd 1 - - DHCPACK on 10.20.1.{k} to 00:1a:2b:3c:4d:{k:02x} via eth1\n".encode()


def seal(vault: Vault, lines: list[bytes], at: datetime = AT) -> None:
    with vault.writer() as writer:
        writer.append(Batch("DHCP", b"".join(lines), at))
        writer.seal(at)


def told(store: engine.Store, what: engine.Recipe, vault: Vault, at: datetime = NOW, *, anew: bool = False) -> list[dict]:
    """Return the facts, each line by its number: the segment's name moves when it is merged."""
    found = store.facts(what, vault, at, anew=anew)
    columns = store.box.run("SELECT * FROM facts LIMIT 0", found.tables, views={"facts": found.view}).column_names
    merged = f"SELECT * FROM ({append.merged(columns, 'SELECT * FROM facts')}) ORDER BY ALL"
    rows = store.box.run(merged, found.tables, views={"facts": found.view}).to_pylist()
    for row in rows:
        row |= {name: int(row[name].rpartition(":")[2]) for name in ("first_line", "last_line")}
    return rows


def merge(vault: Vault) -> int:
    with vault.writer() as writer:
        return sum(
            bool(writer.merge(run, AT, lambda _s: None)) for run in succession.mergeable(vault.segments(), AT.date() + timedelta(days=2))
        )


@pytest.mark.parametrize("way", ["append", "window"])
@pytest.mark.parametrize("seed", range(3))
def test_they_are_those_made_anew_whatever_happens_to_the_lines(way, seed, box, tmp_path: Path):
    chance = random.Random(f"{way}{seed}")
    vault, what = Vault(tmp_path / "vault"), recipe(way)
    kept = engine.Store(tmp_path / "kept", box)
    happened = set()
    for step in range(14):
        late = timedelta(days=chance.choice((0, 0, 0, 1, 3, 25)))
        moments = [AT - late - timedelta(seconds=chance.randrange(8 * 3600)) for _ in range(chance.randrange(1, 40))]
        seal(vault, [lease(at, chance.randrange(1, 5)) for at in moments])
        if chance.random() < 0.3 and merge(vault):
            happened.add("merged")
        if chance.random() < 0.2:
            seq = chance.randrange(1, vault.segments()[-1].last_seq + 1)
            vault.redact(Redaction(f"C{step}", "误收", ((seq, seq),), AT), b"s" * 32, lambda _s: None)
            happened.add("redacted")
        if chance.random() < 0.2:
            kept = engine.Store(tmp_path / "kept", box)  # another process
            happened.add("restarted")
        if chance.random() < 0.7:
            fresh = engine.Store(tmp_path / f"anew{step}", box)
            assert told(kept, what, vault) == told(fresh, what, vault), (step, happened)
    assert told(kept, what, vault) == told(kept, what, vault, anew=True)
    assert told(kept, what, vault)


def test_an_increment_reads_only_what_is_new(box, tmp_path: Path):
    vault, store, what = Vault(tmp_path / "vault"), engine.Store(tmp_path / "facts", box), recipe("append")
    seal(vault, [lease(AT, 1)] * 30)
    assert store.facts(what, vault, AT).fresh == 30
    assert store.facts(what, vault, AT).fresh == 0
    seal(vault, [lease(AT - timedelta(days=9), 2), lease(AT, 1)])
    assert store.facts(what, vault, AT).fresh == 2
    merge(vault)
    assert store.facts(what, vault, AT).fresh == 0
    (one, two) = sorted(told(store, what, vault), key=lambda row: row["mac"])
    assert (one["times"], two["times"], two["first_at"].day) == (31, 1, 15)


def test_many_small_parts_become_one(box, tmp_path: Path):
    vault, store, what = Vault(tmp_path / "vault"), engine.Store(tmp_path / "facts", box), recipe("append")
    seal(vault, [lease(AT - timedelta(minutes=k), k) for k in range(1, 250)])
    store.facts(what, vault, AT)
    for k in range(1, 30):
        seal(vault, [lease(AT, k)])
        store.facts(what, vault, AT)
    files = list((tmp_path / "facts").rglob("*.parquet"))
    assert 1 < len(files) <= append.PARTS + 1
    assert sum(row["times"] for row in told(store, what, vault)) == 249 + 29


def test_what_has_left_the_window_is_no_fact(box, tmp_path: Path):
    vault, store, what = Vault(tmp_path / "vault"), engine.Store(tmp_path / "facts", box), recipe("append", days=2)
    seal(vault, [lease(AT, 1), lease(NOW - timedelta(days=2), 2), lease(AT - timedelta(days=2), 3), lease(AT + timedelta(hours=1), 4)])
    assert {row["ip"] for row in told(store, what, vault)} == {"10.20.1.1", "10.20.1.2"}
    assert {row["ip"] for row in told(store, what, vault, AT + timedelta(hours=2))} == {"10.20.1.1", "10.20.1.4"}


def test_other_parsers_and_another_text_make_them_anew(box, tmp_path: Path, monkeypatch):
    vault, store, what = Vault(tmp_path / "vault"), engine.Store(tmp_path / "facts", box), recipe("append")
    seal(vault, [lease(AT, 1)])
    assert store.facts(what, vault, AT).fresh == 1
    other = engine.Recipe("daily", parse(DAILY + " HAVING count(*) > 0", {"sighting_event"}), ("sighting_event",), timedelta(days=30))
    assert store.facts(other, vault, AT).fresh == 1
    assert len([each for each in (tmp_path / "facts" / "daily").iterdir() if each.is_dir()]) == 1
    monkeypatch.setattr(streams, "version", lambda: "others")
    assert store.facts(other, vault, AT).fresh == 1


def test_a_damaged_state_is_made_again(box, tmp_path: Path):
    vault, what = Vault(tmp_path / "vault"), recipe("append")
    seal(vault, [lease(AT, 1)])
    engine.Store(tmp_path / "facts", box).facts(what, vault, AT)
    folder = tmp_path / "facts" / "daily" / what.digest
    for break_it in (lambda: (folder / "state.json").write_text("{", encoding="utf-8"), lambda: next(folder.glob("*.parquet")).unlink()):
        break_it()
        assert told(engine.Store(tmp_path / "facts", box), what, vault)[0]["times"] == 1


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("SELECT source_mac AS mac, min(timestamp) AS first_at FROM sighting_event GROUP BY ALL", "last_at"),
        ("SELECT min(timestamp) AS first_at, max(timestamp) AS last_at FROM sighting_event", "source_mac"),
    ],
)
def test_a_recipe_that_owes_columns_is_refused(sql, why, box, tmp_path: Path):
    told = (("source_mac",), timedelta(hours=24)) if why == "source_mac" else ()
    what = engine.Recipe("bad", parse(sql, {"sighting_event"}), ("sighting_event",), timedelta(days=1), *told)
    with pytest.raises(engine.RecipeError, match=why):
        engine.Store(tmp_path, box).facts(what, Vault(tmp_path / "vault"), AT)
