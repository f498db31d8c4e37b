"""The registers of Art. 14 and 15: endpoints, posture reports, patches, software, peripherals."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from anzhang.endpoints import business as _business  # noqa: F401  # named procedures
from anzhang.endpoints import procedures as _procedures  # noqa: F401  # named procedures
from anzhang.endpoints.models import BusinessException, Endpoint, PatchBaseline, Peripheral, PostureReport, SoftwareBaseline
from anzhang.registers.declaration import Kind, Register, Writer, declare
from anzhang.registers.filters import by_choice, by_unit

declare(
    Register(
        id="endpoint",
        chapter="endpoints",
        model=Endpoint,
        kind=Kind.PLAIN,
        columns=("code", "name", "kind", "mac", "zone", "unit", "person", "state"),
        order=("code",),
        search=("code", "name", "mac"),
        filters=(by_unit("unit"), by_choice(Endpoint, "kind"), by_choice(Endpoint, "state")),
        scope=("unit__path",),
        key=("code",),
        fields=(
            "code",
            "name",
            "kind",
            "endpoint_class",
            "device",
            "mac",
            "hosts",
            "zone",
            "unit",
            "person",
            "posture_key",
            "state",
        ),
        create="register_endpoint",
        change="change_endpoint",
        bulk="register_endpoints",
        fixed=frozenset({"code"}),
        writers=frozenset({Writer.OFFICE, Writer.UNIT}),
        hints={
            "endpoint_class": _("所适用的软件与站点清单的编号，例如 counter。"),
            "device": _("已在设备台账登记的，选上设备，以其接口的 MAC 地址为准。"),
            "hosts": _("每行一个，日志里的主机名。"),
            "posture_key": _("客户端自己签报告用的 Ed25519 公钥；由采集程序代报的不填。"),
        },
        articles=(14, 15),
    )
)
declare(
    Register(
        id="posture_report",
        chapter="endpoints",
        model=PostureReport,
        kind=Kind.OBSERVED,
        columns=("endpoint", "device", "source", "collected_at", "state", "passed_until", "signer"),
        order=("-collected_at",),
        search=("endpoint__code", "device__code", "signer"),
        filters=(by_choice(PostureReport, "state"), by_choice(PostureReport, "source")),
        scope=("endpoint__unit__path", "device__unit__path"),
        articles=(14, 15),
    )
)
declare(
    Register(
        id="patch_baseline",
        chapter="endpoints",
        model=PatchBaseline,
        kind=Kind.PLAIN,
        columns=("code", "title", "platform", "severity", "published_on", "withdrawn_on"),
        order=("-published_on", "code"),
        search=("code", "title"),
        filters=(by_choice(PatchBaseline, "platform"), by_choice(PatchBaseline, "severity")),
        key=("code",),
        fields=("code", "title", "platform", "severity", "published_on", "withdrawn_on"),
        create="register_patch",
        change="change_patch",
        bulk="register_patches",
        fixed=frozenset({"code"}),
        writers=frozenset({Writer.OFFICE}),
        hints={"published_on": _("从这一天起算宽限期。"), "withdrawn_on": _("撤回的补丁不再要求。")},
        articles=(15,),
    )
)
declare(
    Register(
        id="software_baseline",
        chapter="endpoints",
        model=SoftwareBaseline,
        kind=Kind.PLAIN,
        columns=("endpoint_class", "kind", "name", "purpose"),
        order=("endpoint_class", "kind", "name"),
        search=("endpoint_class", "name", "purpose"),
        filters=(by_choice(SoftwareBaseline, "kind"),),
        key=("endpoint_class", "kind", "name"),
        fields=("endpoint_class", "kind", "name", "purpose"),
        create="register_software",
        change="change_software",
        bulk="register_softwares",
        writers=frozenset({Writer.OFFICE}),
        hints={"name": _("与报告中的名称一致；以 * 结尾的，其后不论。")},
        articles=(14,),
    )
)
declare(
    Register(
        id="peripheral",
        chapter="endpoints",
        model=Peripheral,
        kind=Kind.PLAIN,
        columns=("code", "name", "kind", "vendor_id", "product_id", "serial", "unit", "endpoint", "ended_on"),
        order=("code",),
        search=("code", "name", "serial"),
        filters=(by_unit("unit"), by_choice(Peripheral, "kind")),
        scope=("unit__path",),
        key=("code",),
        fields=("code", "name", "kind", "vendor_id", "product_id", "serial", "endpoint", "unit", "ended_on"),
        create="register_peripheral",
        change="change_peripheral",
        bulk="register_peripherals",
        fixed=frozenset({"code"}),
        writers=frozenset({Writer.OFFICE, Writer.UNIT}),
        hints={"serial": _("存储和网卡必填；其他外设不填则同型号都准用。"), "endpoint": _("不填则本单位各客户端都可用。")},
        articles=(14,),
    )
)
declare(
    Register(
        id="business_exception",
        chapter="endpoints",
        model=BusinessException,
        kind=Kind.AUTHORITY,
        columns=("person", "system", "what", "starts_at", "ends_at", "reason"),
        order=("-starts_at",),
        search=("person__code", "person__name", "system__code"),
        filters=(by_unit("person__unit"),),
        scope=("person__unit__path", "system__managing_unit__path"),
        route="business_exception",
        articles=(14,),
    )
)
