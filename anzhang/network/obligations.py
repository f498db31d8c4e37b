"""The checks of Art. 9 that read devices: what is past its life is gone (A09.6), what nears its end has a successor (A09.7)."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

from anzhang import clock
from anzhang.casework import rules
from anzhang.network import networks as _networks  # noqa: F401  # the table that rules compare addresses with
from anzhang.network.models import Device
from anzhang.regulation.checks import Context, check
from anzhang.regulation.verdicts import Breach, Ground, Outcome, Subject, Why

expired_devices_gone = rules.bind(Path(__file__).parent / "rules" / "expired_devices_gone.sql")


def subject(device: Device) -> Subject:
    """Return a device as the one that owes, answered for by its unit and its person."""
    return Subject(f"device:{device.code}", device.name, device.unit.code, device.person.code if device.person else None)


def end_of(device: Device, years: int) -> date | None:
    """Return the last day on which a device may be in service: as approved, else the vendor's, else by its age. None: nobody can say."""
    if device.approved_end_on or device.vendor_end_on:
        return device.approved_end_on or device.vendor_end_on
    if device.in_service_on is None:
        return None
    begun = device.in_service_on
    last = date(begun.year + years, 2, 28) if (begun.month, begun.day) == (2, 29) else begun.replace(year=begun.year + years)
    return last - timedelta(days=1)


@check("expiring_devices_replaced")
def expiring_devices_replaced(context: Context) -> Outcome:
    """Find devices in service that reach their end within the notice, and retired ones, with neither successor nor reason for none.

    A device in service of which nobody knows since when, nor until when, is unknown ground of its unit. Source: Art. 9; A09.7.
    """
    years, notice = int(context.parameters["service_life_years"]), timedelta(days=context.parameters["eol_notice_days"])
    today = clock.day_of(context.at)
    population, breaches, unknown = [], [], []
    devices = Device.objects.exclude(state=Device.State.STOCK).select_related("unit", "person").order_by("code")
    for device in devices:
        owes = subject(device)
        end = end_of(device, years)
        if device.state == Device.State.IN_SERVICE and end is None:
            unknown.append(Ground(device.unit.code, Why("device_without_dates", {"device": device.name}), owes))
            continue
        population.append(owes)
        if device.successor_id or device.no_successor:
            continue
        if device.state == Device.State.RETIRED:
            why = Why("retired_without_successor", {"device": device.name, "retired_on": f"{device.retired_on}"})
        elif end is not None and end <= today + notice:
            why = Why("expiring_without_successor", {"device": device.name, "end_on": f"{end}", "days": (end - today).days})
        else:
            continue
        breaches.append(Breach(owes, why, (f"device:{device.pk}",)))
    if not population and not unknown:
        unknown.append(Ground(None, Why("no_devices")))
    return Outcome(tuple(population), tuple(breaches), tuple(unknown))
