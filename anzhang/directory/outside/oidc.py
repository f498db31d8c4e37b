"""The conversation with the bureau's identity provider: Authlib's client, bound to one issuer and hardened.

1. Discovery: the document must name the very issuer that the operator configured; its addresses are as safe as the issuer's.
2. The browser leaves with state, nonce and a PKCE challenge (S256), all kept in its session, and is asked to log in anew.
3. The code is redeemed; the ID token must be signed by a key of the provider with an asymmetric algorithm, be issued by it, be
   meant for this client, be in date and carry the nonce.
4. The log-in at the provider must have happened just now, unless the operator allows a silent one.

Every request ends after `timeout_seconds`, however slowly its answer drips; it follows no redirect and checks the certificate.
Tokens are not kept.

Source: OpenID Connect Core 1.0, 3.1.3.7; RFC 7636; RFC 9207.
"""

from __future__ import annotations

import hashlib
import re
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import joserfc.errors
import requests
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.django_client import DjangoIntegration, DjangoOAuth2App, OAuthError
from authlib.integrations.requests_client import OAuth2Session
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse

from anzhang.directory.outside import Oidc

NAME = "anzhang"
FRESH_SECONDS = 15 * 60  # as old as a log-in may be before this platform asks again for anything dangerous
LEEWAY_SECONDS = 60
KEPT_SECONDS = 600  # the discovery document, so that a stranger who opens the page does not make us ask each time
ASYMMETRIC = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"})
ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")
FAULTS = (
    OAuthError, AuthlibBaseError, joserfc.errors.JoseError, requests.RequestException, ValueError, KeyError, TypeError, RuntimeError,
)  # fmt: skip


class OidcError(Exception):
    """The provider could not be asked, or what came back is not acceptable. The text is for the operator; `code` for the page."""

    def __init__(self, code: str, text: str) -> None:
        """Keep both; what a stranger may have put into the text is made harmless for a log."""
        super().__init__(re.sub(r"[^\x20-\x7e]", "?", text)[:300])
        self.code = code


# A timeout of `requests` starts anew with every byte, so a thread of ours waits for the whole answer and another one reads it.
# Two are enough for log-ins, and a provider that hangs takes no more of them.
_readers = ThreadPoolExecutor(2, thread_name_prefix="oidc")


class Session(OAuth2Session):  # type: ignore[misc]
    """Requests to the provider: no redirects, one deadline for the whole answer."""

    def request(self, method: str, url: str, **options: Any) -> requests.Response:
        """Send a request. Raises RequestException for a redirect or a late answer as for any other failure."""
        waiting = _readers.submit(super().request, method, url, **{**options, "allow_redirects": False})
        try:
            response: requests.Response = waiting.result(timeout=self.default_timeout)
        except TimeoutError as error:
            waiting.cancel()
            raise requests.Timeout(f"{urlsplit(url).path}: no answer within {self.default_timeout} s") from error
        if response.is_redirect:
            raise requests.TooManyRedirects(f"{urlsplit(url).path} answers with a redirect")
        return response


def client(settings: Oidc) -> DjangoOAuth2App:
    """Return a client whose discovery document has been checked. Raises OidcError."""
    app = DjangoOAuth2App(
        DjangoIntegration(NAME),
        NAME,
        client_id=settings.client_id,
        client_secret=settings.client_secret,
        client_kwargs={
            "scope": " ".join(["openid", *(scope for scope in settings.scopes if scope != "openid")]),
            "code_challenge_method": "S256",
            "default_timeout": settings.timeout_seconds,
        },
    )
    app.client_cls = lambda **given: _session(settings, given)
    document = cache.get(_kept(settings))
    if document is None:
        document = _discover(settings)
        cache.set(_kept(settings), document, KEPT_SECONDS)
    app.server_metadata = {**document, "_loaded_at": time.time()}
    return app


def send(request: HttpRequest, settings: Oidc, back_to: str) -> HttpResponse:
    """Return the redirect to the provider's log-in. Raises OidcError."""
    app = client(settings)
    asked = {} if settings.silent else {"prompt": "login", "max_age": FRESH_SECONDS}
    try:
        response: HttpResponse = app.authorize_redirect(request, back_to, **asked)
    except FAULTS as error:
        raise OidcError("unavailable", f"{type(error).__name__}: {error}") from error
    return response


