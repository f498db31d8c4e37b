"""Art. 3: whom the measures cover. A03.1."""

import pytest

from anzhang import clock as wall
from anzhang.directory import procedures as directory
from anzhang.directory.models import Assignment, Unit
from tests.articles.stories import file, measure, opened, state, through, verdict


def test_a_unit_without_head_is_a_breach_until_one_is_appointed(bureau, acting, clock):
    measure(clock, "A03.1")
    assert state("A03.1", "JYC") == "met"
    post = Assignment.objects.get(unit=bureau.unit["JYC"], duty="unit_head")
    directory.end_assignment(acting("liuyang"), post, clock.now, clock.now)
    measure(clock, "A03.1")
    assert verdict("A03.1", "JYC").why["code"] == "unit_without_head"
    assert state("A03.1", "IC") == "met"
    (finding,) = opened("A03.1")
    assert finding.person.name == "高建国"  # the post is vacant, so the head of the unit above answers
    case = file(bureau, acting, clock, "sunli", "unit_head", person="P021")
    through(case, acting, clock, "gaojianguo")
    measure(clock, "A03.1")
    assert state("A03.1", "JYC") == "met"
    assert opened("A03.1") == []


def test_a_head_who_has_left_is_no_head(bureau, clock):
    head = bureau.named("徐斌")
    head.left_on = wall.day_of(clock.now)
    head.save()
    measure(clock, "A03.1")
    assert state("A03.1", "SBZX") == "breach"


def test_a_closed_unit_that_still_owns_a_system_is_a_breach(bureau, clock):
    unit = bureau.unit["JYC"]
    unit.closed_on = wall.day_of(clock.now)
    unit.save()
    measure(clock, "A03.1")
    found = verdict("A03.1", "JYC")
    assert (found.state, found.why["code"]) == ("breach", "closed_unit_owns")
    assert "JY01" in found.why["params"]["objects"]


@pytest.mark.usefixtures("bureau")
def test_the_bureau_itself_needs_no_listed_kind(clock):
    measure(clock, "A03.1")
    assert Unit.objects.get(code="HRSS").kind == "bureau"
    assert state("A03.1", "HRSS") == "met"
