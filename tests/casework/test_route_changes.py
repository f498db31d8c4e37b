"""A unit's own route: more than the catalog's, never less; versions; conditions of steps."""

import copy
import json

import pytest

from anzhang.casework import conditions, queries, route_changes, routes, unit_routes
from anzhang.casework import procedures as cases
from anzhang.casework.forms import FormError
from anzhang.casework.models import Case
from anzhang.casework.routes import RouteError
from anzhang.casework.tables import UnitRoute
from anzhang.permissions import RefusedError
from tests.casework.paths import file, route, step, walk

KEY = "officer_appointment"
EXTRA = {"key": "added1", "title": {"zh": "安全员会签", "en": "Countersign"}, "who": ["super_head@applicant"], "days": 2}


def rules(*, extra=EXTRA, at=1):
    steps = copy.deepcopy(route_changes.as_rules(routes.current()[KEY]))
    if extra:
        steps.insert(at, copy.deepcopy(extra))
    return steps


def ask(bureau, acting, clock, steps, username="liuyang"):
    person = bureau.user[username].person
    form = {"route": KEY, "rules": json.dumps(steps), "reason": "本单位人员多，增加一道审核"}
    return cases.file_case(acting(username), "route_change", person.unit, person, "", form, clock.now)


def approve(bureau, clock, case):
    return walk(case, bureau.named("高建国"), bureau.named("郑凯"), at=clock.now)


def appoint(bureau, acting, clock, username="sunli"):
    person = bureau.user[username].person
    return cases.file_case(acting(username), KEY, person.unit, person, "", {"person": "P022"}, clock.now)


def keys(case: Case) -> list[str]:
    return [each.key for each in queries.route_of(case).steps]


def test_an_approved_case_changes_the_route_and_cases_on_their_way_keep_theirs(bureau, acting, clock):
    before = appoint(bureau, acting, clock)
    case = approve(bureau, clock, ask(bureau, acting, clock, rules()))
    assert case.state == Case.State.APPROVED
    row = UnitRoute.objects.get()
    assert (row.unit.code, row.route, row.version, row.basis.case) == ("JYC", KEY, 1, case)
    assert keys(appoint(bureau, acting, clock)) == ["head", "added1", "filing"]
    before.refresh_from_db()
    assert keys(before) == ["head", "filing"]


def test_other_units_go_the_catalogs_way(bureau, acting, clock):
    approve(bureau, clock, ask(bureau, acting, clock, rules()))
    assert [each.key for each in unit_routes.effective(KEY, bureau.unit["IC"], clock.now).steps] == ["head", "filing"]


def test_a_unit_without_its_own_route_goes_that_of_the_unit_above(bureau, acting, clock):
    case = approve(bureau, clock, ask(bureau, acting, clock, rules()))
    UnitRoute.objects.filter(basis__case=case).update(unit=bureau.unit["HRSS"])
    assert "added1" in [each.key for each in unit_routes.effective(KEY, bureau.unit["IC"], clock.now).steps]


def test_a_second_change_is_version_two_and_the_first_stays_readable(bureau, acting, clock):
    approve(bureau, clock, ask(bureau, acting, clock, rules()))
    clock.advance(days=1)
    approve(bureau, clock, ask(bureau, acting, clock, rules(extra=None)))
    first, second = UnitRoute.objects.filter(superseded_at=None).order_by("version")
    assert (first.valid_to, second.version, second.valid_to) == (clock.now, 2, None)
    assert keys(appoint(bureau, acting, clock)) == ["head", "filing"]


def weaker(change):
    steps = rules(extra=None)
    change(steps)
    return steps


@pytest.mark.parametrize(
    "change",
    [
        lambda steps: steps.pop(0),
        lambda steps: steps[0].update(who=["staff@applicant"]),
        lambda steps: steps[0].update(days=200),
        lambda steps: steps[0].update(otherwise=["staff@applicant"]),
        lambda steps: steps[1].pop("effect"),
        lambda steps: steps[0].update(when=[{"field": "reason", "given": True}]),
        lambda steps: steps[0].update(who=["unit_head@applicant", "staff@applicant"]),
        lambda steps: steps.insert(0, {**EXTRA, "effect": "appoint_officer"}),
        lambda steps: steps.append({**EXTRA, "kind": "receive"}),
        lambda steps: steps.extend({**EXTRA, "key": f"x{n}"} for n in range(20)),
        lambda steps: steps.insert(0, {**EXTRA, "who": ["king"]}),
        lambda steps: steps.insert(0, {**EXTRA, "who": []}),
        lambda steps: steps.insert(0, {**EXTRA, "surprise": 1}),
    ],
)
def test_it_refuses_to_ask_for_less_than_the_catalog(change, bureau, acting, clock):
    with pytest.raises(FormError) as refusal:
        ask(bureau, acting, clock, weaker(change))
    assert set(refusal.value.faults) == {"rules"}
    assert not Case.objects.exists()


