"""Lists of thousands of rows: read in the order of an index, few queries, nothing lost between pages."""

import datetime as dt
import re

import pytest
from django.core.paginator import Paginator
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from anzhang.casework.models import Case, Finding
from anzhang.directory.models import Person
from anzhang.registers import listing
from anzhang.registers.declaration import REGISTERS
from anzhang.registers.rights import Sight
from anzhang.web import articles, marks
from anzhang.web.paging import KeyPaginator
from tests import world

MOST_QUERIES = 12


@pytest.fixture
def many_findings(bureau, clock):
    """120 findings of Article 5, many with the same deadline, three without a unit."""
    return Finding.objects.bulk_create(
        Finding(
            number=f"WT-{i:03}", obligation="A05.3", subject=f"unit:X{i}", subject_label=f"对象 {i}", fingerprint=str(i), severity="high",
            state="closed" if i % 4 == 3 else "open",
            reason={"code": "officer_missing", "params": {"unit": "就业促进处", "since": "2026-11-01", "days": 5}},
            unit=None if i < 3 else bureau.unit["JYC"], opened_at=clock.now, last_seen_at=clock.now,
            due_at=clock.now + dt.timedelta(days=i // 7),
        )
        for i in range(120)
    )  # fmt: skip


def visit(bureau, username, address):
    client = Client()
    world.enter(client, bureau.user[username])
    client.get(address)  # what is made once per process or session is not counted
    with CaptureQueriesContext(connection) as queries:
        page = client.get(address)
    assert page.status_code == 200
    return page.content.decode(), len(queries)


@pytest.mark.parametrize("username", ["zhengkai", "liuyang"])
@pytest.mark.parametrize(
    "address", ["/", "/board/", "/articles/5/", "/cases/", "/cases/?list=all", "/findings/", "/ledger/", "/registers/unit/"]
)
def test_a_page_asks_at_most_twelve_questions_however_long_the_list(username, address, bureau, many_findings):
    assert visit(bureau, username, address)[1] <= MOST_QUERIES


def test_cases_and_findings_are_walked_in_the_order_of_an_index(bureau):
    if connection.vendor == "postgresql":  # which reads and sorts a table of a few rows unless told otherwise
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan TO off")
            cursor.execute("SET LOCAL enable_sort TO off")
    for rows in (Case.objects.all(), Finding.objects.all(), Finding.objects.exclude(state="closed"), Person.objects.order_by("code")):
        plan = rows.values_list("pk", flat=True)[:50].explain()
        assert "INDEX" in plan.upper()
        assert "TEMP B-TREE" not in plan
        assert "Sort" not in plan


def test_pages_by_key_hold_the_rows_of_pages_by_row(many_findings):
    rows = Finding.objects.exclude(state="closed").select_related("unit")
    plain, keyed = Paginator(rows, 25), KeyPaginator(rows, 25)
    assert keyed.num_pages == plain.num_pages > 2
    assert [list(page) for page in keyed] == [list(page) for page in plain]


def test_the_whole_bureau_as_a_filter_finds_what_stands_in_any_unit(bureau, acting, clock, many_findings):
    register, sight = REGISTERS["finding"], Sight(acting("zhengkai"), clock.now)
    whole = listing.select(register, listing.parse(register, {"unit": "HRSS"}), sight)
    assert set(whole) == set(Finding.objects.exclude(unit=None))
    assert whole.count() == len(many_findings) - 3
    part = listing.select(register, listing.parse(register, {"unit": "IC"}), sight)
    assert part.count() == Finding.objects.filter(unit=bureau.unit["IC"]).count()


def test_an_article_names_its_most_urgent_findings_and_leads_to_all(bureau, many_findings):
    text, _queries = visit(bureau, "zhengkai", "/articles/5/")
    shown = re.findall(r'href="/findings/(WT-\d+)/"', text)
    urgent = Finding.objects.exclude(state="closed").order_by("due_at", "pk").values_list("number", flat=True)
    assert shown == list(urgent[: articles.SHOWN])
    assert "/findings/?article=5" in text


def test_marks_escape_what_they_show():
    assert "<script>" not in marks.state_mark("<script>")
    assert "<script>" not in marks.proof_mark('"><script>')


def test_a_deadline_is_late_when_it_has_passed_and_nothing_is_done():
    now = world.START
    past = now - dt.timedelta(minutes=1)
    assert "az-late" in marks.due(past, now)
    assert "az-late" not in marks.due(now, now)
    assert "az-late" not in marks.due(past, now, past)
    assert marks.due(None, now) == "—"
