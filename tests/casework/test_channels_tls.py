"""Mail and webhook over TLS against real servers: who they are is checked, and what is not encrypted gets nothing."""

from __future__ import annotations

import dataclasses
import http.server
import socket
import ssl
import threading
import time
from contextlib import contextmanager

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword
from django.test import Client

from anzhang.casework import channels, delivery
from anzhang.casework.channels import ChannelError, Message
from anzhang.casework.tables import Delivery
from anzhang.permissions import system
from tests.casework.certificates import Authority, authority
from tests.casework.test_delivery import Receiver, free_port, send
from tests.web.visitors import enter
from tests.world import START

WORKER = system("notices")
MESSAGE = Message(7, "https://anzhang.test/cases/2026-0001/", "liuyang@hrss.test", START)


@pytest.fixture(scope="module")
def ours(tmp_path_factory) -> Authority:
    return authority(tmp_path_factory.mktemp("ours"), "bureau")


@pytest.fixture(scope="module")
def theirs(tmp_path_factory) -> Authority:
    return authority(tmp_path_factory.mktemp("theirs"), "stranger")


@pytest.fixture
def configure(settings, tmp_path):
    """Write the operator's `[notices]` table."""
    (tmp_path / "secret").write_text("geheim\n")

    def write(**table):
        given = {"notices": {"address": "https://anzhang.test", **table}}
        settings.HOME = dataclasses.replace(settings.HOME, path=tmp_path)
        settings.HOME.__dict__["settings"] = given  # as if `anzhang.toml` said so

    return write


class Box:
    """Keeps what it was sent, and whether the line was encrypted."""

    def __init__(self) -> None:
        self.got: list[tuple[bool, bytes]] = []

    async def handle_DATA(self, _server, session, envelope):  # noqa: N802  # the library's name
        self.got.append((session.ssl is not None, envelope.content))
        return "250 OK"


@contextmanager
def mail_server(context: ssl.SSLContext | None, security: str, **keys):
    """Run a mail server on a free port; yields its port and what it got."""
    box = Box()

    class Server(Controller):
        def factory(self):
            starttls = {"tls_context": context, "require_starttls": True} if security == "starttls" else {}
            return SMTP(self.handler, hostname="mail.test", **starttls, **keys)

        def _trigger_server(self):  # the library's own knock does not speak TLS with our authority
            socket.create_connection(("127.0.0.1", self.port), 5).close()

    server = Server(box, hostname="127.0.0.1", port=free_port(), ssl_context=context if security == "tls" else None)
    server.start()
    try:
        yield server.port, box.got
    finally:
        server.stop()


@contextmanager
def https_server(context: ssl.SSLContext | None):
    """Run a webhook receiver; without a context it speaks plain HTTP."""
    server = http.server.HTTPServer(("127.0.0.1", 0), Receiver)
    server.got, server.answer = [], 200
    server.handle_error = lambda *_given: None  # a refused handshake is what some tests are about
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def silent_server(answers: bytes = b"", drip: bytes = b""):
    """Run a server that says something and then nothing, or one byte at a time for ever."""
    listener, stop = socket.create_server(("127.0.0.1", 0)), threading.Event()
    listener.settimeout(20)

    def serve() -> None:
        with listener.accept()[0] as line:
            line.sendall(answers)
            while not stop.wait(0.05):
                try:
                    line.sendall(drip)
                except OSError:
                    return

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        stop.set()
        listener.close()
        thread.join()


def mail(configure, port, security, ca, host="127.0.0.1", **more):
    table = {"host": host, "port": port, "security": security, "sender": "anzhang@hrss.test", "ca_file": str(ca), **more}
    configure(smtp={key: value for key, value in table.items() if value != "None"})
    channels.send("smtp", MESSAGE, START)


def hook(configure, port, ca, host="127.0.0.1", scheme="https", **more):
    table = {"url": f"{scheme}://{host}:{port}/send", "secret_file": "secret", "networks": ["127.0.0.0/8"], "ca_file": str(ca), **more}
    configure(webhook=table)
    channels.send("webhook", MESSAGE, START)


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_mail_goes_out_encrypted_to_the_server_that_the_authority_names(security, ours, configure):
    with mail_server(ours.server("127.0.0.1"), security) as (port, got):
        mail(configure, port, security, ours.file)
    ((encrypted, content),) = got
    assert encrypted is (security == "starttls") or security == "tls"
    assert b"notice-7@anzhang" in content


