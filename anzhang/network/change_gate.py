"""The gate of configuration changes (Art. 7, 8, 9): whether a device may be changed now.

1. The device is on the register and in service; otherwise nobody can say, so: no.
2. An order names it, its window is open and the approval behind it stands.
What is not plainly allowed is refused; a refusal says what is missing and that the route `change_order` gives it. That the change opens no
path which ought to be closed (A09.1) is not asked here: `reachability` proves what was collected.
"""

from __future__ import annotations

from datetime import datetime

from django.utils.translation import gettext as _

from anzhang import clock
from anzhang.casework import forms
from anzhang.network import change_orders
from anzhang.network.models import Device
from anzhang.network.tables import ChangeOrder
from anzhang.permissions import RefusedError
from anzhang.regulation.checks import gate

ROUTE = change_orders.ROUTE


@gate("config_change")
def config_change(device: Device | str, at: datetime) -> RefusedError | None:
    """Decide whether a device (or the one of a code) may be changed at the instant: a refusal or None.

    The codes are `device_unknown`, `device_not_in_service`, `order_missing`, `other_device`, `window_not_open`, `window_over`,
    `approval_ended`.

    Source: Art. 7, 8, 9; A07.1, A08.1, A09.1.
    """
    if isinstance(device, str):
        found = Device.objects.filter(code=device).first()
        if found is None:
            return RefusedError("device_unknown", _("没有编号为“%s”的设备，无从判断。") % device[:40], _("先在设备台账登记。"))
        device = found
    if device.state != Device.State.IN_SERVICE:
        message = _("“%(device)s”的状态是“%(state)s”，不是在用设备。") % {"device": device.name, "state": device.get_state_display()}
        return RefusedError("device_not_in_service", message, _("核对设备台账。"))
    orders = list(change_orders.naming(device))
    if any(order.valid_from <= at < change_orders.end_of(order) and order.basis.valid_from <= at for order in orders):
        return None
    return _outside(orders, at) if orders else _elsewhere(device, at)


def _apply() -> str:
    return _("提出“变更单”，批准后在变更时间内办理。")


def _outside(orders: list[ChangeOrder], at: datetime) -> RefusedError:
    """Say of orders that name the device why none holds: withdrawn inside its window, not begun, over."""
    inside = [order for order in orders if order.valid_from <= at < forms.instant(order.basis.scope["window_to"])]
    if inside:
        return RefusedError("approval_ended", _("变更单 %s 的批准已撤销或到期。") % inside[-1].number, _apply())
    ahead = [order for order in orders if order.valid_from > at]
    order = ahead[0] if ahead else orders[-1]
    told = {"number": order.number, "begin": clock.minute(order.valid_from), "end": clock.minute(change_orders.end_of(order))}
    if ahead:
        message = _("变更单 %(number)s 的变更时间是 %(begin)s 至 %(end)s，现在还没有到。")
        return RefusedError("window_not_open", message % told, _("到时再变更，或重新提出“变更单”。"))
    return RefusedError("window_over", _("变更单 %(number)s 的变更时间是 %(begin)s 至 %(end)s，已经结束。") % told, _apply())


def _elsewhere(device: Device, at: datetime) -> RefusedError:
    """Say of a device that no order names which other one may be changed by its unit now."""
    now = ChangeOrder.objects.filter(change_orders.standing(at), unit=device.unit_id).exclude(kind=change_orders.PRODUCTION)
    other = now.order_by("valid_from").first()
    if other is None:
        return RefusedError("order_missing", _("没有批准变更“%s”的变更单。") % device.name, _apply())
    told = {"number": other.number, "devices": "、".join(other.devices[:5]), "device": device.code}
    return RefusedError("other_device", _("变更单 %(number)s 批准变更的是 %(devices)s，不是 %(device)s。") % told, _apply())
