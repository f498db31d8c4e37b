"""The register of outside bodies (Art. 3, 21)."""

from __future__ import annotations

from anzhang.registers.declaration import Kind, Register, Writer, declare
from anzhang.registers.filters import by_choice, by_unit
from anzhang.thirdparty.models import Provider

declare(
    Register(
        id="provider",
        chapter="thirdparty",
        model=Provider,
        kind=Kind.PLAIN,
        columns=("code", "name", "kind", "unit", "purpose", "contact", "began_on", "ended_on"),
        order=("code",),
        search=("code", "name"),
        filters=(by_unit("unit"), by_choice(Provider, "kind")),
        scope=("unit__path",),
        key=("code",),
        fields=("code", "name", "kind", "credit_code", "unit", "purpose", "contact", "phone", "began_on", "ended_on"),
        create="register_provider",
        change="change_provider",
        bulk="register_providers",
        singly=frozenset({"ended_on"}),
        fixed=frozenset({"code"}),
        writers=frozenset({Writer.OFFICE, Writer.UNIT}),
    )
)
