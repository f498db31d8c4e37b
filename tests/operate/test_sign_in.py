"""What `anzhang doctor` says about a directory or an identity provider, with real ones."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from anzhang import checks
from anzhang.home import Home
from anzhang.operate import sign_in
from tests import programs
from tests.directory import provider as providers
from tests.directory import slapd

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with slapd.serving(tmp_path_factory.mktemp("slapd") / "server", slapd.person("liuyang", "x", "P020")) as running:
        yield running


@pytest.fixture(scope="module")
def provider(tmp_path_factory):
    with providers.serving(tmp_path_factory.mktemp("provider") / "site") as running:
        yield running


def look(home):
    return {seen.subject.partition("://")[0]: seen for seen in sign_in.look(home)}


def test_a_setting_that_is_wrong_is_an_error_of_the_installation(tmp_path, server, provider):
    home = slapd.home(tmp_path, server, urls=["ldap://dc.example"])
    (fault,) = checks.outside_complete(home)
    assert fault.id == "anzhang.E006"
    assert "passwords in the clear" in fault.msg
    assert look(home) == {}, "it is said once"
    (fault,) = checks.outside_complete(provider.home(tmp_path / "other", claim="email"))
    assert "does not identify a person" in fault.msg


def test_nothing_is_said_where_nothing_is_configured(tmp_path):
    (tmp_path / "anzhang.toml").write_text("")
    assert look(Home(tmp_path)) == {}
    assert checks.outside_complete(Home(tmp_path)) == []


@pytest.mark.parametrize(
    ("changes", "remedy"),
    [
        ({"base": "ou=nowhere,dc=bureau,dc=test"}, "ldap.base"),
        ({"ca": ""}, "ldap.ca"),
        ({"urls": ["ldaps://localhost:{closed}"]}, "firewall"),
        ({"filter": "(uid={name}"}, "anzhang.toml"),
    ],
)
def test_it_says_what_to_do_about_a_directory(server, tmp_path, changes, remedy):
    if "urls" in changes:
        changes = {"urls": [url.format(closed=programs.free_port(), tls=server.tls) for url in changes["urls"]]}
    (seen,) = look(slapd.home(tmp_path, server, **changes)).values()
    assert not seen.ok
    assert seen.grave
    assert remedy in seen.remedy


def test_it_warns_of_a_certificate_that_will_end(tmp_path):
    with slapd.serving(tmp_path / "s", "", days=10) as ending:
        seen = list(sign_in.look(slapd.home(tmp_path / "h", ending)))
    assert [(each.ok, each.grave) for each in seen] == [(True, True), (False, False)]
    assert "ends on" in seen[1].seen


def test_it_looks_at_the_provider(provider, tmp_path):
    seen = look(provider.home(tmp_path))["oidc provider"]
    assert seen.ok
    assert "1 signing keys" in seen.seen


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"issuer": "{issuer}/"}, "names the issuer"),
        ({"ca": ""}, "SSLError"),
        ({"issuer": "https://localhost:{closed}"}, "ConnectionError"),
    ],
)
def test_it_says_what_to_do_about_a_provider(provider, tmp_path, changes, words):
    fill = {"issuer": provider.issuer, "closed": programs.free_port()}
    seen = look(provider.home(tmp_path, **{key: value.format(**fill) for key, value in changes.items()}))["oidc provider"]
    assert not seen.ok
    assert words in seen.seen
    assert "oidc.issuer" in seen.remedy


def test_it_names_an_extra_that_is_not_installed_and_the_pages_stand_without_it(tmp_path, server, monkeypatch):
    home = slapd.home(tmp_path, server)
    monkeypatch.setattr(sign_in, "find_spec", lambda _name: None)
    assert look(home) == {}
    (fault,) = checks.outside_complete(home)
    assert fault.id == "anzhang.E006"
    assert fault.hint == "pip install 'anzhang[ldap]'"


@pytest.mark.parametrize(("absent", "backends"), [({"sansldap", "authlib", "requests"}, "3"), (set(), "4")], ids=["absent", "installed"])
def test_the_pages_start_and_answer_with_and_without_the_extras(tmp_path, server, absent, backends):
    """Without them: a Python that does not find the packages, as an installation without the extras would."""
    slapd.home(tmp_path, server)
    code = (
        "import importlib.util as u, sys; real = u.find_spec\n"
        f"absent = {absent!r}\n"
        "u.find_spec = lambda name, *rest: None if name in absent else real(name, *rest)\n"
        "sys.modules.update(dict.fromkeys(absent))\n"
        "import anzhang.wsgi, anzhang.urls\n"
        "from django.conf import settings\n"
        "from django.test import Client\n"
        "pages = [Client(headers={'host': 'localhost'}).get(path).status_code for path in ('/healthz', '/account/login/')]\n"
        "print(len(settings.AUTHENTICATION_BACKENDS), *pages, 'authlib.oidc' in sys.modules)\n"
    )
    environment = {**os.environ, "ANZHANG_HOME": str(tmp_path), "DJANGO_SETTINGS_MODULE": "anzhang.settings"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.stdout.split() == [backends, "200", "200", "False"], done.stderr
