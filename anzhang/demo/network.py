"""The registers of the demo's network: zones, 8,000 devices with their interfaces, endpoints, what they must run, who keeps them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from itertools import cycle

from anzhang import clock
from anzhang.demo import belongings, estate
from anzhang.demo.bureau import Bureau
from anzhang.demo.chapter import Chapter, NearMiss, Planted, Site
from anzhang.demo.crowd import Crowd, put
from anzhang.demo.estate import Machine, fixed, terminal
from anzhang.demo.signing import public_key
from anzhang.directory.models import Assignment, Person, Unit
from anzhang.endpoints.models import Endpoint, PatchBaseline, Peripheral, SoftwareBaseline
from anzhang.events import Event
from anzhang.network.models import Device, Interface, SecurityProduct, Zone
from anzhang.organization.models import PolicyDocument
from anzhang.rooms.models import MachineRoom

ANTIVIRUS, GUARD = "火绒终端安全", "主机安全卫士"
PROGRAMS = {
    "office": ("办公套件", "业务前台*", "公文客户端", "PDF 阅读器"), "counter": ("业务前台*", "读卡驱动", "打印服务"),
    "self_service": ("自助服务程序", "读卡驱动"),
}  # fmt: skip
WITHOUT_POLICY, REVIEWED_IN_TIME = "S05", "S06"
WITHOUT_KEEPER, JUST_LEFT = "S04", "S03"
STICK = ("0781", "5567", "4C530001230411117231")  # the one listed for `sticky_listed`
CAST_KEEPERS = {"IC": "P014", "LGO": "P005", "JYC": "P023", "SBZX": "P031"}
OWNERS = {"surfer": "P022", "lender": "P023", "lent_to": "P021"}


def registers(site: Site, bureau: Bureau, crowd: Crowd) -> None:
    """Write zones, devices, interfaces, endpoints, products, baselines, policies and keepers."""
    homes, today = _homes(bureau, crowd), clock.day_of(site.now)
    zones = _zones(site, bureau)
    machines = estate.machines(site.devices)
    devices = _devices(site, machines, homes, zones, _kept_by(homes, bureau))
    belongings.attach(crowd, devices)
    devices = {row.code: row for row in put(site.now, Device, devices.values())}
    put(
        site.now,
        Interface,
        (Interface(device=devices[each.code], name="eth0", mac=each.mac, addresses=[] if each.leased else [each.ip]) for each in machines),
    )
    _endpoints(site, machines, devices, zones, bureau, homes)
    _products(site, today)
    _papers(site, homes, crowd, today)
    _keepers(site, homes, bureau, crowd)
    _peripherals(site, homes)


def _homes(bureau: Bureau, crowd: Crowd) -> dict[str, tuple[Unit, list[Person]]]:
    """Return each unit that has devices with its own staff."""
    found = {unit.code: unit for unit in [*bureau.unit.values(), *crowd.units]}
    staff: dict[str, list[Person]] = {}
    for person in [*bureau.person.values(), *(person for each in crowd.staff.values() for person in each)]:
        if person.kind == "staff" and person.left_on is None:
            staff.setdefault(person.unit.code, []).append(person)
    return {code: (found[code], staff[code]) for code in estate.units()}


def _zones(site: Site, bureau: Bureau) -> dict[str, Zone]:
    rows = [
        Zone(code=code, name=name, kind=kind, networks=networks, vlan=vlan, unit=bureau.unit["IC"], **more)
        for code, name, kind, networks, vlan, more in estate.ZONES
    ]
    return {row.code: row for row in put(site.now, Zone, rows)}


def _devices(
    site: Site,
    machines: tuple[Machine, ...],
    homes: dict[str, tuple[Unit, list[Person]]],
    zones: dict[str, Zone],
    keepers: dict[str, Person],
) -> dict[str, Device]:  # fmt: skip
    dice = random.Random(f"devices/{estate.SEED}")  # noqa: S311  # demo data, not a secret
    rooms, today = {room.code: room for room in MachineRoom.objects.all()}, clock.day_of(site.now)
    rows = []
    for each in machines:
        unit = homes[each.unit][0]
        row = Device(
            code=each.code, name=each.name, kind=each.kind, model=each.model, zone=zones[each.zone], unit=unit,
            person=keepers[each.unit],
            hosts=[each.host], room=rooms.get(each.room), in_service_on=today - timedelta(days=dice.randint(60, 1900)),
        )  # fmt: skip
        rows.append(row)
    _lives({row.code: row for row in rows}, today)
    return {row.code: row for row in rows}


def _kept_by(homes: dict[str, tuple[Unit, list[Person]]], bureau: Bureau) -> dict[str, Person]:
    """Return who administers the devices of each unit: its keeper of endpoints; its head where that post is vacant."""
    return {
        code: bureau.person[CAST_KEEPERS[code]] if code in CAST_KEEPERS else staff[0 if code in {WITHOUT_KEEPER, JUST_LEFT} else 1]
        for code, (_unit, staff) in homes.items()
    }


def _lives(rows: dict[str, Device], today: date) -> None:
    """Let some reach their end: seen all the same, gone in time, with and without anything in their place."""
    seen, gone = rows[terminal("retired_seen")], rows[terminal("retired_gone")]
    for row, days in ((seen, 12), (gone, 1)):
        row.state, row.retired_on, row.no_successor = Device.State.RETIRED, today - timedelta(days=days), "岗位撤销，不再配备"
    rows[terminal("expiring")].vendor_end_on = today + timedelta(days=90)
    replaced = rows[terminal("expiring_replaced")]
    replaced.vendor_end_on, replaced.no_successor = today + timedelta(days=90), "年底更换，采购合同 2026-17"
    extended = rows[terminal("extended")]
    extended.vendor_end_on, extended.approved_end_on = today - timedelta(days=40), today + timedelta(days=150)
    extended.no_successor = "经批准延用至业务迁移完成"


def _endpoints(
    site: Site, machines: tuple[Machine, ...], devices: dict[str, Device], zones: dict[str, Zone], bureau: Bureau,
    homes: dict[str, tuple[Unit, list[Person]]],
) -> list[Endpoint]:  # fmt: skip
    turns = {code: cycle(staff) for code, (_unit, staff) in homes.items()}
    kinds = {terminal("unclassed"): "", terminal("other_kind"): "other"}
    owners = {terminal(name): bureau.person[code] for name, code in OWNERS.items()}
    rows = []
    for each in machines:
        if not each.endpoint:
            continue
        device, user = devices[each.code], next(turns[each.unit])
        rows.append(
            Endpoint(
                code=each.code, name=each.name, kind=kinds.get(each.code, each.endpoint),
                endpoint_class={"counter": "counter", "self_service": "self_service"}.get(each.endpoint, "office"), device=device,
                hosts=[each.host], zone=zones[each.zone], unit=device.unit, person=owners.get(each.code, user),
                posture_key=public_key(f"endpoint:{each.code}"),
                state="retired" if device.state == Device.State.RETIRED else "in_service",
            )
        )  # fmt: skip
    return put(site.now, Endpoint, rows)


def _products(site: Site, today: date) -> None:
    put(
        site.now,
        SecurityProduct,
        [
            SecurityProduct(
                code="CP01", name=ANTIVIRUS, kind="antivirus", required_of=["endpoint"], newest_version="6.0.5",
                newest_version_on=today - timedelta(days=60), signatures_on=today,
            ),
            SecurityProduct(
                code="CP02", name=GUARD, kind="host_detection", required_of=["server", "jump_host"], newest_version="3.2.1",
                newest_version_on=today - timedelta(days=100), settings=["login_audit=on"],
            ),
        ],
    )  # fmt: skip
    put(
        site.now,
        PatchBaseline,
        [
            PatchBaseline(code=code, title=title, platform=platform, severity=severity, published_on=today - timedelta(days=days))
            for code, title, platform, severity, days in PATCHES
        ],
    )
    put(
        site.now,
        SoftwareBaseline,
        [SoftwareBaseline(endpoint_class=group, name=name, purpose="办公和经办") for group, each in PROGRAMS.items() for name in each],
    )


PATCHES = (
    ("KB5044001", "远程代码执行漏洞", "windows", "critical", 40), ("KB5044002", "打印服务提权漏洞", "windows", "high", 25),
    ("KB5044009", "浏览器组件漏洞", "windows", "high", 10), ("KYSA-202610-0003", "内核提权漏洞", "kylin", "high", 30),
)  # fmt: skip
IN_GRACE = "KB5044009"


def _papers(site: Site, homes: dict[str, tuple[Unit, list[Person]]], crowd: Crowd, today: date) -> None:
    """Give every unit its endpoint policy, but for one; another's was reviewed on the last day that still counts."""
    del crowd
    in_force = today - timedelta(days=400)

    def policies() -> Iterator[PolicyDocument]:
        for unit in (site_unit for site_unit, _staff in homes.values()):
            if unit.code != WITHOUT_POLICY:
                reviewed_on = today - timedelta(days=365 if unit.code == REVIEWED_IN_TIME else 120)
                yield PolicyDocument(
                    unit=unit, kind="endpoint", title=f"{unit.name}客户端管理制度", edition="第一版", issued_on=in_force,
                    reviewed_on=reviewed_on, in_force_from=in_force,
                )  # fmt: skip

    put(site.now, PolicyDocument, policies(), Event.POLICY_ISSUE)


