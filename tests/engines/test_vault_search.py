from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from anzhang.engines.vault import Batch, Query, QueryError, Vault, filters, ondisk
from anzhang.engines.vault import vault as vaults
from anzhang.engines.vault.text import decode
from tests.engines.logs import AT, lines
from tests.engines.test_vault import fill

MADE = lines(6000, seed=7)
TEXTS = [decode(line, 0) for line in MADE]
WORD = "[0-9A-Za-z_]"


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vault]:
    """A vault of small blocks: twelve segments and an unsealed end."""
    rows, ondisk.GROUP_ROWS = ondisk.GROUP_ROWS, 256
    vault = Vault(tmp_path_factory.mktemp("vault"))
    fill(vault, MADE, per_batch=250, per_segment=2)
    with vault.writer() as writer:
        writer.append(Batch("S", b"the unsealed end has a 10.9.8.7 in it\n", AT))
    yield vault
    ondisk.GROUP_ROWS = rows


def grep_term(term: str) -> list[int]:
    left = f"(?<!{WORD})" if re.match(WORD, term) else ""
    right = f"(?!{WORD})" if re.match(WORD, term[-1]) else ""
    pattern = re.compile(left + re.escape(term) + right, re.IGNORECASE | re.ASCII)
    return [i for i, text in enumerate(TEXTS) if pattern.search(text)]


def pieces() -> st.SearchStrategy[str]:
    """Pieces of real lines, so that they are found, and now and then nothing."""
    cut = st.tuples(st.sampled_from([t for t in TEXTS if t]), st.integers(0, 120), st.integers(1, 24))
    return st.one_of(cut.map(lambda c: c[0][c[1] : c[1] + c[2]]).filter(bool), st.text(max_size=3).filter(bool)).filter(
        lambda t: "�" not in t
    )


def found(vault: Vault, query: Query) -> list[int]:
    """Return which made lines a query finds, having seen that pruning changes nothing."""
    pruned, full = vault.search(query), vault.search(query, prune=False)
    assert (pruned.total, pruned.hits, pruned.groups, pruned.panel, pruned.bars) == (
        full.total, full.hits, full.groups, full.panel, full.bars,
    )  # fmt: skip
    assert pruned.blocks_read <= full.blocks_read
    return sorted(hit.seq - 1 for hit in pruned.hits if hit.seq <= len(MADE))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(piece=pieces())
def test_a_term_is_what_grep_w_finds(vault: Vault, piece: str) -> None:
    assert found(vault, Query(term=piece, limit=10_000)) == grep_term(piece)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(piece=pieces(), ignore_case=st.booleans())
def test_a_substring_is_what_grep_f_finds(vault: Vault, piece: str, ignore_case: bool) -> None:
    pattern = re.compile(re.escape(piece), re.IGNORECASE | re.ASCII if ignore_case else 0)
    expected = [i for i, text in enumerate(TEXTS) if pattern.search(text)]
    assert found(vault, Query(substring=piece, ignore_case=ignore_case, limit=10_000)) == expected


@pytest.mark.parametrize(
    ("phrase", "pattern"),
    [
        ("failed password for", r"(?i)\bfailed\W+password\W+for\b"),
        ("password failed", r"(?i)\bpassword\W+failed\b"),
        ("10 0", r"(?<!\w)10\W+0(?!\w)"),
        ("link up", r"(?i)\blink\W+up\b"),
    ],
)
def test_a_phrase_is_its_words_in_a_row(vault: Vault, phrase: str, pattern: str) -> None:
    expression = re.compile(pattern, re.ASCII)
    expected = [i for i, text in enumerate(TEXTS) if text.isascii() and expression.search(text)]
    assert [i for i in found(vault, Query(phrase=phrase, limit=10_000)) if TEXTS[i].isascii()] == expected


def test_chinese_is_found_in_utf_8_and_in_gbk(vault: Vault) -> None:
    assert found(vault, Query(substring="查询社保", limit=10_000)) == [i for i, t in enumerate(TEXTS) if "查询社保" in t]
    gbk = found(vault, Query(term="拒绝访问", limit=10_000))
    assert gbk == [i for i, line in enumerate(MADE) if "拒绝访问".encode("gbk") in line]
    assert gbk
    assert found(vault, Query(phrase="拒绝 访问 来自", limit=10_000)) == gbk
    assert found(vault, Query(substring="问拒", limit=10_000)) == []


def test_a_gbk_source_is_read_as_gbk_even_where_its_bytes_are_valid_utf_8(tmp_path: Path) -> None:
    vault = Vault(tmp_path)
    with vault.writer() as writer:
        writer.append(Batch("G", "联通".encode("gbk") + b"\n", AT, encoding="gbk"))
        writer.seal(AT)
    assert vault.search(Query(substring="联通")).total == 1


