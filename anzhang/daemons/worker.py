"""The worker: signs ledger heads when something changed and runs the jobs that are due.

1. Every tick, sign the heads of both trees when they grew.
2. For each job, try to claim it; a claimed job runs to its end before the next.
3. A job that raises is logged with its traceback and stays scheduled; the worker goes on.
4. SIGTERM or SIGINT ends the loop after the present job.
"""

from __future__ import annotations

import logging
import signal
import threading
from datetime import datetime, timedelta
from types import FrameType

from django.db import close_old_connections

from anzhang import clock, jobs
from anzhang.journal.procedures import sign_heads

log = logging.getLogger("anzhang.worker")
TICK_SECONDS = 1.0
REPEAT = timedelta(minutes=15)  # well within the silence that a log source is allowed: this log is one


class Worker:
    """One worker process."""

    def __init__(self) -> None:
        """Prepare the stop signal."""
        self.stopping = threading.Event()
        self.said: dict[str, tuple[str, datetime]] = {}

    def stop(self, _signal: int = 0, _frame: FrameType | None = None) -> None:
        """End the loop after the present job."""
        self.stopping.set()

    def loop(self) -> None:
        """Run until stopped."""
        signal.signal(signal.SIGTERM, self.stop)
        signal.signal(signal.SIGINT, self.stop)
        log.info("worker ready: %d jobs", len(jobs.JOBS))
        while not self.stopping.is_set():
            self.tick()
            self.stopping.wait(TICK_SECONDS)

    def tick(self) -> None:
        """Do one round."""
        close_old_connections()
        try:
            sign_heads(clock.now())
        except Exception:
            log.exception("signing heads failed")
        for job in jobs.JOBS:
            if self.stopping.is_set():
                return
            now = clock.now()
            try:
                if jobs.claim(job, now):
                    self.tell(job, jobs.run(job, now), now)
            except Exception:
                log.exception("job %s failed", job.key)

    def tell(self, job: jobs.Job, result: str, now: datetime) -> None:
        """Log what a job did: what it says again at most every `REPEAT`, or the log would hold nothing else."""
        said, at = self.said.get(job.key, ("", now))
        if result == said and now - at < REPEAT:
            return
        self.said[job.key] = (result, now)
        log.info("%s: %s", job.key, result)
