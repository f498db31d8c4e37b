"""What a check cannot see yet: the registers and streams of its obligation that do not stand, as ground that nobody watched."""

from __future__ import annotations

from anzhang.casework import parameters, reconciliation
from anzhang.regulation.verdicts import Ground, Subject


def ground(check: str) -> tuple[Ground, ...]:
    """Return the unwatched ground of the obligations bound to a check, for the bureau as a whole; empty once everything stands.

    A check that judges a part of its duty adds this to its outcome, so that the rest is Unknown and never green.
    """
    catalog = parameters.catalog()
    found = [(each, reconciliation.waits_for(catalog, each)) for each in catalog.obligations if each.check == check]
    # The ground is a subject of its own, so that it keeps no finding open whose subject was measured.
    return tuple(Ground(None, why, Subject(f"obligation:{each.id}", each.title.zh, None)) for each, why in found if why.params)
