"""Replace sealed segments by a successor: several small ones by one, or one by itself without the text of some lines (ADR 0017).

Why a kill at any moment loses nothing:
1. What is replaced is hashed again first; damage is never carried into a successor.
2. The successor is built in a hidden folder, read back, compared line by line with what it replaces, and renamed.
3. `announce` tells the ledger which roots go and which comes. What raises there undoes 2.
4. One catalog transaction lets it stand for the others; then their files are deleted.
`settle` finishes or undoes what a kill left between 2 and 4, by what the ledger was told. All of it happens under one lock, which
`verify` shares, so nobody sees ledger and vault disagree.
"""

from __future__ import annotations

import hashlib
import secrets
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from anzhang.engines import durable
from anzhang.engines.vault import derived, ondisk, tree
from anzhang.engines.vault import segment as segments
from anzhang.engines.vault.batch import Redaction, Replaced, SealedSegment, Succession, instant
from anzhang.engines.vault.block import Block
from anzhang.engines.vault.catalog import Catalog, Key, Template
from anzhang.engines.vault.jit import Ints, Table
from anzhang.engines.vault.places import folder_of, locate
from anzhang.engines.vault.scan import REDACTED
from anzhang.engines.vault.text import mark_foreign
from anzhang.engines.vault.verify import sealed_parts

MOST_BYTES = 64 << 20  # raw bytes of a segment that others were merged into: as much as a seal takes at once
MANY = 60  # segments of the present day that are worth merging before it is over
HIDDEN = ".new"  # what a folder's name ends with while it is filled

Announce = Callable[[SealedSegment], object]
Runs = Sequence[tuple[int, int]]


class SuccessionError(Exception):
    """A successor cannot be made: what it would replace is damaged, or is not there; nothing was changed."""


def mergeable(kept: Iterable[SealedSegment], today: date) -> list[list[SealedSegment]]:
    """Return runs of segments that one may stand for: neighbours of one day, together no larger than a seal makes them.

    Of a day before `today` all are merged, of today (and of days that a wrong clock put after it) those that were not yet, when there
    are many: what came today is searched most.
    """
    found: list[list[SealedSegment]] = []
    run: list[SealedSegment] = []
    for sealed in kept:
        over = sealed.day < today
        follows = run and (run[-1].number + 1, run[0].day) == (sealed.first_number, sealed.day) and _size([*run, sealed]) <= MOST_BYTES
        if follows and (over or (sealed.succession is None and run[-1].succession is None)):
            run.append(sealed)
            continue
        found.append(run)
        run = [sealed]
    return [run for run in [*found, run] if len(run) >= (2 if run and run[0].day < today else MANY)]


def _size(run: Iterable[SealedSegment]) -> int:
    return sum(sealed.raw_bytes for sealed in run)


def merge(
    root: Path, catalog: Catalog, run: Sequence[SealedSegment], known: Mapping[int, int], at: datetime, announce: Announce
) -> tuple[SealedSegment, list[Template]]:
    """Let one segment stand for several; return it and the templates it uses first. Call it holding `locks.alone`.

    `known` are the writer's templates. Lines that had none, being too few of their kind in their segment, may have one now.
    Raises SuccessionError, and what `announce` raises.
    """
    folders = [_checked(root, sealed) for sealed in run]
    tables = [_plain(ondisk.read(folder / tree.ROWS)) for folder in folders]
    table = pa.concat_tables(tables)
    table, new = _templated(table, known, run[-1].number)
    templates = sorted([*(t for folder in folders for t in segments.read_templates(folder)), *new], key=lambda template: template.tid)
    keys = [key for folder in folders for key in segments.read_keys(folder)]
    redactions = tuple(redaction for sealed in run for redaction in sealed.redactions)
    build = _Build(root, catalog, run, at, redactions)
    successor = build.fill(table, templates, keys)
    if not _same(tables, ondisk.read(build.hidden / tree.ROWS), {}):
        build.drop()
        raise SuccessionError(f"{successor.name}: its lines are not those of the segments it was made of; they stay")
    return build.stand(successor, announce), new


