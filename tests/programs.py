"""Real programs for the tests: an OpenSSH server that logs through a real rsyslogd to the collector.

Both run as children, on loopback, and are stopped by pid. OpenSSH logs with syslog(3) to /dev/log, so rsyslogd's socket
stands there for the time of the test; that needs root, as `make test` has it on a test machine.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

SBIN = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
DEV_LOG = Path("/dev/log")


def program(name: str) -> str:
    """Return the path of an installed program."""
    path = shutil.which(name, path=SBIN)
    assert path, f"{name} is not installed; `make test` installs it"
    return path


SYSLOG_NG = Path(__file__).parents[1] / ".venv" / "syslog-ng"  # `make test` unpacks it there: Debian installs one syslog only


def syslog_ng() -> tuple[str, ...]:
    """Return the command of syslog-ng: the unpacked one, else the installed one."""
    if not SYSLOG_NG.exists():
        return (program("syslog-ng"),)
    (modules,) = (SYSLOG_NG / "usr/lib/syslog-ng").glob("[0-9]*")
    return str(SYSLOG_NG / "usr/sbin/syslog-ng"), f"--module-path={modules}"


def syslog_ng_environment() -> dict[str, str]:
    """Return the environment in which the unpacked one finds its libraries."""
    folders = [SYSLOG_NG / "usr/lib/syslog-ng", *SYSLOG_NG.glob("usr/lib/*-linux-gnu"), *SYSLOG_NG.glob("lib/*-linux-gnu")]
    return {**os.environ, "LD_LIBRARY_PATH": ":".join(map(str, folders))}


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def free_udp_port() -> int:
    """Return a UDP port of 127.0.0.1 that nobody has bound."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(true: Callable[[], object], seconds: float = 30.0, what: str = "it") -> None:
    """Wait until something holds; fail the test when it does not in time."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s for {what}"
        time.sleep(0.1)


def answers(port: int) -> bool:
    """Whether somebody listens on the port."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def listens(port: int) -> bool:
    """Whether somebody listens on the port, asked of the kernel: a port that counts those who knock is not knocked at."""
    sockets = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
    return any(local.endswith(f":{port:04X}") and state == "0A" for _number, local, _peer, state, *_rest in sockets)


@contextlib.contextmanager
def running(*command: str, **options: object) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program for the length of a block; end it with SIGTERM, and with SIGKILL when it does not listen."""
    process = subprocess.Popen(command, **options)  # type: ignore[call-overload]
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


RSYSLOG = """\
global(workDirectory="{folder}" localHostname="{host}")
module(load="imuxsock" SysSock.Use="off")
input(type="imuxsock" Socket="{folder}/log.sock")
action(type="omfwd" target="127.0.0.1" port="{port}" protocol="tcp" template="RSYSLOG_TraditionalForwardFormat"
       queue.type="LinkedList" action.resumeRetryCount="-1" action.resumeInterval="1")
"""


@contextlib.contextmanager
def rsyslog(folder: Path, host: str, port: int) -> Iterator[None]:
    """Run a rsyslogd that takes syslog(3) at /dev/log and forwards to a TCP port under the name `host`."""
    assert os.geteuid() == 0, "the OpenSSH story needs root, to put rsyslogd's socket at /dev/log"
    assert not DEV_LOG.exists(), "another program listens at /dev/log"
    folder.mkdir(parents=True, exist_ok=True)
    settings = folder / "rsyslog.conf"
    settings.write_text(RSYSLOG.format(folder=folder, host=host, port=port))
    command = (program("rsyslogd"), "-n", "-f", str(settings), "-i", str(folder / "rsyslogd.pid"))
    with (folder / "rsyslogd.out").open("wb") as out, running(*command, stdout=out, stderr=out):
        wait_until((folder / "log.sock").exists, what="rsyslogd's socket")
        DEV_LOG.symlink_to(folder / "log.sock")
        try:
            yield
        finally:
            DEV_LOG.unlink()


@dataclass(frozen=True)
class Sshd:
    """An OpenSSH server into which the present operating-system user can log in with a key."""

    folder: Path
    port: int

    def log_in(self) -> str:
        """Log in once, run `true`, log out; return the account's name."""
        subprocess.run(
            [
                program("ssh"), "-F", "none", "-i", str(self.folder / "user"), "-p", str(self.port),
                "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR",
                f"{getpass.getuser()}@127.0.0.1", "true",
            ],
            check=True, timeout=60,
        )  # fmt: skip
        return getpass.getuser()


SSHD = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host
PidFile {folder}/sshd.pid
AuthorizedKeysFile {folder}/user.pub
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
PermitRootLogin prohibit-password
SyslogFacility AUTH
"""


@contextlib.contextmanager
def sshd(folder: Path) -> Iterator[Sshd]:
    """Run an OpenSSH server on a free port."""
    folder.mkdir(parents=True, exist_ok=True)
    Path("/run/sshd").mkdir(exist_ok=True)
    for key in ("host", "user"):
        subprocess.run([program("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-f", str(folder / key)], check=True)
    port = free_port()
    settings = folder / "sshd.conf"
    settings.write_text(SSHD.format(port=port, folder=folder))
    with running(program("sshd"), "-D", "-f", str(settings)):
        wait_until(lambda: answers(port), what="sshd")
        yield Sshd(folder, port)
