"""Logging in: password, second factor, lock, limits of a session, recovery."""

import re
from datetime import timedelta

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from axes.models import AccessAttempt
from django.test import Client

from anzhang.directory import identity, links
from anzhang.directory.models import User
from anzhang.events import Event
from anzhang.journal.models import Entry, Payload
from anzhang.web import actors, sessions
from tests import world
from tests.web.entrance import PASSWORD, SECRET, code_of, give_password, give_totp, log_in

OWN = "/account/"


def acts():
    return list(Entry.objects.filter(act__startswith="identity:").order_by("index").values_list("act", flat=True))


@pytest.fixture
def plain(bureau):
    """A user whose post needs no second factor."""
    user = bureau.user["sunli"]
    give_password(user)
    return user


@pytest.fixture
def decider(bureau):
    """A unit head with an authenticator app."""
    user = bureau.user["liuyang"]
    give_password(user)
    give_totp(user)
    return user


def test_it_sends_a_stranger_to_the_log_in_page_and_back(client, plain):
    response = client.get(OWN)
    assert response.status_code == 302
    assert response["Location"] == "/account/login/?next=/account/"
    response = client.post(response["Location"], {"login": "sunli", "password": PASSWORD, "next": OWN})
    assert response["Location"] == OWN
    page = client.get(OWN)
    assert page.status_code == 200
    assert "孙丽" in page.content.decode()


def test_it_never_leads_to_another_site_after_log_in(client, plain):
    response = client.post("/account/login/", {"login": "sunli", "password": PASSWORD, "next": "https://evil.example/"})
    assert response["Location"] == "/"


def test_it_has_no_sign_up_and_no_reset_by_mail(client, bureau):
    for path in ("/account/signup/", "/account/password/reset/", "/account/email/", "/admin/"):
        assert client.get(path).status_code == 404


def test_it_ledgers_log_in_and_log_out_without_a_password(client, plain):
    before = Entry.objects.count()
    log_in(client, "sunli")
    client.post("/account/logout/")
    entries = list(Entry.objects.filter(index__gte=before).order_by("index"))
    assert [(entry.act, entry.actor) for entry in entries] == [
        (Event.USER_LOGIN, "user:sunli"),
        (Event.USER_LOGOUT, "user:sunli"),
    ]
    assert not any(PASSWORD.encode() in bytes(payload.body) for payload in Payload.objects.all())


def test_it_asks_a_decider_for_the_code_and_only_then_logs_in(client, decider):
    response = log_in(client, "liuyang")
    assert response["Location"] == "/account/factors/authenticate/"
    assert "_auth_user_id" not in client.session
    assert client.get(OWN).status_code == 302
    response = client.post("/account/factors/authenticate/", {"code": code_of(SECRET)})
    assert response.status_code == 302
    assert client.session["_auth_user_id"] == str(decider.pk)
    request = client.get(OWN).wsgi_request
    assert actors.actor_of(request).second_factor


def test_it_refuses_the_same_code_a_second_time(client, decider):
    code = code_of(SECRET)
    log_in(client, "liuyang")
    client.post("/account/factors/authenticate/", {"code": code})
    client.post("/account/logout/")
    log_in(client, "liuyang")
    response = client.post("/account/factors/authenticate/", {"code": code})
    assert response.status_code == 200
    assert "_auth_user_id" not in client.session


def test_it_takes_a_recovery_code_once(client, decider):
    code = RecoveryCodes.activate(decider).generate_codes()[0]
    for accepted in (True, False):
        log_in(client, "liuyang")
        client.post("/account/factors/authenticate/", {"code": code})
        assert ("_auth_user_id" in client.session) is accepted
        client.post("/account/logout/")


def test_it_keeps_factor_secrets_encrypted(decider):
    assert SECRET not in str(Authenticator.objects.get(user=decider).data)


def test_it_lets_a_plain_user_work_without_second_factor_but_says_so(client, plain):
    log_in(client, "sunli")
    page = client.get(OWN)
    assert not actors.actor_of(page.wsgi_request).second_factor


def test_it_does_not_count_a_factor_that_another_user_passed(client, bureau, plain):
    world.enter(client, plain)
    session = client.session
    session[actors.SECOND_FACTOR]["user"] = bureau.user["liuyang"].pk
    session.save()
    assert not actors.actor_of(client.get(OWN).wsgi_request).second_factor


def test_it_locks_after_five_failures_and_says_what_to_do(client, plain):
    for _each in range(4):
        assert log_in(client, "sunli", "wrong").status_code == 200
    assert log_in(client, "sunli", "wrong").status_code == 429
    response = log_in(client, "sunli")
    assert response.status_code == 429
    assert "联系安全管理员解锁" in response.content.decode()
    assert "_auth_user_id" not in client.session
    assert acts()[-5:] == [Event.USER_LOGIN_FAIL] * 4 + [Event.USER_LOCK]


