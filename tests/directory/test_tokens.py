"""Tokens: hashed, scoped, bound to an address, expiring, revocable; never administrators."""

import pytest
from django.test import RequestFactory

from anzhang.directory import tokens
from anzhang.directory.credentials import ApiToken
from anzhang.events import Event
from anzhang.journal.models import Entry
from anzhang.permissions import RefusedError, Via


@pytest.fixture(autouse=True)
def _forget_wrong_tokens():
    tokens._wrong.clear()


@pytest.fixture
def issued(bureau, acting, clock):
    """Issue a token for 孙丽 from 10.1.2.0/24."""

    def issue(**given):
        fields = {"name": "报表", "user": bureau.user["sunli"], "unit": None, "scopes": ["read"], "address": "10.1.2.0/24", "days": 30}
        return tokens.issue(acting("mali"), **(fields | given), at=clock.now)

    return issue


def ask(text, method="get", address="10.1.2.9"):
    request = getattr(RequestFactory(), method)("/api/x", headers={"authorization": f"Bearer {text}"}, REMOTE_ADDR=address)
    return tokens.authenticate(request)


def test_it_acts_for_its_user_without_second_factor_or_administration(issued, bureau):
    token, text = issued()
    actor = ask(text)
    assert (actor.id, actor.via, actor.user_id, actor.unit_id) == (
        f"token:{token.prefix}", Via.API, bureau.user["sunli"].pk, bureau.unit["JYC"].pk,
    )  # fmt: skip
    assert not actor.second_factor
    _token, administrators = issued(user=bureau.user["guolei"])
    assert ask(administrators).administrator is None


def test_it_stores_no_text(issued):
    token, text = issued()
    secret = text.split("_", 2)[2]
    assert not any(secret in str(getattr(token, field.attname)) for field in ApiToken._meta.concrete_fields)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text[:-1] + ("A" if text[-1] != "A" else "B"),
        lambda text: text[:11],
        lambda text: "",
        lambda text: "az_",
        lambda text: text.replace("az_", "zz_"),
        lambda text: "\x00" + text,
    ],
)
def test_it_refuses_any_other_text(issued, change):
    _token, text = issued()
    assert ask(change(text)) is None


def test_it_refuses_another_address_an_expired_and_a_revoked_token(issued, acting, clock, bureau):
    token, text = issued(days=2)
    assert ask(text, address="10.1.3.9") is None
    assert ask(text, address="") is None
    clock.advance(days=2)
    assert ask(text) is None
    token, text = issued()
    assert ask(text)
    tokens.revoke(acting("mali"), token, clock.now)
    assert ask(text) is None
    acts = list(Entry.objects.filter(object_type="api_token", object_key=str(token.pk)).order_by("index").values_list("act", flat=True))
    assert acts == [Event.TOKEN_ISSUE, Event.TOKEN_REVOKE]


def test_it_refuses_the_token_of_a_deactivated_user(issued, acting, clock, bureau):
    from anzhang.directory import identity

    _token, text = issued()
    identity.deactivate(acting("guolei"), bureau.user["sunli"], "离岗", clock.now)
    assert ask(text) is None


def test_it_holds_a_reading_token_to_reading(issued):
    _token, text = issued()
    with pytest.raises(RefusedError) as refusal:
        ask(text, method="post")
    assert refusal.value.code == "token_scope"
    _token, writing = issued(scopes=["read", "write"])
    assert ask(writing, method="post")


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"days": 91}, "token_too_long"),
        ({"days": 0}, "token_too_long"),
        ({"scopes": []}, "token_scope"),
        ({"scopes": ["decide"]}, "token_scope"),
        ({"address": "anywhere"}, "token_address"),
        ({"address": "0.0.0.0/0"}, "token_address"),
        ({"user": None}, "token_owner"),
    ],
)
def test_it_refuses_a_token_outside_the_rules(issued, given, code):
    with pytest.raises(RefusedError) as refusal:
        issued(**given)
    assert refusal.value.code == code
    assert not ApiToken.objects.exists()


@pytest.mark.parametrize("other", ["guolei", "chenjing", "liuyang"])
def test_it_is_issued_and_revoked_by_the_security_administrator_only(issued, acting, clock, bureau, other):
    token, _text = issued()
    with pytest.raises(RefusedError):
        tokens.revoke(acting(other), token, clock.now)
    with pytest.raises(RefusedError):
        tokens.issue(
            acting(other), name="x", user=bureau.user["sunli"], unit=None, scopes=["read"], address="10.1.1.1", days=1, at=clock.now
        )


def test_it_stops_listening_to_an_address_that_sends_wrong_tokens(issued, clock):
    _token, text = issued()
    for _each in range(tokens.WRONG_PER_MINUTE):
        assert ask("az_00000000_wrong") is None
    with pytest.raises(RefusedError) as refusal:
        ask(text)
    assert refusal.value.code == "too_many_wrong_tokens"
    assert ask(text, address="10.1.2.10")
    clock.advance(minutes=1)
    assert ask(text)


def test_it_lets_a_service_see_its_unit(issued, bureau):
    _token, text = issued(user=None, unit=bureau.unit["IC"], scopes=["ingest", "read"])
    actor = ask(text)
    assert (actor.user_id, actor.unit_id) == (None, bureau.unit["IC"].pk)
