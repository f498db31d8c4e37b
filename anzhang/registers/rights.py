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

from django.db.models import Exists, Model, OuterRef, QuerySet
from django.utils.translation import gettext as _

from anzhang.directory import scoping
from anzhang.directory.models import Assignment, Bitemporal, Person, Unit
from anzhang.directory.prepared import Prepared
from anzhang.permissions import Actor, Administrator, RefusedError, Via
from anzhang.registers.declaration import REGISTERS, Register, Writer

# Posts as of an instant: rows with `person` and `unit`; whoever holds one in the own unit has the role.
Posts = Callable[[datetime], QuerySet[Any]]
M = TypeVar("M", bound=Model)

HOLDERS: dict[Writer, list[Posts]] = {writer: [] for writer in Writer}


def holds(writer: Writer) -> Callable[[Posts], Posts]:
    """Add a way to hold a writer's role."""

    def add(posts: Posts) -> Posts:
        HOLDERS[writer].append(posts)
        return posts

    return add


@holds(Writer.UNIT)
def unit_heads(at: datetime) -> QuerySet[Any]:
    """Return the posts of unit heads at the instant."""
    return Assignment.objects.filter(Bitemporal.in_force(at), duty=Assignment.Duty.UNIT_HEAD)


def roles(actor: Actor, at: datetime) -> frozenset[Writer]:
    """Return the writer's roles of an actor, in one query. The auditor changes nothing and has none.

    The administrators that `init` makes are nobody in the register of people; the system administrator fills it all the same.
    """
    if actor.administrator is Administrator.AUDITOR:
        return frozenset()
    own = frozenset({Writer.SYSTEM_ADMIN}) if actor.administrator is Administrator.SYSTEM_ADMIN else frozenset()
    return own if actor.person_id is None else own | _held(actor.person_id, at)


def _held(person_id: int, at: datetime) -> frozenset[Writer]:
    found = _ROLES.rows(person=person_id, at=at)
    if not found:
        return frozenset()
    function, *held = found[0]
    office = {Writer.OFFICE} if function == Unit.Function.OFFICE else set()
    return frozenset({writer for writer, holds in zip(_with_holders(), held, strict=True) if holds} | office)


def _with_holders() -> list[Writer]:
    return [writer for writer in Writer if HOLDERS[writer]]


def _roles_of(person: int, at: datetime) -> QuerySet[Any]:
    own = {"person": OuterRef("pk"), "unit": OuterRef("unit")}
    held = {f"role_{writer}": reduce(or_, (Exists(posts(at).filter(**own)) for posts in HOLDERS[writer])) for writer in _with_holders()}
    return Person.objects.filter(pk=person).order_by().annotate(**held).values_list("unit__function", *held)


_ROLES = Prepared(_roles_of, person=int, at=datetime)  # most register pages ask


@dataclass(frozen=True)
class Sight:
    """What an actor sees at an instant; made once per request, so that the registers behind it are asked once."""

    actor: Actor
    at: datetime

    @cached_property
    def path(self) -> str | None:
        """Return the unit path that bounds the sight, None when it is not bounded."""
        return scoping.reach(self.actor, self.at)

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
    """Whether the actor is the platform itself or an operating-system user, who stand outside the unit tree.

    Somebody who logged in at the command line is judged by their roles there too, an auditor without a person included.
    """
    return actor.via in {Via.JOB, Via.DAEMON, Via.SETUP} or actor.id.startswith("os:")


def may_write(register: Register, actor: Actor, at: datetime) -> bool:
    """Whether the actor may use form, import and writing API of a register. Nobody may where its kind forbids it."""
    return register.writable and (is_machine(actor) or bool(register.writers & roles(actor, at)))


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
        raise foreign()


def foreign() -> RefusedError:
    """Return the refusal of a row outside what the actor sees."""
    return RefusedError("foreign_unit", _("该行属于您管辖范围以外的单位"), _("请由该单位填写"))
