"""The verb of configuration snapshots: a collected configuration is matched to its device, kept without secrets, compared (Art. 8).

1. What is no text, too large or too long is refused; nothing of it is kept.
2. The device is the one that is named, else the one in the register that bears the name the configuration gives itself, else the one that
   has its addresses. Nobody is guessed: none, and several, are refused.
3. Secrets become tags under a key of this installation and of the device (`engines/configs/secrets.py`), before anything is kept.
4. A snapshot stands where its instant puts it. One that comes late stands between those that are there, and the difference of the one
   after it is made anew.
"""

from __future__ import annotations

import hashlib
import hmac
import zlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import OuterRef, QuerySet, Subquery
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from anzhang import clock
from anzhang.casework import parameters
from anzhang.directory import rows
from anzhang.engines import configs
from anzhang.events import Event
from anzhang.network.models import Device, Interface
from anzhang.network.tables import ConfigSnapshot, ConfigText
from anzhang.permissions import Actor, RefusedError, Via
from anzhang.registers import rights
from anzhang.registers.declaration import REGISTERS
from anzhang.regulation.checks import procedure

SAMPLE, SAMPLE_LENGTH, UNREAD = 5, 160, 50
LISTED = ("collected_at", "dialect", "lines", "unread_count")  # of a snapshot, in a list of devices
NETWORK_KINDS = (
    Device.Kind.ROUTER, Device.Kind.SWITCH, Device.Kind.FIREWALL, Device.Kind.SECURITY, Device.Kind.WIRELESS, Device.Kind.JUMP_HOST,
)  # fmt: skip

FAULTS: Mapping[str, str | Promise] = {
    "empty": gettext_lazy("文件是空的。"),
    "too_large": gettext_lazy("文件太大，配置最多 4 MB。"),
    "binary": gettext_lazy("不是文本文件。"),
    "too_many_lines": gettext_lazy("行数太多，最多 200000 行。"),
    "line_too_long": gettext_lazy("有一行超过 20000 字节。"),
}


@procedure("receive_snapshot")
def receive_snapshot(actor: Actor, body: bytes, at: datetime, *, device: str = "", collected_at: datetime | None = None) -> ConfigSnapshot:
    """Keep a collected configuration and how it differs from the one before it; the same one of the same instant is one snapshot.

    `device` is a code of the register. Raises RefusedError `config_unreadable`, `config_device_unknown`, `config_device_ambiguous`,
    `config_ahead`, `config_instant_taken`, and `writer_role_missing` or `foreign_unit` for whoever may not write the devices of the unit.

    Source: Art. 8; A08.1.
    """
    if code := configs.fault(body):
        raise RefusedError("config_unreadable", str(FAULTS[code]), _("导出设备的当前配置（纯文本）后重新提交。"))
    opened = configs.read(body)
    if not any(opened.lines):
        raise RefusedError("config_unreadable", str(FAULTS["empty"]), _("导出设备的当前配置（纯文本）后重新提交。"))
    found = _named(device) if device else _recognized(opened)
    _require(actor, found, at)
    when = collected_at or at
    _require_timely(when, at)
    kept = opened.kept(key_of(found))
    with transaction.atomic():
        found = rows.locked(found)  # two configurations of one device come one after the other
        same = ConfigSnapshot.objects.filter(device=found, collected_at=when).first()
        if same is not None:
            if same.digest == kept.digest:
                return same
            message = _("“%(device)s”在 %(at)s 已有一份不同的配置快照。") % {"device": found.name, "at": clock.minute(when)}
            raise RefusedError("config_instant_taken", message, _("核对采集时间后重新提交。"))
        return _filed(actor, found, kept, when, at)


def _filed(actor: Actor, device: Device, kept: configs.Kept, when: datetime, at: datetime) -> ConfigSnapshot:
    told = configs.facts(kept.text, kept.dialect)
    text, _made = ConfigText.objects.get_or_create(
        digest=kept.digest,
        defaults={"body": zlib.compress(kept.text.encode()), "facts": [fact.as_json() for fact in told.facts]},
    )
    of_device = ConfigSnapshot.objects.filter(device=device).select_related("text")
    before = of_device.filter(collected_at__lt=when).order_by("-collected_at").first()
    later = of_device.filter(collected_at__gt=when).order_by("collected_at").first()
    row = ConfigSnapshot(
        device=device, collected_at=when, received_at=at, collector=actor.id[:80], dialect=kept.dialect, digest=kept.digest,
        lines=kept.lines, unread=told.unread[:UNREAD], unread_count=len(told.unread), text=text, previous=before,
        **compared(before, text, kept.dialect),
    )  # fmt: skip
    rows.create(actor, row, at, Event.CONFIG_RECEIVE)
    if later is not None:
        again = {"previous": row, **compared(row, later.text, later.dialect)}
        rows.change(actor, later, again, at, act=Event.CONFIG_COMPARE)
    return row


