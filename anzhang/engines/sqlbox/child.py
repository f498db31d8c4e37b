"""The process in which SQL of people runs: it holds tables, answers SELECTs, and reaches neither files nor network.

Started by `box.py` as a file of its own, with an empty environment and one socket; of ours it imports its neighbor `addresses` alone.
Before the first statement it gives up, for good and as far as the kernel can: every file (Landlock), TCP (Landlock), new privileges,
core dumps. DuckDB itself is without external access and extensions, and its configuration is locked.

A frame is four bytes of length, JSON, and for a table the descriptor of a sealed memory file with an Arrow stream.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import mmap
import os
import resource
import select
import socket
import sys
import threading
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from duckdb.func import ARROW, SPECIAL

sys.path.insert(0, str(Path(__file__).parent))
import addresses  # type: ignore[import-not-found]  # its neighbor, as a file

IDLE_SECONDS = 900

LENGTH = 4
NO_NEW_PRIVILEGES = 38  # prctl
CREATE, RESTRICT = 444, 446  # landlock_create_ruleset, landlock_restrict_self
FILES = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}  # how many kinds of access to files each version of Landlock knows
NET_SINCE, SCOPE_SINCE = 4, 6


def lock_down() -> list[str]:
    """Give up files, network and privileges; return what the kernel could take away."""
    done = []
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0) == 0:
        done.append("privileges")
    version = libc.syscall(CREATE, None, 0, 1)
    if version >= 1:
        files = (1 << FILES[min(version, max(FILES))]) - 1
        net = 0b11 if version >= NET_SINCE else 0
        scope = 0b11 if version >= SCOPE_SINCE else 0
        fields = (ctypes.c_uint64 * 3)(files, net, scope)
        size = 8 if version < NET_SINCE else 16 if version < SCOPE_SINCE else 24
        ruleset = libc.syscall(CREATE, ctypes.byref(fields), size, 0)
        if ruleset >= 0 and libc.syscall(RESTRICT, ruleset, 0) == 0:
            done += ["files", *(["network"] if net else [])]
        if ruleset >= 0:
            os.close(ruleset)
    return done


def connect(memory_mb: int) -> duckdb.DuckDBPyConnection:
    """Open an empty database that can reach nothing, in this one thread: what Landlock takes away, it takes from threads to come."""
    config: dict[str, str | bool | int | float | list[str]] = {
        "enable_external_access": "false", "autoload_known_extensions": "false", "autoinstall_known_extensions": "false",
        "allow_unsigned_extensions": "false", "temp_directory": "", "memory_limit": f"{memory_mb}MB", "threads": "1", "async_threads": "0",
    }  # fmt: skip
    connection = duckdb.connect(":memory:", config=config)
    for name, (function, kind) in addresses.FUNCTIONS.items():
        connection.create_function(name, each(function), ["VARCHAR"], kind, type=ARROW, null_handling=SPECIAL)
    return connection


def each(function: Callable[[str | None], object]) -> Callable[[pa.ChunkedArray], pa.Array]:
    """Return a function of columns that asks one of values."""
    return lambda column: pa.array([function(value) for value in column.to_pylist()])


def warm() -> None:
    """Load everything that a statement may need while files can still be read."""
    connection = connect(256)
    connection.register(
        "t",
        pa.table({"x": pa.array(["a"]).dictionary_encode(), "seen_at": pa.array([datetime(2026, 1, 1, tzinfo=UTC)], pa.timestamp("us"))}),
    )  # rules compare instants without zone
    connection.sql(
        "SELECT from_json('[\"a\"]', '[\"VARCHAR\"]'), strftime(seen_at, '%Y'), ip_key(x), $p FROM t", params={"p": 1}
    ).to_arrow_table()
    connection.close()


class Child:
    """What the process does with the frames it gets."""

    def __init__(self, sock: socket.socket, connection: duckdb.DuckDBPyConnection) -> None:
        """Keep the socket and the database."""
        self.sock, self.connection = sock, connection
        self.lent: set[str] = set()  # tables that lie in memory as they came

    def serve(self) -> None:
        """Answer frames until the other side closes or is silent for long."""
        while True:
            if not select.select([self.sock], [], [], IDLE_SECONDS)[0]:
                return
            frame, descriptors = receive(self.sock)
            if frame is None:
                return
            try:
                answer, payload = self.answer(frame, descriptors)
            except (duckdb.Error, pa.ArrowException, ValueError) as error:
                answer, payload = {"error": type(error).__name__, "message": str(error)[:4000]}, b""
            finally:
                for descriptor in descriptors:
                    os.close(descriptor)
            send(self.sock, {**answer, "bytes": len(payload)}, payload)

    def answer(self, frame: dict[str, Any], descriptors: list[int]) -> tuple[dict[str, Any], bytes]:
        """Do what a frame asks."""
        if frame["do"] == "put":
            self.put(frame["name"], descriptors[0], kept=frame["kept"])
            return {}, b""
        if frame["do"] == "drop":
            self.drop(frame["name"])
            return {}, b""
        try:
            return {}, self.run(frame)
        finally:
            for name, _sql in frame["views"]:
                self.connection.execute(f"DROP VIEW IF EXISTS {quoted(name)}")
            for name in tuple(self.lent):
                self.drop(name)

    def put(self, name: str, descriptor: int, *, kept: bool) -> None:
        """Take a table: as DuckDB's own where it is asked often, else as it lies in memory."""
        self.drop(name)
        table = pa.ipc.open_stream(pa.py_buffer(mmap.mmap(descriptor, 0, prot=mmap.PROT_READ))).read_all()
        if not kept:
            self.connection.register(name, table)
            self.lent.add(name)
            return
        self.connection.register("incoming", table)
        try:
            self.connection.execute(f"CREATE TABLE {quoted(name)} AS SELECT * FROM incoming")  # noqa: S608  # a name of ours, quoted
        finally:
            self.connection.unregister("incoming")

    def drop(self, name: str) -> None:
        """Forget a table."""
        if name in self.lent:
            self.connection.unregister(name)
            self.lent.discard(name)
        else:
            self.connection.execute(f"DROP TABLE IF EXISTS {quoted(name)}")

    def run(self, frame: dict[str, Any]) -> bytes:
        """Run one SELECT beside the views that belong to it; return its rows as an Arrow stream."""
        for name, sql in frame["views"]:
            self.connection.execute(f"CREATE VIEW {quoted(name)} AS {sql}")
        # Not `connection.sql`, which binds and plans a statement twice: of small increments that is the greater part.
        result = self.connection.execute(frame["sql"], {name: value_of(each) for name, each in frame["parameters"].items()})
        reader: pa.RecordBatchReader = result.to_arrow_reader(65536)
        sink = pa.BufferOutputStream()
        rows = 0
        with pa.ipc.new_stream(sink, reader.schema) as writer:
            for batch in reader:
                rows += batch.num_rows
                if rows > frame["rows"]:
                    raise ValueError(f"more than {frame['rows']} rows")
                writer.write_batch(batch)
        return bytes(sink.getvalue())


