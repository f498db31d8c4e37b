"""Enrolling the second factor at the first log-in; in transactions of its own, as the pages commit between steps."""

import re

import pytest

from anzhang.events import Event
from anzhang.journal.models import Entry
from anzhang.web import actors
from tests.web.entrance import code_of, give_password, log_in
from tests.web.test_login import OWN


@pytest.mark.django_db(transaction=True)
def test_it_holds_a_decider_without_factor_at_the_enrolment_until_one_is_there(client, bureau):
    user = bureau.user["liuyang"]
    give_password(user)
    log_in(client, "liuyang")
    for path in (OWN, "/registers/", "/administration/"):
        assert client.get(path)["Location"] == "/account/factors/"
    assert "必须先启用" in client.get("/account/factors/").content.decode()
    page = client.get("/account/factors/totp/activate/").content.decode()
    assert 'src="data:image/svg+xml;base64,' in page
    secret = re.search(r"<code>([A-Z2-7]+)</code>", page)[1]
    response = client.post("/account/factors/totp/activate/", {"code": code_of(secret)})
    assert response["Location"] == "/account/factors/recovery-codes/"
    codes = re.findall(r"<li><code>(\d{8})</code></li>", client.get(response["Location"]).content.decode())
    assert len(codes) == 10
    assert "不再显示" in client.get(response["Location"]).content.decode()
    page = client.get(OWN)
    assert page.status_code == 200
    assert actors.actor_of(page.wsgi_request).second_factor
    assert Entry.objects.filter(act=Event.FACTOR_ADD, object_key=str(user.pk)).count() == 2
