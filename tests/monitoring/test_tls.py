"""Syslog over TLS: a sender is who its certificate says, and everybody else is refused, counted and named."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sqlite3
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.monitoring.authority import Authority, Pair
from tests.monitoring.installation import Installation
from tests.programs import program, running, syslog_ng, syslog_ng_environment, wait_until

HEAD = b"<34>Nov 24 09:30:00 "


def context(authority: Authority, pair: Pair | None = None) -> ssl.SSLContext:
    made = ssl.create_default_context(cafile=str(authority.file))
    if pair is not None:
        made.load_cert_chain(pair.certificate, pair.key)
    return made


@contextlib.contextmanager
def connected(port: int, tls: ssl.SSLContext, address: str = "127.0.0.1") -> Iterator[ssl.SSLSocket]:
    plain = socket.create_connection(("127.0.0.1", port), timeout=30, source_address=(address, 0))
    with plain, tls.wrap_socket(plain, server_hostname="collector.example") as secure:
        yield secure


def send(installation: Installation, tls: ssl.SSLContext, data: bytes, address: str = "127.0.0.1") -> None:
    """Send bytes, end the stream, wait until the collector closes; they may still be on their way to disk: TLS has no half-open end."""
    with connected(installation.tls, tls, address) as secure:
        secure.sendall(data)
        with secure.unwrap() as plain:
            while plain.recv(4096):
                pass


def refusals(installation: Installation) -> dict[str, int]:
    found: dict[str, int] = installation.status["tls"]["refused"]
    return found


def test_both_framings_arrive_from_a_registered_certificate(shared: Installation, authority: Authority) -> None:
    client = context(authority, authority.issue("fw01.example"))
    message = HEAD + "fw01 sec: 策略拒绝\n第二行".encode()
    framed = b"%d %b" % (len(message), message)
    with connected(shared.tls, client) as secure:
        for place in range(0, len(framed), 3):
            secure.sendall(framed[place : place + 3])
        secure.sendall((HEAD + b"fw01 sec: a line\n") * 1000)
        wait_until(lambda: len(shared.received("TLS")) == 1001, what="the lines")
    assert shared.received("TLS")[0] == framed
    assert set(shared.received("TLS")[1:]) == {HEAD + b"fw01 sec: a line\n"}


def test_a_fingerprint_is_as_good_as_a_name(shared: Installation, authority: Authority) -> None:
    pair = authority.issue("nameless.example")
    with sqlite3.connect(shared.home / "db.sqlite3", timeout=20) as database:
        database.execute("update anzhang_logsource set certificates = ? where code = 'TLSPRINT'", [json.dumps([pair.fingerprint])])

    def heard() -> bool:
        with contextlib.suppress(OSError):
            send(shared, context(authority, pair), b"<13>by fingerprint\n")
        return b"<13>by fingerprint\n" in shared.received("TLSPRINT")

    wait_until(heard, what="the source of the fingerprint")


@pytest.mark.parametrize("why", ["certificate_untrusted", "certificate_expired", "certificate_unregistered", "no_certificate", "not_tls"])
def test_who_may_not_come_is_refused_counted_and_named(shared: Installation, authority: Authority, tmp_path: Path, why: str) -> None:
    before, heard = refusals(shared).get(why, 0), len(shared.received("TLS"))
    clients = {
        "certificate_untrusted": lambda: context(authority, Authority(tmp_path / "other", "nobody").issue("fw01.example")),
        "certificate_expired": lambda: context(authority, authority.issue("fw01.example", days=-1)),
        "certificate_unregistered": lambda: context(authority, authority.issue("stranger.example")),
        "no_certificate": lambda: context(authority),
    }
    if why == "not_tls":
        with socket.create_connection(("127.0.0.1", shared.tls), timeout=30, source_address=("127.0.0.21", 0)) as plain:
            plain.sendall(HEAD + b"fw01 sec: in the clear\n")
            with contextlib.suppress(OSError):
                plain.recv(100)
    else:
        with contextlib.suppress(OSError), connected(shared.tls, clients[why](), "127.0.0.21") as secure:
            secure.sendall(b"<13>let me in\n")
            secure.recv(1)
    wait_until(lambda: refusals(shared).get(why, 0) == before + 1, what=why)
    wait_until(lambda: f"127.0.0.21 {why}" in shared.quarantine.senders, what="the stranger's name")
    assert len(shared.received("TLS")) == heard


def test_old_protocol_versions_are_refused(shared: Installation, authority: Authority) -> None:
    old = context(authority, authority.issue("fw01.example"))
    old.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises(ssl.SSLError), connected(shared.tls, old):
        pass


def test_handshakes_that_never_end_harm_nobody(shared: Installation, authority: Authority) -> None:
    silent = [socket.create_connection(("127.0.0.1", shared.tls), source_address=("127.0.0.22", 0)) for _ in range(60)]
    try:
        before = len(shared.received("TLS"))
        send(shared, context(authority, authority.issue("fw01.example")), b"<13>still let in\n")
        wait_until(lambda: shared.received("TLS")[before:] == [b"<13>still let in\n"], what="the line")
        wait_until(lambda: refusals(shared).get("too_many", 0) >= 20, what="the cap of one address")
        wait_until(lambda: refusals(shared).get("handshake_unfinished", 0) >= 30, 40, "the end of their patience")
    finally:
        for connection in silent:
            connection.close()


def test_new_certificates_hold_without_a_restart_and_broken_ones_leave_the_old(
    installation: Installation, tmp_path: Path, authority: Authority
) -> None:
    own = Authority(tmp_path / "own", "operator2")
    installation.secure(own)
    installation.start()
    client = own.issue("fw01.example")
    send(installation, context(own, client), b"<13>one\n")
    server = own.folder / "collector.example.crt"
    kept = server.read_bytes()
    server.write_text("not a certificate")
    os.utime(server, (1, 1))
    send(installation, context(own, client), b"<13>two\n")
    wait_until(lambda: "collector.example.crt" in installation.status["certificates"], what="the complaint")
    server.write_bytes(kept)
    with own.file.open("ab") as both:
        both.write(authority.file.read_bytes())
    send(installation, context(own, authority.issue("fw01.example")), b"<13>three\n")
    wait_until(lambda: installation.received("TLS") == [b"<13>one\n", b"<13>two\n", b"<13>three\n"], what="the third line")
    wait_until(lambda: installation.status["certificates"] == "", what="the end of the complaint")


RSYSLOG = """\
global(workDirectory="{folder}" localHostname="sbapp01" defaultNetstreamDriver="{driver}"
  defaultNetstreamDriverCAFile="{ca}" defaultNetstreamDriverCertFile="{certificate}" defaultNetstreamDriverKeyFile="{key}")
