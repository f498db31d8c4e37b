"""Logging in with the password of the bureau's directory: a real slapd behind the same form, lock and second factor."""

import json
import re

import pytest
from allauth.mfa.models import Authenticator
from axes.models import AccessAttempt
from django.test import Client

from anzhang.directory import identity
from anzhang.directory.credentials import OneTimeLink
from anzhang.directory.models import Assignment, User
from anzhang.directory.outside import ldap
from anzhang.events import Event
from anzhang.journal.models import Entry, Payload
from anzhang.journal.verify import verify
from anzhang.permissions import RefusedError
from tests import programs, world
from tests.directory import slapd
from tests.web.entrance import PASSWORD, SECRET, code_of, give_password, give_totp, log_in

WORD = "Directory-Word-密码"
LDIF = "".join(
    slapd.person(uid, WORD, *codes)
    for uid, *codes in (
        ("hua.zhang", "P022"), ("yang.liu", "P020"), ("li.sun", "P021"), ("ming.li", "P011"), ("qiang.zhao", "P090"), ("xin.tang", "P023"),
        ("stranger", "P999"), ("nocode",), ("mapped", "P999"), ("zhengkai", "P004"), ("lei.guo", "P014"), ("na.luo", "P031"),
    )
)  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with slapd.serving(tmp_path_factory.mktemp("slapd") / "server", LDIF) as running:
        yield running


@pytest.fixture
def configure(tmp_path, server, settings):
    """Configure the platform for the directory, with changes: `configure(timeout_seconds=1)`."""

    def act(**changes):
        settings.HOME = slapd.home(tmp_path, server, **changes)
        backends = [each for each in settings.AUTHENTICATION_BACKENDS if "Directory" not in each]
        settings.AUTHENTICATION_BACKENDS = [*backends, "anzhang.web.outside_ldap.DirectoryBackend"]

    act()
    return act


@pytest.fixture
def people(bureau, configure, acting, clock):
    """The bureau, with some of its users moved to the directory by both administrators."""
    for username in ("zhanghua", "liuyang", "sunli", "liming"):
        asked = identity.request_sign_in(acting("guolei"), bureau.user[username], "ldap", "改用目录", clock.now)
        assert identity.confirm(acting("mali"), asked, clock.now) == ""
        bureau.user[username].refresh_from_db()
    return bureau


def reasons():
    return [json.loads(bytes(row.body))["reason"] for row in Payload.objects.filter(entry__act=Event.USER_LOGIN_FAIL)]


def is_in(client):
    return "_auth_user_id" in client.session


def test_it_lets_a_person_in_with_the_password_of_the_directory(client, people):
    assert log_in(client, "hua.zhang", WORD)["Location"] == "/"
    page = client.get("/account/")
    assert "张华" in page.text
    assert "由单位目录（LDAP）管理" in page.text
    assert 'href="/account/password/"' not in page.text
    entry = Entry.objects.get(act=Event.USER_LOGIN)
    assert entry.actor == "user:zhanghua"
    assert b'"sign_in":"ldap"' in bytes(entry.payload.body)
    assert not any(WORD.encode() in bytes(payload.body) for payload in Payload.objects.all())


def test_it_asks_a_decider_for_the_second_factor_as_ever(client, people):
    give_totp(people.user["liuyang"])
    assert log_in(client, "yang.liu", WORD)["Location"] == "/account/factors/authenticate/"
    assert not is_in(client)
    client.post("/account/factors/authenticate/", {"code": code_of(SECRET)})
    assert client.session["_auth_user_id"] == str(people.user["liuyang"].pk)


def test_it_holds_a_decider_without_factor_at_the_enrolment(client, people):
    log_in(client, "yang.liu", WORD)
    assert client.get("/account/")["Location"] == "/account/factors/"


def test_it_gives_no_right_that_the_registers_do_not_give(client, people):
    log_in(client, "hua.zhang", WORD)
    assert client.get("/administration/users/").status_code == 403
    assert User.objects.get(username="zhanghua").administrator == ""


