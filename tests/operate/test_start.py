"""Starting: the pages first, nothing loaded that they do not need, a clean end at any moment."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from anzhang.home import Home
from anzhang.operate import listen, readiness, supervise
from tests import programs

HEAVY = {"numba", "llvmlite", "numpy", "pyarrow", "duckdb", "docx", "typst", "polars"}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    path = tmp_path_factory.mktemp("start") / "home"
    subprocess.run([sys.executable, "-m", "anzhang", "--home", str(path), "init"], check=True, capture_output=True)
    home = Home(path)
    settings = home.settings_file.read_text(encoding="utf-8")
    settings = re.sub(r"127\.0\.0\.1:\d+", lambda _: f"127.0.0.1:{programs.free_port()}", settings)  # other tests run beside this one
    home.settings_file.write_text(settings, encoding="utf-8")
    return home


def surroundings(home: Home, **more: str) -> dict[str, str]:
    return {**os.environ, "ANZHANG_HOME": str(home.path), **more}


def test_the_pages_load_nothing_that_only_the_vault_or_a_printed_form_needs(home):
    code = "import anzhang.wsgi, anzhang.urls, sys; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], env=surroundings(home), capture_output=True, text=True, check=True)
    assert not HEAVY & set(done.stdout.split())


def test_the_supervisor_loads_no_application(home):
    code = "import anzhang.management.commands.up, sys; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], env=surroundings(home), capture_output=True, text=True, check=True)
    assert not {"anzhang.settings", "anzhang.models", "django.db.models.base"} & set(done.stdout.split())


def test_up_serves_the_pages_and_then_starts_the_others_and_stops_cleanly(home):
    place = listen.web(home)
    command = (sys.executable, "-m", "anzhang", "up")
    with subprocess.Popen(command, env=surroundings(home), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        programs.wait_until(lambda: programs.answers(place.port), 60, "the pages")
        programs.wait_until(readiness.ready_file(home).exists, 60, "the sign that the pages stand")
        programs.wait_until((home.run / "collector.json").exists, 60, "the collector")
        process.send_signal(signal.SIGTERM)
        printed, _ = process.communicate(timeout=60)
    assert process.returncode == 0, printed
    assert "SIGKILL" not in printed
    assert not readiness.ready_file(home).exists()


@pytest.mark.parametrize("verb", ["collector", "worker"])
@pytest.mark.parametrize("after", [0.3, 0.8])
def test_a_daemon_that_is_stopped_before_it_stands_ends_cleanly(home, verb, after):
    with subprocess.Popen([sys.executable, "-m", "anzhang", verb], env=surroundings(home), stderr=subprocess.PIPE, text=True) as process:
        time.sleep(after)
        process.send_signal(signal.SIGTERM)
        _, complaint = process.communicate(timeout=60)
    assert process.returncode == 0, complaint
    assert "Traceback" not in complaint


def test_a_process_stands_back_until_the_file_comes_and_not_for_ever(tmp_path, monkeypatch):
    file = tmp_path / "web.ready"
    timer = threading.Timer(0.2, file.touch)
    timer.start()
    assert readiness.wait_for(file, 30.0)
    assert not readiness.wait_for(tmp_path / "never", 0.1)
    monkeypatch.setenv(readiness.BEHIND, str(file))
    readiness.stand_back()
    assert readiness.BEHIND not in os.environ, "its own children do not wait again"
    timer.join()


def test_up_refuses_a_database_of_an_earlier_version_and_says_what_to_do(home, tmp_path):
    assert supervise.behind(home) == []
    old = Home(tmp_path / "old")
    old.path.mkdir()
    old.settings_file.write_bytes(home.settings_file.read_bytes())
    with sqlite3.connect(Path(old.path / "db.sqlite3")) as database:
        database.execute("CREATE TABLE django_migrations (app TEXT, name TEXT)")
        database.execute("INSERT INTO django_migrations VALUES ('anzhang', '0001_initial')")
    database.close()
    waiting = supervise.behind(old)
    assert waiting
    assert "0001_initial" not in waiting
    done = subprocess.run([sys.executable, "-m", "anzhang", "up"], env=surroundings(old), capture_output=True, text=True, check=False)
    assert (done.returncode, "upgrade" in done.stderr) == (2, True)
    assert f"{len(waiting)} migrations" in done.stderr
