"""Take the text out of sealed lines: the one exception to keeping every log as it came (Art. 29; DESIGN 7; ADR 0017).

1. A case (route `log_redaction`), decided by the Office and by the auditor, names lines by their sequence numbers and says why.
2. Its effect keeps what is to be done, with a salt of its own. The worker does it (`carry_out`), again and again until it is done.
3. Each segment concerned is followed by a successor in which those lines are case, reason and digest; the ledger is told of both
   roots before the successor stands. `anzhang vault verify` says *redacted* of it from then on, never *intact*.
Evidence under a legal hold stays as it is, whoever decided.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from anzhang.casework import forms
from anzhang.casework.models import Approval, Case
from anzhang.casework.queries import in_force, require_approval
from anzhang.directory.models import Unit
from anzhang.events import Event
from anzhang.journal.procedures import write
from anzhang.monitoring import holds
from anzhang.monitoring.models import LogRedaction, VaultSegment
from anzhang.monitoring.procedures import ChainError
from anzhang.monitoring.succession import is_recorded, record_successor
from anzhang.permissions import Actor
from anzhang.regulation.checks import procedure

if TYPE_CHECKING:
    from anzhang.engines.vault import Vault

ROUTE = "log_redaction"
SHOWN = 5
MOST_LINES = 10_000  # by one case
_BUSY = gettext_lazy("日志库正在校验或复制，稍后自动再试。")
_RUN = re.compile(r"(\d{1,18})(?:\s*[-–—~至]\s*(\d{1,18}))?")

Runs = tuple[tuple[int, int], ...]


class LinesError(Exception):
    """Lines are named wrongly; the message says how, in the reader's language."""


def parse(text: str) -> Runs:
    """Return sequence numbers as people write them (`120-125, 301`) as ascending runs, neighbours joined. Raises LinesError."""
    found: list[tuple[int, int]] = []
    for piece in (each.strip() for each in re.split(r"[,，、;；\s]+(?![-–—~至])(?<![-–—~至]\s)", text)):
        if not piece:
            continue
        match = _RUN.fullmatch(piece)
        if match is None:
            raise LinesError(_("“%s”不是行的序号；写成 120-125, 301 这样。") % piece[:40])
        first, last = int(match[1]), int(match[2] or match[1])
        if not 1 <= first <= last:
            raise LinesError(_("“%s”的起止序号不对。") % piece[:40])
        found.append((first, last))
    joined: list[tuple[int, int]] = []
    for first, last in sorted(found):
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = joined[-1][0], max(joined[-1][1], last)
        else:
            joined.append((first, last))
    if not joined:
        raise LinesError(_("请写明行的序号。"))
    if sum(last - first + 1 for first, last in joined) > MOST_LINES:
        raise LinesError(_("一次最多 %d 行；更多的分开提出。") % MOST_LINES)
    return tuple(joined)


@forms.rule(ROUTE)
def _together(form: Mapping[str, Any], _unit: Unit, _at: datetime) -> Mapping[str, str]:
    try:
        runs = parse(form["lines"])
    except LinesError as error:
        return {"lines": str(error)}
    segments = _holding(runs)
    if gap := next(_missing(runs, segments), None):
        return {"lines": _("序号 %d 的行不在已封存并保留的日志段里；行封存后（约一分钟）再提出。") % gap}
    if held := holds.standing(segments):
        number, hold = min(held.items())
        name = next(segment.name for segment in segments if segment.number == number)
        return {"lines": _("日志段 %(name)s 由证据保全 %(code)s 留存，不得改动。") % {"name": name, "code": hold.code}}
    if "\n" in form["reason"] or "\r" in form["reason"]:
        return {"reason": _("理由写成一行，它会留在日志里。")}
    return {}


def _holding(runs: Runs) -> list[VaultSegment]:
    """Return the standing segments that hold some of the lines, in order."""
    found: dict[int, VaultSegment] = {}
    standing = VaultSegment.objects.filter(state=VaultSegment.State.SEALED)
    for first, last in runs:
        found |= {segment.number: segment for segment in standing.filter(first_seq__lte=last, last_seq__gte=first)}
    return [found[number] for number in sorted(found)]


def _missing(runs: Runs, segments: Iterable[VaultSegment]) -> Iterator[int]:
    """Yield the first line of each run that no segment holds."""
    spans = sorted((segment.first_seq, segment.last_seq) for segment in segments)
    for first, last in runs:
        place = first
        for begin, end in spans:
            if begin <= place <= end:
                place = end + 1
        if place <= last:
            yield place


