"""`anzhang doctor`: examine the installation."""

from dataclasses import asdict
from typing import Any

from django.conf import settings

from anzhang.management import FailedError, Verb
from anzhang.operate import doctor


class Command(Verb):
    """Say what is wrong and what to do; exit 1 when something is. A warning is said and fails nothing."""

    help = "examine the installation"
    reads = True

    def run(self, **options: Any) -> None:
        """Print every finding, the bad ones with their remedy."""
        findings = list(doctor.examine(settings.HOME))
        if options["as_json"]:
            self.print_json([asdict(finding) for finding in findings])
        else:
            for finding in findings:
                self.stdout.write(f"{_mark(finding)} {finding.subject}: {finding.seen}")
                if not finding.ok and finding.remedy:
                    self.stdout.write(f"       → {finding.remedy}")
        bad = sum(not finding.ok and finding.grave for finding in findings)
        if bad:
            raise FailedError(f"doctor: {bad} of {len(findings)} need attention")


def _mark(finding: doctor.Finding) -> str:
    return "ok  " if finding.ok else "BAD " if finding.grave else "WARN"
