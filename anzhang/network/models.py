"""Zones, devices, interfaces, links (Art. 8, 9) and interconnections (Art. 10): what ought to be on the network, and until when.

A zone also says how endpoints come in (Art. 15): into which VLAN, whether a hardware address alone is enough, and how long the last
verdict may stand when nobody can give a new one (its fail mode, Art. 7: business first). Security products are what devices and
endpoints must run (Art. 9, 15).
"""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from anzhang.directory.models import Bitemporal
from anzhang.journal.models import Ledgered
from anzhang.network import fields

__all__ = ["Device", "Interconnection", "Interface", "Link", "SecurityProduct", "Zone"]


class Zone(Ledgered):
    """A part of the network that is kept apart: the internet, business, office, management, test."""

    class Kind(models.TextChoices):
        """What a zone is for."""

        INTERNET = "internet", _("互联网")
        DMZ = "dmz", _("对外服务区")
        BUSINESS = "business", _("业务专网")
        OFFICE = "office", _("办公网")
        MANAGEMENT = "management", _("管理网")
        TEST = "test", _("测试网")
        QUARANTINE = "quarantine", _("隔离区")
        OTHER = "other", _("其他")

    class FailMode(models.TextChoices):
        """What holds when no verdict on admission can be given."""

        QUARANTINE = "quarantine", _("一律隔离")
        LAST_VERDICT = "last_verdict", _("限时沿用上次结论")

    INTERNAL = (Kind.BUSINESS, Kind.OFFICE, Kind.MANAGEMENT, Kind.TEST)

    code = models.CharField(_("区域编号"), max_length=32, unique=True)
    name = models.CharField(_("区域名称"), max_length=100)
    kind = models.CharField(_("区域类别"), max_length=16, choices=Kind.choices)
    networks = models.JSONField(_("网段"), default=list, blank=True, validators=[fields.networks])
    unit = models.ForeignKey("anzhang.Unit", models.PROTECT, verbose_name=_("运维单位"))
    vlan = models.PositiveSmallIntegerField(_("准入 VLAN"), null=True, blank=True)  # none: endpoints are not admitted here
    mac_admits = models.BooleanField(_("准许只凭 MAC 地址入网"), default=False)  # an address is easily copied
    fail_mode = models.CharField(_("准入失效时"), max_length=16, choices=FailMode.choices, default=FailMode.QUARANTINE)
    fail_hours = models.PositiveSmallIntegerField(_("沿用上次结论时限（小时）"), null=True, blank=True)
    version = models.PositiveIntegerField(_("版本"), default=1, editable=False)

    class Meta:
        verbose_name = _("网络区域")
        ordering = ("code",)
        constraints = (
            models.CheckConstraint(
                condition=Q(vlan=None) | Q(vlan__range=(1, 4094)),
                name="zone_vlan_1_to_4094",
                violation_error_message=_("VLAN 编号在 1 至 4094 之间。"),
            ),
            models.CheckConstraint(
                condition=Q(fail_mode="last_verdict", fail_hours__isnull=False, fail_hours__range=(1, 72))
                | (~Q(fail_mode="last_verdict") & Q(fail_hours=None)),
                name="zone_fail_mode_has_its_limit",
                violation_error_message=_("沿用上次结论的写明时限（1 至 72 小时），一律隔离的不写。"),
            ),
            models.CheckConstraint(
                condition=~Q(kind="quarantine", fail_mode="last_verdict"),
                name="zone_quarantine_stands_always",
                violation_error_message=_("隔离区没有上次结论可以沿用。"),
            ),
            models.UniqueConstraint(
                fields=["vlan"],
                condition=Q(vlan__isnull=False),
                name="one_zone_per_vlan",
                violation_error_message=_("这个 VLAN 已是另一区域的准入 VLAN。"),
            ),
        )

    def __str__(self) -> str:
        return self.name


