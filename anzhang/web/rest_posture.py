"""Posture reports over REST (Art. 15): `POST /api/posture` with the signed envelope of docs/formats/posture.md as body.

The signature is the credential: no token and no session is asked for, and a report that nobody registered has signed gets 401.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpRequest
from ninja import Router, Schema, Status

from anzhang import clock
from anzhang.casework import wording
from anzhang.endpoints import procedures
from anzhang.engines import posture
from anzhang.permissions import Actor, RefusedError
from anzhang.web.problems import PROBLEMS

router = Router()
BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["document", "signature"],
                    "properties": {"document": {"type": "string"}, "signature": {"type": "string"}},
                }
            }
        },
    }
}


class Received(Schema):
    """What became of a report: its verdict, until when it passes, and why not."""

    id: int
    state: str
    passed_until: datetime | None
    reasons: list[dict[str, Any]]


def signed(request: HttpRequest) -> Actor | None:
    """Return the signer of the report in the body, None where no registered key has signed it.

    Raises RefusedError for what is no report.
    """
    body = request.read(posture.LARGEST + 1)
    if not body:
        return None
    try:
        envelope = procedures.open_report(body)
    except RefusedError as refusal:
        if refusal.code == "posture_unsigned":
            return None
        raise
    request.posture = envelope  # type: ignore[attr-defined]  # read once
    return procedures.reporter(envelope)


@router.post(
    "/posture", response={201: Received, **PROBLEMS}, auth=signed, operation_id="posture_receive", summary="Receive a posture report",
    tags=["posture"], openapi_extra=BODY,
)  # fmt: skip
def receive(request: HttpRequest) -> Status[Any]:
    """Keep a signed report and say what it comes to."""
    report = procedures.receive_posture(request.posture, clock.now())  # type: ignore[attr-defined]  # set by `signed`
    reasons = [{**reason, "text": wording.text(reason)} for reason in report.reasons]
    return Status(201, {"id": report.pk, "state": report.state, "passed_until": report.passed_until, "reasons": reasons})
