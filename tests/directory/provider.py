"""A real OpenID provider for the tests: django-oauth-toolkit in a process of its own, over TLS, on a random port of 127.0.0.1.

It is another code base than the client under test. What a broken or hostile provider would send is made from its own ID tokens:
`mischief.json` in its folder changes claims or signs anew, for every token from then on.

    python -m tests.directory.provider FOLDER PORT
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import sqlite3
import ssl
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urljoin
from wsgiref.simple_server import ServerHandler, WSGIRequestHandler, WSGIServer

import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from anzhang.home import Home
from anzhang.operate.initialize import write_private
from tests import programs
from tests.directory import slapd

CLIENT, SECRET, WORD = "anzhang", "the client secret of the tests", "Provider-Word-99"
BACK = "http://testserver/account/oidc/back/"


@dataclass(frozen=True)
class Provider:
    """A running provider."""

    folder: Path
    port: int

    @property
    def issuer(self) -> str:
        """Return what it calls itself."""
        return f"https://localhost:{self.port}/o"

    def home(self, folder: Path, **changes: object) -> Home:
        """Return a data directory that is configured for it, with changes to the `[oidc]` table."""
        folder.mkdir(exist_ok=True)
        (folder / "oidc-secret").unlink(missing_ok=True)
        write_private(folder / "oidc-secret", SECRET.encode())
        people = changes.pop("people", {})
        table: dict[str, object] = {
            "issuer": self.issuer, "client_id": CLIENT, "client_secret_file": "oidc-secret", "ca": str(self.folder / "ca.pem"),
            "claim": "employee_number", **changes,
        }  # fmt: skip
        lines = ["[oidc]", *(f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in table.items()), "[oidc.people]"]
        lines += [f"{json.dumps(name)} = {json.dumps(code)}" for name, code in people.items()]  # type: ignore[attr-defined]
        (folder / "anzhang.toml").write_text("\n".join(lines), encoding="utf-8")
        return Home(folder)

    def make_mischief(self, **what: Any) -> None:
        """Change every ID token from now on: `claims` to set or (None) to remove, `sign` = "broken", "none", "hmac" or "stranger"."""
        (self.folder / "mischief.json").write_text(json.dumps(what))

    def lead_back_to(self, address: str) -> None:
        """Register where the client may be led back to."""
        with closing(sqlite3.connect(self.folder / "db.sqlite3")) as database, database:
            database.execute("UPDATE oauth2_provider_application SET redirect_uris = ?", [address])

    def log_in(self, address: str, username: str, word: str = WORD, session: requests.Session | None = None) -> str:
        """Go where the client sent the browser, log in, and return where the provider leads it back to."""
        browser = session or requests.Session()
        browser.verify, browser.trust_env = str(self.folder / "ca.pem"), False
        while not address.startswith(BACK):
            answer = browser.get(address, allow_redirects=False)
            if answer.status_code == 200:  # the log-in form
                token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', answer.text)
                assert token, answer.text
                form = {"username": username, "password": word, "csrfmiddlewaretoken": token[1]}
                answer = browser.post(answer.url, form, headers={"Referer": answer.url}, allow_redirects=False)
            assert answer.status_code == 302, (answer.status_code, answer.text)
            address = urljoin(address, answer.headers["Location"])
        return address


@contextmanager
def serving(folder: Path) -> Iterator[Provider]:
    """Run a provider with the users of `main` until the block ends."""
    folder.mkdir(parents=True)
    slapd.certify(folder, slapd.authority(folder))
    provider = Provider(folder, programs.free_port())
    with (folder / "provider.out").open("wb") as out:
        command = (sys.executable, "-W", "ignore", "-m", "tests.directory.provider", str(folder), str(provider.port))
        with programs.running(*command, stdout=out, stderr=out, cwd=Path(__file__).resolve().parents[2]):
            programs.wait_until(lambda: programs.answers(provider.port), what="the provider")
            yield provider


# The rest runs in the provider's process.

# log-in name, employee number, mail
USERS = (
    ("zhanghua", "P022", ""), ("liuyang", "P020", ""), ("stranger", "P999", ""), ("luona", "P031", ""),
    ("nocode", "", "zhengkai@bureau.test"),
)  # fmt: skip
LOGIN = """<form method="post">{% csrf_token %}{{ form.as_p }}<button>Log in</button></form>"""


def main(folder: Path, port: int) -> None:
    """Set the provider up in its folder and serve it."""
    import django
    from django.conf import settings
    from django.core.management import call_command

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    settings.configure(
        SECRET_KEY="of the provider",
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF="tests.directory.provider_urls",
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions", "oauth2_provider"],
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
        ],
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "OPTIONS": {
                    "loaders": [("django.template.loaders.locmem.Loader", {"registration/login.html": LOGIN})],
                    "context_processors": ["django.template.context_processors.request"],
                },
            }
        ],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": folder / "db.sqlite3"}},
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        LOGIN_URL="/login/",
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
        SECURE_PROXY_SSL_HEADER=("wsgi.url_scheme", "https"),
        USE_TZ=True,
        FOLDER=folder,
        OAUTH2_PROVIDER={
            "OIDC_ENABLED": True,
            "OIDC_ISS_ENDPOINT": f"https://localhost:{port}/o",
            "OIDC_RSA_PRIVATE_KEY": pem.decode(),
            "SCOPES": {"openid": "who", "profile": "more"},
            "OAUTH2_VALIDATOR_CLASS": "tests.directory.provider_urls.Validator",
        },
    )
    django.setup()
    call_command("migrate", verbosity=0)
    from django.contrib.auth.models import User
    from django.core.wsgi import get_wsgi_application
    from oauth2_provider.models import Application

    for username, number, mail in USERS:
        User.objects.create_user(username, mail, WORD, last_name=number)
    Application.objects.create(
        client_id=CLIENT, client_secret=SECRET, client_type="confidential", authorization_grant_type="authorization-code",
        redirect_uris=BACK, algorithm="RS256", skip_authorization=True, name="anzhang",
    )  # fmt: skip
    server = _Server(("127.0.0.1", port), _Handler)
    server.set_app(get_wsgi_application())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.serve_forever()


class _Server(ThreadingHTTPServer, WSGIServer):
    daemon_threads = True


class _Handler(WSGIRequestHandler):
    """Say that the address is https; the form's protection against forged requests depends on it."""

    def get_environ(self) -> dict[str, Any]:
        """Return the surroundings of a request."""
        return {**super().get_environ(), "HTTPS": "on", "wsgi.url_scheme": "https"}

    def handle(self) -> None:
        """Serve one request."""
        self.raw_requestline = self.rfile.readline(65537)
        if not self.parse_request():
            return
        handler = ServerHandler(self.rfile, self.wfile, self.get_stderr(), {**self.get_environ(), "HTTPS": "on"})
        handler.request_handler = self  # type: ignore[attr-defined]
        handler.run(self.server.get_app())  # type: ignore[attr-defined]


def changed(folder: Path, claims: dict[str, Any]) -> dict[str, Any]:
    """Return claims after the mischief of the moment."""
    for name, value in _mischief(folder).get("claims", {}).items():
        if value is None:
            claims.pop(name, None)
        else:
            claims[name] = value
    return claims


def resigned(folder: Path, token: str, public: bytes) -> str:
    """Return a token, signed as the mischief of the moment wants it; `public` is the provider's public key."""
    how = _mischief(folder).get("sign")
    header, payload, signature = token.split(".")
    if how == "broken":
        return f"{header}.{payload}.{signature[:-8]}AAAAAAAA"
    if how == "none":
        return f"{_part({'alg': 'none', 'typ': 'JWT'})}.{payload}."
    if how == "hmac":
        header = _part({"alg": "HS256", "typ": "JWT"})
        digest = hmac.digest(public, f"{header}.{payload}".encode(), hashlib.sha256)
        return f"{header}.{payload}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"
    return token


def _mischief(folder: Path) -> dict[str, Any]:
    file = folder / "mischief.json"
    what: dict[str, Any] = json.loads(file.read_text()) if file.is_file() else {}
    return what


def _part(value: dict[str, str]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
