"""Art. 35: open words are interpreted by the Office; a signed value governs. A35.1."""

from datetime import timedelta

import pytest

from anzhang.casework import obligations, parameters
from anzhang.casework.models import Interpretation
from anzhang.organization.models import Officer
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
