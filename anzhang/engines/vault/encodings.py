"""The names of the encodings that the vault reads; apart from `text`, so that a register can check one without loading a compiler."""

from __future__ import annotations

UTF8, GB18030 = 0, 1
ENCODINGS = {"utf-8": UTF8, "utf8": UTF8, "gbk": GB18030, "gb2312": GB18030, "gb18030": GB18030}


class EncodingError(ValueError):
    """A source names an encoding the vault does not read."""


def encoding_code(name: str) -> int:
    """Return the code of an encoding name. Raises EncodingError."""
    try:
        return ENCODINGS[name.lower()]
    except KeyError:
        raise EncodingError(f"encoding {name!r}: use one of {', '.join(sorted(ENCODINGS))}") from None
