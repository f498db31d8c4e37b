"""The bundle, in an empty Debian root without any network: install, init, up, import, board, search, and a look with Chromium."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import programs

ROOT = Path(__file__).resolve().parents[2]
WEB = 8600

# Runs inside the network namespace, outside the root: brings loopback up, runs the installation, looks at it.
OUTSIDE = """\
set -eu
ip link set lo up
chroot {root} /bin/sh /inside.sh
chroot {root} /opt/anzhang/bin/anzhang --home /var/lib/anzhang up > {root}/up.out 2>&1 &
up=$!
for n in $(seq 300); do curl -fs -o /dev/null http://127.0.0.1:{web}/healthz && break; sleep 0.1; done
{chromium} --headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update \
  --disable-sync --disable-default-apps \
  --disable-features=AutofillServerCommunication --user-data-dir={folder}/profile --log-net-log={folder}/net.json --dump-dom \
  "http://127.0.0.1:{web}/" > {folder}/page.html
chroot {root} /opt/anzhang/bin/anzhang --home /var/lib/anzhang board --json > {folder}/board.json
kill -TERM $up
wait $up
"""

INSIDE = """\
set -eu
sh /bundle/install.sh /opt/anzhang
anzhang="/opt/anzhang/bin/anzhang --home /var/lib/anzhang"
$anzhang init --name 某局
$anzhang import unit /units.csv
$anzhang vault ingest /lines.log --source FILE01
$anzhang vault search --term 10.20.1.11 --json > /search.json
"""

UNITS = "单位代码,单位名称,单位类别,职能,上级单位,设立日期,撤销日期\r\nC1,一处,机关处室,,,2020-01-01,\r\nC2,二处,机关处室,,,2020-01-01,\r\n"
LINES = (
    "Nov 24 09:00:01 h1 sshd[7]: Accepted publickey for liming from 10.20.1.11 port 50000 ssh2: ED25519 SHA256:x\n"
    "Nov 24 09:00:02 h1 sshd[7]: Disconnected from user liming 10.20.1.11 port 50000\n"
    "Nov 24 09:00:03 h1 sshd[8]: Failed password for root from 10.20.1.12 port 50001 ssh2\n"
)


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_it_installs_and_runs_without_a_network_in_an_empty_root(tmp_path):
    assert os.geteuid() == 0, "making a root needs root"
    root = tmp_path / "root"
    subprocess.run(
        [programs.program("debootstrap"), "--variant=minbase", "--include=python3-venv,make,ca-certificates", "bookworm", str(root)],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    subprocess.run([sys.executable, "-m", "anzhang", "bundle", str(tmp_path / "bundle")], check=True, cwd=ROOT)
    shutil.copytree(tmp_path / "bundle", root / "bundle")
    (root / "inside.sh").write_text(INSIDE, encoding="utf-8")
    (root / "units.csv").write_text(UNITS, encoding="utf-8")
    (root / "lines.log").write_text(LINES, encoding="utf-8")
    script = OUTSIDE.format(root=root, web=WEB, folder=tmp_path, chromium=programs.program("chromium"))
    done = subprocess.run(
        [programs.program("unshare"), "-n", "-m", "-p", "-f", "--mount-proc", "/bin/sh", "-c", f"mount -t proc proc {root}/proc; {script}"],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": programs.SBIN, "LANG": "C.UTF-8", "HOME": "/root"},
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:] + (root / "up.out").read_text()[-3000:]
    found = json.loads((root / "search.json").read_text(encoding="utf-8"))
    assert found["total"] == 2
    board = json.loads((tmp_path / "board.json").read_text(encoding="utf-8"))
    assert len(board["articles"]) == 36
    assert "<html" in (tmp_path / "page.html").read_text(encoding="utf-8")
    assert foreign_hosts(tmp_path / "net.json") == set()


def foreign_hosts(net_log: Path) -> set[str]:
    """Return the hosts that the pages asked for, by a Chromium network log, and that are not this machine."""
    from urllib.parse import urlsplit

    text = net_log.read_text(encoding="utf-8")
    try:
        events = json.JSONDecoder().raw_decode(text)[0]["events"]
    except json.JSONDecodeError:  # Chromium was still writing: the list of events is cut after a comma
        events = json.loads(text.rstrip().rstrip(",") + "]}")["events"]
    # The browser's own services (updates, clocks) carry an isolation key of their own; what a page asks for carries the page's.
    asked = [event["params"] for event in events if "network_isolation_key" in (event.get("params") or {})]
    urls = [params["url"] for params in asked if "127.0.0.1" in params["network_isolation_key"]]
    assert {urlsplit(url).path.rpartition(".")[2] for url in urls} >= {"css", "js"}
    return {host for url in urls if (host := urlsplit(url).hostname) and host not in {"127.0.0.1", "localhost"}}
