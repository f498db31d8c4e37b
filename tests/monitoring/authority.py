"""Certificates for the TLS ports: one authority of the operator's, and one of nobody's."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, as files; `fingerprint` is what the register holds."""

    certificate: Path
    key: Path
    fingerprint: str


class Authority:
    """Signs certificates into a folder."""

    def __init__(self, folder: Path, name: str) -> None:
        """Make the authority's own key and certificate."""
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.key, self.name = ec.generate_private_key(ec.SECP256R1()), _name(name)
        builder = _builder(self.name, self.name, self.key, 3650).add_extension(
            x509.BasicConstraints(ca=True, path_length=None), critical=True
        )
        self.certificate = builder.sign(self.key, hashes.SHA256())
        self.file = folder / f"{name}.pem"
        self.file.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))

    def issue(self, name: str, *, days: int = 30) -> Pair:
        """Return a certificate for a DNS name and 127.0.0.1 that ends after so many days; negative: it has ended."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(_name(name), self.name, key, days).add_extension(
            x509.SubjectAlternativeName([x509.DNSName(name), x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        signed = builder.sign(self.key, hashes.SHA256())
        made = Pair(self.folder / f"{name}.crt", self.folder / f"{name}.key", signed.fingerprint(hashes.SHA256()).hex())
        made.certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
        made.key.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
        return made


def _name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, days: int) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(int(hashlib.sha256(subject.rfc4514_string().encode()).hexdigest()[:16], 16) + 1)
        .not_valid_before(now - timedelta(days=60))
        .not_valid_after(now + timedelta(days=days))
    )