def test_it_locks_by_user_and_address_so_that_nobody_locks_others_out(client, plain):
    for _each in range(5):
        log_in(client, "sunli", "wrong", REMOTE_ADDR="10.9.9.9")
    assert log_in(client, "sunli", REMOTE_ADDR="10.9.9.9").status_code == 429
    assert log_in(client, "sunli", REMOTE_ADDR="10.1.1.1").status_code == 302


def test_it_counts_wrong_codes_towards_the_lock(client, decider):
    log_in(client, "liuyang")
    for _each in range(4):
        assert client.post("/account/factors/authenticate/", {"code": "000000"}).status_code == 200
    assert client.post("/account/factors/authenticate/", {"code": "000000"}).status_code == 429
    assert client.post("/account/factors/authenticate/", {"code": code_of(SECRET)}).status_code == 429
    assert "_auth_user_id" not in client.session


def test_it_opens_again_after_half_an_hour(client, plain):
    for _each in range(5):
        log_in(client, "sunli", "wrong")
    attempt = AccessAttempt.objects.get()
    AccessAttempt.objects.update(attempt_time=attempt.attempt_time - timedelta(minutes=31))
    assert log_in(client, "sunli").status_code == 302


def test_it_opens_when_the_security_administrator_releases_it(client, bureau, plain):
    for _each in range(5):
        log_in(client, "sunli", "wrong")
    security = Client()
    world.enter(security, bureau.user["mali"])
    assert "sunli" in security.get("/administration/locks/").content.decode()
    assert security.post("/administration/locks/", {"username": "sunli"}).status_code == 302
    assert log_in(client, "sunli").status_code == 302
    assert Entry.objects.filter(act=Event.USER_UNLOCK, actor="user:mali").count() == 1


def test_it_keeps_nothing_of_what_was_typed_for_an_unknown_user(client, bureau):
    typed = "My-Real-Password-1"
    log_in(client, typed, "x")
    attempt = AccessAttempt.objects.get()
    kept = " ".join(map(str, [attempt.username, attempt.post_data, attempt.get_data]))
    assert typed not in kept
    entry = Entry.objects.get(act=Event.USER_LOGIN_FAIL)
    assert typed.encode() not in bytes(entry.leaf) + bytes(entry.payload.body)
    assert entry.object_type == "user_name"


def test_it_answers_unknown_user_and_wrong_password_alike(client, plain):
    pages = []
    for name, password in (("sunli", "wrong"), ("nobody", "wrong")):
        page = log_in(client, name, password).content.decode()
        pages.append(re.sub(r'value="[^"]*"', "", page))
    assert pages[0] == pages[1]


def test_it_refuses_a_form_without_its_token(plain):
    strict = Client(enforce_csrf_checks=True)
    assert log_in(strict, "sunli").status_code == 403
    assert "_auth_user_id" not in strict.session


def test_it_changes_the_session_key_at_log_in(client, plain):
    client.get("/account/login/")
    session = client.session
    session["planted"] = "by the attacker"
    session.save()
    before = client.session.session_key
    log_in(client, "sunli")
    assert client.session.session_key != before
    thief = Client()
    thief.cookies["anzhang_session"] = before
    assert thief.get(OWN).status_code == 302


def test_it_ends_an_idle_session_after_a_quarter_of_an_hour(client, plain, clock):
    log_in(client, "sunli")
    clock.advance(minutes=14)
    assert client.get(OWN).status_code == 200
    clock.advance(minutes=14)
    assert client.get(OWN).status_code == 200
    clock.advance(minutes=15)
    response = client.get(OWN, follow=True)
    assert response.redirect_chain[0][0] == "/account/login/?next=%2Faccount%2F"
    assert "没有操作" in response.content.decode()
    assert acts()[-1] == Event.USER_LOGOUT


def test_it_ends_every_session_after_eight_hours(client, plain, clock):
    log_in(client, "sunli")
    for _quarter in range(47):
        clock.advance(minutes=10)
        assert client.get(OWN).status_code == 200
    clock.advance(minutes=10)
    assert client.get(OWN).status_code == 302
    assert "满 8 小时" in client.get("/account/login/").content.decode()


def test_it_ends_the_first_session_when_the_user_logs_in_elsewhere_and_tells_both(client, plain):
    log_in(client, "sunli")
    second = Client()
    log_in(second, "sunli", REMOTE_ADDR="10.2.3.4")
    assert "另一处的会话已结束" in second.get(OWN).content.decode()
    response = client.get(OWN, follow=True)
    assert "已在另一处（10.2.3.4）登录" in response.content.decode()
    assert "_auth_user_id" not in client.session


