"""The form of any route: what is taken, what is named as wrong, what may be chosen."""

from datetime import date

import pytest

from anzhang.casework import forms
from tests.casework.paths import LABEL, route, step


def fields(*rows):
    return route(step("office", "office"), field=[{"label": LABEL, "name": "x", **row} for row in rows])


def one(value, **keys):
    return forms.validate(fields(keys), {"x": value})["x"]


def fault(value, **keys):
    with pytest.raises(forms.FormError) as refusal:
        one(value, **keys)
    assert refusal.value.code == "form_invalid"
    return refusal.value.faults["x"]


@pytest.mark.parametrize(
    ("kind", "given", "kept"),
    [
        ("text", " 试验 ", "试验"),
        ("long_text", "第一行\n第二行", "第一行\n第二行"),
        ("date", "2026-11-24", "2026-11-24"),
        ("date", date(2026, 11, 24), "2026-11-24"),
        ("number", "42", 42),
        ("number", 42, 42),
        ("number", "-7", -7),
    ],
)
def test_a_value_is_kept_as_plain_json(kind, given, kept):
    assert one(given, kind=kind) == kept


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        ("text", ""),
        ("text", "   "),
        ("text", None),
        ("text", "字" * 201),
        ("text", "a\x00b"),
        ("text", ["a"]),
        ("text", True),
        ("date", "24.11.2026"),
        ("date", "2026-02-30"),
        ("number", "4.2"),
        ("number", "²"),
        ("number", "9" * 20),
        ("number", "-"),
    ],
)
def test_a_wrong_value_is_named_with_its_field(kind, given):
    assert fault(given, kind=kind).startswith("测试：")


def test_an_optional_field_may_be_empty():
    assert one("", kind="date", required=False) is None


def test_a_choice_is_one_of_the_choices():
    choices = {"a": {"zh": "甲", "en": "A"}, "b": {"zh": "乙", "en": "B"}}
    assert one("a", kind="choice", choices=choices) == "a"
    assert fault("c", kind="choice", choices=choices) == "测试：“c”不在可选项内：甲、乙。"


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [("person", "P022", "P999"), ("unit", "JYC", "XXX"), ("system", "SB01", "ZZ"), ("parameter", "vacancy_days", "nope")],
)
def test_objects_are_named_by_code(kind, good, bad, bureau):
    assert one(good, kind=kind) == good
    assert bad in fault(bad, kind=kind)


def test_a_parameter_that_the_text_fixes_cannot_be_chosen(bureau):
    assert fault("unit_kinds", kind="parameter")


def test_options_begin_with_the_own_unit(bureau, clock):
    way = fields({"kind": "person"}, {"name": "y", "kind": "system"}, {"name": "z", "kind": "unit"}, {"name": "w", "kind": "text"})
    unit = bureau.unit["JYC"]
    people, systems, units, nothing = (forms.options(field, unit, clock.now) for field in way.fields)
    assert [code for code, _label in people[:4]] == ["P020", "P021", "P022", "P023"]
    assert systems[0][0] == "JY01"
    assert units[0] == ("JYC", "就业促进处")
    assert nothing == ()


def test_people_who_left_are_no_option(bureau, clock):
    person = bureau.person["P022"]
    person.left_on = clock.now.date()
    person.save()
    codes = [code for code, _label in forms.options(fields({"kind": "person"}).fields[0], bureau.unit["JYC"], clock.now)]
    assert "P022" not in codes


def test_a_kept_form_is_shown_with_labels(bureau):
    choices = {"a": {"zh": "甲", "en": "A"}}
    way = fields(
        {"kind": "person"},
        {"name": "y", "kind": "choice", "choices": choices},
        {"name": "z", "kind": "date"},
        {"name": "w", "kind": "number"},
    )
    shown = forms.display(way, {"x": "P022", "y": "a", "z": None, "w": 3})
    assert [value for _label, value in shown] == ["张华（就业促进处 业务岗）", "甲", "", "3"]
