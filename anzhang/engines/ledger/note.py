"""Signed notes and checkpoints: the text of a tree head with its Ed25519 signature.

    anzhang/3fe2c1a07b5d          origin, the log's name
    1042                          size
    sFodV/vSp5O8...=              root, base64
                                  an empty line ends the text
    — anzhang/3fe2c1a07b5d hI2D…  signature: base64 of key id and Ed25519 signature of the text

Source: C2SP signed-note and tlog-checkpoint; Ed25519 after RFC 8032.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from anzhang.engines.crypto import sha256

ED25519 = b"\x01"
DASH = "\u2014 "


class NoteError(Exception):
    """A note, checkpoint or key is malformed, or its signature does not hold; the message says which."""


@dataclass(frozen=True)
class Checkpoint:
    """A tree head: who signs, how many entries, which root (32 bytes)."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """Return the text that is signed, with its last newline."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """Return the checkpoint that a note's text holds; extension lines are allowed. Raises NoteError."""
        lines = text.split("\n")
        if len(lines) < 4 or not lines[0] or not lines[1].isdecimal() or (lines[1] != "0" and lines[1].startswith("0")):
            raise NoteError("not a checkpoint: origin, size and root stand on three lines")
        root = _unbase64(lines[2])
        if len(root) != 32:
            raise NoteError("the root of a checkpoint has 32 bytes")
        return cls(lines[0], int(lines[1]), root)


@dataclass(frozen=True)
class Verifier:
    """A public key under a name (the log's origin)."""

    name: str
    public: bytes

    @property
    def key_id(self) -> bytes:
        """Return the four bytes that name the key in a signature line."""
        return sha256(self.name.encode() + b"\n" + ED25519 + self.public)[:4]

    def text(self) -> str:
        """Return the key in the form that verifiers take: `name+id+base64`."""
        return f"{self.name}+{self.key_id.hex()}+{base64.b64encode(ED25519 + self.public).decode()}"

    @classmethod
    def parse(cls, text: str) -> Verifier:
        """Return the key that `text` gives. Raises NoteError."""
        name, _, rest = text.strip().partition("+")
        key_id, _, encoded = rest.partition("+")
        key = _unbase64(encoded)
        verifier = cls(name, key[1:])
        if key[:1] != ED25519 or len(key) != 33 or verifier.key_id.hex() != key_id:
            raise NoteError("not an Ed25519 verifier key, or its id does not fit")
        return verifier

    def named(self, name: str) -> Verifier:
        """Return the same key under another name."""
        return Verifier(name, self.public)

    def open(self, note: str) -> Checkpoint:
        """Return the checkpoint of a note that this key signed. Raises NoteError."""
        text, separator, signatures = note.partition("\n\n")
        if not separator:
            raise NoteError("not a signed note: no empty line before the signatures")
        text += "\n"
        for line in signatures.splitlines():
            name, _, encoded = line.removeprefix(DASH).partition(" ")
            if not line.startswith(DASH) or name != self.name:
                continue
            raw = _unbase64(encoded)
            if raw[:4] == self.key_id:
                self._check(raw[4:], text)
                checkpoint = Checkpoint.parse(text)
                if checkpoint.origin != self.name:
                    raise NoteError(f"the checkpoint speaks for {checkpoint.origin}, the key for {self.name}")
                return checkpoint
        raise NoteError(f"no signature of the key {self.name}+{self.key_id.hex()}")

    def _check(self, signature: bytes, text: str) -> None:
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, text.encode())
        except (InvalidSignature, ValueError):
            raise NoteError(f"the signature of {self.name} does not hold") from None


@dataclass(frozen=True)
class Signer:
    """A private key (32-byte seed) under a name."""

    name: str
    seed: bytes

    @property
    def verifier(self) -> Verifier:
        """Return the public half."""
        return Verifier(self.name, Ed25519PrivateKey.from_private_bytes(self.seed).public_key().public_bytes_raw())

    def named(self, name: str) -> Signer:
        """Return the same key under another name."""
        return Signer(name, self.seed)

    def sign(self, checkpoint: Checkpoint) -> str:
        """Return the signed note of a checkpoint of this origin."""
        text = checkpoint.text()
        signature = Ed25519PrivateKey.from_private_bytes(self.seed).sign(text.encode())
        return f"{text}\n{DASH}{self.name} {base64.b64encode(self.verifier.key_id + signature).decode()}\n"

    def text(self) -> str:
        """Return the secret form: `PRIVATE+KEY+name+id+base64`."""
        return f"PRIVATE+KEY+{self.name}+{self.verifier.key_id.hex()}+{base64.b64encode(ED25519 + self.seed).decode()}"

    @classmethod
    def parse(cls, text: str) -> Signer:
        """Return the key that the secret form gives. Raises NoteError."""
        prefix, _, rest = text.strip().partition("+KEY+")
        name, _, rest = rest.partition("+")
        key_id, _, encoded = rest.partition("+")
        key = _unbase64(encoded)
        if prefix != "PRIVATE" or key[:1] != ED25519 or len(key) != 33:
            raise NoteError("not an Ed25519 signer key")
        signer = cls(name, key[1:])
        if signer.verifier.key_id.hex() != key_id:
            raise NoteError("the signer key's id does not fit")
        return signer


def split(text: str) -> list[str]:
    """Return the signed notes of a file that holds several, one after another, each followed by an empty line or not."""
    notes: list[str] = []
    lines: list[str] = []
    signed = False
    for line in text.replace("\r\n", "\n").split("\n"):
        if signed and not line.startswith(DASH):
            notes.append("\n".join(lines) + "\n")
            lines, signed = [], False
            if not line:
                continue
        signed = signed or line.startswith(DASH)
        lines.append(line)
    if signed:
        notes.append("\n".join(lines) + "\n")
    return notes


def _unbase64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise NoteError("malformed base64") from None
