"""References to evidence as links: `officer:12`, `line:<segment>:<seq>`, `segment:<name>`, `entry:<index>`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.translation import gettext as _

from anzhang.monitoring.models import VaultSegment
from anzhang.registers.declaration import REGISTERS


@dataclass(frozen=True)
class Evidence:
    """One piece of evidence: what to call it and where to read it; no address when no page shows it."""

    label: str
    href: str = ""


def of(references: Iterable[str]) -> list[Evidence]:
    """Return the links of references; an unknown form is shown as it is."""
    references = list(references)
    names = {reference.split(":")[1] for reference in references if reference.startswith("line:")}
    segments = {name: number for name in names if (number := _number(name)) is not None}
    return [_one(reference, segments) for reference in references]


def _number(name: str) -> int | None:
    """Return the number of a segment by any name it ever had: that of a successor is its number's with a generation behind."""
    digits = name.partition(".")[0].rpartition("-")[2]
    return int(digits) if digits.isascii() and digits.isdigit() and VaultSegment.objects.filter(number=int(digits)).exists() else None


def _one(reference: str, segments: Mapping[str, int]) -> Evidence:
    kind, _colon, key = reference.partition(":")
    if kind == "line":
        segment, _colon, seq = key.rpartition(":")
        label = _("日志段 %(segment)s 第 %(seq)s 行") % {"segment": segment, "seq": seq}
        number = int(segment) if segment.isdigit() else segments.get(segment)
        return Evidence(label, reverse("log_line", args=[number, int(seq)]) if number is not None and seq.isdigit() else "")
    if kind == "segment":
        return Evidence(_("日志段 %(name)s") % {"name": key}, _listed("vault_segment", key))
    if kind == "entry" and key.isdigit():
        return Evidence(_("存证第 %(index)s 条") % {"index": key}, reverse("ledger_entry", args=[int(key)]))
    if kind == "case":
        return Evidence(_("事项 %(number)s") % {"number": key}, reverse("case", args=[key]))
    if kind in REGISTERS:
        href = reverse("register_row", args=[kind, key]) if key.isdigit() else _listed(kind, key)
        return Evidence(f"{REGISTERS[kind].title} {key}", href)
    return Evidence(reference)


def _listed(register: str, text: str) -> str:
    return f"{reverse('register', args=[register])}?{urlencode({'q': text})}"
