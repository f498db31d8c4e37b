"""API tokens: hashed, scoped, bound to an address, at most 90 days, revocable; they never decide (DESIGN 5).

A token reads `az_<prefix>_<secret>`: the prefix finds the row and may be shown, the digest of the whole is compared in constant time.
"""

from __future__ import annotations

import hmac
import ipaddress
import re
import secrets
from collections import OrderedDict
from collections.abc import Collection
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q
from django.http import HttpRequest
from django.utils.translation import gettext as _

from anzhang import clock
from anzhang.directory.credentials import ApiToken
from anzhang.directory.identity import allow
from anzhang.directory.links import digest_of
from anzhang.directory.models import Unit, User
from anzhang.events import Event
from anzhang.journal.procedures import write
from anzhang.permissions import Actor, Permission, RefusedError, Via

LONGEST = timedelta(days=90)
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
SEEN_EVERY = timedelta(minutes=1)
WRONG_PER_MINUTE = 20
_SCOPE = re.compile(r"(read|write):[a-z][a-z0-9_]{0,63}")

# Wrong tokens per address in the running minute. Per process is enough: 256 random bits are not guessed, this only spares the CPU.
_wrong: OrderedDict[str, list[datetime]] = OrderedDict()


@transaction.atomic
def issue(
    actor: Actor, *, name: str, user: User | None, unit: Unit | None, scopes: Collection[str], address: str, days: int, at: datetime
) -> tuple[ApiToken, str]:
    """Return the new token's row and its text, which is shown once and never stored.

    `address` is an address or a network in CIDR form; without `user` the token belongs to a service and sees `unit`.
    Raises RefusedError for anyone but a security administrator, and for input outside the rules.
    """
    allow(actor, Permission.TOKENS_MANAGE)
    if not 1 <= days <= LONGEST.days:
        raise RefusedError("token_too_long", _("令牌有效期为 1 至 90 天。"))
    wanted = sorted(set(scopes))
    if not wanted or not all(_SCOPE.fullmatch(scope) or scope in ApiToken.Scope.values for scope in wanted):
        raise RefusedError("token_scope", _("请选择令牌的权限。"))
    try:
        network = ipaddress.ip_network(address.strip(), strict=False)
    except ValueError as error:
        raise RefusedError("token_address", _("绑定地址应为 IP 地址或网段，例如 10.1.2.3 或 10.1.2.0/24。")) from error
    if network.prefixlen == 0:
        raise RefusedError("token_address", _("令牌必须绑定地址或网段，不能是任意地址。"))
    if user is None and unit is None:
        raise RefusedError("token_owner", _("请指定用户，或服务所属的单位。"))
    if actor.user_id is None:
        raise RefusedError("login_needed", _("请先登录。"))
    if user is not None and user.pk == actor.user_id:
        raise RefusedError("own_account", _("不能给自己签发令牌。"))
    prefix = secrets.token_hex(4)
    text = f"az_{prefix}_{secrets.token_urlsafe(32)}"
    token = ApiToken(
        name=name, user=user, unit=unit, prefix=prefix, digest=digest_of(text), scopes=wanted, address=str(network),
        issued_by_id=actor.user_id, issued_at=at, expires_at=at + timedelta(days=days),
    )  # fmt: skip
    write(actor, Event.TOKEN_ISSUE, token, at=at, payload={"prefix": prefix, "scopes": wanted, "address": str(network), "days": days})
    return token, text


@transaction.atomic
def revoke(actor: Actor, token: ApiToken, at: datetime) -> None:
    """End a token now. Raises RefusedError for anyone but a security administrator or when it has ended already."""
    allow(actor, Permission.TOKENS_MANAGE)
    token = ApiToken.objects.select_for_update().get(pk=token.pk)
    if token.revoked_at is not None:
        raise RefusedError("token_revoked", _("该令牌已经吊销。"))
    token.revoked_at = at
    write(actor, Event.TOKEN_REVOKE, token, at=at, payload={"prefix": token.prefix})


def check(text: str, address: str, at: datetime) -> ApiToken | None:
    """Return the row of a valid token used from an allowed address, else None; takes the same time either way."""
    prefix = text[3:11] if text.startswith("az_") else ""
    token = ApiToken.objects.select_related("user__person").filter(prefix=prefix).first()
    known = hmac.compare_digest(token.digest if token else digest_of(prefix), digest_of(text))
    if token is None or not known or token.revoked_at is not None or not token.issued_at <= at < token.expires_at:
        return None
    if token.user is not None and not token.user.is_active:
        return None
    try:
        inside = ipaddress.ip_address(address) in ipaddress.ip_network(token.address)
    except ValueError:
        return None
    return token if inside else None


def authenticate(request: HttpRequest, resource: str = "") -> Actor | None:
    """Return the actor of the request's `Authorization: Bearer` token, or None (answer 401).

    A scope is `read`, `write`, or one of them for one resource: `write:person` is good for the register `person` alone.

    Raises RefusedError when the token is good but lacks the scope of the request's method, or when the address sent too many
    wrong tokens within a minute.
    """
    scheme, _space, text = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        return None
    address, at = str(request.META.get("REMOTE_ADDR", "")), clock.now()
    if _too_many(address, at):
        raise RefusedError("too_many_wrong_tokens", _("错误令牌过多，请一分钟后再试。"))
    token = check(text.strip(), address, at)
    if token is None:
        _wrong.setdefault(address, []).append(at)
        return None
    scope = ApiToken.Scope.READ if request.method in SAFE_METHODS else ApiToken.Scope.WRITE
    if scope not in token.scopes and f"{scope}:{resource}" not in token.scopes:
        raise RefusedError("token_scope", _("该令牌没有所需的权限：%(scope)s。") % {"scope": f"{scope.label} {resource}".strip()})
    _seen(token, at)
    return actor_of_token(token, address)


def actor_of_token(token: ApiToken, address: str) -> Actor:
    """Return who acts with a token: never an administrator, never with a second factor."""
    person = token.user.person if token.user else None
    return Actor(
        id=f"token:{token.prefix}",
        via=Via.API,
        user_id=token.user_id,
        person_id=person.pk if person else None,
        unit_id=person.unit_id if person else token.unit_id,
        address=address,
    )


def _seen(token: ApiToken, at: datetime) -> None:
    stale = Q(last_used_at=None) | Q(last_used_at__lt=at - SEEN_EVERY)
    ApiToken.objects.filter(stale, pk=token.pk).update(last_used_at=at)


def _too_many(address: str, at: datetime) -> bool:
    recent = [when for when in _wrong.pop(address, []) if at - timedelta(minutes=1) < when <= at]
    if recent:
        _wrong[address] = recent
    while len(_wrong) > 1000:
        _wrong.popitem(last=False)
    return len(recent) >= WRONG_PER_MINUTE
