"""The demo at its full size: as many as promised, the same every time, and wrong only where it says so."""

from itertools import islice

import pytest

from anzhang.casework.models import Finding
from anzhang.demo import breaches, building, bureau, conduct, crowd, names
from anzhang.directory.models import Assignment, Person, Unit, User
from anzhang.engines.vault import Batch, Vault
from anzhang.journal import verify
from anzhang.organization.models import (
    ControlMeasure,
    Decision,
    Directive,
    Inspection,
    Officer,
    PlanItem,
    ResponsibilityStatement,
    TrainingRecord,
)
from anzhang.organization.queries import plan_breaches
from anzhang.organization.tables import Project
from anzhang.systems.models import System
from anzhang.systems.tables import ProtectionGrading
from tests.articles.stories import measure

JUDGED = ("A01.2", "A03.1", "A04.3", "A04.4", "A04.5", "A04.6", "A05.1", "A05.3", "A05.4", "A34.1")
BUILT = ("A08.2", "A10.1", "A10.2", "A10.3", "A10.4", "A11.1", "A11.3", "A11.4", "A11.5")


@pytest.fixture
def full(db, clock):
    """The bureau with everybody in it, as the demo builds it, and the units of the crowd by name."""
    built = bureau.build(clock.now)
    bureau.put_on_file(built, clock.now)
    breaches.plant(built, clock.now)
    made = crowd.populate(built, clock.now)
    conduct.behave(built, made, clock.now)
    building.build(built, made, clock.now)
    return {unit.name: unit for unit in made.units}


def test_the_full_demo_is_as_large_as_promised_and_wrong_only_where_it_says_so(full, clock, tmp_path):
    assert (Unit.objects.count(), Person.objects.count(), System.objects.count()) == (40, 2000, 150)
    assert Assignment.objects.count() > 300
    assert Officer.objects.count() == 36
    assert User.objects.count() == 17 + 2 * len(full)
    for paper in (ResponsibilityStatement, TrainingRecord, Inspection, Directive):
        assert paper.objects.count() >= 35
    assert {row.code for row in Person.objects.filter(name__in=["李明", "王芳", "赵强", "陈静"], code__lt="P1")} == {
        "P011", "P012", "P013", "P090"
    }  # fmt: skip

    assert not Decision.objects.filter(minuted_at=None).exists()
    assert (ProtectionGrading.objects.count(), Project.objects.count()) == (150, 5)
    assert ControlMeasure.objects.count() > 2000
    assert set(PlanItem.objects.values_list("state", flat=True)) == {"open", "completed"}
    assert plan_breaches(clock.now)[1] == []

    vault = Vault(tmp_path / "vault")
    with vault.writer() as writer:
        writer.append(Batch("SSH-JY01", b"".join(line + b"\n" for line in building.lines(clock.now)), clock.now))
        writer.seal(clock.now)
    assert measure(clock, *JUDGED, *BUILT, vault=vault).failed == []
    cast = set(Unit.objects.exclude(name__in=full).values_list("name", flat=True))
    found = Finding.objects.exclude(unit=None).values_list("unit__name", "obligation")
    assert {pair for pair in found if pair[0] not in cast} == set((conduct.EXPECTED | building.EXPECTED).items())
    assert sorted(pair for pair in found if pair[0] in cast) == [
        ("就业促进处", "A05.3"), ("就业促进处", "A10.3"), ("社会保险基金管理中心", "A05.1"), ("社会保险基金管理中心", "A05.3")
    ]  # fmt: skip
    assert list(Finding.objects.filter(unit=None).values_list("obligation", "subject")) == [("A01.2", f"legal_basis:{conduct.UNREVIEWED}")]

    assert {str(fault["kind"]) for fault in verify.check(clock.now).faults} <= {"key_missing"}  # this world has no keys


def test_names_are_the_same_every_time_and_another_seed_gives_others():
    assert list(islice(names.people(), 50)) == list(islice(names.people(), 50))
    assert list(islice(names.people(1), 50)) != list(islice(names.people(2), 50))
    titles = [name for name, _kind in names.systems()]
    assert len(titles) == len(set(titles)) >= crowd.SYSTEMS


def test_the_units_of_the_crowd_have_distinct_names():
    every = [*names.DIVISIONS, *(name for _code, name, _kind in names.BUREAUS), *names.SUBORDINATES, *(row[1] for row in bureau.UNITS)]
    assert len(every) == len(set(every)) == crowd.UNITS
