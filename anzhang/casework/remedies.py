"""What people do about a finding besides planning: measure it again now, point to evidence, be told when the planned day has passed.

Nothing here closes a finding: a recheck runs the very check that opened it, and the check decides.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from anzhang import clock
from anzhang.casework import eligibility, engine, findings, notices, parameters, reconciliation
from anzhang.casework.models import Finding, Notice, Verdict
from anzhang.casework.tables import EvidenceLink
from anzhang.directory.models import Unit
from anzhang.directory.queries import office_members
from anzhang.events import Event
from anzhang.journal.procedures import write
from anzhang.permissions import Actor, RefusedError
from anzhang.regulation.checks import procedure

PAUSE = timedelta(seconds=10)  # between two measurements of one obligation on demand: a button is no load test
TITLE_LENGTH, ADDRESS_LENGTH, MOST_LINKS = 200, 300, 20


@procedure("recheck_finding")
def recheck(actor: Actor, finding: Finding, vault: Any, at: datetime) -> Finding:
    """Measure a finding's obligation now; return the finding as it stands afterwards.

    Raises RefusedError (`not_answerable`, `just_checked`, `unknown_obligation`).
    """
    _require_remedier(actor, finding.unit, at)
    if finding.obligation not in parameters.catalog().by_id:
        raise RefusedError("unknown_obligation", _("现行规则集没有这项义务。"))
    if Verdict.objects.filter(obligation=finding.obligation, current=True, checked_at__gt=at - PAUSE).exists():
        raise RefusedError("just_checked", _("刚刚核对过，结果没有变化。"), _("稍后再核对。"))
    reconciliation.run(actor, at, vault, obligations=[finding.obligation])
    finding.refresh_from_db()
    return finding


@procedure("add_evidence")
def add_evidence(
    actor: Actor, title: str, address: str, at: datetime, *, finding: Finding | None = None, obligation: str = "", unit: Unit | None = None
) -> EvidenceLink:
    """Point to evidence beside a finding, or beside the verdict of an obligation for a unit; return the link.

    `address` is a path of this platform or an http(s) address. Raises RefusedError (`not_answerable`, `link_invalid`, `too_many_links`).
    """
    _require_remedier(actor, finding.unit if finding else unit, at)
    title, address = title.strip(), address.strip()
    if not _is_safe(address) or not title or max(len(title) / TITLE_LENGTH, len(address) / ADDRESS_LENGTH) > 1 or "\x00" in title:
        raise RefusedError("link_invalid", _("请填写名称，以及以 / 开头的平台内地址或 http(s) 地址。"), _("改正后重新提交。"))
    if finding is None and obligation not in parameters.catalog().by_id:
        raise RefusedError("unknown_obligation", _("现行规则集没有这项义务。"))
    if links_of(finding, obligation, unit).count() >= MOST_LINKS:
        raise RefusedError("too_many_links", _("最多登记 %d 条佐证。") % MOST_LINKS, _("先撤下不用的。"))
    link = EvidenceLink(
        finding=finding, obligation="" if finding else obligation, unit=None if finding else unit, title=title, address=address,
        person_id=engine.person_of(actor), added_at=at,
    )  # fmt: skip
    payload = {"finding": finding.number if finding else None, "obligation": link.obligation, "title": title, "address": address}
    write(actor, Event.EVIDENCE_ADD, link, at=at, payload=payload)
    return link


@procedure("remove_evidence")
def remove_evidence(actor: Actor, link: EvidenceLink, at: datetime) -> EvidenceLink:
    """Take a link down; it stays on record. Raises RefusedError `not_answerable`."""
    _require_remedier(actor, link.finding.unit if link.finding else link.unit, at)
    if link.removed_at is None:
        link.removed_at = at
        write(actor, Event.EVIDENCE_REMOVE, link, at=at, payload={"title": link.title})
    return link


def links_of(finding: Finding | None, obligation: str = "", unit: Unit | None = None) -> QuerySet[EvidenceLink]:
    """Return the links that stand beside a finding or a verdict."""
    standing = EvidenceLink.objects.filter(removed_at=None).select_related("person")
    return standing.filter(finding=finding) if finding else standing.filter(obligation=obligation, unit=unit)


def _is_safe(address: str) -> bool:
    parts = urlsplit(address)
    inside = address.startswith("/") and not address.startswith("//") and "\\" not in address
    return address.isprintable() and " " not in address and (inside or (parts.scheme in {"http", "https"} and bool(parts.hostname)))


def may_remedy(actor: Actor, unit: Unit | None, at: datetime) -> bool:
    """Whether somebody is of the responsible unit or of the Office, and may change anything at all."""
    try:
        _require_remedier(actor, unit, at)
    except RefusedError:
        return False
    return True


def _require_remedier(actor: Actor, unit: Unit | None, at: datetime) -> None:
    eligibility.require_changer(actor)
    own = unit is not None and actor.unit_id == unit.pk
    if actor.person_id is None or not (own or office_members(at).filter(pk=actor.person_id).exists()):
        raise RefusedError("not_answerable", _("只有责任单位和领导小组办公室可以办理。"))


def follow_plans(actor: Actor, at: datetime) -> int:
    """Tell the responsible head once that the planned day of a remedy has passed and the check still fails; return how many."""
    late = list(Finding.objects.filter(state=Finding.State.PLANNED, planned_on__lt=clock.day_of(at)).select_related("unit", "person"))
    told = set(Notice.objects.filter(code="plan_overdue").values_list("link", "params__planned_on")) if late else set()
    new = [each for each in late if (findings.link(each), str(each.planned_on)) not in told]
    posts = findings.Posts() if new else None
    for finding in new:
        head = posts.head(finding.unit, at) if posts else None
        words = {"number": finding.number, "label": finding.subject_label, "planned_on": str(finding.planned_on)}
        with transaction.atomic():
            for who in sorted({person for person in (finding.person_id, head.pk if head else None) if person}):
                notices.notify(actor, who, "plan_overdue", words, findings.link(finding), at)
    return len(new)
