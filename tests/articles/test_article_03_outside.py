"""Art. 3: outside bodies and individuals. A03.2."""

from datetime import timedelta

import pytest

from anzhang import clock as wall
from anzhang.directory import procedures as directory
from anzhang.directory.models import Person
from anzhang.systems import procedures as systems
from anzhang.systems.models import Account
from anzhang.thirdparty import procedures as outside
from tests.articles.stories import file, log_in, measure, opened, state, through, verdict
from tests.organization.actions import day, refused


@pytest.fixture
def vendor(bureau, acting, clock):
    """赵强's company, and him in it."""
    provider = outside.register_provider(
        acting("liming"), at=clock.now, code="V01", name="津软信息技术有限公司", kind="company", unit=bureau.unit["IC"],
        purpose="系统驻场运维", began_on=day(clock, -300),
    )  # fmt: skip
    directory.change_person(acting("guolei"), bureau.person["P090"], at=clock.now, provider=provider)
    return provider


def ago(clock, hours: float):
    return clock.now - timedelta(hours=hours)


def test_a_log_in_by_nobody_known_is_a_breach_after_a_day_until_an_account_names_the_person(bureau, acting, clock, vault):
    log_in(vault, "SSH-SB01", "zhaoqiang", "sbapp01", ago(clock, 23))
    measure(clock, "A03.2", vault=vault)
    assert opened("A03.2") == []  # not yet a day
    clock.advance(hours=2)
    measure(clock, "A03.2", vault=vault)
    assert verdict("A03.2", "IC").why["code"] == "identity_unknown"
    (finding,) = opened("A03.2")
    assert (finding.subject, finding.unit.code) == ("identity:system/SB01/zhaoqiang", "IC")
    post = file(bureau, acting, clock, "liming", "assignment", person="P090", duty="maintainer")
    through(post, acting, clock, "zhouwei")
    systems.open_account(acting("liming"), at=clock.now, system=bureau.system["SB01"], name="zhaoqiang", person=bureau.person["P090"])
    measure(clock, "A03.2", vault=vault)
    assert state("A03.2", "IC") == "met"
    assert opened("A03.2") == []


def test_log_ins_of_registered_people_are_known_and_other_doors_stay_unknown(clock, vault, bureau):
    log_in(vault, "SSH-SB01", "liming", "sbapp01", ago(clock, 48))
    log_in(vault, "SSH-SB01", "oracle", "sbapp01", ago(clock, 48), failed=True)  # nobody came in
    measure(clock, "A03.2", vault=vault)
    assert (state("A03.2", "IC"), verdict("A03.2", "IC").population) == ("met", 1)
    assert state("A03.2", None) == "unknown"
    missing = {each["en"] for each in verdict("A03.2", None).why["params"]["missing"]}
    assert "auth event" not in missing
    assert {"admission event", "db event"} <= missing


def test_people_of_a_body_that_no_longer_works_here_are_nobody(bureau, acting, clock, vault, vendor):
    vendor.ended_on = day(clock, -10)
    vendor.save()
    account = Account.objects.create(
        system=bureau.system["SB01"], name="zhaoqiang", person=Person.objects.get(code="P090"), opened_on=day(clock, -100)
    )
    log_in(vault, "SSH-SB01", "zhaoqiang", "sbapp01", ago(clock, 48))
    measure(clock, "A03.2", vault=vault)
    assert [finding.subject for finding in opened("A03.2")] == ["identity:system/SB01/zhaoqiang"]
    systems.close_account(acting("liming"), account, clock.now)
    measure(clock, "A03.2", vault=vault)
    assert opened("A03.2") == []


def test_a_body_ends_when_its_people_have_left(bureau, acting, clock, vendor):
    assert refused(outside.change_provider, acting("liming"), vendor, at=clock.now, ended_on=day(clock)) == "people_here"
    assert refused(outside.change_provider, acting("liming"), vendor, at=clock.now, code="V02") == "code_fixed"
    systems.person_leaves(acting("zhouwei"), Person.objects.get(code="P090"), day(clock), clock.now)
    assert outside.change_provider(acting("liming"), vendor, at=clock.now, ended_on=day(clock)).ended_on == wall.day_of(clock.now)
