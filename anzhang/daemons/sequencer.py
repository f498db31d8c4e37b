"""The sequencer process of an installation on PostgreSQL: places waiting acts ten times a second and signs heads each second.

1. Lead, or stand by: a second one waits until the first one's connection ends, and takes over then. Until then it places what
   has waited for a second: a first one that hangs holds its place, and nobody else places while it does.
2. Each tick, place what waits; each second, sign the heads when the trees grew.
3. A database that does not answer is asked again each second; nothing is lost meanwhile, the acts wait in its outbox.
4. SIGTERM or SIGINT ends the loop after the present batch.
"""

from __future__ import annotations

import logging
import signal
import threading
import time
from types import FrameType

from django.db import DatabaseError, connection

from anzhang import clock
from anzhang.journal import sequencer
from anzhang.journal.procedures import sign_heads

log = logging.getLogger("anzhang.sequencer")
TICK_SECONDS = 0.1
SIGN_SECONDS = 1.0


class Sequencer:
    """One sequencer process."""

    def __init__(self) -> None:
        """Prepare the stop signal."""
        self.stopping = threading.Event()
        self.leading = False
        self._signed = 0.0

    def stop(self, _signal: int = 0, _frame: FrameType | None = None) -> None:
        """End the loop after the present batch."""
        self.stopping.set()

    def loop(self) -> None:
        """Run until stopped."""
        signal.signal(signal.SIGTERM, self.stop)
        signal.signal(signal.SIGINT, self.stop)
        while not self.stopping.is_set():
            self.stopping.wait(self.tick())

    def tick(self) -> float:
        """Do one round; return after how many seconds the next is due."""
        try:
            if not self.leading:
                self.leading = sequencer.lead()
                log.info("sequencer ready" if self.leading else "another sequencer is at work; standing by")
            if not self.leading:
                if sequencer.backlog()[1] > SIGN_SECONDS:
                    sequencer.sequence(wait=False)
                return SIGN_SECONDS
            sequencer.sequence()
            if time.monotonic() - self._signed >= SIGN_SECONDS:
                self._signed = time.monotonic()
                sign_heads(clock.now())
        except DatabaseError as error:
            log.error("the database does not answer: %s", str(error).split("\n", 1)[0])  # noqa: TRY400 - a line each second
            self.leading = False
            connection.close()
            return SIGN_SECONDS
        except Exception:
            log.exception("sequencing failed")
            return SIGN_SECONDS
        return TICK_SECONDS
