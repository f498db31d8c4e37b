"""Users and the three administrators: every verb on a user, its ledger entry in the same transaction.

The system administrator starts, the security administrator confirms, and only then something takes effect (三员分立,
GB/T 22239-2019 8.1.5): new users, new credentials, coming back. Locking out is never delayed: deactivating works at once.
"""

from __future__ import annotations

import hmac
from datetime import datetime, timedelta
from typing import Any

from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from axes.models import AccessAttempt
from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Max, Q, Sum
from django.utils.translation import gettext as _

from anzhang import clock
from anzhang.directory.admission import allowed_way
from anzhang.directory.credentials import ApiToken, CliTicket, IdentityRequest, OneTimeLink
from anzhang.directory.links import issue_link
from anzhang.directory.models import Assignment, Delegation, LeadingGroupMember, Person, User
from anzhang.directory.tickets import cli_actor
from anzhang.events import Event
from anzhang.journal.models import Ledgered
from anzhang.journal.procedures import record, write
from anzhang.permissions import Actor, Administrator, Permission, RefusedError, Via

__all__ = [
    "ADMINISTRATORS", "allow", "cli_actor", "confirm", "create_administrators", "deactivate", "issue_link", "locked", "may_log_in",
    "needs_second_factor", "note", "refuse", "reissue_link", "request_account", "request_reactivation", "request_reset",
    "request_sign_in", "unlock", "user_name_digest",
]  # fmt: skip

# log-in name, administrator, how the operator calls them
ADMINISTRATORS = (
    ("sysadmin", Administrator.SYSTEM_ADMIN, "系统管理员"),
    ("secadmin", Administrator.SECURITY_ADMIN, "安全管理员"),
    ("auditor", Administrator.AUDITOR, "审计管理员"),
)
REISSUE_WITHIN = timedelta(days=7)
CHANGES_OF_SIGN_IN = {
    IdentityRequest.Kind.TO_PASSWORD: None,
    IdentityRequest.Kind.TO_LDAP: User.SignIn.LDAP,
    IdentityRequest.Kind.TO_OIDC: User.SignIn.OIDC,
}
DECIDING_DUTIES = (Assignment.Duty.UNIT_HEAD, Assignment.Duty.OFFICE_MEMBER, Assignment.Duty.DBA)


def allow(actor: Actor, permission: Permission) -> None:
    """Raise RefusedError unless the actor's administrator role carries `permission` and the face may use it.

    A token never administers; a browser session must have passed the second factor.
    """
    if not actor.may(permission):
        raise RefusedError("not_permitted", _("您的管理员类别没有这项权限。"), _("三类管理员的权限互不相交，请由相应的管理员办理。"))
    if actor.via not in {Via.BROWSER, Via.CLI}:
        raise RefusedError("face_not_permitted", _("这项操作只能在浏览器或命令行办理。"))
    if actor.via is Via.BROWSER and not actor.second_factor:
        raise RefusedError("second_factor_needed", _("请先通过双因素验证。"))


@transaction.atomic
def create_administrators(actor: Actor, at: datetime) -> list[tuple[str, str]]:
    """Create the three administrators of a new installation; return (title, one-time link path) for each.

    Raises RefusedError when administrators exist: there is no second way to make one without two of them.
    """
    if User.objects.exclude(administrator="").exists():
        raise RefusedError("administrators_exist", _("管理员已经建立。"))
    links = []
    for username, administrator, title in ADMINISTRATORS:
        user = _new_user(actor, username, None, administrator, at, is_active=True)
        links.append((f"{title}（{username}）", issue_link(user, "setup", at)))
    return links


