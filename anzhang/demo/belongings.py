"""What hangs on the demo's systems and who answers for it (Art. 4, 34): servers, databases, devices whose keeper left."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from anzhang import clock
from anzhang.demo.bureau import Bureau
from anzhang.demo.chapter import Chapter, NearMiss, Planted, Site
from anzhang.demo.crowd import Crowd, put
from anzhang.demo.estate import NAMED_SERVERS, fixed
from anzhang.directory.models import Person
from anzhang.network.models import Device
from anzhang.systems.tables import Database

# A server of no system; one that an environment names by its host (`releases.PLACES`), as it does the named ones.
LOOSE, HOSTED = fixed("server", 13), fixed("server", 10)
BY_ENVIRONMENT = frozenset({HOSTED, fixed("server", 11), fixed("server", 16), *(fixed("server", number) for number, *_ in NAMED_SERVERS)})
GONE = "P032"  # left ten days ago (`breaches`)
LEFT, NEW = fixed("printer", 5), fixed("printer", 6)  # its keeper is gone; came on the register today, nobody named yet
NOBODYS, RETIRED = "SJK-WZ", "SJK-JIU"
ENGINES = ("kingbase", "dm", "mysql", "postgresql", "oracle", "opengauss")


def attach(crowd: Crowd, devices: Mapping[str, Device]) -> None:
    """Say of new servers whose they are, and who keeps two printers."""
    servers = [row for row in devices.values() if row.kind == Device.Kind.SERVER and row.code not in {LOOSE, *BY_ENVIRONMENT}]
    for place, row in enumerate(servers):
        row.system = crowd.systems[place % len(crowd.systems)]
    devices[LEFT].person, devices[NEW].person = Person.objects.get(code=GONE), None


def registers(site: Site, bureau: Bureau, crowd: Crowd) -> None:
    """Write a database for every system, one that nobody knows the system of, and one that is gone."""
    today, center = clock.day_of(site.now), bureau.unit["IC"]
    rows = [
        Database(
            code=f"SJK{101 + number}", name=f"{system.name}库", engine=ENGINES[number % len(ENGINES)], system=system,
            unit=system.managing_unit, person=crowd.staff[system.managing_unit.code][2],
            in_service_on=today - timedelta(days=400 + number),
        )
        for number, system in enumerate(crowd.systems)
    ]  # fmt: skip
    keeper = bureau.person["P012"]
    rows += [
        Database(
            code="SJK-SB", name="社保核心库", engine="postgresql", label="15", system=bureau.system["SB01"], unit=center, person=keeper,
            addresses=["10.21.1.11"], port=5432, in_service_on=today - timedelta(days=900),
        ),
        Database(
            code="SJK-JY", name="就业业务库", engine="mysql", label="8.0", system=bureau.system["JY01"], unit=center, person=keeper,
            addresses=["10.21.2.10"], port=3306, in_service_on=today - timedelta(days=700),
        ),
        Database(code=NOBODYS, name="历史缴费查询库", engine="oracle", label="11g", unit=center, person=keeper),
        Database(code=RETIRED, name="旧人才市场库", engine="sql_server", unit=center, state="retired"),
    ]  # fmt: skip
    put(site.now, Database, rows)


CHAPTER = Chapter(
    "belongings",
    registers=registers,
    expected=(
        Planted("A34.1", f"device:{LOOSE}", "一台在用服务器不属于任何信息系统"),
        Planted("A34.1", f"database:{NOBODYS}", "历史缴费查询库查不清属于哪个系统"),
        Planted("A04.7", f"device:{LEFT}", "打印机的责任人十天前离职，没有换人"),
        Planted("A04.7", "machine_room:R3", "实训机房专管员卸任二十天，无人接任"),
    ),
    near=(
        NearMiss("A34.1", f"device:{HOSTED}", "台账没有写系统，运行环境写了它的主机名"),
        NearMiss("A34.1", f"database:{RETIRED}", "不属于任何系统的旧库已停用"),
        NearMiss("A04.7", f"device:{NEW}", "今天登记的打印机还没有写责任人，未满七天"),
        NearMiss("A04.7", "machine_room:R2", "专管员六天前卸任，未满七天"),
    ),
)
