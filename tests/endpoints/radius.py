"""A real FreeRADIUS with our configuration, our verdict service, and the clients that a switch and an endpoint would be.

All run as children, on loopback, and are stopped by process id.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.monitoring.authority import Authority
from tests.programs import answers, free_port, free_udp_port, program, running, wait_until

QUARANTINE = "666"
WITHIN = 3.0  # seconds after which a switch asks again; the second that is required is measured by bench.admission


@dataclass(frozen=True)
class Answer:
    """What a switch was told: accepted, and into which VLAN."""

    accepted: bool
    vlan: str
    seconds: int


@dataclass
class Site:
    """One data directory, its verdict service and its FreeRADIUS."""

    home: Path
    authority: Authority
    service: int = field(default_factory=free_port)
    radius: int = field(default_factory=free_udp_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def folder(self) -> Path:
        """Return where FreeRADIUS's configuration stands."""
        return self.home / "radius"

    @property
    def secret(self) -> str:
        """Return the secret that we share with the one switch there is."""
        found = re.search(r"^\tsecret = (\S+)$", (self.folder / "clients.conf").read_text(), re.MULTILINE)
        assert found
        return found[1]

    def configure(self) -> None:
        """Write the settings and FreeRADIUS's configuration, as an operator does."""
        (self.home / "anzhang.toml").write_text(f'[admission]\nbind = "127.0.0.1:{self.service}"\n', encoding="utf-8")
        pair = self.authority.issue("radius.example")
        self.anzhang(
            "radius", "config", str(self.folder), "--listen", "127.0.0.1", "--port", str(self.radius),
            "--eap-certificate", str(pair.certificate), "--eap-key", str(pair.key), "--eap-ca", str(self.authority.file),
        )  # fmt: skip
        (self.folder / "accounts").write_text('liming\tCleartext-Password := "wolken-bruch"\n')

    def anzhang(self, *words: str) -> str:
        """Run a verb; return what it printed."""
        return subprocess.run(
            [sys.executable, "-m", "anzhang", "--home", str(self.home), *words],
            check=True,
            env=environment(),
            capture_output=True,
            text=True,
        ).stdout

    def serve(self) -> None:
        """Start the verdict service and wait until it has read the registers."""
        log = (self.home / "admission.log").open("ab")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "anzhang", "--home", str(self.home), "admission"], stdout=log, stderr=log, env=environment()
        )
        log.close()
        wait_until(lambda: answers(self.service) and self.is_current(), 60, f"the service; {self.home / 'admission.log'}")

    def is_current(self) -> bool:
        """Whether the service has verdicts."""
        from http.client import HTTPConnection

        connection = HTTPConnection("127.0.0.1", self.service, timeout=5)
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    def family(self) -> list[int]:
        """Return the process ids of the service and its worker."""
        assert self.process is not None
        found = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [self.process.pid, *map(int, found)]

    def signal(self, number: int) -> None:
        """Tell the service and its worker something."""
        for pid in self.family():
            os.kill(pid, number)

    def stop(self) -> None:
        """Stop the service."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError, FileNotFoundError):
                self.signal(signal.SIGCONT)
            self.process.terminate()
            self.process.wait(30)
            self.process = None

    @contextlib.contextmanager
    def hung(self) -> Iterator[None]:
        """Let the service take connections and never answer, for the length of a block."""
        self.signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.signal(signal.SIGCONT)

    @contextlib.contextmanager
    def freeradius(self) -> Iterator[subprocess.Popen[bytes]]:
        """Run FreeRADIUS for the length of a block."""
        (self.folder / "log" / "radius.log").unlink(missing_ok=True)
        with (
            (self.folder / "out.log").open("wb") as out,
            running(program("freeradius"), "-f", "-d", str(self.folder), stdout=out, stderr=out) as server,
        ):
            wait_until(lambda: "Ready to process" in self.said(), 30, "FreeRADIUS")
            yield server

    def said(self) -> str:
        """Return FreeRADIUS's log."""
        file = self.folder / "log" / "radius.log"
        return (self.folder / "out.log").read_text() + (file.read_text() if file.is_file() else "")

    def mac_auth(self, *numbers: int, parallel: int = 1) -> tuple[list[Answer], float]:
        """Ask for addresses as a switch does; return the answers and the seconds that all of them took."""
        asked = "\n\n".join(
            f'User-Name = "0200000000{number:02x}", Calling-Station-Id = "02-00-00-00-00-{number:02X}", NAS-IP-Address = 10.9.9.9, '
            "Message-Authenticator = 0x00"
            for number in numbers
        )
        command = [program("radclient"), "-x", "-r", "1", "-t", "5", "-p", str(parallel), f"127.0.0.1:{self.radius}", "auth", self.secret]
        begun = time.monotonic()
        done = subprocess.run(command, input=asked + "\n", capture_output=True, text=True, timeout=120, check=False)
        return _answers(done.stdout), time.monotonic() - begun

    def eap(self, method: str, number: int, password: str = "wolken-bruch") -> Answer:
        """Log in by EAP as an endpoint does."""
        settings = self.home / f"{method}.conf"
        inner = "auth=MSCHAPV2" if method == "PEAP" else "auth=PAP"
        settings.write_text(
            f'network={{\n key_mgmt=IEEE8021X\n eap={method}\n identity="liming"\n password="{password}"\n'
            f' ca_cert="{self.authority.file}"\n phase2="{inner}"\n}}\n'
        )
        done = subprocess.run(
            [program("eapol_test"), "-c", str(settings), "-a", "127.0.0.1", "-p", str(self.radius), "-s", self.secret,
             "-M", f"02:00:00:00:00:{number:02x}", "-t", "10"],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        vlan = re.search(r"Attribute 81 \(Tunnel-Private-Group-Id\) length=\d+\n\s+Value: (\w+)", done.stdout)
        again = re.search(r"Attribute 27 \(Session-Timeout\) length=\d+\n\s+Value: (\d+)", done.stdout)
        accepted = done.stdout.rstrip().endswith("SUCCESS")
        return Answer(accepted, bytes.fromhex(vlan[1]).decode() if vlan else "", int(again[1]) if again else 0)

    def detail(self) -> str:
        """Return what FreeRADIUS wrote of its accepts."""
        return (self.folder / "log" / "admission.detail").read_text()


def _answers(text: str) -> list[Answer]:
    found = []
    for block in text.split("Received Access-")[1:]:
        vlan = re.search(r'Tunnel-Private-Group-Id:0 = "(\w+)"', block)
        again = re.search(r"Session-Timeout = (\d+)", block)
        found.append(Answer(block.startswith("Accept"), vlan[1] if vlan else "", int(again[1]) if again else 0))
    return found


def environment() -> dict[str, str]:
    """Return the environment of a child: nothing of the test's own installation."""
    ours = {"ANZHANG_HOME", "DJANGO_SETTINGS_MODULE", "ANZHANG_DATABASE_URL"}
    return {name: value for name, value in os.environ.items() if name not in ours}


def build(home: Path, more: int = 0) -> None:
    """Make the data directory in a process of its own."""
    home.mkdir(mode=0o700)
    subprocess.run([sys.executable, "-m", "tests.endpoints.stage", str(home), str(more)], check=True, env=environment())