module(load="imuxsock" SysSock.Use="off")
input(type="imuxsock" Socket="{folder}/in.sock" RateLimit.Interval="0" UseSysTimeStamp="off")
template(name="wire" type="string" string="<%PRI%>%TIMESTAMP% %HOSTNAME% %syslogtag%%msg:::sp-if-no-1st-sp%%msg%")
action(type="omfwd" target="127.0.0.1" port="{port}" protocol="tcp" TCP_Framing="octet-counted" template="wire" StreamDriver="{driver}"
  StreamDriverMode="1" StreamDriverAuthMode="x509/name" StreamDriverPermittedPeers="collector.example"
  action.resumeRetryCount="-1" action.resumeInterval="1")
"""


@pytest.mark.parametrize("driver", ["gtls", "ossl"])
def test_a_real_rsyslogd_delivers_over_tls(shared: Installation, authority: Authority, tmp_path: Path, driver: str) -> None:
    pair = authority.issue("rsyslog.example")
    settings = RSYSLOG.format(
        folder=tmp_path, driver=driver, ca=authority.file, certificate=pair.certificate, key=pair.key, port=shared.tls
    )
    (tmp_path / "rsyslog.conf").write_text(settings)
    before = len(shared.received("TLSRSYSLOG"))
    with running(program("rsyslogd"), "-n", "-f", str(tmp_path / "rsyslog.conf"), "-i", str(tmp_path / "pid")):
        wait_until((tmp_path / "in.sock").exists, what="rsyslogd's socket")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
            out.connect(str(tmp_path / "in.sock"))
            for number in range(3000):
                out.send(f"<38>Nov 24 09:30:00 sshd[7]: 用户登录成功 {driver} {number}".encode())
        wait_until(lambda: len(shared.received("TLSRSYSLOG")) == before + 3000, 60, "the lines")
    ends = [line.rpartition(b" ")[2] for line in shared.received("TLSRSYSLOG")[before:]]
    assert sorted(ends, key=int) == [b"%d" % number for number in range(3000)]


SYSLOG_NG = """\
@version: 3.38
options {{ keep-hostname(yes); flush-lines(100); }};
source s {{ file("{folder}/in.log" flags(no-parse) follow-freq(0.1)); }};
destination d {{ syslog("127.0.0.1" port({port}) transport("tls") template("$MSG\\n")
  tls(ca-file("{ca}") cert-file("{certificate}") key-file("{key}") peer-verify(required-trusted))); }};
log {{ source(s); destination(d); flags(flow-control); }};
"""


def test_a_real_syslog_ng_delivers_over_tls(shared: Installation, authority: Authority, tmp_path: Path) -> None:
    pair = authority.issue("ng.example")
    (tmp_path / "ng.conf").write_text(
        SYSLOG_NG.format(folder=tmp_path, port=shared.tls, ca=authority.file, certificate=pair.certificate, key=pair.key)
    )
    lines = [f"<38>Nov 24 09:30:00 jyapp01 sbhx[7]: 业务受理成功 {number}".encode() for number in range(3000)]
    (tmp_path / "in.log").write_bytes(b"\n".join(lines) + b"\n")
    command = (
        *syslog_ng(), "-F", "-f", str(tmp_path / "ng.conf"), "-R", str(tmp_path / "persist"), "-p", str(tmp_path / "pid"),
        "-c", str(tmp_path / "control"), "--no-caps",
    )  # fmt: skip
    with running(*command, env=syslog_ng_environment()) as process:
        wait_until(lambda: len(shared.received("TLSNG")) >= 3000, 60, "the lines")
        assert process.poll() is None
    got = [frame.partition(b" ")[2].rstrip(b"\n").rpartition(b"<38>Nov 24")[2] for frame in shared.received("TLSNG")]
    assert got == [line.removeprefix(b"<38>Nov 24") for line in lines]


def test_a_port_that_wants_certificates_is_not_opened_without_an_authority(installation: Installation) -> None:
    (installation.home / "anzhang.toml").write_text(f'[collector]\nsyslog_tls = "127.0.0.1:{installation.tls}"\n')
    command = [sys.executable, "-m", "anzhang", "--home", str(installation.home), "collector"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert "collector.certificate and collector.key and collector.client_ca" in done.stderr
