"""Art. 35: open words are interpreted by the Office; a signed value governs. A35.1."""

from datetime import timedelta

import pytest

from anzhang.casework import obligations, parameters, topics
from anzhang.casework.models import Interpretation
from anzhang.organization.models import Officer
from anzhang.permissions import RefusedError
from anzhang.regulation.checks import Context
from tests.articles.stories import file, measure, opened, state, through, verdict


@pytest.mark.usefixtures("bureau")
def test_nothing_signed_leaves_nothing_to_judge(clock):
    measure(clock, "A35.1")
    assert state("A35.1", None) == "not_applicable"


def test_a_signed_value_governs_and_ends_the_provisional_mark(bureau, acting, clock):
    Officer.objects.filter(unit=bureau.unit["IC"]).update(valid_to=clock.now)
    clock.advance(days=6)
    measure(clock, "A05.3")
    assert (state("A05.3", "IC"), verdict("A05.3", "IC").provisional) == ("met", True)
    case = file(bureau, acting, clock, "wujie", "interpretation", parameter="vacancy_days", value="5", reason="从严掌握")
    through(case, acting, clock, "zhengkai")
    clock.advance(seconds=1)
    measure(clock, "A05.3", "A35.1")
    assert state("A05.3", "IC") == "breach"
    assert verdict("A05.3", "IC").why["params"]["days"] == 5
    assert (state("A35.1", None), verdict("A35.1", None).population) == ("met", 1)


@pytest.mark.usefixtures("bureau")
def test_running_on_another_value_than_the_signed_one_is_a_breach(clock):
    Interpretation.objects.create(
        parameter="vacancy_days", value=5, reason="从严掌握", valid_from=clock.now - timedelta(days=1), recorded_at=clock.now
    )
    unlike = parameters.overlaid(parameters.catalog(), {})
    (breach,) = obligations.signed_values_used(Context(clock.now, unlike)).breaches
    assert breach.why.params == {"parameter": "vacancy_days", "value": "7", "signed": "5"}
    assert obligations.signed_values_used(Context(clock.now, parameters.values(clock.now))).breaches == ()


@pytest.mark.usefixtures("bureau")
def test_a_value_signed_for_what_the_text_fixes_does_not_govern(clock):
    Interpretation.objects.create(parameter="retention_days", value=30, reason="错", valid_from=clock.now, recorded_at=clock.now)
    assert parameters.values(clock.now)["retention_days"] == 184
    measure(clock, "A35.1")
    assert verdict("A35.1", None).why["code"] == "value_differs"
    Interpretation.objects.update(superseded_at=clock.now)
    measure(clock, "A35.1")
    assert opened("A35.1") == []


def test_up_to_ten_values_of_a_topic_are_signed_in_one_case(bureau, acting, clock):
    values = "vacancy_days = 10\nmajor_matters = project; sanction\n\nstaff_grace＝3"
    with pytest.raises(RefusedError, match="staff_grace"):
        file(bureau, acting, clock, "wujie", "interpretation_topic", topic="组织责任", values=values, reason="统一口径")
    values = values.replace("\n\nstaff_grace＝3", "")
    case = file(bureau, acting, clock, "wujie", "interpretation_topic", topic="组织责任", values=values, reason="统一口径")
    case = through(case, acting, clock, "zhengkai")
    signed = parameters.signed(clock.now)
    assert signed == {"vacancy_days": 10, "major_matters": ["project", "sanction"]}
    assert {row.case for row in Interpretation.objects.all()} == {case}
    measure(clock, "A35.1")
    assert (state("A35.1", None), verdict("A35.1", None).population) == ("met", 2)


@pytest.mark.parametrize(
    "values",
    [
        "",
        "vacancy_days 7",
        "vacancy_days = -1",
        "unit_kinds = x",
        "temperature_celsius = 18; warm",
        "\n".join(["vacancy_days = 7"] * 2),
        "x = 1\n" * 11,
    ],
)
def test_a_topic_with_a_wrong_line_is_refused_when_it_is_filed(bureau, acting, clock, values):
    with pytest.raises(RefusedError):
        file(bureau, acting, clock, "wujie", "interpretation_topic", topic="组织责任", values=values, reason="统一口径")


def test_a_line_reads_back_as_the_value_it_gives():
    for parameter in parameters.catalog().parameters.values():
        if parameter.is_open:
            assert topics.read(topics.line_of(parameter, parameter.default)) == [(parameter, parameter.default)]
