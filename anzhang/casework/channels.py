"""The ways a notice leaves the platform: SMTP, a signed webhook, a command. Only the operator configures them, in `anzhang.toml`.

    [notices]
    address = "https://anzhang.example"      # how readers reach the platform; the link of every message begins with it

    [notices.smtp]
    host = "mail.example"                    # port, security = "starttls" | "tls" | "none", username, password_file, sender, ca_file
    [notices.webhook]
    url = "https://sms.example/send"         # secret_file, networks = ["10.1.2.0/24"], ca_file
    [notices.command]
    argv = ["/usr/local/bin/notify"]         # gets the message as JSON on standard input

A message is a number and a link. What the notice is about is read on the platform, behind the log-in.

Certificates are checked against the host's name, by `ca_file` alone where it is set, else by the machine's authorities. A server
that offers no TLS where TLS is asked for gets nothing, and a password never travels in the clear.

The webhook goes nowhere but to its configured host: the name is resolved once, every address must lie in `networks`, the very
address that was checked is connected to, and a redirect is an error. Link-local addresses are never connected to, whatever
`networks` says. The receiver checks `X-Anzhang-Signature: t=<seconds>,v1=<hex>`, HMAC-SHA256 over `<seconds>.<body>`.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import ipaddress
import json
import smtplib
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.utils.translation import gettext as _

from anzhang.home import HomeError

TIMEOUT_S = 20
NETWORKS = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")  # of a webhook without `networks`: the intranet, never this machine


class ChannelError(Exception):
    """A message was not taken; the text says why, in English, for the operator."""


@dataclass(frozen=True)
class Message:
    """What leaves the platform: the notice's number and link, and where to."""

    id: int
    link: str
    address: str
    created_at: datetime

    @property
    def subject(self) -> str:
        """Return the one line that says that there is something to read."""
        return _("安章：您有一条新通知")

    @property
    def text(self) -> str:
        """Return the message."""
        return _("请登录后查看：%(link)s") % {"link": self.link}

    def as_json(self) -> bytes:
        """Return the message as webhook and command get it."""
        body = {"id": self.id, "subject": self.subject, "text": self.text, "link": self.link, "to": self.address}
        return json.dumps({**body, "created_at": self.created_at.isoformat()}, ensure_ascii=False, sort_keys=True).encode()


Send = Callable[[Mapping[str, Any], Message, datetime], None]


def configured() -> dict[str, Mapping[str, Any]]:
    """Return the settings of every configured channel by its name, in the order in which they are tried."""
    table = settings.HOME.settings.get("notices", {})
    return {name: table[name] for name in SENDERS if isinstance(table.get(name), dict)}


def base_address() -> str:
    """Return what links begin with."""
    return str(settings.HOME.get("notices", "address", "http://127.0.0.1:8000")).rstrip("/")


def send(name: str, message: Message, at: datetime) -> None:
    """Send through a channel. Raises ChannelError."""
    options = configured().get(name)
    if options is None:
        raise ChannelError(f"channel {name} is not configured any more")
    try:
        SENDERS[name](options, message, at)
    except (OSError, smtplib.SMTPException, http.client.HTTPException, HomeError, KeyError, ValueError) as error:
        raise ChannelError(f"{type(error).__name__}: {error}"[:300]) from error


def smtp(options: Mapping[str, Any], message: Message, _at: datetime) -> None:
    """Hand the message to the bureau's mail server."""
    if not message.address:
        raise ChannelError("the person has no e-mail address in the register")
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = str(options["sender"]), message.address, message.subject
    mail["Message-ID"] = f"<notice-{message.id}@anzhang>"
    mail["Date"] = message.created_at
    mail.set_content(message.text + "\n", cte="base64")
    security = str(options.get("security", "starttls"))
    if security not in {"starttls", "tls", "none"}:
        raise ChannelError(f"smtp.security is {security!r}; starttls, tls or none")
    if security == "none" and options.get("username"):
        raise ChannelError("smtp.security is none: the password would travel in the clear; set starttls or tls")
    context = _trust(options)
    host, port = str(options["host"]), int(options.get("port", {"starttls": 587, "tls": 465, "none": 25}[security]))
    server = (
        smtplib.SMTP_SSL(host, port, timeout=TIMEOUT_S, context=context)
        if security == "tls"
        else smtplib.SMTP(host, port, timeout=TIMEOUT_S)
    )
    with server, _in_time(lambda: server.sock):
        if security == "starttls":
            server.starttls(context=context)
        if options.get("username"):
            server.login(str(options["username"]), _secret(options["password_file"]))
        server.send_message(mail)


