"""Systems, accounts and the gate in front of them; what happens when a person leaves (Art. 4-6)."""

from datetime import timedelta

import pytest

from anzhang import clock as wall
from anzhang.demo.bureau import SETUP
from anzhang.directory import procedures as directory
from anzhang.journal.models import Entry
from anzhang.journal.procedures import row_digest
from anzhang.organization.models import Officer
from anzhang.permissions import RefusedError
from anzhang.systems import procedures
from anzhang.systems.models import Account, System


def refused(call, *given, **named):
    with pytest.raises(RefusedError) as refusal:
        call(*given, **named)
    return refusal.value.code


def test_a_system_is_registered_and_changed(bureau, acting, clock):
    system = procedures.register_system(
        acting("guolei"), at=clock.now, code="XX01", name="新系统", kind="website", managing_unit=bureau.unit["JYC"],
        responsible_unit=bureau.unit["JYC"], centrally_planned=False, management_level="unit", protection_level=2,
    )  # fmt: skip
    procedures.change_system(acting("guolei"), system, at=clock.now, expected_version=1, protection_level=3)
    assert System.objects.get(code="XX01").protection_level == 3
    assert refused(procedures.change_system, acting("guolei"), system, at=clock.now, expected_version=1, name="x") == "stale"
    assert refused(procedures.change_system, acting("guolei"), system, at=clock.now, code="YY") == "code_fixed"
    assert refused(procedures.change_system, acting("guolei"), system, at=clock.now, protection_level=6) == "invalid"


def test_an_account_is_opened_for_somebody_with_a_post(bureau, acting, clock):
    account = procedures.open_account(
        acting("guolei"), at=clock.now, system=bureau.system["SB01"], name="zhanghua", person=bureau.person["P022"]
    )
    assert (account.state, account.opened_on) == ("open", wall.day_of(clock.now))


def test_nobody_without_a_post_gets_an_account(bureau, acting, clock):
    given = {"system": bureau.system["SB01"], "name": "sunli", "person": bureau.person["P021"]}
    with pytest.raises(RefusedError) as refusal:
        procedures.open_account(acting("guolei"), at=clock.now, **given)
    assert refusal.value.code == "assignment_missing"
    assert "岗位指派" in refusal.value.remedy
    assert not Account.objects.filter(name="sunli").exists()


def test_a_post_for_one_system_opens_no_account_of_another(bureau, acting, clock):
    bureau.person["P022"].assignment_set.update(system=bureau.system["JY01"])
    given = {"system": bureau.system["SB01"], "name": "zhanghua2", "person": bureau.person["P022"]}
    assert refused(procedures.open_account, acting("guolei"), at=clock.now, **given) == "assignment_missing"


def test_heading_a_unit_is_no_post_of_a_system(bureau, acting, clock):
    given = {"system": bureau.system["JY01"], "name": "liuyang", "person": bureau.person["P020"]}
    assert refused(procedures.open_account, acting("guolei"), at=clock.now, **given) == "assignment_missing"


def test_an_account_name_is_used_once_per_system(bureau, acting, clock):
    given = {"system": bureau.system["SB01"], "name": "liming", "person": bureau.person["P011"]}
    assert refused(procedures.open_account, acting("guolei"), at=clock.now, **given) == "invalid"


def test_a_retired_system_closes_its_accounts_and_opens_none(bureau, acting, clock):
    system = procedures.change_system(acting("guolei"), bureau.system["JY01"], at=clock.now, state="retired")
    assert set(Account.objects.filter(system=system).values_list("state", flat=True)) == {"closed"}
    given = {"system": system, "name": "new", "person": bureau.person["P022"]}
    assert refused(procedures.open_account, acting("guolei"), at=clock.now, **given) == "system_retired"


def test_an_account_is_closed_once(bureau, acting, clock):
    account = procedures.close_account(acting("guolei"), Account.objects.get(name="zhanghua"), clock.now)
    assert (account.state, account.closed_on) == ("closed", wall.day_of(clock.now))
    assert refused(procedures.close_account, acting("guolei"), account, clock.now) == "account_closed"


def test_handing_an_account_over_passes_the_gate(bureau, acting, clock):
    account = Account.objects.get(name="zhanghua")
    assert refused(procedures.change_account, acting("guolei"), account, at=clock.now, person=bureau.person["P021"]) == "assignment_missing"
    account.refresh_from_db()
    assert account.person.name == "张华"
    assert procedures.change_account(acting("guolei"), account, at=clock.now, person=bureau.person["P023"]).person.name == "唐欣"


def test_opening_again_passes_the_gate(bureau, acting, clock):
    account = procedures.close_account(acting("guolei"), Account.objects.get(name="zhanghua"), clock.now)
    bureau.person["P022"].assignment_set.update(valid_to=clock.now)
    reopened = {"state": "open", "closed_on": None}
    assert refused(procedures.change_account, acting("guolei"), account, at=clock.now, **reopened) == "assignment_missing"


def test_the_name_that_logs_know_stays(bureau, acting, clock):
    account = Account.objects.get(name="zhanghua")
    assert refused(procedures.change_account, acting("guolei"), account, at=clock.now, name="zhang") == "name_fixed"


def test_a_leaver_loses_posts_the_officers_post_and_accounts(bureau, acting, clock):
    day = wall.day_of(clock.now)
    person = procedures.person_leaves(acting("zhouwei"), bureau.person["P011"], day, clock.now)
    assert person.left_on == day
    assert Officer.objects.get(person=person, superseded_at=None).valid_to == wall.start_of(day)
    assert person.assignment_set.get(superseded_at=None).valid_to == wall.start_of(day)
    assert Account.objects.get(name="liming").state == "closed"
    for kind, row in (("person", person), ("account", Account.objects.get(name="liming"))):
        assert Entry.objects.filter(object_type=kind, object_key=str(row.pk)).order_by("-index")[0].after == row_digest(row)


def test_an_announced_leaver_loses_accounts_on_the_day(bureau, acting, clock):
    day = wall.day_of(clock.now) + timedelta(days=3)
    procedures.person_leaves(acting("guolei"), bureau.person["P011"], day, clock.now)
    assert procedures.close_leavers_accounts(SETUP, clock.now) == 0
    assert procedures.close_leavers_accounts(SETUP, clock.advance(days=3)) == 1
    assert procedures.close_leavers_accounts(SETUP, clock.now) == 0
    assert Account.objects.get(name="liming").state == "closed"


@pytest.mark.parametrize("username", ["zhanghua", "liuyang", "chenjing"])
def test_others_do_not_note_that_a_person_leaves(username, bureau, acting, clock):
    assert refused(procedures.person_leaves, acting(username), bureau.person["P011"], wall.day_of(clock.now), clock.now) == "not_answerable"


def test_a_person_leaves_once(bureau, acting, clock):
    person = procedures.person_leaves(acting("zhouwei"), bureau.person["P011"], wall.day_of(clock.now), clock.now)
    assert refused(procedures.person_leaves, acting("zhouwei"), person, wall.day_of(clock.now), clock.now) == "left_already"


def test_the_day_of_leaving_in_the_register_of_people_ends_what_the_procedure_of_leaving_ends(bureau, acting, clock):
    officer = bureau.person["P011"]
    directory.change_person(acting("guolei"), officer, at=clock.now, left_on=wall.day_of(clock.now))
    assert not Officer.objects.filter(person=officer, superseded_at=None, valid_to=None).exists()
    assert Account.objects.get(name="liming").state == "closed"
    assert not Account.objects.exclude(name="liming").filter(state="closed").exists()
