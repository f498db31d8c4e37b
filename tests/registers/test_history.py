"""Versions of a row: as it stood, compared, as known at a time."""

from datetime import timedelta

import pytest
from django.test import Client

from anzhang.directory import procedures
from anzhang.directory.models import Person
from anzhang.registers import history, listing
from anzhang.registers.declaration import REGISTERS
from anzhang.registers.rights import Sight
from tests import world

PERSON, ASSIGNMENT = REGISTERS["person"], REGISTERS["assignment"]


@pytest.fixture
def changed(bureau, acting, clock):
    """孙丽 with three versions, an hour apart."""
    person = bureau.person["P021"]
    for post in ("副处长", "处长"):
        clock.advance(hours=1)
        procedures.change_person(acting("liuyang"), person, at=clock.now, post=post)
    return Person.objects.select_related("unit").get(pk=person.pk)


def test_every_version_is_kept_and_the_newest_is_the_row(changed):
    found = history.versions(PERSON, changed)
    assert [version.values["post"] for version in found] == ["处长", "副处长", "综合岗"]
    assert all(version.exact for version in found)
    assert {version.values["unit"] for version in found} == {"JYC"}


def test_it_shows_what_stood_at_an_instant(changed):
    found = history.versions(PERSON, changed)
    assert history.as_of(found, world.START + timedelta(minutes=90)).values["post"] == "副处长"
    assert history.as_of(found, world.START).values["post"] == "综合岗"
    assert history.as_of(found, world.START - timedelta(days=1)) is None


def test_two_versions_are_compared_field_by_field(changed):
    new, _middle, old = history.versions(PERSON, changed)
    differences = {difference.label: (difference.before, difference.after) for difference in history.compare(PERSON, old, new)}
    assert differences["职务"] == ("综合岗", "处长")
    assert "姓名" not in differences


def test_the_page_shows_versions_and_refuses_strangers_and_senseless_times(changed, bureau):
    client = Client()
    world.enter(client, bureau.user["liuyang"])
    address = f"/registers/person/{changed.pk}/history/"
    text = client.get(address).content.decode()
    assert "副处长" in text
    assert "处长" in client.get(f"{address}?as_of=2026-11-24").content.decode()
    assert "综合岗" in client.get(f"{address}?as_of=2026-11-24T09:45").content.decode()
    assert "当时还没有这条记录" in client.get(f"{address}?as_of=2020-01-01").content.decode()
    assert "不是时间" in client.get(f"{address}?as_of=昨天").content.decode()
    assert client.get(f"{address}?old=999999&new=x").status_code == 200
    assert client.get(f"/registers/person/{bureau.person['P031'].pk}/history/").status_code == 404


def test_a_dated_register_says_what_held_when_and_what_was_known_when(bureau, acting, clock):
    sight = Sight(acting("zhengkai"), clock.now)
    post = bureau.person["P020"].assignment_set.get(duty="unit_head")
    before, known = clock.now, clock.now + timedelta(minutes=30)
    clock.advance(hours=1)
    procedures.end_assignment(acting("liuyang"), post, before - timedelta(days=30), clock.now)

    def held(**filters):
        query = listing.parse(ASSIGNMENT, {name: value.isoformat() for name, value in filters.items()})
        return listing.select(ASSIGNMENT, query, sight).filter(person=post.person, duty="unit_head").count()

    assert held(valid_at=before) == 0  # as known now, the post had ended
    assert held(valid_at=before, known_at=known) == 1  # as known then, it had not
    assert held(valid_at=before - timedelta(days=40)) == 1


@pytest.mark.parametrize("query", ["valid_at=x", "known_at=2026-13-01", "valid_at=0001-01-01"])
def test_a_senseless_time_is_refused(query, bureau):
    client = Client()
    world.enter(client, bureau.user["zhengkai"])
    assert client.get(f"/registers/assignment/?{query}").status_code == 400
    assert "何时有效" in client.get("/registers/assignment/").content.decode()
    assert "何时有效" not in client.get("/registers/person/").content.decode()
