"""The verbs of monitoring: register a source, give it a token, record a sealed segment, refuse or do its disposal (Art. 29)."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Protocol

from django.db import transaction
from django.db.models import F
from django.utils.translation import gettext as _

from anzhang.engines.vault.batch import SealedSegment
from anzhang.events import Event
from anzhang.journal.procedures import record, write
from anzhang.monitoring import holds, validation
from anzhang.monitoring.models import LogSource, LogSourceActivity, VaultCheck, VaultSegment
from anzhang.permissions import Actor, Permission, RefusedError, Via
from anzhang.regulation.checks import gate, procedure

FLOOR = timedelta(days=184)  # the longest run of six calendar months; nobody lowers it (Art. 29)
TOKEN_PREFIX = "azs_"  # noqa: S105  # makes a leaked token recognizable; not a token


class ChainError(Exception):
    """A sealed segment does not continue the recorded chain; vault and database disagree and nothing is written."""


class Disposer(Protocol):
    """The part of the vault that deletes a segment's files."""

    def dispose(self, name: str, at: datetime, held: Collection[str] = ()) -> None:
        """Delete the files of a sealed segment; of the older ones only those that are held may still be there."""


@procedure("register_source")
def register_source(actor: Actor, source: LogSource, at: datetime) -> LogSource:
    """Register a sender. Raises RefusedError without the right or when a column is wrong, naming it.

    Source: Art. 29.
    """
    need_registrar(actor)
    validation.check_source(source)
    with transaction.atomic():
        if LogSource.objects.filter(code=source.code).exists():
            raise RefusedError("source_exists", _("日志源编号 %s 已登记。") % source.code, _("换一个编号，或修改已登记的日志源。"))
        validation.check_routes(source)
        write(actor, Event.SOURCE_REGISTER, source, at=at, payload={"code": source.code, "unit": source.unit.code})
    return source


@procedure("change_source")
def change_source(actor: Actor, source: LogSource, at: datetime) -> LogSource:
    """Save a changed source under the version it was read with; the second of two editors is refused."""
    need_registrar(actor)
    validation.check_source(source)
    with transaction.atomic():
        before = LogSource.objects.select_for_update().get(pk=source.pk)
        if before.version != source.version:
            raise RefusedError("version_conflict", _("日志源已被他人修改。"), _("刷新后比较两次修改，再提交。"))
        if before.code != source.code:
            raise RefusedError("code_fixed", _("日志源编号是日志里的来源标记，不能更改。"), _("停用旧的日志源，登记新的。"))
        validation.check_routes(source)
        source.version += 1
        source.token_hash = before.token_hash
        write(actor, Event.SOURCE_CHANGE, source, at=at, payload={"code": source.code})
    return source


@procedure("issue_source_token")
def issue_source_token(actor: Actor, source: LogSource, at: datetime) -> str:
    """Return a new bearer token for HTTP push, shown this once; the earlier one stops working.

    Only its SHA-256 is kept: it has 256 random bits, so a slow hash would add nothing.
    """
    _need(actor, Permission.TOKENS_MANAGE)
    token = TOKEN_PREFIX + secrets.token_urlsafe(32)
    with transaction.atomic():
        row = LogSource.objects.select_for_update().get(pk=source.pk)
        row.token_hash = hash_token(token)
        row.version += 1
        write(actor, Event.TOKEN_ISSUE, row, at=at, payload={"source": row.code})
    return token


@procedure("revoke_source_token")
def revoke_source_token(actor: Actor, source: LogSource, at: datetime) -> LogSource:
    """End the token of a source. Raises RefusedError `no_token` when it has none."""
    _need(actor, Permission.TOKENS_MANAGE)
    with transaction.atomic():
        row = LogSource.objects.select_for_update().get(pk=source.pk)
        if not row.token_hash:
            raise RefusedError("no_token", _("日志源 %s 没有令牌。") % row.code)
        row.token_hash = ""
        row.version += 1
        write(actor, Event.TOKEN_REVOKE, row, at=at, payload={"source": row.code})
    return row


def hash_token(token: str) -> str:
    """Return the digest under which a source's token is kept, hex."""
    return hashlib.sha256(token.encode()).hexdigest()


