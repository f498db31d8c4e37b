"""Network devices of the demo with a fortnight of configurations, change orders, and one change that nobody ordered."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from anzhang import clock
from anzhang.casework import procedures as cases
from anzhang.casework.models import Case
from anzhang.demo.bureau import SETUP, Bureau
from anzhang.network import change_orders, procedures, snapshots
from anzhang.network.models import Device, Zone
from anzhang.permissions import Actor, Via

DAYS = 14
UNORDERED, UNORDERED_DAY = "NET-FW1", 9  # the planted breach: that device was changed that day without an order
EXPECTED: Mapping[str, str] = {UNORDERED: "A08.1"}
# code, name, kind, host, address, day of an ordered change
DEVICES = (
    ("NET-R1", "核心路由器", "router", "core-r1", "10.20.0.1", 4),
    ("NET-S1", "汇聚交换机", "switch", "agg-s1", "10.20.0.2", 0),
    (UNORDERED, "出口防火墙", "firewall", "edge-fw1", "10.20.0.3", 0),
)
TEXT = """#
sysname {host}
#
 info-center loghost 10.20.9.5
#
vlan batch 20 30
#
interface GigabitEthernet0/0/1
 description 业务专网
 ip address {address} 255.255.0.0
{more} undo shutdown
#
interface GigabitEthernet0/0/2
 shutdown
#
aaa
 local-user admin password irreversible-cipher $1c$demo{host}$demo
#
ip route-static 10.30.0.0 255.255.0.0 10.20.0.254
#
return
"""


def plant(bureau: Bureau, zone: Zone, at: datetime) -> dict[str, Device]:
    """Register the devices in a zone, collect them daily until the instant, order one change; return the devices by code.

    The change that nobody ordered makes one finding of A08.1; logs and flows of the devices (A08.3) are whoever plants those.
    """
    found = {}
    for code, name, kind, host, address, ordered_on in DEVICES:
        device = procedures.register_device(
            SETUP, at=at - timedelta(days=DAYS), code=code, name=name, kind=kind, zone=zone, unit=zone.unit, hosts=[host],
            person=bureau.person["P011"], in_service_on=(at - timedelta(days=400)).date(),
        )  # fmt: skip
        procedures.register_interface(
            SETUP, at=at - timedelta(days=DAYS), device=device, name="GigabitEthernet0/0/1", mac="", addresses=[address]
        )
        found[code] = device
        changed_on = ordered_on or (UNORDERED_DAY if code == UNORDERED else DAYS + 1)
        for day in range(1, DAYS + 1):
            when = at - timedelta(days=DAYS - day, hours=1)
            if day == ordered_on:
                _order(bureau, device, when - timedelta(hours=3))
            more = " mtu 1400\n" if day >= changed_on else ""
            body = TEXT.format(host=host, address=address, more=more).encode()
            snapshots.receive_snapshot(SETUP, body, when, device=code, collected_at=when)
    return found


def _order(bureau: Bureau, device: Device, begin: datetime) -> Case:
    """Let somebody of the information center ask the day before and its head agree."""
    asked, window = begin - timedelta(days=1), (begin, begin + timedelta(hours=2))
    begins, ends = (each.astimezone(clock.BEIJING).strftime("%Y-%m-%dT%H:%M") for each in window)
    form = {
        "kind": "network", "devices": device.code, "environment": "", "what": "调整接口 MTU", "rollback": "恢复原值", "executor": "P014",
        "window_from": begins, "window_to": ends,
    }  # fmt: skip
    applicant = bureau.person["P011"]
    case = cases.file_case(_actor(bureau, "liming"), change_orders.ROUTE, applicant.unit, applicant, "", form, asked)
    return cases.agree(_actor(bureau, "zhouwei"), case, "同意", asked)


def _actor(bureau: Bureau, username: str) -> Actor:
    user = bureau.user[username]
    unit = user.person.unit_id if user.person else None
    return Actor(id=f"user:{username}", via=Via.BROWSER, user_id=user.pk, person_id=user.person_id, unit_id=unit, second_factor=True)
