"""A backup that is made while the collector receives: it restores clean, with everything acknowledged before it began."""

from __future__ import annotations

import threading

import pytest

from anzhang.engines.vault import Vault
from anzhang.operate.initialize import write_private
from tests.monitoring.installation import Installation, build_template
from tests.operate.test_backup import anzhang
from tests.programs import wait_until

BURST = 200  # lines a connection
ADDRESS, SOURCE = "127.0.0.2", "PLAIN"


class Sender(threading.Thread):
    """Sends numbered lines, burst after burst; a burst is acknowledged when the collector closes the connection."""

    def __init__(self, installation: Installation) -> None:
        super().__init__(daemon=True)
        self.installation, self.stopping = installation, threading.Event()
        self.sent: list[bytes] = []
        self.acknowledged = 0

    def run(self) -> None:
        while not self.stopping.is_set():
            first = len(self.sent)
            lines = [b"<34>Nov 24 09:30:00 host app: line %d\n" % number for number in range(first, first + BURST)]
            self.sent += lines
            self.installation.send(b"".join(lines), ADDRESS)
            self.acknowledged = len(self.sent)
            self.stopping.wait(0.02)


@pytest.mark.timeout(900)
def test_it_restores_clean_with_everything_acknowledged_before(tmp_path):
    home = tmp_path / "home"
    build_template(home)
    write_private(home / "keys" / "secret.key", b"s" * 64)
    installation = Installation(home)
    installation.start()
    sender = Sender(installation)
    sender.start()
    try:
        wait_until(lambda: len(installation.vault.segments()) >= 2, 90, "two sealed segments")
        for number in range(2):
            before = sender.acknowledged
            anzhang(home, "backup", tmp_path / f"backup{number}")
            assert sender.acknowledged > before, "nothing was received while the backup was made"
            after = len(sender.sent)
            check(tmp_path / f"backup{number}", tmp_path / f"again{number}", sender.sent, before, after)
    finally:
        sender.stopping.set()
        sender.join(60)
        installation.stop()
    assert installation.received(SOURCE) == sender.sent


def check(backup, again, sent: list[bytes], before: int, after: int) -> None:
    """Restore, which verifies ledger and vault: a beginning of what was sent, each line once, all that was acknowledged before."""
    anzhang(again, "restore", backup)
    found = list(Vault(again / "vault").raw(SOURCE))
    assert before <= len(found) <= after
    assert found == sent[: len(found)]
