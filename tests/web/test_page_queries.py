"""Every list asks at most twelve questions, at 2 rows as at 200, whoever reads it: a page that asks once a row fails here."""

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from anzhang.registers.declaration import REGISTERS
from tests import world
from tests.web.crowd import Crowd

MOST = 12
PAGES = (
    "/configurations/",
    "/", "/board/", "/articles/5/", "/articles/29/", "/cases/", "/cases/?list=done", "/cases/?list=mine",
    "/cases/?list=all", "/cases/?list=all&page=3", "/cases/?list=all&q=z", "/cases/new/", "/findings/", "/findings/?state=all&page=2",
    "/findings/?q=z&unit=JYC", "/ledger/", "/ledger/?act=registers:row:create", "/inbox/", "/search/", "/registers/",
    "/api/registers/person", "/api/cases", "/api/findings",
)  # fmt: skip


def addresses():
    lists = [f"/registers/{name}/" for name in REGISTERS]
    return [
        *PAGES,
        *lists,
        *(f"{each}?size=100&page=2" for each in lists),
        "/registers/person/?q=z",
        "/registers/person/?unit=JYC&kind=staff",
    ]


@pytest.mark.parametrize("rows", [2, 200])
@pytest.mark.parametrize("username", ["zhengkai", "liuyang", "sunli", "chenjing"])
def test_every_list_asks_at_most_twelve_questions(username, rows, bureau, clock):
    user, client = bureau.user[username], Client()
    world.enter(client, user)
    Crowd(bureau, [bureau.unit["JYC"], bureau.unit["IC"]], user.person, clock.now).grow(rows)
    client.get("/")  # what is made once per session is not counted
    too_many, refused = [], []
    for address in addresses():
        with CaptureQueriesContext(connection) as captured:
            page = client.get(address)
        if page.status_code != 200:
            refused.append(f"{address}: {page.status_code}")
        if len(captured) > MOST:
            too_many.append("\n  ".join([f"{address}: {len(captured)}", *(query["sql"] for query in captured.captured_queries)]))
    assert not refused
    assert not too_many, "\n".join(too_many)


def test_the_crowd_fills_every_register(bureau, clock):
    Crowd(bureau, [bureau.unit["JYC"]], bureau.user["liuyang"].person, clock.now).grow(2)
    assert [name for name, register in REGISTERS.items() if register.model._base_manager.count() < 2] == []
