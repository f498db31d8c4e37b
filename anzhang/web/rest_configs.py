"""Configurations over REST (Art. 8): `POST /api/configs` with the text as body; whether a device may be changed now.

A collector's token needs the scope `write:configs` and belongs to the unit whose devices it brings, or to one above.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from django.http import HttpRequest
from ninja import Query, Router, Schema, Status
from pydantic import StringConstraints

from anzhang import clock
from anzhang.engines.configs import LARGEST
from anzhang.network import change_gate, snapshots
from anzhang.network.models import Device
from anzhang.permissions import RefusedError
from anzhang.registers.rights import Sight
from anzhang.web.problems import PROBLEMS

router = Router()
BODY: dict[str, Any] = {"requestBody": {"required": True, "content": {"text/plain": {"schema": {"type": "string"}}}}}
Code = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$", max_length=32)]


class Given(Schema):
    """What is said of a configuration besides its text; without a code the device is found by name or address."""

    device: Code = ""
    collected_at: datetime | None = None


class Kept(Schema):
    """What became of a configuration."""

    id: int
    device: str
    collected_at: datetime
    dialect: str
    digest: str
    lines: int
    added: int
    removed: int
    unread: int


class Asked(Schema):
    """Whether a device may be changed now, and what is missing."""

    allowed: bool
    device: str
    code: str = ""
    message: str = ""
    remedy: str = ""


@router.post(
    "/configs", response={201: Kept, **PROBLEMS}, operation_id="config_receive", summary="Receive a configuration", tags=["configs"],
    openapi_extra=BODY,
)  # fmt: skip
def receive(request: HttpRequest, query: Query[Given]) -> Status[Any]:
    """Keep a collected configuration and say how it differs from the one before it."""
    collected = query.collected_at
    if collected is not None and collected.tzinfo is None:
        collected = collected.replace(tzinfo=clock.BEIJING)
    body = request.read(LARGEST + 1)
    row = snapshots.receive_snapshot(request.auth, body, clock.now(), device=query.device, collected_at=collected)  # type: ignore[attr-defined]  # set by ninja
    return Status(201, {
        "id": row.pk, "device": row.device.code, "collected_at": row.collected_at, "dialect": row.dialect, "digest": row.digest,
        "lines": row.lines, "added": row.added, "removed": row.removed, "unread": row.unread_count,
    })  # fmt: skip


@router.get(
    "/configs/gate",
    response={200: Asked, **PROBLEMS},
    operation_id="config_change",
    summary="May a device be changed now",
    tags=["configs"],
)
def may_change(request: HttpRequest, device: Code) -> dict[str, Any]:
    """Ask the gate `config_change`; what the caller does not see is not known."""
    at = clock.now()
    seen = Sight(request.auth, at).narrowed(Device.objects.filter(code=device), ("unit__path",)).first()  # type: ignore[attr-defined]  # set by ninja
    refusal: RefusedError | None = change_gate.config_change(seen or "", at)
    if refusal is None:
        return {"allowed": True, "device": device}
    return {"allowed": False, "device": device, "code": refusal.code, "message": refusal.message, "remedy": refusal.remedy}
