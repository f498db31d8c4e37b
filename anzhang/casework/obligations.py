"""The checks of what the text says about itself: superior law, interpretations in use, the effective date (Art. 1, 35, 36)."""

from __future__ import annotations

from datetime import date, timedelta

from anzhang import clock
from anzhang.casework import parameters
from anzhang.casework.legal_basis import LegalBasis
from anzhang.casework.models import Finding, RegulationVersion
from anzhang.regulation.checks import Context, check
from anzhang.regulation.verdicts import Breach, Ground, Outcome, Subject, Why


@check("signed_values_used")
def signed_values_used(context: Context) -> Outcome:
    """Find parameters that run on another value than the one that the Office has signed. Source: Art. 35.

    Its population are the signed values; the unsigned defaults make other verdicts provisional and are not breaches.
    """
    signed = parameters.signed(context.at)
    population, breaches = [], []
    for name, value in sorted(signed.items()):
        owes = Subject(f"parameter:{name}", name, None)
        population.append(owes)
        used = context.parameters.get(name)
        if used != value:
            breaches.append(Breach(owes, Why("value_differs", {"parameter": name, "value": str(used), "signed": str(value)})))
    return Outcome(tuple(population), tuple(breaches))


@check("effective_date_on_record")
def effective_date_on_record(context: Context) -> Outcome:
    """Find that the text in use has no publication date, or findings dated before it took effect. Source: Art. 36."""
    version = RegulationVersion.objects.filter(catalog=parameters.catalog().name, current=True).first()
    if version is None:
        return Outcome((), unknown=(Ground(None, Why("no_text_imported")),))
    owes = Subject(f"regulation_version:{version.pk}", version.title, None)
    if version.published_on is None:
        return Outcome((owes,), (Breach(owes, Why("no_publication_date"), (f"regulation_version:{version.pk}",)),))
    effective = version.effective_on or version.published_on
    early = Finding.objects.filter(opened_at__lt=clock.start_of(effective), opened_at__lte=context.at).order_by("opened_at").first()
    if early is None:
        return Outcome((owes,))
    why = Why("finding_before_effect", {"finding": early.number, "effective_on": effective.isoformat()})
    return Outcome((owes,), (Breach(owes, why, (f"finding:{early.pk}",), early.opened_at),))


@check("superior_law_reviewed")
def superior_law_reviewed(context: Context) -> Outcome:
    """Find articles that rest on law replaced or repealed for too long without a review since. Source: Art. 1.

    Subjects are the versions in force or once in force that articles rest on; a review of the old version or of the new one
    counts from the day of the change on.
    """
    today, limit = clock.day_of(context.at), timedelta(days=context.parameters["legal_review_days"])
    rows = LegalBasis.objects.filter(in_force_from__lte=today).exclude(articles=[]).select_related("replaced_by").order_by("code")
    population, breaches = [], []
    for row in rows:
        owes = Subject(f"legal_basis:{row.code}", str(row), None)
        population.append(owes)
        changed_on = _changed_on(row, today)
        new = getattr(row, "replaced_by", None)
        reviews = [day for day in (row.reviewed_on, new.reviewed_on if new else None) if day]
        if changed_on is None or today - changed_on <= limit or any(day >= changed_on for day in reviews):
            continue
        params = {"law": str(row), "articles": list(row.articles), "since": changed_on.isoformat(), "days": limit.days, "new": str(new)}
        why = Why("law_replaced" if new else "law_repealed", params)
        breaches.append(Breach(owes, why, (f"legal_basis:{row.pk}",), clock.start_of(changed_on + limit)))
    if not population:
        return Outcome((), unknown=(Ground(None, Why("no_legal_basis")),))
    return Outcome(tuple(population), tuple(breaches))


def _changed_on(row: LegalBasis, today: date) -> date | None:
    """Return the day on which a version was replaced or ended, None while it stands."""
    new: LegalBasis | None = getattr(row, "replaced_by", None)
    if new is not None and new.in_force_from <= today:
        return new.in_force_from
    return row.in_force_to if row.in_force_to is not None and row.in_force_to <= today else None