def redact(
    root: Path, catalog: Catalog, sealed: SealedSegment, redaction: Redaction, salt: bytes, announce: Announce
) -> SealedSegment:  # fmt: skip
    """Let a segment be followed by itself without the text of some lines: `redaction.seqs`, as far as it holds them.

    A line becomes the case, the reason and the SHA-256 of salt and line; host, program and what else its header said go, source,
    address and times stay. Call it holding `locks.alone`. Raises SuccessionError, and what `announce` raises.
    """
    if any(each.case == redaction.case for each in sealed.redactions):
        return sealed
    folder = _checked(root, sealed)
    table = _plain(ondisk.read(folder / tree.ROWS))
    rows = np.flatnonzero(_within(table, redaction.seqs) & (Block(table).numbers("flags") & REDACTED == 0))
    if not len(rows):
        return sealed  # by an earlier case
    own = replace(redaction, seqs=_runs(np.sort(Block(table).numbers("seq")[rows])))
    texts = _digests(table, rows, own, salt)
    changed = _taken_out(table, rows, texts)
    used = set(np.unique(Block(changed).numbers("tid")).tolist())
    stated = segments.read_templates(folder)
    blanked = [Template(t.tid, secrets.token_hex(8), "", t.segment) for t in stated if t.tid not in used and t.pattern]
    by_number = {template.tid: template for template in blanked}
    block = Block(table)
    receipts = set(zip(block.values("source").take(pa.array(rows)).to_pylist(), block.numbers("rts")[rows].tolist(), strict=True))
    keys = [_kept_key(key, receipts) for key in segments.read_keys(folder)]
    build = _Build(root, catalog, [sealed], redaction.at, (*sealed.redactions, own))
    successor = build.fill(changed, [by_number.get(t.tid, t) for t in stated], keys)
    expected = dict(zip(block.numbers("seq")[rows].tolist(), texts, strict=True))
    if not _same([table], ondisk.read(build.hidden / tree.ROWS), expected):
        build.drop()
        raise SuccessionError(f"{successor.name}: other lines than those named would have changed; the segment stays as it is")
    return build.stand(successor, announce)


def settle(root: Path, catalog: Catalog, is_announced: Callable[[SealedSegment], bool]) -> None:
    """Finish what a kill left undone: a published successor stands where the ledger was told of it, and goes where it was not.

    Call it holding `locks.alone`.
    """
    for leftover in (root / "segments").glob(f"day=*/.*{HIDDEN}"):
        derived.remove(root, leftover.name.removeprefix(".").removesuffix(HIDDEN))
        shutil.rmtree(leftover)
    replaced, listed = catalog.replaced(), {sealed.name for sealed in catalog.segments(disposed=True)}
    for name, folder in locate(root).items():
        if name in replaced:
            _remove(root, folder)
        elif name not in listed:
            successor = _read(folder)
            if successor is None or successor.succession is None:
                continue  # a segment that its seal has not listed yet, or damage: not ours
            if is_announced(successor):
                _take_over(root, catalog, successor)
            else:
                _remove(root, folder)


