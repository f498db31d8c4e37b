"""Ask a directory server who somebody is and whether the password is theirs. No Django, one deadline for everything.

`sansldap` turns messages into bytes and back; the socket and TLS are Python's own, so every wait ends at the deadline and the
certificate is checked against host name or address. A look-up is: connect, TLS, bind as the service account, search one entry,
bind as that entry. Nothing here follows a referral, dereferences an alias, or puts typed text into a filter unescaped.

Source: RFC 4511, RFC 4513 (5.1.2: a bind with a name and no password proves nothing), RFC 4515.
"""

from __future__ import annotations

import re
import socket
import ssl
import threading
import time
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from types import TracebackType
from typing import Self

import sansldap
from sansldap import LDAPResultCode as Code

from anzhang.directory.outside import Ldap, Server

AT_ONCE = 2  # look-ups in one process; a web worker has three threads, so a directory that hangs leaves one for the pages
WAIT_SECONDS = 1.0
MOST_BYTES = 1 << 20
MOST_NAME = 64
_slots = threading.BoundedSemaphore(AT_ONCE)


class LdapError(Exception):
    """The directory could not be asked or did not answer as it must; the text is for the operator, in English."""


class Answer(StrEnum):
    """What a bind with somebody's password came to."""

    RIGHT = "right"
    WRONG = "wrong"
    EXPIRED = "expired"
    DISABLED = "disabled"
    LOCKED = "locked"


# Active Directory says in the diagnostic text why it refuses: "... AcceptSecurityContext error, data 532, v4563".
AD_REASONS = {"532": Answer.EXPIRED, "773": Answer.EXPIRED, "533": Answer.DISABLED, "701": Answer.DISABLED, "775": Answer.LOCKED}


@dataclass(frozen=True)
class Entry:
    """Somebody in the directory: the distinguished name and the values of the attribute that holds the code."""

    dn: str
    codes: tuple[str, ...]


def is_plausible(name: str) -> bool:
    """Whether a typed text may be asked for: short, and without characters that a directory ignores when it compares.

    Ignored characters would give one entry endlessly many spellings, each with failures of its own to count.
    """
    return (
        len(name) <= MOST_NAME
        and name == " ".join(name.split()) != ""
        and not any(unicodedata.category(c)[0] in "CZ" and c != " " for c in name)
    )


def escape(text: str) -> str:
    """Return a text as an assertion value of a filter; every byte is written in hexadecimal, so none has a meaning."""
    return "".join(f"\\{byte:02x}" for byte in text.encode())


def pattern(settings: Ldap, name: str) -> sansldap.LDAPFilter:
    """Return the filter for a name. Raises LdapError when the operator's pattern is none."""
    try:
        return sansldap.LDAPFilter.from_string(settings.filter.replace("{name}", escape(name)))
    except ValueError as error:
        raise LdapError(f"ldap.filter {settings.filter!r}: {error}") from error


@contextmanager
def connected(settings: Ldap) -> Iterator[Connection]:
    """Connect to the first server that takes the service account, for one look-up.

    Raises LdapError when none does before the deadline, or when other look-ups still wait.
    """
    if not _slots.acquire(timeout=WAIT_SECONDS):
        raise LdapError(f"{AT_ONCE} look-ups are waiting for the directory already")
    try:
        connection = _first(settings)
        with connection:
            yield connection
    finally:
        _slots.release()


def _first(settings: Ldap) -> Connection:
    deadline = time.monotonic() + settings.timeout_seconds
    faults = []
    for done, server in enumerate(settings.servers):
        # A server that hangs takes its share of the time only.
        share = (deadline - time.monotonic()) / (len(settings.servers) - done)
        connection = Connection(settings, server, time.monotonic() + share)
        try:
            connection.open()
            connection.bind_service()
        except LdapError as error:
            connection.close()
            faults.append(str(error))
        else:
            connection.deadline = deadline
            return connection
    raise LdapError("; ".join(faults))


