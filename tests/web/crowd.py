"""Many rows of every register, cases, todos, findings, notices and entries, without naming one column: for tests of long lists."""

from __future__ import annotations

import zlib
from datetime import date, datetime, timedelta
from itertools import count
from typing import Any

from django.db import models, transaction

from anzhang.assessment.models import Assessment
from anzhang.casework import routes
from anzhang.casework.models import Approval, Case, Finding, Notice, Todo
from anzhang.demo.bureau import SETUP, Bureau
from anzhang.directory.models import Person, Unit
from anzhang.endpoints.models import BusinessException, Endpoint, Peripheral
from anzhang.events import Event
from anzhang.journal.procedures import record
from anzhang.network.models import Interconnection, Link, Zone
from anzhang.network.tables import ChangeOrder, ConfigSnapshot, ConfigText
from anzhang.organization.models import ControlMeasure
from anzhang.organization.tables import Project, ProjectChecklist
from anzhang.registers.declaration import REGISTERS
from anzhang.rooms.models import EquipmentMove, RoomVisit, Shift
from anzhang.systems.models import System
from anzhang.systems.tables import DeveloperException, GoLive, ProtectionGrading
from anzhang.systems.upkeep import LoadTest, OpsDossier

FIRST_DAY = date(2026, 1, 1)
ALONE = frozenset({"parent", "replaces", "superseded_by", "waiver", "principal"})  # links that say more than they name
WHY = {"code": "officer_missing", "params": {"unit": "就业促进处", "since": "2026-11-01", "days": 5}}


class Crowd:
    """A bureau that grows. Rows lie in the units given, in turn, and belong to their people."""

    def __init__(self, bureau: Bureau, units: list[Unit], person: Person, now: datetime) -> None:
        self.units = units
        self.person = person
        self.now = now
        self.number = count(1)
        self.route = next(iter(routes.current().values()))
        self.office = bureau.unit["HRSS"]
        self.people: list[Person] = []
        self.cases: list[Case] = []

    def grow(self, rows: int) -> None:
        """Add so many rows of everything."""
        self.people += self._add(Person, rows)
        self.cases += self._add(Case, rows)
        self._add(Todo, rows, person=self.person)
        self._add(Todo, rows, person=self.person, closed_at=self.now, outcome="done")
        self._add(Notice, rows, person=self.person, code="case_approved", params={"title": "t", "number": "n"}, link="/cases/")
        every = [*self.cases[-rows:], *self._add(Finding, rows)]
        with transaction.atomic():
            for row in every:
                record(SETUP, Event.ROW_CREATE, row, at=self.now)
        done = {Person, Finding}
        for register in REGISTERS.values():
            if register.model not in done:
                self._add(register.model, rows)

    def _add(self, model: type[Any], rows: int, **given: Any) -> list[Any]:
        made = [self._row(model, next(self.number), given) for _each in range(rows)]
        model._base_manager.bulk_create(made)
        return made

    def _row(self, model: type[Any], i: int, given: dict[str, Any]) -> Any:
        begins = self.now + timedelta(seconds=i)
        own: dict[type[Any], dict[str, Any]] = {
            Unit: {"path": f"{self.units[i % len(self.units)].path}Z{i}/", "parent": self.units[i % len(self.units)]},
            Case: {"rules": dict(self.route.source), "route": self.route.key, "applicant": self.person, "state": "open"},
            Todo: {"round": i},
            Finding: {"obligation": "A05.3", "state": "open", "reason": WHY},
            ControlMeasure: {"level": 1, "requirement": None, "room": None, "system": None},
            Shift: {"starts_at": begins, "ends_at": begins + timedelta(hours=8)},
            RoomVisit: {"enters_from": begins, "leaves_by": begins + timedelta(hours=8)},
            GoLive: {"window_from": begins, "window_to": begins + timedelta(hours=8), "done_at": None},
            LoadTest: {"window_from": begins, "window_to": begins + timedelta(hours=8)},
            DeveloperException: {"starts_at": begins, "ends_at": begins + timedelta(days=8)},
            BusinessException: {"starts_at": begins, "ends_at": begins + timedelta(days=8)},
            Project: {"reviewer": None},
            ProjectChecklist: {"first_signer": None, "second_signer": None},
            ProtectionGrading: {"graded_on": FIRST_DAY + timedelta(days=i)},
            Assessment: {"subject": f"z{i}"},
            EquipmentMove: {"moves_from": begins, "moves_by": begins + timedelta(hours=8), "to_room": None},
            Endpoint: {"mac": f"02:00:00:{i // 65536:02x}:{i // 256 % 256:02x}:{i % 256:02x}"},
            Peripheral: {"serial": f"s{i}"},
            ConfigText: {"body": zlib.compress(b"hostname a")},
            ChangeOrder: {"valid_from": begins, "valid_to": begins + timedelta(hours=8), "devices": ["z"], "kind": "network"},
        }
        fixed = own.get(model, {}) | given
        if model is ConfigSnapshot:
            fixed |= {"text": self._add(ConfigText, 1)[0], "previous": None}
        if model in {Link, Interconnection, ChangeOrder}:  # one for each approval; a link joins two zones
            fixed["basis"] = self._add(Approval, 1, case=self._add(Case, 1)[0])[0]
            fixed |= {"far_zone": self._add(Zone, 1)[0]} if model is Link else {}
        if model is OpsDossier:  # one for each system
            fixed["system"] = self._add(System, 1)[0]
        row = model(**fixed)
        turn = count(i)
        for field in model._meta.concrete_fields:
            if field.name not in fixed and not isinstance(field, models.AutoField):
                self._fill(row, field, next(turn) if field.is_relation else i)  # two links of a row lead to two people
        return row

    def _fill(self, row: Any, field: models.Field[Any, Any], i: int) -> None:
        if isinstance(field, models.ForeignKey):
            if not (field.null and (field.unique or field.name in ALONE)):
                setattr(row, field.name, self._linked(field.related_model, i, alone=field.unique))
        elif not field.null and not field.has_default() and not field.blank:
            setattr(row, field.name, self._value(field, i))

    def _linked(self, model: Any, i: int, *, alone: bool) -> Any:
        if model is Unit:
            return self.units[i % len(self.units)]
        pool: list[Any] = {Person: self.people, Case: self.cases}.get(model, [])
        if alone:
            return self._add(model, 1)[0]
        return pool[i % len(pool)] if pool else model._base_manager.first()

    def _value(self, field: models.Field[Any, Any], i: int) -> Any:
        if field.choices:
            return field.flatchoices[0][0]  # type: ignore[attr-defined]
        if isinstance(field, models.DateTimeField):
            return self.now + timedelta(seconds=i)
        if isinstance(field, models.DateField):
            return FIRST_DAY + timedelta(days=i) if field.unique else FIRST_DAY
        kinds: list[tuple[type[Any], Any]] = [
            (models.BooleanField, False),
            (models.IntegerField, i if field.primary_key else 1),
            (models.FloatField, 1.0),
            (models.BinaryField, b"1"),
            (models.JSONField, []),
        ]
        return next((value for kind, value in kinds if isinstance(field, kind)), f"z{i}"[: field.max_length])
