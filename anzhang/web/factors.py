"""The second factor as the bureau wants it: secrets encrypted at rest, every code good once, failures counted like passwords."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import segno
from allauth.core import context
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.base.forms import AuthenticateForm, ReauthenticateForm
from allauth.mfa.models import Authenticator
from allauth.mfa.webauthn.forms import AuthenticateWebAuthnForm, ReauthenticateWebAuthnForm
from axes.handlers.proxy import AxesProxyHandler
from cryptography.fernet import Fernet
from django.conf import settings
from django.core.cache import cache
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.translation import gettext as _

from anzhang.directory.models import User

CODE_SPENT_SECONDS = 120  # a TOTP code is accepted for three steps of 30 s and never twice


class FactorAdapter(DefaultMFAAdapter):  # type: ignore[misc]
    """Factor secrets are encrypted at rest under the installation's secret; QR codes come from segno."""

    def encrypt(self, text: str) -> str:
        """Return the secret, encrypted."""
        return _fernet().encrypt(text.encode()).decode("ascii")

    def decrypt(self, encrypted_text: str) -> str:
        """Return the secret. Raises InvalidToken when the installation's secret was changed."""
        return _fernet().decrypt(encrypted_text.encode("ascii")).decode()

    def get_totp_label(self, user: User) -> str:
        """Return what the authenticator app shows."""
        return user.username

    def build_totp_svg(self, url: str) -> str:
        """Return the QR code as an SVG image without styles, which the page embeds as a data address."""
        svg: str = segno.make(url, error="m").svg_inline(scale=5, border=2, light="white", svgclass=None, lineclass=None)
        return svg.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)

    def generate_authenticator_name(self, user: User, type: Authenticator.Type) -> str:  # noqa: A002
        """Return the prefilled name of a new key."""
        return _("安全密钥 %(number)s") % {"number": Authenticator.objects.filter(user=user, type=type).count() + 1}

    def get_public_key_credential_user_entity(self, user: User) -> dict[str, Any]:
        """Return the user as the key stores it; the handle carries no personal data."""
        return {"id": f"anzhang-{user.pk}".encode(), "display_name": user.username, "name": user.username}


class _Lockable:
    """Factor forms count towards the same lock as passwords do, in the database, for every process."""

    user: User

    def is_valid(self) -> bool:
        """Refuse outright while the user is locked out from this address."""
        request: HttpRequest = context.request
        if not AxesProxyHandler.is_allowed(request, {"username": self.user.username}):
            request.axes_locked_out = True  # type: ignore[attr-defined]
        valid: bool = super().is_valid()  # type: ignore[misc]
        return valid and not getattr(request, "axes_locked_out", False)


class _SpentOnce(_Lockable):
    """A code is good once, on every page that takes one."""

    def clean_code(self) -> str:
        """Return the code. Raises ValidationError when it is wrong or was used before."""
        code: str = super().clean_code()  # type: ignore[misc]
        digest = hashlib.sha256(f"{self.user.pk}:{code}".encode()).hexdigest()
        if not cache.add(f"anzhang-code-{digest}", "spent", timeout=CODE_SPENT_SECONDS):
            raise ValidationError(_("该验证码已用过，请等待下一个。"), code="code_spent")
        return code


class CodeForm(_SpentOnce, AuthenticateForm):  # type: ignore[misc]
    """The code at log-in."""


class CodeAgainForm(_SpentOnce, ReauthenticateForm):  # type: ignore[misc]
    """The code before a dangerous act."""


class KeyForm(_Lockable, AuthenticateWebAuthnForm):  # type: ignore[misc]
    """The security key at log-in."""


class KeyAgainForm(_Lockable, ReauthenticateWebAuthnForm):  # type: ignore[misc]
    """The security key before a dangerous act."""


def _fernet() -> Fernet:
    key = hashlib.sha256(b"anzhang second factor\0" + settings.SECRET_KEY.encode()).digest()
    return Fernet(base64.urlsafe_b64encode(key))
