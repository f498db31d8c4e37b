"""Bring a sheet into a plain register: a plan first (what each row would do, every fault with its cell), then all rows or none.

A row is recognized by the register's key: new keys are created, known ones changed where a cell differs, equal ones left
alone, so importing an unchanged export writes nothing. Cells are read here; every row is written by the register's procedure.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable
from datetime import datetime
from string import ascii_uppercase

from django.db import transaction
from django.utils.translation import gettext as _

from anzhang.directory.bulk import Batch, BatchRefusedError
from anzhang.permissions import Actor, RefusedError
from anzhang.registers import plans, procedures, rights, sheets
from anzhang.registers.declaration import Register
from anzhang.registers.plans import Fault, Plan, Write
from anzhang.registers.reading import Reader, columns_of
from anzhang.regulation.checks import PROCEDURES

EVERY = 1000  # rows between two reports of progress
_KEYS = 500
Progress = Callable[[int, int], None]


class _RehearsalOverError(Exception):
    """Rolls a rehearsal back."""


def plan(register: Register, data: bytes, name: str, actor: Actor, at: datetime, progress: Progress | None = None) -> Plan:
    """Return what a sheet would do, told `progress(rows done, rows in all)` on the way.

    Raises BadSheetError when the file or its headers cannot be taken, RefusedError when the actor may not write the register.
    """
    rights.require_write(register, actor, at)
    sheet = sheets.read(data, name)
    columns = columns_of(register, sheet.headers)
    plan = Plan(register, hashlib.sha256(data).hexdigest())
    reader = Reader(register, columns, rights.Sight(actor, at))
    for place, (number, cells) in enumerate(sheet.rows):
        reader.read(plan, number, cells)
        if progress is not None and place % EVERY == 0:
            progress(place, len(sheet.rows))
    if plan.in_bulk:
        _check_batch(plan, actor, at)
    elif not plan.faults and 0 < len(plan.writes) <= plans.REHEARSED:
        _rehearse(plan, actor, at)
    return plan


def apply(plan: Plan, actor: Actor, at: datetime, also: Callable[[], None] | None = None, progress: Progress | None = None) -> None:
    """Write every row of a plan, or none; `also` runs in the same transaction. Raises RefusedError naming the row that is refused.

    What can be made beforehand is made beforehand, so that the transaction of a large sheet is short.
    """
    if plan.faults:
        raise RefusedError("sheet_has_faults", _("表格有 %(count)d 处错误，未导入任何一行") % {"count": len(plan.faults)})
    if not plan.writes:
        if also is not None:
            also()
        return
    rights.require_write(plan.register, actor, at)
    batch, singly = _prepared(plan, actor, at, progress) if plan.in_bulk else (None, plan.writes)
    with transaction.atomic():
        if batch is not None:
            _write_batch(plan, batch)
            _require_places(plan.register, batch, rights.Sight(actor, at))
        for write in singly:
            try:
                _write(plan.register, write, actor, at)
            except RefusedError as refusal:
                raise _at_row(write, refusal) from refusal
        procedures.record_import(actor, plan.register, at=at, created=plan.created, changed=plan.changed, digest=plan.digest)
        if also is not None:
            also()


def _split(plan: Plan) -> tuple[list[Write], list[Write]]:
    """Return the writes that go in bulk and those whose change has consequences of its own."""
    together: list[Write] = []
    singly: list[Write] = []
    for write in plan.writes:
        (singly if plan.register.singly & write.changes.keys() else together).append(write)
    return together, singly


def _batch(plan: Plan, together: list[Write], actor: Actor, at: datetime) -> Batch:
    new = [write.data for write in together if write.row is None]
    changes = [(copy.copy(write.row), write.data) for write in together if write.row is not None]
    batch: Batch = PROCEDURES[plan.register.bulk](actor, new, changes, at=at)
    return batch


def _check_batch(plan: Plan, actor: Actor, at: datetime) -> None:
    together, _singly = _split(plan)
    together.sort(key=_is_change)
    for write in together:
        try:
            procedures.require_plausible(plan.register, write.data)
        except RefusedError as error:
            plan.faults.append(Fault(str(write.number), error.message))
    for place, refusal in _batch(plan, together, actor, at).check(cleaned=True).items():
        plan.faults.append(Fault(str(together[place].number), refusal.message))
    plan.faults.sort(key=lambda fault: int(fault.cell.lstrip(ascii_uppercase)))


def _prepared(plan: Plan, actor: Actor, at: datetime, progress: Progress | None) -> tuple[Batch, list[Write]]:
    together, singly = _split(plan)
    batch, count = _batch(plan, together, actor, at), len(plan.writes)
    batch.prepare((lambda done: progress(done, count)) if progress is not None else None)
    return batch, singly


def _write_batch(plan: Plan, batch: Batch) -> None:
    try:
        batch.write()
    except BatchRefusedError as refusal:
        together, _singly = _split(plan)
        together.sort(key=_is_change)
        raise _at_row(together[refusal.place], refusal) from refusal


def _at_row(write: Write, refusal: RefusedError) -> RefusedError:
    message = _("第 %(row)d 行：%(why)s；未导入任何一行") % {"row": write.number, "why": refusal.message}
    return RefusedError(refusal.code, message, refusal.remedy)


def _is_change(write: Write) -> bool:
    """Order new rows before changed ones, as a batch counts them."""
    return write.row is not None


def _require_places(register: Register, batch: Batch, sight: rights.Sight) -> None:
    """Raise RefusedError when a written row lies outside what the actor sees."""
    if sight.path is None:
        return
    keys = [row.pk for row in batch]
    for start in range(0, len(keys), _KEYS):
        some = keys[start : start + _KEYS]
        if sight.rows(register).filter(pk__in=some).count() != len(some):
            raise rights.foreign()


def _rehearse(plan: Plan, actor: Actor, at: datetime) -> None:
    """Run the procedures and roll back, so that the preview shows what they refuse."""
    try:
        with transaction.atomic():
            for write in plan.writes:
                try:
                    with transaction.atomic():
                        _write(plan.register, write, actor, at)
                except RefusedError as refusal:
                    plan.faults.append(Fault(str(write.number), f"{refusal.message} {refusal.remedy}".strip()))
            raise _RehearsalOverError
    except _RehearsalOverError:
        return


def _write(register: Register, write: Write, actor: Actor, at: datetime) -> None:
    if write.row is None:
        procedures.create(register, actor, write.data, at=at)
    else:
        procedures.change(register, actor, write.row, write.data, at=at, expected_version=getattr(write.row, "version", None))