def test_it_refuses_a_wrong_password_and_an_unknown_name_alike_and_says_nothing_else(client, people):
    names = ("hua.zhang", "nobody", "stranger")
    assert len({re.sub(r'value="[^"]*"', "", log_in(client, name, "wrong-word").text) for name in names}) == 1
    assert not is_in(client)


@pytest.mark.parametrize(
    ("name", "reason", "words"),
    [
        ("stranger", "person_unknown", ("工号 P999 不在人员台账中", "信息安全管理人员")),
        ("nocode", "code_missing", ("没有登记您的工号", "管理人员补正")),
        ("xin.tang", "no_user", ("还没有本平台的用户", "系统管理员")),
        ("na.luo", "other_sign_in", ("使用本地密码登录", "系统管理员")),
        ("lei.guo", "other_sign_in", ("使用本地密码登录", "系统管理员")),
        ("li.sun", "no_post", ("没有任何岗位指派", "单位负责人")),
    ],
)
def test_it_refuses_whom_the_registers_do_not_let_in_and_says_whom_to_ask(client, people, name, reason, words):
    page = log_in(client, name, WORD)
    assert page.status_code == 200
    assert not is_in(client)
    for word in words:
        assert word in page.text
    assert reasons() == [reason]
    assert User.objects.count() == 17, "nobody is created at log-in"


def test_it_refuses_the_departed_and_the_deactivated(client, people, acting, clock):
    user = people.user["zhanghua"]
    identity.deactivate(acting("guolei"), user, "停用", clock.now)
    assert "已停用" in log_in(client, "hua.zhang", WORD).text
    liming = people.user["liming"].person
    liming.left_on = clock.now.date()
    liming.save()
    assert "已登记离职" in log_in(client, "ming.li", WORD).text
    assert not is_in(client)


def test_a_security_officer_needs_no_other_post_and_a_bureau_may_ask_for_none(client, people, configure):
    Assignment.objects.filter(person=people.person["P011"]).delete()
    log_in(client, "ming.li", WORD)
    assert is_in(client)
    configure(require_post=False)
    other = Client()
    log_in(other, "li.sun", WORD)
    assert is_in(other)


def test_the_operators_mapping_goes_before_the_attribute(client, people, configure):
    configure(people={"mapped": "P022"})
    log_in(client, "mapped", WORD)
    assert client.session["_auth_user_id"] == str(people.user["zhanghua"].pk)


def test_it_refuses_an_empty_password_before_anything_is_asked(people):
    from anzhang.web.outside_ldap import DirectoryBackend

    request = Client().get("/account/login/").wsgi_request
    assert DirectoryBackend().authenticate(request, username="hua.zhang", password="") is None
    assert DirectoryBackend().authenticate(None, username="hua.zhang", password=WORD) is None


@pytest.mark.parametrize("typed", ["*", "hua*", "hua.zhang)(uid=*", "*)(employeeNumber=P022", "hua.zhang\u200b"])
def test_a_name_with_a_meaning_in_filters_lets_nobody_in(client, people, typed):
    log_in(client, typed, WORD)
    assert not is_in(client)


def test_a_local_password_never_leaves_for_the_directory(client, people, monkeypatch):
    give_password(people.user["zhengkai"])
    monkeypatch.setattr(ldap, "connected", lambda _settings: pytest.fail("the directory was asked"))
    assert not is_in(client)
    assert log_in(client, "zhengkai", WORD).status_code == 200, "the directory's password opens no local user"
    give_totp(people.user["zhengkai"])
    assert log_in(client, "ZhengKai", PASSWORD)["Location"] == "/account/factors/authenticate/"


def test_the_old_local_password_of_a_moved_user_is_gone(client, people):
    user = User.objects.get(username="zhanghua")
    assert not user.has_usable_password()
    assert log_in(client, "zhanghua", PASSWORD).status_code == 200
    assert not is_in(client)


