"""What a block says about itself, sealed with its filter, so that counting reads no rows: lines by field and lines by time.

A search counts the same way (`count_by`), so the answer of a block is the same whether it is read or not.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from anzhang.engines.vault.block import Block
from anzhang.engines.vault.jit import Ints
from anzhang.engines.vault.text import decode

SECOND = 1_000_000  # µs
COLUMNS = {"source": "source", "address": "address", "host": "host", "app": "app", "facility": "pri", "severity": "pri", "kind": "kind"}
READ = sorted({"ts", "rts", "flags", "form", *COLUMNS.values()})
MOST_VALUES = 512  # a field with more is not counted ahead
MOST_STEPS = 512
STEPS = (60, 300, 900, 1800, 3600, 7200, 14_400)  # seconds; each divides Beijing's eight hours


def count_by(name: str, block: Block, rows: Ints | None = None) -> Counter[str]:
    """Return how many lines of a block (or of some of its rows) have which value of a field, as text; without one, empty text."""
    if name in {"facility", "severity", "pid", "kind"}:
        numbers = block.numbers(COLUMNS.get(name, name)).astype(np.int64)
        return _numbers(name, numbers if rows is None else numbers[rows])
    codes, values = block.coded(name)
    lines = np.bincount(codes if rows is None else codes[rows], minlength=len(values))
    found: Counter[str] = Counter()
    for code in np.flatnonzero(lines):
        found[decode(values[code].as_py() or b"", 0)] += int(lines[code])
    return found


def _numbers(name: str, numbers: Ints) -> Counter[str]:
    first = int(numbers.min(initial=-1))
    if int(numbers.max(initial=-1)) - first > len(numbers) + MOST_VALUES:
        values, lines = np.unique(numbers, return_counts=True)
    else:
        lines = np.bincount(numbers - first)
        values = np.flatnonzero(lines)
        lines, values = lines[values], values + first
    found: Counter[str] = Counter()
    for value, count in zip(values.tolist(), lines.tolist(), strict=True):
        part = value // 8 if name == "facility" else value % 8 if name == "severity" else value
        found["" if value < 0 else str(part)] += count
    return found


def facts_of(block: Block) -> dict[str, Any]:
    """Return the facts of a block, ready for JSON: `counts` by field, `time` [seconds, first step, lines of each step] where it fits.

    Steps begin at the epoch (UTC) and go by the time that search goes by. `fractions` says how many digits fractions of time stamps have.
    """
    counts = {name: dict(found) for name in COLUMNS if len(found := count_by(name, block)) <= MOST_VALUES}
    forms = np.unique(block.numbers("form"))
    facts: dict[str, Any] = {"counts": counts, "fractions": sorted({int(form) % 10 for form in forms if form > 10} - {0})}
    seconds = block.at // SECOND
    first, last = int(seconds.min()), int(seconds.max())
    step = next((each for each in STEPS if last // each - first // each < MOST_STEPS), None)
    if step is not None:
        facts["time"] = [step, first // step, np.bincount(seconds // step - first // step).tolist()]
    return facts
