"""Art. 34: what a system is. A34.1."""

from anzhang.systems import procedures as systems
from tests.articles.stories import measure, opened, state, verdict


def test_a_system_of_no_kind_is_a_breach_until_it_is_classed(bureau, acting, clock):
    measure(clock, "A34.1")
    assert state("A34.1", "JYC") == "met"
    system = systems.register_system(
        acting("liuyang"), at=clock.now, code="PX01", name="职业培训报名系统", managing_unit=bureau.unit["JYC"],
        responsible_unit=bureau.unit["JYC"],
    )  # fmt: skip
    measure(clock, "A34.1")
    assert verdict("A34.1", "JYC").why["code"] == "system_without_kind"
    assert [finding.subject for finding in opened("A34.1")] == ["system:PX01"]
    systems.change_system(acting("liuyang"), system, at=clock.now, kind="website")
    measure(clock, "A34.1")
    assert state("A34.1", "JYC") == "met"
    assert opened("A34.1") == []


def test_a_retired_system_needs_no_kind(bureau, acting, clock):
    systems.register_system(
        acting("liuyang"), at=clock.now, code="PX01", name="旧系统", managing_unit=bureau.unit["JYC"], responsible_unit=bureau.unit["JYC"],
        state="retired",
    )  # fmt: skip
    measure(clock, "A34.1")
    assert (state("A34.1", "JYC"), verdict("A34.1", "JYC").population) == ("met", 1)


def test_what_hangs_on_the_systems_is_unknown_and_says_what_it_waits_for(bureau, clock):
    measure(clock, "A34.1")
    assert state("A34.1", None) == "unknown"
    missing = [each["en"] for each in verdict("A34.1", None).why["params"]["missing"]]
    assert missing
    assert set(missing) <= {"database", "device"}