def test_an_unchanged_proposal_is_refused(bureau, acting, clock):
    with pytest.raises(FormError):
        ask(bureau, acting, clock, rules(extra=None))


def test_the_quorum_may_be_raised_and_not_lowered():
    base = route(step("group", "leading_group", need=2), step("two", "unit_head@applicant", "office", need="all"))
    more = route(step("group", "leading_group", need=3), step("two", "unit_head@applicant", "office", "staff@applicant", need="all"))
    assert route_changes.shortfalls(base, more) == []
    assert len(route_changes.shortfalls(more, base)) == 3  # fewer votes, fewer people, a smaller minimum said with the first


def test_the_order_of_the_catalogs_steps_stays():
    base = route(step("a", "office"), step("b", "leading_group", need=2))
    turned = route(step("b", "leading_group", need=2), step("a", "office"))
    assert any("先后" in each for each in route_changes.shortfalls(base, turned))


def test_it_is_checked_again_when_it_is_approved(bureau, acting, clock):
    """A proposal tampered with after filing does not pass, whoever signed it."""
    case = walk(ask(bureau, acting, clock, rules()), bureau.named("高建国"), at=clock.now)
    tampered = {**case.form, "rules": json.dumps(weaker(lambda steps: steps[0].update(days=200)))}
    Case.objects.filter(pk=case.pk).update(form=tampered)
    with pytest.raises(RefusedError) as refusal:
        walk(case, bureau.named("郑凯"), at=clock.now)
    assert refusal.value.code == "below_minimum"
    assert not UnitRoute.objects.exists()


def test_a_stranger_to_the_unit_and_a_clerk_propose_nothing(bureau, acting, clock):
    with pytest.raises(RefusedError) as refusal:
        ask(bureau, acting, clock, rules(), "sunli")
    assert refusal.value.code == "not_a_filer"


# Conditions


def conditional(**when):
    field = [
        {"name": "rows", "kind": "number", "required": False, "label": {"zh": "行数", "en": "Rows"}},
        {"name": "sort", "kind": "choice", "required": False, "label": {"zh": "类", "en": "Sort"},
         "choices": {"a": {"zh": "甲", "en": "A"}, "b": {"zh": "乙", "en": "B"}}},
    ]  # fmt: skip
    return route(
        step("head", "unit_head@applicant"), step("office", "office", when=[when]), step("in", "office", kind="receive"), field=field
    )


@pytest.mark.parametrize(
    ("when", "form", "asked"),
    [
        ({"field": "rows", "at_least": 1000}, {"rows": 999}, False),
        ({"field": "rows", "at_least": 1000}, {"rows": 1000}, True),
        ({"field": "rows", "at_least": 1000}, {}, False),
        ({"field": "sort", "any_of": ["b"]}, {"sort": "b"}, True),
        ({"field": "sort", "any_of": ["b"]}, {"sort": "a"}, False),
        ({"field": "sort", "given": True}, {"sort": "a"}, True),
        ({"field": "sort", "given": True}, {}, False),
        ({"field": "unit_kind", "any_of": ["bureau_division"]}, {}, True),
        ({"field": "unit_kind", "any_of": ["bureau"]}, {}, False),
    ],
)
def test_a_step_takes_part_only_where_its_condition_holds(when, form, asked, bureau, acting, clock):
    case = walk(file(bureau, acting, clock, conditional(**when), form=form), bureau.named("刘洋"), at=clock.now)
    assert queries.step_of(case).key == ("office" if asked else "in")
    assert queries.is_granted(case) is not asked


def test_the_deadline_counts_only_the_steps_that_take_part(bureau, acting, clock):
    way = conditional(field="rows", at_least=1000)
    few, many = (file(bureau, acting, clock, way, form={"rows": rows}) for rows in (1, 5000))
    assert few.due_at < many.due_at
    assert [each.key for each in conditions.steps(way, few)] == ["head", "in"]


def test_a_changed_form_brings_the_step_in(bureau, acting, clock):
    case = file(bureau, acting, clock, conditional(field="rows", at_least=1000), form={"rows": 1})
    case = cases.send_back(acting("liuyang"), case, "行数不对", clock.now)
    case = cases.resubmit(acting("zhanghua"), case, {"rows": 5000}, clock.now)
    assert queries.step_of(walk(case, bureau.named("刘洋"), at=clock.now)).key == "office"


@pytest.mark.parametrize(
    "when",
    [
        {"field": "nowhere", "given": True},
        {"field": "rows"},
        {"field": "rows", "given": True, "at_least": 3},
        {"field": "rows", "eval": "1"},
    ],
)
def test_a_condition_outside_the_closed_set_is_refused(when):
    with pytest.raises(RouteError):
        conditional(**when)


def test_a_route_always_has_a_step_that_decides():
    with pytest.raises(RouteError):
        route(step("only", "office", when=[{"field": "unit_kind", "any_of": ["bureau"]}]))
