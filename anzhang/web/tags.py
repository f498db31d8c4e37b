"""Template filters of every page: words for codes, 北京时间, article names. Built into the template engine."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from django import template
from django.utils.functional import Promise
from django.utils.translation import gettext as _

from anzhang import clock
from anzhang.casework import parameters, routes, wording
from anzhang.casework.board import PROOF_WORDS, STATE_WORDS
from anzhang.casework.models import Case, Finding
from anzhang.registers.declaration import Register
from anzhang.web import acts

register = template.Library()

# One word per code over all kinds of row: verdicts, cases, findings.
STATES: Mapping[str, str | Promise] = {
    **STATE_WORDS,
    **{str(value): label for value, label in Finding.State.choices},
    **{str(value): label for value, label in Case.State.choices if value != Case.State.OPEN},
    "running": Case.State.OPEN.label,
}


@register.filter
def state_word(code: str) -> str:
    """Return the word of a state; the code itself when nothing names it."""
    return str(STATES.get(str(code), code))


@register.filter
def proof_word(code: str) -> str:
    """Return the word of a proof class."""
    return str(PROOF_WORDS.get(str(code), code))


@register.filter
def severity_word(code: str) -> str:
    """Return the word of a severity."""
    return wording.severity(code)


@register.filter
def article_word(number: int | str) -> str:
    """Return `第21条`."""
    return _("第%(number)s条") % {"number": number}


@register.filter
def articles_served(about: Register) -> tuple[int, ...]:
    """Return the articles that a register serves in the installation's catalog."""
    return parameters.articles_of(about.id, about.articles)


@register.simple_tag
def basis_of(route: str) -> str:
    """Return the articles that a route rests on in words, in brackets; empty where the catalog has no such route."""
    way = routes.current().get(route)
    return _("（%s）") % "、".join(map(article_word, way.articles)) if way and way.articles else ""


@register.filter
def article_of(obligation: str) -> int:
    """Return the article number in an obligation id such as `A05.3`."""
    return int(obligation[1:].partition(".")[0])


@register.filter
def beijing(instant: datetime | None) -> str:
    """Return an instant as `2026-11-22 09:10`, Beijing time; a dash for none."""
    return clock.minute(instant) if instant else "—"


@register.filter
def beijing_second(instant: datetime | None) -> str:
    """Return an instant to the second, Beijing time."""
    return instant.astimezone(clock.BEIJING).strftime("%Y-%m-%d %H:%M:%S") if instant else "—"


@register.filter
def beijing_day(value: datetime | date | None) -> str:
    """Return the Beijing day of an instant or a date as `2026-11-22`; a dash for none."""
    if isinstance(value, datetime):
        value = clock.day_of(value)
    return value.isoformat() if value else "—"


@register.filter
def iso(instant: datetime | None) -> str:
    """Return an instant for the `datetime` attribute of `<time>`."""
    return instant.astimezone(UTC).isoformat(timespec="seconds") if instant else ""


@register.filter
def size(number: int | None) -> str:
    """Return a number of bytes in the unit that suits it, `—` for none."""
    if number is None:
        return "—"
    amount, unit = float(number), "B"
    for larger in ("KB", "MB", "GB", "TB"):
        if amount < 1024:
            break
        amount, unit = amount / 1024, larger
    return f"{amount:.0f} {unit}" if unit == "B" or amount >= 100 else f"{amount:.1f} {unit}"


@register.filter
def percent(share: float | None) -> str:
    """Return a share from 0 to 1 as whole percent, rounded down so that 99.9 % never reads as all."""
    return "—" if share is None else f"{int(share * 100)} %"


register.filter("act_word", acts.act_word)
register.filter("actor_word", acts.actor_word)
register.filter("way_word", acts.way_word)
register.filter("object_word", acts.object_word)


@register.filter
def item(table: Mapping[str, Any], key: str) -> Any:
    """Return one value of a mapping, None when it is absent."""
    return table.get(key)


@register.filter
def as_json(value: Any) -> str:
    """Return a value as JSON for a `data-` attribute; the template escapes it."""
    return json.dumps(value, ensure_ascii=False)
