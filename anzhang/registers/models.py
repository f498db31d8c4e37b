"""What the registers keep about themselves: sheets on their way in, files beside rows, and personal filters."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from anzhang.journal.models import Ledgered

__all__ = ["Attachment", "SavedFilter", "SheetImport"]


class SheetImport(models.Model):
    """A large sheet on its way into a register: read and checked by the worker, confirmed by its owner, written at once.

    The file and its staged rows wait under `run/sheets/`; nothing of them is in the register before `state` is done,
    which is written in the transaction of the rows.
    """

    class State(models.TextChoices):
        """Where it stands; the worker takes those that wait for it."""

        WAITING = "waiting", _("等待读取")
        READING = "reading", _("正在读取")
        FAULTY = "faulty", _("有错误，未导入")
        READY = "ready", _("待确认")
        CONFIRMED = "confirmed", _("等待写入")
        WRITING = "writing", _("正在写入")
        DONE = "done", _("已导入")
        FAILED = "failed", _("未能导入")
        CANCELLED = "cancelled", _("已取消")

    key = models.CharField(_("编号"), max_length=32, unique=True)
    register = models.CharField(_("台账"), max_length=64)
    name = models.CharField(_("文件"), max_length=200)
    digest = models.CharField(_("文件摘要"), max_length=64)
    size = models.PositiveBigIntegerField(_("字节数"))
    user = models.ForeignKey("anzhang.User", models.PROTECT, verbose_name=_("导入人"), related_name="+")
    state = models.CharField(_("状态"), max_length=16, choices=State.choices, default=State.WAITING)
    done = models.PositiveIntegerField(_("已处理行数"), default=0)
    total = models.PositiveIntegerField(_("总行数"), default=0)
    created = models.PositiveIntegerField(_("新增"), default=0)
    changed = models.PositiveIntegerField(_("修改"), default=0)
    unchanged = models.PositiveIntegerField(_("无变化"), default=0)
    faults = models.PositiveIntegerField(_("错误数"), default=0)
    message = models.CharField(_("说明"), max_length=500, blank=True)
    attempts = models.PositiveSmallIntegerField(_("尝试次数"), default=0)
    requested_at = models.DateTimeField(_("提交时间"))
    seen_at = models.DateTimeField(_("最近进展"))
    finished_at = models.DateTimeField(_("结束时间"), null=True, blank=True)

    class Meta:
        verbose_name = _("表格导入")
        ordering = ("-requested_at", "-pk")
        indexes = (models.Index(fields=["state", "requested_at"], name="sheet_import_state"),)

    def __str__(self) -> str:
        return self.name


class Attachment(Ledgered):
    """A file beside a row: its content is named by its digest, kept outside anything served, and never changed."""

    object_type = models.CharField(_("台账"), max_length=64)
    object_key = models.CharField(_("记录"), max_length=128)
    name = models.CharField(_("文件名"), max_length=150)
    content_type = models.CharField(_("类型"), max_length=100)
    size = models.PositiveBigIntegerField(_("字节数"))
    sha256 = models.CharField(_("摘要"), max_length=64)
    scanned_by = models.CharField(_("病毒检查"), max_length=100, blank=True)  # the engine's own words; empty: none was there
    uploaded_by = models.ForeignKey("anzhang.User", models.PROTECT, verbose_name=_("上传人"), related_name="+", null=True, blank=True)
    uploaded_at = models.DateTimeField(_("上传时间"))
    removed_at = models.DateTimeField(_("撤下时间"), null=True, blank=True)

    class Meta:
        verbose_name = _("附件")
        ordering = ("-uploaded_at", "-pk")
        indexes = (models.Index(fields=["object_type", "object_key"], name="attachment_object"),)

    def __str__(self) -> str:
        return self.name


class SavedFilter(models.Model):
    """A query that somebody keeps under a name; its address may be given to others, who see what they may see."""

    user = models.ForeignKey("anzhang.User", models.CASCADE, verbose_name=_("用户"), related_name="+")
    register = models.CharField(_("台账"), max_length=64)
    name = models.CharField(_("名称"), max_length=40)
    query = models.CharField(_("条件"), max_length=500)

    class Meta:
        verbose_name = _("常用筛选")
        ordering = ("name",)
        constraints = (
            models.UniqueConstraint(fields=["user", "register", "name"], name="one_saved_filter_per_name"),
            models.CheckConstraint(condition=~Q(name=""), name="saved_filter_has_a_name"),
        )

    def __str__(self) -> str:
        return self.name
