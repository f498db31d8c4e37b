"""Keep a plan on disk between its preview and its confirm, one JSON line per row, and take it up again.

What is staged is not trusted twice: relations are looked up among what the actor sees, versions are compared with the rows
as they stand. When either moved away, the sheet is read anew (`MovedError`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

import orjson
from django.db.models import ForeignKey, Model

from anzhang.registers import procedures, rights
from anzhang.registers.declaration import Register
from anzhang.registers.plans import Fault, Plan, Write

_CHUNK = 500


class MovedError(Exception):
    """The register is no longer what the preview was made from."""


def dump(plan: Plan, file: Path) -> None:
    """Write a plan's rows; the file is the owner's alone."""
    file.touch(mode=0o600)
    with file.open("wb") as out:
        for write in plan.writes:
            key = write.row.pk if write.row is not None else None
            data = {name: _plain(value) for name, value in write.data.items()}
            out.write(orjson.dumps([write.number, key, getattr(write.row, "version", None), data]) + b"\n")


def load(register: Register, digest: str, unchanged: int, file: Path, sight: rights.Sight, most: int | None = None) -> Plan:
    """Return the plan that a file holds, or its first rows. Raises MovedError."""
    plan = Plan(register, digest, unchanged=unchanged)
    related = {name: {row.pk: row for row in sight.choices(_model(register, name))} for name in _relations(register)}
    for lines in _chunks(file, most):
        rows = {row.pk: row for row in _rows(register, [key for _n, key, _v, _d in lines if key is not None])}
        for number, key, version, data in lines:
            values = _values(register, data, related)
            row = rows.get(key)
            if key is not None and (row is None or getattr(row, "version", None) != version):
                raise MovedError(number)
            plan.writes.append(Write(number, values, row, procedures.differences(row, values) if row is not None else {}))
    return plan


def dump_faults(faults: list[Fault], file: Path) -> None:
    """Keep the faults of a sheet."""
    file.touch(mode=0o600)
    file.write_bytes(orjson.dumps([[fault.cell, str(fault.message)] for fault in faults]))


def load_faults(file: Path) -> list[Fault]:
    """Return kept faults; none when the file has been swept away."""
    if not file.is_file():
        return []
    return [Fault(cell, message) for cell, message in orjson.loads(file.read_bytes())]


def _chunks(file: Path, most: int | None) -> Iterator[list[Any]]:
    try:
        with file.open("rb") as stream:
            lines = islice(stream, most)
            while some := list(islice(lines, _CHUNK)):
                yield [orjson.loads(line) for line in some]
    except FileNotFoundError as error:
        raise MovedError(file.name) from error


def _rows(register: Register, keys: list[int]) -> list[Any]:
    found = register.model._default_manager.filter(pk__in=keys).select_related(*register.relations(register.fields))
    return list(found) if keys else []


def _relations(register: Register) -> list[str]:
    return [name for name in register.fields if isinstance(register.field(name), ForeignKey)]


def _model(register: Register, name: str) -> type[Model]:
    model: type[Model] = register.field(name).related_model  # type: ignore[assignment]  # resolved by now
    return model


def _values(register: Register, data: Mapping[str, Any], related: Mapping[str, Mapping[Any, Any]]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, value in data.items():
        if name not in related or value is None:
            values[name] = register.field(name).to_python(value) if isinstance(value, str) else value
        elif value in related[name]:
            values[name] = related[name][value]
        else:
            raise MovedError(name)
    return values


def _plain(value: Any) -> Any:
    if isinstance(value, Model):
        return value.pk
    if isinstance(value, datetime | date):
        return value.isoformat()
    return str(value) if isinstance(value, Decimal) else value