def test_a_relative_authority_file_lies_in_the_data_directory(ours, configure, tmp_path):
    (tmp_path / "ca.pem").write_bytes(ours.file.read_bytes())
    with mail_server(ours.server("127.0.0.1"), "tls") as (port, got):
        mail(configure, port, "tls", "ca.pem")
    assert len(got) == 1


@pytest.mark.parametrize("security", ["starttls", "tls"])
@pytest.mark.parametrize(
    ("names", "days", "said"),
    [(("127.0.0.1",), -1, "expired"), (("mail.other.test",), 30, "IP address mismatch"), (None, 30, "self-signed|unable to get")],
)
def test_a_server_that_is_not_who_it_says_gets_no_mail(security, names, days, said, ours, theirs, configure):
    context = theirs.server("127.0.0.1") if names is None else ours.server(*names, days=days)
    with mail_server(context, security) as (port, got), pytest.raises(ChannelError, match=said):
        mail(configure, port, security, ours.file)
    assert got == []


def test_without_the_bureaus_authority_its_server_is_not_believed(ours, configure):
    with mail_server(ours.server("127.0.0.1"), "tls") as (port, got), pytest.raises(ChannelError, match="CERTIFICATE_VERIFY_FAILED"):
        mail(configure, port, "tls", None)
    assert got == []


def test_a_server_that_offers_no_encryption_gets_no_mail(ours, configure):
    with mail_server(None, "none") as (port, got):
        with pytest.raises(ChannelError, match="STARTTLS extension not supported"):
            mail(configure, port, "starttls", ours.file)
        with pytest.raises(ChannelError, match="SSL"):
            mail(configure, port, "tls", ours.file)
    assert got == []


def _login(_server, _session, _envelope, mechanism, data):
    good = mechanism in {"LOGIN", "PLAIN"} and isinstance(data, LoginPassword) and data == LoginPassword(b"anzhang", b"geheim")
    return AuthResult(success=good, handled=good)


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")  # aiosmtpd does not see that the whole line is TLS
@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_it_logs_in_with_the_password_of_its_file_and_a_wrong_one_sends_nothing(security, ours, configure, tmp_path):
    keys = {"authenticator": _login, "auth_required": True, "auth_require_tls": security == "starttls"}
    account = {"username": "anzhang", "password_file": "secret"}
    with mail_server(ours.server("127.0.0.1"), security, **keys) as (port, got):
        mail(configure, port, security, ours.file, **account)
        assert len(got) == 1
        (tmp_path / "secret").write_text("wrong")
        with pytest.raises(ChannelError, match="SMTPAuthenticationError"):
            mail(configure, port, security, ours.file, **account)
        with pytest.raises(ChannelError, match="FileNotFoundError"):
            mail(configure, port, security, ours.file, username="anzhang", password_file="gone")
    assert len(got) == 1


def test_a_password_never_travels_in_the_clear(configure):
    with pytest.raises(ChannelError, match="in the clear"):
        mail(configure, free_port(), "none", None, username="anzhang", password_file="secret")


@pytest.mark.parametrize("drip", [b"", b"2"])
def test_a_mail_server_that_hangs_or_drips_is_given_up(drip, configure, monkeypatch):
    monkeypatch.setattr(channels, "TIMEOUT_S", 0.4)
    with silent_server(b"220 mail.test\r\n", drip) as port:
        begun = time.monotonic()
        with pytest.raises(ChannelError, match=r"took more than|timed out|TimeoutError|SMTPServerDisconnected"):
            mail(configure, port, "starttls", None)
        assert time.monotonic() - begun < 60


# The webhook


def test_the_webhook_speaks_tls_with_the_host_that_the_authority_names(ours, configure):
    with https_server(ours.server("127.0.0.1")) as server:
        hook(configure, server.server_port, ours.file)
    ((path, headers, _body),) = server.got
    assert (path, headers["Idempotency-Key"]) == ("/send", "notice-7")


@pytest.mark.parametrize(
    ("names", "days", "said"),
    [(("127.0.0.1",), -1, "expired"), (("hook.other.test",), 30, "IP address mismatch"), (None, 30, "self-signed|unable to get")],
)
def test_a_receiver_that_is_not_who_it_says_gets_nothing(names, days, said, ours, theirs, configure):
    context = theirs.server("127.0.0.1") if names is None else ours.server(*names, days=days)
    with https_server(context) as server, pytest.raises(ChannelError, match=said):
        hook(configure, server.server_port, ours.file)
    assert server.got == []


