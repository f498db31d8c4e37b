"""A self-contained proof that an entry is in the ledger: `c2sp.org/tlog-proof@v1`.

The `extra` line holds the entry's bytes, so that a proof can be checked with the public key alone.

Source: C2SP tlog-proof.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

from anzhang.engines.crypto import Suite
from anzhang.engines.ledger.note import Checkpoint, NoteError, Verifier
from anzhang.engines.ledger.tree import ProofError, verify_inclusion

MAGIC = "c2sp.org/tlog-proof@v1"


@dataclass(frozen=True)
class Proof:
    """An entry, its place, its audit path and the signed checkpoint that covers it."""

    entry: bytes
    index: int
    path: tuple[bytes, ...]
    note: str

    def text(self) -> str:
        """Return the file's text."""
        lines = [MAGIC, f"extra {base64.b64encode(self.entry).decode()}", f"index {self.index}"]
        return "\n".join([*lines, *(base64.b64encode(part).decode() for part in self.path), "", self.note])

    @classmethod
    def parse(cls, text: str) -> Proof:
        """Return the proof that a file's text holds. Raises ProofError naming the line."""
        head, separator, note = text.partition("\n\n")
        lines = head.split("\n")
        if not separator or len(lines) < 3 or lines[0] != MAGIC:
            raise ProofError(f"not a proof: it begins with {MAGIC} and has an empty line before the checkpoint")
        if not lines[1].startswith("extra ") or not lines[2].startswith("index ") or not lines[2][6:].isdecimal():
            raise ProofError("line 2 holds `extra` and the entry, line 3 `index` and its number")
        try:
            entry, *path = (base64.b64decode(line, validate=True) for line in [lines[1][6:], *lines[3:]])
        except (binascii.Error, ValueError):
            raise ProofError("malformed base64 in the proof") from None
        return cls(entry, int(lines[2][6:]), tuple(path), note)

    def verify(self, suite: Suite, verifier: Verifier) -> Checkpoint:
        """Return the checkpoint that covers the entry, when everything holds. Raises ProofError."""
        try:
            checkpoint = verifier.open(self.note)
        except NoteError as error:
            raise ProofError(str(error)) from error
        verify_inclusion(suite, suite.leaf(self.entry), self.index, checkpoint.size, self.path, checkpoint.root)
        return checkpoint
