"""Art. 6: who is responsible for which system. A06.1."""

import pytest

from anzhang.directory.models import Unit
from anzhang.systems import procedures as systems
from anzhang.systems.models import System
from tests.articles.stories import measure, opened, state, verdict


def test_a_planned_system_of_another_unit_is_a_breach_until_it_is_the_centers(bureau, acting, clock):
    measure(clock, "A06.1")
    assert (state("A06.1", "IC"), verdict("A06.1", "IC").population) == ("met", 2)
    system = systems.change_system(acting("guolei"), bureau.system["JY01"], at=clock.now, centrally_planned=True)
    measure(clock, "A06.1")
    assert verdict("A06.1", "IC").why["params"] == {"system": "就业管理服务系统", "unit": "就业促进处"}
    (finding,) = opened("A06.1")
    assert (finding.unit.code, finding.person.name) == ("IC", "周伟")
    systems.change_system(acting("guolei"), system, at=clock.now, responsible_unit=bureau.unit["IC"])
    measure(clock, "A06.1")
    assert state("A06.1", "IC") == "met"
    assert opened("A06.1") == []


@pytest.mark.usefixtures("bureau")
def test_a_system_outside_the_plan_may_belong_to_anybody(clock):
    assert System.objects.get(code="JY01").responsible_unit.code == "JYC"
    measure(clock, "A06.1")
    assert state("A06.1", "IC") == "met"


@pytest.mark.usefixtures("bureau")
def test_without_an_information_center_nobody_knows(clock):
    Unit.objects.filter(code="IC").update(function="")
    measure(clock, "A06.1")
    assert verdict("A06.1", None).why["code"] == "no_information_center"
    assert state("A06.1", None) == "unknown"
