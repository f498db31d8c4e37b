"""One bureau for all attempts: each runs in a savepoint of it, so that nothing an attempt does is there for the next."""

import json
from dataclasses import dataclass

import pytest
from django.test import Client

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
def module_target(module_bureau):
    """The bureau with a case and findings, once for the module where it can be shared."""
    return besiege(module_bureau) if module_bureau else None


@pytest.fixture
def target(module_target, bureau, clock):
    tokens._wrong.clear()
    return Target(bureau, clock, Case.objects.get(pk=module_target or besiege(bureau)))


def besiege(bureau):
    """File a case and judge the obligations; return the key of the case."""
    case = procedures.file_case(world.actor(bureau, "liming"), "policy_document", bureau.unit["IC"], bureau.person["P011"], "", {
        "kind": "operations", "title": "运维管理制度", "edition": "9", "in_force_from": "2026-12-01",
    }, world.START)  # fmt: skip
    reconciliation.run(permissions.system("test"), world.START, vault=None)
    return case.pk


@pytest.fixture
def entries(target):
    """Return how many entries were written since; an attempt that is refused writes none."""
    before = Entry.objects.count()
    return lambda: Entry.objects.count() - before