def compared(before: ConfigSnapshot | None, text: ConfigText, dialect: str) -> dict[str, object]:
    """Return the columns that say how a text differs from the snapshot before it; the first of a device differs from nothing."""
    if before is None or before.digest == text.digest:
        return {"added": 0, "removed": 0, "sample": []}
    changes = configs.difference(body_of(before.text), body_of(text), dialect)
    return {
        "added": sum(each.sign == "+" for each in changes),
        "removed": sum(each.sign == "-" for each in changes),
        "sample": [said(each) for each in changes[:SAMPLE]],
    }


def said(change: configs.Change) -> str:
    """Return a changed line in one line: sign, number, section, text."""
    section = f"{change.section[-1]}: " if change.section else ""
    return f"{change.sign}{change.number} {section}{change.text}"[:SAMPLE_LENGTH]


def body_of(text: ConfigText) -> str:
    """Return the kept text of a configuration."""
    return zlib.decompress(bytes(text.body)).decode()


def key_of(device: Device) -> bytes:
    """Return the key of a device's secrets. It hangs on the installation's secret key: when that is changed, every secret looks changed."""
    return hmac.digest(settings.SECRET_KEY.encode(), b"anzhang configurations\0" + device.code.encode(), hashlib.sha256)


def newest(devices: QuerySet[Device], at: datetime) -> dict[int, ConfigSnapshot]:
    """Return the newest snapshot of each device that was collected and received by an instant; one query."""
    last = devices.order_by().annotate(last=Subquery(_known(at).values("pk")[:1])).values("last")
    return {row.device_id: row for row in ConfigSnapshot.objects.filter(pk__in=last).defer("sample")}


def with_newest(devices: QuerySet[Device], at: datetime) -> QuerySet[Any]:
    """Give devices what a list shows of the newest snapshot, in the query of the list: `newest_collected_at` and the like."""
    return devices.annotate(**{f"newest_{name}": Subquery(_known(at).values(name)[:1]) for name in LISTED})


def _known(at: datetime) -> QuerySet[ConfigSnapshot]:
    """Return the snapshots of the device of an outer query, the newest first."""
    return ConfigSnapshot.objects.filter(device=OuterRef("pk"), collected_at__lte=at, received_at__lte=at).order_by("-collected_at")


def _named(code: str) -> Device:
    found = Device.objects.select_related("unit").filter(code=code).first()
    if found is None:
        raise RefusedError("config_device_unknown", _("没有编号为“%s”的设备。") % code[:40], _("先在设备台账登记。"))
    return found


def _recognized(opened: configs.Opened) -> Device:
    """Return the device that a configuration is of: by the name it gives itself, then by its addresses."""
    names = {name.lower() for name in opened.names}
    devices = Device.objects.exclude(state=Device.State.RETIRED)
    found = {
        pk
        for pk, code, name, hosts in devices.values_list("pk", "code", "name", "hosts")
        if names & {code.lower(), name.lower(), *(host.lower() for host in hosts)}
    }
    if len(found) != 1:
        told = configs.facts("\n".join(opened.lines), opened.dialect)
        addresses = {fact.address.partition("/")[0] for fact in told.facts if fact.kind == "address"}
        known = Interface.objects.filter(device__in=found or devices).values_list("device_id", "addresses")
        by_address = {pk for pk, given in known if addresses & set(given)}
        found = by_address or found
    if not found:
        name = "、".join(opened.names) or _("（没有写明主机名）")
        message = _("台账里没有主机名或地址与这份配置相符的设备：%s。") % name
        raise RefusedError("config_device_unknown", message, _("在设备台账登记主机名或接口地址，或提交时指明设备编号。"))
    if len(found) > 1:
        codes = "、".join(Device.objects.filter(pk__in=found).order_by("code").values_list("code", flat=True)[:5])
        message = _("有几台设备与这份配置相符：%s。") % codes
        raise RefusedError("config_device_ambiguous", message, _("提交时指明设备编号。"))
    return Device.objects.select_related("unit").get(pk=found.pop())


def _require(actor: Actor, device: Device, at: datetime) -> None:
    """Raise RefusedError unless the actor may bring in what this device is set to; a service's token is bound to its unit."""
    if rights.is_machine(actor):
        return
    register = REGISTERS["device"]
    if not (actor.via is Via.API and actor.person_id is None):
        rights.require_write(register, actor, at)
    rights.require_place(register, device, rights.Sight(actor, at))


def _require_timely(when: datetime, at: datetime) -> None:
    ahead = when - at
    tolerance = int(parameters.values(at)["clock_tolerance_seconds"])
    if ahead > timedelta(seconds=tolerance):
        message = _("采集时间比本系统时间快 %d 秒。") % int(ahead.total_seconds())
        raise RefusedError("config_ahead", message, _("校准采集程序的时钟后重新提交。"))
    if not clock.is_plausible(clock.day_of(when)):
        raise RefusedError("config_ahead", _("采集时间 %s 不可信。") % when.isoformat(), _("核对采集时间后重新提交。"))
