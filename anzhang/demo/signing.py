"""The keys by which the demo's endpoints and its collector sign their reports: made of their names, so worth nothing anywhere else."""

from __future__ import annotations

import base64
from functools import lru_cache
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

COLLECTOR = "csj01"  # signs what servers report


@lru_cache(maxsize=1 << 14)
def key_of(signer: str) -> Ed25519PrivateKey:
    """Return the key with which a demo's endpoint or collector signs: by the name it signs with."""
    return Ed25519PrivateKey.from_private_bytes(sha256(f"anzhang demo {signer}".encode()).digest())


def public_key(signer: str) -> str:
    """Return the public key of a signer, in base64."""
    return base64.b64encode(key_of(signer).public_key().public_bytes_raw()).decode()


def settings() -> str:
    """Return what the demo's anzhang.toml says of its collector of reports."""
    return f'\n[posture.keys]\n{COLLECTOR} = "{public_key(f"collector:{COLLECTOR}")}"\n'
