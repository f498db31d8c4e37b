"""References to evidence as links: `officer:12`, `line:<segment>:<seq>`, `segment:<name>`, `entry:<index>`."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.translation import gettext as _

from anzhang.registers.declaration import REGISTERS


@dataclass(frozen=True)
class Evidence:
    """One piece of evidence: what to call it and where to read it; no address when no page shows it."""

    label: str
    href: str = ""


def of(reference: str) -> Evidence:
    """Return the link of a reference; an unknown form is shown as it is."""
    kind, _colon, key = reference.partition(":")
    if kind == "line":
        segment, _colon, seq = key.rpartition(":")
        return Evidence(_("日志 %(segment)s 第 %(seq)s 行") % {"segment": segment, "seq": seq}, _search(segment, seq))
    if kind == "segment":
        return Evidence(_("日志段 %(name)s") % {"name": key}, f"{reverse('register', args=['vault_segment'])}?{urlencode({'q': key})}")
    if kind == "entry" and key.isdigit():
        return Evidence(_("存证 %(index)s") % {"index": key}, f"{reverse('ledger')}{key}/")
    if kind in REGISTERS and key.isdigit():
        return Evidence(f"{REGISTERS[kind].title} {key}", reverse("register_row", args=[kind, key]))
    if kind in REGISTERS:
        return Evidence(f"{REGISTERS[kind].title} {key}", f"{reverse('register', args=[kind])}?{urlencode({'q': key})}")
    return Evidence(reference)


def _search(segment: str, seq: str) -> str:
    return f"{reverse('search')}line/{segment}/{seq}/"
