"""Prepared queries answer as the queries they were made of, for any values, and refuse what they cannot keep apart."""

from datetime import datetime, timedelta

import pytest

from anzhang.directory import scoping
from anzhang.directory.models import Assignment, Person, Unit
from anzhang.directory.prepared import NotPreparableError, Prepared
from tests import world


def test_it_answers_as_the_query_for_every_person(bureau, clock):
    def posts(person, at):
        return Assignment.objects.filter(Assignment.in_force(at), person_id=person).order_by("pk").values_list("duty", "unit__code")

    prepared = Prepared(posts, person=int, at=datetime)
    for at in (clock.now, clock.now - timedelta(days=4000)):
        for person in Person.objects.all():
            assert prepared.rows(person=person.pk, at=at) == list(posts(person.pk, at))
            assert prepared.count(person=person.pk, at=at) == posts(person.pk, at).count()
    assert any(prepared.count(person=person.pk, at=clock.now) for person in Person.objects.all())


@pytest.mark.usefixtures("bureau")
def test_a_condition_is_put_on_another_query_of_the_table():
    below = Prepared(lambda path: Unit.objects.filter(scoping.below(path + "/")), path=str)
    for unit in Unit.objects.all():
        seen = Unit.objects.filter(below.condition(path=unit.path.removesuffix("/")), closed_on=None)
        assert set(seen) == set(Unit.objects.filter(scoping.below(unit.path), closed_on=None))


@pytest.mark.usefixtures("bureau")
def test_a_number_may_stand_in_a_text():
    coded = Prepared(lambda key: Unit.objects.filter(code=str(key)).values_list("name"), key=int)
    Unit.objects.filter(code="IC").update(code="17")
    assert len(coded.rows(key=17)) == 1
    assert coded.rows(key=18) == []


@pytest.mark.usefixtures("bureau")
def test_a_value_is_never_read_as_sql_or_as_a_pattern():
    named = Prepared(lambda text: Unit.objects.filter(name__icontains=text).values_list("code"), text=str)
    assert named.rows(text="信息")
    for text in ("' OR 1=1 --", "%", "_", "\\"):
        assert named.rows(text=text) == []


@pytest.mark.usefixtures("bureau")
def test_it_asks_as_usual_with_reckoned_values_and_refuses_them_in_conditions_as_joins():
    day_before = Prepared(lambda at: Unit.objects.filter(established_on__lt=at - timedelta(days=1)), at=datetime)
    assert day_before.count(at=world.START) == Unit.objects.filter(established_on__lt=world.START - timedelta(days=1)).count() > 0
    with pytest.raises(NotPreparableError, match="reckoned"):
        day_before.condition(at=world.START)
    with pytest.raises(TypeError, match="expected at"):
        Prepared(lambda at: Assignment.objects.filter(valid_from__lt=at), at=datetime).count(person=1)
    with pytest.raises(NotPreparableError, match="join"):
        Prepared(lambda name: Assignment.objects.filter(person__name=name), name=str).condition(name="张华")
