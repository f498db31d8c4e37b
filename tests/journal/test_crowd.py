"""Many decide at the same moment on PostgreSQL: no deadlock, no act lost, none twice, and the ledger verifies."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.postgres import cluster


def decide(home: Path, deciders: int) -> dict[str, Any]:
    """Let a crowd decide while two sequencer processes are at work, the leader of which is killed in the middle."""
    with cluster(max_connections=str(3 * deciders + 30)) as server:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("ANZHANG_")}
        environment |= {"ANZHANG_DATABASE_URL": server.create("crowd"), "ANZHANG_HOME": str(home)}
        environment |= {"DJANGO_SETTINGS_MODULE": "anzhang.settings"}
        command = [sys.executable, "-m", "tests.journal.crowd", str(home), str(deciders)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) as crowd:
            assert crowd.stdin
            assert crowd.stdout
            assert crowd.stdout.readline() == "ready\n"
            sequencers = [_sequencer(environment) for _ in range(2)]
            try:
                crowd.stdin.write("go\n")
                crowd.stdin.flush()
                time.sleep(1)
                sequencers[0].kill()
                found: dict[str, Any] = json.loads(crowd.stdout.readline())
                assert sequencers[1].poll() is None
            finally:
                for each in sequencers:
                    each.terminate()
                    each.communicate(timeout=60)
        assert (crowd.returncode, sequencers[1].returncode) == (0, 0)
    return found


def _sequencer(environment: dict[str, str]) -> subprocess.Popen[str]:
    """Start a sequencer process and wait until it has said whether it leads."""
    command = [sys.executable, "-m", "anzhang", "sequencer"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    assert process.stderr
    assert "sequencer" in process.stderr.readline()
    return process


def check(found: dict[str, Any], deciders: int) -> None:
    assert found["told"].pop("refuse") == deciders
    assert found["told"].pop("rename") == deciders
    assert found["told"] == {"case_closed": deciders}, "everybody else was told that the case is over"
    assert found["faults"] == []
    assert (found["decided"], found["entered"], found["twice"], found["renamed"]) == (deciders, deciders, 0, deciders)
    assert found["waiting"][2] == 0
    assert found["newest"] == found["entries"] - 1


def test_forty_decide_at_once(tmp_path: Path) -> None:
    check(decide(tmp_path / "home", 40), 40)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_five_hundred_decide_at_once(tmp_path: Path) -> None:
    check(decide(tmp_path / "home", 500), 500)
