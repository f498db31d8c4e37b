"""SQL of people: what may be said, and that what is said reaches nothing."""

from __future__ import annotations

import ipaddress
import time
from pathlib import Path

import pyarrow as pa
import pytest

from anzhang.engines.sqlbox import Box, BoxError, Limits, StatementError, addresses, parse, split
from anzhang.engines.sqlbox.box import Held

TABLES = frozenset({"t", "u"})
ROWS = pa.table({"x": [1, 2, 3], "s": ["甲", "乙", "丙"]})


def held(table: pa.Table = ROWS, token: str = "1", *, kept: bool = True) -> Held:
    return Held(token, lambda: table, kept)


@pytest.fixture(scope="module")
def box():
    made = Box(Limits(seconds=20, rows=1000))
    yield made
    made.close()


# What may be said


@pytest.mark.parametrize(
    ("sql", "tables", "names"),
    [
        ("SELECT x FROM t", {"t"}, {"x"}),
        ("WITH a AS (SELECT x AS y FROM t) SELECT y FROM a JOIN u ON a.y = u.z", {"t", "u"}, {"x", "y", "a", "u", "z"}),
        ("SELECT t.* FROM t", {"t"}, {"*"}),
        ("FROM t", {"t"}, {"*"}),
        ("SELECT count(*) FROM t", {"t"}, set()),
        ("SELECT [y FOR y IN l IF y > 1] FROM t", {"t"}, {"elem", "l", "y"}),
        ("SELECT a FROM t JOIN u USING (k)", {"t", "u"}, {"a", "k"}),
        ("SELECT x FROM t WHERE x > $least AND s = $name", {"t"}, {"x", "s"}),
    ],
)
def test_a_select_over_what_it_declares_is_read(sql, tables, names):
    statement = parse(sql, TABLES)
    assert statement.tables == tables
    assert names - {"elem", "y"} <= statement.names


def test_its_parameters_are_named():
    assert parse("SELECT $at, x FROM t WHERE x > $least", TABLES).parameters == {"at", "least"}


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("", "0 statements"),
        ("SELECT 1; SELECT 2", "2 statements"),
        ("SELECT x FROM", "syntax"),
        ("INSERT INTO t VALUES (1)", "not a SELECT"),
        ("CREATE TABLE z AS SELECT 1", "not a SELECT"),
        ("COPY t TO 'x'", "not a SELECT"),
        ("ATTACH 'x'", "not a SELECT"),
        ("INSTALL httpfs", "not a SELECT"),
        ("SET memory_limit = '9GB'", "not a SELECT"),
        ("PRAGMA version", "not a SELECT"),
        ("EXPLAIN SELECT 1", "not a SELECT"),
        ("DESCRIBE t", "not known here"),
        ("SHOW TABLES", "not known here"),
        ("SUMMARIZE t", "not known here"),
        ("SELECT x FROM t USING SAMPLE 3", "not known here"),
        ("SELECT x FROM other", "other: is no table"),
        ("SELECT x FROM t WHERE x IN (SELECT y FROM secret)", "secret: is no table"),
        ("SELECT * FROM 'x.csv'", "x.csv: is no table"),
        ("SELECT 1 FROM information_schema.tables", "no schema"),
        ("SELECT * FROM main.t", "no schema"),
        ("SELECT * FROM read_csv('/etc/passwd')", "read_csv"),
        ("SELECT * FROM read_text('/etc/passwd')", "read_text"),
        ("SELECT * FROM glob('*')", "glob"),
        ("SELECT * FROM query('SELECT 1')", "query"),
        ("SELECT * FROM query_table('t')", "query_table"),
        ("SELECT * FROM duckdb_settings()", "duckdb_settings"),
        ("SELECT getenv('HOME')", "getenv"),
        ("SELECT current_setting('threads')", "current_setting"),
        ("SELECT getvariable('x')", "getvariable"),
        ("SELECT nextval('x')", "nextval"),
        ("SELECT now()", "now"),
        ("SELECT current_timestamp", "current_timestamp"),
        ("SELECT CURRENT_DATE FROM t", "current_date"),
        ("SELECT user FROM t", "user"),
        ("SELECT random()", "random"),
        ("SELECT pg_sleep(9)", "pg_sleep"),
        ("SELECT write_log('x')", "write_log"),
        ("SELECT main.lower('x')", "no schema"),
        ("SELECT 'x'.read_blob()", "read_blob"),
        ("SELECT x FROM t ORDER BY getenv('HOME')", "getenv"),
        ("SELECT sum(x) FILTER (WHERE getenv('A') = '') FROM t", "getenv"),
        ("SELECT x FROM t UNION ALL SELECT getenv('HOME')", "getenv"),
        ("SELECT [getenv(y) FOR y IN ['HOME']]", "getenv"),
        ("SELECT list_transform(['HOME'], lambda e: getenv(e))", "getenv"),
        ("SELECT x FROM t WHERE EXISTS (FROM read_json('/etc/x'))", "read_json"),
        ("WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r, glob('*')) SELECT n FROM r", "glob"),
        ("SELECT " + "1 + " * 40_000 + "1", "characters"),
    ],
)  # fmt: skip
def test_everything_else_is_refused_by_name(sql, why):
    with pytest.raises(StatementError) as caught:
        parse(sql, TABLES)
    assert why.lower() in str(caught.value).lower()


def test_statements_are_parted_where_they_end():
    assert split("SELECT ';' AS a; -- one\nSELECT 2;") == ["SELECT ';' AS a", "SELECT 2"] or len(split("SELECT ';' AS a; SELECT 2;")) == 2


# What is said runs, and reaches nothing


