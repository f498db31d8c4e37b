"""The CLI face: `anzhang <verb>`. Every verb is a management command derived from `Verb`."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from anzhang.permissions import RefusedError
from anzhang.regulation.reading import CatalogError


class BadInputError(Exception):
    """The input is wrong: the message names what, where and what to do. Exit code 2."""


class FailedError(Exception):
    """A check or proof failed. Exit code 1."""


class Verb(BaseCommand):
    """One verb: `run(options)` does it; exit 0 it worked, 1 a check or proof failed or was refused, 2 bad input."""

    requires_system_checks: list[str] = []
    reads = False  # a reading verb takes --json

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add --json to reading verbs, then the verb's own arguments."""
        if self.reads:
            parser.add_argument("--json", action="store_true", dest="as_json", help="print JSON")
        self.arguments(parser)

    def arguments(self, parser: ArgumentParser) -> None:
        """Add the verb's own arguments."""

    def run(self, **options: Any) -> None:
        """Do it."""
        raise NotImplementedError

    def handle(self, *args: Any, **options: Any) -> None:
        """Run and map the outcome to an exit code with one line on stderr."""
        try:
            self.run(**options)
        except RefusedError as refusal:
            self.stop(1, f"refused ({refusal.code}): {refusal.message} {refusal.remedy}".rstrip())
        except FailedError as failure:
            self.stop(1, str(failure))
        except (BadInputError, CatalogError) as error:
            self.stop(2, str(error))
        except BrokenPipeError:
            sys.stderr.close()

    def print_json(self, value: Any) -> None:
        """Print JSON, Chinese left readable."""
        self.stdout.write(json.dumps(value, ensure_ascii=False, indent=1, default=str))

    def stop(self, code: int, line: str) -> None:
        """Leave with one line on stderr."""
        sys.stderr.write(f"anzhang: {line}\n")
        raise SystemExit(code)
