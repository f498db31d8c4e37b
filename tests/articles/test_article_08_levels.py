"""Art. 8: filing, measures and evaluation of a system suit its level (A08.2)."""

from __future__ import annotations

import json
from datetime import date, timedelta

import pytest

from anzhang import clock as clocks
from anzhang.casework import parameters
from anzhang.directory.rows import RowError
from anzhang.organization import measures
from anzhang.organization.models import ControlMeasure
from anzhang.permissions import RefusedError
from anzhang.regulation import measures as proposed
from anzhang.regulation.reading import CatalogError
from anzhang.systems import gradings
from anzhang.systems.models import System
from anzhang.systems.obligations_gradings import longest
from tests.articles.stories import measure, opened, state, verdict

LEVELS = "A08.2"


@pytest.fixture
def only(bureau):
    """One system of level 3 is in service: the core system of 信息中心."""
    System.objects.exclude(code="SB01").update(state="retired")
    return bureau.system["SB01"]


@pytest.fixture
def required(bureau, acting, clock):
    """The Office requires two measures, one from level 2 on, one from level 4."""
    return {
        code: measures.register_control_measure(
            acting("wujie"), at=clock.now, code=code, name=f"措施 {code}", kind="system", level=level, unit=bureau.unit["LGO"]
        )
        for code, level in (("M2", 2), ("M4", 4))
    }


def graded(acting, clock, system, **values):
    day = clocks.day_of(clock.now)
    given = {
        "graded_on": date(2025, 1, 10), "level": 3, "filing_number": "12010000123-19001", "filed_on": date(2025, 2, 1),
        "evaluated_on": day - timedelta(days=365), "result": "good", "evaluator": "某测评中心", **values,
    }  # fmt: skip
    return gradings.record_protection_grading(acting("liming"), at=clock.now, system=system, **given)


def proved(acting, clock, system, requirement, **values):
    day = clocks.day_of(clock.now)
    given = {"proved_on": day - timedelta(days=30), "valid_until": day, "proof": "检查记录 7 号", **values}
    return measures.register_control_measure(
        acting("liming"), at=clock.now, code=f"P-{requirement.code}", name=requirement.name, kind="system", requirement=requirement,
        system=system, unit=system.managing_unit, **given,
    )  # fmt: skip


def found(clock):
    assert measure(clock, LEVELS).failed == []
    return {(each.subject, each.reason["code"]) for each in opened(LEVELS)}


def test_filing_measures_and_evaluation_are_each_found_and_each_mended(only, required, acting, clock):
    who = "system:SB01"
    assert found(clock) == {(who, "system_not_filed"), (who, "measures_missing")}
    assert {each.unit.code for each in opened(LEVELS)} == {"IC"}
    grading = graded(acting, clock, only)
    assert found(clock) == {(who, "measures_missing")}
    (finding,) = opened(LEVELS)
    assert finding.evidence == [f"control_measure:{required['M2'].pk}"], "level 4 asks more, level 3 does not"
    assert (finding.reason["params"]["count"], finding.reason["params"]["measures"]) == (1, ["措施 M2"])
    proof = proved(acting, clock, only, required["M2"])
    assert found(clock) == set(), "proof and evaluation are good to the end of this day"
    assert state(LEVELS, "IC") == "met"
    clock.advance(days=1)
    assert found(clock) == {(who, "measures_past_proof"), (who, "evaluation_old")}
    day = clocks.day_of(clock.now)
    measures.change_control_measure(acting("liming"), proof, at=clock.now, proved_on=day, valid_until=day + timedelta(days=365))
    gradings.change_protection_grading(acting("liming"), grading, at=clock.now, evaluated_on=day)
    assert found(clock) == set()
    grading.refresh_from_db()
    assert grading.earlier == ["2025-11-24"], "the evaluation before is kept"
    gradings.change_protection_grading(acting("liming"), grading, at=clock.now, filing_number="", filed_on=None)
    assert found(clock) == {(who, "system_not_filed")}


def test_the_newest_grading_counts_and_one_that_differs_from_the_register_is_a_finding(only, required, acting, clock):
    proved(acting, clock, only, required["M2"])
    graded(acting, clock, only, level=2)
    assert found(clock) == {("system:SB01", "grading_differs")}
    params = opened(LEVELS)[0].reason["params"]
    assert (params["graded"], params["registered"], params["level"]) == (2, 3, 3)
    graded(acting, clock, only, graded_on=date(2025, 6, 1), filed_on=date(2025, 6, 1))
    assert found(clock) == set()
    System.objects.filter(pk=only.pk).update(protection_level=None)
    assert found(clock) == set()