def test_a_plain_receiver_gets_nothing_where_the_address_says_https(ours, configure):
    with https_server(None) as server, pytest.raises(ChannelError, match="SSL"):
        hook(configure, server.server_port, ours.file)
    assert server.got == []


@pytest.mark.parametrize(("said", "drip"), [(b"", b""), (b"HTTP/1.1 200 OK\r\nX-Slow: ", b"z")])
def test_a_receiver_that_hangs_or_drips_is_given_up(said, drip, configure, monkeypatch):
    monkeypatch.setattr(channels, "TIMEOUT_S", 0.4)
    with silent_server(said, drip) as port, pytest.raises(ChannelError, match=r"took more than|timed out"):
        hook(configure, port, "", scheme="http")


def test_a_receiver_that_hangs_in_the_handshake_is_given_up(ours, configure, monkeypatch):
    monkeypatch.setattr(channels, "TIMEOUT_S", 0.4)
    with silent_server() as port, pytest.raises(ChannelError, match=r"took more than|timed out"):
        hook(configure, port, ours.file)


@pytest.fixture
def names(monkeypatch):
    """Let names of the tests resolve; each look-up takes the next answer, as a rebinding name server gives it."""
    known, real = {}, socket.getaddrinfo

    def look_up(host, port, *given, **more):
        return [(2, 1, 6, "", (known[host].pop(0), port))] if host in known else real(host, port, *given, **more)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return known


def test_the_address_that_was_checked_is_the_one_connected_to(names, ours, configure):
    """The name answers once with an address inside, then with one outside: the second answer is never asked for."""
    names["hook.hrss.test"] = ["127.0.0.1", "169.254.169.254"]
    with https_server(ours.server("hook.hrss.test")) as server:
        hook(configure, server.server_port, ours.file, "hook.hrss.test")
    assert len(server.got) == 1
    assert names["hook.hrss.test"] == ["169.254.169.254"]


def test_the_certificate_is_the_names_even_when_the_address_is_pinned(names, ours, configure):
    names["hook.hrss.test"] = ["127.0.0.1"]
    with https_server(ours.server("127.0.0.1")) as server, pytest.raises(ChannelError, match=r"hook\.hrss\.test"):
        hook(configure, server.server_port, ours.file, "hook.hrss.test")
    assert server.got == []


@pytest.mark.parametrize(
    ("address", "networks"),
    [
        ("169.254.169.254", ["0.0.0.0/0"]),
        ("fe80::1", ["::/0"]),
        ("::ffff:127.0.0.1", ["::/0", "10.0.0.0/8"]),
        ("::ffff:169.254.169.254", ["0.0.0.0/0", "::/0"]),
        ("::ffff:10.0.0.5", ["::/0"]),
        ("ff02::1", ["::/0"]),
        ("::", ["::/0"]),
        ("0.0.0.0", ["0.0.0.0/0"]),
        ("2130706433", ["10.0.0.0/8"]),  # 127.0.0.1 in one number
        ("0x7f000001", ["10.0.0.0/8"]),
        ("127.1", ["10.0.0.0/8"]),
    ],
)
def test_no_way_of_writing_an_address_leads_out_of_the_networks(address, networks):
    with pytest.raises((ChannelError, OSError)):
        channels.checked_address(address, 443, networks)


def test_a_mapped_address_inside_the_networks_is_what_it_maps_to():
    assert channels.checked_address("::ffff:10.0.0.5", 443, ["10.0.0.0/8"]) == "::ffff:10.0.0.5"


def test_the_page_of_deliveries_shows_the_failure_and_the_retry_gets_through(ours, theirs, configure, bureau, clock):
    table = {"host": "127.0.0.1", "security": "starttls", "sender": "anzhang@hrss.test", "ca_file": str(ours.file)}
    guolei = enter(Client(), bureau.user["guolei"])
    with mail_server(theirs.server("127.0.0.1"), "starttls") as (port, got):
        configure(smtp={**table, "port": port})
        send(bureau, clock)
        assert delivery.deliver(WORKER, clock.now).again == 1
        assert got == []
    page = guolei.get("/inbox/deliveries/").text
    assert "CERTIFICATE_VERIFY_FAILED" in page
    assert "待发送" in page
    with mail_server(ours.server("127.0.0.1"), "starttls") as (port, got):
        configure(smtp={**table, "port": port})
        assert delivery.deliver(WORKER, Delivery.objects.get().next_at).sent == 1
        assert len(got) == 1
    assert "已送达" in guolei.get("/inbox/deliveries/?state=sent").text
