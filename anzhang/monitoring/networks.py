"""The checks of Art. 7 and 8 that lay what devices send beside what they are set to: silence (A08.3), outages in changes (A07.1)."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from anzhang.casework import rules, waiting
from anzhang.monitoring.models import LogSource
from anzhang.regulation.checks import Context, check
from anzhang.regulation.verdicts import Outcome

RULES = Path(__file__).parent / "rules"


def _rows() -> Iterator[tuple[int, str, str, str]]:
    from anzhang.engines.sqlbox.addresses import bounds

    for source in LogSource.objects.order_by("pk"):
        for address in source.addresses:
            try:
                network = str(ipaddress.ip_network(address, strict=False))
            except ValueError:  # what the register took before it checked addresses
                continue
            yield (source.pk, address, *bounds(network))


# Addresses and networks that sources send from, as the function `ip_key` of rules makes keys.
log_source_network = rules.derive("log_source_network", ("log_source",), source_id=int, network=str, first=str, last=str)(_rows)
network_devices_send = rules.bind(RULES / "network_devices_send.sql")
SPARED = rules.load(RULES / "changes_spare_business.sql")


@check("changes_spare_business")
def changes_spare_business(context: Context) -> Outcome:
    """Find systems that were down while a device that serves them was changed outside an approved window. Source: Art. 7; A07.1.

    Scans are not looked at: which of them were allowed stands on no register yet, so that part is unknown.
    """
    outcome = rules.evaluate(SPARED, context)
    return replace(outcome, unknown=(*outcome.unknown, *waiting.ground("changes_spare_business")))


changes_spare_business.rule = SPARED  # type: ignore[attr-defined]  # its page shows the file