def test_what_nobody_has_looked_at_is_unknown_and_never_green(only, acting, clock):
    System.objects.filter(pk=only.pk).update(protection_level=None)
    assert found(clock) == set()
    assert "system_without_grading" in json.dumps(verdict(LEVELS, "IC").why)
    System.objects.filter(pk=only.pk).update(protection_level=1)
    found(clock)
    assert state(LEVELS, "IC") == "unknown"
    grading = graded(acting, clock, only, level=1, evaluated_on=None, result="", evaluator="", filing_number="", filed_on=None)
    found(clock)
    assert "system_measures_not_set" in json.dumps(verdict(LEVELS, "IC").why)
    System.objects.filter(pk=only.pk).update(protection_level=2)
    grading = gradings.change_protection_grading(
        acting("liming"), grading, at=clock.now, level=2, filing_number="12-1", filed_on=date(2025, 2, 1)
    )
    assert found(clock) == set()
    assert "evaluation_not_yet" in json.dumps(verdict(LEVELS, "IC").why), "graded less than two years ago"
    clock.advance(days=47)
    assert found(clock) == set()
    clock.advance(days=1)
    assert found(clock) == {("system:SB01", "never_evaluated")}


def test_a_proof_without_end_is_unknown_and_the_longest_one_counts(only, required, acting, clock):
    graded(acting, clock, only)
    proved(acting, clock, only, required["M2"], valid_until=None)
    assert found(clock) == set()
    assert "measures_without_end" in json.dumps(verdict(LEVELS, "IC").why)
    day = clocks.day_of(clock.now)
    ControlMeasure.objects.filter(code="P-M2").update(valid_until=day - timedelta(days=1))
    assert found(clock) == {("system:SB01", "measures_past_proof")}
    with pytest.raises(RowError):
        measures.change_control_measure(
            acting("liming"), ControlMeasure.objects.get(code="P-M2"), at=clock.now, valid_until=day - timedelta(days=99)
        )


def test_levels_without_a_number_of_days_are_those_below_the_lowest():
    days = {"level_2": 730, "level_3": 365, "level_4": 365}
    assert [longest(level, days) for level in (1, 2, 3, 4, 5)] == [None, 730, 365, 365, 365]
    assert longest(3, {}) is None


def test_the_office_adopts_what_the_catalog_proposes_once(bureau, acting, clock):
    with pytest.raises(RefusedError, match="领导小组办公室"):
        measures.adopt_measures(acting("liming"), bureau.unit["LGO"], clock.now)
    made = measures.adopt_measures(acting("wujie"), bureau.unit["LGO"], clock.now)
    assert {each.level for each in made} == {1, 2, 3, 4}
    assert all(each.requirement_id is None and each.kind == "system" for each in made)
    with pytest.raises(RefusedError) as caught:
        measures.adopt_measures(acting("wujie"), bureau.unit["LGO"], clock.now)
    assert caught.value.code == "nothing_to_adopt"
    families = {each.family for each in proposed.load(parameters.folder())}
    assert families == proposed.FAMILIES


@pytest.mark.parametrize(
    ("line", "why"),
    [("level = 9", "1 to 5"), ('family = "moon"', "is none of"), ('colour = "red"', "colour"), (f'key = "{"k" * 33}"', "at most 32")],
)
def test_a_wrong_measure_of_a_catalog_is_named(tmp_path, line, why):
    good = {"key": '"A"', "family": '"policy"', "level": "1", "zh": '"甲"', "en": '"a"'}
    name, _equals, value = line.partition(" = ")
    text = "[[measure]]\n" + "".join(f"{key} = {said}\n" for key, said in {**good, name: value}.items())
    (tmp_path / "measures.toml").write_text(text, encoding="utf-8")
    with pytest.raises(CatalogError, match=why):
        proposed.load(tmp_path)
    assert proposed.load(tmp_path / "none") == ()


def test_days_to_come_are_refused(only, acting, clock):
    with pytest.raises(RefusedError) as caught:
        graded(acting, clock, only, evaluated_on=date(2026, 11, 25))
    assert caught.value.code == "in_the_future"
