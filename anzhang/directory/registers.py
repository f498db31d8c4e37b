"""The registers of who is who: units, people, posts, leading group, delegations."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from anzhang.directory.models import Assignment, Delegation, LeadingGroupMember, Person, Unit
from anzhang.registers.declaration import Kind, Register, Writer, declare
from anzhang.registers.filters import by_choice, by_unit, employed, in_force

declare(
    Register(
        id="unit",
        chapter="directory",
        model=Unit,
        kind=Kind.PLAIN,
        columns=("code", "name", "kind", "function", "parent", "established_on", "closed_on"),
        order=("path",),
        search=("code", "name"),
        filters=(by_unit("", _("所属")), by_choice(Unit, "kind")),
        scope=("path",),
        key=("code",),
        fields=("code", "name", "kind", "function", "parent", "established_on", "closed_on"),
        create="register_unit",
        change="change_unit",
        fixed=frozenset({"code"}),
        writers=frozenset({Writer.SYSTEM_ADMIN}),
        hidden=frozenset({"path"}),
        articles=(3,),
    )
)
declare(
    Register(
        id="person",
        chapter="directory",
        model=Person,
        kind=Kind.PLAIN,
        columns=("code", "name", "unit", "post", "kind", "joined_on", "left_on"),
        order=("code",),
        search=("code", "name"),
        filters=(by_unit("unit"), by_choice(Person, "kind"), employed()),
        scope=("unit__path",),
        key=("code",),
        fields=("code", "name", "kind", "unit", "post", "phone", "email", "joined_on", "left_on", "provider"),
        create="register_person",
        change="change_person",
        bulk="register_people",
        singly=frozenset({"left_on"}),
        fixed=frozenset({"code"}),
        writers=frozenset({Writer.SYSTEM_ADMIN, Writer.UNIT}),
        articles=(3, 5),
        hints={"left_on": _("离职当日起不再在职；在职人员留空"), "provider": _("外部人员填写所属的第三方机构")},
    )
)
declare(
    Register(
        id="assignment",
        chapter="directory",
        model=Assignment,
        kind=Kind.AUTHORITY,
        columns=("person", "duty", "unit", "system", "room", "functions", "jurisdiction", "hours", "valid_from", "valid_to"),
        order=("-valid_from",),
        search=("person__code", "person__name"),
        filters=(by_unit("unit"), by_choice(Assignment, "duty"), in_force()),
        scope=("unit__path",),
        route="assignment",
        articles=(4, 5),
    )
)
declare(
    Register(
        id="leading_group_member",
        chapter="directory",
        model=LeadingGroupMember,
        kind=Kind.AUTHORITY,
        columns=("person", "role", "valid_from", "valid_to"),
        order=("-valid_from",),
        search=("person__code", "person__name"),
        filters=(by_choice(LeadingGroupMember, "role"), in_force()),
        route="leading_group_member",
        articles=(4,),
    )
)
declare(
    Register(
        id="delegation",
        chapter="directory",
        model=Delegation,
        kind=Kind.AUTHORITY,
        columns=("principal", "deputy", "duty", "valid_from", "valid_to"),
        order=("-valid_from",),
        search=("principal__name", "deputy__name"),
        filters=(in_force(),),
        scope=("principal__unit__path", "deputy__unit__path"),
        route="delegation",
    )
)