class Connection:
    """One connection to one server until a deadline (`time.monotonic`). Methods raise LdapError."""

    def __init__(self, settings: Ldap, server: Server, deadline: float) -> None:
        """Keep where to connect to; `open` connects."""
        self.settings = settings
        self.server = server
        self.deadline = deadline
        self._socket: socket.socket | None = None
        self._session = sansldap.LDAPClient()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def open(self) -> None:
        """Connect, and secure the connection as the settings say."""
        with self._explained("cannot connect"):
            self._socket = self._connect()
        if self.server.tls:
            self._secure()
        elif self.settings.start_tls:
            answer = self._ask(self._session.extended_request(sansldap.ExtendedOperations.LDAP_START_TLS.value))[-1]
            self._require(answer, "StartTLS")
            self._session = sansldap.LDAPClient()  # what came before the encryption is forgotten
            self._secure()

    def bind_service(self) -> None:
        """Bind as the service account; without one stay anonymous."""
        if self.settings.bind_dn:
            self._require(self._bind(self.settings.bind_dn, self.settings.bind_password), f"bind as {self.settings.bind_dn}")

    def find(self, name: str) -> Entry | None:
        """Return the entry of a log-in name, None when there is none. Raises LdapError when more than one goes by that name."""
        entries = self._search(self.settings.base, pattern(self.settings, name), self.settings.code)
        if len(entries) > 1:
            raise LdapError(f"{self.server}: more than one entry matches ldap.filter: {entries[0].dn}, {entries[1].dn}")
        return entries[0] if entries else None

    def has_base(self) -> bool:
        """Whether the service account sees the entry under which people are searched."""
        found = self._search(self.settings.base, sansldap.FilterPresent("objectClass"), "1.1", sansldap.SearchScope.BASE)
        return bool(found)

    def verify(self, entry: Entry, password: str) -> Answer:
        """Bind as somebody. An empty password is wrong without asking: servers take it for an anonymous bind."""
        if not password or not entry.dn:
            return Answer.WRONG
        answer = self._bind(entry.dn, password)
        result = answer.result
        if result.result_code == Code.SUCCESS:
            return Answer.RIGHT
        if result.result_code in {Code.INVALID_CREDENTIALS, Code.INAPPROPRIATE_AUTHENTICATION}:
            said = re.search(r"\bdata (\w+)", result.diagnostics_message)
            return AD_REASONS.get(said[1], Answer.WRONG) if said else Answer.WRONG
        if result.result_code in {Code.UNWILLING_TO_PERFORM, Code.CONSTRAINT_VIOLATION}:  # 389-ds: inactive, and locked
            return Answer.DISABLED if result.result_code == Code.UNWILLING_TO_PERFORM else Answer.LOCKED
        raise LdapError(f"{self.server}: bind of a person: {_worded(result)}")

    @property
    def certificate_until(self) -> datetime | None:
        """Return until when the server's certificate is valid; None without TLS."""
        if not isinstance(self._socket, ssl.SSLSocket):
            return None
        certificate = self._socket.getpeercert() or {}
        return datetime.fromtimestamp(ssl.cert_time_to_seconds(str(certificate["notAfter"])), UTC)

    def close(self) -> None:
        """Take leave without waiting for an answer."""
        if self._socket is None:
            return
        try:
            self._session.unbind()
            self._socket.settimeout(0.1)
            self._socket.sendall(self._session.data_to_send())
        except (OSError, sansldap.LDAPError):
            pass  # the other end is gone already
        finally:
            self._socket.close()
            self._socket = None

    def _connect(self) -> socket.socket:
        fault: OSError = OSError(f"{self.server.host} has no address")
        for family, kind, protocol, _name, address in socket.getaddrinfo(self.server.host, self.server.port, type=socket.SOCK_STREAM):
            made = socket.socket(family, kind, protocol)
            try:
                made.settimeout(self._left())
                made.connect(address)
            except OSError as error:
                made.close()
                fault = error
            else:
                return made
        raise fault

    def _secure(self) -> None:
        with self._explained("TLS"):
            context = ssl.create_default_context(cafile=self.settings.ca)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            plain = self._plain()
            plain.settimeout(self._left())
            self._socket = context.wrap_socket(plain, server_hostname=self.server.host)

    def _bind(self, dn: str, password: str) -> sansldap.BindResponse:
        answer = self._ask(self._session.bind_simple(dn, password))[-1]
        if not isinstance(answer, sansldap.BindResponse):
            raise LdapError(f"{self.server}: answers a bind with {type(answer).__name__}")
        return answer

    def _search(
        self, base: str, wanted: sansldap.LDAPFilter, attribute: str, scope: sansldap.SearchScope = sansldap.SearchScope.SUBTREE
    ) -> list[Entry]:
        answers = self._ask(
            self._session.search_request(
                base, scope, size_limit=2, time_limit=self.settings.timeout_seconds, filter=wanted, attributes=[attribute]
            )
        )
        done = answers[-1]
        if not isinstance(done, sansldap.SearchResultDone) or done.result.result_code != Code.SIZE_LIMIT_EXCEEDED:
            self._require(done, f"search under {base}")
        return [_entry(each, attribute) for each in answers if isinstance(each, sansldap.SearchResultEntry)]

    def _ask(self, number: int) -> list[sansldap.LDAPMessage]:
        """Send what the session has ready; return the answers to the request, the closing one last. References are dropped."""
        answers: list[sansldap.LDAPMessage] = []
        received = 0
        with self._explained("no answer"):
            plain = self._plain()
            plain.settimeout(self._left())
            plain.sendall(self._session.data_to_send())
            while not answers or isinstance(answers[-1], sansldap.SearchResultEntry):
                plain.settimeout(self._left())
                data = plain.recv(1 << 16)
                received += len(data)
                if not data or received > MOST_BYTES:
                    raise LdapError(f"{self.server}: {'closed the connection' if not data else f'sent more than {MOST_BYTES} bytes'}")
                messages = [each for each in self._session.receive(data) if each.message_id == number]
                answers += [each for each in messages if not isinstance(each, sansldap.SearchResultReference)]
        return answers

    def _require(self, answer: sansldap.LDAPMessage, what: str) -> None:
        result = getattr(answer, "result", None)
        if not isinstance(result, sansldap.LDAPResult) or result.result_code != Code.SUCCESS:
            raise LdapError(f"{self.server}: {what}: {_worded(result) if result else 'no result'}")

    def _plain(self) -> socket.socket:
        if self._socket is None:
            raise LdapError(f"{self.server}: not connected")
        return self._socket

    def _left(self) -> float:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError(f"no answer within {self.settings.timeout_seconds} s")
        return left

    @contextmanager
    def _explained(self, what: str) -> Iterator[None]:
        """Turn every way in which a connection fails into one LdapError that says what was tried."""
        try:
            yield
        except ssl.SSLCertVerificationError as error:
            raise LdapError(f"{self.server}: certificate not accepted: {error.verify_message}") from error
        except (OSError, ValueError, sansldap.LDAPError) as error:
            raise LdapError(f"{self.server}: {what}: {error or type(error).__name__}") from error


def _entry(found: sansldap.SearchResultEntry, attribute: str) -> Entry:
    values = [value for each in found.attributes if each.name.casefold() == attribute.casefold() for value in each.values]
    codes = {value.decode(errors="replace").strip() for value in values}
    return Entry(found.object_name, tuple(sorted(codes - {""})))


def _worded(result: sansldap.LDAPResult) -> str:
    text = result.diagnostics_message.strip().replace("\x00", "")[:200]
    return f"{result.result_code.name}{f' ({text})' if text else ''}"