@transaction.atomic
def request_account(
    actor: Actor, person: Person, username: str, administrator: str, reason: str, at: datetime, sign_in: str | None = None
) -> IdentityRequest:
    """Prepare a user for a person; inactive until the security administrator confirms.

    `sign_in` names who checks the password when it is not this platform (`User.SignIn`).
    Raises RefusedError when the name is taken, the person has left or has a user already (so nobody is two administrators),
    and for an administrator whose password would be checked elsewhere.
    """
    allow(actor, Permission.ACCOUNTS_MANAGE)
    name = User.normalize_username(username.strip())
    if User.objects.filter(username__iexact=name).exists():
        raise RefusedError("username_taken", _("登录名 %(name)s 已被使用。") % {"name": name})
    if User.objects.filter(person=person).exists():
        raise RefusedError("person_has_user", _("%(person)s 已有用户；一人只能有一个用户，至多担任一类管理员。") % {"person": person.name})
    if person.left_on is not None and person.left_on <= clock.day_of(at):
        raise RefusedError("person_left", _("%(person)s 已离职。") % {"person": person.name})
    role = Administrator(administrator) if administrator else None
    user = _new_user(actor, name, person, role, at, is_active=False, sign_in=allowed_way(sign_in, administrator))
    return _start(actor, IdentityRequest.Kind.CREATE, user, reason, at)


@transaction.atomic
def request_reset(actor: Actor, user: User, reason: str, at: datetime) -> IdentityRequest:
    """Ask that a user's password and second factors be taken away and a one-time link be issued."""
    allow(actor, Permission.ACCOUNTS_MANAGE)
    if not user.is_active:
        raise RefusedError("user_inactive", _("该用户未启用。"))
    return _start(actor, IdentityRequest.Kind.RESET, user, reason, at)


@transaction.atomic
def request_sign_in(actor: Actor, user: User, sign_in: str | None, reason: str, at: datetime) -> IdentityRequest:
    """Ask that a user's password be checked elsewhere from now on, or here again (None).

    Raises RefusedError for an administrator, whose password is always checked here, and when nothing would change.
    """
    allow(actor, Permission.ACCOUNTS_MANAGE)
    wanted = allowed_way(sign_in, user.administrator)
    if not user.is_active:
        raise RefusedError("user_inactive", _("该用户未启用。"))
    if wanted == user.sign_in:
        raise RefusedError("same_sign_in", _("该用户已经是这种登录方式。"))
    return _start(actor, IdentityRequest.Kind(f"to_{wanted or 'password'}"), user, reason, at)


@transaction.atomic
def request_reactivation(actor: Actor, user: User, reason: str, at: datetime) -> IdentityRequest:
    """Ask that a deactivated user come back, with new credentials."""
    allow(actor, Permission.ACCOUNTS_MANAGE)
    if user.is_active:
        raise RefusedError("user_active", _("该用户已启用。"))
    return _start(actor, IdentityRequest.Kind.REACTIVATE, user, reason, at)


@transaction.atomic
def confirm(actor: Actor, request: IdentityRequest, at: datetime) -> str:
    """Let a request take effect and return the path of the person's one-time link; empty when the password is checked elsewhere.

    Raises RefusedError for anyone but a security administrator in a browser session, for one's own request or account,
    and when the request was decided already.
    """
    request = _deciding(actor, request)
    user = User.objects.select_for_update().get(pk=request.user_id)
    if request.kind == IdentityRequest.Kind.RESET:
        _take_credentials(actor, user, at)
    elif request.kind in CHANGES_OF_SIGN_IN:
        user.sign_in = CHANGES_OF_SIGN_IN[IdentityRequest.Kind(request.kind)]
        _take_password(user)
    user.is_active = True
    write(actor, Event.USER_CHANGE, user, at=at, payload={"change": request.kind, "request": request.pk})
    request.state, request.decided_by_id, request.decided_at = IdentityRequest.State.CONFIRMED, actor.user_id, at
    write(actor, Event.IDENTITY_CONFIRM, request, at=at, payload={"kind": request.kind, "user": user.username})
    if user.sign_in:
        return ""
    return issue_link(user, "reset" if request.kind == IdentityRequest.Kind.RESET else "setup", at)


@transaction.atomic
def refuse(actor: Actor, request: IdentityRequest, at: datetime) -> None:
    """Turn a request down; nothing takes effect. Raises RefusedError as `confirm` does."""
    request = _deciding(actor, request)
    request.state, request.decided_by_id, request.decided_at = IdentityRequest.State.REFUSED, actor.user_id, at
    write(actor, Event.IDENTITY_REFUSE, request, at=at, payload={"kind": request.kind, "user": request.user.username})


