"""The pages of the three administrators: each does their own part, and only that."""

import pytest
from django.test import Client

from anzhang.directory import identity, links
from anzhang.directory.credentials import ApiToken, IdentityRequest
from anzhang.directory.models import User
from anzhang.web import actors
from tests import world
from tests.web.entrance import code_of, give_totp

# page, form, the one administrator it belongs to
PAGES = (
    ("/administration/users/", None, "guolei"),
    ("/administration/users/new/", {"person": "P023", "username": "tangxin", "administrator": "", "reason": "新到岗"}, "guolei"),
    ("/administration/users/{liming}/", {"action": "deactivate", "reason": "离岗"}, "guolei"),
    ("/administration/users/{liming}/", {"action": "reset", "reason": "丢失手机"}, "guolei"),
    ("/administration/confirmations/", None, "mali"),
    ("/administration/confirmations/{waiting}/", {"decision": "confirm"}, "mali"),
    ("/administration/confirmations/{waiting}/", {"decision": "refuse"}, "mali"),
    ("/administration/locks/", {"username": "sunli"}, "mali"),
    ("/administration/tokens/", None, "mali"),
    ("/administration/tokens/new/", {"name": "x", "user": "sunli", "scopes": ["read"], "address": "10.1.1.1", "days": "5"}, "mali"),
    ("/administration/audit/", None, "chenjing"),
)
OTHERS = ("guolei", "mali", "chenjing", "liuyang", "liming", "sunli")


@pytest.fixture
def places(bureau, acting, clock):
    """The primary keys that the addresses name."""
    waiting = identity.request_reset(acting("guolei"), bureau.user["xubin"], "丢失手机", clock.now)
    return {"liming": bureau.user["liming"].pk, "waiting": waiting.pk}


def state():
    return (
        sorted(User.objects.values_list("username", "is_active", "password")),
        sorted(IdentityRequest.objects.values_list("pk", "state")),
        ApiToken.objects.count(),
    )


@pytest.mark.parametrize(("page", "form", "owner"), PAGES)
def test_it_answers_its_own_administrator(bureau, places, page, form, owner):
    client = Client()
    world.enter(client, bureau.user[owner])
    path = page.format(**places)
    if form is None:
        assert client.get(path).status_code == 200
    else:
        before = state()
        response = client.post(path, form)
        assert response.status_code in {200, 302}
        assert state() != before or "locks" in path


@pytest.mark.parametrize(("page", "form", "owner"), PAGES)
def test_it_refuses_everybody_else_and_changes_nothing(bureau, places, page, form, owner):
    path, before = page.format(**places), state()
    for name in OTHERS:
        if name == owner:
            continue
        client = Client()
        world.enter(client, bureau.user[name])
        response = client.get(path) if form is None else client.post(path, form)
        assert response.status_code == 403, (name, path)
        assert state() == before, (name, path)


@pytest.mark.parametrize(("page", "form", "owner"), PAGES)
def test_it_sends_a_stranger_to_the_log_in(bureau, places, page, form, owner):
    path, before = page.format(**places), state()
    response = Client().get(path) if form is None else Client().post(path, form)
    assert response.status_code == 302
    assert response["Location"].startswith("/account/login/")
    assert state() == before


def test_it_asks_for_the_factor_again_after_a_quarter_of_an_hour(bureau, places, clock):
    client = Client()
    world.enter(client, bureau.user["mali"])
    client.get("/account/")
    for _step in range(2):
        clock.advance(minutes=8)
        client.get("/account/")
    before = state()
    response = client.post("/administration/confirmations/{waiting}/".format(**places), {"decision": "confirm"})
    assert response["Location"].startswith("/account/factors/")
    assert state() == before


def test_it_does_nothing_without_a_second_factor(bureau, places):
    client = Client()
    world.enter(client, bureau.user["mali"], second_factor=False)
    before = state()
    response = client.post("/administration/confirmations/{waiting}/".format(**places), {"decision": "confirm"})
    assert response["Location"].startswith("/account/factors/")
    assert state() == before


