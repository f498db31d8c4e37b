"""The log vault: raw lines in, sealed segments kept, search and events out (Art. 29). Formats: docs/formats/segment.md, search.md.

The names below are loaded when they are first asked for: numba, Arrow and numpy take longer to load than all of Django,
and most processes that import something which may need a vault never open one.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from anzhang.engines.vault.batch import Ack, Batch, Fault, Heard, Redaction, SealedSegment
    from anzhang.engines.vault.encodings import EncodingError
    from anzhang.engines.vault.files import LineTooLongError, batches
    from anzhang.engines.vault.locks import BusyError
    from anzhang.engines.vault.query import Query, QueryError
    from anzhang.engines.vault.search import Hit, Result
    from anzhang.engines.vault.succession import SuccessionError
    from anzhang.engines.vault.vault import RetentionError, Stats, Vault
    from anzhang.engines.vault.verify import Sealed
    from anzhang.engines.vault.wal import WriterDeadError
    from anzhang.engines.vault.writer import BatchTooLargeError, VaultBusyError, VaultFullError, Writer

__all__ = [
    "Ack",
    "Batch",
    "BatchTooLargeError",
    "BusyError",
    "EncodingError",
    "Fault",
    "Heard",
    "Hit",
    "LineTooLongError",
    "Query",
    "QueryError",
    "Redaction",
    "Result",
    "RetentionError",
    "Sealed",
    "SealedSegment",
    "Stats",
    "SuccessionError",
    "Vault",
    "VaultBusyError",
    "VaultFullError",
    "Writer",
    "WriterDeadError",
    "batches",
]

_HOMES = {
    "batch": ("Ack", "Batch", "Fault", "Heard", "Redaction", "SealedSegment"),
    "encodings": ("EncodingError",),
    "files": ("LineTooLongError", "batches"),
    "locks": ("BusyError",),
    "query": ("Query", "QueryError"),
    "search": ("Hit", "Result"),
    "succession": ("SuccessionError",),
    "vault": ("RetentionError", "Stats", "Vault"),
    "verify": ("Sealed",),
    "wal": ("WriterDeadError",),
    "writer": ("BatchTooLargeError", "VaultBusyError", "VaultFullError", "Writer"),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value
