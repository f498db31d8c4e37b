"""Whom the bureau's own directory or identity provider may let in: users of the register, and nobody else.

The directory says who somebody is and that the password is theirs. Whether they come in, and what they may do, is in the
registers here: nothing is created and nothing is granted at log-in. Refusals say whom to ask; they are given only to somebody
whose password was right.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.conf import settings
from django.utils.translation import gettext as _

from anzhang import clock
from anzhang.directory import outside
from anzhang.directory.models import Assignment, Delegation, LeadingGroupMember, Person, User
from anzhang.permissions import RefusedError


def ways() -> list[User.SignIn]:
    """Return the ways to log in that the operator has switched on beside the password of this platform."""
    switched = {User.SignIn.LDAP: outside.has_ldap, User.SignIn.OIDC: outside.has_oidc}
    return [way for way, is_on in switched.items() if is_on(settings.HOME)]


def allowed_way(sign_in: str | None, administrator: str) -> User.SignIn | None:
    """Return who checks the password. Raises RefusedError for a way that is not switched on, and for an administrator."""
    if not sign_in:
        return None
    way = User.SignIn(sign_in)
    if way not in ways():
        raise RefusedError(
            "sign_in_not_configured",
            _("%(way)s登录没有启用。") % {"way": way.label},
            _("请先由运维人员在 anzhang.toml 中配置。"),
        )
    if administrator:
        raise RefusedError(
            "administrator_signs_in_here", _("管理员只能使用本地密码登录，以免目录故障时无人能进入，或由目录管理者取得管理员身份。")
        )
    return way


def user_of(codes: Sequence[str]) -> User | None:
    """Return the user of the person with that code; None when there is none, or when the directory names several codes."""
    return User.objects.select_related("person__unit").filter(person__code=codes[0]).first() if len(codes) == 1 else None


def admit(way: User.SignIn, codes: Sequence[str], at: datetime, *, needs_post: bool = True) -> User:
    """Return the user who comes in by `way` under the code that the directory gave.

    `needs_post` is false for security officers (Art. 5), who are registered above this layer, and where the operator says so.
    Raises RefusedError: no or several codes, unknown person, left, no user, another way of log-in, inactive, no post.
    """
    if len(codes) != 1:
        message = _("%(way)s中没有登记您的工号。") if not codes else _("%(way)s中您的工号不止一个。")
        raise RefusedError("code_missing", message % {"way": way.label}, _("请联系该目录的管理人员补正。"))
    person = Person.objects.filter(code=codes[0]).first()
    if person is None:
        raise RefusedError(
            "person_unknown",
            _("工号 %(code)s 不在人员台账中。") % {"code": codes[0][:32]},
            _("请联系本单位信息安全管理人员登记，再由系统管理员开通用户。"),
        )
    if person.left_on is not None and person.left_on <= clock.day_of(at):
        raise RefusedError(
            "person_left", _("工号 %(code)s 已登记离职。") % {"code": person.code}, _("如有误，请联系本单位信息安全管理人员更正。")
        )
    user = user_of(codes)
    if user is None:
        raise RefusedError("no_user", _("您还没有本平台的用户。"), _("请联系系统管理员开通，经安全管理员确认后即可登录。"))
    if user.sign_in != way:
        own = user.get_sign_in_display() if user.sign_in else _("本地密码")
        raise RefusedError("other_sign_in", _("您的用户使用%(way)s登录。") % {"way": own}, _("如需更改登录方式，请联系系统管理员。"))
    if not user.is_active:
        raise RefusedError("user_inactive", _("您的用户尚待确认，或者已停用。"), _("请联系系统管理员。"))
    if needs_post and not holds_post(person, at):
        raise RefusedError(
            "no_post",
            _("您目前没有任何岗位指派，不能登录。"),
            _("请联系本单位负责人办理岗位指派。"),
        )
    return user


def holds_post(person: Person, at: datetime) -> bool:
    """Whether the person has a duty, a seat in the leading group, or signs for somebody, at the instant."""
    return (
        Assignment.objects.filter(Assignment.in_force(at), person=person).exists()
        or LeadingGroupMember.objects.filter(LeadingGroupMember.in_force(at), person=person).exists()
        or Delegation.objects.filter(Delegation.in_force(at), deputy=person).exists()
    )
