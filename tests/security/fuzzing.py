"""Calls that schemathesis generates from the API's own description, made as the head of one unit, and what their answers must be.

A generated key hits no row and a generated body names no unit, so one call in three gets the key of a row that the caller sees
(and, when it writes, codes that exist) and one in three the key of a row that the caller must not see.
"""

import json
import random
import re
import warnings
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

import requests
import schemathesis
from django.db.models import CharField, ForeignKey
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.core.transport import Response

from anzhang.casework.models import Case, Finding
from anzhang.registers import rights, values
from anzhang.registers.declaration import REGISTERS
from anzhang.web import cases, findings
from tests import world

QUIET = {"deadline": None, "database": None, "suppress_health_check": list(HealthCheck)}
PLACES = ("generated", "own", "foreign")
NOTHING_TO_GET_WRONG = {"Unsatisfiable", "SkipTest"}  # an operation without parameters has no wrong ones


@dataclass
class Hunter:
    """The caller, with a token, and what was answered so far."""

    target: Any
    scopes: tuple[str, ...]
    username: str = "liuyang"
    statuses: Counter[int] = field(default_factory=Counter)
    linked: int = 0  # calls that took a value from an answer before

    @cached_property
    def client(self):
        return self.target.bearer(self.username, *self.scopes)

    @cached_property
    def sight(self) -> rights.Sight:
        return rights.Sight(world.actor(self.target.bureau, self.username), self.target.clock.now)

    @cached_property
    def schema(self):
        """The description that the server itself gives."""
        text = self.client.get("/api/openapi.json").content
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return schemathesis.openapi.from_dict(json.loads(text))

    @property
    def calls(self) -> int:
        return self.statuses.total()

    def rows(self, path: str) -> tuple[Any, Any, str] | None:
        """Return the rows behind an operation that the caller sees, all of them, and the field that names one in an address."""
        if found := re.match(r"/api/registers/(\w+)", path):
            register = REGISTERS[found[1]]
            return self.sight.rows(register), register.model._default_manager, "pk"
        if path.startswith("/api/cases"):
            return cases.seen(self.sight), Case.objects, "number"
        return (findings.seen(self.sight), Finding.objects, "number") if path.startswith("/api/findings") else None

    def answer(self, case, place: str = "generated"):
        """Send a generated call through Django's client and hold the answer against the description and the caller's sight."""
        operation = case.operation
        address = re.sub(r"[^\x20-\x7e]", "%00", case.formatted_path)
        query = {key: value for key, value in (case.query or {}).items() if value is not None}
        body = b"" if case.body is None or type(case.body).__name__ == "NotSet" else case.body
        data = body if isinstance(body, bytes) else json.dumps(body, default=str)
        encoded = urlencode(query, doseq=True, errors="replace")
        answer = self.client.generic(case.method, address, data, content_type="application/json", QUERY_STRING=encoded)
        self.statuses[answer.status_code] += 1
        said = f"{operation.label} ({place}): {answer.status_code} {answer.content[:300]!r}"
        assert answer.status_code < 500, said
        assert str(answer.status_code) in operation.definition.raw["responses"] or answer.status_code == 405, f"not described: {said}"
        assert place != "foreign" or answer.status_code in {400, 403, 404, 422}, said
        if answer.status_code in {200, 201} and not operation.path.endswith("/{file}"):
            self.only_own(operation.path, json.loads(answer.content))
        return answer

    def only_own(self, path: str, body: Any) -> None:
        """Assert that every row of an answer is one that the caller sees."""
        found = self.rows(path)
        if not found or path.endswith("/revisions") or "/files" in path:  # of a row whose sight was asked already
            return
        seen, _all, _key = found
        keys = {item["id"] for item in body.get("items", [body])}
        assert seen.filter(pk__in=keys).count() == len(keys), path

    def put(self, case, place: str, seed: int) -> bool:
        """Give a generated call the key of a real row, and its body values that exist; False when there is no such row."""
        found, chance = self.rows(case.operation.path), random.Random(seed)
        if place == "generated" or not found or (place == "foreign" and not case.path_parameters):
            return False
        seen, everything, key = found
        if case.path_parameters:
            rows = seen if place == "own" else everything.exclude(pk__in=seen.values("pk"))
            keys = list(rows.order_by("pk").values_list(key, flat=True)[:50])
            if not keys:
                return False
            case.path_parameters = {**case.path_parameters, "pk" if "pk" in case.path_parameters else "number": chance.choice(keys)}
        if isinstance(case.body, dict) and place == "own":
            self.fill(case, chance, seen)
        return True

    def fill(self, case, chance: random.Random, seen: Any) -> None:
        """Put codes and words that exist into a generated body, so that it gets past the form more often than never."""
        register = REGISTERS[case.operation.path.split("/")[3]]
        for name in register.fields:
            column = register.field(name)
            if isinstance(column, ForeignKey):
                rows = list(self.sight.choices(column.related_model).order_by("pk")[:20])
                case.body[name] = str(values.raw(chance.choice(rows))) if rows else None
            elif column.choices:
                case.body[name] = chance.choice([value for value, _label in column.flatchoices])
            elif isinstance(column, CharField) and chance.random() < 0.8:  # the rest keeps what was generated
                case.body[name] = f"N{chance.randrange(10**6)}"
        if "pk" in (case.path_parameters or {}) and "version" in case.body:
            stale = chance.random() < 0.2
            case.body["version"] = 0 if stale else getattr(seen.filter(pk=case.path_parameters["pk"]).first(), "version", 1)

    def write_stale(self) -> None:
        """Write a row of one's own under a version that it no longer has."""
        seen, _all, _key = self.rows("/api/registers/person")
        answer = self.target.send(
            self.client, "put", f"/api/registers/person/{seen.order_by('pk').first().pk}", {"post": "科员", "version": 0}
        )
        self.statuses[answer.status_code] += 1

    def fuzz(self, calls: int) -> None:
        """Make about so many calls: every operation, with right and with wrong data."""
        operations = [operation.ok() for operation in self.schema.get_all_operations()]
        each = max(1, calls // (2 * len(operations)))
        for operation in operations:
            for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
                try:
                    self._calls(operation, mode, each)()
                except Exception as error:
                    if type(error).__name__ not in NOTHING_TO_GET_WRONG:
                        raise

    def _calls(self, operation, mode, each: int):
        @settings(max_examples=each, phases=[Phase.generate], **QUIET)
        @given(case=operation.as_strategy(generation_mode=mode), place=st.sampled_from(PLACES), seed=st.integers(0, 2**32))
        def call(case, place, seed):
            self.answer(case, place if self.put(case, place, seed) else "generated")

        return call

    def follow(self, scenarios: int) -> None:
        """Go from answer to call and on in every register: keys of rows listed or made are used, as the description lets infer."""
        for register in REGISTERS:
            self._machine(f"^/api/registers/{register}(/|$)").run(
                settings=settings(max_examples=scenarios, stateful_step_count=8, phases=[Phase.generate], **QUIET)
            )

    def _machine(self, paths: str):
        hunter = self

        class Machine(self.schema.include(path_regex=paths).as_state_machine()):
            def call(self, case, **_options):
                answer = hunter.answer(case)
                request = requests.Request(case.method, "http://testserver" + case.formatted_path).prepare()
                return Response(answer.status_code, {"content-type": [answer["Content-Type"]]}, answer.content, request, 0, verify=True)

            def step(self, input):  # noqa: A002  # schemathesis names it
                hunter.linked += input.is_applied
                return super().step(input)

            def validate_response(self, response, case, additional_checks=None, **_options):
                """`Hunter.answer` has looked at it."""

        return Machine