@transaction.atomic
def reissue_link(actor: Actor, user: User, at: datetime) -> str:
    """Return a new one-time link in place of one that ran out unused.

    The system administrator may for seven days after a confirmed request. The operating-system user may for an
    administrator of `init` who never set a password, because before that nobody can log in.
    Raises RefusedError otherwise.
    """
    purpose = "setup"
    if user.sign_in:
        raise RefusedError("password_elsewhere", _("该用户的密码由%(way)s管理，不用一次性链接。") % {"way": user.get_sign_in_display()})
    if actor.id.startswith("os:"):
        if not user.administrator or user.password_changed_at is not None:
            raise RefusedError("not_permitted", _("命令行只能为从未登录的初始管理员重发链接。"))
    else:
        allow(actor, Permission.ACCOUNTS_MANAGE)
        last = IdentityRequest.objects.filter(user=user, state=IdentityRequest.State.CONFIRMED).order_by("-decided_at").first()
        if last is None or last.decided_at is None or last.decided_at + REISSUE_WITHIN <= at:
            raise RefusedError("no_confirmed_request", _("没有七日内经确认的事项，不能重发链接。"), _("请发起“重置登录凭据”。"))
        if OneTimeLink.objects.filter(user=user, used_at__gte=last.decided_at).exists():
            raise RefusedError("link_used", _("链接已被使用。"), _("请发起“重置登录凭据”。"))
        purpose = "reset" if last.kind == IdentityRequest.Kind.RESET else "setup"
    record(actor, Event.USER_CHANGE, user, at=at, payload={"change": "link_reissued"})
    return issue_link(user, purpose, at)


@transaction.atomic
def deactivate(actor: Actor, user: User, reason: str, at: datetime) -> None:
    """Shut a user out at once: sessions, links, tickets and tokens end.

    Raises RefusedError for one's own account and for the last active administrator of a kind.
    """
    if actor.via not in {Via.JOB, Via.SETUP}:
        allow(actor, Permission.ACCOUNTS_MANAGE)
    if actor.user_id == user.pk:
        raise RefusedError("own_account", _("不能停用自己的用户。"))
    if user.administrator and not User.objects.filter(administrator=user.administrator, is_active=True).exclude(pk=user.pk).exists():
        raise RefusedError("last_administrator", _("这是该类管理员中最后一个启用的用户。"))
    user.is_active = False
    write(actor, Event.USER_CHANGE, user, at=at, payload={"change": "deactivate", "reason": reason})
    _end_access(user)
    for token in ApiToken.objects.filter(user=user, revoked_at=None):
        token.revoked_at = at
        write(actor, Event.TOKEN_REVOKE, token, at=at, payload={"reason": "user deactivated"})


@transaction.atomic
def unlock(actor: Actor, username: str, at: datetime) -> int:
    """Release the log-in locks of a user name (or of the digest shown for an unknown one); return how many attempts were forgotten.

    Allowed to the security administrator and to the operating-system user. Raises RefusedError for everyone else.
    """
    if not actor.id.startswith("os:"):
        allow(actor, Permission.LOCKOUT_RELEASE)
        user = User.objects.filter(username=username).first()
        if user is not None and user.pk == actor.user_id:
            raise RefusedError("own_account", _("不能解锁自己的用户。"))
    count: int = AccessAttempt.objects.filter(username=username).delete()[0]
    if count:
        note(actor, Event.USER_UNLOCK, username, at, {"attempts": count})
    return count


def locked(at: datetime) -> list[dict[str, Any]]:
    """Return the log-in names locked now: username, ip_address, failures, last_at."""
    rows = (
        AccessAttempt.objects.filter(attempt_time__gt=at - settings.AXES_COOLOFF_TIME)
        .values("username", "ip_address")
        .annotate(failures=Sum("failures_since_start"), last_at=Max("attempt_time"))
        .filter(failures__gte=settings.AXES_FAILURE_LIMIT)
        .order_by("-last_at")
    )
    return list(rows)


def note(actor: Actor, act: Event, username: str, at: datetime, payload: dict[str, Any]) -> None:
    """Ledger an act about a log-in name: about the user when there is one, else about the digest of what was typed."""
    user = User.objects.filter(username=username).first()
    about: Ledgered | tuple[str, str] = user or ("user_name", user_name_digest(username))
    with transaction.atomic():
        record(actor, act, about, at=at, payload=payload)


