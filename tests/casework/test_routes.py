"""Routes as data: what the catalog holds, and how a wrong one complains."""

import copy

import pytest

from anzhang.casework import eligibility, forms, routes
from anzhang.casework.routes import Need, RouteError, StepKind
from anzhang.regulation.checks import PROCEDURES

GOOD = {
    "key": "trial",
    "title": {"zh": "试验", "en": "Trial"},
    "authority": "office",
    "field": [{"name": "matter", "kind": "text", "label": {"zh": "事由", "en": "Matter"}}],
    "step": [{"key": "office", "title": {"zh": "审核", "en": "Review"}, "who": ["office"], "days": 3}],
}

FILE = """
[[route]]
key = "trial"
title = { zh = "试验", en = "Trial" }
authority = "office"
[[route.step]]
key = "office"
title = { zh = "审核", en = "Review" }
who = ["office"]
days = 3
"""


def changed(path, value):
    row = copy.deepcopy(GOOD)
    place = row
    for key in path[:-1]:
        place = place[key]
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return row


def test_every_route_of_the_catalog_is_bound():
    for route in routes.current().values():
        effects = {route.effect, *(step.effect for step in route.steps)} - {""}
        assert effects <= set(PROCEDURES), route.key
        assert {field.kind for field in route.fields} <= {
            "text",
            "long_text",
            "date",
            "instant",
            "number",
            "choice",
            "rules",
            "scan",
            *forms.LOOKUPS,
        }


def test_every_role_and_place_of_the_closed_sets_is_bound():
    assert set(eligibility.RESOLVERS) == routes.ROLES
    assert set(eligibility.PLACES) == routes.WHERES


def test_labels_follow_the_language(settings):
    from django.utils import translation

    title = routes.current()["officer_appointment"].title
    with translation.override("en"):
        assert str(title) == "Appointment and filing of a security officer"
    with translation.override("zh-hans"):
        assert str(title) == "信息安全管理人员任命备案"


def test_a_route_reads_back_from_what_a_case_keeps():
    for route in routes.current().values():
        assert routes.parse(route.source) == route


def test_defaults_are_one_of_the_named():
    step = routes.parse(GOOD).steps[0]
    assert (step.need, step.minimum, step.kind, step.otherwise) == (Need.ONE, 1, StepKind.DECIDE, ())


@pytest.mark.parametrize(
    ("path", "value", "why"),
    [
        (("key",), None, "trial.toml: route ?: key: is missing"),
        (("title",), {"zh": "试验"}, "trial.toml: route trial: title: must be { zh = ..., en = ... }"),
        (("authority",), "king", "authority: 'king' is not one of leading_group, managing_unit, office, unit_head"),
        (("colour",), "red", "route trial: colour: unknown key"),
        (("step",), [], "step: a route has at least one step"),
        (("step",), "office", "step: must be list, not str"),
        (("step", 0, "who"), [], "step office: who: names nobody"),
        (("step", 0, "who"), ["mayor"], "step office: who: 'mayor' is not a role"),
        (("step", 0, "who"), ["office@applicant"], "who: 'office@applicant' is not a role"),
        (("step", 0, "who"), ["unit_head"], "who: 'unit_head' is not a role"),
        (("step", 0, "who"), ["unit_head@moon"], "who: 'unit_head@moon' is not a role"),
        (("step", 0, "who"), ["__import__('os')"], "is not a role"),
        (("step", 0, "need"), "most", "need: must be one, all, majority or a whole number, not 'most'"),
        (("step", 0, "need"), 0, "need: must be one, all, majority or a whole number, not 0"),
        (("step", 0, "need"), True, "need: must be one, all, majority or a whole number, not True"),
        (("step", 0, "minimum"), 0, "minimum: must be 1 or more"),
        (("step", 0, "days"), "3", "days: must be int, not str"),
        (("step", 0, "days"), 0, "days: must be 1 to 250 working days"),
        (("step", 0, "effect"), "appoint", "effect: a deciding step has none"),
        (("step", 0, "kind"), "receive", "step: deciding steps come first"),
        (("field", 0, "kind"), "colour", "field matter: kind: 'colour' is not one of"),
        (("field", 0, "kind"), "choice", "field matter: choices: a field of kind choice names its choices"),
        (("field", 0), "matter", "field ?: expected a table, not str"),
    ],
)
def test_a_wrong_route_names_file_route_key_and_why(path, value, why):
    with pytest.raises(RouteError) as error:
        routes.parse(changed(path, value), "trial.toml")
    assert why in str(error.value)
    assert str(error.value).startswith("trial.toml: route ")


def test_stand_ins_are_for_steps_that_need_one():
    row = changed(("step", 0, "otherwise"), ["super_head@applicant"])
    row["step"][0]["need"] = "all"
    with pytest.raises(RouteError, match="otherwise: only a step that needs one"):
        routes.parse(row)


def test_the_same_name_twice_is_refused():
    row = changed(("step",), [GOOD["step"][0], GOOD["step"][0]])
    with pytest.raises(RouteError, match="step: the same name twice"):
        routes.parse(row)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[[route]\n", "routes.toml: "),
        ("", "expected .* tables only, found nothing"),
        ("[parameters]\na = 1\n", "found parameters"),
        (FILE + FILE, "route trial: key: declared twice"),
    ],
)
def test_a_wrong_file_names_itself(tmp_path, text, why):
    file = tmp_path / "routes.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(RouteError, match=why):
        routes.load(file)


def test_a_file_that_is_not_utf8_names_itself(tmp_path):
    file = tmp_path / "routes.toml"
    file.write_bytes(FILE.encode("gb18030"))
    with pytest.raises(RouteError, match=r"routes\.toml"):
        routes.load(file)


def test_a_missing_file_names_itself(tmp_path):
    with pytest.raises(RouteError, match=r"routes\.toml"):
        routes.load(tmp_path / "routes.toml")


def test_routes_keep_the_order_of_the_file(tmp_path):
    file = tmp_path / "routes.toml"
    file.write_text(FILE + FILE.replace("trial", "second"), encoding="utf-8")
    assert list(routes.load(file)) == ["trial", "second"]
