"""Run the vault and the framing through many kinds of lines and print which kernels had to be compiled: a program of its own."""

from __future__ import annotations

import gc
import json
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import django

AT = datetime(2026, 11, 24, 1, 30, tzinfo=UTC)
LOGIN = "<38>Nov 24 09:%02d:00 host%d sshd[%d]: Accepted password for u%d from 10.0.0.%d port 22 ssh2\n"

SPLIT = b"""\
type=SYSCALL msg=audit(1764000002.300:501): arch=c000003e syscall=257 success=no ppid=1 pid=201 comm="vi" exe="/usr/bin/vi"
type=PATH msg=audit(1764000002.300:501): item=1 name=2F746D702F61 nametype=CREATE
<190>Nov 24 2026 09:00:00 fw %%01SEC/4/POLICYDENY(l)[12]:protocol=6, source-ip=10.0.0.1, source-port=5, destination-ip=10.0.0.9
{"stream": "sensor_event", "sensor": "T1", "value": 45.2, "time": "2026-11-24 09:00:00", "room": "R\\"1"}
10.20.1.5 - - [24/Nov/2026:09:00:00 +0800] "GET / HTTP/1.1" 200 512 "-" "-"
2026-11-24 09:00:00.1 CST,"a","b",1,"[local]",6.1,2,"idle",2026-11-24 08:59:00 CST,3/12,0,LOG,00000,"statement: select ""x""
from y",,,,,,,,,"psql"
"""


def main() -> None:
    django.setup()
    from numba.core.dispatcher import Dispatcher

    from anzhang.daemons import collector

    collector.warm()
    with tempfile.TemporaryDirectory() as folder:
        use(Path(folder))
    # By the type, not by isinstance: that would wake up every lazy object of Django.
    found = [each for each in gc.get_objects() if issubclass(type(each), Dispatcher)]
    kernels = {id(each): each for each in found if each.py_func.__module__.startswith("anzhang")}
    compiled = sorted(each.py_func.__qualname__ for each in kernels.values() if sum(each.stats.cache_misses.values()))
    sys.stdout.write(json.dumps({"known": len(kernels), "compiled": compiled}))


def use(folder: Path) -> None:
    from anzhang.engines.vault import Batch, Query, Vault

    vault = Vault(folder)
    lines = "".join(LOGIN % (n % 60, n % 7, n, n, n % 250) for n in range(3000)).encode()
    with vault.writer() as writer:
        writer.append(Batch("A", lines, AT))
        writer.append(Batch("B", '<13>1 2026-11-24T09:30:00.123+08:00 h app 7 ID [x y="z"] 用户 110101199003078515 登录\n'.encode(), AT))
        writer.append(Batch("C", "用户退出\n".encode("gbk"), AT, encoding="gbk"))
        writer.append(Batch("D", b"14 <13>1 - h a - 5 <1>xy", AT, framing="octet"))
        writer.append(Batch("F", SPLIT, AT))
        writer.append(Batch("E", bytes(range(256)) + b"\n", AT))
        writer.seal(AT)
        writer.append(Batch("A", lines[:200], AT))
        writer.seal(AT)
    for query in (Query(term="u7"), Query(phrase="password for"), Query(substring="退出"), Query(regex="10[.]0"), Query(host="host3")):
        vault.search(query)
    assert not vault.verify()


if __name__ == "__main__":
    main()
