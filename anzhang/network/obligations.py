"""The checks of Art. 9, 10 and 31: devices at their end, ways to the internet, and connections with outside bodies.

Devices past their life are gone (A09.6), those near it have a successor (A09.7). No internal zone and no device touches the internet
(A09.2, A09.3). Connections are approved (A10.1), by a scheme that came first (A10.2), and carried out as approved (A10.4). What
networks reach does not grow beyond the links approved (A31.2).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

from anzhang import clock
from anzhang.casework import rules, waiting
from anzhang.casework.models import Approval
from anzhang.network import exits, interconnections, reachability
from anzhang.network import networks as _networks  # noqa: F401  # the table that rules compare addresses with
from anzhang.network.models import Device, Interconnection
from anzhang.network.watching import subject
from anzhang.regulation.checks import Context, check
from anzhang.regulation.verdicts import Breach, Ground, Outcome, Subject, Why

RULES = Path(__file__).parent / "rules"
expired_devices_gone = rules.bind(RULES / "expired_devices_gone.sql")
outside_peers_approved = rules.bind(RULES / "outside_peers_approved.sql")
CROSSED = rules.load(RULES / "isolated_pairs_uncrossed.sql")
LINKED = rules.load(RULES / "links_to_internet_approved.sql")
OUTGROWN = rules.load(RULES / "links_not_outgrown.sql")
SCOPED = rules.load(RULES / "interconnections_within_scope.sql")


def end_of(device: Device, years: int) -> date | None:
    """Return the last day on which a device may be in service: as approved, else the vendor's, else by its age. None: nobody can say."""
    if device.approved_end_on or device.vendor_end_on:
        return device.approved_end_on or device.vendor_end_on
    if device.in_service_on is None:
        return None
    begun = device.in_service_on
    last = date(begun.year + years, 2, 28) if (begun.month, begun.day) == (2, 29) else begun.replace(year=begun.year + years)
    return last - timedelta(days=1)


@check("expiring_devices_replaced")
def expiring_devices_replaced(context: Context) -> Outcome:
    """Find devices in service that reach their end within the notice, and retired ones, with neither successor nor reason for none.

    A device in service of which nobody knows since when, nor until when, is unknown ground of its unit. Source: Art. 9; A09.7.
    """
    years, notice = int(context.parameters["service_life_years"]), timedelta(days=context.parameters["eol_notice_days"])
    today = clock.day_of(context.at)
    population, breaches, unknown = [], [], []
    devices = Device.objects.exclude(state=Device.State.STOCK).select_related("unit", "person").order_by("code")
    for device in devices:
        owes = subject(device)
        end = end_of(device, years)
        if device.state == Device.State.IN_SERVICE and end is None:
            unknown.append(Ground(device.unit.code, Why("device_without_dates", {"device": device.name}), owes))
            continue
        population.append(owes)
        if device.successor_id or device.no_successor:
            continue
        if device.state == Device.State.RETIRED:
            why = Why("retired_without_successor", {"device": device.name, "retired_on": f"{device.retired_on}"})
        elif end is not None and end <= today + notice:
            why = Why("expiring_without_successor", {"device": device.name, "end_on": f"{end}", "days": (end - today).days})
        else:
            continue
        breaches.append(Breach(owes, why, (f"device:{device.pk}",)))
    if not population and not unknown:
        unknown.append(Ground(None, Why("no_devices")))
    return Outcome(tuple(population), tuple(breaches), tuple(unknown))


@check("links_to_internet_approved")
def links_to_internet_approved(context: Context) -> Outcome:
    """Find gateways, neighbors and address translations that join an internal zone to the internet without a link. Source: Art. 9; A09.2.

    Flows and sightings tell of it, and so does what devices are set to; a network device whose configuration is not there, not fresh or
    not wholly read is unknown ground.
    """
    outcome, told = rules.evaluate(LINKED, context), exits.ways_out(context)
    unknown = (*outcome.unknown, *told.unknown, *waiting.ground("links_to_internet_approved"))
    regularized = (*outcome.regularized, *told.regularized)
    return replace(outcome, breaches=(*outcome.breaches, *told.breaches), unknown=unknown, regularized=regularized)


links_to_internet_approved.rule = LINKED  # type: ignore[attr-defined]  # its page shows the file


