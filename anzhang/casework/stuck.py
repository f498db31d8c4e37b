"""Cases that nobody can decide, as breaches of the duty to keep the seat filled (DESIGN 5: a finding, not a smaller quorum).

The catalog says which duty that is: `seats` of an obligation names the roles whose vacancy breaks it (the leading group's
seats Art. 4, a unit head's Art. 3, an officer's Art. 5). A role that no obligation names breaks the first article that the
case's route rests on. The vacancy concerns the unit that must fill the seat, not the one that waits for the decision.

`Case.fault` is a mark of the last sweep; here every marked case is looked up anew, so a finding closes by measuring alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime

from django.db.models import QuerySet

from anzhang.casework import eligibility, queries, routes
from anzhang.casework.eligibility import Fault, Panel
from anzhang.casework.models import Case, Finding
from anzhang.casework.routes import BUREAU_ROLES, Step
from anzhang.directory.models import Unit
from anzhang.regulation.catalog import Catalog, Obligation
from anzhang.regulation.verdicts import Breach, Subject, Why

SUBJECT = "case:"  # how the subject of every such finding begins


def breaches(catalog: Catalog, at: datetime) -> dict[str, list[Breach]]:
    """Return what cases wait for people who do not exist, by the id of the obligation that is broken."""
    found: dict[str, list[Breach]] = defaultdict(list)
    stuck = list(queries.stuck_cases(at).select_related("unit__parent"))
    office = Unit.objects.filter(function=Unit.Function.OFFICE, closed_on=None).first() if stuck else None
    for case in stuck:
        step = queries.step_of(case)
        panel = eligibility.convene(case, step, at)
        if panel.fault is None:
            continue
        for role in sorted({_role(who) for who in panel.vacant or panel.who}):
            obligation = duty(catalog, role, case)
            if obligation is not None:
                found[obligation.id].append(_breach(case, step, panel, role, office))
    return found


def concerned(catalog: Catalog, at: datetime) -> Mapping[str, list[Breach]]:
    """Return the breaches, and an empty list for every obligation that still has a finding of a case: it is measured too."""
    known = Finding.objects.exclude(state=Finding.State.CLOSED).filter(subject__startswith=SUBJECT).values_list("obligation", flat=True)
    return {**{key: [] for key in known}, **breaches(catalog, at)}


def findings_of(case: Case) -> QuerySet[Finding]:
    """Return the findings that say that a case cannot be decided, closed ones left out."""
    return Finding.objects.exclude(state=Finding.State.CLOSED).filter(subject=f"{SUBJECT}{case.number}")


def duty(catalog: Catalog, role: str, case: Case) -> Obligation | None:
    """Return the obligation that a role's vacancy breaks, None where neither catalog nor route names one."""
    for obligation in catalog.obligations:
        if role in obligation.seats:
            return obligation
    articles = queries.route_of(case).articles
    return next((each for number in articles for each in catalog.by_article.get(number, ()) if not each.is_informative), None)


def _breach(case: Case, step: Step, panel: Panel, role: str, office: Unit | None) -> Breach:
    unit = _answering(case, role, panel, office)
    subject = Subject(f"{SUBJECT}{case.number}", f"{case.title}（{case.number}）", unit.code if unit else None)
    params = {
        "case": case.number, "title": case.title, "step": {"zh": step.title.zh, "en": step.title.en}, "role": {"code": f"role_{role}"},
        "people": len(panel.people), "need": panel.need,
    }  # fmt: skip
    code = "case_seat_vacant" if panel.fault is Fault.ROLE_VACANT else "case_too_few"
    return Breach(subject, Why(code, params), (f"{SUBJECT}{case.number}",), detail=role)


def _answering(case: Case, role: str, panel: Panel, office: Unit | None) -> Unit | None:
    """Return the unit that must fill the seat: the Office for the bureau's bodies, else the one whose post it is."""
    if role in BUREAU_ROLES:
        return office
    if role == "super_head":
        return case.unit.parent or case.unit
    place = next((who.partition("@")[2] for who in panel.who if _role(who) == role), "")
    return eligibility.PLACES[place](case).unit if place in routes.WHERES and place in eligibility.PLACES else case.unit


def _role(who: str) -> str:
    return who.partition("@")[0]
