"""The verbs of zones, devices, interfaces and security products (Art. 8, 9, 15)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from anzhang.directory import rows
from anzhang.directory.bulk import batcher
from anzhang.network.models import Device, Interface, SecurityProduct, Zone
from anzhang.permissions import Actor
from anzhang.regulation.checks import procedure


@procedure("register_zone")
def register_zone(actor: Actor, *, at: datetime, **values: Any) -> Zone:
    """Add a zone. Raises RowError."""
    return rows.create(actor, Zone(**values), at)


@procedure("change_zone")
def change_zone(actor: Actor, row: Zone, *, at: datetime, expected_version: int | None = None, **values: Any) -> Zone:
    """Change a zone: also how endpoints come in, and for how long the last verdict may stand (Art. 7, 15). Raises StaleError, RowError."""
    return rows.change(actor, row, values, at, expected_version)


@procedure("register_device")
def register_device(actor: Actor, *, at: datetime, **values: Any) -> Device:
    """Add a device (Art. 9). Raises RowError."""
    return rows.create(actor, Device(**values), at)


@procedure("change_device")
def change_device(actor: Actor, row: Device, *, at: datetime, expected_version: int | None = None, **values: Any) -> Device:
    """Change a device: also its retirement, its successor, or why it needs none. Raises StaleError, RowError."""
    return rows.change(actor, row, values, at, expected_version)


@procedure("register_interface")
def register_interface(actor: Actor, *, at: datetime, **values: Any) -> Interface:
    """Add an interface of a device. Raises RowError."""
    return rows.create(actor, Interface(**values), at)


@procedure("change_interface")
def change_interface(actor: Actor, row: Interface, *, at: datetime, expected_version: int | None = None, **values: Any) -> Interface:
    """Change an interface. Raises StaleError, RowError."""
    return rows.change(actor, row, values, at, expected_version)


@procedure("register_security_product")
def register_security_product(actor: Actor, *, at: datetime, **values: Any) -> SecurityProduct:
    """Add a security product that devices or endpoints must run (Art. 9, 15). Raises RowError."""
    return rows.create(actor, SecurityProduct(**values), at)


@procedure("change_security_product")
def change_security_product(
    actor: Actor, row: SecurityProduct, *, at: datetime, expected_version: int | None = None, **values: Any
) -> SecurityProduct:
    """Change a security product: what the mirror has newest, until when it is supported. Raises StaleError, RowError."""
    return rows.change(actor, row, values, at, expected_version)


register_zones = procedure("register_zones")(batcher(Zone))
register_devices = procedure("register_devices")(batcher(Device))
register_interfaces = procedure("register_interfaces")(batcher(Interface))
register_security_products = procedure("register_security_products")(batcher(SecurityProduct))
