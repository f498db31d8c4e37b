"""The ways a notice leaves the platform: SMTP, a signed webhook, a command. Only the operator configures them, in `anzhang.toml`.

    [notices]
    address = "https://anzhang.example"      # how readers reach the platform; the link of every message begins with it

    [notices.smtp]
    host = "mail.example"                    # port, security = "starttls" | "tls" | "none", username, password_file, sender
    [notices.webhook]
    url = "https://sms.example/send"         # secret_file, networks = ["10.1.2.0/24"]
    [notices.command]
    argv = ["/usr/local/bin/notify"]         # gets the message as JSON on standard input

A message is a number and a link. What the notice is about is read on the platform, behind the log-in.

The webhook goes nowhere but to its configured host: the name is resolved once, every address must lie in `networks`, the very
address that was checked is connected to, and a redirect is an error. The receiver checks
`X-Anzhang-Signature: t=<seconds>,v1=<hex>`, HMAC-SHA256 over `<seconds>.<body>`.
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
from collections.abc import Callable, Mapping
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
    context = ssl.create_default_context(cafile=options.get("ca_file"))
    host, port = str(options["host"]), int(options.get("port", {"starttls": 587, "tls": 465, "none": 25}[security]))
    server = (
        smtplib.SMTP_SSL(host, port, timeout=TIMEOUT_S, context=context)
        if security == "tls"
        else smtplib.SMTP(host, port, timeout=TIMEOUT_S)
    )
    with server:
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
        _PinnedTLS(url.hostname, port, address, options.get("ca_file")) if url.scheme == "https" else _Pinned(url.hostname, port, address)
    )
    body, seconds = message.as_json(), int(at.timestamp())
    key = _secret(options["secret_file"]).encode()
    mark = hmac.new(key, f"{seconds}.".encode() + body, hashlib.sha256).hexdigest()
    headers = {
        "Content-Type": "application/json", "Idempotency-Key": f"notice-{message.id}", "X-Anzhang-Signature": f"t={seconds},v1={mark}",
    }  # fmt: skip
    try:
        connection.request("POST", (url.path or "/") + (f"?{url.query}" if url.query else ""), body, headers)
        answer = connection.getresponse()
        answer.read(4096)
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
        if ip.is_multicast or ip.is_unspecified or not any(ip.version == net.version and ip in net for net in allowed):
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

    def __init__(self, host: str, port: int, address: str, ca_file: str | None) -> None:
        super().__init__(host, port, address)
        self.context = ssl.create_default_context(cafile=ca_file)

    def connect(self) -> None:
        super().connect()
        self.sock = self.context.wrap_socket(self.sock, server_hostname=self.host)


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


def _secret(file: Any) -> str:
    path = Path(str(file))
    return (path if path.is_absolute() else settings.HOME.path / path).read_text(encoding="utf-8").strip()


SENDERS: Mapping[str, Send] = {"smtp": smtp, "webhook": webhook, "command": command}
