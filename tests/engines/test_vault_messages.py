"""Messages taken apart by template are the same bytes again, whatever they hold."""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
from hypothesis import example, given, settings
from hypothesis import strategies as st

from anzhang.engines.vault import ondisk
from anzhang.engines.vault.jit import frozen
from anzhang.engines.vault.messages import COLUMNS, MOST_BLANKS, Parted, Scratch, dump, joined, load, parted

BLANK = re.compile(rb"[A-Za-z0-9_.\-]*[0-9][A-Za-z0-9_.\-]*")
PIECES = st.sampled_from(
    [b" ", b"a", b"\n", b"\0", b"=", "用户".encode(), b"user", b"10.0.0.1", b"7", b"x-9_", b"-", b".", b"\xff", b"9" * 30]
)
MESSAGES = st.lists(st.lists(PIECES, max_size=30).map(b"".join), max_size=12)


def masked(messages: list[bytes]) -> list[int]:
    """Return a number per message, equal for those of one template; 0 is none."""
    shapes: dict[bytes, int] = {}
    return [shapes.setdefault(BLANK.sub(b"\n", message), len(shapes) + 1) for message in messages]


def again(messages: list[bytes], tids: list[int]) -> tuple[list[bytes], list[bytes]]:
    """Take messages apart and put them together; return them and what was kept whole."""
    column = ondisk.slices(pa.array(messages, pa.binary()))
    split = parted(column.data, column.at, frozen(np.array(tids, np.int32)), Scratch(len(column.data)))
    content = dump(split)
    held = frozen(np.frombuffer(content, np.uint8))
    whole = joined(Parted(split.codes, split.texts, *load(held, len(messages)), held), np.arange(len(messages)))
    some = np.arange(0, len(messages), 3)
    assert ondisk.binary(joined(split, some)).to_pylist() == ondisk.binary(whole).to_pylist()[::3]
    return ondisk.binary(whole).to_pylist(), ondisk.binary(split.plain).to_pylist()


@settings(deadline=None)
@given(MESSAGES)
@example([b" ".join(b"%d" % k for k in range(n)) for n in (COLUMNS - 1, COLUMNS, COLUMNS + 1, MOST_BLANKS, MOST_BLANKS + 1)])
@example([b"a 1\n2", b"a 1", b"", b"1", b"\n"])
def test_they_are_the_same_again(messages: list[bytes]) -> None:
    assert again(messages, masked(messages))[0] == messages
    assert again(messages, [0] * len(messages)) == (messages, messages)


@settings(deadline=None)
@given(MESSAGES)
def test_a_template_is_only_a_hint(messages: list[bytes]) -> None:
    assert again(messages, [1] * len(messages))[0] == messages


def test_what_fits_its_template_is_not_kept_whole() -> None:
    messages = [b"user u1 from 10.0.0.1:22", b"user u2 from 10.0.0.77:4022", b"user li from 10.0.0.1:22"]
    assert again(messages, [1, 1, 1])[1] == [b"", b"", messages[2]]
