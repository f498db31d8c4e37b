"""How fast the register pages are at 100,000 people: one client against the real server, p50 and p95 in milliseconds.

Fills a temporary data directory, starts `anzhang web` on a free port and logs a reader in by a session row. The goal is
p95 under 50 ms with one client. `python -m bench.pages [--people N] [--rounds N] [--serve]`
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FAMILY, GIVEN = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗", "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超兰霞平刚桂英"
UNITS = 40


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--people", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--serve", action="store_true", help="stay up afterwards, for looking at the pages")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="anzhang-bench-pages-") as folder:
        home = Path(folder) / "home"
        port = _free_port()
        os.environ["ANZHANG_HOME"] = str(home)
        os.environ["DJANGO_SETTINGS_MODULE"] = "anzhang.settings"
        cookie, unit = _fill(home, port, options.people)
        server = subprocess.Popen([sys.executable, "-m", "anzhang", "web"])
        try:
            _wait(port)
            figures = {name: _measure(port, cookie, address, options.rounds) for name, address in _pages(options.people, unit).items()}
            print(json.dumps({"people": options.people, "clients": 1, "ms": figures}, ensure_ascii=False, indent=1))
            if options.serve:
                print(f"http://127.0.0.1:{port}/registers/person/  anzhang_session={cookie}", flush=True)
                server.wait()
        finally:
            server.terminate()
            server.wait()


def _pages(people: int, unit: int) -> dict[str, str]:
    last = max(1, people // 25 - 100)
    return {
        "list page 1": "/registers/person/",
        f"list page {last} of 25 rows": f"/registers/person/?size=25&page={last}",
        "list by name, descending": "/registers/person/?sort=-name",
        "list, 2 filters": "/registers/person/?unit=B07&kind=outside",
        "list, search by name": "/registers/person/?q=%E7%8E%8B%E4%BC%9F",
        "list, search by code": "/registers/person/?q=X0099",
        "list, search without a hit": "/registers/person/?q=zzz",
        "unit page": f"/registers/unit/{unit}/",
        "api page 1": "/api/registers/person",
    }


def _fill(home: Path, port: int, people: int) -> tuple[str, int]:
    """Make the directory, the bureau and the people; return the reader's session key and a unit's number."""
    from anzhang.home import Home
    from anzhang.operate import initialize

    initialize.make_directory(Home(home), name="bench", demo=False, ports=initialize.Ports(web=port))
    import django

    django.setup()
    from django.conf import settings
    from django.contrib.sessions.backends.db import SessionStore
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    from anzhang import clock
    from anzhang.demo import bureau as demo
    from anzhang.directory.models import Person, Unit
    from anzhang.journal import keys
    from anzhang.web import actors

    keys.create(Home(home))
    now = clock.now()
    bureau = demo.build(now)
    top = bureau.unit["HRSS"]
    units = [
        Unit(code=f"B{i:02}", name=f"第{i}分局", kind="subordinate_unit", parent=top, path=f"{top.path}B{i:02}/", established_on=now.date())
        for i in range(UNITS)
    ]
    Unit.objects.bulk_create(units)
    Person.objects.bulk_create(
        (
            Person(
                code=f"X{i:06}",
                name=FAMILY[i % len(FAMILY)] + GIVEN[i // 7 % len(GIVEN)] + (GIVEN[i // 31 % len(GIVEN)] if i % 3 else ""),
                kind="outside" if i % 50 == 0 else "staff",
                unit=units[i * 7919 % UNITS],
                post="科员",
                joined_on=now.date(),
            )
            for i in range(people)
        ),
        batch_size=5000,
    )
    reader = bureau.user["zhengkai"]
    session = SessionStore()
    session["_auth_user_id"] = str(reader.pk)
    session["_auth_user_backend"] = settings.AUTHENTICATION_BACKENDS[-1]
    session["_auth_user_hash"] = reader.get_session_auth_hash()
    actors.mark_second_factor(session, reader, "totp", now)
    session.save()
    return str(session.session_key), units[7].pk


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(port: int) -> None:
    for _try in range(300):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/healthz")
            connection.getresponse().read()
        except OSError:
            time.sleep(0.1)
        else:
            return
    sys.exit("the server did not come up")


def _measure(port: int, cookie: str, address: str, rounds: int) -> dict[str, float]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    took, size = [], 0
    for _round in range(rounds + 10):
        started = time.perf_counter()
        connection.request("GET", address, headers={"Cookie": f"anzhang_session={cookie}"})
        answer = connection.getresponse()
        size = len(answer.read())
        took.append((time.perf_counter() - started) * 1000)
        if answer.status != 200:
            sys.exit(f"{address}: {answer.status} {answer.getheader('Location')}")
    took = sorted(took[10:])  # the first ten warm the server up
    return {"p50": round(statistics.median(took), 1), "p95": round(took[int(len(took) * 0.95)], 1), "bytes": size}


if __name__ == "__main__":
    main()
