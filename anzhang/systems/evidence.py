"""What a release has to show before it goes live, and who developed it (Art. 11, 13). Everything here reads."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from anzhang.directory.models import Assignment, Bitemporal, Person
from anzhang.systems.models import System
from anzhang.systems.tables import CodeScan, DesignItem, GoLive, Release, TestReport

REQUIRED_TESTS = (TestReport.Kind.FUNCTIONAL, TestReport.Kind.SECURITY)  # A13.5


@dataclass(frozen=True)
class Proof:
    """Reports, scans and design items of some releases, the oldest first; three queries for any number of them."""

    reports: Mapping[int, list[TestReport]]
    scans: Mapping[int, list[CodeScan]]
    items: Mapping[int, list[DesignItem]]  # by system

    @classmethod
    def of(cls, releases: Iterable[Release]) -> Proof:
        """Read what stands for releases."""
        found = list(releases)
        reports, scans, items = defaultdict(list), defaultdict(list), defaultdict(list)
        for report in TestReport.objects.filter(release__in=found).select_related("tester").order_by("tested_on", "pk"):
            reports[report.release_id].append(report)
        for scan in CodeScan.objects.filter(release__in=found).order_by("scanned_at", "pk"):
            scans[scan.release_id].append(scan)
        required = DesignItem.objects.filter(system__in={each.system_id for each in found}, state=DesignItem.State.REQUIRED)
        for item in required.order_by("code"):
            items[item.system_id or 0].append(item)
        return cls(reports, scans, items)

    def newest_tests(self, release: Release, digest: str, until: date | None = None) -> dict[str, TestReport]:
        """Return the newest report of each kind that tested a digest, of those up to a day where one is given."""
        known = self.reports.get(release.pk, [])
        return {each.kind: each for each in known if digest in each.digests and (until is None or each.tested_on <= until)}

    def newest_scans(self, release: Release, digest: str) -> list[CodeScan]:
        """Return the newest scan of a digest by each tool."""
        return list({each.tool: each for each in self.scans.get(release.pk, []) if each.digest == digest}.values())

    def untested(self, release: Release) -> list[DesignItem]:
        """Return the design items of the release's system that no passed report of this very release covers. Source: A11.2."""
        covered = {code for report in self.reports.get(release.pk, []) if report.passed for code in report.cases}
        return [item for item in self.items.get(release.system_id, []) if item.code not in covered]


def missing(release: Release, digests: Iterable[str], proof: Proof | None = None) -> list[str]:
    """Return what keeps digests of a release from going live, one sentence each; empty when they may.

    Source: A11.2, A13.2, A13.5.
    """
    proof = proof or Proof.of([release])
    found = []
    for digest in digests:
        tests = proof.newest_tests(release, digest)
        for kind in REQUIRED_TESTS:
            report = tests.get(kind)
            names = {"kind": kind.label, "digest": digest[:12]}
            if report is None:
                found.append(_("制品 %(digest)s… 没有%(kind)s报告。") % names)
            elif not report.passed:
                found.append(_("制品 %(digest)s… 最近一次%(kind)s（%(report)s）没有通过。") % {**names, "report": report.code})
        scans = proof.newest_scans(release, digest)
        if not scans:
            found.append(_("制品 %s… 没有代码扫描结果。") % digest[:12])
        found += [
            _("制品 %(digest)s… 经 %(tool)s 扫描，还有 %(count)d 个严重以上的问题未解决。")
            % {"digest": digest[:12], "tool": scan.tool, "count": scan.blocking}
            for scan in scans
            if scan.blocking
        ]
    found += [_("安全设计项“%s”没有通过的测试。") % item.name for item in proof.untested(release)]
    return found


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
