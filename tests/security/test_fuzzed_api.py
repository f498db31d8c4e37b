"""The API under generated calls: no 500, no status that its description lacks, no foreign row, no write through a read token."""

import pytest

from anzhang.journal.models import Entry
from anzhang.registers.declaration import REGISTERS
from tests.security.fuzzing import Hunter

pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("default")]


def _sizes():
    return {register.id: register.model._default_manager.count() for register in REGISTERS.values()}


def test_a_few_hundred_calls_find_no_hole(target):
    hunter = Hunter(target, ("read", "write"))
    hunter.fuzz(300)
    hunter.write_stale()
    assert hunter.calls >= 150
    assert {200, 404, 409, 422} <= set(hunter.statuses)


def test_a_read_token_writes_nothing_however_it_is_used(target):
    before, entries = _sizes(), Entry.objects.count()
    hunter = Hunter(target, ("read",))
    hunter.fuzz(100)
    assert {200, 403} <= set(hunter.statuses)
    assert _sizes() == before
    assert Entry.objects.count() == entries + 1  # the token


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_twenty_thousand_calls_find_no_hole(target):
    writer = Hunter(target, ("read", "write"))
    writer.fuzz(16_000)
    generated = writer.calls
    writer.follow(10)
    assert writer.calls - generated >= 500
    assert writer.linked >= 100
    writer.write_stale()  # generated calls meet one by chance only
    assert {200, 201, 400, 403, 404, 409, 422} <= set(writer.statuses)
    before, entries = _sizes(), Entry.objects.count()
    reader = Hunter(target, ("read",))
    reader.fuzz(5_000)
    assert _sizes() == before
    assert Entry.objects.count() == entries + 1
    assert generated + reader.calls >= 20_000
