"""SQL that people wrote, run where it can do no harm: one SELECT, known functions, a process without files and network.

`statements` says what a text may be; `Box` runs it over Arrow tables in a process of its own, with limits of time, memory and rows. The
names below are loaded when they are first asked for: who compares addresses needs no Arrow.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from anzhang.engines.sqlbox.box import Box, BoxError, Limits
    from anzhang.engines.sqlbox.statements import Statement, StatementError, parse, split

__all__ = ["Box", "BoxError", "Limits", "Statement", "StatementError", "parse", "split"]
HOMES = {"Box": "box", "BoxError": "box", "Limits": "box"} | dict.fromkeys(("Statement", "StatementError", "parse", "split"), "statements")


def __getattr__(name: str) -> Any:
    if name not in HOMES:
        raise AttributeError(name)
    return getattr(importlib.import_module(f"anzhang.engines.sqlbox.{HOMES[name]}"), name)
