"""Django settings, all derived from the data directory (`home.py`) and the package."""

from __future__ import annotations

import secrets
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from django.utils.translation import gettext_lazy as _

from anzhang.directory.outside import has_ldap
from anzhang.home import Home, HomeError

HOME = Home.current()
PACKAGE = Path(__file__).resolve().parent


def _secret() -> str:
    """Return the installation's secret; before `anzhang init` a fresh one, good for this process only."""
    file = HOME.keys / "secret.key"
    return file.read_text(encoding="ascii").strip() if file.is_file() else secrets.token_urlsafe(48)


def _database(url: str) -> dict[str, Any]:
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": unquote(parts.path[1:]) if parts.path.startswith("//") else unquote(parts.path),
            "CONN_MAX_AGE": None,
            "OPTIONS": {
                "transaction_mode": "IMMEDIATE",
                "timeout": 20,
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA mmap_size=268435456; PRAGMA cache_size=-32768;",
            },
        }
    if parts.scheme in {"postgres", "postgresql"}:
        return {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": unquote(parts.path.lstrip("/")),
            "USER": unquote(parts.username or ""),
            "PASSWORD": unquote(parts.password or ""),
            "HOST": unquote(parts.hostname or ""),  # a folder, percent-encoded, is where the server's socket stands
            "PORT": str(parts.port or ""),
            "CONN_MAX_AGE": None,  # one thread, one connection; the pages share a pool (operate/database.py)
            "CONN_HEALTH_CHECKS": True,
            "OPTIONS": {
                # jit off: our statements are short. A row held for 60 s is an error; in a crowd of 500 the last one waits half of that.
                "options": "-c jit=off -c lock_timeout=60s -c idle_in_transaction_session_timeout=10min",
                **dict(parse_qsl(parts.query)),  # sslmode=verify-full&sslrootcert=... and the like
            },
        }
    msg = f"database address {parts.scheme}://…: use sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME"
    raise HomeError(msg)


SECRET_KEY = _secret()
DEBUG = False
ALLOWED_HOSTS = [*HOME.get("server", "hosts", []), "127.0.0.1", "localhost", "[::1]"]

INSTALLED_APPS = [
    "anzhang",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "axes",
    "django_cotton.apps.SimpleAppConfig",
    "django_htmx",
    "ninja",
    "rules",
]

MIDDLEWARE = [
    "anzhang.web.headers.HeadersMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "anzhang.web.balance.Balance",
    "anzhang.web.one_by_one.OneByOne",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "anzhang.web.language.LanguageMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "allauth.usersessions.middleware.UserSessionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "anzhang.web.sessions.SessionLimits",
    "axes.middleware.AxesMiddleware",
    "anzhang.web.refusals.RefusalMiddleware",
]

ROOT_URLCONF = "anzhang.urls"
WSGI_APPLICATION = "anzhang.wsgi.application"
AUTH_USER_MODEL = "anzhang.User"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [PACKAGE / "web" / "templates"],
        "OPTIONS": {
            "loaders": [
                (
                    "django.template.loaders.cached.Loader",
                    [
                        "django_cotton.cotton_loader.Loader",
                        "django.template.loaders.filesystem.Loader",
                        "django.template.loaders.app_directories.Loader",
                    ],
                )
            ],
            "builtins": ["django_cotton.templatetags.cotton", "anzhang.web.tags", "anzhang.web.marks", "anzhang.web.rows"],
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "anzhang.web.shell.shell",
            ],
        },
    }
]
COTTON_DIR = "cotton"

DATABASES = {"default": _database(HOME.database_url)}
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "rules.permissions.ObjectPermissionBackend",
    "anzhang.web.adapter.PasswordBackend",
]
if has_ldap(HOME) and find_spec("sansldap"):  # configured without the extra: anzhang.E006, and local users still enter
    AUTHENTICATION_BACKENDS.append("anzhang.web.outside_ldap.DirectoryBackend")