def user_name_digest(typed: str) -> str:
    """Return what is kept of an unknown log-in name: people type passwords into that field, so a keyed digest only."""
    if typed.startswith("unknown-"):
        return typed
    return f"unknown-{hmac.digest(settings.SECRET_KEY.encode(), typed.encode(), 'sha256').hex()[:24]}"


def may_log_in(user: User, at: datetime) -> bool:
    """Whether the user is active and the person, if there is one, has not left."""
    person = user.person
    return user.is_active and (person is None or person.left_on is None or clock.day_of(at) < person.left_on)


def needs_second_factor(user: User, at: datetime) -> bool:
    """Whether the directory's registers make the second factor mandatory: administrators, deciding duties, DBAs, deputies.

    Officers (Art. 5) are asked for above, in `web.actors`.
    """
    if user.administrator:
        return True
    if user.person_id is None:
        return False
    person = Q(person_id=user.person_id)
    return (
        Assignment.objects.filter(Assignment.in_force(at), person, duty__in=DECIDING_DUTIES).exists()
        or LeadingGroupMember.objects.filter(LeadingGroupMember.in_force(at), person).exists()
        or Delegation.objects.filter(Delegation.in_force(at), deputy_id=user.person_id).exists()
    )


def _new_user(
    actor: Actor, username: str, person: Person | None, administrator: Administrator | None, at: datetime, *, is_active: bool,
    sign_in: User.SignIn | None = None,
) -> User:  # fmt: skip
    user = User(username=username, person=person, administrator=administrator or "", created_at=at, is_active=is_active, sign_in=sign_in)
    user.set_unusable_password()
    payload = {"username": username, "administrator": administrator or "", "sign_in": sign_in or "password"}
    write(actor, Event.USER_CREATE, user, at=at, payload=payload)
    return user


def _start(actor: Actor, kind: IdentityRequest.Kind, user: User, reason: str, at: datetime) -> IdentityRequest:
    if actor.user_id is None:
        raise RefusedError("login_needed", _("请先登录。"))
    request = IdentityRequest(kind=kind, user=user, reason=reason[:200], started_by_id=actor.user_id, started_at=at)
    try:
        with transaction.atomic():
            write(actor, Event.IDENTITY_REQUEST, request, at=at, payload={"kind": kind, "user": user.username, "reason": reason[:200]})
    except IntegrityError as error:
        raise RefusedError("request_waiting", _("该用户已有待确认的事项。")) from error
    return request


def _deciding(actor: Actor, request: IdentityRequest) -> IdentityRequest:
    allow(actor, Permission.ACCOUNTS_CONFIRM)
    if actor.via is not Via.BROWSER:
        raise RefusedError("browser_needed", _("确认只能在浏览器中办理。"))
    request = IdentityRequest.objects.select_for_update().select_related("user").get(pk=request.pk)
    if request.state != IdentityRequest.State.WAITING:
        raise RefusedError("already_decided", _("该事项已经办结。"))
    if actor.user_id in {request.started_by_id, request.user_id}:
        raise RefusedError("own_request", _("不能确认自己发起的或涉及自己的事项。"))
    return request


def _take_credentials(actor: Actor, user: User, at: datetime) -> None:
    removed = list(Authenticator.objects.filter(user=user).values_list("type", flat=True))
    Authenticator.objects.filter(user=user).delete()
    _take_password(user)
    record(actor, Event.FACTOR_RESET, ("second_factor", str(user.pk)), at=at, payload={"user": user.username, "removed": removed})


def _take_password(user: User) -> None:
    """Take the password away and end what it opened; the caller saves the user."""
    user.set_unusable_password()
    if user.sign_in:
        user.password_changed_at = None  # nothing of this platform's to expire
    _end_access(user)


def _end_access(user: User) -> None:
    for session in UserSession.objects.filter(user=user):
        session.end()
    OneTimeLink.objects.filter(user=user, used_at=None).delete()
    CliTicket.objects.filter(user=user).delete()
