"""A real collector in a process of its own, with its own data directory, as the tests of this folder use it."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from anzhang.engines.vault import Vault
from anzhang.monitoring import quarantine
from tests.monitoring.authority import Authority
from tests.programs import answers, free_port, free_udp_port, listens, wait_until

SETTINGS = """\
[collector]
syslog_tcp = "127.0.0.1:{syslog}"
syslog_udp = "127.0.0.1:{udp}"
http = "127.0.0.1:{http}"
seal_seconds = {seal_seconds}
quarantine_bytes = 2097152
"""


@dataclass
class Installation:
    """One data directory; at most one collector at a time."""

    home: Path
    syslog: int = field(default_factory=free_port)
    http: int = field(default_factory=free_port)
    udp: int = field(default_factory=free_udp_port)
    seal_seconds: int = 1
    more: str = ""  # settings of [collector]
    tls: int = field(default_factory=free_port)
    relp: int = field(default_factory=free_port)
    relp_tls: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start a collector and wait until its ports stand."""
        text = SETTINGS.format(syslog=self.syslog, udp=self.udp, http=self.http, seal_seconds=self.seal_seconds) + self.more
        (self.home / "anzhang.toml").write_text(text, encoding="utf-8")
        log = (self.home / "collector.log").open("ab")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "anzhang", "--home", str(self.home), "collector"], stdout=log, stderr=log, env=_environment()
        )
        log.close()
        secured = (self.tls, self.relp, self.relp_tls) if "syslog_tls" in self.more else ()
        wait_until(
            lambda: self.alive and answers(self.http) and all(map(listens, secured)), 90, f"the collector; {self.home / 'collector.log'}"
        )

    def _ready(self, secured: tuple[int, ...]) -> bool:
        return self.alive and answers(self.http) and all(map(listens, secured))

    def secure(self, authority: Authority) -> None:
        """Open the ports that want a certificate, and plain RELP, at the next start."""
        server = authority.issue("collector.example")
        self.more += (
            f'syslog_tls = "127.0.0.1:{self.tls}"\nrelp = "127.0.0.1:{self.relp}"\nrelp_tls = "127.0.0.1:{self.relp_tls}"\n'
            f'certificate = "{server.certificate}"\nkey = "{server.key}"\nclient_ca = "{authority.file}"\n'
        )

    @property
    def alive(self) -> bool:
        """Whether the collector runs; fails the test when it ended by itself."""
        assert self.process is not None
        assert self.process.poll() is None, (self.home / "collector.log").read_text()
        return True

    def stop(self) -> None:
        """Stop cleanly: everything received is sealed and recorded."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(60) == 0, (self.home / "collector.log").read_text()
        self.process = None

    def kill(self) -> None:
        """Kill -9."""
        assert self.process is not None
        self.process.kill()
        assert self.process.wait(30) == -signal.SIGKILL
        self.process = None

    def connect(self, address: str = "127.0.0.1") -> socket.socket:
        """Return a connection to the syslog port from one of loopback's addresses."""
        return socket.create_connection(("127.0.0.1", self.syslog), timeout=30, source_address=(address, 0))

    def send(self, data: bytes, address: str = "127.0.0.1") -> None:
        """Send bytes, end the stream and wait until the collector has them on disk (it closes only then)."""
        with self.connect(address) as connection:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(4096):
                pass

    def follow(self, source: str, path: Path) -> None:
        """Let a source be a file; before the collector starts."""
        path.parent.mkdir()
        with sqlite3.connect(self.home / "db.sqlite3") as database:
            database.execute("update anzhang_logsource set transport = 'file', file_path = ? where code = ?", [str(path), source])

    def received(self, source: str) -> list[bytes]:
        """Return a source's lines in order of arrival, as they came, sealed or not."""
        return list(self.vault.raw(source))

    @property
    def vault(self) -> Vault:
        """Return the vault's reader."""
        return Vault(self.home / "vault")

    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Ask the database."""
        with sqlite3.connect(self.home / "db.sqlite3", timeout=20) as database:
            return database.execute(sql, values).fetchall()

    @property
    def status(self) -> dict[str, Any]:
        """Return the collector's status file; it is first written a moment after the ports stand."""
        file = self.home / "run" / "collector.json"
        wait_until(file.exists, what="the first status")
        found: dict[str, Any] = json.loads(file.read_text())
        return found

    @property
    def quarantine(self) -> quarantine.Index:
        """Return the totals of the quarantine."""
        return quarantine.read(self.home / "collector" / "quarantine")

    def check(self) -> None:
        """Assert that the vault verifies and that vault, segment rows and ledger agree."""
        sealed = self.vault.segments()
        rows = self.rows("select number, name, root_sha256, rows from anzhang_vaultsegment order by number")
        assert [(s.number, s.name, s.root_sha256, s.rows) for s in sealed] == rows
        entries = self.rows("select object_key from anzhang_entry where act = 'monitoring:vault_segment:seal' order by \"index\"")
        assert [key for (key,) in entries] == [str(s.number) for s in sealed]
        assert self.vault.verify() == []


def build_template(folder: Path) -> None:
    """Make the data directory that every installation is a copy of."""
    folder.mkdir()
    subprocess.run([sys.executable, "-m", "tests.monitoring.stage", str(folder)], check=True, env=_environment())


def _environment() -> dict[str, str]:
    ours = {"ANZHANG_HOME", "DJANGO_SETTINGS_MODULE", "ANZHANG_DATABASE_URL"}
    return {name: value for name, value in os.environ.items() if name not in ours}
