"""What the stories of construction share: a project of 就业促进处 with its design, its checklist and its approval."""

from __future__ import annotations

from datetime import date, timedelta

from anzhang import clock as clocks
from anzhang.casework.legal_basis import LegalBasis
from anzhang.organization import projects as papers
from anzhang.organization.tables import Project
from anzhang.systems import projects, releases
from tests.articles.stories import file, through

STEPS = ("liuyang", "zhengkai", "gaojianguo", "hemin")  # the unit's head, the Office, a majority of the leading group


def standards():
    """Register a standard that was replaced, and the one that replaced it."""
    given = {"title": "等级保护基本要求", "kind": "standard"}
    old = LegalBasis.objects.create(
        code="GB22239-08", edition="2008 版", in_force_from=date(2008, 11, 1), in_force_to=date(2019, 12, 1), **given
    )
    return old, LegalBasis.objects.create(code="GB22239", edition="2019 版", in_force_from=date(2019, 12, 1), replaces=old, **given)


def project(bureau, acting, clock, **values) -> Project:
    """Register a project of 就业促进处, in the charge of 孙丽."""
    given = {
        "code": "XM01", "name": "就业系统改造", "kind": "reconstruction", "unit": bureau.unit["JYC"], "person": bureau.person["P021"],
        "systems": ["JY01"], **values,
    }  # fmt: skip
    return papers.register_project(acting("sunli"), at=clock.now, **given)


def design(bureau, acting, clock, row, **values):
    """Register a security function of the project, designed two days ago."""
    given = {"code": f"{row.code}-S1", "name": "双因素登录", "system": bureau.system["JY01"] if row.systems else None, **values}
    return releases.register_design_item(
        acting("sunli"), at=clock.now, project=row, designed_on=given.pop("designed_on", today(clock) - timedelta(days=2)), **given
    )


def prepared(acting, clock, row, **values):
    """Prepare a checklist as 孙丽."""
    given = {
        "code": f"{row.code}-H1", "scheme_title": "建设方案", "scheme_on": date(2026, 11, 2), "standards": ["GB22239"],
        "points": ["GB22239 8.1.4.1 符合 双因素登录", "GB22239 8.1.4.9 不适用"], **values,
    }  # fmt: skip
    return papers.register_project_checklist(acting("sunli"), at=clock.now, project=row, **given)


def signed(acting, clock, checklist, *names):
    """Let people sign a checklist, 张华 and 刘洋 unless others are named."""
    for name in names or ("zhanghua", "liuyang"):
        checklist = papers.sign_project_checklist(acting(name), checklist, clock.now)
    return checklist


def filed(bureau, acting, clock, row, **form):
    """Ask for the approval of a project as 孙丽."""
    given = {"project": row.code, "summary": "改造登录和审计", **form}
    return file(bureau, acting, clock, "sunli", "project_approval", **given)


def approved(bureau, acting, clock, row, **form) -> Project:
    """Walk the approval of a project to its end."""
    case = through(filed(bureau, acting, clock, row, **form), acting, clock, *STEPS)
    assert case.state == "approved"
    row.refresh_from_db()
    assert row.basis.case_id == case.pk
    return row


def ready(bureau, acting, clock, **values) -> Project:
    """Return a project with design and signed checklist on file, without approval."""
    row = project(bureau, acting, clock, **values)
    design(bureau, acting, clock, row)
    signed(acting, clock, prepared(acting, clock, row))
    return row


def advanced(acting, clock, row, *stages) -> Project:
    """Move a project from stage to stage."""
    for stage in stages:
        row = projects.advance_project(acting("sunli"), row, stage, clock.now)
    return row


def today(clock) -> date:
    """Return the day of the clock."""
    return clocks.day_of(clock.now)
