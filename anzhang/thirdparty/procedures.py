"""The verbs of outside bodies (Art. 3): register one, change it, note that it no longer works here."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from anzhang import clock
from anzhang.directory import queries, rows
from anzhang.directory.bulk import batcher
from anzhang.directory.models import Person
from anzhang.permissions import Actor, RefusedError
from anzhang.regulation.checks import procedure
from anzhang.thirdparty.models import Provider


@procedure("register_provider")
def register_provider(actor: Actor, *, at: datetime, **values: Any) -> Provider:
    """Add an outside body. Raises RowError.

    Source: Art. 3.
    """
    return rows.create(actor, Provider(**values), at)


register_providers = procedure("register_providers")(batcher(Provider))  # days of ending go one by one


@procedure("change_provider")
def change_provider(actor: Actor, row: Provider, *, at: datetime, expected_version: int | None = None, **values: Any) -> Provider:
    """Change an outside body; it ends only when none of its people is here any more.

    Raises RefusedError `code_fixed`, `people_here`, StaleError, RowError.
    """
    with transaction.atomic():
        before = rows.locked(row)
        if values.get("code", before.code) != before.code:
            raise RefusedError("code_fixed", _("机构编号不能更改。"), _("终止旧机构，登记新机构。"))
        ends = values.get("ended_on")
        if ends is not None and ends != before.ended_on:
            here = Person.objects.filter(queries.employed(clock.start_of(ends)), provider=before)
            names = "、".join(here.order_by("code").values_list("name", flat=True)[:5])
            if names:
                raise RefusedError("people_here", _("该机构还有人员在岗：%s。") % names, _("先登记他们的离岗日期，账号随之停用。"))
        return rows.change(actor, row, values, at, expected_version)