def record_segment(actor: Actor, sealed: SealedSegment, at: datetime) -> VaultSegment:
    """Write a sealed segment, its sources' activity and its ledger entry in one transaction; twice is once.

    Raises ChainError when number or previous root do not continue the recorded chain.
    """
    with transaction.atomic():
        known = VaultSegment.objects.filter(number=sealed.number).first()
        if known is not None:
            if (known.chain_sha256 or known.root_sha256) != sealed.chain[0]:
                raise ChainError(f"segment {sealed.number}: recorded root {known.root_sha256}, sealed root {sealed.root_sha256}")
            return known
        last = VaultSegment.objects.order_by("-number").first()
        expected = (1, "") if last is None else (last.number + 1, last.chain_sha256 or last.root_sha256)
        if (sealed.number, sealed.previous_sha256) != expected:
            raise ChainError(
                f"segment {sealed.number} after {sealed.previous_sha256 or 'none'}: expected {expected[0]} after {expected[1] or 'none'}"
            )
        segment = VaultSegment(
            number=sealed.number, name=sealed.name, day=sealed.day, node=sealed.node, first_seq=sealed.first_seq, last_seq=sealed.last_seq,
            rows=sealed.rows, raw_bytes=sealed.raw_bytes, file_bytes=sealed.file_bytes, min_at=sealed.min_at, max_at=sealed.max_at,
            sources=dict(sealed.sources), root_sha256=sealed.root_sha256, root_sm3=sealed.root_sm3,
            previous_sha256=sealed.previous_sha256, sealed_at=at,
        )  # fmt: skip
        segment.save(force_insert=True)
        _note_activity(segment, at)
        names = ("number", "name", "first_seq", "last_seq", "rows", "sources", "root_sha256", "root_sm3", "previous_sha256")
        payload = {name: getattr(segment, name) for name in names}
        record(actor, Event.SEGMENT_SEAL, segment, at=at, payload=payload)
    return segment


def _note_activity(segment: VaultSegment, at: datetime) -> None:
    sources = {source.code: source for source in LogSource.objects.filter(code__in=segment.sources)}
    for code, rows in segment.sources.items():
        if code not in sources:
            continue  # `vault ingest` may name any source; lines of an unregistered one belong to no unit
        share = segment.raw_bytes * rows // max(segment.rows, 1)
        activity = LogSourceActivity.objects.filter(source=sources[code]).first()
        if activity is None:
            activity = LogSourceActivity(source=sources[code], first_seen_at=at)
        if activity.first_segment is None:
            activity.first_segment = segment.number
        activity.last_seen_at = at
        activity.lines += rows
        activity.bytes += share
        activity.save()


def note_quota(code: str, at: datetime) -> None:
    """Keep that a source ran over its hourly quota and was held back; A29.6 reads it."""
    _note(code, at, over_quota_at=at)


def note_loss(code: str, messages: int, at: datetime) -> None:
    """Keep that messages were lost while a source was sending: at most so many of its own; A29.6 reads it."""
    _note(code, at, lost_at=at, lost=F("lost") + messages)


def note_refusal(code: str, why: str, connections: int, at: datetime) -> None:
    """Keep that connections from a source's registered address were refused, and why; A29.6 reads it."""
    _note(code, at, refused_at=at, refused_why=why, refused=F("refused") + connections)


def _note(code: str, at: datetime, **changes: Any) -> None:
    """Write what the collector saw of a source beside its lines. It is no act of anybody's: findings read it, the ledger does not."""
    with transaction.atomic():
        source = LogSource.objects.filter(code=code).first()
        if source is None:
            return
        LogSourceActivity.objects.get_or_create(source=source, defaults={"first_seen_at": at, "last_seen_at": at})
        LogSourceActivity.objects.filter(source=source).update(**changes)


@gate("log_disposal")
def log_disposal(segment: VaultSegment, at: datetime) -> RefusedError | None:
    """Decide whether a segment may be deleted: 184 days after it was sealed and after its newest line, and no legal hold keeps it.

    Source: Art. 29.
    """
    if at - max(segment.sealed_at, segment.max_at if segment.max_at <= at else segment.sealed_at) < FLOOR:
        message = _("日志段 %s 留存未满六个月，任何人不得删除。") % segment.name
        return RefusedError("retention_floor", message, _("%s 之后方可清理。") % (segment.sealed_at + FLOOR).date())
    hold = holds.standing([segment]).get(segment.number)
    if hold is not None:
        message = _("日志段 %(name)s 由证据保全 %(code)s 留存，不得删除。") % {"name": segment.name, "code": hold.code}
        return RefusedError("legal_hold", message, _("由保全人以外的人解除保全后方可清理。"))
    return None


