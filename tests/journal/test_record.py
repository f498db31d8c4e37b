"""An entry is written with its act, or not at all, and says exactly what the row says."""

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.apps import apps
from django.db import connection, models, transaction
from django.utils.translation import gettext_lazy

from anzhang.engines.crypto import SUITES
from anzhang.engines.ledger import tree
from anzhang.engines.ledger.canonical import CanonicalError
from anzhang.events import Event
from anzhang.journal import procedures
from anzhang.journal.models import Entry, Frontier, Ledgered, Payload
from anzhang.organization.models import TrainingRecord
from anzhang.permissions import system

ME = system("test")
AT = datetime(2026, 11, 24, 1, 30, 0, 123456, tzinfo=UTC)
LEDGERED = [model for model in apps.get_models() if issubclass(model, Ledgered)]


def record(**payload):
    with transaction.atomic():
        procedures.record(ME, Event.CLOCK_ADVANCE, ("clock", "demo"), at=AT, payload=payload)
    return Entry.objects.order_by("index").last()


def test_it_refuses_outside_a_transaction(transactional_db):
    with pytest.raises(procedures.NotInTransactionError):
        procedures.record(ME, Event.CLOCK_ADVANCE, ("clock", "demo"), at=AT)
    assert not Entry.objects.exists()


def test_it_numbers_entries_densely_and_keeps_both_frontiers(db):
    assert [record(n=number).index for number in range(7)] == list(range(7))
    leaves = [bytes(leaf) for leaf in Entry.objects.order_by("index").values_list("leaf", flat=True)]
    for suite in SUITES:
        row = Frontier.objects.get(suite=suite.name)
        assert tree.Frontier.unpack(suite, row.size, bytes(row.hashes)).root() == tree.root_of(suite, leaves)


def test_it_leaves_nothing_behind_when_the_act_fails(transactional_db):
    record()
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        record(n=1).index // 0
    assert [record(n=2).index, Entry.objects.count(), Payload.objects.count()] == [1, 2, 2]


@pytest.mark.parametrize("payload", [{"hours": 0.5}, {"键": 1}, {"n": 2**60}, {"set": {1}}])
def test_it_refuses_a_payload_without_a_canonical_form(db, payload):
    with pytest.raises(CanonicalError):
        record(**payload)
    assert not Entry.objects.exists()


def test_it_accepts_lazy_texts_dates_and_enums(db):
    record(text=gettext_lazy("单位"), on=AT.date(), at=AT, act=Event.UPGRADE, amount=Decimal("1.50"))
    body = bytes(Payload.objects.get().body)
    assert (
        body
        == (
            '{"act":"operate:software:upgrade","amount":"1.50","at":"2026-11-24T01:30:00.123456+00:00","on":"2026-11-24","text":"单位"}'
        ).encode()
    )


def sample(field, chance):  # noqa: PLR0911
    """Return a value of a column as a procedure would set it, before the database has seen it."""
    if isinstance(field, models.JSONField):
        return {"b": [1, 0.1, None], "a": {"键": "值", "t": ("x", 2)}, "f": [1e16, -0.0, 2.5e-7, "e+"]}
    if isinstance(field, models.BinaryField):
        return bytearray(b"\x00\xff")
    if isinstance(field, models.DateTimeField):
        return AT + timedelta(seconds=chance.randrange(10_000))
    if isinstance(field, models.DateField):
        return "2026-11-24"
    if isinstance(field, models.DecimalField):
        return chance.choice([4, "4.5", Decimal("4.04")])
    if isinstance(field, models.BooleanField):
        return 1
    if isinstance(field, models.FloatField):
        return 1 / 3
    if isinstance(field, models.ForeignKey | models.IntegerField):
        return str(chance.randrange(1, 9))
    return gettext_lazy("信息中心") if field.max_length is None or field.max_length > 8 else "ok"


def ignore_checks(model):
    """Let made-up values be saved; on PostgreSQL the constraints come back with the end of the test's transaction."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("PRAGMA ignore_check_constraints = 1")
            return
        table = model._meta.db_table
        cursor.execute("SELECT conname FROM pg_constraint WHERE contype = 'c' AND conrelid = %s::regclass", (table,))
        for (name,) in cursor.fetchall():
            cursor.execute(f'ALTER TABLE {table} DROP CONSTRAINT "{name}"')


def heed_checks():
    if connection.vendor == "sqlite":
        connection.cursor().execute("PRAGMA ignore_check_constraints = 0")


@pytest.mark.parametrize("model", LEDGERED, ids=lambda model: model.__name__)
def test_a_rows_digest_is_the_same_after_reading_it_again(db, model):
    chance = random.Random(model.__name__)
    row = model()
    for field in model._meta.concrete_fields:
        if not field.primary_key or not isinstance(field, models.AutoField):
            setattr(row, field.attname, sample(field, chance))
    with transaction.atomic():
        ignore_checks(model)
        row.save(force_insert=True)
        saved = procedures.row_digest(row)
        again = procedures.row_digest(model.objects.get(pk=row.pk))
        model.objects.filter(pk=row.pk)._raw_delete("default")  # the made-up foreign keys must not outlive the test
        heed_checks()
    assert saved == again


def test_an_expression_is_read_back_before_it_is_digested(bureau):
    row = TrainingRecord.objects.first()
    row.version = models.F("version") + 1
    with transaction.atomic():
        procedures.write(ME, Event.ROW_CHANGE, row, at=AT)
    assert procedures.row_digest(TrainingRecord.objects.get(pk=row.pk)) == Entry.objects.last().after


def test_every_column_changes_the_digest_and_an_excluded_one_does_not(bureau):
    row = bureau.person["P011"]
    before = procedures.row_digest(row)
    for field, value in (("name", "李鸣"), ("phone", "1"), ("unit_id", 1), ("version", 2), ("left_on", AT.date())):
        changed = type(row).objects.get(pk=row.pk)
        setattr(changed, field, value)
        assert procedures.row_digest(changed) != before, field
