"""The registers of information systems and their accounts (Art. 4, 14, 34)."""

from __future__ import annotations

from anzhang.registers.declaration import Kind, Register, Writer, declare
from anzhang.registers.filters import by_choice, by_flag, by_unit
from anzhang.systems import bulk as _bulk  # noqa: F401  # named procedures
from anzhang.systems.models import Account, System

declare(
    Register(
        id="system",
        chapter="systems",
        model=System,
        kind=Kind.PLAIN,
        columns=("code", "name", "kind", "managing_unit", "responsible_unit", "protection_level", "centrally_planned", "state"),
        order=("code",),
        search=("code", "name"),
        filters=(by_unit("managing_unit"), by_choice(System, "kind"), by_flag(System, "centrally_planned"), by_choice(System, "state")),
        scope=("managing_unit__path", "responsible_unit__path"),
        key=("code",),
        fields=(
            "code",
            "name",
            "kind",
            "managing_unit",
            "responsible_unit",
            "centrally_planned",
            "management_level",
            "protection_level",
            "state",
        ),
        create="register_system",
        change="change_system",
        bulk="register_systems",
        singly=frozenset({"state"}),
        fixed=frozenset({"code"}),
        writers=frozenset({Writer.OFFICE, Writer.UNIT}),
        articles=(4, 34),
    )
)
declare(
    Register(
        id="account",
        chapter="systems",
        model=Account,
        kind=Kind.PLAIN,
        columns=("system", "name", "person", "state", "opened_on", "closed_on"),
        order=("system__code", "name"),
        search=("name", "person__code", "person__name"),
        filters=(by_unit("system__managing_unit"), by_choice(Account, "state")),
        scope=("system__managing_unit__path", "person__unit__path"),
        key=("system", "name"),
        fields=("system", "name", "person", "state", "opened_on", "closed_on"),
        create="open_account",
        change="change_account",
        bulk="open_accounts",
        singly=frozenset({"state", "closed_on"}),
        fixed=frozenset({"system", "name"}),
        writers=frozenset({Writer.UNIT}),
        articles=(14,),
    )
)
