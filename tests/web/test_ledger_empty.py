"""The ledger's page before anything is written in it."""

import pytest

from anzhang.directory.models import User
from tests.web.test_ledger import home  # noqa: F401 - a fixture
from tests.web.visitors import enter


@pytest.mark.django_db
def test_an_empty_ledger_says_so(client, home, clock):  # noqa: F811
    user = User.objects.create(username="auditor", administrator="auditor", created_at=clock.now)
    page = enter(client, user).get("/ledger/")
    assert "还没有签名的树头" in page.text
    assert "没有符合条件的记录" in page.text
