"""Recompute every proof of the vault and name what does not hold.

1. Numbers are dense: every segment the catalog or the ledger knows is there, nothing else is.
2. `segment.tree` is read, never trusted: every part is hashed again, the roots are computed again and compared with catalog and ledger.
3. The header's claims hold for the rows: sequence numbers, rows, bounds, counts per source.
4. Each segment continues the one before: sequence numbers, write-ahead records, both previous roots.
5. The template registry equals the sealed template rows; derived streams equal what the sealed lines say.
6. A successor is what the ledger was told last, names only what the ledger holds, and nothing that it replaced is left (ADR 0017).
7. The write-ahead log has no damage and no gap.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from anzhang.engines.vault import facts, filters, ondisk, streams, tree, wal
from anzhang.engines.vault import segment as segments
from anzhang.engines.vault.batch import Fault, SealedSegment, micros
from anzhang.engines.vault.block import Block
from anzhang.engines.vault.catalog import Catalog
from anzhang.engines.vault.derived import coverage_path, stream_path
from anzhang.engines.vault.places import locate

ATTEMPTS = 5  # to read the open end of the log between two seals


@dataclass(frozen=True)
class Sealed:
    """What the ledger holds of a segment: number, name, SHA-256 root (hex); of a successor also the first number that it stands for."""

    number: int
    name: str
    root: str
    first_number: int = 0  # 0: its own; of no successor

    @property
    def first(self) -> int:
        """Return the first number that it stands for."""
        return self.first_number or self.number


@dataclass(frozen=True)
class _Told:
    """What the ledger was told: of each number what was sealed and what was told last, and every root by number."""

    seals: dict[int, Sealed]
    last: dict[int, Sealed]
    roots: set[tuple[int, str]]

    @classmethod
    def of(cls, heads: Iterable[Sealed]) -> _Told:
        """Take the entries of the ledger in their order."""
        seals, last, roots = dict[int, Sealed](), dict[int, Sealed](), set[tuple[int, str]]()
        for head in heads:
            if not head.first_number:
                seals[head.number] = head
            last.update(dict.fromkeys(range(head.first, head.number + 1), head))
            roots.add((head.number, head.root))
        return cls(seals, last, roots)


def verify(root: Path, catalog: Catalog, heads: Iterable[Sealed] | None = None) -> list[Fault]:
    """Return every fault, in order of segment number; an empty list means that everything holds.

    `heads` is what the ledger holds, in its order. A successor must be what the ledger was told last of every number it stands for.
    """
    strangers, faults = locate(root), []
    known = catalog.segments(disposed=True)
    folders = locate(root)  # again: what was sealed meanwhile is in the catalog before its number is asked for
    disposed = catalog.disposed()
    told = None if heads is None else _Told.of(heads)
    faults += list(_numbers(known, strangers, told, catalog.replaced()))
    previous: SealedSegment | None = None
    for sealed in known:
        faults += list(_chain(previous, sealed))
        previous = sealed
        if told is not None:
            faults += list(_agrees(sealed, told))
        folder = folders.get(sealed.name)
        if sealed.number in disposed:
            continue
        if folder is None:
            faults.append(_fault(sealed, "segment", "removed: its folder is gone"))
            continue
        faults += list(_segment(root, folder, sealed, catalog))
    return [*faults, *_open_end(root, catalog)]


def _fault(sealed: SealedSegment, part: str, what: str) -> Fault:
    return Fault(sealed.name, part, what, sealed.number)


def _agrees(sealed: SealedSegment, told: _Told) -> Iterator[Fault]:
    """Compare a segment with what the ledger was told of it, and of every segment that it stands for."""
    said = next((told.last[n] for n in range(sealed.first_number, sealed.number + 1) if n in told.last), None)
    if said is None:
        return  # it was sealed just now, or `_numbers` says that the ledger passes over it
    if (said.first, said.number, said.root) != (sealed.first_number, sealed.number, sealed.root_sha256):
        if sealed.succession is None and said.first_number:
            what = f"the ledger holds its successor {said.name}, and what was replaced still stands"
        else:
            what = f"root {sealed.root_sha256} differs from the ledger's {said.root}"
        yield _fault(sealed, "catalog", what)
    if sealed.succession is None:
        return
    seal = told.seals.get(sealed.number)
    if seal is None or seal.root != sealed.succession.chain_sha256:
        yield _fault(sealed, "header", "the root it says was sealed first is not the one in the ledger")
    for each in sealed.succession.replaces:
        if (each.number, each.root_sha256) not in told.roots:
            yield _fault(sealed, "header", f"it says that it replaces {each.name}, which the ledger does not hold with this root")


def _numbers(
    known: list[SealedSegment], folders: dict[str, Path], told: _Told | None, replaced: Mapping[str, str]
) -> Iterator[Fault]:  # fmt: skip
    covered = {number: sealed for sealed in known for number in range(sealed.first_number, sealed.number + 1)}
    listed = {} if told is None else told.last
    top = max([*covered, *listed], default=0)
    for number in range(1, top + 1):
        if number in covered:
            if listed and number <= max(listed) and number not in listed:
                yield Fault(covered[number].name, "ledger", "the ledger passes over this segment", number)
            continue
        name = listed[number].name if number in listed else ""
        cut = covered and number > max(covered)
        what = "cut: the ledger holds this segment, the vault ends before it" if cut or not covered else "missing from the catalog"
        yield Fault(name or f"segment {number}", "segment", what, number)
    last = known[-1] if known else None
    for name in sorted(folders.keys() - {sealed.name for sealed in known}):
        if name in replaced:
            yield Fault(name, "segment", f"it was replaced by {replaced[name]} and is still there; the collector deletes it when it starts")
        elif not _is_next(folders[name], last):
            yield Fault(name, "segment", "in the folder but not in the catalog")


def _is_next(folder: Path, last: SealedSegment | None) -> bool:
    """Whether a folder is the segment that a seal has published and not yet listed; the writer lists it when it opens."""
    try:
        header, _, _, _ = tree.load(folder)
    except (OSError, ValueError, KeyError, TypeError):
        return False
    expected = (1, "") if last is None else (last.number + 1, last.chain[0])
    return (header.get("number"), header.get("previous_sha256")) == expected


def _chain(previous: SealedSegment | None, sealed: SealedSegment) -> Iterator[Fault]:
    expected = ("", "", 1, 1) if previous is None else (
        *previous.chain, previous.last_seq + 1, previous.last_record + 1,
    )  # fmt: skip
    actual = (sealed.previous_sha256, sealed.previous_sm3, sealed.first_seq, sealed.first_record)
    names = ("previous SHA-256 root", "previous SM3 root", "first sequence number", "first write-ahead record")
    for name, was, must in zip(names, actual, expected, strict=True):
        if was != must:
            yield _fault(sealed, "chain", f"{name} is {was or 'empty'}, the segment before it says {must or 'empty'}")


def _segment(root: Path, folder: Path, sealed: SealedSegment, catalog: Catalog) -> Iterator[Fault]:  # noqa: C901  # the steps in order
    try:
        header, stated, sha256, sm3 = tree.load(folder)
        named = SealedSegment.from_header(header, file_bytes=sealed.file_bytes, root_sha256=sha256, root_sm3=sm3)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        yield _fault(sealed, tree.TREE, f"unreadable: {error!r}")
        return
    if named.number != sealed.number or named.name != sealed.name or folder.parent.name != f"day={sealed.day.isoformat()}":
        yield _fault(sealed, "segment", f"swapped: this folder holds segment {named.number} ({named.name})")
    missing = [name for name in tree.FILES if not (folder / name).is_file()]
    for name in missing:
        yield _fault(sealed, name, "removed: the file is gone")
    if missing:
        return
    broken = False
    for fault in sealed_parts(folder, sealed, stated):
        broken = True
        yield fault
    if tree.roots(header, stated) != (sha256, sm3):
        broken = True
        yield _fault(sealed, tree.TREE, "its root is not the root of its leaves")
    if (sha256, sm3) != (sealed.root_sha256, sealed.root_sm3):
        broken = True
        yield _fault(sealed, tree.TREE, f"root {sha256} differs from the catalog's {sealed.root_sha256}")
    if tree.canonical(header) != tree.canonical(sealed.header()):
        broken = True
        yield _fault(sealed, tree.TREE, "its header differs from the catalog's")
    extra = {path.name for path in folder.iterdir()} - {*tree.FILES, tree.TREE}
    if extra:
        yield _fault(sealed, "segment", f"foreign files: {', '.join(sorted(extra))}")
    if segments.template_rows(catalog.templates(sealed.first_number, sealed.number)) != (folder / tree.TEMPLATES).read_bytes():
        yield _fault(sealed, "template rows", "the registry differs from the sealed rows")
    if not broken:
        yield from _content(root, folder, sealed)


def sealed_parts(folder: Path, sealed: SealedSegment, stated: list[tree.Leaf]) -> Iterator[Fault]:
    """Hash every stated part again, and see that the parts cover every byte exactly once."""
    for file in tree.FILES:
        spans = sorted(span for leaf in stated if leaf.file == file for span in leaf.spans)
        place = 0
        for offset, length in spans:
            place = offset + length if offset == place and length >= 0 else -1
            if place < 0:
                break
        if place != (folder / file).stat().st_size:
            yield _fault(sealed, file, "its size is not what was sealed")
    for leaf, now in zip(stated, tree.hash_parts(folder, [(x.part, x.file, x.spans) for x in stated]), strict=True):
        if (leaf.sha256, leaf.sm3) != (now.sha256, now.sm3):
            yield _fault(sealed, leaf.part, f"the bytes in {leaf.file} are not what was sealed")


def _content(root: Path, folder: Path, sealed: SealedSegment) -> Iterator[Fault]:
    try:
        block = Block(ondisk.read(folder / tree.ROWS, ["seq", "ts", "rts", "flags", "source"]))
    except (OSError, pa.ArrowException) as error:
        yield _fault(sealed, tree.ROWS, f"unreadable: {error}")
        return
    seq = np.sort(block.numbers("seq"))
    if len(seq) != sealed.rows or not np.array_equal(seq, np.arange(sealed.first_seq, sealed.last_seq + 1)):
        yield _fault(sealed, "header", "sequence numbers are not dense between first and last")
    if len(seq) and (int(block.at.min()), int(block.at.max())) != (micros(sealed.min_at), micros(sealed.max_at)):
        yield _fault(sealed, "header", "event times are not within what the header states")
    sources = {row["values"].decode(): row["counts"] for row in block.values("source").value_counts().to_pylist()}
    if sources != dict(sealed.sources):
        yield _fault(sealed, "header", "rows per source are not what the header states")
    yield from _facts(folder, sealed)
    yield from _streams(root, folder, sealed)


def _facts(folder: Path, sealed: SealedSegment) -> Iterator[Fault]:
    """Count every block again that says what it holds."""
    try:
        described, _words = filters.load((folder / tree.FILTER).read_bytes())
        stated = [block.get("facts") for block in described]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        yield _fault(sealed, "filter", f"unreadable: {error!r}")
        return
    with ondisk.open_file(folder / tree.ROWS) as file:
        if len(stated) != file.num_row_groups:
            yield _fault(sealed, "filter", f"it describes {len(stated)} blocks, the rows have {file.num_row_groups}")
            return
        for k, said in enumerate(stated):
            if said is None:
                continue
            now = facts.facts_of(Block(ondisk.read_group(file, k, facts.READ)))
            if {"fractions": now["fractions"], **said} != now:  # which older segments do not say
                yield _fault(sealed, "filter", f"what block {k} says about itself is not what its lines say")


def _streams(root: Path, folder: Path, sealed: SealedSegment) -> Iterator[Fault]:
    try:
        derived = streams.derive(sealed.name, ondisk.read(folder / tree.ROWS))
    except (OSError, pa.ArrowException) as error:
        yield _fault(sealed, tree.ROWS, f"unreadable: {error}")
        return
    again = "`anzhang vault rebuild` derives it again"
    for stream in streams.STREAMS:
        path = stream_path(root, stream, sealed.name)
        if stream not in derived.tables:
            if path.exists():
                yield _fault(sealed, f"stream {stream}", f"the sealed lines hold no such event; {again}")
            continue
        try:
            stored = streams.read(path, stream)
        except (OSError, pa.ArrowException) as error:
            yield _fault(sealed, f"stream {stream}", f"unreadable, {again}: {error}")
            continue
        if not stored.equals(streams.plain(derived.tables[stream], stream)):
            yield _fault(sealed, f"stream {stream}", f"differs from what the sealed lines say; {again}")
    try:
        told = coverage_path(root, sealed.name).read_bytes()
    except OSError as error:
        yield _fault(sealed, "coverage", f"unreadable, {again}: {error}")
        return
    if told != streams.coverage_file(derived):
        yield _fault(sealed, "coverage", f"differs from what the sealed lines say; {again}")


def _open_end(root: Path, catalog: Catalog) -> list[Fault]:
    """Return the faults of the write-ahead log as it stands now: what was sealed since the segments were read is no gap in it.

    A seal in between takes records out of the log, so it is read again until none came.
    """
    for attempt in range(ATTEMPTS):
        newest, known = catalog.newest(), catalog.segments(disposed=True)
        try:
            found = list(_log(root, known[-1].last_record if known else 0))
        except FileNotFoundError:
            if attempt + 1 == ATTEMPTS:
                raise
            continue
        if catalog.newest() == newest:
            break
    return found


def _log(root: Path, after: int) -> Iterator[Fault]:
    expected = after + 1
    for found in wal.read(root / "wal", after):
        if isinstance(found, wal.Torn):
            if not found.damage.torn_tail:
                yield Fault("", "write-ahead log", f"{found.file.name}: {found.damage.length} bytes at {found.damage.offset} are damaged")
            continue
        if found.number != expected:
            yield Fault("", "write-ahead log", f"records {expected}..{found.number - 1} are missing")
        expected = found.number + 1
    for path in sorted((root / "wal" / "damaged").glob("*")):
        yield Fault("", "write-ahead log", f"damaged bytes were set aside in wal/damaged/{path.name}")
