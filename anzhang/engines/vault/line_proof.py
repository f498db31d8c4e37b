"""A file that proves one sealed line: whoever holds it needs neither the vault nor its other files.

A zip of the parts of the segment that the line hangs on and their audit paths to both roots:

    proof.json   what is proved: segment, sequence number, row group, both roots, and the audit paths of the three parts
    header.json  the segment's header, leaf 0: number, name, previous roots, rows per source
    rows.bin     the row group that holds the line
    footer.bin   what a reader of Parquet needs to read it
    line.bin     the line as it came, without its terminator

`check` puts the parts together and reads the line from them, so the zip cannot say anything that the roots do not. What
binds the roots to an instant is the ledger's entry about the segment (`seal`): its salted payload, and its proofs, as they are.

Source: RFC 6962 section 2.1; format: docs/formats/line-proof.md.
"""

from __future__ import annotations

import io
import mmap
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from anzhang.engines.crypto import SUITES, Suite
from anzhang.engines.ledger.tree import ProofError, inclusion, verify_inclusion
from anzhang.engines.vault import ondisk, tree
from anzhang.engines.vault.block import Block
from anzhang.engines.vault.search import Hit, hits_of

VERSION = 1
PROOF, HEADER, ROWS, FOOTER, LINE, SEAL = "proof.json", "header.json", "rows.bin", "footer.bin", "line.bin", "seal/"
LARGEST = 1 << 30  # bytes of all parts together, and of a segment
PIECES = 64  # files in the zip


@dataclass(frozen=True)
class Proved:
    """What a proof shows: the line, its segment's header and both roots (hex), which the ledger must hold; `seal` as it was put in."""

    hit: Hit
    header: Mapping[str, Any]
    root_sha256: str
    root_sm3: str
    seal: Mapping[str, bytes]

    @property
    def sealed_at(self) -> datetime:
        """Return when the segment says it was sealed."""
        return datetime.fromisoformat(self.header["sealed_at"])


def prove(folder: Path, hit: Hit, seal: Mapping[str, bytes]) -> bytes:
    """Return the proof of a sealed line as the bytes of a zip; `seal` are files about the segment's entry in the ledger.

    Raises ProofError where the parts on disk are not those of the roots.
    """
    header, leaves, sha256, sm3 = tree.load(folder)
    content = (folder / tree.ROWS).read_bytes()
    places = _places(hit.block, len(leaves) + 1)
    files = {HEADER: tree.canonical(header), LINE: hit.raw, **{f"{SEAL}{name}": held for name, held in seal.items()}}
    for file in (ROWS, FOOTER):
        spans = leaves[places[file] - 1].spans
        files[file] = b"".join(content[offset : offset + length] for offset, length in spans)
    said = {
        "v": VERSION, "segment": hit.segment, "seq": hit.seq, "group": hit.block, "leaves": len(leaves) + 1,
        "root_sha256": sha256, "root_sm3": sm3,
        "paths": {suite.name: _paths(suite, header, leaves, places) for suite in SUITES},
    }  # fmt: skip
    files[PROOF] = orjson.dumps(said, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS)
    made = _zipped(files)
    check(made)
    return made


def check(content: bytes) -> Proved:
    """Return what a proof shows, when every part leads to both roots and the line is the one in them. Raises ProofError."""
    files = _files(content)
    try:
        said = orjson.loads(files[PROOF])
        if said["v"] != VERSION:
            raise ProofError(f"{PROOF}: version {said['v']}; this release reads {VERSION}")
        group, seq, size = int(said["group"]), int(said["seq"]), int(said["leaves"])
        roots = {suite.name: bytes.fromhex(said[f"root_{suite.name}"]) for suite in SUITES}
        for suite in SUITES:
            for file, leaf in _places(group, size).items():
                path = [bytes.fromhex(step) for step in said["paths"][suite.name][file]]
                verify_inclusion(suite, suite.leaf(files[file]), leaf, size, path, roots[suite.name])
        header = orjson.loads(files[HEADER])
        rows = Block(_row_group(files[ROWS], files[FOOTER], group, size))
        found = np.flatnonzero(rows.numbers("seq") == seq)
        if len(found) != 1 or header["name"] != said["segment"]:
            raise ProofError(f"row group {group} of {header['name']} holds no line {seq}")
        hit = next(hits_of(Block(rows.table.take(pa.array(found))), header["name"], group))
    except (KeyError, TypeError, ValueError, OSError, OverflowError, AttributeError, pa.ArrowException) as error:
        raise ProofError(f"not a proof of a line: {error!r}") from error
    if hit.raw != files.get(LINE):
        raise ProofError(f"{LINE} is not line {seq} of the row group")
    seal = {name.removeprefix(SEAL): held for name, held in files.items() if name.startswith(SEAL)}
    return Proved(hit, header, roots["sha256"].hex(), roots["sm3"].hex(), seal)


def _places(group: int, leaves: int) -> dict[str, int]:
    """Return the leaf of each part: the header first, then the row groups, the footer, and the other files (`tree.py`)."""
    footer = leaves - len(tree.FILES)
    if not 0 <= group < footer - 1:
        raise ProofError(f"{PROOF}: a segment of {leaves} leaves has no row group {group}")
    return {HEADER: 0, ROWS: group + 1, FOOTER: footer}


def _paths(suite: Suite, header: Mapping[str, Any], leaves: list[tree.Leaf], places: Mapping[str, int]) -> dict[str, list[str]]:
    hashes = [suite.leaf(tree.canonical(dict(header))), *(bytes.fromhex(getattr(leaf, suite.name)) for leaf in leaves)]

    def subtree(level: int, place: int) -> bytes:
        return tree.root(suite.name, hashes[place << level : (place + 1) << level])

    return {file: [step.hex() for step in inclusion(suite, subtree, leaf, len(hashes))] for file, leaf in places.items()}


def _row_group(rows: bytes, footer: bytes, group: int, leaves: int) -> pa.Table:
    """Return a row group, read from a file in which every other one is left empty. The footer, which the root covers, says where."""
    metadata = pq.read_metadata(pa.BufferReader(footer))
    spans = tree.groups(metadata)
    begin, length = spans[group]
    end = sum(spans[-1])
    size = end + len(footer) - tree.MAGIC
    if len(spans) != _places(group, leaves)[FOOTER] - 1 or length != len(rows) or size > LARGEST:
        raise ProofError("the footer does not fit the row group")
    whole = mmap.mmap(-1, size)  # what is not written takes no memory
    for at, piece in ((0, footer[: tree.MAGIC]), (begin, rows), (end, footer[tree.MAGIC :])):
        whole[at : at + len(piece)] = piece
    with ondisk.open_file(pa.BufferReader(pa.py_buffer(whole))) as file:
        return ondisk.read_group(file, group)


def _zipped(files: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as file:  # row groups are compressed already
        for name, held in files.items():
            file.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), held)
    return out.getvalue()


def _files(content: bytes) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as file:
            listed = file.infolist()
            if len(listed) > PIECES or sum(each.file_size for each in listed) > LARGEST:
                raise ProofError("not a proof of a line: too large")
            if any(each.compress_type != zipfile.ZIP_STORED or each.file_size != each.compress_size for each in listed):
                raise ProofError("not a proof of a line: its files are stored, never compressed")
            return {each.filename: file.read(each) for each in listed}
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise ProofError(f"not a proof of a line: {error}") from error
