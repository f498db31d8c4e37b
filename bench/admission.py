"""Admission by a real FreeRADIUS: our verdict beside a local `files` table, and what it takes when we are dead or hung.

1. 20,000 MAC authentications, 64 at once, radclient on the same cores: FreeRADIUS with a `files` module that holds VLANs by address (the
   plain peer: no posture, no detail file), FreeRADIUS with our verdict over HTTP, with and without the detail file that evidence needs.
   Three rounds in turn; verdicts a second. Every answer is checked. Goals: 1,500 a second, half of the peer.
2. 640 requests, 64 at once, with our service killed, then stopped (accepting, never answering): seconds of the slowest 64, VLANs given.
   Goal: under a second, quarantine only.
3. The table of 100,000 endpoints: seconds to read it whole, decisions a second in the process, the page of compliance by unit.

Needs freeradius, freeradius-rest and freeradius-utils.
"""

from __future__ import annotations

import contextlib
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.endpoints.radius import Site, build
from tests.monitoring.authority import Authority
from tests.programs import free_udp_port, program, running, wait_until

COUNT, PARALLEL, ROUNDS, ENDPOINTS = 20_000, 64, 3, 1000


def asked(count: int) -> str:
    """Return so many requests of sound endpoints."""
    numbers = (256 + number % ENDPOINTS for number in range(count))
    names = (f"{number // 256:02x}{number % 256:02x}" for number in numbers)
    return "\n\n".join(
        f'User-Name = "02000000{name}", Calling-Station-Id = "02-00-00-00-{name[:2]}-{name[2:]}", Message-Authenticator = 0x00'
        for name in names
    )


def burst(port: int, secret: str, requests: Path) -> tuple[float, Counter[str]]:
    """Send a file of requests, 64 at once; return the seconds and the VLANs given."""
    command = [
        program("radclient"),
        "-x",
        "-r",
        "1",
        "-t",
        "5",
        "-p",
        str(PARALLEL),
        "-f",
        str(requests),
        f"127.0.0.1:{port}",
        "auth",
        secret,
    ]
    begun = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return time.perf_counter() - begun, Counter(re.findall(r'Tunnel-Private-Group-Id:0 = "(\w+)"', done.stdout))


@contextlib.contextmanager
def plain_peer(folder: Path, secret: str) -> Iterator[int]:
    """Run FreeRADIUS with VLANs by address in a `files` module, and nothing else."""
    folder.mkdir()
    port = free_udp_port()
    rows = (f"02000000{number // 256:02x}{number % 256:02x}" for number in range(256, 256 + ENDPOINTS))
    vlan = "\n\tTunnel-Type := VLAN,\n\tTunnel-Medium-Type := IEEE-802,\n\tTunnel-Private-Group-Id := 100\n"
    (folder / "users").write_text("".join(f"{name}\tAuth-Type := Accept{vlan}" for name in rows))
    (folder / "dictionary").touch()
    (folder / "radiusd.conf").write_text(f"""\
prefix = /usr
localstatedir = {folder}
raddbdir = {folder}
logdir = {folder}
run_dir = {folder}
pidfile = {folder}/pid
proxy_requests = no
log {{
	destination = stdout
}}
security {{
	reject_delay = 0
}}
thread pool {{
	start_servers = 8
	max_servers = 64
	min_spare_servers = 4
	max_spare_servers = 64
	max_requests_per_server = 0
}}
client localhost {{
	ipaddr = 127.0.0.1
	secret = {secret}
}}
modules {{
	files {{
		filename = {folder}/users
	}}
}}
server plain {{
	listen {{
		type = auth
		ipaddr = 127.0.0.1
		port = {port}
	}}
	authorize {{
		files
	}}
	authenticate {{
	}}
}}
""")
    log = folder / "out"
    with log.open("wb") as out, running(program("freeradius"), "-f", "-l", "stdout", "-d", str(folder), stdout=out, stderr=out):
        wait_until(lambda: "Ready to process" in log.read_text(), 30, "the peer")
        yield port


