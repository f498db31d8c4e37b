"""One bureau for all attempts: each runs in a savepoint of it, so that nothing an attempt does is there for the next."""

import json
from dataclasses import dataclass

import pytest
from django.db import transaction
from django.test import Client

from anzhang import clock as anzhang_clock
from anzhang import permissions
from anzhang.casework import procedures, reconciliation
from anzhang.casework.models import Case, Finding
from anzhang.demo import bureau as demo
from anzhang.directory import tokens
from anzhang.journal.models import Entry
from tests import world


@dataclass
class Target:
    """The bureau under attack, with a case and findings in it."""

    bureau: demo.Bureau
    clock: world.Clock
    case: Case

    def client(self, username: str = "", **options) -> Client:
        """Return a browser, logged in with its second factor when a name is given."""
        client = Client(**options)
        if username:
            world.enter(client, self.bureau.user[username])
        return client

    def bearer(self, username: str, *scopes: str) -> Client:
        """Return a caller with a token."""
        security = world.actor(self.bureau, "mali")
        _row, text = tokens.issue(
            security, name="t", user=self.bureau.user[username], unit=None, scopes=scopes, address="127.0.0.1", days=9, at=self.clock.now
        )
        return Client(headers={"Authorization": f"Bearer {text}"})

    @property
    def foreign_finding(self) -> Finding:
        """Return a finding that the head of JYC does not see."""
        return Finding.objects.exclude(unit__code="JYC").exclude(unit=None).exclude(person__code__in=["P020", "P021"]).first()

    @staticmethod
    def send(client: Client, method: str, address: str, body, **headers):
        """Send JSON."""
        data = body if isinstance(body, str | bytes) else json.dumps(body)
        return getattr(client, method)(address, data=data, content_type="application/json", headers=headers)


@pytest.fixture(scope="module")
def besieged(django_db_setup, django_db_blocker):
    real, frozen = anzhang_clock.now, world.Clock()
    frozen.install()
    with django_db_blocker.unblock(), transaction.atomic():  # every test's own transaction is a savepoint in this one
        bureau = demo.build(frozen.now)
        actor, unit, person = world.actor(bureau, "liming"), bureau.unit["IC"], bureau.person["P011"]
        case = procedures.file_case(actor, "policy_document", unit, person, "", {
            "kind": "operations", "title": "运维管理制度", "edition": "9", "in_force_from": "2026-12-01",
        }, frozen.now)  # fmt: skip
        reconciliation.run(permissions.system("test"), frozen.now, vault=None)
        yield Target(bureau, frozen, case)
        transaction.set_rollback(True)
    anzhang_clock.now = real


@pytest.fixture
def target(besieged, db):
    now = besieged.clock.now
    tokens._wrong.clear()
    yield besieged
    besieged.clock.now = now
    besieged.case.refresh_from_db()


@pytest.fixture
def entries(target):
    """Return how many entries were written since; an attempt that is refused writes none."""
    before = Entry.objects.count()
    return lambda: Entry.objects.count() - before
