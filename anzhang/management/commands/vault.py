"""`anzhang vault`: take log files in, search, verify and seal; works on any folder without a database.

Without --vault it is the installation's own vault. What is sealed there from the command line is recorded in the ledger by the
collector when it starts; while the collector runs it alone writes.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import orjson
from django.conf import settings

from anzhang import clock
from anzhang.engines import durable
from anzhang.engines.ledger.note import NoteError, Verifier
from anzhang.engines.ledger.tree import ProofError
from anzhang.engines.masking import mask
from anzhang.engines.vault import (
    BusyError,
    EncodingError,
    LineTooLongError,
    Query,
    QueryError,
    RetentionError,
    SealedSegment,
    SuccessionError,
    Vault,
    VaultBusyError,
    Writer,
    batches,
    offsite,
)
from anzhang.engines.vault.batch import dump_seqs
from anzhang.engines.vault.query import FIELDS
from anzhang.engines.vault.search import describe
from anzhang.engines.vault.succession import mergeable
from anzhang.engines.vault.vault import FLOOR
from anzhang.engines.vault.verify import Sealed
from anzhang.management import BadInputError, FailedError, Verb

SEAL_BYTES = 128 << 20


class Command(Verb):
    """One sub-verb each: ingest, search, export, stats, verify, prove, check, copy, dispose, seal, merge, redacted, rebuild, warm."""

    help = "take log files in, search, verify and seal the log vault"

    def arguments(self, parser: ArgumentParser) -> None:
        """Declare the sub-verbs."""
        names = "ingest|search|export|stats|verify|prove|check|copy|dispose|seal|merge|redacted|rebuild|warm"
        verbs = parser.add_subparsers(dest="verb", required=True, metavar=names)
        ingest = _verb(verbs, "ingest", "store log files and seal them")
        ingest.add_argument("files", nargs="+", type=Path, metavar="FILE")
        ingest.add_argument("--source", required=True, help="code of the log source")
        ingest.add_argument("--timezone", default="Asia/Shanghai", help="zone of time stamps that name none")
        ingest.add_argument("--encoding", default="utf-8", help="utf-8 (other bytes are read as GB18030) or gbk")
        _search_arguments(_verb(verbs, "search", "find lines"))
        export = _verb(verbs, "export", "write a source's lines exactly as they came", reads=False)
        export.add_argument("--source", required=True)
        export.add_argument("--address", help="only this sender address or file path")
        export.add_argument("--out", type=Path, metavar="FILE", help="default: standard output")
        _verb(verbs, "stats", "sizes, sources, forecast")
        verify = _verb(verbs, "verify", "recompute every proof; exit 1 and name what is wrong")
        verify.add_argument("--heads", type=Path, metavar="FILE", help="what the ledger holds: a JSON list of {number, name, root}")
        prove = verbs.add_parser("prove", help="write a file that proves one sealed line to somebody outside; it holds the lines around it")
        prove.add_argument("segment", type=int, metavar="SEGMENT", help="its number, as the line's page shows it")
        prove.add_argument("seq", type=int, metavar="SEQ", help="the line's sequence number")
        prove.add_argument("--out", type=Path, required=True, metavar="FILE", help="a zip; docs/formats/line-proof.md")
        check = verbs.add_parser("check", help="check such a file with the ledger's public keys; needs no installation")
        check.add_argument("file", type=Path, metavar="FILE")
        check.add_argument("--key", type=Path, required=True, metavar="KEYFILE", help="what `anzhang ledger key` printed")
        check.add_argument("--json", action="store_true", dest="as_json", help="print JSON")
        copy = _verb(verbs, "copy", "copy the sealed segments to another disk or a mounted share, and read back what was written")
        copy.add_argument("target", type=Path, metavar="DIR", help="empty at first")
        copy.add_argument("--verify", action="store_true", help="instead: read the whole copy again; exit 1 and name what is wrong")
        dispose = verbs.add_parser("dispose", help="delete segments past their time, the oldest first; what a legal hold keeps stays")
        dispose.add_argument("--keep-days", type=int, default=FLOOR.days, metavar="N", help=f"at least {FLOOR.days}, the default")
        dispose.add_argument("--json", action="store_true", dest="as_json", help="print JSON")
        _verb(verbs, "seal", "seal what waits in the write-ahead log")
        _verb(verbs, "merge", "let one segment stand for the small ones of each day that is over, as the collector does by itself")
        redacted = verbs.add_parser("redacted", help="say which redacted lines of a case a file's lines were; exit 1 when none")
        redacted.add_argument("case", metavar="CASE", help="its number")
        redacted.add_argument("file", type=Path, metavar="FILE", help="lines as they were, without terminators in them")
        redacted.add_argument("--json", action="store_true", dest="as_json", help="print JSON")
        _verb(verbs, "rebuild", "derive the event streams again from the sealed lines")
        verbs.add_parser("warm", help="compile the vault's kernels ahead of use")

    def run(self, **options: Any) -> None:
        """Do the sub-verb."""
        action = getattr(self, f"_{options['verb']}")
        vault = Vault(options.get("vault") or settings.HOME.vault)
        try:
            action(vault, options)
        except VaultBusyError as error:
            raise BadInputError(f"{error}; send the lines to the collector, or stop it first") from error
        except (QueryError, EncodingError, LineTooLongError) as error:
            raise BadInputError(str(error)) from error

    def _ingest(self, vault: Vault, options: dict[str, Any]) -> None:
        try:
            ZoneInfo(options["timezone"])
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise BadInputError(f"--timezone {options['timezone']}: no such zone") from error
        for file in options["files"]:
            if not file.is_file():
                raise BadInputError(f"{file}: no such file")
        sealed = []
        with vault.writer() as writer:
            for file in options["files"]:
                for batch in batches(
                    file, options["source"], clock.now(), timezone=options["timezone"], encoding=options["encoding"]
                ):  # fmt: skip
                    writer.append(batch)
                    if writer.pending_bytes > SEAL_BYTES:
                        sealed += _seal_all(writer)
            sealed += _seal_all(writer)
        if options["as_json"]:
            self.print_json({"segments": [_segment(s) for s in sealed]})
            return
        for segment in sealed:
            self.stdout.write(f"{segment.name}: {segment.rows} lines, {segment.raw_bytes} bytes in {segment.file_bytes}")

    def _search(self, vault: Vault, options: dict[str, Any]) -> None:
        query = Query(
            since=options["since"], until=options["until"], sources=tuple(options["source"]) if options["source"] else None,
            host=options["host"], app=options["app"], fields=dict(options["field"]), term=options["term"] or options["text"] or "",
            phrase=options["phrase"], substring=options["substring"], regex=options["regex"], ignore_case=options["ignore_case"],
            limit=0 if options["count"] else options["limit"], offset=options["offset"], newest_first=not options["oldest_first"],
            group=options["group"], top=options["top"], panel=tuple(options["panel"]), bar=options["bar"], extract=options["extract"],
        )  # fmt: skip
        result = describe(vault.search(query, prune=not options["no_prune"]))
        if not options["raw"]:
            for hit in result["hits"]:
                hit["line"], hit["message"] = mask(hit["line"]), mask(hit["message"])
        self._say_found(result, options)
        if result["unread"]:
            raise FailedError(f"not readable, and missing from the answer: {', '.join(result['unread'])}; see `anzhang vault verify`")

    def _say_found(self, result: dict[str, Any], options: dict[str, Any]) -> None:
        if options["as_json"]:
            self.print_json(result)
        elif options["count"]:
            self.stdout.write(str(result["total"]))
        elif options["group"] or options["extract"]:
            for group in result["groups"] or result["extracted"]:
                self.stdout.write(f"{group['rows']}\t{group['value']}")
        elif options["bar"]:
            for bar in result["bars"]:
                self.stdout.write(f"{bar['rows']}\t{bar['since']}")
        else:
            for hit in result["hits"]:
                self.stdout.write(hit["line"])
            sys.stderr.write(f"{result['total']} lines match, {len(result['hits'])} shown\n")

    def _export(self, vault: Vault, options: dict[str, Any]) -> None:
        pieces = vault.raw(options["source"], options["address"])
        if options["out"] is None:
            for piece in pieces:
                sys.stdout.buffer.write(piece)
            sys.stdout.buffer.flush()
            return
        with options["out"].open("wb") as out:
            out.writelines(pieces)

    def _stats(self, vault: Vault, options: dict[str, Any]) -> None:
        stats = asdict(vault.stats())
        stats["full_at"] = vault.forecast(clock.now())
        stats["sources"] = {code: asdict(heard) for code, heard in sorted(vault.heard().items())}
        if options["as_json"]:
            self.print_json(stats)
            return
        for name, value in stats.items():
            if name != "sources":
                self.stdout.write(f"{name}: {'-' if value is None else value}")
        for code, heard in stats["sources"].items():
            self.stdout.write(f"source {code}: {heard['rows']} lines, {heard['first_at']} .. {heard['last_at']}")

    def _verify(self, vault: Vault, options: dict[str, Any]) -> None:
        faults = vault.verify(partial(self._heads, options) if self._has_heads(options) else None)
        kept = vault.segments()
        redacted = [(sealed.name, each) for sealed in kept for each in sealed.redactions]
        if options["as_json"]:
            told = [{"segment": name, "case": r.case, "reason": r.reason, "lines": r.lines, "seqs": r.seqs} for name, r in redacted]
            self.print_json({"ok": not faults, "segments": len(kept), "faults": [asdict(fault) for fault in faults], "redacted": told})
        else:
            for fault in faults:
                self.stdout.write(str(fault))
            for name, each in redacted:
                self.stdout.write(f"{name}: redacted: {each.lines} lines ({dump_seqs(each.seqs)}), case {each.case}: {each.reason}")
        if faults:
            raise FailedError(f"vault: {len(faults)} faults")
        if not options["as_json"]:
            self.stdout.write(f"{len(kept)} segments, every proof holds{f'; {len(redacted)} redactions' if redacted else ''}")

    def _has_heads(self, options: dict[str, Any]) -> bool:
        return options["heads"] is not None or (options["vault"] is None and settings.HOME.exists)

    def _heads(self, options: dict[str, Any]) -> list[Sealed]:
        """Return what the ledger holds: from a file, or from the database when this is the installation's own vault."""
        if options["heads"] is not None:
            try:
                said = orjson.loads(options["heads"].read_bytes())
                return [Sealed(int(x["number"]), str(x["name"]), str(x["root"]), int(x.get("first_number", 0))) for x in said]
            except (OSError, ValueError, KeyError, TypeError) as error:
                raise BadInputError(f"{options['heads']}: {error!r}") from error
        from anzhang.journal.queries import segment_seals

        return [Sealed(seal.number, seal.name, seal.root, seal.first_number) for seal in segment_seals()]

    def _seal(self, vault: Vault, options: dict[str, Any]) -> None:
        with vault.writer() as writer:
            sealed = _seal_all(writer)
        if options["as_json"]:
            self.print_json({"segments": [_segment(s) for s in sealed]})
        else:
            self.stdout.write("\n".join(f"{s.name}: {s.rows} lines" for s in sealed) or "nothing waits")

    def _merge(self, vault: Vault, options: dict[str, Any]) -> None:
        announce: Callable[[SealedSegment], object] = lambda _sealed: None  # noqa: E731
        known: Callable[[SealedSegment], bool] = lambda _sealed: False  # noqa: E731
        if options["vault"] is None and settings.HOME.exists:
            from anzhang.directory.tickets import cli_actor
            from anzhang.monitoring.succession import is_recorded, record_successor

            announce, known = partial(record_successor, cli_actor("vault"), at=clock.now()), is_recorded
        from anzhang.monitoring.procedures import ChainError

        made: list[SealedSegment] = []
        faults: list[str] = []
        with vault.writer() as writer:
            try:
                writer.settle(known)
                for run in mergeable(vault.segments(), clock.day_of(clock.now())):
                    try:
                        merged = writer.merge(run, clock.now(), announce)
                        made += [merged] if merged is not None else []
                    except (SuccessionError, ChainError) as error:
                        faults.append(str(error))
            except BusyError as error:
                raise FailedError(f"vault merge: {error}: somebody verifies or copies the vault; try again later") from error
        if options["as_json"]:
            self.print_json({"segments": [_segment(sealed) for sealed in made], "faults": faults})
        else:
            said = [f"{sealed.name}: {len(sealed.replaces)} segments, {sealed.rows} lines" for sealed in made]
            self.stdout.write("\n".join([*said, *faults]) or "nothing to merge")
        if faults:
            raise FailedError(f"vault merge: {len(faults)} runs of segments stay as they are")

    def _redacted(self, vault: Vault, options: dict[str, Any]) -> None:
        from anzhang.monitoring.models import LogRedaction
        from anzhang.monitoring.redactions import matching

        if not settings.HOME.exists or (redaction := LogRedaction.objects.filter(code=options["case"]).first()) is None:
            raise BadInputError(f"{options['case']}: no such redaction here")
        try:
            lines = options["file"].read_bytes().splitlines()
        except OSError as error:
            raise BadInputError(f"{options['file']}: {error.strerror}") from error
        found = [{"line": number, "seq": seq, "sha256": digest} for number, line in enumerate(lines, 1)
                 for seq, digest in matching(vault, redaction, line)]  # fmt: skip
        if options["as_json"]:
            self.print_json({"found": found})
        for each in found if not options["as_json"] else ():
            self.stdout.write(f"line {each['line']} of the file was line {each['seq']}: {each['sha256']}")
        if not found:
            raise FailedError(f"{options['file']}: none of its lines was redacted by case {options['case']}")

    def _rebuild(self, vault: Vault, options: dict[str, Any]) -> None:
        count = vault.rebuild_streams()
        if options["as_json"]:
            self.print_json({"segments": count})
        else:
            self.stdout.write(f"{count} segments")

    def _prove(self, vault: Vault, options: dict[str, Any]) -> None:
        if not settings.HOME.exists:
            raise BadInputError(f"{settings.HOME.path} holds no installation; a line is proved by its ledger")
        from anzhang.directory.tickets import cli_actor
        from anzhang.journal.heads import InconsistentError
        from anzhang.journal.keys import KeyMissingError
        from anzhang.journal.queries import NotProvableError
        from anzhang.monitoring.line_proofs import NoLineError, prove_line

        try:
            made = prove_line(cli_actor("export"), vault, options["segment"], options["seq"], clock.now())
        except NoLineError as error:
            raise BadInputError(f"vault prove: {error}") from error
        except (NotProvableError, InconsistentError, KeyMissingError, ProofError) as error:
            raise FailedError(f"vault prove: {error}") from error
        try:
            durable.write_file(options["out"], made)
        except OSError as error:
            raise BadInputError(f"{options['out']}: {error.strerror}") from error
        self.stdout.write(f"{options['out']}: {len(made)} bytes; anzhang vault check {options['out']} --key KEYFILE")

    def _check(self, _vault: Vault, options: dict[str, Any]) -> None:
        from anzhang.monitoring.line_proofs import check_line

        try:
            keys = [Verifier.parse(line) for line in options["key"].read_text("ascii").split()]
            content = options["file"].read_bytes()
        except (OSError, ValueError, NoteError) as error:
            raise BadInputError(f"{options['key']}, {options['file']}: {error}") from error
        try:
            held = check_line(content, keys)
        except ProofError as error:
            raise FailedError(f"{options['file']}: {error}") from error
        hit, newest = held.proved.hit, {name: head.size for name, head in held.heads.items()}
        if options["as_json"]:
            said = {"segment": hit.segment, "seq": hit.seq, "source": hit.source, "received": hit.received, "line": hit.line}
            self.print_json({**said, "sealed_at": held.proved.sealed_at, "heads": newest})
            return
        self.stdout.write(f"{hit.segment} line {hit.seq}, source {hit.source}, received {hit.received}, sealed {held.proved.sealed_at}")
        self.stdout.write(f"signed heads of {', '.join(f'{size} entries ({name})' for name, size in newest.items())} cover it")
        self.stdout.write(hit.line)

    def _copy(self, vault: Vault, options: dict[str, Any]) -> None:
        target, kept = options["target"], vault.segments()
        try:
            if options["verify"]:
                done = offsite.Copied(segments=len(kept), faults=offsite.verify(kept, target))
            else:
                done = offsite.copy(vault.root, target)
        except (offsite.TargetError, OSError) as error:
            raise BadInputError(f"vault copy: {error}") from error
        if options["vault"] is None and settings.HOME.exists:
            self._record_copy(done, options)
        if options["as_json"]:
            self.print_json({"ok": not done.faults, **asdict(done)})
        else:
            for fault in done.faults:
                self.stdout.write(str(fault))
            gone = f"; {len(done.gone)} in the copy only" if done.gone else ""
            did = "read again" if options["verify"] else f"{len(done.copied)} copied now, {done.bytes} bytes"
            self.stdout.write(f"{target}: {done.segments} segments, {did}{gone}")
        if done.faults:
            raise FailedError(f"vault copy: {len(done.faults)} faults")

    def _record_copy(self, done: offsite.Copied, options: dict[str, Any]) -> None:
        from anzhang.directory.tickets import cli_actor
        from anzhang.monitoring.procedures import record_copy

        record_copy(
            cli_actor("backup"), str(options["target"]), [str(fault) for fault in done.faults], segments=done.segments,
            copied=len(done.copied), verified=options["verify"], at=clock.now(),
        )  # fmt: skip

    def _dispose(self, vault: Vault, options: dict[str, Any]) -> None:
        if not settings.HOME.exists:
            raise BadInputError(f"{settings.HOME.path} holds no installation; only one with a ledger disposes of segments")
        if options["keep_days"] < FLOOR.days:
            raise BadInputError(f"--keep-days {options['keep_days']}: nobody keeps logs for less than {FLOOR.days} days (Art. 29)")
        from anzhang.directory.tickets import cli_actor
        from anzhang.monitoring.procedures import dispose_expired

        try:
            gone, stayed = dispose_expired(cli_actor("vault"), vault, clock.now(), keep=timedelta(days=options["keep_days"]))
        except RetentionError as error:
            raise FailedError(f"vault dispose: {error}") from error
        if options["as_json"]:
            self.print_json({"disposed": [segment.name for segment in gone], "kept": [str(refusal) for refusal in stayed]})
            return
        for segment in gone:
            self.stdout.write(f"{segment.name}: {segment.rows} lines, {segment.file_bytes} bytes")
        for refusal in stayed:
            self.stdout.write(str(refusal))
        if not (gone or stayed):
            self.stdout.write("nothing is past its time")

    def _warm(self, _vault: Vault, _options: dict[str, Any]) -> None:
        from anzhang.daemons.collector import warm as warm_framing
        from anzhang.engines.vault.warm import warm

        warm()
        warm_framing()


