"""The check of Article 3 that reads outside bodies and the identities seen in the logs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from anzhang.casework import rules, waiting
from anzhang.regulation.checks import Context, check
from anzhang.regulation.verdicts import Outcome

RULE = rules.load(Path(__file__).parent / "rules" / "identities_known.sql")


@check("identities_known")
def identities_known(context: Context) -> Outcome:
    """Find identities that log in and that no person of the register stands behind. Source: Art. 3.

    Doors whose events are not read yet stay unknown for the bureau as a whole.
    """
    outcome = rules.evaluate(RULE, context)
    return replace(outcome, unknown=(*outcome.unknown, *waiting.ground("identities_known")))


identities_known.rule = RULE  # type: ignore[attr-defined]  # its page shows the file
