"""The API under generated calls: no 500, no status that its description lacks, no foreign row, no write through a read token."""

import json
import re
import warnings
from urllib.parse import urlencode

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode

from anzhang.journal.models import Entry
from anzhang.registers import rights
from anzhang.registers.declaration import REGISTERS
from tests import world

pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("default")]
QUIET = {"deadline": None, "database": None, "phases": [Phase.generate], "suppress_health_check": list(HealthCheck)}


def described(target):
    """Return every operation of the description that the server itself gives."""
    text = target.bearer("liuyang", "read").get("/api/openapi.json").content
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        schema = schemathesis.openapi.from_dict(json.loads(text))
        return [operation.ok() for operation in schema.get_all_operations()]


def send(client, case):
    """Send a generated call through Django's client."""
    address = re.sub(r"[^\x20-\x7e]", "%00", case.formatted_path)
    query = {key: value for key, value in (case.query or {}).items() if value is not None}
    body = b"" if case.body is None or type(case.body).__name__ == "NotSet" else case.body
    data = body if isinstance(body, bytes) else json.dumps(body, default=str)
    return client.generic(case.method, address, data, content_type="application/json", QUERY_STRING=_encoded(query))


def _encoded(query):
    return urlencode(query, doseq=True, errors="replace")


def look(operation, answer, seen):
    """Hold one answer against what is described and what the caller may see."""
    assert answer.status_code < 500, f"{operation.label}: {answer.status_code} {answer.content[:300]}"
    known = set(operation.definition.raw["responses"])
    assert str(answer.status_code) in known or answer.status_code == 405, f"{operation.label}: {answer.status_code} is not described"
    found = re.fullmatch(r"/api/registers/(\w+)(/\{pk\})?", operation.path)
    if found and answer.status_code == 200 and operation.method.lower() == "get":
        register = REGISTERS[found[1]]
        if register.id not in seen:
            seen[register.id] = {str(pk) for pk in seen[""].rows(register).values_list("pk", flat=True)}
        body = json.loads(answer.content)
        assert {str(item["id"]) for item in body.get("items", [body])} <= seen[register.id], operation.label


def _calls(client, operation, mode, each, answered, seen):
    @settings(max_examples=each, **QUIET)
    @given(case=operation.as_strategy(generation_mode=mode))
    def call(case):
        answer = send(client, case)
        answered.append(answer.status_code)
        look(operation, answer, seen)

    return call


def fuzz(target, calls, *scopes):
    """Make about so many calls as the head of JYC; return how many were answered and how many of them succeeded."""
    operations, client = described(target), target.bearer("liuyang", *scopes)
    each = max(1, calls // (2 * len(operations)))
    seen = {"": rights.Sight(world.actor(target.bureau, "liuyang"), target.clock.now)}
    answered = []
    for operation in operations:
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            call = _calls(client, operation, mode, each, answered, seen)
            try:
                call()
            except Exception as error:  # an operation without parameters has nothing to get wrong
                if type(error).__name__ not in {"Unsatisfiable", "SkipTest"}:
                    raise
    return answered


def test_a_few_hundred_calls_find_no_hole(target):
    answered = fuzz(target, 300, "read", "write")
    assert len(answered) >= 150
    assert 200 in answered


def test_a_read_token_writes_nothing_however_it_is_used(target):
    before = {register.id: register.model._default_manager.count() for register in REGISTERS.values()}
    entries = Entry.objects.count()
    answered = fuzz(target, 100, "read")
    assert {200, 403} <= set(answered)
    assert {register.id: register.model._default_manager.count() for register in REGISTERS.values()} == before
    assert Entry.objects.count() == entries + 2  # the two tokens of this test


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_twenty_thousand_calls_find_no_hole(target):
    answered = fuzz(target, 17_000, "read", "write")
    entries = Entry.objects.count()
    answered += fuzz(target, 5_000, "read")
    assert Entry.objects.count() == entries + 2
    assert len(answered) >= 20_000
