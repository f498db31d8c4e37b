"""A real OpenLDAP server for the tests: its own folder, its own authority, random ports of 127.0.0.1, stopped by pid."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import ipaddress
import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from anzhang.home import Home
from anzhang.operate.initialize import write_private
from tests import programs

BASE = "dc=bureau,dc=test"
PEOPLE = f"ou=people,{BASE}"
SERVICE = f"cn=anzhang,{BASE}"
SERVICE_PASSWORD = "service secret"

CONFIG = """\
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile {folder}/slapd.pid
TLSCACertificateFile {folder}/ca.pem
TLSCertificateFile {folder}/server.pem
TLSCertificateKeyFile {folder}/server.key
sizelimit 100
referral ldap://elsewhere.test/
database mdb
suffix "{base}"
directory {folder}/data
rootdn "cn=root,{base}"
index uid eq
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact="{service}" read by * none
"""


@dataclass(frozen=True)
class Slapd:
    """A running server: one port for ldap:// (with StartTLS), one for ldaps://."""

    folder: Path
    plain: int
    tls: int

    @property
    def ca(self) -> Path:
        """Return the certificate of the authority."""
        return self.folder / "ca.pem"


def hashed(password: str) -> str:
    """Return a password as OpenLDAP stores it."""
    salt = os.urandom(8)
    return "{SSHA}" + base64.b64encode(hashlib.sha1(password.encode() + salt).digest() + salt).decode()


def person(uid: str, password: str, *codes: str, cn: str = "") -> str:
    """Return one person as LDIF, a blank line after it: the first code is the employeeNumber, all are departmentNumbers.

    With `cn` that is what the distinguished name begins with.
    """
    rdn = f"cn={cn}" if cn else "uid=" + uid.replace("\\", "\\\\")
    lines = [_line("dn", f"{rdn},{PEOPLE}"), "objectClass: inetOrgPerson", f"uid: {uid}", _line("cn", cn or uid), f"sn: {uid}"]
    lines += [f"employeeNumber: {each}" for each in codes[:1]] + [f"departmentNumber: {each}" for each in codes]
    lines += [f"userPassword: {hashed(password)}"] if password else []
    return "\n".join(lines) + "\n\n"


def _line(name: str, value: str) -> str:
    return f"{name}: {value}" if value.isascii() else f"{name}:: {base64.b64encode(value.encode()).decode()}"


def authority(folder: Path, name: str = "anzhang tests") -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """Make an authority of one's own; its certificate is `ca.pem`."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(_usage(signs=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "ca.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return certificate, key


def certify(
    folder: Path, ca: tuple[x509.Certificate, ec.EllipticCurvePrivateKey], name: str = "server", host: str = "localhost", days: int = 30
) -> None:
    """Make `<name>.pem` and `<name>.key` for a host name and 127.0.0.1, valid for so many days from yesterday."""
    issuer, issuer_key = ca
    key = ec.generate_private_key(ec.SECP256R1())
    now = dt.datetime.now(dt.UTC)
    names: list[x509.GeneralName] = [x509.DNSName(host)]
    if host == "localhost":
        names.append(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)]))
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=2))
        .not_valid_after(now + dt.timedelta(days=days) - dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.public_key()), critical=False)
        .add_extension(_usage(signs=False), critical=True)
        .sign(issuer_key, hashes.SHA256())
    )
    (folder / f"{name}.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / f"{name}.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True, content_commitment=False, key_encipherment=False, data_encipherment=False, key_agreement=False,
        key_cert_sign=signs, crl_sign=signs, encipher_only=False, decipher_only=False,
    )  # fmt: skip


@contextmanager
def serving(folder: Path, ldif: str, host: str = "localhost", days: int = 30) -> Iterator[Slapd]:
    """Run a server that holds the people of `ldif` until the block ends."""
    (folder / "data").mkdir(parents=True)
    certify(folder, authority(folder), host=host, days=days)
    (folder / "slapd.conf").write_text(CONFIG.format(folder=folder, base=BASE, service=SERVICE))
    tree = (
        f"dn: {BASE}\nobjectClass: domain\ndc: bureau\n\ndn: {PEOPLE}\nobjectClass: organizationalUnit\nou: people\n\n"
        f"dn: {SERVICE}\nobjectClass: organizationalRole\nobjectClass: simpleSecurityObject\ncn: anzhang\n"
        f"userPassword: {hashed(SERVICE_PASSWORD)}\n\n"
        f"dn: ou=elsewhere,{PEOPLE}\nobjectClass: referral\nobjectClass: extensibleObject\nou: elsewhere\n"
        "ref: ldap://elsewhere.test/ou=people,dc=elsewhere\n\n"
    )
    (folder / "tree.ldif").write_text(tree + ldif, encoding="utf-8")
    config = ("-f", str(folder / "slapd.conf"))
    done = subprocess.run(
        [programs.program("slapadd"), *config, "-l", str(folder / "tree.ldif")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    server = Slapd(folder, programs.free_port(), programs.free_port())
    addresses = f"ldap://127.0.0.1:{server.plain}/ ldaps://127.0.0.1:{server.tls}/"
    with (folder / "slapd.out").open("wb") as out:
        command = (programs.program("slapd"), *config, "-h", addresses, "-d", "0")
        with programs.running(*command, stdout=out, stderr=out):
            programs.wait_until(lambda: programs.answers(server.tls), what="slapd")
            yield server


def home(folder: Path, server: Slapd, secret: str = SERVICE_PASSWORD, **changes: object) -> Home:
    """Return a data directory that is configured for the server, with changes to the `[ldap]` table (`people` is a table below it).

    What else stands in the settings file stays.
    """
    folder.mkdir(exist_ok=True)
    file = folder / "anzhang.toml"
    before = file.read_text(encoding="utf-8").partition("[ldap]")[0] if file.is_file() else ""
    (folder / "ldap-password").unlink(missing_ok=True)
    write_private(folder / "ldap-password", secret.encode())
    people = changes.pop("people", {})
    table: dict[str, object] = {
        "urls": [f"ldaps://localhost:{server.tls}"], "ca": str(server.ca), "bind_dn": SERVICE, "bind_password_file": "ldap-password",
        "base": PEOPLE, **changes,
    }  # fmt: skip
    # A JSON text, number, list or truth is spelled the same in TOML.
    lines = ["[ldap]", *(f"{key} = {json.dumps(value)}" for key, value in table.items()), "[ldap.people]"]
    lines += [f"{json.dumps(name)} = {json.dumps(code)}" for name, code in people.items()]  # type: ignore[attr-defined]
    file.write_text(before + "\n".join(lines) + "\n", encoding="utf-8")
    return Home(folder)