def test_local_administrators_enter_while_the_directory_is_down_and_others_are_told(client, people, configure):
    configure(urls=[f"ldaps://127.0.0.1:{programs.free_port()}"], timeout_seconds=1)
    for _each in range(6):
        page = log_in(client, "hua.zhang", WORD)
        assert "单位目录暂时不能验证密码" in page.text, "it never counts as a failure of the person"
    assert not AccessAttempt.objects.exists()
    give_password(people.user["guolei"])
    give_totp(people.user["guolei"])
    assert log_in(client, "guolei")["Location"] == "/account/factors/authenticate/"


def test_settings_that_are_wrong_stop_only_the_directory(client, people, configure):
    configure(urls=["ldap://dc.example"])
    assert "单位目录暂时不能验证密码" in log_in(client, "hua.zhang", WORD).text
    give_password(people.user["zhengkai"])
    assert log_in(client, "zhengkai").status_code == 302


def test_it_locks_after_five_failures_however_the_name_is_spelled(client, people):
    for name in ("hua.zhang", "HUA.ZHANG", "Hua.Zhang", "hua.ZHANG"):
        assert log_in(client, name, "wrong").status_code == 200
    assert log_in(client, "HUA.zhang", "wrong").status_code == 429
    assert log_in(client, "hua.zhang", WORD).status_code == 429
    assert log_in(client, "Hua.zhanG", WORD).status_code == 429
    assert not is_in(client)
    assert [each.username for each in AccessAttempt.objects.all()] == ["zhanghua"]
    acts = list(Entry.objects.filter(object_type="user", object_key=str(people.user["zhanghua"].pk)).values_list("act", flat=True))
    assert acts.count(Event.USER_LOGIN_FAIL) == 4
    assert acts.count(Event.USER_LOCK) == 1
    security = Client()
    world.enter(security, people.user["mali"])
    assert "zhanghua" in security.get("/administration/locks/").text
    security.post("/administration/locks/", {"username": "zhanghua"})
    log_in(client, "hua.zhang", WORD)
    assert is_in(client)


def test_the_form_is_no_way_to_guess_the_password_of_somebody_who_has_no_user(client, people):
    for name in ("stranger", "STRANGER", "Stranger", "sTranger"):
        assert log_in(client, name, "wrong").status_code == 200
    assert log_in(client, "strangeR", "wrong").status_code == 429
    assert log_in(client, "StrangeR", WORD).status_code == 429
    attempt = AccessAttempt.objects.get()
    assert "stranger" not in attempt.username.lower(), "a name that is no user's is kept as a digest"


def test_session_limits_hold_as_for_everybody(client, people, clock):
    log_in(client, "hua.zhang", WORD)
    clock.advance(minutes=15)
    assert client.get("/account/")["Location"].startswith("/account/login/")


def test_no_password_of_a_directory_user_is_changed_here(client, people):
    log_in(client, "hua.zhang", WORD)
    page = client.get("/account/password/", follow=True)
    assert "由单位目录（LDAP）管理，请在那里更改" in page.text
    words = {"oldpassword": WORD, "password1": PASSWORD, "password2": PASSWORD}
    client.post("/account/password/", words)
    assert not User.objects.get(username="zhanghua").has_usable_password()
    with pytest.raises(RefusedError) as refusal:
        give_password(User.objects.get(username="zhanghua"))
    assert refusal.value.code == "password_elsewhere"


def test_it_asks_the_directory_again_before_factors_change(client, people, clock):
    log_in(client, "hua.zhang", WORD)
    assert client.get("/account/factors/totp/activate/").status_code == 200
    clock.advance(minutes=14)
    client.get("/account/")
    clock.advance(minutes=2)
    response = client.get("/account/factors/totp/activate/")
    assert response["Location"].startswith("/account/reauthenticate/")
    assert client.get(response["Location"]).status_code == 200
    assert client.post(response["Location"], {"password": "wrong"}).status_code == 200
    assert client.get("/account/factors/totp/activate/").status_code == 302
    answer = client.post("/account/reauthenticate/?next=/account/factors/totp/activate/", {"password": WORD})
    assert answer["Location"] == "/account/factors/totp/activate/"
    assert client.get("/account/factors/totp/activate/").status_code == 200


