"""Which rows an actor sees, and which registers an actor may write.

Sight follows the unit path (`directory.scoping`); the right to write follows the register's `writers`. Chapters add
holders of a writer's role with `holds` (organization says that a security officer writes for the unit).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, reduce
from operator import or_
from typing import Any, TypeVar

from django.db.models import Model, QuerySet
from django.utils.translation import gettext as _

from anzhang.directory import scoping
from anzhang.directory.models import Assignment, Bitemporal, Person, Unit
from anzhang.permissions import Actor, Administrator, RefusedError, Via
from anzhang.registers.declaration import REGISTERS, Register, Writer

Holder = Callable[[Actor, datetime], bool]
M = TypeVar("M", bound=Model)

HOLDERS: dict[Writer, list[Holder]] = {writer: [] for writer in Writer}


def holds(writer: Writer) -> Callable[[Holder], Holder]:
    """Add a way to hold a writer's role."""

    def add(holder: Holder) -> Holder:
        HOLDERS[writer].append(holder)
        return holder

    return add


@holds(Writer.SYSTEM_ADMIN)
def is_system_administrator(actor: Actor, at: datetime) -> bool:  # noqa: ARG001  # every holder takes the instant
    """Whether the actor is the system administrator."""
    return actor.administrator is Administrator.SYSTEM_ADMIN


@holds(Writer.OFFICE)
def works_in_the_office(actor: Actor, at: datetime) -> bool:  # noqa: ARG001  # every holder takes the instant
    """Whether the actor belongs to the Office of the leading group."""
    return actor.person_id is not None and Person.objects.filter(pk=actor.person_id, unit__function=Unit.Function.OFFICE).exists()


@holds(Writer.UNIT)
def heads_a_unit(actor: Actor, at: datetime) -> bool:
    """Whether the actor is the head of a unit at the instant."""
    return (
        actor.person_id is not None
        and Assignment.objects.filter(
            Bitemporal.in_force(at), person_id=actor.person_id, unit_id=actor.unit_id, duty=Assignment.Duty.UNIT_HEAD
        ).exists()
    )


@dataclass(frozen=True)
class Sight:
    """What an actor sees at an instant; made once per request, so that the registers behind it are asked once."""

    actor: Actor
    at: datetime

    @cached_property
    def path(self) -> str | None:
        """Return the unit path that bounds the sight, None when it is not bounded."""
        return None if scoping.sees_all(self.actor, self.at) else scoping.path_of(self.actor)

    def narrowed(self, rows: QuerySet[M], paths: tuple[str, ...]) -> QuerySet[M]:
        """Keep the rows seen through any of the paths to a unit's path."""
        bound = self.path
        return rows if bound is None else rows.filter(reduce(or_, (scoping.below(bound, path) for path in paths)))

    def rows(self, register: Register) -> QuerySet[Any]:
        """Return the rows of a register that are seen; without scope they are everyone's."""
        everything = register.model._default_manager.all()
        return self.narrowed(everything, register.scope) if register.scope else everything

    def choices(self, model: type[Model]) -> QuerySet[Any]:
        """Return the rows of a related model that may be named in a form or on a sheet."""
        register = next((each for each in REGISTERS.values() if each.model is model), None)
        return model._default_manager.all() if register is None else self.rows(register)


def is_machine(actor: Actor) -> bool:
    """Whether the actor is the platform itself or an operating-system user, who stand outside the unit tree."""
    return actor.person_id is None and actor.via in {Via.CLI, Via.JOB, Via.DAEMON, Via.SETUP}


def may_write(register: Register, actor: Actor, at: datetime) -> bool:
    """Whether the actor may use form, import and writing API of a register. Nobody may where its kind forbids it."""
    if not register.writable or actor.administrator is Administrator.AUDITOR:
        return False
    if is_machine(actor):
        return True
    return any(holder(actor, at) for writer in sorted(register.writers) for holder in HOLDERS[writer])


def require_write(register: Register, actor: Actor, at: datetime) -> None:
    """Raise RefusedError unless the actor may write the register."""
    if not register.writable:
        raise RefusedError(
            "register_is_read_only", _("“%(register)s”不能直接填写") % {"register": register.title}, _("该台账由审批事项或系统采集写入")
        )
    if not may_write(register, actor, at):
        raise RefusedError(
            "writer_role_missing",
            _("您没有填写“%(register)s”的权限") % {"register": register.title},
            _("请由本单位负责人、信息安全管理人员或主管部门填写"),
        )


def require_place(register: Register, row: Model, sight: Sight) -> None:
    """Raise RefusedError when a saved row lies outside what the actor sees: nobody writes into a foreign unit.

    Runs inside the transaction of the write, after it, so that a move out of one's own units is undone with it.
    """
    if not sight.rows(register).filter(pk=row.pk).exists():
        raise RefusedError("foreign_unit", _("该行属于您管辖范围以外的单位"), _("请由该单位填写"))
