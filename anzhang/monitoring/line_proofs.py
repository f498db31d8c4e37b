"""Prove one sealed line to somebody outside: the line's way to its segment's roots, and the roots' way to a signed head (Art. 29).

The file holds the whole row group of the line, other lines of its neighbourhood included, unmasked: it is an export of raw
lines and is given out as one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import orjson

from anzhang.engines.crypto import SUITES
from anzhang.engines.ledger.note import Checkpoint, NoteError, Verifier
from anzhang.engines.ledger.proof import Proof
from anzhang.engines.ledger.tree import ProofError
from anzhang.journal import heads, queries
from anzhang.journal.models import Payload
from anzhang.monitoring.models import VaultSegment
from anzhang.monitoring.procedures import record_query
from anzhang.permissions import Actor
from anzhang.regulation.checks import procedure

if TYPE_CHECKING:
    from anzhang.engines.vault import Vault
    from anzhang.engines.vault.line_proof import Proved

PAYLOAD, SALT, SUFFIX = "payload.json", "salt", ".tlog-proof"


class NoLineError(Exception):
    """No such sealed line is here: the number is not in the segment, or the segment was disposed of."""


@dataclass(frozen=True)
class Held:
    """A proof that holds: what it shows, and the signed heads that cover its segment's entry, by suite."""

    proved: Proved
    heads: dict[str, Checkpoint]


@procedure("prove_line")
def prove_line(actor: Actor, vault: Vault, number: int, seq: int, at: datetime) -> bytes:
    """Return the proof of a line by its segment's number and its sequence number, as the bytes of a zip; the ledger keeps that it was made.

    Raises NoLineError, NotProvableError, InconsistentError, KeyMissingError where the ledger cannot sign, ProofError where the
    vault differs from its roots.
    """
    from anzhang.engines.vault import line_proof
    from anzhang.engines.vault.places import folder_of

    segment = standing(number)
    hit = vault.line(segment.name, seq) if segment is not None else None
    folder = folder_of(vault.root, segment.name) if segment is not None else None
    if segment is None or hit is None or folder is None:
        raise NoLineError(f"segment {number} holds no line {seq} here")
    heads.sign_heads(at)
    index = next((seal.index for seal in reversed(queries.segment_seals()) if seal.number == segment.number), None)
    if index is None:
        raise queries.NotProvableError(f"the ledger has no entry about segment {segment.number}")
    payload = Payload.objects.get(pk=index)
    seal = {f"{suite.name}{SUFFIX}": queries.prove(index, suite).text().encode() for suite in SUITES}
    seal |= {PAYLOAD: bytes(payload.body), SALT: bytes(payload.salt).hex().encode()}
    made = line_proof.prove(folder, hit, seal)
    _joined(line_proof.check(made))
    record_query(actor, {"proof": f"{number}/{seq}"}, hits=1, at=at)
    return made


def standing(number: int) -> VaultSegment | None:
    """Return the segment that holds the lines of one now; None for a number that was never sealed."""
    segment = VaultSegment.objects.filter(number=number).first()
    while segment is not None and segment.merged_into is not None:
        segment = VaultSegment.objects.filter(number=segment.merged_into).first()
    return segment


def check_line(content: bytes, verifiers: Iterable[Verifier]) -> Held:
    """Return what a file proves when everything holds, from the line to the heads that the keys signed; needs no installation.

    Raises ProofError naming the step that fails.
    """
    from anzhang.engines.vault import line_proof

    by_name = {verifier.name: verifier for verifier in verifiers}
    proved = line_proof.check(content)
    proofs = _joined(proved)
    covered = {}
    for suite in SUITES:
        origin = proofs[suite.name].note.partition("\n")[0]
        if origin not in by_name or origin.endswith("/sm3") != (suite.name == "sm3"):
            raise ProofError(f"{suite.name}{SUFFIX}: no key was given for {origin!r}")
        covered[suite.name] = proofs[suite.name].verify(suite, by_name[origin])
    return Held(proved, covered)


def _joined(proved: Proved) -> dict[str, Proof]:
    """Return the proofs of the ledger's entry, by suite, when that entry is about this segment and holds its roots."""
    try:
        proofs = {suite.name: Proof.parse(proved.seal[f"{suite.name}{SUFFIX}"].decode()) for suite in SUITES}
        salt, body = bytes.fromhex(proved.seal[SALT].decode()), proved.seal[PAYLOAD]
        said = orjson.loads(body)
        for proof in proofs.values():
            entry = orjson.loads(proof.entry)
            if entry["act"] not in queries.SEALS or entry["object"][0] != "vault_segment":
                raise ProofError("the entry of the ledger is not about a sealed segment")
            if hashlib.sha256(salt + body).hexdigest() != entry["payload"]:
                raise ProofError(f"{PAYLOAD} is not what the entry of the ledger commits to")
        roots = (said["number"], said["name"], said["root_sha256"], said["root_sm3"])
    except (KeyError, IndexError, TypeError, ValueError, NoteError) as error:
        raise ProofError(f"the entry of the ledger is missing or malformed: {error!r}") from error
    header = proved.header
    if roots != (header["number"], header["name"], proved.root_sha256, proved.root_sm3):
        raise ProofError("the ledger holds other roots for this segment")
    return proofs