# Identity (DESIGN 10, 12): allauth for the pages, axes for the lock of record, no sign-up, no mail.
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
ACCOUNT_ADAPTER = "anzhang.web.adapter.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_LOGOUT_REDIRECT_URL = "account_login"
ACCOUNT_SESSION_REMEMBER = False
ACCOUNT_REAUTHENTICATION_TIMEOUT = 15 * 60
ACCOUNT_RATE_LIMITS = {"login": "60/m/ip", "login_failed": None}  # failures are counted by axes, in the database
ACCOUNT_FORMS = {"change_password": "anzhang.web.adapter.PasswordForm"}
MFA_ADAPTER = "anzhang.web.factors.FactorAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_TOTP_ISSUER = "安章"
MFA_TOTP_TOLERANCE = 1
MFA_RECOVERY_CODES_SHOW_ONCE = True
MFA_FORMS = {
    "authenticate": "anzhang.web.factors.CodeForm",
    "reauthenticate": "anzhang.web.factors.CodeAgainForm",
    "authenticate_webauthn": "anzhang.web.factors.KeyForm",
    "reauthenticate_webauthn": "anzhang.web.factors.KeyAgainForm",
}
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(minutes=30)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_ENABLE_ADMIN = False
AXES_DISABLE_ACCESS_LOG = True  # the ledger has every log-in
AXES_VERBOSE = False
AXES_USERNAME_CALLABLE = "anzhang.web.adapter.axes_username"
AXES_CLIENT_IP_CALLABLE = "anzhang.web.adapter.axes_address"
AXES_LOCKOUT_CALLABLE = "anzhang.web.adapter.locked_out"
AXES_SENSITIVE_PARAMETERS = ["login", "username", "password", "code", "credential", "next", "csrfmiddlewaretoken"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator",
        "OPTIONS": {"user_attributes": ["username", "email"]},
    },
    {"NAME": "anzhang.directory.passwords.KindsValidator"},
    {"NAME": "anzhang.directory.passwords.NameValidator"},
    {"NAME": "anzhang.directory.passwords.HistoryValidator"},
]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
SERVED_BY_TLS = bool(HOME.get("server", "certificate", ""))
SESSION_COOKIE_NAME = "anzhang_session"
SESSION_COOKIE_AGE = 8 * 3600
SESSION_EXPIRE_AT_BROWSER_CLOSE = True
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SERVED_BY_TLS
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
# One cache for every process of the machine: spent codes and rate limits must bind all of them.
CACHES = {"default": {"BACKEND": "django.core.cache.backends.filebased.FileBasedCache", "LOCATION": HOME.run / "cache"}}

LANGUAGE_CODE = "zh-hans"
LANGUAGES = [("zh-hans", _("简体中文")), ("en", "English")]
LOCALE_PATHS = [PACKAGE / "locale"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = "Asia/Shanghai"

STATIC_URL = "/static/"
STATICFILES_DIRS = [PACKAGE / "web" / "static"]
STATIC_ROOT = PACKAGE / "web" / "collected"  # filled by the build hook (hatch_build.py), never by the server
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "anzhang.web.assets.PackagedStorage"},
}
WHITENOISE_USE_FINDERS = True  # files of other packages are served under their plain names
CSRF_FAILURE_VIEW = "anzhang.web.errors.csrf_failure"


# The platform's own log: to the terminal, and in an installation to a file that the collector tails, so that the
# platform stands in its own registers. One write per record in append mode: safe for several processes.
_LOG_FILE = HOME.log / "anzhang.log"
_HANDLERS = ["terminal", "file"] if HOME.exists and _LOG_FILE.parent.is_dir() else ["terminal"]
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "terminal": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"},
        "syslog": {"()": "anzhang.operate.log.SyslogFormatter"},
    },
    "handlers": {
        "terminal": {"class": "logging.StreamHandler", "formatter": "terminal"},
        "file": {
            "class": "logging.handlers.WatchedFileHandler" if "file" in _HANDLERS else "logging.NullHandler",
            **({"filename": str(_LOG_FILE), "formatter": "syslog", "encoding": "utf-8", "delay": True} if "file" in _HANDLERS else {}),
        },
    },
    "root": {"handlers": _HANDLERS, "level": "WARNING"},
    "loggers": {"anzhang": {"level": "INFO"}, "axes": {"level": "ERROR"}},
}
