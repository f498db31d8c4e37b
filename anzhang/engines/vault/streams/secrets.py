"""Statements and command lines without the secrets in them: streams are read by people who review, and by rules, that need none.

The sealed line is evidence and stays as it came. Every expression here takes time that grows with the text alone: no part of it may
run over the same stretch twice, because senders choose the text.
"""

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.compute as pc

from anzhang.engines.vault.streams.cleaning import each
from anzhang.engines.vault.streams.columns import decoded

COLUMNS = ("statement", "command", "command_line")
HIDDEN = "***"
_MAY_HOLD = r"(?i)pass|pwd|identified|secret|token|\s-p|\s-u|--user|://"
_QUOTED = r"""(?:'(?:[^'\\]|''|\\.)*(?:'|\Z)|"(?:[^"\\]|""|\\.)*(?:"|\Z))"""  # a statement may be cut off inside
_BARE = r"""[^\s'"&;|<>]+"""
_SECRET = re.compile(
    "|".join(
        (
            # SQL: PASSWORD 'x', PASSWORD('x'), password = 'x', IDENTIFIED [WITH plugin] BY|AS|USING [PASSWORD] 'x'
            rf"((?<!['\"])\b(?:password|passwd|passphrase|pwd|identified(?:\s+(?:with|via)\s+\S+)?\s+(?:by|as|using)(?:\s+password)?)\s*[=(]?\s*){_QUOTED}",
            # --password x, --token=x, PGPASSWORD=x, "api_secret": "x", connection strings
            rf"""((?:(?<![a-z_-])[a-z_-]{{0,30}}(?:password|passwd|pwd|passphrase|secret|token)["']?\s*(?:=|:(?!:))\s*)|(?<!\S)--?(?:password|passwd|pwd|secret|token)\s+)(?:{_QUOTED}|{_BARE})""",
            # mysql -px, sshpass -p x, curl -u name:x, https://name:x@host
            rf"(\b(?:mysql|mariadb)[\w-]{{0,20}}(?:\s+[^\s|;]{{1,200}}){{0,20}}?\s+-p)(?:{_QUOTED}|{_BARE})",
            rf"(\bsshpass\s+-p\s*)(?:{_QUOTED}|{_BARE})",
            r"(\bcurl\b(?:\s+[^\s|;]{1,200}){0,20}?\s+(?:-u|--user)[=\s]?[^\s:]{0,100}:)\S+",
            r"(://[^\s/:@]{0,100}:)[^\s/@]{1,200}(?=@)",
        )
    ),
    re.IGNORECASE | re.DOTALL,
)


def without_secrets(text: str) -> str:
    """Return a statement or command line with `***` for every secret that is written as one."""
    return _SECRET.sub(lambda found: f"{found[found.lastindex or 0]}{HIDDEN}", text)


def hidden(column: pa.Array) -> pa.Array:
    """Return a column of statements or command lines without secrets; most hold none, and come back as they are."""
    text = decoded(column)
    some = pc.fill_null(pc.match_substring_regex(text, _MAY_HOLD), fill_value=False)
    if not pc.any(some).as_py():
        return column
    return pc.replace_with_mask(text, some, each(text.filter(some), without_secrets))