def test_both_administrators_move_a_user_and_nobody_alone(client, bureau, configure, acting, clock):
    give_password(bureau.user["zhanghua"])
    give_totp(bureau.user["zhanghua"])
    client.force_login(bureau.user["zhanghua"])
    asked = identity.request_sign_in(acting("guolei"), bureau.user["zhanghua"], "ldap", "改用目录", clock.now)
    assert User.objects.get(username="zhanghua").sign_in is None
    assert identity.confirm(acting("mali"), asked, clock.now) == ""
    moved = User.objects.get(username="zhanghua")
    assert (moved.sign_in, moved.has_usable_password(), moved.password_changed_at) == ("ldap", False, None)
    assert Authenticator.objects.filter(user=moved).exists(), "the second factor stays"
    assert client.get("/account/").status_code == 302, "sessions end"
    assert not OneTimeLink.objects.filter(user=moved).exists()
    back = identity.request_sign_in(acting("guolei"), moved, None, "改回", clock.now)
    assert identity.confirm(acting("mali"), back, clock.now).startswith("/enter/")
    assert User.objects.get(username="zhanghua").sign_in is None
    assert [fault for fault in verify().faults if fault.kind != "key_missing"] == []


def refused(act):
    with pytest.raises(RefusedError) as refusal:
        act()
    return refusal.value.code


def test_it_refuses_to_move_administrators_and_what_would_change_nothing(bureau, configure, acting, clock, settings):
    move = lambda name, way: identity.request_sign_in(acting("guolei"), bureau.user[name], way, "x", clock.now)  # noqa: E731
    assert refused(lambda: move("mali", "ldap")) == "administrator_signs_in_here"
    assert refused(lambda: move("zhanghua", None)) == "same_sign_in"
    assert refused(lambda: move("zhanghua", "oidc")) == "sign_in_not_configured"
    new = lambda: identity.request_account(acting("guolei"), bureau.person["P023"], "tangxin", "auditor", "x", clock.now, "ldap")  # noqa: E731
    assert refused(new) == "administrator_signs_in_here"
    asked = lambda: identity.request_sign_in(acting("liuyang"), bureau.user["zhanghua"], "ldap", "x", clock.now)  # noqa: E731
    assert refused(asked) == "not_permitted"


def test_a_new_directory_user_gets_no_link_and_comes_in_at_once(client, bureau, configure, acting, clock):
    system, security = Client(), Client()
    world.enter(system, bureau.user["guolei"])
    world.enter(security, bureau.user["mali"])
    assert "单位目录（LDAP）" in system.get("/administration/users/new/").text
    form = {"person": "P023", "username": "tangxin", "administrator": "", "sign_in": "ldap", "reason": "新到岗"}
    assert system.post("/administration/users/new/", form).status_code == 302
    user = User.objects.get(username="tangxin")
    assert "尚待确认" in log_in(client, "xin.tang", WORD).text
    page = security.post(f"/administration/confirmations/{user.identity_requests.get().pk}/", {"decision": "confirm"}, follow=True)
    assert "不用一次性链接" in page.text
    assert log_in(client, "xin.tang", WORD)["Location"] == "/"
    page = system.get(f"/administration/users/{user.pk}/")
    assert "改用本地密码登录" in page.text
    assert "重发过期的一次性链接" not in page.text
    assert system.post(f"/administration/users/{user.pk}/", {"action": "to_password", "reason": "目录停用"}).status_code == 302
    assert user.identity_requests.filter(kind="to_password", state="waiting").exists()


def test_without_a_directory_nothing_is_offered(client, bureau):
    assert "单位目录" not in client.get("/account/login/").text
    world.enter(client, bureau.user["guolei"])
    assert "登录方式" not in client.get("/administration/users/new/").text
    form = {"person": "P023", "username": "tangxin", "administrator": "", "sign_in": "ldap", "reason": "新到岗"}
    client.post("/administration/users/new/", form)
    assert User.objects.get(username="tangxin").sign_in is None
