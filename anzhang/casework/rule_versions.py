"""Which text of a rule is in force: the shipped one, or one that an approved case put in its place (DESIGN 8; route `rule_change`).

A changed rule keeps its name and so its place in the catalog. It must read as a rule, and run over the registers as they are, before
anybody is asked to decide on it; what it would have found can be tried on the past (`rule_runs.trials`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from anzhang.casework import forms, parameters, rules
from anzhang.casework.models import Approval, Case
from anzhang.casework.queries import require_approval
from anzhang.casework.rules import Rule, RuleError
from anzhang.casework.tables import RuleVersion
from anzhang.directory import rows
from anzhang.directory.models import Unit
from anzhang.events import Event
from anzhang.permissions import Actor
from anzhang.regulation.checks import Context, procedure

ROUTE = "rule_change"


def standing(rule: Rule, at: datetime) -> Rule:
    """Return a shipped rule as it is in force at an instant. Raises RuleError where its changed text no longer reads as a rule."""
    text = RuleVersion.objects.filter(RuleVersion.in_force(at), rule=rule.name).values_list("text", flat=True).first()
    return rule if text is None else _parsed(text, rule.path)


@lru_cache(maxsize=256)
def _parsed(text: str, path: Path) -> Rule:
    return rules.parse_text(text, path)


def proposed(name: str, text: str, at: datetime) -> Rule:
    """Return the rule that a proposal describes. Raises RuleError: it is none, bears another name, or does not run over the registers."""
    from anzhang.casework.rule_runs import run as rule_runs
    from anzhang.engines.sqlbox import BoxError

    shipped = rules.bound()[name]
    rule = rules.parse_text(text.replace("\r\n", "\n"), shipped.path)
    if rule.name != name:
        raise RuleError(f"name: is {rule.name!r}; a changed rule keeps its name {name!r}")
    if missing := sorted(set(rule.parameters) - set(parameters.values(at))):
        raise RuleError(f"parameters: {missing[0]!r} is no parameter of the catalog")
    try:
        rule_runs.run(rule, Context(at, parameters.values(at)))
    except BoxError as error:
        raise RuleError(str(error)) from error
    return rule


@procedure("change_rule")
def change_rule(actor: Actor, case: Case, approval: Approval, at: datetime) -> RuleVersion:
    """Let the text of the case stand for the rule from now on; the version before ends. Raises RefusedError `no_approval`, `form_invalid`.

    An empty text puts the shipped one back. Source: DESIGN 8; route `rule_change`.
    """
    require_approval(case, approval, ROUTE, at)
    if faults := _together(case.form, case.unit, at):
        raise forms.FormError(faults)
    name, text = case.form["rule"], (case.form.get("text") or "").replace("\r\n", "\n").strip()
    with transaction.atomic():
        versions = RuleVersion.objects.filter(rule=name, superseded_at=None)
        for before in versions.filter(RuleVersion.in_force(at)):
            rows.amend(actor, Event.RULE_CHANGE, before, at, valid_to=at)
        shipped = rules.bound()[name].text.strip()
        row = RuleVersion(rule=name, version=versions.count() + 1, text=text or shipped, basis=approval, valid_from=at, recorded_at=at)
        return rows.create(actor, row, at, Event.RULE_CHANGE)


@forms.rule(ROUTE)
def _together(form: Mapping[str, Any], _unit: Unit, at: datetime) -> Mapping[str, str]:
    text = (form.get("text") or "").replace("\r\n", "\n").strip()
    shipped = rules.bound()[form["rule"]]
    if (text or shipped.text.strip()) == standing(shipped, at).text.strip():
        return {"text": _("与现行规则文本相同，没有改动。")}
    try:
        if text:
            proposed(form["rule"], text, at)
    except RuleError as error:
        return {"text": _("规则文本有误：%s") % str(error)[:500]}
    return {}


def _find(name: str) -> str | None:
    rule = rules.bound().get(name)
    return None if rule is None else f"{rule.name}"


def _options(_unit: Unit, _at: datetime) -> Sequence[tuple[str, str]]:
    return [(name, name) for name in rules.bound()]


forms.lookup("rule", _find, _options)
