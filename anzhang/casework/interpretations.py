"""Sign the value of an open word (Art. 35): what route `interpretation` does when the Office has signed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from anzhang.casework import forms, parameters
from anzhang.casework.models import Approval, Case, Interpretation
from anzhang.casework.queries import require_approval
from anzhang.directory import rows
from anzhang.directory.models import Unit
from anzhang.events import Event
from anzhang.permissions import Actor, RefusedError
from anzhang.regulation.catalog import Parameter
from anzhang.regulation.checks import procedure


@procedure("sign_interpretation")
def sign_interpretation(actor: Actor, case: Case, approval: Approval, at: datetime) -> Interpretation:
    """Let the value of the case govern from now on; the value signed before ends.

    Raises RefusedError `no_approval`, `unknown_parameter`, `value_unfit`.

    Source: Art. 35; route `interpretation`.
    """
    require_approval(case, approval, "interpretation", at)
    parameter = parameters.catalog().parameters.get(case.form["parameter"])
    if parameter is None or not parameter.is_open:
        raise RefusedError("unknown_parameter", _("“%s”不是可以解释的参数。") % case.form["parameter"])
    return put_in_force(actor, case, parameter, read(parameter, str(case.form["value"])), at)


def put_in_force(actor: Actor, case: Case, parameter: Parameter, value: Any, at: datetime) -> Interpretation:
    """Let a value govern from now on by a case that has signed it; the value signed before ends."""
    with transaction.atomic():
        for before in Interpretation.objects.filter(Interpretation.in_force(at), parameter=parameter.name):
            rows.amend(actor, Event.INTERPRETATION_SIGN, before, at, valid_to=at)
        signed = Interpretation(parameter=parameter.name, value=value, reason=case.form["reason"], case=case, valid_from=at, recorded_at=at)
        return rows.create(actor, signed, at, Event.INTERPRETATION_SIGN)


def read(parameter: Parameter, text: str) -> Any:
    """Return what the Office wrote as a value of the parameter's kind: a number, words separated by semicolons, a JSON table.

    Raises RefusedError `value_unfit`.
    """
    value: Any = text.strip()
    if isinstance(parameter.default, list):
        value = [part.strip() for part in text.replace("；", ";").split(";") if part.strip()]
        if parameter.default and all(isinstance(each, int | float) for each in parameter.default):
            value = [_number(part) for part in value]
    elif not isinstance(parameter.default, str):
        try:
            value = json.loads(text)
        except ValueError:
            value = text
    why = parameters.mismatch(parameter, value)
    if why or value in ("", []):
        raise RefusedError(
            "value_unfit", _("“%(text)s”不能作为 %(name)s 的取值：%(why)s") % {"text": text[:80], "name": parameter.name, "why": why}
        )
    return value


def _number(text: str) -> Any:
    """Return a number as written. Raises RefusedError `value_unfit`."""
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise RefusedError("value_unfit", _("“%s”不是数字。") % text[:80])
    return value


def _find(name: str) -> str | None:
    parameter = parameters.catalog().parameters.get(name)
    return _label(parameter) if parameter and parameter.is_open else None


def _open(_unit: Unit, _at: datetime) -> Sequence[tuple[str, str]]:
    return [
        (each.name, _label(each)) for each in sorted(parameters.catalog().parameters.values(), key=lambda each: each.name) if each.is_open
    ]


def _label(parameter: Parameter) -> str:
    words = "、".join(dict.fromkeys(parameter.terms.values()))
    places = "、".join(parameter.terms)
    return f"{parameter.name}（{words} {places}）" if words else parameter.name


forms.lookup("parameter", _find, _open)
