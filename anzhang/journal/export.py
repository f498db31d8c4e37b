"""Write the ledger into a folder that can be verified without this software: tiles, entries, heads, key.

    checkpoint  tile/...          the SHA-256 tree (C2SP tlog-tiles)
    sm3/checkpoint  sm3/tile/...  the SM3 tree over the same entries
    heads  sm3/heads              every head ever signed, one signed note after another
    key                           the public keys of both trees, one a line
    verify.py                     the verifier (standard library only)
    payloads.jsonl                with `payloads`: index, salt and body, which may hold personal data

It covers what the newest head covers.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings

from anzhang.engines import durable
from anzhang.engines.crypto import SHA256, SUITES, Suite
from anzhang.engines.ledger import tiles
from anzhang.engines.ledger import verifier as standalone
from anzhang.engines.ledger.tree import HASH_BYTES
from anzhang.journal import heads, keys
from anzhang.journal.models import Head, Payload
from anzhang.journal.snapshot import snapshot


class ExportError(Exception):
    """The folder exists already, or nothing is signed yet, or the stored tree is damaged."""


def export(folder: Path, *, payloads: bool = False) -> int:
    """Fill a new folder and return how many entries it covers. It appears under its name when whole.

    Raises ExportError, KeyMissingError.
    """
    if folder.exists():
        raise ExportError(f"{folder} exists already; choose another folder")
    building = folder.with_name(f".{folder.name}.new")
    if building.exists():
        raise ExportError(f"{building} is left from an export that did not end; remove it")
    signer = keys.load(settings.HOME)
    with snapshot():
        newest = heads.latest()
        if newest is None:
            raise ExportError("nothing is signed yet")
        building.mkdir(mode=0o700, parents=True)
        for suite in SUITES:
            _tree(building if suite is SHA256 else building / suite.name, suite, newest.size)
        if payloads:
            _payloads(building / "payloads.jsonl", newest.size)
    names = [signer.verifier.named(keys.origin(signer, suite)).text() for suite in SUITES]
    (building / "key").write_text("".join(f"{name}\n" for name in names), encoding="ascii")
    (building / "verify.py").write_text(source(), encoding="utf-8")
    durable.publish_folder(building, folder)
    return newest.size


def source() -> str:
    """Return the text of the standalone verifier."""
    return Path(standalone.__file__).read_text(encoding="utf-8")


def _tree(root: Path, suite: Suite, size: int) -> None:
    read = heads.stored_tiles(suite)
    for level, index, width in tiles.layout(size):
        hashes = read(level, index)[: width * HASH_BYTES]
        if len(hashes) != width * HASH_BYTES:
            raise ExportError(f"tile {suite.name} {level}/{index} is damaged; run anzhang ledger verify")
        _put(root / tiles.path(level, index, width), hashes)
        if level == 0:
            start = index * tiles.WIDTH
            _put(root / tiles.path("entries", index, width), tiles.bundle(heads.leaves(start, start + width)))
    notes = Head.objects.filter(suite=suite.name, size__lte=size).order_by("size").values_list("note", flat=True)
    _put(root / "heads", "\n".join(notes).encode())
    _put(root / "checkpoint", Head.objects.get(suite=suite.name, size=size).note.encode())


def _payloads(path: Path, size: int) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(line + "\n" for line in _payload_lines(size))


def _payload_lines(size: int) -> Iterator[str]:
    rows = Payload.objects.filter(entry_id__lt=size).order_by("entry_id").values_list("entry_id", "salt", "body")
    for index, salt, body in rows.iterator(2000):
        yield json.dumps({"index": index, "salt": bytes(salt).hex(), "body": bytes(body).decode()}, ensure_ascii=False)


def _put(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
