"""Posture reports as endpoints and collectors write and sign them."""

from __future__ import annotations

import base64
import json
from datetime import date, datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from anzhang.engines import posture

KEY = Ed25519PrivateKey.from_private_bytes(b"endpoint".ljust(32, b"."))
OTHER = Ed25519PrivateKey.from_private_bytes(b"stranger".ljust(32, b"."))
ANTIVIRUS = "火绒终端安全"


def public(key: Ed25519PrivateKey = KEY) -> str:
    return base64.b64encode(key.public_key().public_bytes_raw()).decode()


def content(day: date, **changes: Any) -> dict[str, Any]:
    """Return what a sound endpoint says on a day."""
    antivirus = {"kind": "antivirus", "name": ANTIVIRUS, "version": "6.0.2", "state": "running", "signatures_on": day.isoformat()}
    found = {
        "os": {"family": "windows", "name": "Windows 10 22H2"},
        "products": [antivirus],
        "patches": {"installed": ["KB1", "KB2"]},
        "software": [{"name": "社保前台", "version": "3.1"}],
    }
    return {**found, **changes}


def antivirus(day: date, **changes: Any) -> list[dict[str, Any]]:
    (found,) = content(day)["products"]
    return [{**found, **changes}]


def envelope(
    subject: str, at: datetime, sequence: int = 1, given: Any = None, *, form: str = "anzhang", signer: str = "", key: Any = KEY
) -> bytes:
    """Return the signed report of a subject."""
    document = json.dumps(
        {
            "version": 1, "subject": subject, "signer": signer or f"endpoint:{subject}", "sequence": sequence,
            "collected_at": at.isoformat(), "form": form, "content": content((at + timedelta(hours=8)).date()) if given is None else given,
        },
        ensure_ascii=False,
    )  # fmt: skip
    return json.dumps({"document": document, "signature": posture.sign(document, key)}).encode()
