"""The small marks of a row: state, proof class, instants, deadlines. Built into the template engine.

Written here and not as components, because a list draws them a hundred times and a component costs fifty times as much.
"""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from html import escape

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from anzhang.web.tags import basis_of, beijing, iso, proof_word, state_word

register = template.Library()


@register.filter
def state_mark(code: str) -> SafeString:
    """Return a state as its mark and word."""
    return _state_mark(str(code), get_language())


@lru_cache(maxsize=256)
def _state_mark(code: str, _language: str | None) -> SafeString:
    word = escape(state_word(code))
    return SafeString(f'<span class="az-state az-{escape(code)}"><span class="az-mark" aria-hidden="true"></span>{word}</span>')


@register.filter
def proof_mark(kind: str) -> SafeString:
    """Return a proof class as its mark."""
    return format_html('<span class="az-proof {}">{}</span>', kind, proof_word(kind))


@register.filter
def instant(at: datetime | None) -> SafeString:
    """Return an instant as `<time>`, Beijing time to the minute."""
    return SafeString(f'<time datetime="{iso(at)}">{beijing(at)}</time>')


@register.simple_tag
def due(at: datetime | None, now: datetime, done: datetime | None = None) -> SafeString:
    """Return a deadline as `<time>`, marked as late when it has passed and nothing is done; a dash for none."""
    if not at:
        return SafeString("—")
    late = not done and at < now
    style, word = (' class="az-late"', f" {escape(_('逾期'))}") if late else ("", "")
    return SafeString(f'<time datetime="{iso(at)}"{style}>{beijing(at)}{word}</time>')


@register.simple_tag
def provisional() -> SafeString:
    """Return the mark of what rests on a default that the Office has not signed (暂行)."""
    why = f"{_('所依据的取值尚未由办公室作出解释')}{basis_of('interpretation')}"
    return SafeString(f'<span class="az-provisional" title="{escape(why)}">{escape(_("暂行"))}</span>')
