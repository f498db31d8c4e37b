"""The near side of the locked-down process: which tables it holds, what it is asked, when it has had its time."""

from __future__ import annotations

import atexit
import json
import os
import socket
import subprocess
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

CHILD = Path(__file__).with_name("child.py")
START_SECONDS = 60.0
LENGTH = 4


class BoxError(Exception):
    """A statement failed, or had its time, memory or rows; `code` says which: failed, slow, dead."""

    def __init__(self, code: str, message: str) -> None:
        """Keep both."""
        super().__init__(message)
        self.code = code


class _GoneError(Exception):
    """The process has ended; whatever it held is gone."""


@dataclass(frozen=True)
class Limits:
    """What one statement may use: seconds of the clock, megabytes of memory, rows returned; tables held besides, in megabytes."""

    seconds: float = 60.0
    memory_mb: int = 2048
    rows: int = 2_000_000
    held_mb: int = 1024
    threads: int = 1


@dataclass(frozen=True)
class Held:
    """A table by what it is: `token` changes when its content does. `kept`: stored for joins, after the statement too; else forgotten."""

    token: str
    load: Callable[[], pa.Table]
    kept: bool = True


class Box:
    """One locked-down process, started when it is first asked and again when it died. Threads take turns."""

    def __init__(self, limits: Limits | None = None) -> None:
        """Keep the limits."""
        self.limits = limits or Limits()
        self.locks: tuple[str, ...] = ()  # what the kernel took away: files, network, privileges
        self._lock = threading.RLock()
        self._process: subprocess.Popen[bytes] | None = None
        self._sock: socket.socket | None = None
        self._held: OrderedDict[str, tuple[str, int]] = OrderedDict()
        atexit.register(self.close)

    def run(
        self, sql: str, tables: Mapping[str, Held], parameters: Mapping[str, Any] | None = None, views: Mapping[str, str] | None = None,
    ) -> pa.Table:  # fmt: skip
        """Return the rows of one SELECT that `statements.parse` let pass. `views` are of our own making and come before it.

        Raises BoxError; whatever load raises is passed on.
        """
        with self._lock:
            for attempt in (1, 2):
                try:
                    self._provide(tables)
                    said = {name: _said(value) for name, value in (parameters or {}).items()}
                    frame = {"do": "run", "sql": sql, "parameters": said, "views": list((views or {}).items()), "rows": self.limits.rows}
                    try:
                        return pa.ipc.open_stream(self._ask(frame)).read_all()
                    finally:
                        for name in [name for name, held in tables.items() if not held.kept]:
                            self._held.pop(name, None)
                except _GoneError as error:
                    if attempt == 2:
                        raise BoxError("dead", f"the process of the statement ended: {error}") from error
            raise AssertionError

    def close(self) -> None:
        """End the process."""
        with self._lock:
            if self._sock is not None:
                self._sock.close()
            if self._process is not None:
                self._process.kill()
                self._process.wait()
            self._process = self._sock = None
            self._held.clear()

    def _provide(self, tables: Mapping[str, Held]) -> None:
        """See to it that the process holds each table as it is now."""
        self._start()
        for name, held in tables.items():
            if self._held.get(name, ("", 0))[0] == held.token:
                self._held.move_to_end(name)
                continue
            table = held.load()
            self._put(name, table, kept=held.kept)
            self._held[name] = (held.token, table.nbytes)
            self._held.move_to_end(name)
        most = self.limits.held_mb << 20
        while sum(size for _token, size in self._held.values()) > most and next(iter(self._held)) not in tables:
            name, _ = self._held.popitem(last=False)
            self._ask({"do": "drop", "name": name})

    def _put(self, name: str, table: pa.Table, *, kept: bool) -> None:
        descriptor = os.memfd_create("table", os.MFD_CLOEXEC)
        try:
            with pa.OSFile(f"/proc/self/fd/{descriptor}", "wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
                writer.write_table(table)
            self._ask({"do": "put", "name": name, "kept": kept}, descriptor)
        finally:
            os.close(descriptor)

    def _start(self) -> None:
        if self._process is not None and self._process.poll() is None:
            return
        self.close()
        near, far = socket.socketpair()
        arguments = [sys.executable, "-I", str(CHILD), str(far.fileno()), str(self.limits.memory_mb), str(self.limits.threads)]
        quiet = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "ARROW_DEFAULT_MEMORY_POOL": "system", "LANG": "C.UTF-8"}
        try:
            self._process = subprocess.Popen(  # our own file, no shell
                arguments, pass_fds=(far.fileno(),), env=quiet, cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )  # fmt: skip
        finally:
            far.close()
        self._sock = near
        near.settimeout(START_SECONDS)
        try:
            self.locks = tuple(self._frame()["locks"])
        except (OSError, _GoneError) as error:
            self.close()
            raise BoxError("dead", "the process for statements does not start") from error

    def _ask(self, frame: Mapping[str, Any], descriptor: int | None = None) -> bytes:
        """Send a frame and return what follows the answer."""
        sock = self._sock
        if sock is None:
            raise _GoneError("not running")
        content = json.dumps(frame).encode()
        try:
            sock.settimeout(self.limits.seconds)
            socket.send_fds(sock, [len(content).to_bytes(LENGTH, "big")], [] if descriptor is None else [descriptor])
            sock.sendall(content)
            answer = self._frame()
            payload = self._exactly(answer["bytes"])
        except TimeoutError as error:
            self.close()
            raise BoxError("slow", f"the statement took longer than {self.limits.seconds:g} seconds") from error
        except OSError as error:
            self.close()
            raise _GoneError(str(error)) from error
        except _GoneError:
            self.close()
            raise
        if "error" in answer:
            raise BoxError("failed", f"{answer['error']}: {answer['message']}")
        return payload

    def _frame(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self._exactly(int.from_bytes(self._exactly(LENGTH), "big")))
        return found

    def _exactly(self, count: int) -> bytes:
        content = bytearray()
        while len(content) < count:
            part = self._sock.recv(min(count - len(content), 1 << 20)) if self._sock is not None else b""
            if not part:
                raise _GoneError("closed")
            content += part
        return bytes(content)


def _said(value: Any) -> list[Any]:
    """Return a parameter as its kind and JSON."""
    if isinstance(value, datetime):
        return ["instant", value.isoformat()]
    if isinstance(value, date):
        return ["day", value.isoformat()]
    return ["plain", value]
