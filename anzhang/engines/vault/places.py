"""Where published segments stand on disk; apart from `verify`, so that a page can ask without loading what reads them."""

from __future__ import annotations

from pathlib import Path


def locate(root: Path) -> dict[str, Path]:
    """Return the folders of published segments by name."""
    return {path.name: path for path in sorted((root / "segments").glob("day=*/*")) if path.is_dir() and not path.name.startswith(".")}


def folder_of(root: Path, name: str) -> Path | None:
    """Return the folder of one published segment without looking at the others, None where it is not there."""
    return next((path for path in (root / "segments").glob(f"day=*/{name}") if path.is_dir()), None)
