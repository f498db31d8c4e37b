"""After `anzhang vault warm` no kernel is compiled any more: not by a seal, not by a search, not by the collector's framing."""

from __future__ import annotations

import json
import subprocess
import sys


def test_nothing_is_compiled_after_warming():
    subprocess.run([sys.executable, "-m", "anzhang", "vault", "warm"], check=True)
    done = subprocess.run([sys.executable, "-m", "tests.engines.warmed"], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["known"] > 20
    assert said["compiled"] == []