def rates(site: Site, folder: Path) -> None:
    """Measure the three in turn."""
    requests = folder / "requests"
    requests.write_text(asked(COUNT) + "\n")
    found: dict[str, list[float]] = {}
    policy = site.folder / "policy.conf"
    whole = policy.read_text()
    without = whole.replace("\tanzhang_detail {\n\t\tfail = 1\n\t}\n", "")
    assert without != whole
    for number in range(ROUNDS):
        with plain_peer(folder / f"plain{number}", site.secret) as port:
            _count(found, "files", *burst(port, site.secret, requests))
        for name, text in (("verdict and detail file", whole), ("verdict only", without)):
            policy.write_text(text)
            with site.freeradius():
                _count(found, name, *burst(site.radius, site.secret, requests))
        policy.write_text(whole)
    peer = statistics.median(found["files"])
    for name, each in found.items():
        print(f"{name}: {', '.join(f'{rate:,.0f}' for rate in each)} a second, {statistics.median(each) / peer:.2f} of files")


def _count(found: dict[str, list[float]], name: str, seconds: float, vlans: Counter[str]) -> None:
    assert vlans == {"100": COUNT}, (name, vlans)
    found.setdefault(name, []).append(COUNT / seconds)


def failures(site: Site, folder: Path) -> None:
    """Measure bursts while we are hung, then dead."""
    few, many = folder / "64", folder / "640"
    few.write_text(asked(64) + "\n")
    many.write_text(asked(640) + "\n")
    with site.freeradius():
        print(f"well: 64 in {burst(site.radius, site.secret, few)[0]:.3f} s")
        with site.hung():
            _failing("hung", site, few, many)
        site.signal(signal.SIGKILL)  # its worker too
        time.sleep(2)
        _failing("dead", site, few, many)


def _failing(name: str, site: Site, few: Path, many: Path) -> None:
    seconds, vlans = burst(site.radius, site.secret, few)
    print(f"{name}: the first 64 in {seconds:.3f} s, VLANs {dict(vlans)}")
    rest = [burst(site.radius, site.secret, few)[0] for _again in range(20)]
    seconds, vlans = burst(site.radius, site.secret, many)
    print(f"{name}: 20 more bursts of 64, the slowest {max(rest):.3f} s; 640 in {seconds:.3f} s, VLANs {dict(vlans)}")


TABLE = """
import os, sys, time
os.environ['ANZHANG_HOME'], os.environ['DJANGO_SETTINGS_MODULE'] = sys.argv[1], 'anzhang.settings'
import django; django.setup()
from datetime import timedelta
from django.db.models import Count
from anzhang import clock
from anzhang.daemons.admission import Table, reply
from anzhang.endpoints.models import Endpoint, EndpointStanding
from anzhang.web import endpoints as page
first = EndpointStanding.objects.select_related('report', 'endpoint').first()
report, like, now = first.report, first.endpoint, clock.now()
count = int(sys.argv[2])
rows = [Endpoint(code=f'X{n:06}', name=f'x{n}', kind='desktop', mac=f'04:00:00:{n//65536:02x}:{n//256%256:02x}:{n%256:02x}',
        zone_id=like.zone_id, unit_id=like.unit_id, person_id=like.person_id) for n in range(count)]
Endpoint.objects.bulk_create(rows, batch_size=5000)
EndpointStanding.objects.bulk_create([EndpointStanding(endpoint=row, report=report, collected_at=now, state='pass', judged_at=now,
        passed_until=now + timedelta(hours=n % 24), basis=first.basis) for n, row in enumerate(rows)], batch_size=5000)
table = Table()
begun = time.perf_counter(); read = table.refresh(); print(f'table: {read:,} addresses read in {time.perf_counter()-begun:.2f} s')
macs, at = list(table.known)[:100000], now.timestamp()
begun = time.perf_counter()
for mac in macs: reply(table.decide(mac, 'mac', at), table.quarantine)
print(f'decisions with their answer: {len(macs)/(time.perf_counter()-begun):,.0f} a second in one thread')
best = []
for _again in range(5):
    begun = time.perf_counter()
    list(page.judged(Endpoint.objects.filter(state='in_service'), now).order_by().values_list('unit_id', 'verdict').annotate(Count('pk')))
    best.append(time.perf_counter() - begun)
print(f'counts by unit and verdict: {min(best)*1000:.0f} ms')
"""


def main() -> None:
    """Measure everything in a temporary folder."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        build(folder / "home", ENDPOINTS)
        site = Site(folder / "home", Authority(folder / "authority", "bureau"))
        site.configure()
        site.serve()
        try:
            rates(site, folder)
            failures(site, folder)
        finally:
            site.stop()
        subprocess.run([sys.executable, "-c", TABLE, str(site.home), "100000"], check=True)


if __name__ == "__main__":
    main()
