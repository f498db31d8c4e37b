"""Routes of single units: rows beside the catalog's routes (DESIGN 5)."""

from __future__ import annotations

from datetime import datetime

from django.utils.translation import gettext as _

from anzhang.casework import routes
from anzhang.casework.routes import Route, parse
from anzhang.casework.tables import UnitRoute
from anzhang.directory.models import Unit
from anzhang.permissions import RefusedError


def effective(key: str, unit: Unit, at: datetime) -> Route:
    """Return the way a unit's cases of a route go: its own, else that of the nearest unit above, else the catalog's.

    Raises RefusedError `unknown_route`.
    """
    way = routes.current().get(key)
    if way is None:
        raise RefusedError("unknown_route", _("没有名为“%s”的流程。") % key[:64])
    row = in_force(key, unit, at)
    return way if row is None else parse(row.rules, f"unit_route {row.pk}")


def in_force(key: str, unit: Unit, at: datetime) -> UnitRoute | None:
    """Return the row that governs a unit's cases of a route, None where the catalog does."""
    codes = [code for code in unit.path.split("/") if code]
    rows = UnitRoute.objects.filter(UnitRoute.in_force(at), route=key, unit__code__in=codes).select_related("unit")
    return max(rows, key=lambda row: len(row.unit.path), default=None)