class Device(Ledgered):
    """A device: whose it is, where it stands, from when until when it may be on the network, and what takes its place."""

    class Kind(models.TextChoices):
        """Kinds of devices."""

        ROUTER = "router", _("路由器")
        SWITCH = "switch", _("交换机")
        FIREWALL = "firewall", _("防火墙")
        SECURITY = "security", _("安全设备")
        SERVER = "server", _("服务器")
        STORAGE = "storage", _("存储")
        WIRELESS = "wireless", _("无线设备")
        TERMINAL = "terminal", _("终端")
        PRINTER = "printer", _("打印设备")
        JUMP_HOST = "jump_host", _("跳板机")  # whom many pass through: its address says of nobody where they sit
        OTHER = "other", _("其他")

    class State(models.TextChoices):
        """Life of a device."""

        STOCK = "stock", _("备用")
        IN_SERVICE = "in_service", _("在用")
        RETIRED = "retired", _("停用")

    NAMED_BY = ("unit",)

    code = models.CharField(_("设备编号"), max_length=32, unique=True)
    name = models.CharField(_("设备名称"), max_length=100)
    kind = models.CharField(_("设备类别"), max_length=16, choices=Kind.choices)
    model = models.CharField(_("品牌型号"), max_length=100, blank=True)
    zone = models.ForeignKey(Zone, models.PROTECT, verbose_name=_("网络区域"), null=True, blank=True)
    unit = models.ForeignKey("anzhang.Unit", models.PROTECT, verbose_name=_("使用单位"))
    room = models.ForeignKey("anzhang.MachineRoom", models.PROTECT, verbose_name=_("所在机房"), null=True, blank=True)
    person = models.ForeignKey("anzhang.Person", models.PROTECT, verbose_name=_("责任人"), null=True, blank=True)
    system = models.ForeignKey("anzhang.System", models.PROTECT, verbose_name=_("所属信息系统"), null=True, blank=True)
    hosts = models.JSONField(_("主机名"), default=list, blank=True, validators=[fields.hosts])  # by which its own log lines call it
    state = models.CharField(_("状态"), max_length=16, choices=State.choices, default=State.IN_SERVICE)
    in_service_on = models.DateField(_("启用日期"), null=True, blank=True)
    vendor_end_on = models.DateField(_("厂商停止支持日"), null=True, blank=True)
    approved_end_on = models.DateField(_("批准使用至"), null=True, blank=True)
    retired_on = models.DateField(_("停用日期"), null=True, blank=True)
    successor = models.ForeignKey("self", models.PROTECT, verbose_name=_("接替设备"), null=True, blank=True, related_name="+")
    no_successor = models.CharField(_("不需接替的理由"), max_length=500, blank=True)
    version = models.PositiveIntegerField(_("版本"), default=1, editable=False)

    class Meta:
        verbose_name = _("设备")
        ordering = ("code",)
        indexes = (models.Index(fields=["unit", "state"], name="device_unit_state"),)
        constraints = (
            models.CheckConstraint(
                condition=Q(state="retired", retired_on__isnull=False) | (~Q(state="retired") & Q(retired_on=None)),
                name="device_retired_has_day",
                violation_error_message=_("停用的设备写停用日期，其他状态不写。"),
            ),
            models.CheckConstraint(
                condition=Q(successor=None) | ~Q(successor=F("id")),
                name="device_not_its_own_successor",
                violation_error_message=_("接替设备不能是它自己。"),
            ),
        )

    def __str__(self) -> str:
        return self.name


class Interface(Ledgered):
    """A port of a device: its hardware address and its fixed IP addresses."""

    device = models.ForeignKey(Device, models.PROTECT, verbose_name=_("设备"))
    name = models.CharField(_("接口"), max_length=64)
    mac = fields.MacField(_("MAC 地址"), blank=True)
    addresses = models.JSONField(_("IP 地址"), default=list, blank=True, validators=[fields.addresses])  # none where DHCP gives them
    version = models.PositiveIntegerField(_("版本"), default=1, editable=False)

    class Meta:
        verbose_name = _("设备接口")
        ordering = ("device", "name")
        indexes = (models.Index(fields=["mac"], name="interface_mac"),)
        constraints = (
            models.UniqueConstraint(fields=["device", "name"], name="one_interface_name_per_device"),
            models.UniqueConstraint(
                fields=["mac"],
                condition=~Q(mac=""),
                name="one_interface_per_mac",
                violation_error_message=_("这个 MAC 地址已登记在另一接口上。"),
            ),
        )

    def __str__(self) -> str:
        return self.name