def _keepers(site: Site, homes: dict[str, tuple[Unit, list[Person]]], bureau: Bureau, crowd: Crowd) -> None:
    started = site.now - timedelta(days=300)
    ends: dict[str, datetime] = {WITHOUT_KEEPER: site.now - timedelta(days=20), JUST_LEFT: site.now - timedelta(days=6)}
    posts = [
        Assignment(
            person=bureau.person[CAST_KEEPERS[code]] if code in CAST_KEEPERS else staff[1], duty=Assignment.Duty.ENDPOINT_KEEPER,
            unit=unit, valid_from=started, valid_to=ends.get(code), recorded_at=site.now,
        )
        for code, (unit, staff) in homes.items()
    ]  # fmt: skip
    crowd.posts += put(site.now, Assignment, posts, Event.ASSIGNMENT_START)


def _peripherals(site: Site, homes: dict[str, tuple[Unit, list[Person]]]) -> None:
    """List a card reader for every unit, keyboards for all, and one stick of one endpoint."""
    rows = [
        Peripheral(code=f"WS{number:03d}", name="居民身份证读卡器", kind="card_reader", vendor_id="0400", product_id="c35a", unit=unit)
        for number, (unit, _staff) in enumerate(homes.values(), 1)
    ]
    rows += [
        Peripheral(code=f"WS{100 + number}", name="USB 键盘", kind="input", vendor_id="17ef", product_id="6099", unit=unit)
        for number, (unit, _staff) in enumerate(homes.values(), 1)
    ]
    listed = Endpoint.objects.select_related("unit").get(code=terminal("sticky_listed"))
    vendor, product, serial = STICK
    rows.append(
        Peripheral(
            code="WS900", name="加密 U 盘", kind="storage", vendor_id=vendor, product_id=product, serial=serial, endpoint=listed,
            unit=listed.unit,
        )
    )  # fmt: skip
    put(site.now, Peripheral, rows)


CHAPTER = Chapter(
    "network",
    registers=registers,
    expected=(
        Planted("A09.7", f"device:{terminal('expiring')}", "三个月后停止支持，没有接替设备"),
        Planted("A15.1", f"endpoint:{terminal('unclassed')}", "客户端没有归类"),
        Planted("A15.2", f"unit:{WITHOUT_POLICY}", "劳动人事争议仲裁院没有客户端管理制度"),
        Planted("A15.3", f"unit:{WITHOUT_KEEPER}", "职业技能鉴定中心的客户端责任人卸任二十天，无人接任"),
    ),
    near=(
        NearMiss("A09.7", f"device:{terminal('expiring_replaced')}", "同样三个月后到期，写明了不需接替的理由"),
        NearMiss("A09.7", f"device:{fixed('printer', 1)}", "离到期还有半年以上"),
        NearMiss("A15.1", f"endpoint:{terminal('other_kind')}", "归入“其他”，也是规定的类别"),
        NearMiss("A15.2", f"unit:{REVIEWED_IN_TIME}", "制度恰在 365 天前复审，当天仍算", today=True),
        NearMiss("A15.3", f"unit:{JUST_LEFT}", "责任人六天前卸任，空缺未满七天"),
    ),
)