def test_it_creates_a_user_through_two_administrators_and_a_link(bureau):
    system, security, person = Client(), Client(), Client()
    world.enter(system, bureau.user["guolei"])
    world.enter(security, bureau.user["mali"])
    form = {"person": "P023", "username": "tangxin", "administrator": "", "reason": "新到岗"}
    assert system.post("/administration/users/new/", form).status_code == 302
    waiting = IdentityRequest.objects.get()
    page = security.post(f"/administration/confirmations/{waiting.pk}/", {"decision": "confirm"}).content.decode()
    link = page.partition('<code id="link">http://testserver')[2].partition("</code>")[0]
    assert link.startswith("/enter/")
    response = person.post(link, {"password1": "Quiet-River-88-Stone", "password2": "Quiet-River-88-Stone"})
    assert response.status_code == 302
    assert "唐欣" in person.get("/account/").content.decode()


def test_it_says_why_a_form_is_wrong(bureau):
    client = Client()
    world.enter(client, bureau.user["guolei"])
    page = client.post("/administration/users/new/", {"person": "P999", "username": "Bad Name", "reason": ""}).content.decode()
    assert "没有这个工号" in page
    assert "登录名以小写字母开头" in page
    taken = client.post("/administration/users/new/", {"person": "P023", "username": "liming", "reason": "x"}, follow=True).content.decode()
    assert "已被使用" in taken


def test_it_shows_a_token_once(bureau):
    client = Client()
    world.enter(client, bureau.user["mali"])
    form = {"name": "报表", "user": "sunli", "scopes": ["read"], "address": "10.1.0.0/16", "days": "30"}
    text = client.post("/administration/tokens/new/", form).content.decode().partition('<code id="token">')[2].partition("</code>")[0]
    assert text.startswith("az_")
    token = ApiToken.objects.get()
    page = client.get("/administration/tokens/").content.decode()
    assert token.prefix in page
    assert text not in page
    assert client.post(f"/administration/tokens/{token.pk}/revoke/").status_code == 302
    assert ApiToken.objects.get().revoked_at is not None


def test_it_confirms_a_command_line_only_with_the_second_factor(bureau, clock):
    from anzhang.directory import tickets

    ticket, _secret = tickets.open_ticket("root@test", clock.now)
    plain = Client()
    world.enter(plain, bureau.user["sunli"], second_factor=False)
    assert plain.post("/account/command-line/", {"code": ticket.code})["Location"].startswith("/account/factors/")
    ticket.refresh_from_db()
    assert ticket.user is None
    client = Client()
    world.enter(client, bureau.user["guolei"])
    assert "root@test" in client.post("/account/command-line/", {"code": ticket.code.lower()}, follow=True).content.decode()
    ticket.refresh_from_db()
    assert ticket.user == bureau.user["guolei"]
    assert "没有等待确认" in client.post("/account/command-line/", {"code": ticket.code}).content.decode()


def test_it_opens_no_right_by_link_or_cookie_that_it_did_not_issue(bureau, clock):
    client = Client()
    client.cookies["anzhang_session"] = "x" * 32
    assert client.get("/administration/audit/").status_code == 302
    assert links.find("", clock.now) is None
    assert actors.SECOND_FACTOR not in client.session


def test_it_carries_on_with_what_was_asked_once_the_factor_was_passed_again(bureau, places, clock):
    user = bureau.user["mali"]
    secret = give_totp(user)
    client = Client()
    world.enter(client, user)
    client.get("/account/")
    for _step in range(2):
        clock.advance(minutes=8)
        client.get("/account/")
    path = "/administration/confirmations/{waiting}/".format(**places)
    response = client.post(path, {"decision": "refuse"})
    assert IdentityRequest.objects.get().state == "waiting"
    client.post(response["Location"], {"code": code_of(secret), "next": path})
    assert IdentityRequest.objects.get().state == "refused"