def test_it_shuts_a_session_when_the_user_is_deactivated_or_has_left(client, plain, bureau, acting, clock):
    log_in(client, "sunli")
    identity.deactivate(acting("guolei"), User.objects.get(pk=plain.pk), "离岗", clock.now)
    assert client.get(OWN).status_code == 302
    other = bureau.user["zhanghua"]
    give_password(other)
    log_in(client, "zhanghua")
    assert client.get(OWN).status_code == 200
    other.person.left_on = clock.now.date()
    other.person.save()
    assert client.get(OWN).status_code == 302
    assert log_in(client, "zhanghua")["Location"] == "/account/inactive/"


def test_it_demands_a_new_password_after_ninety_days(client, plain, clock):
    clock.advance(days=90)
    log_in(client, "sunli")
    assert client.get(OWN)["Location"] == "/account/password/"
    page = client.get("/account/password/").content.decode()
    assert "满 90 天" in page
    assert "至少三类" in page
    response = client.post(
        "/account/password/", {"oldpassword": PASSWORD, "password1": "Other-Lamp-48-Harbour", "password2": "Other-Lamp-48-Harbour"}
    )
    assert response.status_code == 302
    assert client.get(OWN).status_code == 200


@pytest.mark.parametrize(
    ("password", "complaint"),
    [("Short-1", "12"), ("onlysmallletters", "三类"), ("Password1234", "常见"), (PASSWORD, "最近五次"), ("sunli-SUNLI-1", "包含登录名")],
)
def test_it_refuses_a_weak_or_used_password(client, plain, clock, password, complaint):
    clock.advance(days=2)
    log_in(client, "sunli")
    response = client.post("/account/password/", {"oldpassword": PASSWORD, "password1": password, "password2": password})
    assert response.status_code == 200
    assert complaint in response.content.decode()
    assert User.objects.get(pk=plain.pk).check_password(PASSWORD)


def test_it_refuses_two_changes_within_a_day(client, plain):
    log_in(client, "sunli")
    response = client.post(
        "/account/password/", {"oldpassword": PASSWORD, "password1": "Other-Lamp-48-Harbour", "password2": "Other-Lamp-48-Harbour"}
    )
    assert "不足一天" in response.content.decode()


def test_it_lets_the_holder_of_a_link_set_a_password_and_enrol(client, bureau, acting, clock):
    request = identity.request_reset(acting("guolei"), bureau.user["liuyang"], "丢失手机", clock.now)
    link = identity.confirm(acting("mali"), request, clock.now)
    assert "liuyang" in client.get(link).content.decode()
    assert links.find(link.split("/")[2], clock.now), "opening the page uses nothing up"
    assert "一致" in client.post(link, {"password1": PASSWORD, "password2": "Else-Lamp-47-Harbour"}).content.decode()
    response = client.post(link, {"password1": PASSWORD, "password2": PASSWORD})
    assert response.status_code == 302
    assert client.get(OWN)["Location"] == "/account/factors/"
    assert client.get("/account/factors/totp/activate/").status_code == 200
    assert Client().get(link).status_code == 410
    assert Client().get("/enter/guessed/").status_code == 410


def test_it_does_not_let_a_demo_link_in_outside_the_demo(client, bureau, clock):
    from anzhang.permissions import RefusedError

    with pytest.raises(RefusedError):
        links.issue_link(bureau.user["liuyang"], "demo", clock.now)


def test_it_lets_a_demo_link_in_once_from_loopback_only(client, bureau, clock, settings):
    settings.HOME = type("Demo", (), {"is_demo": True, "get": lambda *_args, **_kwargs: ""})()
    link = links.issue_link(bureau.user["liuyang"], "demo", clock.now)
    assert client.get(link, REMOTE_ADDR="10.2.3.4").status_code == 410
    assert client.get(link).status_code == 302
    assert client.session[actors.SECOND_FACTOR]["how"] == "demo"
    assert Client().get(link).status_code == 410


def test_it_asks_for_the_factor_again_before_factors_change(client, decider, clock):
    log_in(client, "liuyang")
    client.post("/account/factors/authenticate/", {"code": code_of(SECRET)})
    assert client.get("/account/factors/totp/deactivate/").status_code == 200
    clock.advance(minutes=14)
    client.get(OWN)
    clock.advance(minutes=2)
    response = client.get("/account/factors/totp/deactivate/")
    assert response["Location"].startswith("/account/factors/reauthenticate/")
    assert client.get("/account/reauthenticate/")["Location"].startswith("/account/factors/reauthenticate/")
    client.post("/account/factors/reauthenticate/", {"code": code_of(SECRET, 1)})
    assert client.get("/account/factors/totp/deactivate/").status_code == 200


def test_it_marks_cookies_as_the_bureau_needs_them(client, plain, settings):
    response = log_in(client, "sunli")
    cookie = response.cookies["anzhang_session"]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
    assert not cookie["expires"], "it ends with the browser"
    settings.SESSION_COOKIE_SECURE = True
    assert log_in(Client(), "sunli").cookies["anzhang_session"]["secure"]
    assert timedelta(hours=8) == sessions.LONGEST
