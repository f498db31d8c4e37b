"""Log-in with the password of the bureau's directory, behind the same form, lock and second factor as any other.

Loaded only where `[ldap]` is configured and the extra is installed (settings.py). Names of local users are never sent to the
directory: a local password does not leave the platform, and a directory that is down delays no local log-in.
"""

from __future__ import annotations

import logging
import unicodedata
from typing import Any

from axes.handlers.proxy import AxesProxyHandler
from django.conf import settings
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from anzhang import clock
from anzhang.directory import admission, identity, outside
from anzhang.directory.models import User
from anzhang.directory.outside import ldap
from anzhang.home import HomeError
from anzhang.permissions import RefusedError
from anzhang.web import actors
from anzhang.web.adapter import LDAP_NAME, PasswordBackend

log = logging.getLogger(__name__)
REASONS = {
    ldap.Answer.EXPIRED: ("directory_password_expired", gettext_lazy("您在单位目录中的密码已过期或须更改，请先在目录中更改密码。")),
    ldap.Answer.DISABLED: ("directory_account_disabled", gettext_lazy("您在单位目录中的账户已停用，请联系目录管理人员。")),
    ldap.Answer.LOCKED: ("directory_account_locked", gettext_lazy("您在单位目录中的账户已锁定，请联系目录管理人员。")),
}


class DirectoryBackend(PasswordBackend):
    """Ask the directory about names that are no local user's."""

    def authenticate(self, request: HttpRequest | None, **credentials: Any) -> User | None:
        """Return the user whose directory entry takes the password.

        Raises RefusedError when the password is right but the person may not come in, and when the directory cannot be asked.
        """
        password = credentials.get("password") or ""
        name = unicodedata.normalize("NFKC", str(credentials.get("username") or "").strip())
        if request is None or not password or not ldap.is_plausible(name) or _is_local(name):
            return None
        try:
            directory = outside.ldap_settings(settings.HOME)
            codes = _verified(request, directory, name, password)
        except (ldap.LdapError, HomeError) as error:
            log.warning("log-in through the directory: %s", error)
            raise RefusedError(
                "directory_unavailable",
                _("单位目录暂时不能验证密码。"),
                _("请稍后再试；持续出现时请联系系统管理员。使用本地密码的用户不受影响。"),
            ) from error
        if codes is None:
            return None
        now = clock.now()
        needs_post = directory.require_post and not actors.is_officer(admission.user_of(codes), now)
        user = admission.admit(User.SignIn.LDAP, codes, now, needs_post=needs_post)
        request.session[LDAP_NAME] = name
        return user


def _is_local(name: str) -> bool:
    return User.objects.filter(username__iexact=name, sign_in=None).exists()


def _verified(request: HttpRequest, directory: outside.Ldap, name: str, password: str) -> tuple[str, ...] | None:
    """Return the codes of the entry when the password is right, None when it is wrong or nobody goes by that name.

    Failures count against the user whom the entry belongs to, or else against the entry, however the name was spelled.
    """
    with ldap.connected(directory) as connection:
        entry = connection.find(name)
        if entry is None:
            return None
        mapped = directory.people.get(name.casefold())
        codes = (mapped,) if mapped else entry.codes
        user = admission.user_of(codes)
        counted = user.username if user else identity.user_name_digest(entry.dn)
        request.anzhang_login_name = counted  # type: ignore[attr-defined]
        if not AxesProxyHandler.is_allowed(request, {"username": counted}):
            request.axes_locked_out = True  # type: ignore[attr-defined]
            return None
        answer = connection.verify(entry, password)
    if answer in REASONS:
        code, message = REASONS[answer]
        raise RefusedError(code, str(message))
    return codes if answer is ldap.Answer.RIGHT else None
