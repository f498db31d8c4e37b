"""The index of what registers search says no less than the search itself, whoever wrote the rows (SQLite)."""

import pytest
from django.db import connection
from django.db.models import Q
from hypothesis import given
from hypothesis import strategies as st

from anzhang.casework.models import Approval, Case, Finding
from anzhang.directory.models import Assignment, Person
from anzhang.registers import listing, text_index
from anzhang.registers.declaration import REGISTERS
from anzhang.registers.rights import Sight

NAMES = ["王伟", "王伟娜", "欧阳 娜娜", "Zoë O'Neil", 'a"b%c_d', "ÄÖÜ 里", "İstanbul", "\x1f分\x1f", "龙", "x" * 50, "㐀\U00020000"]
PATHS = ("code", "name")
pytestmark = pytest.mark.usefixtures("bureau")


def people(unit):
    """Write people in bulk, past every procedure."""
    day = "2020-01-01"
    return Person.objects.bulk_create(Person(code=f"T{i:04}", name=name, unit=unit, joined_on=day) for i, name in enumerate(NAMES))


def found(text):
    return Person.objects.filter(Q(code__icontains=text) | Q(name__icontains=text))


def kept(text):
    return set(text_index.narrow(Person.objects.all(), PATHS, text).values_list("pk", flat=True))


def test_it_keeps_every_row_that_the_search_finds(bureau):
    people(bureau.unit["JYC"])
    texts = {name[i:j] for name in [*NAMES, "T0003", "p02"] for i in range(len(name)) for j in range(i + 1, len(name) + 1)}
    for text in texts | {text.upper() for text in texts} | {text.lower() for text in texts}:
        if "\x00" not in text:
            assert set(found(text).values_list("pk", flat=True)) <= kept(text), repr(text)


@given(st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=6))
def test_it_takes_any_text(text):
    assert set(found(text).values_list("pk", flat=True)) <= kept(text)


def test_holds_is_icontains(bureau):
    people(bureau.unit["JYC"])
    texts = {name[i:j] for name in [*NAMES, "T0003", "p02"] for i in range(len(name)) for j in range(i + 1, len(name) + 1)}
    for text in texts | {text.upper() for text in texts} | {"%", "_", "\\"}:
        assert set(Person.objects.filter(name__holds=text)) == set(Person.objects.filter(name__icontains=text)), repr(text)


def test_it_narrows(bureau):
    people(bureau.unit["JYC"])
    assert {Person.objects.get(pk=pk).name for pk in kept("王伟")} == {"王伟", "王伟娜"}
    assert kept("没有这个人") == set()


def test_it_follows_rows_written_by_any_way(bureau):
    person = people(bureau.unit["JYC"])[0]
    Person.objects.filter(pk=person.pk).update(name="赵匡胤")
    assert (person.pk in kept("匡胤"), person.pk in kept("王伟")) == (True, False)
    Person.objects.filter(pk=person.pk).delete()
    assert person.pk not in kept("匡胤")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE anzhang_person SET name = '司马相如' WHERE code = 'T0001'")
    assert len(kept("相如")) == 1


def test_it_reaches_through_a_relation(bureau):
    person = bureau.person["P020"] if "P020" in bureau.person else Person.objects.get(code="P020")
    rows = text_index.narrow(Assignment.objects.all(), ("person__code", "person__name"), person.name)
    assert {row.person.name for row in rows} <= {person.name}
    assert "anzhang_assignment" in str(rows.query)
    assert text_index.narrow(Approval.objects.all(), ("case__number", "kind"), "没有").count() == 0


def test_a_text_of_thousands_of_rows_is_left_to_the_list(bureau, monkeypatch):
    monkeypatch.setattr(text_index, "FEW", 3)
    people(bureau.unit["JYC"])
    assert kept("T000") == set(Person.objects.values_list("pk", flat=True))


def test_it_is_made_anew_where_triggers_were_lost(bureau):
    with connection.cursor() as cursor:
        cursor.execute("DROP TRIGGER anzhang_person_text_insert")
        people(bureau.unit["JYC"])
        assert kept("王伟") == set()
        text_index.ensure()
        assert len(kept("王伟")) == 2
        cursor.execute("INSERT INTO anzhang_person_text(anzhang_person_text) VALUES ('integrity-check')")


@pytest.mark.parametrize(("few", "plan"), [(2000, "USING INTEGER PRIMARY KEY (rowid=?)"), (0, "COVERING INDEX person_search")])
def test_a_search_of_people_reads_the_few_rows_that_can_hold_it_else_one_index(acting, clock, monkeypatch, few, plan):
    monkeypatch.setattr(text_index, "FEW", few)
    register = REGISTERS["person"]
    rows = listing.select(register, listing.parse(register, {"q": "王"}), Sight(acting("zhengkai"), clock.now))
    assert plan in rows.values_list("pk", flat=True)[:50].explain()


@pytest.mark.parametrize(("model", "title", "index"), [(Case, "title", "case_searched"), (Finding, "subject_label", "finding_searched")])
@pytest.mark.parametrize("text", ["备案", "2026"])
def test_a_search_counts_what_it_finds_by_one_index(bureau, monkeypatch, model, title, index, text):
    monkeypatch.setattr(text_index, "FEW", -1)
    found = text_index.named(model.objects.all(), title, "number", text).order_by()
    assert f"COVERING INDEX {index}" in found.values(title, "number").explain()
