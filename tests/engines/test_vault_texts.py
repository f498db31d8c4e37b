"""Searching a block by templates and blanks finds what reading every line finds."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest

from anzhang.engines.vault import Batch, Query, Vault, ondisk
from anzhang.engines.vault.query import elements
from anzhang.engines.vault.text import decode
from tests.engines.logs import AT

WORD, IDEOGRAPH = "[0-9A-Za-z_]", "[㐀-\u9fff]"
FIXED = (
    " ",
    " ",
    " ",
    ": ",
    "=",
    "/",
    "(",
    ")",
    "用户",
    "登录失败",
    "port",
    "user",
    "from",
    "Failed",
    "a",
    "Z",
    "é",
    "\t",
    '"',
    "%",
    "T",
    "0x",
    "nov",
)
BLANKS = (
    "7",
    "42",
    "007",
    "u-1",
    "1_a",
    "x.9",
    "10.0.0.1",
    "10.20.30.40",
    "2026",
    "123456",
    "req-7f3c",
    "-5",
    "port1",
    "1-user",
    "a9.b",
    "9" * 12,
)
HEADERS = (
    "",
    "<38>Mar  2 09:{:02d}:07 h{} sshd[{}]: ",
    "Mar  2 09:{:02d}:07 h{} app{}: ",
    "<13>1 2026-03-02T09:{:02d}:07.123456+08:00 h{} app {} ID1 - ",
    '<13>1 2026-03-02T09:{:02d}:07.117Z h{} 业务 {} - [x y="port"] ',
    "<013>Mar  2 09:{:02d}:07 user h{} x[{}]: ",
    "<13>1 - h{}-{} port {} - - ",
)


def made(seed: int) -> list[bytes]:
    """Return lines of a few templates, each often, with other things in their blanks; some are GBK, some no text at all."""
    dice = random.Random(seed)
    lines = []
    for _ in range(24):
        shape = [dice.choice(FIXED) if dice.random() < 0.7 else None for _ in range(dice.randrange(1, 14))]
        header = dice.choice(HEADERS)
        for number in range(dice.choice((3, 9, 14))):
            message = "".join(dice.choice(BLANKS) if part is None else part for part in shape)
            line = header.format(number, dice.randrange(4), dice.choice((7, 42, 123456, 2026))) + message
            kind = dice.random()
            lines.append(line.encode("gb18030") if kind < 0.05 else line.encode() + (b"\xff" if kind < 0.08 else b""))
    dice.shuffle(lines)
    return lines


def expected(texts: list[str], query: Query) -> list[int]:
    """Return the lines that a query means, found by expressions."""
    if query.term:
        left = f"(?<!{WORD})" if re.match(WORD, query.term) else ""
        right = f"(?!{WORD})" if re.match(WORD, query.term[-1]) else ""
        pattern = re.compile(left + re.escape(query.term) + right, re.IGNORECASE | re.ASCII)
    elif query.phrase:
        words, joined = elements(query.phrase), ""
        for before, word in zip(["", *words], words, strict=False):
            between = "" if not before else rf"(?:(?!{WORD}|{IDEOGRAPH}).)" + ("+" if before.isascii() and word.isascii() else "*")
            joined += between + (rf"(?<!{WORD}){word}(?!{WORD})" if word.isascii() else word)
        pattern = re.compile(joined, re.IGNORECASE | re.ASCII | re.DOTALL)
    else:
        pattern = re.compile(re.escape(query.substring), re.IGNORECASE | re.ASCII if query.ignore_case else 0)
    return [i for i, text in enumerate(texts) if pattern.search(text)]


def asked(texts: list[str], seed: int) -> list[Query]:
    """Return queries cut from the lines, and some that come from nowhere."""
    dice = random.Random(seed)
    queries = [
        Query(term=word) for word in ("nov", "mar", "port", "123456", "117", "2026", "7", "h1", "T09", "业务", "0", "10.0.0.1", "user")
    ]
    while len(queries) < 160:
        text = dice.choice(texts)
        if not text or "�" in text:
            continue
        begin = dice.randrange(len(text))
        piece = text[begin : begin + dice.randrange(1, 18)]
        queries += [Query(term=piece), Query(substring=piece), Query(substring=piece.swapcase(), ignore_case=True)]
        if elements(piece):
            queries.append(Query(phrase=piece))
        words = elements(text)
        if len(words) > 1:
            place = dice.randrange(len(words) - 1)
            queries.append(Query(phrase=" ".join(words[place : place + dice.randrange(1, 4)]).upper()))
    return queries


@pytest.mark.parametrize("seed", range(3))
def test_it_finds_what_every_line_says(tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ondisk, "GROUP_ROWS", 128)
    lines, vault = made(seed), Vault(tmp_path)
    with vault.writer() as writer:
        writer.append(Batch("S", b"\n".join(lines) + b"\n", AT))
        writer.seal(AT)
    texts = [decode(line, 0) for line in lines]
    assert list(vault.raw("S")) == [line + b"\n" for line in lines]
    for query in asked(texts, seed):
        found = sorted(hit.seq - 1 for hit in vault.search(Query(**{**query.__dict__, "limit": 10_000})).hits)
        assert found == expected(texts, query), query
        narrow = Query(**{**query.__dict__, "limit": 10_000, "host": "h1"})
        of_host = [hit.seq - 1 for hit in vault.search(Query(host="h1", limit=10_000)).hits]
        assert sorted(hit.seq - 1 for hit in vault.search(narrow).hits) == sorted(set(found) & set(of_host)), query
