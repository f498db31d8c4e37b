"""Read TOML of a catalog with every defect named: file, row, key, why."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class CatalogError(Exception):
    """A catalog is wrong: `file`, `row` (id of the row, empty for the file), `key` and `why`."""

    def __init__(self, file: str, row: str, key: str, why: str) -> None:
        """Keep the parts and say them in one line."""
        super().__init__(": ".join(part for part in (file, row, key, why) if part))
        self.file, self.row, self.key, self.why = file, row, key, why


def toml(folder: Path, file: str) -> dict[str, Any]:
    """Return a parsed file of a catalog's folder."""
    try:
        return tomllib.loads((folder / file).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CatalogError(file, "", "", f"is missing in {folder}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CatalogError(file, "", "", str(error)) from error


def get(row: Mapping[str, Any], file: str, name: str, key: str, kind: type | tuple[type, ...]) -> Any:
    """Return `row[key]`, which must be there and of that type."""
    if key not in row:
        raise CatalogError(file, name, key, "is missing")
    if not isinstance(row[key], kind) or (isinstance(row[key], bool) and kind is int):
        wanted = " or ".join(k.__name__ for k in kind) if isinstance(kind, tuple) else kind.__name__
        raise CatalogError(file, name, key, f"must be {wanted}, is {type(row[key]).__name__}")
    return row[key]


def items(row: Mapping[str, Any], file: str, name: str, key: str, of: type) -> tuple[Any, ...]:
    """Return the list at `row[key]` as a tuple of one type."""
    found = get(row, file, name, key, list)
    for item in found:
        if not isinstance(item, of):
            raise CatalogError(file, name, key, f"holds {item!r}, must hold {of.__name__} only")
    return tuple(found)


def rows(parsed: Mapping[str, Any], file: str, key: str) -> list[dict[str, Any]]:
    """Return the `[[key]]` tables of a file, at least one."""
    found: list[dict[str, Any]] = get(parsed, file, "", key, list)
    if not found or not all(isinstance(row, dict) for row in found):
        raise CatalogError(file, "", key, f"must be one or more [[{key}]] tables")
    return found


def table(parsed: Mapping[str, Any], file: str, key: str) -> dict[str, dict[str, Any]]:
    """Return the `[key.NAME]` tables of a file by name."""
    found: dict[str, dict[str, Any]] = get(parsed, file, "", key, dict)
    for name, row in found.items():
        if not isinstance(row, dict):
            raise CatalogError(file, f"{key}.{name}", "", "must be a table")
    return found
