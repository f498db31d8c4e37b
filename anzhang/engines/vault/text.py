"""The text of lines: UTF-8 where the bytes are valid, else decoded as GB18030 (or always, for sources that say so)."""

from __future__ import annotations

import numpy as np

from anzhang.engines.vault.encodings import GB18030, UTF8
from anzhang.engines.vault.jit import HIGHS, Bytes, Ints, Table, eight, kernel, leading, wide

_THREE, _IDEOGRAPH = np.uint64(0xC0C0F0), np.uint64(0x8080E0)  # lead and two further bytes, the first byte lowest


@kernel
def mark_foreign(data: Bytes, starts: Ints, ends: Ints, enc: Table, out: Table) -> int:  # noqa: C901, PLR0912  # a kernel stays in one piece
    """Leave marked of the lines marked those whose bytes are not their text in UTF-8; return how many."""
    count = 0
    for i in range(len(starts)):
        if not out[i]:
            continue
        p, e = starts[i], ends[i]
        out[i] = 0
        while p < e:
            skip = leading(eight(data, p) & HIGHS)
            p += skip
            if skip < 8:
                break
        if p >= e:
            continue
        if enc[i] == GB18030:
            out[i] = 1
            count += 1
            continue
        while p < e:
            x = eight(data, p)
            skip = leading(x & HIGHS)
            if skip:
                p += skip
                continue
            a = wide(data[p])
            if x & _THREE == _IDEOGRAPH and a not in (0xE0, 0xED) and p + 3 <= e:  # what most Chinese text consists of
                p += 3
                continue
            if 0xC2 <= a <= 0xDF:
                length, low, top = 2, 0x80, 0xBF
            elif 0xE0 <= a <= 0xEF:
                length, low, top = 3, 0xA0 if a == 0xE0 else 0x80, 0x9F if a == 0xED else 0xBF
            elif 0xF0 <= a <= 0xF4:
                length, low, top = 4, 0x90 if a == 0xF0 else 0x80, 0x8F if a == 0xF4 else 0xBF
            else:
                break
            if p + length > e or data[p + 1] < low or data[p + 1] > top:
                break
            good = True
            for k in range(2, length):
                if data[p + k] & 0xC0 != 0x80:
                    good = False
            if not good:
                break
            p += length
        if p < e:
            out[i] = 1
            count += 1
    return count


def decode(line: bytes, enc: int) -> str:
    """Return the text of one line; what no encoding reads becomes U+FFFD."""
    if enc == UTF8:
        try:
            return line.decode("utf-8")
        except UnicodeDecodeError:
            pass
    return line.decode("gb18030", "replace")


def normalise(data: Bytes, starts: Ints, ends: Ints, enc: Table, foreign: Table | None = None) -> tuple[Bytes, Ints, Ints]:
    """Return the same lines as UTF-8 text: (data, starts, ends), the arguments themselves when nothing needs decoding.

    `foreign`, when known, is 0 for lines whose bytes are certainly their text in UTF-8.
    """
    marked = np.ones(len(starts), np.uint8) if foreign is None else foreign.copy()
    if mark_foreign(data, starts, ends, enc, marked) == 0:
        return data, starts, ends
    rows = np.flatnonzero(marked)
    extra = [decode(data[starts[i] : ends[i]].tobytes(), int(enc[i])).encode("utf-8") for i in rows]
    starts, ends = starts.copy(), ends.copy()
    place = len(data) + np.concatenate(([0], np.cumsum([len(text) for text in extra])))
    starts[rows], ends[rows] = place[:-1], place[1:]
    return np.concatenate((data, np.frombuffer(b"".join(extra), np.uint8))), starts, ends