def references(form: Mapping[str, Any]) -> list[str]:
    """Return where the first lines that a case names can be read, for those who decide it: `line:<segment>:<seq>`."""
    try:
        runs = parse(form.get("lines") or "")
    except LinesError:
        return []
    segments = _holding(runs[:SHOWN])
    within = ((seq, next((s for s in segments if s.first_seq <= seq <= s.last_seq), None)) for seq, _last in runs[:SHOWN])
    return [f"line:{segment.number}:{seq}" for seq, segment in within if segment is not None]


@procedure("redact_lines")
def redact_lines(actor: Actor, case: Case, approval: Approval, at: datetime) -> LogRedaction:
    """Keep that the text of the case's lines is to be taken out. Raises RefusedError `no_approval`, `form_invalid`."""
    require_approval(case, approval, ROUTE, at)
    if faults := _together(case.form, case.unit, at):
        raise forms.FormError(faults)
    redaction = LogRedaction(
        case=case, code=case.number, reason=case.form["reason"], lines=[list(run) for run in parse(case.form["lines"])],
        salt=secrets.token_hex(32), approved_at=at,
    )  # fmt: skip
    write(actor, Event.REDACTION_APPROVE, redaction, at=at, payload={"case": case.number, "lines": redaction.lines})
    return redaction


def carry_out(actor: Actor, vault: Vault, at: datetime) -> str:
    """Do every approved redaction that is not done; return what to say of it. Running twice changes nothing."""
    done = 0
    waiting = list(LogRedaction.objects.filter(state=LogRedaction.State.WAITING).select_related("case").order_by("pk"))
    if waiting and (trouble := _settled(vault)):
        return f"{len(waiting)} redactions waiting: {trouble}"
    for redaction in waiting:
        if not in_force(ROUTE, at).filter(case=redaction.case).exists():
            redaction.state, redaction.trouble = LogRedaction.State.REVOKED, ""
            write(actor, Event.REDACTION_REVOKED, redaction, at=at, payload={"case": redaction.code})
            done += 1
            continue
        trouble = _carried_out(actor, vault, redaction, at)
        done += not trouble
        if trouble != redaction.trouble:
            LogRedaction.objects.filter(pk=redaction.pk).update(trouble=trouble[:500])
    return f"{done} redactions done, {len(waiting) - done} waiting"


def _settled(vault: Vault) -> str:
    """Finish what a kill left of an earlier one; return what stands against it."""
    from anzhang.engines.vault import BusyError

    try:
        vault.settle(is_recorded)
    except BusyError:
        return str(_BUSY)
    return ""


def _carried_out(actor: Actor, vault: Vault, redaction: LogRedaction, at: datetime) -> str:
    """Do one; return what stands against it, or nothing."""
    from anzhang.engines.vault import BusyError, Redaction, SuccessionError

    runs: Runs = tuple((first, last) for first, last in redaction.lines)
    if held := holds.standing(_holding(runs)):
        return _("证据保全 %s 留存了这些日志，解除后才能隐去。") % min(held.items())[1].code
    wanted = Redaction(redaction.code, redaction.reason, runs, redaction.approved_at)
    try:
        made = vault.redact(wanted, bytes.fromhex(redaction.salt), lambda sealed: record_successor(actor, sealed, at))
    except BusyError:
        return str(_BUSY)
    except (SuccessionError, ChainError, OSError) as error:
        return str(error)  # said beside this one; the others go on
    redaction.state, redaction.done_at, redaction.trouble = LogRedaction.State.DONE, at, ""
    lines = sum(each.lines for sealed in made for each in sealed.redactions if each.case == redaction.code)
    with transaction.atomic():
        payload = {"case": redaction.code, "segments": [sealed.name for sealed in made], "lines": lines}
        write(actor, Event.REDACTION_DONE, redaction, at=at, payload=payload)
    return ""


def matching(vault: Vault, redaction: LogRedaction, line: bytes) -> list[tuple[int, str]]:
    """Return which redacted lines of a case `line` (without terminator) was: sequence number and digest."""
    from anzhang.engines.vault import Query
    from anzhang.engines.vault.succession import digest_of

    digest = digest_of(bytes.fromhex(redaction.salt), line)
    hits = vault.search(Query(term=digest, limit=MOST_LINES)).hits
    return [(hit.seq, digest) for hit in hits if hit.redacted and f"case {redaction.code}:" in hit.line]