def test_it_answers_over_the_tables_it_was_given(box):
    found = box.run("SELECT s, x * $by AS y FROM t ORDER BY x DESC", {"t": held()}, {"by": 10})
    assert found.to_pylist() == [{"s": "丙", "y": 30}, {"s": "乙", "y": 20}, {"s": "甲", "y": 10}]


def test_a_table_is_sent_again_only_when_it_changed(box):
    asked: list[str] = []

    def loaded(token: str) -> Held:
        return Held(token, lambda: asked.append(token) or ROWS)  # type: ignore[func-returns-value]

    for token in ("a", "a", "b", "b"):
        assert box.run("SELECT count(*) AS n FROM w", {"w": loaded(token)}).to_pylist() == [{"n": 3}]
    assert asked == ["a", "b"]


def test_a_table_for_once_is_forgotten(box):
    box.run("SELECT 1 AS one FROM once", {"once": held(kept=False)})
    with pytest.raises(BoxError) as caught:
        box.run("SELECT 1 AS one FROM once", {})
    assert caught.value.code == "failed"


def test_the_process_has_no_files_no_network_and_no_configuration(box, tmp_path: Path):
    """Past the parser too: what `parse` would refuse is given to the box as it is."""
    secret = tmp_path / "secret"
    secret.write_text("geheim", encoding="utf-8")
    box.run("SELECT 1 AS one", {})
    assert {"files", "privileges"} <= set(box.locks)
    for sql in (
        f"SELECT * FROM read_text('{secret}')",
        f"COPY (SELECT 1) TO '{tmp_path / 'out'}'",
        f"ATTACH '{tmp_path / 'db'}'",
        "SET enable_external_access = true",
        "SET memory_limit = '64GB'",
        "INSTALL httpfs",
        "LOAD icu_of_nobody",
    ):
        with pytest.raises(BoxError) as caught:
            box.run(sql, {})
        assert caught.value.code in {"failed", "dead"}, sql
    assert sorted(each.name for each in tmp_path.iterdir()) == ["secret"]


def test_the_kernel_too_refuses_it_every_file(box):
    """Whoever breaks out of DuckDB finds a process that may open nothing."""
    box.run("SELECT 1 AS one", {})
    children = Path(f"/proc/{box._process.pid}/task/{box._process.pid}/children").read_text(encoding="ascii").split()
    for child in children:
        status = Path(f"/proc/{child}/status").read_text(encoding="ascii")
        assert "NoNewPrivs:\t1" in status
        environment = Path(f"/proc/{child}/environ").read_bytes()
        assert b"ANZHANG" not in environment
        assert b"DJANGO" not in environment


@pytest.mark.parametrize(
    ("address", "is_public"),
    [
        ("8.8.8.8", True), ("10.255.0.1", False), ("172.15.255.255", True), ("172.16.0.0", False), ("172.32.0.0", True),
        ("100.64.0.1", False),
        ("192.168.1.1", False), ("169.254.1.1", False), ("224.0.0.1", False), ("127.0.0.1", False), ("240e:1::1", True), ("fd00::1", False),
        ("fe80::1", False), ("::1", False), ("::", False), ("x", False), ("", False), (None, False),
    ],
)  # fmt: skip
def test_addresses_compare_as_numbers_do(address, is_public, box):
    found = box.run("SELECT ip_key($a) AS k, is_public($a) AS p", {}, {"a": address}).to_pylist()[0]
    assert found["p"] is is_public
    valid = address not in {"x", "", None}
    assert found["k"] == (addresses.key(ipaddress.ip_address(address)) if valid else None)


def test_the_bounds_of_a_network_hold_its_addresses_and_no_other():
    first, last = addresses.bounds("10.20.0.0/16")
    within = [addresses.ip_key(each) for each in ("10.20.0.0", "10.20.255.255", "10.19.255.255", "10.21.0.0", "::a14:1")]
    assert [first <= each <= last for each in within] == [True, True, False, False, False]


def test_too_many_rows_are_an_error(box):
    with pytest.raises(BoxError, match="more than 1000 rows"):
        box.run("SELECT * FROM range(2000)", {})


def test_a_statement_that_takes_too_long_is_ended_and_the_next_one_runs():
    box = Box(Limits(seconds=2))
    try:
        assert box.run("SELECT count(*) AS n FROM t", {"t": held()}).to_pylist() == [{"n": 3}]
        with pytest.raises(BoxError) as caught:
            box.run("SELECT count(*) FROM range(10000000000) a, range(1000) b", {})
        assert caught.value.code == "slow"
        assert box.run("SELECT count(*) AS n FROM t", {"t": held()}).to_pylist() == [{"n": 3}]
    finally:
        box.close()


def test_a_statement_that_wants_too_much_memory_fails():
    box = Box(Limits(seconds=60, memory_mb=64))
    try:
        with pytest.raises(BoxError) as caught:
            box.run("SELECT list(x) AS l FROM range(100000000) r(x)", {})
        assert caught.value.code in {"failed", "dead"}
        assert box.run("SELECT 1 AS one", {}).to_pylist() == [{"one": 1}]
    finally:
        box.close()


def test_a_process_that_was_killed_is_started_again_with_its_tables(box):
    assert box.run("SELECT sum(x) AS s FROM t", {"t": held()}).to_pylist() == [{"s": 6}]
    box._process.kill()
    box._process.wait()
    assert box.run("SELECT sum(x) AS s FROM t", {"t": held()}).to_pylist() == [{"s": 6}]


def test_it_ends_with_whoever_began_it():
    box = Box()
    box.run("SELECT 1 AS one", {})
    pid = box._process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    assert children
    box.close()
    for _attempt in range(100):
        if not any(Path(f"/proc/{child}").exists() for child in children):
            return
        time.sleep(0.05)
    raise AssertionError("its process goes on")
