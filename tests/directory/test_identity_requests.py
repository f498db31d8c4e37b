"""The system administrator starts, the security administrator confirms, nobody does both."""

import pytest
from allauth.mfa.models import Authenticator

from anzhang.directory import identity, links
from anzhang.directory.credentials import IdentityRequest, OneTimeLink
from anzhang.directory.models import User
from anzhang.events import Event
from anzhang.journal.models import Entry
from anzhang.permissions import RefusedError, Via, system


def acts(user):
    return list(Entry.objects.filter(object_type="user", object_key=str(user.pk)).order_by("index").values_list("act", flat=True))


def asked(bureau, acting, clock, username="tangxin", person="P023", administrator=""):
    return identity.request_account(acting("guolei"), bureau.person[person], username, administrator, "新到岗", clock.now)


def test_it_makes_the_three_administrators_once(db, clock):
    made = identity.create_administrators(system("init"), clock.now)
    assert [title for title, _link in made] == ["系统管理员（sysadmin）", "安全管理员（secadmin）", "审计管理员（auditor）"]
    assert all(links.find(link.split("/")[2], clock.now) for _title, link in made)
    assert sorted(User.objects.values_list("administrator", flat=True)) == ["auditor", "security_admin", "system_admin"]
    with pytest.raises(RefusedError, match="已经建立"):
        identity.create_administrators(system("init"), clock.now)


def test_it_lets_a_new_user_in_only_after_the_security_administrator_confirms(bureau, acting, clock):
    request = asked(bureau, acting, clock)
    assert not request.user.is_active
    link = identity.confirm(acting("mali"), request, clock.now)
    user = User.objects.get(username="tangxin")
    assert user.is_active
    assert links.find(link.split("/")[2], clock.now).user == user
    assert acts(user) == [Event.USER_CREATE, Event.USER_CHANGE]


def test_it_leaves_a_refused_user_outside(bureau, acting, clock):
    request = asked(bureau, acting, clock)
    identity.refuse(acting("mali"), request, clock.now)
    assert not User.objects.get(username="tangxin").is_active
    assert not OneTimeLink.objects.exists()
    with pytest.raises(RefusedError) as refusal:
        identity.confirm(acting("mali"), request, clock.now)
    assert refusal.value.code == "already_decided"


@pytest.mark.parametrize("other", ["mali", "chenjing", "liming"])
def test_it_refuses_everybody_else_to_start(bureau, acting, clock, other):
    with pytest.raises(RefusedError) as refusal:
        identity.request_account(acting(other), bureau.person["P023"], "tangxin", "", "x", clock.now)
    assert refusal.value.code == "not_permitted"
    assert not User.objects.filter(username="tangxin").exists()


@pytest.mark.parametrize("other", ["guolei", "chenjing", "liming"])
def test_it_refuses_everybody_else_to_confirm(bureau, acting, clock, other):
    request = asked(bureau, acting, clock)
    with pytest.raises(RefusedError) as refusal:
        identity.confirm(acting(other), request, clock.now)
    assert refusal.value.code == "not_permitted"
    assert not User.objects.get(username="tangxin").is_active


def test_it_refuses_an_administrator_without_the_second_factor(bureau, clock):
    from anzhang.directory.tickets import actor_of_user

    with pytest.raises(RefusedError) as refusal:
        identity.request_reset(actor_of_user(bureau.user["guolei"], Via.BROWSER), bureau.user["liming"], "丢失手机", clock.now)
    assert refusal.value.code == "second_factor_needed"


def test_it_refuses_a_confirmation_by_command_line(bureau, acting, clock):
    from anzhang.directory.tickets import actor_of_user

    request = asked(bureau, acting, clock)
    with pytest.raises(RefusedError) as refusal:
        identity.confirm(actor_of_user(bureau.user["mali"], Via.CLI), request, clock.now)
    assert refusal.value.code == "browser_needed"


def test_it_refuses_the_security_administrator_a_request_about_themselves(bureau, acting, clock):
    request = identity.request_reset(acting("guolei"), bureau.user["mali"], "丢失手机", clock.now)
    with pytest.raises(RefusedError) as refusal:
        identity.confirm(acting("mali"), request, clock.now)
    assert refusal.value.code == "own_request"


