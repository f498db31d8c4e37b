"""Keep a second copy of the sealed segments elsewhere: another disk, a mounted share (Art. 29; DESIGN 7).

1. The folder is ours or empty: one that holds another vault, or anything else, is refused.
2. Each segment that is missing there is copied under a hidden name, read back from the disk, hashed again and compared with both roots,
   and only then renamed. Killed anywhere, the next run goes on; nothing half-written carries a segment's name.
3. The catalog follows, so that the copy is a vault that can be searched and verified (`--vault`); its event streams are derived there.
4. What a successor stands for is deleted from the copy once the successor is there (ADR 0017): text that was taken out of the vault does
   not live on elsewhere.

`verify` reads the whole copy again and names what is not what was sealed. What the vault disposed of stays in the copy and is counted.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from anzhang.engines import durable
from anzhang.engines.vault import derived, locks, tree
from anzhang.engines.vault.batch import Fault, SealedSegment
from anzhang.engines.vault.catalog import Catalog
from anzhang.engines.vault.places import locate
from anzhang.engines.vault.verify import sealed_parts

CATALOG = "catalog.sqlite3"
MARK = "anzhang-vault-copy"  # a file that says: this folder is a copy, we may write here
FILES = (*tree.FILES, tree.TREE)


class TargetError(Exception):
    """The folder cannot take a copy: not ours, of another vault, or inside the vault; nothing was written."""


@dataclass
class Copied:
    """What a run did: segments in the vault, copied now, replaced by what was copied; `gone` are in the copy only; faults name segments."""

    segments: int = 0
    copied: list[str] = field(default_factory=list)
    replaced: list[str] = field(default_factory=list)
    bytes: int = 0
    gone: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)


def copy(root: Path, target: Path) -> Copied:
    """Bring the copy in `target` up to date with the vault at `root`; no segment is replaced meanwhile. Raises TargetError, OSError."""
    with locks.unchanged(root):
        catalog = Catalog(root / CATALOG, write=False)
        try:
            return _copy(root, catalog.segments(), catalog.replaced(), catalog.founding(), target)
        finally:
            catalog.close()


def _copy(root: Path, kept: list[SealedSegment], replaced: Mapping[str, str], founding: str, target: Path) -> Copied:
    _prepare(root, kept, founding, target)
    there, here = locate(target), locate(root)
    done = Copied(segments=len(kept), gone=sorted(there.keys() - {sealed.name for sealed in kept} - replaced.keys()))
    for sealed in kept:
        if sealed.name in there:
            if not _is_sealed(there[sealed.name], sealed):
                done.faults.append(
                    Fault(sealed.name, "copy", "it is not what was sealed; move the folder away and copy again", sealed.number)
                )
            continue
        source = here.get(sealed.name)
        if source is None:
            done.faults.append(Fault(sealed.name, "segment", "its folder is gone from the vault", sealed.number))
            continue
        fault = _copy_segment(source, target / "segments" / source.parent.name / source.name, sealed)
        if fault is not None:
            done.faults.append(fault)
            continue
        done.copied.append(sealed.name)
        done.bytes += sealed.file_bytes
    _copy_catalog(root, target)
    failed = {fault.segment for fault in done.faults}
    for name in sorted(there.keys() & replaced.keys()):
        if not failed & _successors(name, replaced):
            derived.remove(target, name)
            shutil.rmtree(there[name])
            durable.sync_folder(there[name].parent)
            done.replaced.append(name)
    return done


def _successors(name: str, replaced: Mapping[str, str]) -> set[str]:
    """Return what stood for a segment, one after the other."""
    found = set[str]()
    while name in replaced:
        name = replaced[name]
        found.add(name)
    return found


def verify(kept: Iterable[SealedSegment], target: Path) -> list[Fault]:
    """Hash the whole copy again and return every fault: a segment that is missing, a byte that is not what was sealed."""
    if not (target / MARK).is_file():
        raise TargetError(f"{target} is no copy of a vault")
    there, faults = locate(target), []
    for sealed in kept:
        folder = there.get(sealed.name)
        if folder is None:
            faults.append(Fault(sealed.name, "copy", "it is missing from the copy", sealed.number))
        else:
            faults += list(_hashed(folder, sealed))
    return faults


def _prepare(root: Path, kept: list[SealedSegment], founding: str, target: Path) -> None:
    if not target.is_absolute():
        raise TargetError(f"{target}: give the whole path")
    if target.resolve().is_relative_to(root.resolve()) or root.resolve().is_relative_to(target.resolve()):
        raise TargetError(f"{target} is the vault itself, within it or around it")
    if not target.parent.is_dir():
        raise TargetError(f"{target.parent}: no such folder; is the disk mounted?")
    mark = target / MARK
    if mark.is_file():
        if mark.read_text("ascii").strip() != founding:
            raise TargetError(f"{target} holds the copy of another vault")
    elif target.exists() and any(target.iterdir()):
        raise TargetError(f"{target} is not empty and holds no copy of a vault")
    elif not kept:
        raise TargetError("the vault has no sealed segment yet")
    else:
        durable.make_folder(target)
        durable.write_file(mark, founding.encode() + b"\n")
    durable.make_folder(target / "segments")


def _copy_segment(source: Path, final: Path, sealed: SealedSegment) -> Fault | None:
    """Copy one segment, read it back and publish it; return what is wrong with it, and leave nothing then."""
    durable.make_folder(final.parent)
    hidden = final.with_name(f".{final.name}")
    shutil.rmtree(hidden, ignore_errors=True)  # of a run that was killed
    hidden.mkdir(mode=0o700)
    try:
        for name in FILES:
            shutil.copyfile(source / name, hidden / name)
            durable.sync_file(hidden / name)
            _forget(hidden / name)
        fault = next(_hashed(hidden, sealed), None)
        if fault is None:
            durable.publish_folder(hidden, final)
    except FileNotFoundError as error:
        fault = Fault(sealed.name, "segment", f"{error.filename} is gone from the vault", sealed.number)
    finally:
        shutil.rmtree(hidden, ignore_errors=True)
    return fault


def _forget(path: Path) -> None:
    """Have the system drop what it keeps of a file in memory, so that reading it back asks the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)


