"""The demo's passwords: random, told once, of a kind that the rules accept."""

import json
import re

from anzhang.demo import stage
from anzhang.directory.models import User
from anzhang.journal.models import Entry


def told(bureau, clock) -> dict[str, str]:
    rows = [line.split("\t") for line in stage.give_passwords(bureau, clock.now).splitlines()[1:]]
    return {username: password for _name, username, password in rows}


def test_each_of_the_cast_gets_a_password_that_is_told_and_kept_only_as_a_hash(bureau, clock):
    passwords = told(bureau, clock)
    assert set(passwords) == set(stage.SHOWN)
    assert len(set(passwords.values())) == len(stage.SHOWN)
    user = User.objects.get(username="liuyang")
    assert user.check_password(passwords["liuyang"])
    assert passwords["liuyang"] not in json.dumps([bytes(entry.payload.body).decode() for entry in Entry.objects.select_related("payload")])


def test_a_password_can_be_read_off_the_screen(bureau):
    made = {stage.random_password(bureau.user["liuyang"]) for _ in range(5)}
    assert len(made) == 5
    for password in made:
        assert re.fullmatch(r"[A-HJ-NP-Za-hj-km-np-z2-9]{4}(-[A-HJ-NP-Za-hj-km-np-z2-9]{4}){3}", password)


def test_the_password_opens_the_log_in_page_and_asks_for_a_second_factor(bureau, clock, client):
    password = told(bureau, clock)["liuyang"]
    answer = client.post("/account/login/", {"login": "liuyang", "password": password}, follow=True)
    assert answer.status_code == 200
    assert answer.wsgi_request.user.is_authenticated
    wrong = client.__class__().post("/account/login/", {"login": "liuyang", "password": f"{password}x"}, follow=True)
    assert not wrong.wsgi_request.user.is_authenticated
