"""Art. 36: in force from publication. A36.1."""

from datetime import date

import pytest

from anzhang import clock as wall
from anzhang.casework.models import RegulationVersion
from tests.articles.stories import measure, opened, state, verdict


@pytest.mark.usefixtures("bureau")
def test_it_is_unknown_before_the_text_is_imported(clock):
    measure(clock, "A36.1")
    assert verdict("A36.1", None).why["code"] == "no_text_imported"


@pytest.mark.usefixtures("bureau")
def test_a_text_without_its_date_is_a_breach_until_the_date_is_on_record(clock):
    version = RegulationVersion.objects.create(catalog="tianjin-hrss", title="办法", sha256="0" * 64, imported_at=clock.now)
    measure(clock, "A36.1")
    assert verdict("A36.1", None).why["code"] == "no_publication_date"
    version.published_on = date(2019, 5, 1)
    version.save()
    measure(clock, "A36.1")
    assert state("A36.1", None) == "met"
    assert opened("A36.1") == []


@pytest.mark.usefixtures("bureau")
def test_a_finding_dated_before_the_text_took_effect_is_a_breach(clock):
    today = wall.day_of(clock.now)
    version = RegulationVersion.objects.create(
        catalog="tianjin-hrss", title="办法", sha256="0" * 64, imported_at=clock.now, published_on=today, effective_on=today
    )
    measure(clock, "A05.3")
    measure(clock, "A36.1")
    assert state("A36.1", None) == "met"
    version.effective_on = today.replace(day=today.day + 1)
    version.save()
    measure(clock, "A36.1")
    assert verdict("A36.1", None).why["code"] == "finding_before_effect"