class _Build:
    """A successor on its way: a hidden folder, filled, then published and let stand."""

    def __init__(
        self, root: Path, catalog: Catalog, run: Sequence[SealedSegment], at: datetime, redactions: tuple[Redaction, ...]
    ) -> None:  # fmt: skip
        self.root, self.catalog, self.run, self.at, self.redactions = root, catalog, run, at, redactions
        base, _, generation = run[-1].name.partition(".")
        self.name = f"{base}.{int(generation or 0) + 1}"
        self.folder = root / "segments" / f"day={run[-1].day.isoformat()}" / self.name
        self.hidden = self.folder.with_name(f".{self.name}{HIDDEN}")

    def fill(self, table: pa.Table, templates: list[Template], keys: list[Key]) -> SealedSegment:
        """Write every file of the successor, and its streams."""
        run, (first, last) = self.run, (self.run[0], self.run[-1])
        shutil.rmtree(self.hidden, ignore_errors=True)
        self.hidden.mkdir(mode=0o700)
        table = segments.ordered(table)
        foreign = _foreign(table)
        segments.write(self.hidden, table, np.flatnonzero(foreign), segments.template_rows(templates), segments.dump_keys(keys))
        at, sources = Block(table).at, Block(table).values("source").value_counts().to_pylist()
        heard = {code: (min(s.heard[code][0] for s in run if code in s.heard), max(s.heard[code][1] for s in run if code in s.heard))
                 for code in {code for s in run for code in s.heard}}  # fmt: skip
        chain = last.chain
        sealed = replace(
            last, name=self.name, first_seq=first.first_seq, rows=table.num_rows, raw_bytes=_size(run), file_bytes=0,
            min_at=instant(at.min()), max_at=instant(at.max()), received_from=min(s.received_from for s in run),
            received_to=max(s.received_to for s in run), sources={row["values"].decode(): row["counts"] for row in sources}, heard=heard,
            first_record=first.first_record, previous_sha256=first.previous_sha256, previous_sm3=first.previous_sm3,
            sealed_at=max(s.sealed_at for s in run), root_sha256="", root_sm3="",
            succession=Succession(
                self.at, first.first_number, tuple(Replaced(s.number, s.name, s.root_sha256, s.root_sm3) for s in run), *chain,
                self.redactions,
            ),
        )  # fmt: skip
        leaves = tree.hash_parts(self.hidden, tree.parts(self.hidden))
        (self.hidden / tree.TREE).write_bytes(tree.dump(sealed.header(), leaves))
        derived.write(self.root, self.name, self.hidden, table, foreign)
        return segments.read_sealed(self.hidden)

    def drop(self) -> None:
        """Undo it."""
        derived.remove(self.root, self.name)
        shutil.rmtree(self.hidden, ignore_errors=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def stand(self, successor: SealedSegment, announce: Announce) -> SealedSegment:
        """Publish the successor, tell the ledger, let it stand for what it replaces, and delete that."""
        try:
            durable.publish_folder(self.hidden, self.folder)
            announce(successor)
        except BaseException:
            self.drop()
            raise
        _take_over(self.root, self.catalog, successor)
        return successor


def _take_over(root: Path, catalog: Catalog, successor: SealedSegment) -> None:
    own = folder_of(root, successor.name)
    if own is None:
        raise FileNotFoundError(successor.name)
    catalog.replace(successor, segments.read_templates(own), segments.read_keys(own))
    for each in successor.replaces:
        if (folder := folder_of(root, each.name)) is not None:
            _remove(root, folder)


def _remove(root: Path, folder: Path) -> None:
    derived.remove(root, folder.name)  # first: what `settle` finds it by goes last
    shutil.rmtree(folder)
    durable.sync_folder(folder.parent)


def _read(folder: Path) -> SealedSegment | None:
    try:
        return segments.read_sealed(folder)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _checked(root: Path, sealed: SealedSegment) -> Path:
    """Return the folder of a segment whose every byte is what was sealed. Raises SuccessionError."""
    folder = folder_of(root, sealed.name)
    if folder is None:
        raise SuccessionError(f"{sealed.name}: its folder is gone")
    try:
        _header, stated, _sha256, _sm3 = tree.load(folder)
        faults = list(sealed_parts(folder, sealed, stated))
        whole = not faults and tree.roots(sealed.header(), stated) == (sealed.root_sha256, sealed.root_sm3)
    except tree.DAMAGE as error:
        raise SuccessionError(f"{sealed.name}: unreadable: {error!r}") from error
    if not whole:
        raise SuccessionError(f"{sealed.name} is not what was sealed; `anzhang vault verify` says where")
    return folder


def _plain(table: pa.Table) -> pa.Table:
    """Return rows with no column dictionary-coded, so that tables can be joined and changed."""
    fields = [pa.field(f.name, pa.binary() if pa.types.is_dictionary(f.type) else f.type, nullable=f.nullable) for f in table.schema]
    columns = [Block(table).values(f.name) if pa.types.is_dictionary(f.type) else table[f.name] for f in table.schema]
    return pa.Table.from_arrays(columns, schema=pa.schema(fields))


def _templated(table: pa.Table, known: Mapping[int, int], number: int) -> tuple[pa.Table, list[Template]]:
    """Give templates to lines that have none and are numerous enough together; never to a line without text."""
    block = Block(table)
    tid = block.numbers("tid").copy()
    rows = np.flatnonzero((tid == 0) & (block.numbers("flags") & REDACTED == 0))
    if not len(rows):
        return table, []
    messages = ondisk.slices(block.values("msg").take(pa.array(rows)))
    places = messages.at.astype(np.int64)
    tid[rows], new = segments.templates_of(np.ascontiguousarray(messages.data), places[:-1], places[1:], known, number)
    return _with(table, {"tid": pa.array(tid.astype(np.int32))}), new


def _with(table: pa.Table, columns: Mapping[str, pa.Array]) -> pa.Table:
    made = [columns.get(field.name, table[field.name]) for field in table.schema]
    return pa.Table.from_arrays(made, schema=table.schema)


def _within(table: pa.Table, runs: Runs) -> Table:
    seq = Block(table).numbers("seq")
    found = np.zeros(len(seq), np.bool_)
    for first, last in runs:
        found |= (seq >= first) & (seq <= last)
    return found


def _runs(seqs: Ints) -> tuple[tuple[int, int], ...]:
    """Return ascending numbers, at least one, as runs of neighbours."""
    ends = np.flatnonzero(np.diff(seqs) != 1)
    firsts, lasts = seqs[np.concatenate([[0], ends + 1])], seqs[np.concatenate([ends, [len(seqs) - 1]])]
    return tuple(zip(firsts.tolist(), lasts.tolist(), strict=True))


def _digests(table: pa.Table, rows: Ints, redaction: Redaction, salt: bytes) -> list[bytes]:
    """Return what stands in place of each line."""
    block = Block(table.take(pa.array(rows)))
    digests = [digest_of(salt, block.line(row)) for row in range(len(rows))]
    return [f"[redacted, case {redaction.case}: {redaction.reason}; SHA-256 {digest}]".encode() for digest in digests]


def _taken_out(table: pa.Table, rows: Ints, texts: list[bytes]) -> pa.Table:
    """Return rows of which some have lost everything but source, address, number and times."""
    mask = np.zeros(table.num_rows, np.bool_)
    mask[rows] = True
    chosen = pa.array(mask)
    made: dict[str, pa.Array] = {"msg": pc.replace_with_mask(Block(table).values("msg"), chosen, pa.array(texts, pa.binary()))}
    for name in ("host", "app", "msgid", "sd", "hdr"):
        made[name] = pc.if_else(chosen, pa.scalar(b"", pa.binary()), Block(table).values(name))
    for name in ("kind", "lay", "enc", "tid"):
        kind = table.schema.field(name).type
        made[name] = pc.if_else(chosen, pa.scalar(0, kind), table[name].combine_chunks())
    for name in ("pri", "pid"):
        kind = table.schema.field(name).type
        made[name] = pc.if_else(chosen, pa.scalar(None, kind), table[name].combine_chunks())
    flags = Block(table).numbers("flags").astype(np.uint8)
    made["flags"] = pa.array(np.where(mask, flags | np.uint8(REDACTED), flags).astype(np.uint8))
    return _with(table, made)


def _kept_key(key: Key, receipts: set[tuple[bytes, int]]) -> Key:
    """Return an idempotency key, without the digest where that is one of a batch which a redacted line came in.

    Sent again, the batch is a conflict: it is neither stored, which would bring the text back, nor said to be known.
    """
    return replace(key, digest=secrets.token_hex(32)) if (key.source.encode(), key.received) in receipts else key


def _foreign(table: pa.Table) -> Table:
    block = Block(table)
    marked = np.ones(table.num_rows, np.uint8)
    mark_foreign(*block.lines, block.numbers("enc").astype(np.uint8), marked)
    return marked


def _same(before: Sequence[pa.Table], after: pa.Table, changed: Mapping[int, bytes]) -> bool:
    """Whether rows hold the very lines of others, as they came and from whom; those of `changed` (by number) are of these bytes now."""
    return _content(before, changed) == _content([after], {})


def _content(tables: Sequence[pa.Table], changed: Mapping[int, bytes]) -> dict[str, str]:
    """Return a digest of each column over the lines in their order, however many tables they lie in."""
    states: dict[str, Any] = defaultdict(hashlib.sha256)
    for table in sorted(tables, key=lambda table: int(Block(table).numbers("seq").min())):
        block = Block(table)
        order = pa.array(np.argsort(block.numbers("seq")))
        seq = block.numbers("seq")[order]
        lines = _lines(block).take(order)
        if here := np.flatnonzero(np.isin(seq, list(changed))).tolist():
            mask = np.zeros(len(seq), np.bool_)
            mask[here] = True
            lines = pc.replace_with_mask(lines, pa.array(mask), pa.array([changed[int(seq[row])] for row in here], pa.binary()))
        for name, values in (("line", lines), *((name, block.values(name).take(order)) for name in ("source", "address"))):
            slices = ondisk.slices(values)
            states[name].update(slices.data[slices.at[0] : slices.at[-1]].tobytes())
            states[f"{name} sizes"].update(np.diff(slices.at).tobytes())
        for name in ("seq", "rts", "ts", "term"):
            states[name].update(np.ascontiguousarray(block.numbers(name)[order]).astype(np.int64).tobytes())
    return {name: state.hexdigest() for name, state in states.items()}


def _lines(block: Block) -> pa.Array:
    """Return the lines as they came, without terminators; they lie one after the other."""
    data, starts, ends = block.lines
    offsets = np.concatenate([starts, ends[-1:]]).astype(np.int32)
    return pa.Array.from_buffers(pa.binary(), len(starts), [None, pa.py_buffer(offsets), pa.py_buffer(data)])


def digest_of(salt: bytes, line: bytes) -> str:
    """Return what stands for a line once its text is out, hex: whoever still has the line and is given the salt can show that it was it."""
    return hashlib.sha256(salt + line).hexdigest()
