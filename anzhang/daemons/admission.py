"""Verdicts on admission over HTTP, for FreeRADIUS (rlm_rest): `GET /admission?mac=...&method=mac|eap` (Art. 15).

The answer is JSON in rlm_rest's form: attributes of the reply (RFC 3580, 3.31: VLAN by Tunnel-Type, Tunnel-Medium-Type and
Tunnel-Private-Group-Id; Session-Timeout and Termination-Action to ask again) and of its control list (how long the answer may stand,
why). Both an admission and a quarantine are an answer; every other status than 200 lets FreeRADIUS fall back by itself
(`operate/radius.py`): 401 wrong token, 404, 503 where nothing could be read for `STALE_SECONDS`.

Nothing waits for the database here: answers come from a table in memory. A thread of its own follows the ledger, which names every row
of the registers that changed, and the standings: each second it reads the standings that moved, and everything where a register changed. A
verdict needs no reading to expire: an admission carries the instant until which the posture holds.
"""

from __future__ import annotations

import hmac
import logging
import threading
import time
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import orjson
from django.db import Error, close_old_connections
from django.db.models import Max

from anzhang import clock
from anzhang.endpoints import admission
from anzhang.endpoints.admission import Known, Verdict
from anzhang.endpoints.models import Endpoint, EndpointStanding
from anzhang.journal.models import Entry
from anzhang.network.models import Zone
from anzhang.operate.radius import token

log = logging.getLogger("anzhang.admission")

TICK_SECONDS = 1.0
WHOLE_SECONDS = 600.0
STALE_SECONDS = 120.0
OVERLAP = timedelta(seconds=5)  # standings are read again for so long: one may be committed after a later one
JSON = [("content-type", "application/json")]
PLAIN = [("content-type", "text/plain; charset=utf-8")]
REGISTERS = ("endpoint", "interface", "device", "zone")  # a change in one of them and everything is read: 100,000 take some seconds


class Table:
    """What is known by hardware address, kept equal to the registers."""

    def __init__(self) -> None:
        """Start with nothing, which admits nobody."""
        self.known: dict[str, Known] = {}
        self.quarantine = ""
        self.index = -1
        self.judged_at: datetime | None = None
        self.read_at = self.whole_at = -1e9  # of time.monotonic

    @property
    def is_current(self) -> bool:
        """Whether the registers were read lately."""
        return time.monotonic() - self.read_at < STALE_SECONDS

    def decide(self, mac: str, method: str, now: float) -> Verdict:
        """Return the verdict of this table at an instant (POSIX seconds)."""
        return admission.decide(self.known.get(mac, admission.NOBODY), method, now)

    def refresh(self) -> int:
        """Read what changed; return how many addresses were read. Raises django.db.Error."""
        index = Entry.objects.aggregate(last=Max("index"))["last"]
        index = -1 if index is None else index
        judged_at = EndpointStanding.objects.aggregate(last=Max("judged_at"))["last"]
        changed = Entry.objects.filter(index__gt=self.index, index__lte=index, object_type__in=REGISTERS).exists()
        whole = changed or time.monotonic() - self.whole_at > WHOLE_SECONDS
        count = self._read_all() if whole else self._read_standings(judged_at)
        self.index, self.judged_at, self.read_at = index, judged_at, time.monotonic()
        return count

    def _read_all(self) -> int:
        known = admission.read(Endpoint.objects.all())
        vlan = Zone.objects.filter(kind=Zone.Kind.QUARANTINE, vlan__isnull=False).order_by("code").values_list("vlan", flat=True).first()
        self.known, self.quarantine, self.whole_at = known, str(vlan or ""), time.monotonic()
        return len(known)

    def _read_standings(self, judged_at: datetime | None) -> int:
        if judged_at is None:
            return 0
        since = (self.judged_at or judged_at) - OVERLAP
        found = admission.read(Endpoint.objects.filter(standing__judged_at__gt=since))
        # Of an address that two claim only one was read now. Each entry is replaced whole, by this thread alone.
        self.known.update({mac: known for mac, known in found.items() if self.known.get(mac) is not admission.DOUBLE})
        return len(found)


class Answers:
    """The application that granian serves, by its RSGI interface."""

    def __init__(self, table: Table, token: str) -> None:
        """Answer from a table to whoever shows the token."""
        self.table, self.token = table, f"Bearer {token}"
        self.counts = {admission.ADMITTED: 0, admission.QUARANTINED: 0}

    async def __rsgi__(self, scope: Any, protocol: Any) -> None:
        """Answer one request."""
        if scope.path == "/healthz":
            protocol.response_str(200 if self.table.is_current else 503, PLAIN, "ok" if self.table.is_current else "stale")
            return
        if scope.path != "/admission" or scope.method != "GET":
            protocol.response_str(404, PLAIN, "GET /admission?mac=...&method=mac|eap")
            return
        if not hmac.compare_digest(scope.headers.get("authorization", "").encode(), self.token.encode()):
            protocol.response_str(401, PLAIN, "show the token of keys/admission.token")
            return
        if not self.table.is_current or not self.table.quarantine:
            protocol.response_str(503, PLAIN, "the registers cannot be read, or no zone is the quarantine")
            return
        asked = parse_qs(scope.query_string)
        mac, method = asked.get("mac", [""])[0], asked.get("method", [""])[0]
        verdict = self.table.decide(admission.canonical(mac), method, clock.now().timestamp())
        self.counts[admission.ADMITTED if verdict else admission.QUARANTINED] += 1
        protocol.response_bytes(200, JSON, reply(verdict, self.table.quarantine))


def reply(verdict: Verdict, quarantine: str) -> bytes:
    """Return a verdict as rlm_rest reads it.

    Cache-TTL is that of FreeRADIUS's memory of last verdicts: -N forgets the one before and keeps this one for N seconds. Tmp-Integer-1
    says whether it may stand: a Cache-TTL of 0 would forget one that is there, and keep one that is not.
    """
    if isinstance(verdict, admission.Admit):
        vlan, seconds, stands, why = str(verdict.vlan), verdict.seconds, verdict.stands, f"admitted {verdict.endpoint}"
    else:
        vlan, seconds, stands = quarantine, admission.QUARANTINE_SECONDS, 0
        why = f"quarantined {verdict.endpoint or '-'} {','.join(verdict.reasons)}"
    return orjson.dumps(
        {
            "reply:Tunnel-Type": "VLAN",
            "reply:Tunnel-Medium-Type": "IEEE-802",
            "reply:Tunnel-Private-Group-Id": vlan,
            "reply:Session-Timeout": str(seconds),
            "reply:Termination-Action": "RADIUS-Request",
            "control:Cache-TTL": str(-max(1, stands)),
            "control:Tmp-Integer-1": str(stands),
            "control:Tmp-String-0": {"do_xlat": False, "value": [why]},  # an endpoint's code is a person's text, never to be expanded
        }
    )


def follow(table: Table, stopping: threading.Event) -> None:
    """Keep a table equal to the registers until told to stop."""
    silent = False
    while True:
        try:
            table.refresh()
            silent = False
        except Error:
            if not silent:
                log.exception("the registers cannot be read; verdicts stand on what was read for %d seconds", STALE_SECONDS)
            silent = True
        finally:
            close_old_connections()
        if stopping.wait(TICK_SECONDS):
            return


def application() -> Answers:
    """Return what granian serves in its worker: a table that follows the registers, and the answers from it."""
    import django

    django.setup()
    from django.conf import settings

    table = Table()
    threading.Thread(target=follow, args=(table, threading.Event()), name="follow", daemon=True).start()
    return Answers(table, token(settings.HOME))
