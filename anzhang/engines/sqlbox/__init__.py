"""SQL that people wrote, run where it can do no harm: one SELECT, known functions, a process without files and network.

`statements` says what a text may be; `Box` runs it over Arrow tables in a process of its own, with limits of time, memory and rows.
"""

from __future__ import annotations

from anzhang.engines.sqlbox.box import Box, BoxError, Limits
from anzhang.engines.sqlbox.statements import Statement, StatementError, parse, split

__all__ = ["Box", "BoxError", "Limits", "Statement", "StatementError", "parse", "split"]
