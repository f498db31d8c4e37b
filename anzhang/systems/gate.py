"""The gate of Art. 13: whether somebody may put an artifact into a production environment now.

1. What is no production environment in service is not guarded here: developing and testing need no leave to go live.
2. The artifact belongs to a release of the environment's system; whoever developed that release does not put it into production.
3. An approved go-live names this environment, this digest and this person, its approval stands, and its window is open.
4. Tests, scan and design items still prove what they proved when it was approved.
What is not plainly allowed is refused, and no fail mode stands in for an answer; a refusal names what is missing and the route.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.utils.translation import gettext as _

from anzhang import clock
from anzhang.directory import queries as people
from anzhang.directory.models import Person
from anzhang.permissions import RefusedError
from anzhang.regulation.checks import gate
from anzhang.systems import evidence, fields
from anzhang.systems.models import System
from anzhang.systems.tables import Environment, GoLive, Release

ROUTE = "go_live"


@gate("go_live")
def go_live(environment: Environment, digest: str, person: Person, at: datetime) -> RefusedError | None:
    """Decide whether a person may put the artifact of a digest into an environment at the instant: a refusal or None.

    The codes are `digest_invalid`, `environment_retired`, `system_retired`, `not_employed`, `other_digest`, `release_unknown`,
    `release_withdrawn`, `own_developer`, `go_live_missing`, `other_environment`, `approval_revoked`, `window_not_open`,
    `window_over`, `other_operator`, `evidence_missing`.

    Source: Art. 13; A13.1, A13.2, A13.5, A13.6.
    """
    if environment.kind != Environment.Kind.PRODUCTION:
        return None
    if (refusal := _plain(environment, digest, person, at)) is not None:
        return refusal
    releases = evidence.releases_of(environment.system, digest)
    if not releases:
        return _unknown(environment, digest, at)
    return _release(environment, releases, person, at) or _granted(environment, releases, digest, person, at)


def _plain(environment: Environment, digest: str, person: Person, at: datetime) -> RefusedError | None:
    if not fields.DIGEST.fullmatch(digest):
        return RefusedError("digest_invalid", _("制品摘要应为 64 位小写十六进制数（SHA-256）。"), _("重新计算制品的 SHA-256。"))
    if environment.state != Environment.State.IN_SERVICE:
        return RefusedError("environment_retired", _("“%s”已停用。") % environment.name, _("核对运行环境台账。"))
    if environment.system.state == System.State.RETIRED:
        return RefusedError("system_retired", _("“%s”已停用，不能上线。") % environment.system.name, _("核对信息系统台账。"))
    if not people.is_employed(person, at):
        return RefusedError("not_employed", _("%s 在该日期不在职。") % person.name, _("核对人员台账。"))
    return None


def _unknown(environment: Environment, digest: str, at: datetime) -> RefusedError:
    """Say of an artifact that belongs to no release whether another one was to go live now."""
    open_now = GoLive.objects.filter(evidence.standing(at), environment=environment, window_from__lte=at, window_to__gt=at)
    expected = open_now.select_related("basis__case").order_by("pk").first()
    names = {"digest": digest[:12], "system": environment.system.name}
    if expected is not None:
        message = _("制品 %(digest)s… 不是获准上线的那一份：%(case)s 批准的是 %(approved)s…。")
        told = {**names, "case": expected.basis.case.number, "approved": expected.digests[0][:12]}
        return RefusedError("other_digest", message % told, _("上线获准的制品；要上线这一份，先登记版本发布，再提出“上线审批”。"))
    message = _("制品 %(digest)s… 不属于“%(system)s”任何登记的版本发布。")
    return RefusedError("release_unknown", message % names, _("先登记版本发布并测试、扫描，再提出“上线审批”。"))


def _release(environment: Environment, releases: Sequence[Release], person: Person, at: datetime) -> RefusedError | None:
    for release in releases:
        if release.state == Release.State.WITHDRAWN:
            return RefusedError("release_withdrawn", _("版本 %s 已停用。") % release, _("登记新的版本发布。"))
        if evidence.developed(person, release, at):
            message = _("%(person)s 是“%(system)s”的开发人员，不能自己把版本 %(release)s 放到生产环境。")
            told = {"person": person.name, "system": environment.system.name, "release": release}
            return RefusedError("own_developer", message % told, _("由不参与开发的人员上线；重新提出“上线审批”，写明执行人员。"))
    return None


def _granted(environment: Environment, releases: Sequence[Release], digest: str, person: Person, at: datetime) -> RefusedError | None:
    granted = evidence.go_lives_of(releases, digest)
    here = [each for each in granted if each.environment_id == environment.pk]
    if not here:
        return _elsewhere(environment, releases, granted, digest)
    standing = set(GoLive.objects.filter(evidence.standing(at), pk__in=[each.pk for each in here]).values_list("pk", flat=True))
    valid = [each for each in here if each.pk in standing]
    if not valid:
        return RefusedError("approval_revoked", _("上线批准 %s 已撤销或到期。") % here[0].basis.case.number, _apply())
    open_now = [each for each in valid if each.window_from <= at < each.window_to]
    if not open_now:
        return _outside(valid, at)
    if all(each.operator_id != person.pk for each in open_now):
        told = {"case": open_now[0].basis.case.number, "operator": open_now[0].operator.name, "person": person.name}
        return RefusedError("other_operator", _("%(case)s 批准由%(operator)s上线，不是%(person)s。") % told, _apply())
    lacks = [each for release in {grant.release for grant in open_now} for each in evidence.missing(release, [digest])]
    return RefusedError("evidence_missing", " ".join(lacks), _("补齐测试和扫描后再上线。")) if lacks else None


def _apply() -> str:
    return _("提出“上线审批”，经管理单位负责人批准后上线。")


def _elsewhere(environment: Environment, releases: Sequence[Release], granted: Sequence[GoLive], digest: str) -> RefusedError:
    """Say of a digest that nothing lets into this environment what else was granted: another place, another digest, nothing."""
    names = {"digest": digest[:12], "environment": environment.name}
    if granted:
        names["other"] = granted[0].environment.name
        message = _("制品 %(digest)s… 获准上线的环境是“%(other)s”，不是“%(environment)s”。")
        return RefusedError("other_environment", message % names, _apply())
    others = GoLive.objects.filter(environment=environment, release__in=releases).select_related("basis__case").first()
    if others is not None:
        names |= {"case": others.basis.case.number, "approved": others.digests[0][:12]}
        message = _("制品 %(digest)s… 不是获准上线的那一份：%(case)s 批准的是 %(approved)s…。")
        return RefusedError("other_digest", message % names, _apply())
    return RefusedError("go_live_missing", _("制品 %(digest)s… 没有在“%(environment)s”上线的批准。") % names, _apply())


def _outside(valid: Sequence[GoLive], at: datetime) -> RefusedError:
    ahead = [each for each in valid if each.window_from > at]
    if ahead:
        first = min(ahead, key=lambda each: each.window_from)
        message = _("获准的上线时间自 %(begin)s 起，现在还没有到。") % {"begin": clock.minute(first.window_from)}
        return RefusedError("window_not_open", message, _("到时再上线，或重新提出“上线审批”。"))
    return RefusedError("window_over", _("获准的上线时间已于 %s 结束。") % clock.minute(valid[0].window_to), _apply())