def test_a_regex_sees_whole_lines(vault: Vault) -> None:
    expected = [i for i, text in enumerate(TEXTS) if re.search(r"port [0-9]{5} ssh2$", text)]
    assert found(vault, Query(regex="port [0-9]{5} ssh2$", limit=10_000)) == expected
    with pytest.raises(QueryError):
        vault.search(Query(regex="("))


def test_a_needle_is_read_from_one_block(vault: Vault) -> None:
    address = next(m.group(1) for i, t in enumerate(TEXTS) if i % 7 == 3 and (m := re.search(r"(10\.\d+\.\d+\.\d+)", t)))
    result = vault.search(Query(term=address))
    assert result.total == len(grep_term(address))
    assert result.blocks > 20
    assert result.blocks_read < result.blocks / 4
    assert vault.search(Query(term="no_such_token")).blocks_read <= 2  # the unsealed end has no filter


def test_fields_time_and_source_narrow(vault: Vault) -> None:
    expected = [i for i, t in enumerate(TEXTS) if " sbapp01 sshd[" in t and "<38>" in t]
    assert found(vault, Query(host="sbapp01", app="sshd", limit=10_000)) == expected
    assert found(vault, Query(fields={"severity": "info", "facility": "4"}, host="sbapp01", limit=10_000)) == expected
    assert vault.search(Query(sources=())).total == 0
    assert vault.search(Query(sources=("other",))).total == 0
    half = AT - timedelta(seconds=3000)
    before, after = vault.search(Query(until=half, limit=0)).total, vault.search(Query(since=half, limit=0)).total
    assert before
    assert after
    assert before + after == vault.search(Query(limit=0)).total == len(MADE) + 1


def test_pages_join_to_the_whole_newest_first(vault: Vault) -> None:
    whole = vault.search(Query(term="password", limit=10_000)).hits
    assert [h.at for h in whole] == sorted((h.at for h in whole), reverse=True)
    paged = [hit for offset in range(0, len(whole), 37) for hit in vault.search(Query(term="password", limit=37, offset=offset)).hits]
    assert paged == whole
    assert vault.search(Query(term="password", limit=10_000, newest_first=False)).hits == whole[::-1]


def test_without_a_count_it_stops_early_with_the_same_lines(vault: Vault) -> None:
    for newest in (True, False):
        early = vault.search(Query(term="password", limit=5, count=False, newest_first=newest))
        assert early.hits == vault.search(Query(term="password", limit=5, newest_first=newest)).hits
        assert early.total is None


def test_groups_count(vault: Vault) -> None:
    groups = dict(vault.search(Query(group="host", limit=0, top=100)).groups)
    assert groups["web01"] == sum(" web01 nginx: " in t for t in TEXTS)
    assert sum(groups.values()) == len(MADE) + 1


def test_a_panel_counts_several_fields_at_once(vault: Vault) -> None:
    result = vault.search(Query(term="password", group="host", panel=("app", "host", "severity"), limit=0, top=100))
    for name in ("app", "host", "severity"):
        assert result.panel[name] == vault.search(Query(term="password", group=name, limit=0, top=100)).groups
    assert result.groups == result.panel["host"]