def webhook(options: Mapping[str, Any], message: Message, at: datetime) -> None:
    """Post the signed message to the configured address, and to no other."""
    url = urlsplit(str(options["url"]))
    if url.scheme not in {"http", "https"} or not url.hostname or url.username or url.password:
        raise ChannelError("webhook.url must be http(s)://host[:port]/path without user name")
    port = url.port or (443 if url.scheme == "https" else 80)
    address = checked_address(url.hostname, port, options.get("networks", NETWORKS))
    connection: http.client.HTTPConnection = (
        _PinnedTLS(url.hostname, port, address, _trust(options)) if url.scheme == "https" else _Pinned(url.hostname, port, address)
    )
    body, seconds = message.as_json(), int(at.timestamp())
    key = _secret(options["secret_file"]).encode()
    mark = hmac.new(key, f"{seconds}.".encode() + body, hashlib.sha256).hexdigest()
    headers = {
        "Content-Type": "application/json", "Idempotency-Key": f"notice-{message.id}", "X-Anzhang-Signature": f"t={seconds},v1={mark}",
    }  # fmt: skip
    try:
        with _in_time(lambda: connection.sock):
            connection.request("POST", (url.path or "/") + (f"?{url.query}" if url.query else ""), body, headers)
            answer = connection.getresponse()
    finally:
        connection.close()
    if not 200 <= answer.status < 300:  # a redirect is not followed
        raise ChannelError(f"the webhook answered {answer.status}")


def checked_address(host: str, port: int, networks: Any) -> str:
    """Return an address of a host. Raises ChannelError unless every address of it lies in the networks that the operator named."""
    allowed = [ipaddress.ip_network(str(each)) for each in networks]
    found = {str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
    for address in found:
        ip = ipaddress.ip_address(address)
        ip = getattr(ip, "ipv4_mapped", None) or ip  # ::ffff:127.0.0.1 is this machine, whatever IPv6 networks are named
        strange = ip.is_multicast or ip.is_unspecified or ip.is_link_local
        if strange or not any(ip.version == net.version and ip in net for net in allowed):
            raise ChannelError(f"{host} resolves to {address}, which is not in webhook.networks")
    return min(found)


class _Pinned(http.client.HTTPConnection):
    """Connects to the address that was checked, whatever the name resolves to by then."""

    def __init__(self, host: str, port: int, address: str) -> None:
        super().__init__(host, port, timeout=TIMEOUT_S)
        self.address = address

    def connect(self) -> None:
        self.sock = socket.create_connection((self.address, self.port), TIMEOUT_S)


class _PinnedTLS(_Pinned):
    """The same with TLS; the certificate is the host's."""

    def __init__(self, host: str, port: int, address: str, context: ssl.SSLContext) -> None:
        super().__init__(host, port, address)
        self.context = context

    def connect(self) -> None:
        super().connect()
        self.sock = tls = self.context.wrap_socket(self.sock, server_hostname=self.host, do_handshake_on_connect=False)
        tls.do_handshake()  # on the socket that `_in_time` sees


def _trust(options: Mapping[str, Any]) -> ssl.SSLContext:
    """Return how certificates are checked: against the name, and by the named authority alone where there is one."""
    ca_file = options.get("ca_file")
    context = ssl.create_default_context(cafile=str(_placed(ca_file)) if ca_file else None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


@contextmanager
def _in_time(sock: Callable[[], socket.socket | None]) -> Iterator[None]:
    """Cut a conversation that takes too long: a server that drips one byte at a time never runs into a socket's own timeout."""
    late = threading.Event()

    def cut() -> None:
        late.set()
        found = sock()
        if found is not None:
            with suppress(OSError):
                found.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(TIMEOUT_S, cut)
    timer.daemon = True
    timer.start()
    cause: Exception | None = None
    try:
        yield
    except (OSError, smtplib.SMTPException, http.client.HTTPException) as error:
        if not late.is_set():
            raise
        cause = error
    finally:
        timer.cancel()
    if late.is_set():  # half an answer may look whole to whoever reads it
        raise ChannelError(f"the server took more than {TIMEOUT_S} s") from cause


def command(options: Mapping[str, Any], message: Message, _at: datetime) -> None:
    """Run the operator's program with the message on its standard input; no shell, nothing of the message in its arguments."""
    argv = [str(part) for part in options["argv"]]
    try:
        done = subprocess.run(
            argv, input=message.as_json(), capture_output=True, timeout=TIMEOUT_S, check=False, env={"PATH": "/usr/bin:/bin"}
        )
    except subprocess.TimeoutExpired as error:
        raise ChannelError(f"{argv[0]} took more than {TIMEOUT_S} s") from error
    if done.returncode:
        raise ChannelError(f"{argv[0]} ended with {done.returncode}: {done.stderr.decode(errors='replace').strip()[:200]}")


def _placed(file: Any) -> Path:
    path = Path(str(file))
    return path if path.is_absolute() else Path(settings.HOME.path / path)


def _secret(file: Any) -> str:
    return _placed(file).read_text(encoding="utf-8").strip()


SENDERS: Mapping[str, Send] = {"smtp": smtp, "webhook": webhook, "command": command}
