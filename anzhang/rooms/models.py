"""Machine rooms (Art. 16): the rooms, their facilities, who is on duty, who may enter, what is carried in and out."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from anzhang.journal.models import Ledgered
from anzhang.rooms import fields

__all__ = ["EquipmentMove", "Facility", "MachineRoom", "RoomVisit", "Shift"]


class MachineRoom(Ledgered):
    """A machine room: who manages it, its grade, what stands in it, how its doors, sensors and witnesses are called in the logs."""

    class State(models.TextChoices):
        """Life of a room."""

        PLANNED = "planned", _("筹建")
        IN_SERVICE = "in_service", _("在用")
        RETIRED = "retired", _("停用")

    code = models.CharField(_("机房编号"), max_length=32, unique=True)
    name = models.CharField(_("机房名称"), max_length=100)
    place = models.CharField(_("位置"), max_length=200, blank=True)
    unit = models.ForeignKey("anzhang.Unit", models.PROTECT, verbose_name=_("管理单位"))
    grade = models.PositiveSmallIntegerField(_("机房等级"), null=True, blank=True)  # on the scale of protection levels
    systems = models.JSONField(_("所放信息系统"), default=list, blank=True)  # codes
    aliases = models.JSONField(_("日志中的名称"), default=list, blank=True)
    doors_controlled = models.BooleanField(_("装有门禁"), default=True)
    cards = models.JSONField(_("常用门禁卡"), default=list, blank=True, validators=[fields.cards])
    sensors = models.JSONField(_("环境传感器"), default=list, blank=True)  # as `sensor_event` calls them
    witnesses = models.JSONField(_("在室观测点"), default=list, blank=True)  # hosts whose sightings mean "stands in this room"
    duty_from = models.CharField(_("值班起"), max_length=5, choices=fields.clock_times(0, 47), default="00:00")
    duty_to = models.CharField(_("值班止"), max_length=5, choices=fields.clock_times(1, 48), default="24:00")
    duty_workdays = models.BooleanField(_("仅工作日值班"), default=False)
    state = models.CharField(_("状态"), max_length=16, choices=State.choices, default=State.IN_SERVICE)
    in_service_on = models.DateField(_("启用日期"))
    retired_on = models.DateField(_("停用日期"), null=True, blank=True)
    version = models.PositiveIntegerField(_("版本"), default=1, editable=False)

    class Meta:
        verbose_name = _("机房")
        ordering = ("code",)
        indexes = (models.Index(fields=["unit", "state"], name="machine_room_unit"),)
        constraints = (
            models.CheckConstraint(condition=Q(grade=None) | Q(grade__range=(1, 5)), name="room_grade_1_to_5"),
            models.CheckConstraint(
                condition=Q(duty_from__lt=F("duty_to")),
                name="room_duty_ends_after_it_begins",
                violation_error_message=_("值班止要晚于值班起。"),
            ),
            models.CheckConstraint(
                condition=Q(state="retired", retired_on__isnull=False) | (~Q(state="retired") & Q(retired_on=None)),
                name="room_retired_has_day",
                violation_error_message=_("停用的机房写停用日期，其他状态不写。"),
            ),
        )

    def __str__(self) -> str:
        return self.name


class Facility(Ledgered):
    """What a room lives on: power, communication, air conditioning, fire protection, surveillance; or why it has none of a kind."""

    class Kind(models.TextChoices):
        """Kinds of Art. 16."""

        POWER = "power", _("供电")
        COMMUNICATION = "communication", _("通信")
        AIR_CONDITIONING = "air_conditioning", _("空调")
        FIRE_PROTECTION = "fire_protection", _("消防")
        SURVEILLANCE = "surveillance", _("监控")
        OTHER = "other", _("其他")

    class State(models.TextChoices):
        """Whether it is there."""

        IN_SERVICE = "in_service", _("在用")
        ABSENT = "absent", _("不设")
        RETIRED = "retired", _("停用")

    NAMED_BY = ("room",)

    room = models.ForeignKey(MachineRoom, models.PROTECT, verbose_name=_("机房"))
    kind = models.CharField(_("设施类别"), max_length=16, choices=Kind.choices)
    name = models.CharField(_("设施名称"), max_length=100)
    model = models.CharField(_("品牌型号"), max_length=100, blank=True)
    state = models.CharField(_("状态"), max_length=16, choices=State.choices, default=State.IN_SERVICE)
    reason = models.CharField(_("不设的理由"), max_length=500, blank=True)
    version = models.PositiveIntegerField(_("版本"), default=1, editable=False)

    class Meta:
        verbose_name = _("配套设施")
        ordering = ("room", "kind", "name")
        constraints = (
            models.UniqueConstraint(fields=["room", "kind", "name"], name="one_facility_name_per_kind"),
            models.CheckConstraint(
                condition=~Q(state="absent") | ~Q(reason=""),
                name="facility_absent_says_why",
                violation_error_message=_("不设的设施要写明理由。"),
            ),
        )

    def __str__(self) -> str:
        return f"{self.room} {self.name}"


class Shift(Ledgered):
    """A turn of duty in a room: whose, from when until when; signed in and handed over by the person on duty."""

    NAMED_BY = ("room", "person")

    room = models.ForeignKey(MachineRoom, models.PROTECT, verbose_name=_("机房"))
    person = models.ForeignKey("anzhang.Person", models.PROTECT, verbose_name=_("值班人员"))
    starts_at = models.DateTimeField(_("开始时间"))
    ends_at = models.DateTimeField(_("结束时间"))
    signed_in_at = models.DateTimeField(_("签到时间"), null=True, blank=True)
    handed_over_at = models.DateTimeField(_("交接时间"), null=True, blank=True)
    handed_to = models.ForeignKey("anzhang.Person", models.PROTECT, verbose_name=_("接班人员"), null=True, blank=True, related_name="+")
    note = models.CharField(_("交接情况"), max_length=1000, blank=True)
    version = models.PositiveIntegerField(_("版本"), default=1, editable=False)

    class Meta:
        verbose_name = _("值班")
        ordering = ("room", "starts_at", "pk")
        indexes = (
            models.Index(fields=["room", "starts_at"], name="shift_room"),
            models.Index(fields=["person", "starts_at"], name="shift_person"),
        )
        constraints = (
            models.UniqueConstraint(fields=["room", "person", "starts_at"], name="one_shift_per_start"),
            models.CheckConstraint(
                condition=Q(ends_at__gt=F("starts_at")),
                name="shift_ends_after_start",
                violation_error_message=_("结束时间要晚于开始时间。"),
            ),
            models.CheckConstraint(
                condition=Q(handed_over_at=None) | Q(signed_in_at__isnull=False),
                name="shift_signed_in_before_handover",
                violation_error_message=_("先签到，再交接。"),
            ),
        )

    def __str__(self) -> str:
        return f"{self.room} {self.person}"


class RoomVisit(Ledgered):
    """Leave for one person to be in a room for a while (出入单). An authority register: only an approved case gives one.

    Whoever was in the room before the case was decided has one that was recorded later than it begins (补批), and it says so.
    """

    class Purpose(models.TextChoices):
        """What somebody enters for."""

        REPAIR = "repair", _("抢修")
        MAINTENANCE = "maintenance", _("维护")
        DELIVERY = "delivery", _("设备进出")
        INSPECTION = "inspection", _("检查")
        VISIT = "visit", _("参观")
        OTHER = "other", _("其他")

    NAMED_BY: ClassVar = ("room", "person")

    room = models.ForeignKey(MachineRoom, models.PROTECT, verbose_name=_("机房"))
    person = models.ForeignKey("anzhang.Person", models.PROTECT, verbose_name=_("进入人员"))
    escort = models.ForeignKey("anzhang.Person", models.PROTECT, verbose_name=_("陪同人员"), null=True, blank=True, related_name="+")
    purpose = models.CharField(_("事由类别"), max_length=16, choices=Purpose.choices)
    reason = models.CharField(_("事由"), max_length=500)
    card = models.CharField(_("临时门禁卡"), max_length=64, blank=True)
    enters_from = models.DateTimeField(_("允许进入自"))
    leaves_by = models.DateTimeField(_("应离开时间"))
    entered_at = models.DateTimeField(_("进入时间"), null=True, blank=True)
    left_at = models.DateTimeField(_("离开时间"), null=True, blank=True)
    basis = models.ForeignKey("anzhang.Approval", models.PROTECT, verbose_name=_("批准"))
    recorded_at = models.DateTimeField(_("登记时间"))
    version = models.PositiveIntegerField(_("版本"), default=1, editable=False)

    class Meta:
        verbose_name = _("出入记录")
        ordering = ("-enters_from", "pk")
        indexes = (
            models.Index(fields=["room", "enters_from"], name="room_visit_room"),
            models.Index(fields=["person", "enters_from"], name="room_visit_person"),
        )
        constraints = (
            models.CheckConstraint(condition=Q(leaves_by__gt=F("enters_from")), name="visit_ends_after_start"),
            models.CheckConstraint(condition=Q(left_at=None) | Q(left_at__gte=F("entered_at")), name="visit_left_after_entering"),
            models.CheckConstraint(condition=Q(left_at=None) | Q(entered_at__isnull=False), name="visit_entered_before_leaving"),
            models.CheckConstraint(condition=Q(escort=None) | ~Q(escort=F("person")), name="nobody_escorts_themselves"),
        )

    def __str__(self) -> str:
        return f"{self.room} {self.person}"

    @property
    def is_late(self) -> bool:
        """Whether it was approved after it had begun."""
        return self.recorded_at > self.enters_from


class EquipmentMove(Ledgered):
    """Leave to carry a device into, out of or between rooms, and when that was done. An authority register, like visits."""

    NAMED_BY: ClassVar = ("device",)

    device = models.ForeignKey("anzhang.Device", models.PROTECT, verbose_name=_("设备"))
    from_room = models.ForeignKey(MachineRoom, models.PROTECT, verbose_name=_("移出机房"), null=True, blank=True, related_name="moves_out")
    to_room = models.ForeignKey(MachineRoom, models.PROTECT, verbose_name=_("移入机房"), null=True, blank=True, related_name="moves_in")
    reason = models.CharField(_("事由"), max_length=500)
    moves_from = models.DateTimeField(_("允许移动自"))
    moves_by = models.DateTimeField(_("允许移动至"))
    moved_at = models.DateTimeField(_("移动时间"), null=True, blank=True)
    moved_by = models.ForeignKey("anzhang.Person", models.PROTECT, verbose_name=_("登记人"), null=True, blank=True, related_name="+")
    basis = models.ForeignKey("anzhang.Approval", models.PROTECT, verbose_name=_("批准"))
    recorded_at = models.DateTimeField(_("登记时间"))
    version = models.PositiveIntegerField(_("版本"), default=1, editable=False)

    class Meta:
        verbose_name = _("设备进出")
        ordering = ("-moves_from", "pk")
        indexes = (models.Index(fields=["device", "moved_at"], name="equipment_move_device"),)
        constraints = (
            models.CheckConstraint(condition=Q(moves_by__gt=F("moves_from")), name="move_ends_after_start"),
            models.CheckConstraint(condition=Q(from_room__isnull=False) | Q(to_room__isnull=False), name="move_names_a_room"),
            models.CheckConstraint(
                condition=Q(from_room=None) | Q(to_room=None) | ~Q(from_room=F("to_room")), name="move_changes_the_room"
            ),
        )

    def __str__(self) -> str:
        return f"{self.device}"
