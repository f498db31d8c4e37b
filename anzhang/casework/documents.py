"""What leaves the platform on paper: the record that goes with an archived sheet, and the entry that says who printed."""

from __future__ import annotations

import hashlib
from datetime import datetime
from enum import StrEnum
from typing import Any

from django.db import transaction

from anzhang.casework.models import Act, Case
from anzhang.casework.queries import approval_of
from anzhang.engines.crypto import SUITES
from anzhang.engines.ledger import canonical as jcs
from anzhang.events import Event
from anzhang.journal import queries, sequencer
from anzhang.journal.models import Entry, Ledgered
from anzhang.journal.procedures import object_type, record
from anzhang.permissions import Actor


class Kind(StrEnum):
    """The printable sheets; a bureau's own Word template is named after one."""

    APPROVAL_SHEET = "approval_sheet"
    FILING_FORM = "filing_form"


def entry_of(row: Ledgered) -> Entry | None:
    """Return the last ledger entry about a row, None when it has none."""
    sequencer.settle()
    return Entry.objects.filter(object_type=object_type(row), object_key=str(row.pk)).order_by("-index").first()


def record_of(case: Case) -> dict[str, Any]:
    """Return everything that a reader without this software needs to check an archived sheet.

    The case with its frozen rules, what was asked, every act, what was granted; for the case and each act the exact leaf that
    the ledger hashed and, once signed, its inclusion proof (C2SP tlog-proof).
    """
    approval = approval_of(case)
    acts = list(case.acts.select_related("person__unit", "target", "principal"))
    return {
        "format": 1,
        "number": case.number,
        "title": case.title,
        "route": case.route,
        "rules": case.rules,
        "form": case.form,
        "state": case.state,
        "round": case.round,
        "unit": {"code": case.unit.code, "name": case.unit.name},
        "applicant": {"code": case.applicant.code, "name": case.applicant.name},
        "filed_at": jcs.instant(case.filed_at),
        "decided_at": jcs.instant(case.decided_at) if case.decided_at else None,
        "acts": [
            {
                "round": act.round,
                "step": act.step,
                "verb": act.verb,
                "person": {"code": act.person.code, "name": act.person.name, "unit": act.person.unit.name, "post": act.person.post},
                "opinion": act.opinion,
                **_beside(act),
                "at": jcs.instant(act.at),
                "ledger": _evidence(entry_of(act)),
            }
            for act in acts
        ],
        "approval": None
        if approval is None
        else {
            "scope": approval.scope,
            "authority": approval.authority,
            "origin": approval.origin,
            "scan_sha256": approval.scan_sha256,
            "revoked_at": jcs.instant(approval.revoked_at) if approval.revoked_at else None,
            "valid_from": jcs.instant(approval.valid_from),
            "valid_to": jcs.instant(approval.valid_to) if approval.valid_to else None,
        },
        "ledger": _evidence(entry_of(case)),
    }


def _beside(act: Act) -> dict[str, Any]:
    """Return in whose seat a deputy signed, and to whom a turn went or who was asked to sign; nothing for other acts."""
    people = {"principal": act.principal, "target": act.target}
    named = {key: {"code": each.code, "name": each.name} for key, each in people.items() if each is not None}
    return {**named, "placement": act.placement} if act.placement else named


def _evidence(entry: Entry | None) -> dict[str, Any] | None:
    if entry is None:
        return None
    leaf = bytes(entry.leaf)
    found: dict[str, Any] = {"index": entry.index, "leaf": leaf.decode()}
    for suite in SUITES:
        found[suite.name] = suite.leaf(leaf).hex()
    try:
        found["proof"] = queries.prove(entry.index).text()
    except queries.NotProvableError:
        found["proof"] = None  # not signed yet: the number and digest still name the entry
    return found


@transaction.atomic
def record_printing(actor: Actor, kind: Kind, number: str, form: str, body: bytes, at: datetime) -> None:
    """Note who took a sheet out, in which form, and the digest of the file: every sheet carries names and posts."""
    payload = {"kind": kind.value, "form": form, "sha256": hashlib.sha256(body).hexdigest()}
    record(actor, Event.DOCUMENT_PRINT, ("document", number), at=at, payload=payload)