def _verb(verbs: Any, name: str, description: str, *, reads: bool = True) -> ArgumentParser:
    parser: ArgumentParser = verbs.add_parser(name, help=description)
    parser.add_argument("--vault", type=Path, metavar="DIR", help="a vault folder; default: the installation's own")
    if reads:
        parser.add_argument("--json", action="store_true", dest="as_json", help="print JSON")
    return parser


def _search_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("text", nargs="?", help="same as --term")
    parser.add_argument("--term", default="", help="whole words, ASCII case folded: LC_ALL=C grep -iwF")
    parser.add_argument("--phrase", default="", help="these words one after the other")
    parser.add_argument("--substring", default="", help="these characters: grep -F")
    parser.add_argument("--regex", default="", help="an RE2 expression")
    parser.add_argument("-i", "--ignore-case", action="store_true", help="for --substring and --regex")
    parser.add_argument("--since", type=_instant, metavar="TIME", help="event time from here on (ISO 8601; without zone 北京时间)")
    parser.add_argument("--until", type=_instant, metavar="TIME", help="event time before this")
    parser.add_argument("--source", action="append", default=[], help="may be given more than once")
    parser.add_argument("--host", default="")
    parser.add_argument("--app", default="")
    parser.add_argument("--field", action="append", default=[], type=_pair, metavar="NAME=VALUE", help=", ".join(FIELDS))
    parser.add_argument("--limit", type=int, default=100)
    parser.add_argument("--offset", type=int, default=0)
    parser.add_argument("--oldest-first", action="store_true")
    parser.add_argument("--count", action="store_true", help="print only how many")
    parser.add_argument("--group", default="", metavar="NAME", help="count by a field")
    parser.add_argument("--panel", action="append", default=[], metavar="NAME", help="with --json: count by this field too")
    parser.add_argument("--bar", type=int, default=0, metavar="SECONDS", help="count by event time in steps")
    parser.add_argument("--extract", default="", metavar="REGEX", help="count what the one group of an RE2 expression finds")
    parser.add_argument("--top", type=int, default=10)
    parser.add_argument("--raw", action="store_true", help="show personal identifiers")
    parser.add_argument("--no-prune", action="store_true", help="read every block (the answer is the same)")


def _instant(text: str) -> datetime:
    try:
        value = datetime.fromisoformat(text)
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} is no ISO 8601 time") from error
    return value if value.tzinfo else value.replace(tzinfo=clock.BEIJING)


def _pair(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign:
        raise ArgumentTypeError(f"{text!r}: use NAME=VALUE")
    return name, value


def _seal_all(writer: Writer) -> list[Any]:
    sealed = []
    while segment := writer.seal(clock.now()):
        sealed.append(segment)
    return sealed


def _segment(sealed: Any) -> dict[str, Any]:
    return {**sealed.header(), "root_sha256": sealed.root_sha256, "root_sm3": sealed.root_sm3, "file_bytes": sealed.file_bytes}
