"""The gate of Art. 15: which VLAN an endpoint comes into, as a function of its registration, its zone and its fresh posture.

1. A hardware address belongs to exactly one endpoint in service; an unknown one, or one that two claim, is quarantined.
2. The endpoint's zone admits: it has a VLAN, and where only the address was shown (MAC authentication), that is enough there.
3. Its newest posture report passes at this very instant: `passed_until` lies ahead. The report's age, missing patches, old signatures
   and stopped products are all in that instant (`engines/posture.py`).

An admission ends when the posture it rests on does, so the switch is told to ask again by then. `stands` says for how long the answer may
be used again when nobody can give a new one: the recorded fail mode of the zone, 0 where there is none. What cannot be decided is
refused.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q

from anzhang.endpoints.models import Endpoint
from anzhang.network.models import Interface, Zone
from anzhang.regulation.checks import gate

METHODS = ("mac", "eap")
LONGEST_SECONDS = 8 * 3600  # after which a switch asks again in any case
QUARANTINE_SECONDS = 60  # an endpoint that mends itself is let in soon after
ADMITTED, QUARANTINED = "admitted", "quarantined"


@dataclass(frozen=True, slots=True)
class Known:
    """What the registers say about one endpoint; `passed_until` is POSIX seconds, 0.0 for never. `fault` outweighs everything."""

    code: str
    zone: str
    vlan: int | None
    mac_admits: bool
    stands: int
    passed_until: float
    reasons: tuple[str, ...]
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Admit:
    """Let into a VLAN, for so many seconds; the answer may stand `stands` seconds when no new one can be had."""

    endpoint: str
    zone: str
    vlan: int
    seconds: int
    stands: int

    def __bool__(self) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class Quarantine:
    """Kept apart, and why: codes that `casework.wording` words."""

    endpoint: str
    reasons: tuple[str, ...]

    def __bool__(self) -> bool:
        return False


Verdict = Admit | Quarantine
NOBODY = Known("", "", None, False, 0, 0.0, (), "mac_unknown")  # in the order of the fields
DOUBLE = Known("", "", None, False, 0, 0.0, (), "mac_claimed_twice")  # in the order of the fields


def decide(known: Known, method: str, now: float) -> Verdict:
    """Return the verdict on what is known of an endpoint at an instant (POSIX seconds); `method` is `mac` or `eap`. Source: Art. 15."""
    if known.fault:
        return Quarantine(known.code, (known.fault,))
    if known.vlan is None:
        return Quarantine(known.code, ("zone_without_vlan",))
    if method != "eap" and not (method == "mac" and known.mac_admits):
        return Quarantine(known.code, ("mac_not_enough",))
    left = known.passed_until - now
    if left <= 0:
        return Quarantine(known.code, known.reasons or ("posture_stale",))
    return Admit(known.code, known.zone, known.vlan, max(1, int(min(left, LONGEST_SECONDS))), known.stands)


@gate("admission")
def admission(mac: str, method: str, at: datetime) -> Verdict:
    """Decide from the registers whether an endpoint comes in; the daemon decides the same from its table. Source: Art. 15."""
    mac = canonical(mac)
    owners = set(Interface.objects.filter(mac=mac).values_list("device_id", flat=True)) if mac else set()
    found = Endpoint.objects.filter(Q(mac=mac) | Q(device_id__in=owners)) if mac else Endpoint.objects.none()
    return decide(read(found).get(mac, NOBODY), method, at.timestamp())


def canonical(mac: str) -> str:
    """Return a hardware address as the registers have it, "" for what is none: switches write it in a dozen ways."""
    digits = re.sub(r"[-:.\s]", "", mac).lower()
    if not re.fullmatch(r"[0-9a-f]{12}", digits, re.ASCII):
        return ""
    return ":".join(digits[place : place + 2] for place in range(0, 12, 2))


def read(endpoints: Any) -> dict[str, Known]:
    """Return what is known by hardware address of the endpoints of a query; two queries, plain tuples."""
    columns = (
        "pk", "code", "mac", "device_id", "state", "zone__code", "zone__vlan", "zone__mac_admits", "zone__fail_mode", "zone__fail_hours",
        "zone__kind", "standing__passed_until", "standing__reasons",
    )  # fmt: skip
    rows = list(endpoints.order_by().values_list(*columns))
    devices = {row[3]: row for row in rows if row[3] is not None}
    table: dict[str, Known] = {}
    for row in rows:
        if row[2]:
            _enter(table, row[2], row)
    for mac, device in _cards(devices):
        _enter(table, mac, devices[device])
    return table


def _cards(devices: Mapping[int, Any]) -> Collection[tuple[str, int]]:
    cards = Interface.objects.exclude(mac="").order_by()
    if len(devices) < 500:
        return list(cards.filter(device_id__in=devices).values_list("mac", "device_id"))
    return [(mac, device) for mac, device in cards.values_list("mac", "device_id") if device in devices]


def _enter(table: dict[str, Known], mac: str, row: tuple[Any, ...]) -> None:
    _pk, code, _mac, _device, state, zone, vlan, mac_admits, fail_mode, fail_hours, kind, passed_until, reasons = row
    before = table.get(mac)
    if before is not None and before.code != code:
        table[mac] = DOUBLE
        return
    if state == Endpoint.State.RETIRED:
        fault = "endpoint_retired"
    elif kind == Zone.Kind.QUARANTINE:
        fault = "zone_is_quarantine"
    else:
        fault = ""
    stands = fail_hours * 3600 if fail_mode == Zone.FailMode.LAST_VERDICT and fail_hours else 0
    codes = ("posture_missing",) if reasons is None else tuple(reason["code"] for reason in reasons)
    table[mac] = Known(code, zone, vlan, mac_admits, stands, passed_until.timestamp() if passed_until else 0.0, codes, fault)