def _is_sealed(folder: Path, sealed: SealedSegment) -> bool:
    """Whether a copied segment states the roots and has its files at their sizes; `verify` hashes them."""
    try:
        header, leaves, sha256, sm3 = tree.load(folder)
        sizes = {name: sum(length for leaf in leaves if leaf.file == name for _offset, length in leaf.spans) for name in tree.FILES}
        whole = all((folder / name).stat().st_size == size for name, size in sizes.items())
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return whole and tree.canonical(header) == tree.canonical(sealed.header()) and (sha256, sm3) == (sealed.root_sha256, sealed.root_sm3)


def _hashed(folder: Path, sealed: SealedSegment) -> Iterator[Fault]:
    """Name every part of a copied segment that is not what was sealed; the catalog's header and roots are what counts."""
    try:
        _header, stated, _sha256, _sm3 = tree.load(folder)
        faults = list(sealed_parts(folder, sealed, stated))
    except (OSError, ValueError, KeyError, TypeError) as error:
        yield Fault(sealed.name, tree.TREE, f"unreadable in the copy: {error!r}", sealed.number)
        return
    yield from faults
    if not faults and tree.roots(sealed.header(), stated) != (sealed.root_sha256, sealed.root_sm3):
        yield Fault(sealed.name, tree.TREE, "the copy does not lead to the roots of the segment", sealed.number)


def _copy_catalog(root: Path, target: Path) -> None:
    """Copy the catalog as of one moment, whole or not at all."""
    hidden = target / f".{CATALOG}"
    hidden.unlink(missing_ok=True)
    with (
        closing(sqlite3.connect(f"file:{root / CATALOG}?mode=ro", uri=True, timeout=20)) as ours,
        closing(sqlite3.connect(hidden)) as theirs,
    ):
        ours.backup(theirs)
        theirs.execute("pragma journal_mode=delete")
    hidden.chmod(0o600)
    durable.sync_file(hidden)
    hidden.rename(target / CATALOG)
    durable.sync_folder(target)
