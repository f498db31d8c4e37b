"""Logging in through the bureau's identity provider: a real provider, and what a broken or hostile one would send."""

import json
import re
import socket
import threading
import time
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from django.test import Client

from anzhang.directory import identity, outside
from anzhang.directory.models import User
from anzhang.events import Event
from anzhang.home import Home, HomeError
from anzhang.journal.models import Entry, Payload
from tests import programs
from tests.directory import provider as providers
from tests.web import visitors
from tests.web.entrance import SECRET, code_of, give_password, give_totp, log_in

LEAVE, BACK = "/account/oidc/", "/account/oidc/back/"


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with providers.serving(tmp_path_factory.mktemp("provider") / "site") as made:
        yield made


@pytest.fixture
def provider(running):
    """The provider, honest again and leading back to the test client."""
    running.make_mischief()
    running.lead_back_to(providers.BACK)
    return running


@pytest.fixture
def configure(tmp_path, provider, settings):
    """Configure the platform for the provider, with changes."""

    def act(**changes):
        settings.HOME = provider.home(tmp_path, **changes)

    act()
    return act


@pytest.fixture
def people(bureau, configure, acting, clock):
    """The bureau, with some of its users moved to the provider by both administrators."""
    for username in ("zhanghua", "liuyang"):
        asked = identity.request_sign_in(acting("guolei"), bureau.user[username], "oidc", "改用统一身份认证", clock.now)
        assert identity.confirm(acting("mali"), asked, clock.now) == ""
        bureau.user[username].refresh_from_db()
    return bureau


def begin(client, wanted=""):
    """Leave for the provider; return where the browser is sent."""
    response = client.get(LEAVE, {"next": wanted} if wanted else {})
    assert response.status_code == 302, response.text
    return response["Location"]


def go_through(client, provider, username, wanted="", session=None):
    """Log in at the provider and come back; return the platform's answer."""
    back = provider.log_in(begin(client, wanted), username, session=session)
    return client.get(back.removeprefix("http://testserver"))


def is_in(client):
    return "_auth_user_id" in client.session


def reasons():
    return [json.loads(bytes(row.body))["reason"] for row in Payload.objects.filter(entry__act=Event.USER_LOGIN_FAIL)]


def test_it_lets_a_person_in_whom_the_provider_knows(client, people, provider):
    assert "用统一身份认证登录" in client.get("/account/login/").text
    response = go_through(client, provider, "zhanghua", "/registers/")
    assert response["Location"] == "/registers/"
    assert client.session["_auth_user_id"] == str(people.user["zhanghua"].pk)
    assert "由统一身份认证（OIDC）管理" in client.get("/account/").text
    entry = Entry.objects.get(act=Event.USER_LOGIN)
    assert entry.actor == "user:zhanghua"
    assert b'"sign_in":"oidc"' in bytes(entry.payload.body)


def test_the_button_carries_the_operators_word_and_leads_back_to_the_page_that_was_wanted(client, people, configure):
    configure(title="市统一门户")
    page = client.get("/account/login/?next=/registers/%3Fa%3D1%26b%3D2").text
    assert "用市统一门户登录" in page
    assert 'href="/account/oidc/?next=%2Fregisters%2F%3Fa%3D1%26b%3D2"' in page


def test_it_asks_with_state_nonce_a_challenge_and_for_a_fresh_log_in(client, people, provider):
    asked = [parse_qs(urlsplit(begin(client)).query) for _each in range(2)]
    for query in asked:
        assert query["response_type"] == ["code"]
        assert query["code_challenge_method"] == ["S256"]
        assert query["prompt"] == ["login"]
        assert query["redirect_uri"] == [providers.BACK]
        assert set(query["scope"][0].split()) == {"openid", "profile"}
    for name in ("state", "nonce", "code_challenge"):
        assert asked[0][name] != asked[1][name]


def test_it_asks_a_decider_for_the_second_factor_as_ever(client, people, provider):
    give_totp(people.user["liuyang"])
    assert go_through(client, provider, "liuyang")["Location"] == "/account/factors/authenticate/"
    assert not is_in(client)
    client.post("/account/factors/authenticate/", {"code": code_of(SECRET)})
    assert is_in(client)


def test_it_holds_a_decider_without_factor_at_the_enrolment(client, people, provider):
    go_through(client, provider, "liuyang")
    assert client.get("/account/")["Location"] == "/account/factors/"


@pytest.mark.parametrize(
    ("username", "reason", "words"),
    [("stranger", "person_unknown", "工号 P999 不在人员台账中"), ("luona", "other_sign_in", "使用本地密码登录")],
)
def test_it_refuses_whom_the_registers_do_not_let_in_and_says_whom_to_ask(client, people, provider, username, reason, words):
    response = go_through(client, provider, username)
    assert response.status_code == 403
    assert words in response.text
    assert not is_in(client)
    assert reasons() == [reason]
    assert User.objects.count() == 17, "nobody is created at log-in"


