"""The addresses of the tests' OpenID provider, and what it says about its users. Imported by its own process only."""

from __future__ import annotations

from typing import Any

from cryptography.hazmat.primitives import serialization
from django.conf import settings
from django.contrib.auth.views import LoginView
from django.urls import include, path
from oauth2_provider.oauth2_validators import OAuth2Validator

from tests.directory import provider


class Validator(OAuth2Validator):  # type: ignore[misc]
    """Names the employee number, and makes mischief when it is told to."""

    oidc_claim_scope = None

    def get_additional_claims(self, request: Any) -> dict[str, Any]:
        """Return what is said beside `sub`."""
        user = request.user
        claims = {"sub": f"u-{user.username}", "email": user.email, "preferred_username": user.username}
        return {**claims, "employee_number": user.last_name} if user.last_name else claims

    def finalize_id_token(self, id_token: Any, token: Any, handler: Any, request: Any) -> str:
        """Return the ID token."""
        made = super().finalize_id_token(_Mischievous(id_token), token, handler, request)
        key = request.client.jwk_key.export_to_pem()
        loaded = serialization.load_pem_public_key(key)
        public = loaded.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        return provider.resigned(settings.FOLDER, made, public)


class _Mischievous(dict[str, Any]):
    """Claims that change when they are written out."""

    def update(self, *args: Any, **claims: Any) -> None:
        """Take the standard claims, then the mischief."""
        super().update(*args, **claims)
        provider.changed(settings.FOLDER, self)


urlpatterns = [
    path("login/", LoginView.as_view(), name="login"),
    path("o/", include("oauth2_provider.urls", namespace="oauth2_provider")),
]
