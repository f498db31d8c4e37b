"""The platform stands in its own registers: as an information system, and as a log source that its collector tails."""

from __future__ import annotations

from datetime import datetime

from anzhang import clock
from anzhang.directory.models import Unit
from anzhang.home import Home
from anzhang.monitoring.models import LogSource
from anzhang.monitoring.procedures import register_source
from anzhang.permissions import Actor
from anzhang.systems.models import System
from anzhang.systems.procedures import register_system

CODE = "AZ01"
SOURCE = "AZ-SELF"


def register(actor: Actor, unit: Unit, home: Home, at: datetime) -> None:
    """Register the platform, managed and answered for by `unit`, unless it is registered already."""
    system = System.objects.filter(code=CODE).first() or register_system(
        actor,
        at=at,
        code=CODE,
        name="安章",
        kind=System.Kind.MANAGEMENT,
        managing_unit=unit,
        responsible_unit=unit,
        centrally_planned=True,
        management_level="bureau",
        protection_level=3,
        state=System.State.IN_SERVICE,
    )
    if not LogSource.objects.filter(code=SOURCE).exists():
        source = LogSource(
            code=SOURCE,
            name="安章自身",
            transport=LogSource.Transport.FILE,
            file_path=str(home.log / "anzhang.log"),
            unit=unit,
            system=system,
            kinds=["security_log"],
            registered_on=clock.day_of(at),
        )
        register_source(actor, source, at)