def value_of(said: list[Any]) -> Any:
    """Return a parameter from its kind and its JSON."""
    kind, value = said
    return datetime.fromisoformat(value) if kind == "instant" else date.fromisoformat(value) if kind == "day" else value


def quoted(name: str) -> str:
    """Return a name as an identifier."""
    return '"' + name.replace('"', '""') + '"'


def receive(sock: socket.socket) -> tuple[dict[str, Any] | None, list[int]]:
    """Return the next frame and the descriptors that came with it; None at the end."""
    head, descriptors, _flags, _address = socket.recv_fds(sock, LENGTH, 1)
    while head and len(head) < LENGTH:
        head += sock.recv(LENGTH - len(head))
    if not head:
        return None, descriptors
    return json.loads(exactly(sock, int.from_bytes(head, "big"))), descriptors


def exactly(sock: socket.socket, count: int) -> bytes:
    """Read so many bytes."""
    content = bytearray()
    while len(content) < count:
        part = sock.recv(min(count - len(content), 1 << 20))
        if not part:
            raise EOFError
        content += part
    return bytes(content)


def send(sock: socket.socket, frame: dict[str, Any], payload: bytes = b"") -> None:
    """Write a frame and what follows it."""
    content = json.dumps(frame).encode()
    sock.sendall(len(content).to_bytes(LENGTH, "big") + content)
    sock.sendall(payload)


def watch(sock: socket.socket) -> None:
    """End at once when the other side is gone, whatever a statement is still doing."""
    poll = select.poll()
    poll.register(sock, select.POLLRDHUP | select.POLLHUP)
    poll.poll()
    os._exit(0)


def main() -> None:
    """Load what is needed, then go on in a fork: threads that the libraries began do not follow, so the lock holds for all there are."""
    sock = socket.socket(fileno=int(sys.argv[1]))
    memory_mb, threads = int(sys.argv[2]), int(sys.argv[3])
    warm()
    child = os.fork()
    if child:
        sock.close()
        os.waitpid(child, 0)
        return
    connection = connect(memory_mb)
    locks = lock_down() if len(list(Path("/proc/self/task").iterdir())) == 1 else []
    connection.execute(f"SET threads = {threads}")
    connection.execute("SET lock_configuration = true")
    threading.Thread(target=watch, args=(sock,), daemon=True).start()
    send(sock, {"locks": locks, "bytes": 0})
    with contextlib.suppress(OSError, EOFError):
        Child(sock, connection).serve()
    os._exit(0)


if __name__ == "__main__":
    main()
