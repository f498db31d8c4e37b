"""The Django side of the ledger: entries, payloads, frontiers and signed heads.

`Entry.leaf` holds the exact bytes that were hashed; the other columns repeat what the leaf says so that it can
be searched, and `anzhang ledger verify` compares them. On SQLite index, leaf and frontier are written in the transaction of
the business change: the one writer is the sequencer. On PostgreSQL that transaction writes an `Outbox` row (`sequencer.py`).
Tiles repeat the tree's hashes; they make proofs cheap and let the verification name the very entry that was changed.
"""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

__all__ = ["Entry", "Frontier", "Head", "HeadConfirmation", "LedgerCheck", "Ledgered", "Outbox", "Payload", "Tile"]


class Ledgered(models.Model):
    """A row whose present content `ledger verify` compares with the row's last entry."""

    LEDGER_EXCLUDE: ClassVar[frozenset[str]] = frozenset()  # columns that move without an act, such as checked_at

    class Meta:
        abstract = True


class Entry(models.Model):
    """One act, at a dense index."""

    index = models.BigIntegerField(_("序号"), primary_key=True)
    act = models.CharField(_("行为"), max_length=64)
    object_type = models.CharField(_("对象类别"), max_length=64)
    object_key = models.CharField(_("对象"), max_length=128)
    actor = models.CharField(_("操作者"), max_length=128)
    via = models.CharField(_("途径"), max_length=16)
    at = models.DateTimeField(_("时间"))
    after = models.CharField(_("行摘要"), max_length=64, blank=True)
    leaf = models.BinaryField(_("记录"))

    class Meta:
        verbose_name = _("存证记录")
        indexes = (
            models.Index(fields=["object_type", "object_key", "index"], name="entry_object"),
            models.Index(fields=["at"], name="entry_at"),
            models.Index(fields=["actor", "index"], name="entry_actor"),
            models.Index(fields=["act", "index"], name="entry_act"),
        )


class Payload(models.Model):
    """What an entry commits to: salted, so that erasing the salt erases the meaning and keeps the proof."""

    entry = models.OneToOneField(Entry, models.PROTECT, primary_key=True, related_name="payload")
    salt = models.BinaryField(_("盐"))
    body = models.BinaryField(_("内容"))

    class Meta:
        verbose_name = _("存证内容")


class Outbox(models.Model):
    """An act that waits for its index: what `Entry` and `Payload` will hold. Always empty on SQLite."""

    leaf = models.BinaryField(_("记录"))
    salt = models.BinaryField(_("盐"))
    body = models.BinaryField(_("内容"))
    staged_at = models.DateTimeField(_("写入时间"), db_default=Now())  # the server's clock, whatever the program's says

    class Meta:
        verbose_name = _("待编号存证")


class Frontier(models.Model):
    """The right edge of one tree: `hashes` are the roots of its perfect subtrees, largest first, 32 bytes each."""

    suite = models.CharField(_("摘要算法"), max_length=8, primary_key=True)
    size = models.BigIntegerField(_("条数"), default=0)
    hashes = models.BinaryField(_("边缘"), default=bytes)

    class Meta:
        verbose_name = _("存证树边缘")


class Head(models.Model):
    """A signed checkpoint of one tree (C2SP tlog-checkpoint)."""

    suite = models.CharField(_("摘要算法"), max_length=8)
    size = models.BigIntegerField(_("条数"))
    root = models.CharField(_("根"), max_length=64)
    note = models.TextField(_("签名文本"))
    signed_at = models.DateTimeField(_("签名时间"))

    class Meta:
        verbose_name = _("签名树头")
        constraints = (models.UniqueConstraint(fields=["suite", "size"], name="one_head_per_size"),)


class Tile(models.Model):
    """Up to 256 hashes of one level of one tree (C2SP tlog-tiles), as of the last signed head."""

    suite = models.CharField(_("摘要算法"), max_length=8)
    level = models.PositiveSmallIntegerField(_("层"))
    index = models.BigIntegerField(_("块号"))
    hashes = models.BinaryField(_("摘要"))

    class Meta:
        verbose_name = _("存证树块")
        constraints = (models.UniqueConstraint(fields=["suite", "level", "index"], name="one_tile_per_place"),)


class HeadConfirmation(models.Model):
    """A head that somebody kept outside this machine and brought back: the ledger still agrees with it."""

    size = models.BigIntegerField(_("条数"))
    root = models.CharField(_("根"), max_length=64)
    confirmed_at = models.DateTimeField(_("确认时间"))
    actor = models.CharField(_("确认人"), max_length=128)

    class Meta:
        verbose_name = _("外存树头确认")
        ordering = ("-confirmed_at", "-pk")


class LedgerCheck(models.Model):
    """The result of one verification of the whole ledger."""

    at = models.DateTimeField(_("验证时间"))
    entries = models.BigIntegerField(_("条数"))
    faults = models.JSONField(_("问题"), default=list, blank=True)  # [{"kind", "subject", "message"}]
    seconds = models.FloatField(_("用时（秒）"), default=0.0)

    class Meta:
        verbose_name = _("存证验证")
        ordering = ("-at", "-pk")