def test_it_never_matches_by_mail(client, people, provider):
    people.person["P004"].email = "zhengkai@bureau.test"
    people.person["P004"].save()
    response = go_through(client, provider, "nocode")
    assert response.status_code == 403
    assert "没有给出您的工号" in response.text
    assert not is_in(client)


def test_the_operators_mapping_turns_a_subject_into_a_person(client, people, configure, provider):
    configure(claim="sub", people={"u-stranger": "P022"})
    go_through(client, provider, "stranger")
    assert client.session["_auth_user_id"] == str(people.user["zhanghua"].pk)


@pytest.mark.parametrize(
    "mischief",
    [
        {"claims": {"iss": "https://evil.example"}},
        {"claims": {"iss": None}},
        {"claims": {"aud": "another client"}},
        {"claims": {"aud": ["anzhang", "another client"]}},
        {"claims": {"aud": ["anzhang", "another client"], "azp": "another client"}},
        {"claims": {"aud": None}},
        {"claims": {"nonce": "of another log-in"}},
        {"claims": {"exp": 1_700_000_000}},
        {"claims": {"exp": None}},
        {"claims": {"iat": 4_000_000_000}},
        {"claims": {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"}},
        {"sign": "broken"},
        {"sign": "none"},
        {"sign": "hmac"},
    ],
    ids=str,
)
def test_it_refuses_an_id_token_that_does_not_pass_every_check(client, people, provider, mischief):
    provider.make_mischief(**mischief)
    response = go_through(client, provider, "zhanghua")
    assert response.status_code == 400
    assert "未通过核验" in response.text
    assert not is_in(client)


@pytest.mark.parametrize("auth_time", [None, 1_700_000_000, "now"])
def test_it_refuses_a_log_in_of_long_ago_unless_the_operator_allows_it(client, people, configure, provider, auth_time):
    provider.make_mischief(claims={"auth_time": auth_time})
    response = go_through(client, provider, "zhanghua")
    if auth_time != "now":  # Authlib itself refuses a time that is none
        assert "没有要求您重新登录" in response.text
    assert not is_in(client)
    configure(silent=True)
    assert "prompt" not in begin(client)
    if auth_time != "now":
        assert go_through(client, provider, "zhanghua").status_code == 302


def test_the_next_person_at_the_desk_does_not_come_in_on_a_log_in_that_is_still_open(client, people, provider):
    browser = requests.Session()
    go_through(client, provider, "zhanghua", session=browser)
    client.post("/account/logout/")
    assert not is_in(client)
    answer = browser.get(begin(client), allow_redirects=True)
    assert "password" in answer.text, "the provider asks for the password again"


def test_it_refuses_a_state_that_this_browser_did_not_begin(client, people, provider):
    back = provider.log_in(begin(client), "zhanghua").removeprefix("http://testserver")
    victim = Client()
    response = victim.get(back)
    assert response.status_code == 400
    assert "不是从本浏览器开始的" in response.text
    assert not is_in(victim)
    assert client.get(back).status_code == 302
    again = client.get(back)
    assert again.status_code == 400, "a state is good once"


@pytest.mark.parametrize("query", ["", "?code=x", "?state=x", "?code=&state=", "?code=x&state=y", "?error=server_error&state=x"])
def test_it_answers_a_made_up_return_with_a_page(client, people, query):
    response = client.get(BACK + query)
    assert response.status_code == 400
    assert "返回登录" in response.text


def test_it_says_when_somebody_cancelled_and_shows_nothing_that_a_stranger_wrote(client, people):
    response = client.get(BACK, {"error": "access_denied", "error_description": "请致电 12345 <b>重置</b>", "state": "x"})
    assert response.status_code == 403
    assert "取消了登录" in response.text
    assert "12345" not in response.text


def test_it_refuses_an_answer_in_the_name_of_another_issuer(client, people, provider):
    back = provider.log_in(begin(client), "zhanghua").removeprefix("http://testserver")
    assert client.get(back + "&iss=https://evil.example").status_code == 400
    assert not is_in(client)


@pytest.mark.parametrize(
    "wanted", ["https://evil.example/", "//evil.example", "javascript:alert(1)", "/\\evil.example", "http:///evil.example"]
)
def test_it_never_leads_to_another_site_after_log_in(client, people, provider, wanted):
    assert go_through(client, provider, "zhanghua", wanted)["Location"] == "/"


def test_a_planted_session_does_not_survive_the_log_in(client, people, provider):
    there = begin(client)
    before = client.session.session_key
    client.get(provider.log_in(there, "zhanghua").removeprefix("http://testserver"))
    assert client.session.session_key != before
    thief = Client()
    thief.cookies["anzhang_session"] = before
    assert thief.get("/account/").status_code == 302


def test_logging_out_ends_the_session_and_is_ledgered(client, people, provider):
    go_through(client, provider, "zhanghua")
    client.post("/account/logout/")
    assert client.get("/account/").status_code == 302
    assert Entry.objects.filter(act=Event.USER_LOGOUT, actor="user:zhanghua").count() == 1


def test_who_is_locked_out_does_not_come_in_by_this_door(client, people, provider):
    give_totp(people.user["liuyang"])
    go_through(client, provider, "liuyang")
    for _each in range(5):
        client.post("/account/factors/authenticate/", {"code": "000000"})
    response = go_through(Client(), provider, "liuyang")
    assert response.status_code == 429
    assert "登录已锁定" in response.text


def test_it_sends_a_person_to_the_provider_again_before_factors_change(client, people, provider, clock):
    go_through(client, provider, "zhanghua")
    clock.advance(minutes=14)
    client.get("/account/")
    clock.advance(minutes=2)
    response = client.get("/account/factors/totp/activate/")
    assert response["Location"] == "/account/oidc/?next=%2Faccount%2Ffactors%2Ftotp%2Factivate%2F"
    response = go_through(client, provider, "zhanghua", "/account/factors/totp/activate/")
    assert response["Location"] == "/account/factors/totp/activate/"
    assert client.get("/account/factors/totp/activate/").status_code == 200


def test_no_password_of_such_a_user_is_changed_here_and_the_form_lets_none_in(client, people, provider):
    go_through(client, provider, "zhanghua")
    assert "请在那里更改" in client.get("/account/password/", follow=True).text
    other = Client()
    assert log_in(other, "zhanghua", providers.WORD).status_code == 200
    assert not is_in(other)


def test_local_users_enter_while_the_provider_is_down_and_others_are_told(client, people, configure):
    configure(issuer=f"https://localhost:{programs.free_port()}/o")
    response = client.get(LEAVE)
    assert response.status_code == 503
    assert "暂时不能使用" in response.text
    give_password(people.user["zhengkai"])
    assert log_in(client, "zhengkai").status_code == 302


@pytest.mark.parametrize("behavior", ["silent", "drips"])
def test_a_provider_that_hangs_does_not_hang_the_page(client, people, configure, behavior):
    def drips(listener):
        caller, _address = listener.accept()
        with caller:
            caller.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
            for _each in range(100):
                caller.sendall(b" ")
                time.sleep(0.1)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        configure(issuer=f"{'https' if behavior == 'silent' else 'http'}://127.0.0.1:{port}", timeout_seconds=1)
        thread = threading.Thread(target=drips, args=(listener,), daemon=True)
        if behavior == "drips":
            thread.start()
        began = time.monotonic()
        assert client.get(LEAVE).status_code == 503
        # Not a measurement: without a deadline for the whole answer the drip is waited for.
        assert time.monotonic() - began < 8


@pytest.mark.parametrize(
    ("changes", "logged"),
    [
        ({"ca": ""}, "SSLError"),
        ({"issuer": "{issuer}/"}, "names the issuer"),
        ({"issuer": "{origin}"}, "404"),
    ],
)
def test_it_refuses_a_provider_it_cannot_be_sure_of(client, people, configure, provider, caplog, changes, logged):
    fill = {"issuer": provider.issuer, "origin": provider.issuer.removesuffix("/o")}
    configure(**{key: value.format(**fill) for key, value in changes.items()})
    assert client.get(LEAVE).status_code == 503
    assert logged in caplog.text


def test_settings_that_are_wrong_end_on_a_page(client, people, configure):
    configure(claim="email")
    assert client.get(LEAVE).status_code == 503
    assert client.get(BACK).status_code == 503


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('client_id = "x"', "oidc.issuer is missing"),
        ('issuer = "http://id.example"', "is not encrypted"),
        ('issuer = "id.example"', "is not an address"),
        ('issuer = "https://id.example?x=1"', "is not an address"),
        ('issuer = "https://id.example"\nclaim = "email"', "does not identify a person"),
        ('issuer = "https://id.example"\nclient_id = "x"', "oidc.client_secret_file is missing"),
        ('issuer = "https://id.example"\npkce = false', "pkce is no setting"),
        ('issuer = "https://id.example"\nscopes = "profile"', "must be list"),
    ],
)
def test_it_names_the_setting_that_is_wrong(tmp_path, text, complaint):
    (tmp_path / "secret").write_text("x")
    (tmp_path / "secret").chmod(0o600)
    text = text if "scopes" not in text else f'{text}\nclient_id = "x"\nclient_secret_file = "secret"'
    (tmp_path / "anzhang.toml").write_text(f"[oidc]\n{text}\n", encoding="utf-8")
    with pytest.raises(HomeError, match=re.escape(complaint)):
        outside.oidc_settings(Home(tmp_path))


def test_without_a_provider_there_is_no_such_page(client, bureau):
    assert client.get(LEAVE).status_code == 404
    assert client.get(BACK).status_code == 404
    assert "统一身份认证" not in client.get("/account/login/").text


def test_a_user_who_is_logged_in_becomes_who_the_provider_says(client, people, provider):
    visitors.enter(client, people.user["luona"])
    go_through(client, provider, "zhanghua")
    assert client.session["_auth_user_id"] == str(people.user["zhanghua"].pk)
