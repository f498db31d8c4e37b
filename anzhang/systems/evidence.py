"""What a release has to show before it goes live, and who developed it (Art. 11, 13). Everything here reads."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime

from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from anzhang.directory.models import Assignment, Bitemporal, Person
from anzhang.systems.models import System
from anzhang.systems.tables import CodeScan, DesignItem, GoLive, Release, TestReport

REQUIRED_TESTS = (TestReport.Kind.FUNCTIONAL, TestReport.Kind.SECURITY)  # A13.5


def newest_tests(release: Release, digest: str, until: date | None = None) -> dict[str, TestReport]:
    """Return the newest report of each kind that tested a digest, of those up to a day where one is given."""
    reports = TestReport.objects.filter(release=release).order_by("tested_on", "pk")
    if until is not None:
        reports = reports.filter(tested_on__lte=until)
    return {report.kind: report for report in reports if digest in report.digests}


def newest_scans(release: Release, digest: str) -> list[CodeScan]:
    """Return the newest scan of a digest by each tool."""
    return list({scan.tool: scan for scan in CodeScan.objects.filter(release=release, digest=digest).order_by("scanned_at", "pk")}.values())


def missing(release: Release, digests: Iterable[str]) -> list[str]:
    """Return what keeps digests of a release from going live, one sentence each; empty when they may.

    Source: A11.2, A13.2, A13.5.
    """
    found = []
    for digest in digests:
        tests = newest_tests(release, digest)
        for kind in REQUIRED_TESTS:
            report = tests.get(kind)
            names = {"kind": kind.label, "digest": digest[:12]}
            if report is None:
                found.append(_("制品 %(digest)s… 没有%(kind)s报告。") % names)
            elif not report.passed:
                found.append(_("制品 %(digest)s… 最近一次%(kind)s（%(report)s）没有通过。") % {**names, "report": report.code})
        scans = newest_scans(release, digest)
        if not scans:
            found.append(_("制品 %s… 没有代码扫描结果。") % digest[:12])
        found += [
            _("制品 %(digest)s… 经 %(tool)s 扫描，还有 %(count)d 个严重以上的问题未解决。")
            % {"digest": digest[:12], "tool": scan.tool, "count": scan.blocking}
            for scan in scans
            if scan.blocking
        ]
    found += [_("安全设计项“%s”没有通过的测试。") % item.name for item in untested(release)]
    return found


def untested(release: Release) -> list[DesignItem]:
    """Return the design items of the release's system that no passed report of this very release covers. Source: A11.2."""
    covered = {code for report in TestReport.objects.filter(release=release, passed=True) for code in report.cases}
    items = DesignItem.objects.filter(system=release.system_id, state=DesignItem.State.REQUIRED).order_by("code")
    return [item for item in items if item.code not in covered]


def developer_posts(system: System, at: datetime) -> QuerySet[Assignment]:
    """Return the developer's posts on a system at the instant: it is named, or its managing unit's post names none."""
    there = Q(system=system) | Q(system=None, unit=system.managing_unit_id)
    return Assignment.objects.filter(Bitemporal.in_force(at), there, duty=Assignment.Duty.DEVELOPER)


def developed(person: Person, release: Release, at: datetime) -> bool:
    """Whether a person is named among the developers of a release, or holds a developer's post on its system."""
    return person.code in release.developers or developer_posts(release.system, at).filter(person=person).exists()


def standing(at: datetime) -> Q:
    """Return the condition that the approval behind a go-live had been given and was neither revoked nor over at the instant."""
    ends = Q(basis__valid_to=None) | Q(basis__valid_to__gt=at)
    return Q(basis__superseded_at=None, basis__valid_from__lte=at) & ends


def releases_of(system: System, digest: str) -> list[Release]:
    """Return the releases of a system that hold a digest."""
    return [each for each in Release.objects.filter(system=system).order_by("pk") if digest in each.digests]


def go_lives_of(releases: Sequence[Release], digest: str) -> list[GoLive]:
    """Return what was granted to put a digest anywhere, the newest first."""
    found = GoLive.objects.filter(release__in=releases).select_related("release", "environment", "operator", "basis__case")
    return [each for each in found.order_by("-window_from", "-pk") if digest in each.digests]
