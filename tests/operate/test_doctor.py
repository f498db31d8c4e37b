"""`anzhang doctor` names what is wrong and what to do, on a real installation."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.directory import slapd

ROOT = Path(__file__).resolve().parents[2]


def anzhang(home, *words):
    environment = {**os.environ, "ANZHANG_HOME": str(home), "DJANGO_SETTINGS_MODULE": "anzhang.settings"}
    return subprocess.run([sys.executable, "-m", "anzhang", *words], capture_output=True, text=True, check=False, env=environment, cwd=ROOT)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("doctor") / "home"
    done = anzhang(folder, "init", "--name", "某局")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("/enter/") == 3
    return folder


def findings(home):
    done = anzhang(home, "doctor", "--json")
    return done.returncode, {row["subject"]: row for row in json.loads(done.stdout)}


def test_a_fresh_installation_is_well(home):
    code, rows = findings(home)
    assert code == 0, [row for row in rows.values() if not row["ok"]]
    assert rows["database"]["ok"]


def test_it_names_a_key_that_others_can_read(home):
    key = home / "keys" / "secret.key"
    key.chmod(0o644)
    code, rows = findings(home)
    key.chmod(0o600)
    assert code == 1
    assert rows["key secret.key"]["seen"] == "mode 0644"
    assert rows["key secret.key"]["remedy"].startswith("chmod 0600")


def test_it_names_a_broken_settings_file_by_line(home):
    settings = home / "anzhang.toml"
    before = settings.read_text(encoding="utf-8")
    settings.write_text(before + "\n[server\n", encoding="utf-8")
    done = anzhang(home, "doctor")
    settings.write_text(before, encoding="utf-8")
    assert done.returncode == 2
    assert "anzhang.toml" in done.stderr
    assert "line" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_it_says_how_to_begin_where_nothing_stands(tmp_path):
    done = anzhang(tmp_path / "nothing", "doctor")
    assert done.returncode == 1
    assert "init" in done.stdout


def test_a_second_init_refuses_to_touch_an_installation(home):
    done = anzhang(home, "init")
    assert done.returncode == 2
    assert "not empty" in done.stderr


def test_the_demo_refuses_a_real_installation(home):
    done = anzhang(home, "demo", "--once")
    assert done.returncode == 2
    assert "real installation" in done.stderr


def test_it_shows_the_warnings_of_the_system_checks_and_fails_on_none_of_them(home):
    done = anzhang(home, "doctor")
    assert "WARN check anzhang.W001: administrator" in done.stdout
    assert "→ have the system administrator make a user" in done.stdout
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(anzhang(home, "doctor", "--json").stdout)
    assert {each["grave"] for each in told if each["subject"].startswith("check anzhang.W")} == {False}


def test_it_looks_at_a_directory_and_fails_when_it_is_wrong(home, tmp_path):
    settings = home / "anzhang.toml"
    before = settings.read_text(encoding="utf-8")
    with slapd.serving(tmp_path / "slapd", "") as server:
        slapd.home(home, server)
        code, rows = findings(home)
        seen = rows[f"ldap ldaps://localhost:{server.tls}"]
        assert seen["ok"]
        assert seen["seen"].startswith("TLS, certificate until")
        assert code == 0
        slapd.home(home, server, secret="wrong")
        code, rows = findings(home)
    settings.write_text(before, encoding="utf-8")
    seen = rows[f"ldap ldaps://localhost:{server.tls}"]
    assert code == 1
    assert "INVALID_CREDENTIALS" in seen["seen"]
    assert "ldap.bind_password_file" in seen["remedy"]
