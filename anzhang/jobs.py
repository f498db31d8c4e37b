"""The jobs that the worker runs: name, period, function of the instant.

Enforcement is always an idempotent sweep over state, never a queued promise: a job that was missed does its work the
next time, a job that runs twice writes nothing new. A job returns one line for the schedule table.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings

from anzhang import permissions
from anzhang.casework import delivery, escalation, movements, reconciliation, remedies, revocation, waivers
from anzhang.casework.models import Schedule
from anzhang.casework.procedures import refresh_cases
from anzhang.endpoints import procedures as endpoints
from anzhang.engines.vault import Vault
from anzhang.engines.vault.verify import Sealed
from anzhang.journal import verify
from anzhang.journal.queries import segment_seals
from anzhang.monitoring import redactions
from anzhang.monitoring.procedures import record_check
from anzhang.registers import sheet_imports


@dataclass(frozen=True)
class Job:
    """One line of the schedule."""

    key: str
    period: timedelta
    run: Callable[[datetime], str]


def reconcile(now: datetime) -> str:
    """Judge every bound obligation; open and close findings (DESIGN 8, 9). What the ledger says is unchanged is read once an hour only."""
    tables = _KEPT.get()
    return str(reconciliation.run(permissions.system("reconcile"), now, vault=Vault(settings.HOME.vault), tables=tables))


def recompute(now: datetime) -> str:
    """Judge every obligation by facts made anew of all sealed lines: what is kept from run to run is believed for a day at most."""
    return str(reconciliation.run(permissions.system("reconcile"), now, vault=Vault(settings.HOME.vault), anew=True))


class _Kept:
    """The registers as the last runs of this process read them."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.tables: Any = None
        self.since = 0.0

    def get(self) -> Any:
        """Return them, brought up to date by the ledger; new ones once an hour."""
        from anzhang.casework.rule_runs.tables import Tables  # with Arrow, which only a run needs

        if self.tables is None or time.monotonic() - self.since > TRUSTED_SECONDS:
            self.tables, self.since = Tables(), time.monotonic()
        self.tables.refresh()
        return self.tables


TRUSTED_SECONDS = 3600.0
_KEPT = _Kept()


def cases(now: datetime) -> str:
    """Follow posts and terms that moved while cases wait; where none has moved since the last good run, no case is read."""
    before = Schedule.objects.filter(key="cases").values_list("finished_at", "result").first()
    last, result = before or (None, "")
    if last is not None and not result.startswith("failed") and last <= now and not movements.since(last, now):
        return "nobody's seat moved"
    return f"{refresh_cases(permissions.system('cases'), now)} cases changed"


def deadlines(now: datetime) -> str:
    """Remind, then tell the head, then the Office of what is not decided in time."""
    return str(escalation.sweep(permissions.system("deadlines"), now))


def approvals(now: datetime) -> str:
    """Say what has expired, end what an unregularized emergency allowed, open findings again whose waiver is over."""
    actor = permissions.system("approvals")
    ended, over, late = revocation.expire(actor, now), waivers.resume(actor, now), remedies.follow_plans(actor, now)
    return f"{ended} approvals ended or ending, {over} waivers over, {late} plans late"


def deliver(now: datetime) -> str:
    """Send what waits in the outbox of notices through its channels."""
    return str(delivery.deliver(permissions.system("notices"), now))


def ledger(now: datetime) -> str:
    """Verify the whole ledger and keep the result."""
    check = verify.check(now)
    return f"{check.entries} entries, {len(check.faults)} faults"


def vault(now: datetime) -> str:
    """Recompute every proof of the vault against what the ledger holds, and keep the result (Art. 29)."""
    began = time.monotonic()
    seals = 0

    def heads() -> list[Sealed]:
        nonlocal seals
        told = segment_seals()
        seals = sum(not seal.first_number for seal in told)
        return [Sealed(seal.number, seal.name, seal.root, seal.first_number) for seal in told]

    faults = Vault(settings.HOME.vault).verify(heads)
    named = [{"segment": fault.segment, "part": fault.part, "why": fault.what} for fault in faults]
    record_check(permissions.system("vault"), named, segments=seals, seconds=time.monotonic() - began, at=now)
    return f"{seals} segments, {len(faults)} faults"


def redact(now: datetime) -> str:
    """Take the text out of the lines of every redaction that was approved (Art. 29)."""
    return redactions.carry_out(permissions.system("redactions"), Vault(settings.HOME.vault), now)


def posture(now: datetime) -> str:
    """Judge the newest posture reports anew whose rules changed or whose time is over (Art. 15)."""
    return f"{endpoints.judge_again(now)} endpoints judged anew"


def imports(now: datetime) -> str:
    """Read and write the large sheets that wait, beside the other jobs."""
    return "started" if sheet_imports.RUNNER.wake(now) else "nothing to start"


JOBS: tuple[Job, ...] = (
    Job("imports", timedelta(seconds=1), imports),
    Job("cases", timedelta(minutes=1), cases),
    Job("deadlines", timedelta(minutes=1), deadlines),
    Job("approvals", timedelta(minutes=1), approvals),
    Job("posture", timedelta(seconds=15), posture),
    Job("notices", timedelta(seconds=15), deliver),
    Job("reconcile", timedelta(seconds=settings.HOME.get("worker", "reconcile_seconds", 60)), reconcile),
    Job("recompute", timedelta(days=1), recompute),
    Job("ledger", timedelta(days=1), ledger),
    Job("vault", timedelta(days=1), vault),
    Job("redactions", timedelta(minutes=1), redact),
)


def claim(job: Job, now: datetime) -> bool:
    """Whether this worker may run the job now.

    The claim is one conditional UPDATE, so any number of workers on any number of machines run it once.
    """
    Schedule.objects.get_or_create(key=job.key, defaults={"next_at": now})
    return Schedule.objects.filter(key=job.key, next_at__lte=now).update(next_at=now + job.period, started_at=now) == 1


def run(job: Job, now: datetime) -> str:
    """Run a claimed job and note how it ended; what it raises is noted and raised again."""
    try:
        result = job.run(now)
    except Exception as error:
        Schedule.objects.filter(key=job.key).update(finished_at=now, result=f"failed: {error}"[:500])
        raise
    Schedule.objects.filter(key=job.key).update(finished_at=now, result=result[:500])
    return result
