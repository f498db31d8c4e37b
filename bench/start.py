"""How long until the pages answer: `anzhang up` and `anzhang demo` on a demo that stands, from process start to the first 200.

Each verb is started three times, on a demo made for it. `python -m bench.start [--rounds N]`
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from tempfile import TemporaryDirectory

from anzhang.home import Home
from anzhang.operate import listen

PAGES = ("/healthz", "/account/login/")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with TemporaryDirectory(prefix="anzhang-start-") as folder:
        home = Path(folder) / "demo"
        environment = {**os.environ, "ANZHANG_HOME": str(home)}
        subprocess.run([sys.executable, "-m", "anzhang", "demo", "--once"], env=environment, check=True, stdout=subprocess.DEVNULL)
        figures = {verb: [_start(verb, home, environment) for _ in range(options.rounds)] for verb in ("up", "demo")}
    median = {verb: {page: statistics.median(each[page] for each in rounds) for page in PAGES} for verb, rounds in figures.items()}
    print(json.dumps({"load": os.getloadavg()[0], "rounds": figures, "median": median}, indent=1))


def _start(verb: str, home: Path, environment: dict[str, str]) -> dict[str, float]:
    """Start, wait for each page, stop; return the seconds to each."""
    address = f"http://{listen.web(Home(home))}"
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "anzhang", verb], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        return {page: _until(f"{address}{page}", began) for page in PAGES}
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)


def _until(address: str, began: float) -> float:
    while time.monotonic() - began < 60:
        try:
            with urllib.request.urlopen(address, timeout=5) as answer:
                if answer.status == 200:
                    return round(time.monotonic() - began, 2)
        except OSError:
            time.sleep(0.02)
    raise RuntimeError(f"{address} did not answer within a minute")


if __name__ == "__main__":
    main()
