"""Who sees which rows: one's own unit and below, or the whole bureau for the few who answer for it."""

import pytest
from django.db import connection

from anzhang.directory import scoping
from anzhang.directory.models import Person, Unit
from anzhang.events import Event
from anzhang.journal.procedures import write
from anzhang.organization.models import PolicyDocument
from anzhang.permissions import Actor, Via, system


def codes(actor, clock):
    return sorted(scoping.units(actor, clock.now).values_list("code", flat=True))


@pytest.mark.parametrize(
    ("name", "seen"),
    [
        ("sunli", ["JYC"]),
        ("liuyang", ["JYC"]),
        ("luona", ["SBZX"]),
        ("liming", ["IC"]),
        ("gaojianguo", ["HRSS", "IC", "JYC", "LGO", "SBZX"]),
        ("hemin", ["HRSS", "IC", "JYC", "LGO", "SBZX"]),
        ("wujie", ["HRSS", "IC", "JYC", "LGO", "SBZX"]),
        ("guolei", ["HRSS", "IC", "JYC", "LGO", "SBZX"]),
        ("mali", ["HRSS", "IC", "JYC", "LGO", "SBZX"]),
        ("chenjing", ["HRSS", "IC", "JYC", "LGO", "SBZX"]),
    ],
)
def test_it_shows_units_by_path_and_role(acting, clock, name, seen):
    assert codes(acting(name), clock) == seen


def test_it_shows_units_below_and_none_whose_code_merely_begins_alike(bureau, acting, clock):
    for code, parent in (("JYC2", "HRSS"), ("JYCA", "JYC")):
        above = bureau.unit[parent]
        unit = Unit(
            code=code, name=code, kind="subordinate_unit", parent=above, path=f"{above.path}{code}/", established_on=clock.now.date()
        )
        write(system("test"), Event.ROW_CREATE, unit, at=clock.now)
    assert codes(acting("sunli"), clock) == ["JYC", "JYCA"]


def test_it_filters_rows_over_their_unit(acting, clock):
    titles = scoping.visible(PolicyDocument.objects.all(), acting("sunli"), clock.now).values_list("unit__code", flat=True)
    assert list(titles) == ["JYC"]
    names = scoping.visible(Person.objects.all(), acting("luona"), clock.now).values_list("name", flat=True)
    assert sorted(names) == ["徐斌", "罗娜"]


def test_it_shows_nothing_to_an_actor_without_a_unit(bureau, clock):
    assert codes(Actor(id="token:x", via=Via.API), clock) == []


def test_it_shows_everything_to_the_platforms_own_jobs(bureau, clock):
    assert len(codes(system("reconcile"), clock)) == 5


def test_it_forgets_a_member_whose_term_has_ended(bureau, acting, clock):
    from anzhang.directory.models import LeadingGroupMember

    member = LeadingGroupMember.objects.get(person__code="P002")
    member.valid_to = clock.now
    write(system("test"), Event.ROW_CHANGE, member, at=clock.now)
    moved = bureau.person["P002"]
    moved.unit = bureau.unit["IC"]
    write(system("test"), Event.ROW_CHANGE, moved, at=clock.now)
    bureau.user["hemin"].person.refresh_from_db()
    assert codes(acting("hemin"), clock) == ["IC"]


def test_it_asks_the_index_for_the_range(bureau, acting, clock):
    units = scoping.units(acting("sunli"), clock.now).order_by("path")
    if connection.vendor == "sqlite":
        plan = units.explain()
        assert "SEARCH" in plan
        assert "path>?" in plan
        return
    # The bureau is so small that PostgreSQL may read all of it; what large ones need is the index for prefixes.
    with connection.cursor() as cursor:
        cursor.execute("SELECT indexdef FROM pg_indexes WHERE tablename = 'anzhang_unit'")
        assert any("(path varchar_pattern_ops)" in definition for (definition,) in cursor.fetchall())