def receive(request: HttpRequest, settings: Oidc) -> str:
    """Return the configured claim of whoever comes back from the provider, after every check. Raises OidcError."""
    if request.GET.get("iss", settings.issuer) != settings.issuer:
        raise OidcError("refused", f"the answer is from another issuer: {request.GET['iss']}")
    app = client(settings)
    wanted = {
        "iss": {"essential": True, "value": settings.issuer},
        "aud": {"essential": True, "value": settings.client_id},
        "exp": {"essential": True},
        "iat": {"essential": True},
        "sub": {"essential": True},
    }
    try:
        token = app.authorize_access_token(request, claims_options=wanted, leeway=LEEWAY_SECONDS)
        claims: dict[str, Any] = dict(token["userinfo"])
    except requests.RequestException as error:
        raise OidcError("unavailable", f"{type(error).__name__}: {error}") from error
    except OAuthError as error:
        code = {"access_denied": "denied", "mismatching_state": "stale"}.get(str(error.error), "refused")
        raise OidcError(code, f"{error.error}: {error.description}") from error
    except FAULTS as error:
        raise OidcError("refused", f"{type(error).__name__}: {error}") from error
    if not settings.silent:
        _require_fresh(claims)
    value = claims.get(settings.claim)
    if not isinstance(value, str) or not value.strip():
        raise OidcError("claim", f"the ID token has no claim {settings.claim}")
    return value.strip()


def examine(settings: Oidc) -> int:
    """Return how many keys the provider signs with now, asking it anew. Raises OidcError."""
    cache.delete(_kept(settings))
    app = client(settings)
    try:
        return len(app.fetch_jwk_set()["keys"])
    except FAULTS as error:
        raise OidcError("unavailable", f"{app.server_metadata['jwks_uri']}: {type(error).__name__}: {error}") from error


def _kept(settings: Oidc) -> str:
    return f"anzhang-oidc-{hashlib.sha256(settings.issuer.encode()).hexdigest()}"


def _session(settings: Oidc, given: dict[str, Any]) -> Session:
    session = Session(**given)
    session.verify = str(settings.ca) if settings.ca else True
    session.trust_env = False  # no proxy and no .netrc of the environment
    return session


def _discover(settings: Oidc) -> dict[str, Any]:
    address = settings.issuer.rstrip("/") + "/.well-known/openid-configuration"
    session = _session(settings, {"default_timeout": settings.timeout_seconds})
    try:
        with session:
            response = session.request("GET", address, withhold_token=True)
            response.raise_for_status()
            document = response.json()
    except FAULTS as error:
        raise OidcError("unavailable", f"{address}: {type(error).__name__}: {error}") from error
    if not isinstance(document, dict) or document.get("issuer") != settings.issuer:
        said = document.get("issuer") if isinstance(document, dict) else document
        raise OidcError("unavailable", f"{address} names the issuer {said!r}, not {settings.issuer!r}")
    scheme = urlsplit(settings.issuer).scheme
    for name in ENDPOINTS:
        if urlsplit(str(document.get(name, ""))).scheme not in {"https", scheme}:
            raise OidcError("unavailable", f"{address}: {name} is {document.get(name)!r}")
    algorithms = [each for each in document.get("id_token_signing_alg_values_supported", ["RS256"]) if each in ASYMMETRIC]
    if not algorithms:
        raise OidcError("unavailable", f"{address}: signs ID tokens with no asymmetric algorithm")
    return {**document, "id_token_signing_alg_values_supported": algorithms}


def _require_fresh(claims: dict[str, Any]) -> None:
    """Refuse a log-in of long ago: a provider that ignores `prompt=login` would let the next person at the desk in."""
    then = claims.get("auth_time")
    # The provider's clock is the real one, also where this platform's is set for a demonstration.
    if not isinstance(then, int | float) or time.time() - then > FRESH_SECONDS + LEEWAY_SECONDS:
        raise OidcError("not_fresh", f"auth_time is {then!r}")
