"""The query in the address and the rows it selects."""

import datetime as dt

import pytest

from anzhang.directory.models import Person
from anzhang.registers import listing
from anzhang.registers.declaration import REGISTERS
from anzhang.registers.rights import Sight

PERSON = REGISTERS["person"]


@pytest.fixture
def sight(acting, clock):
    return lambda username: Sight(acting(username), clock.now)


def codes(register, given, sight):
    return [row.code for row in listing.page(register, listing.parse(register, given), sight).rows]


def test_a_reader_sees_the_rows_of_the_own_unit_and_below(sight):
    assert codes(PERSON, {}, sight("sunli")) == ["P020", "P021", "P022", "P023"]
    assert len(codes(PERSON, {}, sight("zhengkai"))) == Person.objects.count()
    assert codes(REGISTERS["unit"], {}, sight("sunli")) == ["JYC"]


def test_a_system_is_seen_by_its_managing_and_its_responsible_unit(bureau, sight):
    assert codes(REGISTERS["system"], {}, sight("sunli")) == ["JY01"]
    row = bureau.system["SB01"]
    row.responsible_unit = bureau.unit["JYC"]
    row.save()
    assert codes(REGISTERS["system"], {}, sight("sunli")) == ["JY01", "SB01"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"q": "张"}, ["P022"]),
        ({"q": "p02"}, ["P020", "P021", "P022", "P023"]),
        ({"q": "%"}, []),
        ({"unit": "SBZX"}, ["P030", "P031"]),
        ({"unit": "JYC", "q": "唐"}, ["P023"]),
        ({"kind": "outside"}, ["P090"]),
        ({"employed": "no"}, []),
        ({"sort": "-code", "unit": "SBZX"}, ["P031", "P030"]),
        ({"sort": "name", "unit": "SBZX"}, ["P030", "P031"]),
        ({"q": "", "unit": " ", "other": "x", "page": ""}, None),
    ],
)
def test_search_filters_and_order_come_from_the_address(given, expected, sight):
    found = codes(PERSON, given, sight("zhengkai"))
    assert found == ([p.code for p in Person.objects.order_by("code")] if expected is None else expected)


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"page": "0"}, "page"),
        ({"page": "-1"}, "page"),
        ({"page": "x"}, "page"),
        ({"page": "9" * 30}, "page"),
        ({"page": "²"}, "page"),
        ({"size": "1000"}, "size"),
        ({"sort": "user__password"}, "sort"),
        ({"sort": "--code"}, "sort"),
        ({"q": "x" * 101}, "q"),
        ({"q": "\x00"}, "q"),
        ({"kind": "robot"}, "kind"),
        ({"unit": "NOWHERE"}, "unit"),
    ],
)
def test_a_senseless_parameter_is_named(given, name, sight):
    with pytest.raises(listing.BadQueryError) as caught:
        codes(PERSON, given, sight("zhengkai"))
    assert caught.value.name == name


def test_pages_meet_without_gap_or_overlap_in_any_order(bureau, sight, clock):
    Person.objects.bulk_create(
        Person(code=f"X{i:03}", name=f"甲{i % 3}", unit=bureau.unit["IC"], joined_on=clock.now.date()) for i in range(60)
    )
    for sort in ("", "name", "-name", "unit", "joined_on", "-left_on"):
        seen = []
        for page in (1, 2, 3, 4):
            seen += codes(PERSON, {"sort": sort, "size": "25", "page": str(page)}, sight("zhengkai"))
        assert sorted(seen) == sorted(Person.objects.values_list("code", flat=True))


def test_the_address_of_a_query_names_the_same_query():
    query = listing.parse(PERSON, {"q": "张 三&", "unit": "JYC", "sort": "-name", "page": "3", "size": "100"})
    from django.http import QueryDict

    assert listing.parse(PERSON, QueryDict(query.address()).dict()) == query


def test_in_force_follows_the_clock(bureau, sight, clock):
    register = REGISTERS["officer"]
    assert len(listing.page(register, listing.parse(register, {"in_force": "yes"}), sight("zhengkai")).rows) == 1
    row = bureau.person["P011"].officer_set.get()
    row.valid_to = clock.now + dt.timedelta(days=1)
    row.save()
    clock.advance(days=2)
    late = Sight(sight("zhengkai").actor, clock.now)
    assert listing.page(register, listing.parse(register, {"in_force": "yes"}), late).rows == []
    assert len(listing.page(register, listing.parse(register, {"in_force": "no"}), late).rows) == 1