def test_it_refuses_a_second_user_for_a_person_so_that_nobody_is_two_administrators(bureau, acting, clock):
    with pytest.raises(RefusedError) as refusal:
        asked(bureau, acting, clock, username="guolei2", person="P014", administrator="security_admin")
    assert refusal.value.code == "person_has_user"


def test_it_refuses_two_waiting_requests_about_one_user(bureau, acting, clock):
    identity.request_reset(acting("guolei"), bureau.user["liming"], "一", clock.now)
    with pytest.raises(RefusedError) as refusal:
        identity.request_reset(acting("guolei"), bureau.user["liming"], "二", clock.now)
    assert refusal.value.code == "request_waiting"
    assert IdentityRequest.objects.count() == 1


def test_it_takes_password_and_factors_away_when_a_reset_is_confirmed(bureau, acting, clock):
    user = bureau.user["liming"]
    Authenticator.objects.create(user=user, type="totp", data={"secret": "x"})
    request = identity.request_reset(acting("guolei"), user, "丢失手机", clock.now)
    assert Authenticator.objects.filter(user=user).exists()
    identity.confirm(acting("mali"), request, clock.now)
    assert not Authenticator.objects.filter(user=user).exists()
    assert not User.objects.get(pk=user.pk).has_usable_password()
    assert Entry.objects.filter(act=Event.FACTOR_RESET, actor="user:mali").count() == 1


def test_it_spends_a_link_once_and_lets_it_run_out(bureau, acting, clock):
    link = identity.confirm(acting("mali"), asked(bureau, acting, clock), clock.now)
    token = link.split("/")[2]
    assert not OneTimeLink.objects.filter(digest__contains=token).exists()
    found = links.find(token, clock.now)
    assert links.use(found, clock.now)
    assert not links.use(found, clock.now)
    assert links.find(token, clock.now) is None


def test_it_reissues_a_link_that_ran_out_unused_and_no_other(bureau, acting, clock):
    link = identity.confirm(acting("mali"), asked(bureau, acting, clock), clock.now)
    clock.advance(minutes=31)
    assert links.find(link.split("/")[2], clock.now) is None
    user = User.objects.get(username="tangxin")
    again = identity.reissue_link(acting("guolei"), user, clock.now)
    assert links.use(links.find(again.split("/")[2], clock.now), clock.now)
    with pytest.raises(RefusedError) as refusal:
        identity.reissue_link(acting("guolei"), user, clock.now)
    assert refusal.value.code == "link_used"
    with pytest.raises(RefusedError) as refusal:
        identity.reissue_link(acting("guolei"), bureau.user["liming"], clock.now)
    assert refusal.value.code == "no_confirmed_request"


def test_it_deactivates_at_once_but_never_oneself_nor_the_last_of_a_kind(bureau, acting, clock):
    identity.deactivate(acting("guolei"), bureau.user["liming"], "离岗", clock.now)
    assert not User.objects.get(username="liming").is_active
    with pytest.raises(RefusedError) as refusal:
        identity.deactivate(acting("guolei"), bureau.user["guolei"], "x", clock.now)
    assert refusal.value.code == "own_account"
    with pytest.raises(RefusedError) as refusal:
        identity.deactivate(acting("guolei"), bureau.user["mali"], "x", clock.now)
    assert refusal.value.code == "last_administrator"


@pytest.mark.parametrize(
    ("name", "needed"), [("guolei", True), ("liuyang", True), ("gaojianguo", True), ("wangfang", True), ("wujie", True), ("sunli", False)]
)
def test_it_asks_deciders_and_database_administrators_for_a_second_factor(bureau, clock, name, needed):
    assert identity.needs_second_factor(bureau.user[name], clock.now) is needed


def test_it_keeps_unknown_log_in_names_as_a_digest(bureau, acting, clock):
    kept = identity.user_name_digest("Secret!typed-in-the-wrong-field")
    assert "Secret" not in kept
    assert identity.user_name_digest(kept) == kept