@procedure("dispose_segment")
def dispose_segment(actor: Actor, segment: VaultSegment, at: datetime, vault: Disposer | None = None) -> VaultSegment:
    """Delete a segment past the floor that no hold keeps; else refuse everybody and keep the attempt in the ledger.

    Call it outside a transaction that the refusal would roll back. Raises RefusedError `retention_floor`, `legal_hold`, `no_vault`.
    """
    if (refusal := log_disposal(segment, at)) is not None:
        with transaction.atomic():
            payload = {"number": segment.number, "name": segment.name, "sealed_at": segment.sealed_at, "why": refusal.code}
            record(actor, Event.SEGMENT_DELETE_REFUSED, ("vault_segment", str(segment.number)), at=at, payload=payload)
        raise refusal
    _need(actor, Permission.SOURCES_MANAGE)
    if vault is None:
        raise RefusedError("no_vault", _("此处没有日志库。"))
    with transaction.atomic():
        row = VaultSegment.objects.select_for_update().get(pk=segment.pk)
        if (refusal := log_disposal(row, at)) is not None:  # a hold placed meanwhile
            raise refusal
        row.state, row.deleted_at = VaultSegment.State.DELETED, at
        older = list(VaultSegment.objects.filter(state=VaultSegment.State.SEALED, number__lt=row.number))
        kept = holds.standing(older)
        write(actor, Event.SEGMENT_DELETE, row, at=at, payload={"number": row.number, "root_sha256": row.root_sha256})
        vault.dispose(row.name, at, [each.name for each in older if each.number in kept])
    return row


def dispose_expired(actor: Actor, vault: Disposer, at: datetime, *, keep: timedelta) -> tuple[list[VaultSegment], list[RefusedError]]:
    """Delete the segments sealed longer ago than `keep`, the oldest first; return them, and for each that stayed what keeps it.

    `keep` below the floor is the floor. Raises RefusedError without the right.
    """
    _need(actor, Permission.SOURCES_MANAGE)
    gone: list[VaultSegment] = []
    stayed: list[RefusedError] = []
    for segment in VaultSegment.objects.filter(state=VaultSegment.State.SEALED, sealed_at__lte=at - max(keep, FLOOR)).order_by("number"):
        refusal = log_disposal(segment, at)  # asked here, so that a sweep leaves no attempts in the ledger
        if refusal is None:
            gone.append(dispose_segment(actor, segment, at, vault))
            continue
        stayed.append(refusal)
        if refusal.code != "legal_hold":
            break  # a line of it is younger than the floor: it stays, and so does what came after it
    return gone, stayed


def record_query(actor: Actor, query: Mapping[str, Any], *, hits: int, at: datetime) -> None:
    """Keep who searched the vault for what, and how much was shown (Art. 29)."""
    with transaction.atomic():
        record(actor, Event.VAULT_QUERY, ("vault", "query"), at=at, payload={"query": dict(query), "hits": hits})


def record_check(actor: Actor, faults: Iterable[Mapping[str, str]], *, segments: int, seconds: float, at: datetime) -> VaultCheck:
    """Keep the result of verifying the vault; what A29.6 judges by."""
    with transaction.atomic():
        check = VaultCheck.objects.create(at=at, segments=segments, faults=[dict(fault) for fault in faults], seconds=seconds)
        record(actor, Event.VAULT_VERIFY, ("vault", "check"), at=at, payload={"segments": segments, "faults": check.faults})
    return check


def record_copy(actor: Actor, target: str, faults: Collection[str], *, segments: int, copied: int, verified: bool, at: datetime) -> None:
    """Keep that the vault was copied elsewhere, or that the copy was read again, and what was wrong."""
    with transaction.atomic():
        payload = {"target": target, "segments": segments, "copied": copied, "verified": verified, "faults": list(faults)}
        record(actor, Event.VAULT_COPY, ("vault", "copy"), at=at, payload=payload)


def need_registrar(actor: Actor) -> None:
    """Let also the operating-system user register senders: `init` and the import of this plain register act so (DESIGN 5)."""
    if not actor.id.startswith("os:"):
        _need(actor, Permission.SOURCES_MANAGE)


def _need(actor: Actor, permission: Permission) -> None:
    if not (actor.may(permission) or actor.via is Via.SETUP):
        raise RefusedError("not_permitted", _("您没有这项权限（%s）。") % permission, _("请联系负责的管理员。"))