class SecurityProduct(Ledgered):
    """A product that devices or endpoints must run: on which kinds, its newest version and signatures on the internal mirror, its end."""

    class Kind(models.TextChoices):
        """What a product is for."""

        ANTIVIRUS = "antivirus", _("杀毒软件")
        FIREWALL = "firewall", _("主机防火墙")
        HOST_DETECTION = "host_detection", _("主机入侵检测")
        ENDPOINT_CONTROL = "endpoint_control", _("终端管控")
        OTHER = "other", _("其他")

    code = models.CharField(_("产品编号"), max_length=32, unique=True)
    name = models.CharField(_("产品名称"), max_length=100, unique=True)  # as posture reports call it
    kind = models.CharField(_("产品类别"), max_length=32, choices=Kind.choices)
    platforms = models.JSONField(_("适用系统"), default=list, blank=True, validators=[fields.platforms])
    required_of = models.JSONField(_("要求安装的对象"), default=list, blank=True, validators=[fields.required_of])
    newest_version = models.CharField(_("最新版本"), max_length=64, blank=True)
    newest_version_on = models.DateField(_("最新版本上架日期"), null=True, blank=True)
    signatures_on = models.DateField(_("最新特征库日期"), null=True, blank=True)
    support_end_on = models.DateField(_("停止支持日"), null=True, blank=True)
    settings = models.JSONField(_("规定配置"), default=list, blank=True, validators=[fields.settings])
    version = models.PositiveIntegerField(_("版本"), default=1, editable=False)

    class Meta:
        verbose_name = _("安全产品")
        ordering = ("code",)
        constraints = (
            models.CheckConstraint(
                condition=Q(newest_version="") | Q(newest_version_on__isnull=False),
                name="product_version_has_its_day",
                violation_error_message=_("写了最新版本的，也写上架日期。"),
            ),
        )

    def __str__(self) -> str:
        return self.name


class Link(Bitemporal):
    """A line or tunnel that joins two zones (Art. 9): what may lie on each side, on which ports, over whose line. An authority register.

    Only an approved case opens one. It ends with its approval, or by a case that closes it; ended rows stay.
    """

    NAMED_BY: ClassVar = ("unit",)

    code = models.CharField(_("链路编号"), max_length=32)
    name = models.CharField(_("链路名称"), max_length=100)
    unit = models.ForeignKey("anzhang.Unit", models.PROTECT, verbose_name=_("申请单位"))
    person = models.ForeignKey("anzhang.Person", models.PROTECT, verbose_name=_("责任人"))
    near_zone = models.ForeignKey(Zone, models.PROTECT, verbose_name=_("本端区域"), related_name="links_from")
    far_zone = models.ForeignKey(Zone, models.PROTECT, verbose_name=_("对端区域"), related_name="links_to")
    near_prefixes = models.JSONField(_("本端网段"), default=list, validators=[fields.some_networks])
    far_prefixes = models.JSONField(_("对端网段"), default=list, validators=[fields.some_networks])
    ports = models.JSONField(_("端口"), default=list, validators=[fields.ports])
    carrier = models.CharField(_("承载或运营商"), max_length=100)
    line_number = models.CharField(_("线路号"), max_length=64, blank=True)
    purpose = models.CharField(_("用途"), max_length=500)
    basis = models.ForeignKey("anzhang.Approval", models.PROTECT, verbose_name=_("批准"))

    class Meta:
        verbose_name = _("网络链路")
        ordering = ("code", "-valid_from", "pk")
        indexes = (models.Index(fields=["code", "valid_from"], name="link_code"),)
        constraints = (
            models.CheckConstraint(
                condition=~Q(near_zone=F("far_zone")),
                name="link_joins_two_zones",
                violation_error_message=_("两端不能是同一个区域。"),
            ),
            models.CheckConstraint(condition=Q(valid_to=None) | Q(valid_to__gte=F("valid_from")), name="link_ends_after_start"),
            models.UniqueConstraint(fields=["code", "valid_from"], condition=Q(superseded_at=None), name="one_link_at_a_time"),
            models.UniqueConstraint(fields=["basis"], condition=Q(superseded_at=None), name="one_link_per_approval"),
        )

    def __str__(self) -> str:
        return self.name


