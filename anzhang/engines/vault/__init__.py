"""The log vault: raw lines in, sealed segments kept, search and events out (Art. 29). Formats: docs/formats/segment.md, search.md."""

from anzhang.engines.vault.batch import Ack, Batch, Fault, Heard, SealedSegment
from anzhang.engines.vault.files import LineTooLongError, batches
from anzhang.engines.vault.query import Query, QueryError
from anzhang.engines.vault.search import Hit, Result
from anzhang.engines.vault.text import EncodingError
from anzhang.engines.vault.vault import RetentionError, Stats, Vault
from anzhang.engines.vault.verify import Sealed
from anzhang.engines.vault.wal import WriterDeadError
from anzhang.engines.vault.warm import warm
from anzhang.engines.vault.writer import BatchTooLargeError, VaultBusyError, VaultFullError, Writer

__all__ = [
    "Ack",
    "Batch",
    "BatchTooLargeError",
    "EncodingError",
    "Fault",
    "Heard",
    "Hit",
    "LineTooLongError",
    "Query",
    "QueryError",
    "Result",
    "RetentionError",
    "Sealed",
    "SealedSegment",
    "Stats",
    "Vault",
    "VaultBusyError",
    "VaultFullError",
    "Writer",
    "WriterDeadError",
    "batches",
    "warm",
]
