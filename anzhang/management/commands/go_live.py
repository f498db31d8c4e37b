"""`anzhang go-live`: ask the gate before a deployment, take in the results of a code scan."""

import hashlib
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from anzhang import clock
from anzhang.management import BadInputError, FailedError, Verb

CHUNK = 1 << 20


class Command(Verb):
    """One sub-verb each: check, scan. Check exits 1 when it is refused, 2 when it cannot be asked."""

    help = "ask whether an artifact may go live now; take in the SARIF results of a code scan"

    def arguments(self, parser: ArgumentParser) -> None:
        """Declare the sub-verbs."""
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="check|scan")
        check = verbs.add_parser("check", help="exit 0 when it may, 1 with what is missing when it may not")
        check.add_argument("--environment", required=True, metavar="CODE")
        check.add_argument("--person", required=True, metavar="CODE", help="who carries it out")
        what = check.add_mutually_exclusive_group(required=True)
        what.add_argument("--digest", metavar="SHA256", help="of the artifact, 64 hexadecimal digits")
        what.add_argument("--file", type=Path, metavar="FILE", help="the artifact itself")
        check.add_argument("--json", action="store_true", dest="as_json", help="print JSON")
        scan = verbs.add_parser("scan", help="take in a SARIF 2.1.0 file about one artifact")
        scan.add_argument("file", type=Path, metavar="FILE")
        scan.add_argument("--release", required=True, metavar="CODE")
        scan.add_argument("--digest", required=True, metavar="SHA256", help="of the artifact that was scanned")

    def run(self, **options: Any) -> None:
        """Do the sub-verb."""
        getattr(self, f"_{options['verb']}")(options)

    def _check(self, options: dict[str, Any]) -> None:
        from anzhang.directory.models import Person
        from anzhang.systems import gate
        from anzhang.systems.tables import Environment

        environment = Environment.objects.select_related("system").filter(code=options["environment"]).first()
        if environment is None:
            raise BadInputError(f"no environment {options['environment']!r}")
        person = Person.objects.filter(code=options["person"]).first()
        if person is None:
            raise BadInputError(f"no person {options['person']!r}")
        digest = digest_of(options["file"]) if options["file"] else options["digest"].lower()
        refusal = gate.go_live(environment, digest, person, clock.now())
        if options["as_json"]:
            told = {"code": refusal.code, "message": refusal.message, "remedy": refusal.remedy} if refusal else None
            way = f"/cases/new/{gate.ROUTE}/?environment={environment.code}" if refusal else None
            self.print_json({"allowed": refusal is None, "environment": environment.code, "digest": digest, "person": person.code,
                             "refusal": told, "apply": way})  # fmt: skip
        elif refusal is None:
            self.stdout.write(f"{environment.name}：{digest[:12]}… 现在可以由{person.name}上线")
        if refusal is not None:
            raise FailedError(f"{refusal.code}: {refusal.message} {refusal.remedy}")

    def _scan(self, options: dict[str, Any]) -> None:
        from anzhang.directory.tickets import cli_actor
        from anzhang.systems import releases
        from anzhang.systems.tables import Release

        release = Release.objects.filter(code=options["release"]).first()
        if release is None:
            raise BadInputError(f"no release {options['release']!r}")
        try:
            body = options["file"].read_bytes()
        except OSError as error:
            raise BadInputError(f"{options['file']}: {error.strerror}") from error
        scan = releases.import_code_scan(cli_actor("import"), release, options["digest"].lower(), body, clock.now())
        counts = "，".join(f"{word} {count}" for word, count in counted(scan))
        self.stdout.write(f"{release.code} {scan.digest[:12]}… {scan.tool}：{counts}")


def counted(scan: Any) -> list[tuple[str, int]]:
    """Return the open results of a scan by the word of their severity, the worst first, then the suppressed ones."""
    names = ("critical", "high", "medium", "low", "suppressed")
    return [(str(type(scan)._meta.get_field(name).verbose_name), getattr(scan, name)) for name in names]


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file. Raises BadInputError."""
    made = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK):
                made.update(chunk)
    except OSError as error:
        raise BadInputError(f"{path}: {error.strerror}") from error
    return made.hexdigest()
