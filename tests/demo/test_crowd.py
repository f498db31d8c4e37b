"""The demo at its full size: as many as promised, the same every time, and wrong only where it says so."""

from itertools import islice

import pytest

from anzhang.casework.models import Finding, Verdict
from anzhang.demo import breaches, bureau, conduct, crowd, names, operations
from anzhang.directory.models import Assignment, Person, Unit, User
from anzhang.engines.vault import Batch, Vault
from anzhang.journal import verify
from anzhang.organization.models import Decision, Directive, Inspection, Officer, PlanItem, ResponsibilityStatement, TrainingRecord
from anzhang.organization.queries import plan_breaches
from anzhang.systems.models import System
from tests.articles.stories import measure

JUDGED = ("A01.2", "A03.1", "A04.3", "A04.4", "A04.5", "A04.6", "A05.1", "A05.3", "A05.4", "A12.1", "A12.2", "A34.1")
CAST = ("信息中心", "就业促进处")
WATCHED = ("A12.3", "A13.4")


@pytest.fixture
def full(db, clock):
    """The bureau with everybody in it, as the demo builds it, the units of the crowd by name, and what its operations fail to do."""
    built = bureau.build(clock.now)
    bureau.put_on_file(built, clock.now)
    breaches.plant(built, clock.now)
    made = crowd.populate(built, clock.now)
    conduct.behave(built, made, clock.now)
    planted = operations.operate(built, made, clock.now)
    return {unit.name: unit for unit in made.units}, planted.expected


def test_the_full_demo_is_as_large_as_promised_and_wrong_only_where_it_says_so(full, clock, tmp_path):
    full, running = full
    assert (Unit.objects.count(), Person.objects.count(), System.objects.count()) == (40, 2000, 150)
    assert Assignment.objects.count() > 300
    assert Officer.objects.count() == 36
    assert User.objects.count() == 17 + 2 * len(full)
    for paper in (ResponsibilityStatement, TrainingRecord, Inspection, Directive):
        assert paper.objects.count() >= 35
    assert {row.code for row in Person.objects.filter(name__in=["李明", "王芳", "赵强", "陈静"], code__lt="P1")} == {
        "P011", "P012", "P013", "P090"
    }  # fmt: skip

    assert Decision.objects.get().minuted_at is not None
    assert set(PlanItem.objects.values_list("state", flat=True)) == {"open", "completed"}
    assert plan_breaches(clock.now)[1] == []

    vault = Vault(tmp_path / "vault")
    with vault.writer() as writer:
        writer.append(Batch("MON-01", b"".join(line + b"\n" for line in operations.lines(clock.now)), clock.now))
        writer.seal(clock.now)
    measure(clock, *JUDGED, *WATCHED, vault=vault)
    cast = set(Unit.objects.exclude(name__in=full).values_list("name", flat=True))
    found = Finding.objects.exclude(unit=None).values_list("unit__name", "obligation")
    assert {pair for pair in found if pair[0] not in cast} == {*conduct.EXPECTED.items(), *running.items()}
    assert (len(running), {row.state for row in Verdict.objects.filter(obligation="A12.3", unit__name__in=CAST)}) == (4, {"met"})
    assert sorted(pair for pair in found if pair[0] in cast) == [
        ("就业促进处", "A05.3"), ("社会保险基金管理中心", "A05.1"), ("社会保险基金管理中心", "A05.3")
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
