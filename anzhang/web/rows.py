"""The bodies of long tables and lists: options, squares, cases, findings, verdicts, ledger entries. Built in as template filters and tags.

Written here and not in templates, because a template costs about fifteen microseconds a tag and a page of fifty rows has a
thousand: half of what the page costs. Everything from a row goes through `escape`; marks are written by `marks`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import cache
from html import escape
from typing import TYPE_CHECKING

from django import template
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from anzhang.casework.board import UnitVerdict
from anzhang.journal.models import Entry
from anzhang.web import acts
from anzhang.web.marks import due, instant, state_mark
from anzhang.web.tags import STATES, article_of, article_word, beijing_day, percent, severity_word, state_word

if TYPE_CHECKING:
    from anzhang.casework.models import Finding
    from anzhang.directory.models import Unit
    from anzhang.regulation.catalog import Obligation
    from anzhang.web import board, cases, findings

register = template.Library()


@cache
def _before(name: str) -> str:
    """Return what stands before the number in the addresses of a page, e.g. `/cases/`."""
    return reverse(name, args=[0]).removesuffix("0/")


@register.simple_tag
def options(pairs: Iterable[tuple[object, object]], chosen: object) -> SafeString:
    """Return the options of a choice, value and word each."""
    kept = str(chosen)
    return SafeString("".join(_option(str(value), str(word), kept) for value, word in pairs))


@register.simple_tag
def unit_options(units: Iterable[Unit], chosen: str) -> SafeString:
    """Return the options of a choice of units; `chosen` is a code, or empty."""
    return SafeString("".join(_option(unit.code, unit.name, chosen) for unit in units))


def _option(value: str, word: str, chosen: str) -> str:
    return f'<option value="{escape(value)}"{" selected" if value == chosen else ""}>{escape(word)}</option>'


@register.simple_tag
def squares(blocks: Iterable[board.Block], query: str) -> SafeString:
    """Return a square for each article, a link each; `query` keeps the unit chosen."""
    base, words = _before("article"), {state: state_word(state) for state in STATES}
    return SafeString("".join(_square(block, base, escape(query), words) for block in blocks))


def _square(block: board.Block, base: str, query: str, words: Mapping[str, str]) -> str:
    name = escape(f"{article_word(block.number)} {block.title}：{words[block.state]}")
    return (
        f'<li><a class="{block.state}" href="{base}{block.number}/{query}" title="{name}"><span aria-hidden="true">{block.number}</span>'
        f'<span class="visually-hidden">{name}</span></a></li>'
    )


@register.simple_tag
def case_rows(lines: Iterable[cases.Line], now: datetime, *, todo: bool) -> SafeString:
    """Return the rows of a list of cases; in a list of todos every row shows its deadline."""
    base = _before("case")
    return SafeString("".join(_case(line, base, now, todo=todo) for line in lines))


def _case(line: cases.Line, base: str, now: datetime, *, todo: bool) -> str:
    case, number, title = line.case, escape(line.case.number), escape(line.case.title)
    link = f'<a href="{base}{number}/">'
    when = due(line.due_at, now) if todo or line.state == "running" else instant(case.decided_at)
    return (
        f'<tr><td class="tight">{link}{number}</a></td><td class="line" title="{title}">{link}{title}</a></td>'
        f'<td>{escape(case.unit.name)}</td><td class="tight">{escape(case.applicant.name)}</td><td>{escape(line.step) or "—"}</td>'
        f"<td>{escape('、'.join(line.handlers)) or '—'}</td>"
        f'<td class="tight">{state_mark(line.state)}</td><td class="tight">{when}</td></tr>\n'
    )


@register.simple_tag
def finding_rows(lines: Iterable[findings.Line], now: datetime) -> SafeString:
    """Return the rows of a list of findings."""
    base, articles = _before("finding"), _before("article")
    return SafeString("".join(_finding(line, base, articles, now) for line in lines))


def _finding(line: findings.Line, base: str, articles: str, now: datetime) -> str:
    finding, number, reason = line.finding, escape(line.finding.number), escape(line.reason)
    article, severity = article_of(finding.obligation), escape(finding.severity)
    unit = escape(finding.unit.name) if finding.unit else "—"
    person = escape(finding.person.name) if finding.person else "—"
    return (
        f'<tr><td class="tight"><a href="{base}{number}/">{number}</a></td>'
        f'<td class="tight"><a href="{articles}{article}/#{escape(finding.obligation)}">{escape(article_word(article))}</a></td>'
        f'<td class="line" title="{reason}">{reason}</td><td>{unit}</td><td class="tight">{person}</td>'
        f'<td class="tight"><span class="az-severity-{severity}">{escape(severity_word(finding.severity))}</span></td>'
        f'<td class="tight">{state_mark(finding.state)}</td><td class="tight">{due(finding.due_at, now, finding.closed_at)}</td></tr>\n'
    )


@register.filter
def finding_links(found: Iterable[Finding]) -> SafeString:
    """Return findings as links with their states, in one line."""
    base = _before("finding")
    return SafeString("、".join(_finding_link(finding, base) for finding in found))


def _finding_link(finding: Finding, base: str) -> str:
    number = escape(finding.number)
    return f'<a href="{base}{number}/">{number} {escape(finding.subject_label)}</a>（{escape(state_word(finding.state))}）'


@register.filter
def verdict_rows(verdicts: Iterable[tuple[UnitVerdict, str]], obligation: Obligation) -> SafeString:
    """Return the rows of an obligation's verdicts, a unit each, with the way to what proves it."""
    whole, base = escape(_("全局")), reverse("proofs", args=[obligation.article, obligation.id])
    return SafeString("".join(_verdict(verdict, why, whole, base) for verdict, why in verdicts))


def _verdict(verdict: UnitVerdict, why: str, whole: str, base: str) -> str:
    proof = f"{base}?unit={escape(verdict.code)}" if verdict.code else base
    return (
        f'<tr><td>{escape(verdict.name) or whole}</td><td class="tight"><a href="{proof}">{state_mark(verdict.state)}</a></td>'
        f'<td>{escape(why[:1].upper() + why[1:])}</td><td class="tight">{verdict.population}</td>'
        f'<td class="tight">{percent(verdict.coverage)}</td><td class="tight">{beijing_day(verdict.since)}</td>'
        f'<td class="tight">{instant(verdict.checked_at)}</td></tr>\n'
    )


@register.simple_tag
def entry_rows(entries: Iterable[Entry], names: Mapping[str, str]) -> SafeString:
    """Return the rows of a list of ledger entries; `names` of the people behind actors."""
    base = _before("ledger_entry")
    return SafeString("".join(_entry(entry, base, names.get(entry.actor, "")) for entry in entries))


def _entry(entry: Entry, base: str, name: str) -> str:
    actor = escape(acts.actor_word(entry.actor))
    who = f'{escape(name)} <span class="az-quiet">{actor}</span>' if name else actor
    return (
        f'<tr><td class="tight"><a href="{base}{entry.index}/">{entry.index}</a></td><td class="tight">{instant(entry.at)}</td>'
        f"<td>{escape(acts.act_word(entry.act))}</td><td>{escape(acts.object_word(entry.object_type))} {escape(entry.object_key)}</td>"
        f'<td>{who}</td><td class="tight">{escape(acts.way_word(entry.via))}</td></tr>\n'
    )
