"""The checks of what the text says about itself: interpretations signed are used, the effective date stands (Art. 35, 36)."""

from __future__ import annotations

from anzhang import clock
from anzhang.casework import parameters
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
