"""Passwords: remembered, dated, ledgered without themselves."""

from datetime import timedelta

import pytest
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError

from anzhang.directory import passwords
from anzhang.directory.credentials import PasswordHistory
from anzhang.directory.models import User
from anzhang.directory.tickets import actor_of_user
from anzhang.events import Event
from anzhang.journal.models import Entry
from anzhang.journal.procedures import row_digest
from anzhang.permissions import Via


def test_it_refuses_the_last_five_and_allows_the_sixth(bureau, clock):
    user = bureau.user["sunli"]
    actor = actor_of_user(user, Via.BROWSER)
    used = [f"Bright-Lamp-{number}-Harbour" for number in range(6)]
    for password in used:
        passwords.change(actor, user, password, clock.advance(days=1))
    for password in used[1:]:
        with pytest.raises(ValidationError):
            validate_password(password, user)
    validate_password(used[0], user)
    assert PasswordHistory.objects.filter(user=user).count() == 5


@pytest.mark.parametrize("password", ["Ab3-Ab3-Ab3-x", "灯塔灯塔灯塔灯塔灯塔1a"])
def test_it_accepts_three_kinds_of_character(bureau, password):
    validate_password(password, bureau.user["sunli"])


@pytest.mark.parametrize("password", ["lowercase-lowercase", "ABCDEFGHIJKLMNOP", "123456789012345", "abcabcabc123", "ilnuS-Ilnus-42-x"])
def test_it_refuses_fewer_kinds_common_ones_and_the_name_backwards(bureau, password):
    with pytest.raises(ValidationError):
        validate_password(password, bureau.user["sunli"])


def test_it_expires_after_ninety_days_to_the_second(bureau, clock):
    user = bureau.user["sunli"]
    assert not passwords.expired(user, clock.now)
    passwords.change(actor_of_user(user, Via.BROWSER), user, "Bright-Lamp-47-Harbour", clock.now)
    assert not passwords.expired(user, clock.now + timedelta(days=90, seconds=-1))
    assert passwords.expired(user, clock.now + timedelta(days=90))


def test_it_leaves_the_row_as_its_last_entry_says_even_after_a_check(bureau, clock):
    user = bureau.user["sunli"]
    passwords.change(actor_of_user(user, Via.BROWSER), user, "Bright-Lamp-47-Harbour", clock.now)
    user = User.objects.get(pk=user.pk)
    assert user.check_password("Bright-Lamp-47-Harbour")
    assert not user.check_password("Bright-Lamp-47-Harbor")
    last = Entry.objects.filter(object_type="user", object_key=str(user.pk)).latest("index")
    assert last.act == Event.USER_CHANGE
    assert last.after == row_digest(User.objects.get(pk=user.pk))


def test_it_hashes_with_argon2id_outside_the_tests():
    from anzhang import settings

    assert settings.PASSWORD_HASHERS == ["django.contrib.auth.hashers.Argon2PasswordHasher"]
