"""Digests, signatures and envelopes that more than one part uses.

SM3 (GB/T 32905-2016) comes from OpenSSL through hashlib where Python was built with it, else from `cryptography`.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

SCRYPT_LOG_N = 15  # 32 MiB and about 0.1 s: each guess at a passphrase costs that
ENVELOPE = b"AZE1"


class EnvelopeError(Exception):
    """An encrypted envelope cannot be opened: wrong passphrase, or its bytes were changed."""


@dataclass(frozen=True)
class Suite:
    """A hash suite of the Merkle trees: `name` as stored, `digest` of bytes (32 bytes long)."""

    name: str
    digest: Callable[[bytes], bytes]

    def leaf(self, entry: bytes) -> bytes:
        """Return the leaf hash of an entry. Source: RFC 6962, section 2.1."""
        return self.digest(b"\x00" + entry)

    def node(self, left: bytes, right: bytes) -> bytes:
        """Return the hash of an inner node. Source: RFC 6962, section 2.1."""
        return self.digest(b"\x01" + left + right)

    @property
    def empty(self) -> bytes:
        """Return the root of the empty tree."""
        return self.digest(b"")


def sha256(content: bytes) -> bytes:
    """Return the SHA-256 of bytes."""
    return hashlib.sha256(content).digest()


def _cryptography_sm3(content: bytes) -> bytes:
    state = hashes.Hash(hashes.SM3())
    state.update(content)
    return state.finalize()


def _choose_sm3() -> Callable[[bytes], bytes]:
    if "sm3" not in hashlib.algorithms_available:
        return _cryptography_sm3
    primed = hashlib.new("sm3")

    def digest(content: bytes) -> bytes:
        state = primed.copy()  # half the cost of hashlib.new for a short input
        state.update(content)
        return state.digest()

    return digest


sm3 = _choose_sm3()
SHA256 = Suite("sha256", sha256)
SM3 = Suite("sm3", sm3)
SUITES = (SHA256, SM3)


def seal(content: bytes, passphrase: str) -> bytes:
    """Return `content` encrypted under a passphrase: magic, log2 N, salt, nonce, AES-256-GCM ciphertext.

    The key is scrypt(passphrase, salt, N = 2**15, r = 8, p = 1); the header is authenticated too.
    Source: RFC 7914; NIST SP 800-38D.
    """
    header = ENVELOPE + bytes([SCRYPT_LOG_N]) + os.urandom(16)
    nonce = os.urandom(12)
    return header + nonce + AESGCM(_stretch(passphrase, header)).encrypt(nonce, content, header)


def unseal(envelope: bytes, passphrase: str) -> bytes:
    """Return the content of an envelope. Raises EnvelopeError."""
    header, nonce, body = envelope[:21], envelope[21:33], envelope[33:]
    if len(body) < 16 or header[:4] != ENVELOPE or header[4] > 20:
        raise EnvelopeError("not an envelope of anzhang, or cut short")
    try:
        return AESGCM(_stretch(passphrase, header)).decrypt(nonce, body, header)
    except InvalidTag:
        raise EnvelopeError("wrong passphrase, or the bytes were changed") from None


def _stretch(passphrase: str, header: bytes) -> bytes:
    return Scrypt(salt=header[5:21], length=32, n=1 << header[4], r=8, p=1).derive(passphrase.encode("utf-8"))