@pytest.mark.parametrize("seconds", [60, 3600, 86_400])
def test_bars_count_every_line_once_by_its_event_time(vault: Vault, seconds: int) -> None:
    hits = vault.search(Query(term="password", limit=100_000)).hits
    expected = Counter(int(hit.at.timestamp()) // seconds * seconds for hit in hits)
    bars = vault.search(Query(term="password", limit=0, bar=seconds)).bars
    assert {int(since.timestamp()): rows for since, rows in bars.items()} == expected
    assert list(bars) == sorted(bars)


@pytest.mark.parametrize(
    "query",
    [
        Query(limit=0, bar=3600, panel=("source", "address", "host", "app", "facility", "severity", "kind")),
        Query(limit=3, bar=86_400, east=28_800, group="app", top=1000),
        Query(limit=3, offset=4, bar=60, group="host", top=1000, newest_first=False),
        Query(limit=0, since=AT - timedelta(seconds=4000), until=AT - timedelta(seconds=1000), bar=300, group="severity"),
        Query(limit=0, sources=("S", "T"), group="source"),
        Query(limit=0),
    ],
)
def test_counting_reads_no_block_that_says_itself_what_it_holds(vault: Vault, query: Query) -> None:
    result = vault.search(query)
    found(vault, query)
    assert result.total
    assert result.blocks > 20
    assert result.blocks_read <= result.blocks * 0.6  # for the hits: the newest lines are spread over several
    assert sum(result.bars.values()) in {0, result.total}


def test_what_blocks_do_not_say_is_read(vault: Vault) -> None:
    for query in (Query(limit=0, bar=7), Query(limit=0, bar=60, east=61), Query(limit=0, group="pid"), Query(limit=0, extract=r"(\d+)")):
        found(vault, query)
        assert vault.search(query).blocks_read == vault.search(query).blocks


def test_only_segments_that_may_hold_an_answer_are_opened(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []

    def noted(*arguments: Any) -> Any:
        opened.append(arguments[2])
        return contents(*arguments)

    contents = vaults._contents
    monkeypatch.setattr(vaults, "_contents", noted)
    kept = vault.segments()
    since, until = kept[5].min_at, kept[5].min_at + timedelta(seconds=1)
    full = vault.search(Query(since=since, until=until, limit=10_000), prune=False)
    assert sorted(opened) == [sealed.name for sealed in kept]
    opened.clear()
    narrow = vault.search(Query(since=since, until=until, limit=10_000))
    assert (narrow.hits, narrow.total, narrow.blocks) == (full.hits, full.total, full.blocks)
    assert set(opened) == {sealed.name for sealed in kept if sealed.max_at >= since and sealed.min_at < until} < {s.name for s in kept}
    opened.clear()
    assert vault.search(Query(sources=("nobody",))).total == 0
    assert opened == []
    few = vault.search(Query(limit=3, count=False, newest_first=False))  # every segment holds lines of the newest instant
    assert len(opened) < len(kept)
    assert few.hits == vault.search(Query(limit=3, newest_first=False), prune=False).hits


def test_a_segment_without_facts_is_read(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    def plain(content: bytes) -> tuple[list[dict[str, Any]], Any]:
        described, words = parsed(content)
        return [{name: value for name, value in block.items() if name != "facts"} for block in described], words

    expected = vault.search(Query(limit=0, bar=3600, group="app", top=1000))
    parsed = filters.load
    monkeypatch.setattr(filters, "load", plain)
    vaults._contents.cache_clear()
    try:
        older = vault.search(Query(limit=0, bar=3600, group="app", top=1000))
        assert (older.total, older.bars, older.groups) == (expected.total, expected.bars, expected.groups)
        assert older.blocks_read == older.blocks > expected.blocks_read
        assert vault.search(Query(sources=("S",), limit=0)).total == vault.search(Query(limit=0)).total
        assert vault.verify() == []
    finally:
        vaults._contents.cache_clear()


@pytest.mark.parametrize("pattern", [r"from (\d+\.\d+\.\d+\.\d+)", r"user[= ](?P<who>[a-z]+)", r"[(]?(?:for|user) (\w+)", r"\((\w+)\)"])
def test_what_an_expression_extracts_is_counted(vault: Vault, pattern: str) -> None:
    expected = Counter(found.group(1) for text in TEXTS if (found := re.search(pattern, text)))
    assert dict(vault.search(Query(extract=pattern, limit=0, top=10_000)).extracted) == expected


@pytest.mark.parametrize("pattern", ["no group", "(two) (groups)", r"\(none\)", "(unclosed", "[(]"])
def test_an_expression_without_exactly_one_group_is_refused(vault: Vault, pattern: str) -> None:
    with pytest.raises(QueryError, match="extract"):
        vault.search(Query(extract=pattern, limit=0))


@pytest.mark.parametrize(
    "wrong",
    [
        {"panel": ("msg",)},
        {"bar": -1},
        {"fields": {"colour": "red"}},
        {"group": "msg"},
        {"phrase": "!?"},
        {"fields": {"pid": "x"}},
        {"limit": -1},
        {"fields": {"severity": "bad"}},
    ],
)
def test_it_refuses_a_query_it_does_not_understand(wrong: dict[str, object]) -> None:
    with pytest.raises(QueryError):
        Query(**wrong)


def test_the_lines_around_one_are_its_neighbours_by_arrival(vault: Vault) -> None:
    hits = [hit for hit in vault.search(Query(limit=100_000, newest_first=False)).hits if hit.segment]
    by_arrival = sorted(hits, key=lambda hit: hit.seq)
    for hit in [by_arrival[0], by_arrival[700], by_arrival[3001], by_arrival[-1]]:
        same = [h for h in by_arrival if (h.source, h.address, h.host) == (hit.source, hit.address, hit.host)]
        at = [h.seq for h in same].index(hit.seq)
        before, after = vault.around(hit.segment, hit.seq, 7)
        assert [h.seq for h in before] == [h.seq for h in same[max(0, at - 7) : at]]
        assert after == same[at + 1 : at + 8]


def test_nothing_is_around_a_line_that_is_not_there(vault: Vault) -> None:
    assert vault.around("n1-00000000-nothing", 1) == ([], [])