class Interconnection(Bitemporal):
    """A connection or exchange with an outside body (Art. 10) and the scope approved for it. An authority register.

    Only an approved case of the leading group opens one. `valid_from` may lie before `recorded_at`: what was approved afterwards (补批)
    says so. A later approval of the same code ends the one before it where it begins.
    """

    NAMED_BY: ClassVar = ("unit",)

    code = models.CharField(_("互联编号"), max_length=32)
    name = models.CharField(_("互联名称"), max_length=100)
    unit = models.ForeignKey("anzhang.Unit", models.PROTECT, verbose_name=_("申请单位"))
    person = models.ForeignKey("anzhang.Person", models.PROTECT, verbose_name=_("责任人"))
    partner = models.CharField(_("外部机构"), max_length=200)
    purpose = models.CharField(_("用途"), max_length=500)
    level = models.PositiveSmallIntegerField(_("等级"))
    standard = models.ForeignKey("anzhang.LegalBasis", models.PROTECT, verbose_name=_("所依标准"))
    scheme_title = models.CharField(_("互联方案"), max_length=200)
    scheme_on = models.DateField(_("方案日期"))
    peers = models.JSONField(_("对方网段"), default=list, validators=[fields.some_networks])
    inner = models.JSONField(_("本局网段"), default=list, validators=[fields.some_networks])
    ports = models.JSONField(_("端口"), default=list, validators=[fields.ports])
    clients = models.JSONField(_("接口调用方"), default=list, blank=True, validators=[fields.names])
    data_fields = models.JSONField(_("交换字段"), default=list, blank=True, validators=[fields.names])
    daily_mb = models.PositiveIntegerField(_("每日流量上限（MB）"))  # 1 MB = 1,000,000 bytes, both directions
    basis = models.ForeignKey("anzhang.Approval", models.PROTECT, verbose_name=_("批准"))

    class Meta:
        verbose_name = _("对外互联")
        ordering = ("code", "-valid_from", "pk")
        indexes = (models.Index(fields=["code", "valid_from"], name="interconnection_code"),)
        constraints = (
            models.CheckConstraint(
                condition=Q(level__range=(1, 5)),
                name="interconnection_level_1_to_5",
                violation_error_message=_("等级为 1 至 5。"),
            ),
            models.CheckConstraint(
                condition=Q(daily_mb__gte=1),
                name="interconnection_has_a_volume",
                violation_error_message=_("每日流量上限至少 1 MB。"),
            ),
            models.CheckConstraint(
                condition=~Q(partner="") & ~Q(scheme_title=""),
                name="interconnection_names_partner_and_scheme",
                violation_error_message=_("写明外部机构和互联方案。"),
            ),
            models.CheckConstraint(condition=Q(valid_to=None) | Q(valid_to__gte=F("valid_from")), name="interconnection_ends_after_start"),
            models.UniqueConstraint(fields=["code", "valid_from"], condition=Q(superseded_at=None), name="one_interconnection_at_a_time"),
            models.UniqueConstraint(fields=["basis"], condition=Q(superseded_at=None), name="one_interconnection_per_approval"),
        )

    def __str__(self) -> str:
        return self.name
