"""The Django side of the ledger: entries, payloads, frontiers and signed heads.

`Entry.leaf` holds the exact bytes that were hashed; the other columns repeat what the leaf says so that it can
be searched, and `anzhang ledger verify` compares them. Index, leaf and frontier are written in the transaction of
the business change (SQLite: the one writer is the sequencer).
"""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

__all__ = ["Entry", "Frontier", "Head", "Ledgered", "Payload"]


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
