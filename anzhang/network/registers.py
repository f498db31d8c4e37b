"""The registers of the network (Art. 8, 9, 10, 15): zones, devices, interfaces, security products, links, interconnections."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from anzhang.network import change_gate as _change_gate  # noqa: F401  # the named gate
from anzhang.network import change_orders as _change_orders  # noqa: F401  # named procedures
from anzhang.network import gate as _gate  # noqa: F401  # the named gate
from anzhang.network import interconnections as _interconnections  # noqa: F401  # named procedures
from anzhang.network import links as _links  # noqa: F401  # named procedures
from anzhang.network import procedures as _procedures  # noqa: F401  # named procedures
from anzhang.network import snapshots as _snapshots  # noqa: F401  # named procedures
from anzhang.network.models import Device, Interconnection, Interface, Link, SecurityProduct, Zone
from anzhang.network.tables import ChangeOrder, ConfigSnapshot
from anzhang.registers.declaration import Kind, Register, Writer, declare
from anzhang.registers.filters import by_choice, by_unit

declare(
    Register(
        id="zone",
        chapter="network",
        model=Zone,
        kind=Kind.PLAIN,
        columns=("code", "name", "kind", "networks", "vlan", "fail_mode", "unit"),
        order=("code",),
        search=("code", "name"),
        filters=(by_unit("unit"), by_choice(Zone, "kind")),
        scope=("unit__path",),
        key=("code",),
        fields=("code", "name", "kind", "networks", "unit", "vlan", "mac_admits", "fail_mode", "fail_hours"),
        create="register_zone",
        change="change_zone",
        bulk="register_zones",
        fixed=frozenset({"code"}),
        writers=frozenset({Writer.OFFICE, Writer.UNIT}),
        hints={
            "networks": _("每行一个网段，例如 10.20.0.0/16。"),
            "vlan": _("检测合格的客户端进入的 VLAN；隔离区填隔离 VLAN。不填则客户端不从这里入网。"),
            "mac_admits": _("MAC 地址容易仿冒，只对不能使用 802.1X 的区域打开。"),
            "fail_hours": _("准入服务失效时，上次合格的结论最多再用几小时；每次沿用都列为问题。"),
        },
        articles=(9, 15),
    )
)
declare(
    Register(
        id="device",
        chapter="network",
        model=Device,
        kind=Kind.PLAIN,
        columns=("code", "name", "kind", "zone", "unit", "state", "in_service_on", "retired_on", "successor"),
        order=("code",),
        search=("code", "name", "system__code", "system__name"),
        filters=(by_unit("unit"), by_choice(Device, "kind"), by_choice(Device, "state")),
        scope=("unit__path",),
        key=("code",),
        fields=(
            "code",
            "name",
            "kind",
            "model",
            "zone",
            "unit",
            "room",
            "person",
            "system",
            "hosts",
            "state",
            "in_service_on",
            "vendor_end_on",
            "approved_end_on",
            "retired_on",
            "successor",
            "no_successor",
        ),
        create="register_device",
        change="change_device",
        bulk="register_devices",
        fixed=frozenset({"code", "room"}),
        writers=frozenset({Writer.OFFICE, Writer.UNIT}),
        hints={
            "room": _("登记时所在的机房；以后的进出由“设备进出”事项办理。"),
            "system": _("服务器写明为哪个信息系统服务；运行环境的主机名或地址里已经写明的可以不填。"),
            "hosts": _("每行一个，设备自己发出的日志里的主机名。"),
            "approved_end_on": _("有批准的以批准为准，其次厂商停止支持日，都没有时自启用日期起算使用年限。"),
            "no_successor": _("停用或临近到期而不更换的，写明理由。"),
        },
        articles=(9,),
    )
)
declare(
    Register(
        id="interface",
        chapter="network",
        model=Interface,
        kind=Kind.PLAIN,
        columns=("device", "name", "mac", "addresses"),
        order=("device__code", "name"),
        search=("device__code", "name", "mac"),
        filters=(by_unit("device__unit"),),
        scope=("device__unit__path",),
        key=("device", "name"),
        fields=("device", "name", "mac", "addresses"),
        create="register_interface",
        change="change_interface",
        bulk="register_interfaces",
        fixed=frozenset({"device", "name"}),
        writers=frozenset({Writer.OFFICE, Writer.UNIT}),
        hints={"addresses": _("每行一个固定 IP 地址；由 DHCP 分配的不填。")},
        articles=(8, 9),
    )
)
declare(
    Register(
        id="security_product",
        chapter="network",
        model=SecurityProduct,
        kind=Kind.PLAIN,
        columns=("code", "name", "kind", "required_of", "newest_version", "signatures_on", "support_end_on"),
        order=("code",),
        search=("code", "name"),
        filters=(by_choice(SecurityProduct, "kind"),),
        key=("code",),
        fields=(
            "code",
            "name",
            "kind",
            "platforms",
            "required_of",
            "newest_version",
            "newest_version_on",
            "signatures_on",
            "support_end_on",
            "settings",
        ),
        create="register_security_product",
        change="change_security_product",
        bulk="register_security_products",
        fixed=frozenset({"code"}),
        writers=frozenset({Writer.OFFICE}),
        hints={
            "name": _("与客户端安全状态报告里的名称一致。"),
            "platforms": _("每行一个：windows、linux、kylin、uos、macos、other；不填则不论系统。"),
            "required_of": _("每行一个：endpoint 为全部客户端，其余为设备类别的代码；不填则不要求安装，只核对版本。"),
            "signatures_on": _("内部镜像站上最新特征库的日期。"),
            "settings": _("每行一项，写成“名称=值”。"),
        },
        articles=(9, 15),
    )
)
declare(
    Register(
        id="link",
        chapter="network",
        model=Link,
        kind=Kind.AUTHORITY,
        columns=("code", "name", "near_zone", "far_zone", "carrier", "unit", "valid_from", "valid_to"),
        order=("code", "-valid_from"),
        search=("code", "name", "carrier", "line_number"),
        filters=(by_unit("unit"),),
        scope=("unit__path",),
        route="link",
        articles=(9,),
    )
)
declare(
    Register(
        id="interconnection",
        chapter="network",
        model=Interconnection,
        kind=Kind.AUTHORITY,
        columns=("code", "name", "partner", "level", "unit", "person", "valid_from", "valid_to"),
        order=("code", "-valid_from"),
        search=("code", "name", "partner"),
        filters=(by_unit("unit"),),
        scope=("unit__path",),
        route="interconnection",
        articles=(10,),
    )
)
declare(
    Register(
        id="config_snapshot",
        chapter="network",
        model=ConfigSnapshot,
        kind=Kind.OBSERVED,
        columns=("device", "collected_at", "dialect", "lines", "added", "removed", "unread_count", "collector"),
        order=("-collected_at",),
        search=("device__code", "device__name", "digest"),
        filters=(by_unit("device__unit"), by_choice(ConfigSnapshot, "dialect")),
        scope=("device__unit__path",),
        articles=(7, 8, 9),
    )
)
declare(
    Register(
        id="change_order",
        chapter="network",
        model=ChangeOrder,
        kind=Kind.AUTHORITY,
        columns=("number", "kind", "devices", "environment", "unit", "executor", "valid_from", "valid_to"),
        order=("-valid_from",),
        search=("number", "what"),
        filters=(by_unit("unit"), by_choice(ChangeOrder, "kind")),
        scope=("unit__path",),
        route="change_order",
        labels={"valid_from": _("变更时间自"), "valid_to": _("变更时间至")},
        articles=(7, 8, 9),
    )
)
