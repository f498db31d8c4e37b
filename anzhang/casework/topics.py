"""Sign the values of one topic together (Art. 35): up to ten open words in one case, one line each, `vacancy_days = 7`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from anzhang.casework import forms, interpretations, parameters
from anzhang.casework.models import Approval, Case, Interpretation
from anzhang.casework.queries import require_approval
from anzhang.directory.models import Unit
from anzhang.permissions import Actor, RefusedError
from anzhang.regulation.catalog import Parameter
from anzhang.regulation.checks import procedure

MOST = 10  # values that one case may carry: more than that nobody reads


@procedure("sign_topic")
def sign_topic(actor: Actor, case: Case, approval: Approval, at: datetime) -> list[Interpretation]:
    """Let every value of the case govern from now on, all or none; return the interpretations.

    Raises RefusedError `no_approval`, and what `read` raises.

    Source: Art. 35; route `interpretation_topic`.
    """
    require_approval(case, approval, "interpretation_topic", at)
    with transaction.atomic():
        return [interpretations.put_in_force(actor, case, parameter, value, at) for parameter, value in read(str(case.form["values"]))]


def read(text: str) -> list[tuple[Parameter, Any]]:
    """Return the values that the lines of a form give, as (parameter, value).

    Raises RefusedError `values_unfit` naming the line: no equals sign, an unknown or fixed word, a word twice, an unfit value,
    none at all or more than ten.
    """
    found: list[tuple[Parameter, Any]] = []
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    if not 1 <= len(lines) <= MOST:
        raise RefusedError("values_unfit", _("一个专题写 1 至 %d 个取值，一行一个。") % MOST)
    for number, line in lines:
        name, equals, value = (part.strip() for part in line.replace("＝", "=").partition("="))
        parameter = parameters.catalog().parameters.get(name)
        if not equals or parameter is None or not parameter.is_open or any(name == each.name for each, _value in found):
            message = _("第 %(number)d 行“%(line)s”应写成“参数 = 取值”，参数须是可以解释的，且只写一次。")
            raise RefusedError("values_unfit", message % {"number": number, "line": line[:60]})
        found.append((parameter, interpretations.read(parameter, value)))
    return found


def line_of(parameter: Parameter, value: Any) -> str:
    """Return the line by which a form gives a value: what `read` turns back into it."""
    text = (
        "; ".join(map(str, value))
        if isinstance(value, list)
        else value
        if isinstance(value, str)
        else json.dumps(value, ensure_ascii=False)
    )
    return f"{parameter.name} = {text}"


@forms.rule("interpretation_topic")
def _together(form: Mapping[str, Any], _unit: Unit, _at: datetime) -> Mapping[str, str]:
    try:
        read(str(form["values"]))
    except RefusedError as refusal:
        return {"values": refusal.message}
    return {}
