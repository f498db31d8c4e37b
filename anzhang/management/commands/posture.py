"""`anzhang posture`: make a signing key, sign a report, take a signed one in."""

import base64
import sys
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from anzhang import clock
from anzhang.engines import posture
from anzhang.management import BadInputError, Verb
from anzhang.operate.initialize import write_private


class Command(Verb):
    """One sub-verb each: key, sign, receive. The first two need no database."""

    help = "make a signing key for posture reports, sign a report (ours, Lynis, OpenSCAP), take a signed one in"

    def arguments(self, parser: ArgumentParser) -> None:
        """Declare the sub-verbs."""
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="key|sign|receive")
        key = verbs.add_parser("key", help="write a new private key (0600) and print the public one, as the register takes it")
        key.add_argument("file", type=Path, metavar="FILE")
        sign = verbs.add_parser("sign", help="print the signed envelope of a report; send it to POST /api/posture")
        sign.add_argument("file", type=Path, metavar="FILE", help="our JSON, a Lynis report.dat, or XCCDF or ARF results")
        sign.add_argument("--key", type=Path, required=True, metavar="FILE")
        sign.add_argument("--subject", required=True, metavar="CODE", help="code of the endpoint or device")
        sign.add_argument("--form", choices=sorted(posture.READERS), default="anzhang")
        sign.add_argument("--signer", help="collector:NAME as in [posture.keys]; default the endpoint itself")
        sign.add_argument("--sequence", type=int, help="above the last one; default milliseconds since 1970")
        receive = verbs.add_parser("receive", help="take signed envelopes in, as the API does")
        receive.add_argument("files", type=Path, nargs="+", metavar="FILE", help="- for standard input")

    def run(self, **options: Any) -> None:
        """Do the sub-verb."""
        getattr(self, f"_{options['verb']}")(options)

    def _key(self, options: dict[str, Any]) -> None:
        key = Ed25519PrivateKey.generate()
        try:
            write_private(options["file"], key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        except OSError as error:
            raise BadInputError(f"{options['file']}: {error.strerror}") from error
        self.stdout.write(base64.b64encode(key.public_key().public_bytes_raw()).decode())

    def _sign(self, options: dict[str, Any]) -> None:
        try:
            key = load_pem_private_key(options["key"].read_bytes(), None)
            text = options["file"].read_text(encoding="utf-8")
        except OSError as error:
            raise BadInputError(f"{error.filename}: {error.strerror}") from error
        except (ValueError, TypeError) as error:
            raise BadInputError(f"{options['key']} or {options['file']}: {error}") from error
        if not isinstance(key, Ed25519PrivateKey):
            raise BadInputError(f"{options['key']}: is no Ed25519 key; make one with `anzhang posture key`")
        try:
            content = orjson.loads(text) if options["form"] == "anzhang" else text
        except orjson.JSONDecodeError as error:
            raise BadInputError(f"{options['file']}: {error}") from error
        head = {
            "version": 1,
            "subject": options["subject"],
            "signer": options["signer"] or f"endpoint:{options['subject']}",
            "sequence": options["sequence"] or time.time_ns() // 1_000_000,
            "collected_at": clock.now().isoformat(),
            "form": options["form"],
            "content": content,
        }
        document = orjson.dumps(head).decode()
        envelope = orjson.dumps({"document": document, "signature": posture.sign(document, key)})
        try:
            posture.read(posture.open_envelope(envelope))
        except posture.PostureError as error:
            raise BadInputError(f"{options['file']}: {error}") from error
        self.stdout.write(envelope.decode())

    def _receive(self, options: dict[str, Any]) -> None:
        from anzhang.casework import wording
        from anzhang.endpoints import procedures

        for file in options["files"]:
            try:
                body = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
            except OSError as error:
                raise BadInputError(f"{file}: {error.strerror}") from error
            report = procedures.receive_posture(procedures.open_report(body), clock.now())
            why = "；".join(wording.text(reason) for reason in report.reasons)
            self.stdout.write(f"{file}: {report} {report.get_state_display()} {why}".rstrip())