@check("isolated_pairs_uncrossed")
def isolated_pairs_uncrossed(context: Context) -> Outcome:
    """Find flows across networks that are kept apart, and packets that configurations would let across, without a link.

    A pair is proved from the newest configuration of every network device, none older than `isolation_proof_hours`. What was not read,
    or is not there, is unknown ground: that nothing was seen to pass is no proof that nothing can. Source: Art. 9; A09.1.
    """
    return _with(rules.evaluate(CROSSED, context), reachability.crossings(context))


isolated_pairs_uncrossed.rule = CROSSED  # type: ignore[attr-defined]  # its page shows the file


def _with(seen: Outcome, proved: Outcome) -> Outcome:
    """Return what flows showed together with what configurations prove."""
    return replace(seen, breaches=(*seen.breaches, *proved.breaches), unknown=(*seen.unknown, *proved.unknown))


@check("links_not_outgrown")
def links_not_outgrown(context: Context) -> Outcome:
    """Find what passes between networks beyond the addresses, ports and dates of every approved link of theirs.

    Flows are judged, and what configurations let pass between zones that a link joins (`reachability`). Source: Art. 31; A31.2.
    """
    return _with(rules.evaluate(OUTGROWN, context), reachability.growth(context))


links_not_outgrown.rule = OUTGROWN  # type: ignore[attr-defined]  # its page shows the file


@check("interconnections_within_scope")
def interconnections_within_scope(context: Context) -> Outcome:
    """Find traffic of interconnections outside the addresses, ports, clients, dates and volume of their approval. Source: Art. 10; A10.4.

    No event tells which fields were exchanged, so an interconnection whose approval names fields is unknown ground in that respect.
    """
    outcome = rules.evaluate(SCOPED, context)
    named = [row for row in _live(context) if row.data_fields]
    unseen = [
        Ground(row.unit.code, Why("fields_not_seen", {"interconnection": row.name}), Subject(f"fields:{row.code}", row.name, row.unit.code))
        for row in named
    ]
    return replace(outcome, unknown=(*outcome.unknown, *unseen))


interconnections_within_scope.rule = SCOPED  # type: ignore[attr-defined]  # its page shows the file


@check("interconnections_have_schemes")
def interconnections_have_schemes(context: Context) -> Outcome:
    """Find interconnections without a scheme, with one later than the approval, and those whose standard is not in force today.

    An approval that no interconnection rests on (one entered from paper) shows no scheme at all. Source: Art. 10; A10.2.
    """
    today = clock.day_of(context.at)
    population, breaches = [], []
    for row in _live(context):
        owes = Subject(f"interconnection:{row.code}", row.name, row.unit.code, row.person.code)
        population.append(owes)
        told = {"interconnection": row.name, "scheme": row.scheme_title}
        approved_on = clock.day_of(row.basis.valid_from)
        if row.scheme_on > approved_on:
            why = Why("scheme_after_approval", {**told, "scheme_on": f"{row.scheme_on}", "approved_on": f"{approved_on}"})
        elif not interconnections.in_force(row.standard, today):
            why = Why("standard_not_in_force", {**told, "standard": f"{row.standard}"})
        else:
            continue
        breaches.append(Breach(owes, why, (f"interconnection:{row.pk}", f"approval:{row.basis_id}"), detail=why.code))
    rested_on = Interconnection.objects.values("basis")
    bare = Approval.objects.filter(Approval.in_force(context.at), kind=interconnections.ROUTE).exclude(pk__in=rested_on)
    for approval in bare.select_related("case__unit", "case__applicant").order_by("pk"):
        case = approval.case
        owes = Subject(f"approval:{case.number}", case.title, case.unit.code, case.applicant.code)
        population.append(owes)
        breaches.append(Breach(owes, Why("approval_without_scheme", {"case": case.number}), (f"approval:{approval.pk}",)))
    return Outcome(tuple(population), tuple(breaches))


def _live(context: Context) -> list[Interconnection]:
    """Return the interconnections that are approved and have not ended, begun or not."""
    found = interconnections.lasting(context.at).filter(recorded_at__lte=context.at)
    return list(found.select_related("unit", "person", "standard", "basis").order_by("code", "valid_from"))
