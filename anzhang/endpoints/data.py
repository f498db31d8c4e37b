"""The checks of Art. 14 that watch business data: changes beside the application (A14.5), bulk exports (A14.4).

Orders and extractions stand on no register yet. An order only ever permits: while none can be on file every change beside the application
is found, so that nothing is hidden by it. Whose hands copies came into nobody looks at yet, and that half of A14.4 stays unknown.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from anzhang.casework import rules, waiting
from anzhang.regulation.checks import Context, check
from anzhang.regulation.verdicts import Outcome

RULES = Path(__file__).parent / "rules"
CHANGES = rules.load(RULES / "data_changes_ordered.sql")
EXPORTS = rules.load(RULES / "exports_ordered.sql")


@check("data_changes_ordered")
def data_changes_ordered(context: Context) -> Outcome:
    """Find changes of rows that come neither from a business act of an application nor from an order. Source: Art. 14; A14.5."""
    return rules.evaluate(CHANGES, context)


@check("exports_ordered")
def exports_ordered(context: Context) -> Outcome:
    """Find bulk exports without an approved extraction; where copies went is not looked at yet. Source: Art. 14; A14.4."""
    outcome = rules.evaluate(EXPORTS, context)
    return replace(outcome, unknown=(*outcome.unknown, *waiting.ground("exports_ordered")))


data_changes_ordered.rule = CHANGES  # type: ignore[attr-defined]  # its page shows the file
exports_ordered.rule = EXPORTS  # type: ignore[attr-defined]
