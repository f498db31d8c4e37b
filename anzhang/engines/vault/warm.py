"""Compile every kernel once, so that the first real batch does not wait for it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from anzhang.engines.vault.batch import Batch
from anzhang.engines.vault.query import Query
from anzhang.engines.vault.vault import Vault

_LINES = (
    b'<34>1 2026-01-02T03:04:05.678Z host app 1 ID [a b="c"] Accepted password for li from 10.0.0.1 port 22 ssh2\n'
    b"Jan  2 03:04:05 host sshd[7]: Failed password for li from 10.0.0.1 port 22 ssh2\n"
    b"type=USER_LOGIN msg=audit(1767294245.000:1): pid=1 msg='acct=6C69 res=success'\n"  # every way of splitting a line into fields
    b"20260102 03:04:05,db,li,10.0.0.1,1,2,QUERY,d,'select 1',0\n"
    b'{"stream": "app_event", "user": "li", "action": "read", "record_count": 1}\n' + "用户登录".encode()
)


def warm() -> None:
    """Run a small vault through everything once; takes some ten seconds the first time and nothing later."""
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    with TemporaryDirectory(prefix="anzhang-warm-") as folder:
        vault = Vault(Path(folder))
        with vault.writer() as writer:
            writer.append(Batch("A", _LINES * 9, at))  # often enough for templates
            writer.append(Batch("B", b"6 <1>abc", at, framing="octet"))
            writer.append(Batch("C", "用户\n".encode("gbk"), at, encoding="gbk"))
            vault.search(Query(term="li"))
            writer.seal(at)
            writer.append(Batch("A", _LINES, at))  # nothing to decode: other kernels than above
            writer.seal(at)
        for query in (Query(term="li"), Query(phrase="用户 登录"), Query(substring="port"), Query(term="22"), Query(regex="port")):
            vault.search(query)
        vault.verify()
