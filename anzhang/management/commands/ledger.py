"""`anzhang ledger head|prove|verify|export|confirm|verifier`: the tamper-evident ledger."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings

from anzhang import clock
from anzhang.directory.tickets import cli_actor
from anzhang.engines.crypto import SHA256, SUITES, Suite
from anzhang.engines.ledger.note import NoteError
from anzhang.journal import export, heads, keys, procedures, queries
from anzhang.journal.verify import verify
from anzhang.management import BadInputError, FailedError, Verb

BY_NAME = {suite.name: suite for suite in SUITES}


class Command(Verb):
    """Sign, prove, verify and hand out the ledger."""

    help = "the tamper-evident ledger: head, prove, verify, export, confirm, verifier"

    def arguments(self, parser: ArgumentParser) -> None:
        """Take the sub-verb and its arguments."""
        verbs = parser.add_subparsers(dest="verb", required=True)
        _verb(verbs, "head", "print the newest signed heads of both trees: keep them outside this machine", json_too=True)
        prove = _verb(verbs, "prove", "print a proof that an entry is in the ledger", json_too=True)
        prove.add_argument("index", type=int, nargs="?", help="the entry's number")
        prove.add_argument("--suite", choices=list(BY_NAME), default=SHA256.name)
        prove.add_argument("--consistency", type=int, metavar="SIZE", help="instead: prove that the first SIZE entries are unchanged")
        prove.add_argument("--out", type=Path, metavar="FILE", help="write it to FILE (.tlog-proof)")
        check = _verb(verbs, "verify", "verify rows, payloads, entries, trees and heads; exit 1 and name what differs", json_too=True)
        check.add_argument("--since", type=Path, metavar="FILE", help="a head kept elsewhere: finds a tail cut and signed anew")
        out = _verb(verbs, "export", "write tiles, entries and heads into a new folder")
        out.add_argument("folder", type=Path)
        out.add_argument("--payloads", action="store_true", help="with the payloads, which may hold personal data")
        confirm = _verb(verbs, "confirm", "note that a head kept elsewhere still agrees")
        confirm.add_argument("file", type=Path)
        _verb(verbs, "verifier", "print the standalone verifier (Python standard library only)")
        _verb(verbs, "key", "print the public keys: give them to the auditor once")

    def run(self, **options: Any) -> None:
        """Do the sub-verb."""
        if options["verb"] == "verifier":
            self.stdout.write(export.source(), ending="")
            return
        if not settings.HOME.exists:
            raise BadInputError(f"{settings.HOME.path} holds no installation; run anzhang init")
        try:
            getattr(self, f"_{options['verb']}")(**options)
        except (queries.NotProvableError, heads.InconsistentError, keys.KeyMissingError) as error:
            raise FailedError(f"ledger: {error}") from error
        except export.ExportError as error:
            raise BadInputError(str(error)) from error

    def _head(self, **options: Any) -> None:
        heads.sign_heads(clock.now())
        newest = [head for suite in SUITES if (head := heads.latest(suite)) is not None]
        if not newest:
            raise FailedError("ledger: it is empty, nothing is signed")
        if options["as_json"]:
            self.print_json([{"suite": h.suite, "size": h.size, "root": h.root, "signed_at": h.signed_at, "note": h.note} for h in newest])
            return
        self.stdout.write("\n".join(head.note for head in newest), ending="")

    def _prove(self, **options: Any) -> None:
        suite: Suite = BY_NAME[options["suite"]]
        if (options["index"] is None) == (options["consistency"] is None):
            raise BadInputError("ledger prove: give the number of an entry, or --consistency SIZE")
        heads.sign_heads(clock.now())
        if options["consistency"] is not None:
            old = options["consistency"]
            head, parts = queries.consistency(old, suite)
            said = {"old": old, "size": head.size, "path": [part.hex() for part in parts], "note": head.note}
            self._give(json.dumps(said, ensure_ascii=False, indent=1) + "\n", options["out"])
            return
        proof = queries.prove(options["index"], suite)
        if options["as_json"]:
            path = [part.hex() for part in proof.path]
            self.print_json({"index": proof.index, "entry": json.loads(proof.entry), "path": path, "note": proof.note})
            return
        self._give(proof.text(), options["out"])

    def _give(self, text: str, out: Path | None) -> None:
        if out is None:
            self.stdout.write(text, ending="")
        else:
            out.write_text(text, encoding="utf-8")

    def _verify(self, **options: Any) -> None:
        try:
            report = verify(_text(options["since"]) if options["since"] else None)
        except NoteError as error:
            raise FailedError(f"ledger: {options['since']}: {error}") from error
        if options["as_json"]:
            self.print_json(report.plain())
        else:
            for fault in report.faults:
                self.stdout.write(str(fault))
            unsigned = f", {report.unsigned} not signed yet" if report.unsigned else ""
            waiting = f", {report.waiting} waiting for their index" if report.waiting else ""
            entries = f"{report.entries} entries{unsigned}{waiting}"
            self.stdout.write(f"{entries}, {report.heads} heads, {report.rows} rows, {report.seconds:.1f} s")
        if report.faults:
            raise FailedError(f"ledger: {len(report.faults)} faults, first: {report.faults[0]}")

    def _export(self, **options: Any) -> None:
        heads.sign_heads(clock.now())
        size = export.export(options["folder"], payloads=options["payloads"])
        self.stdout.write(f"{size} entries in {options['folder']}; python3 {options['folder']}/verify.py {options['folder']}")

    def _confirm(self, **options: Any) -> None:
        kept = procedures.confirm(cli_actor("ledger"), _text(options["file"]), clock.now())
        self.stdout.write(f"the ledger contains the saved head of size {kept.size}")

    def _key(self, **_options: Any) -> None:
        signer = keys.load(settings.HOME)
        for suite in SUITES:
            self.stdout.write(signer.verifier.named(keys.origin(signer, suite)).text())


def _verb(verbs: Any, name: str, description: str, *, json_too: bool = False) -> ArgumentParser:
    parser: ArgumentParser = verbs.add_parser(name, help=description)
    if json_too:
        parser.add_argument("--json", action="store_true", dest="as_json", help="print JSON")
    return parser


def _text(path: Path) -> str:
    try:
        return sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInputError(f"{path}: {error}") from error
