"""Log lines of every shape, made on the spot, the same for the same seed."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

AT = datetime(2026, 3, 2, 1, 30, tzinfo=UTC)  # 09:30 in Beijing


def lines(count: int, seed: int = 1) -> list[bytes]:
    """Return lines without terminators: RFC 3164 with and without PRI, RFC 5424, ISO headers, bare, Chinese, GBK, NUL, empty."""
    chance = random.Random(seed)
    made = []
    for i in range(count):
        when = AT - timedelta(seconds=count - i)
        local = when + timedelta(hours=8)
        bsd = f"{local:%b} {local.day:2d} {local:%H:%M:%S}"
        ip = f"10.{chance.randrange(4)}.{chance.randrange(256)}.{chance.randrange(256)}"
        pid, port, user = chance.randrange(1, 99999), chance.randrange(1024, 65536), chance.choice(["root", "liming", "wangfang", "u_7"])
        shapes = [
            f"<38>{bsd} sbapp01 sshd[{pid}]: Failed password for {user} from {ip} port {port} ssh2",
            f"{bsd} sbapp02 sshd[{pid}]: Accepted publickey for {user} from {ip} port {port} ssh2: RSA SHA256:x",
            f"{bsd} jyapp01 kernel: [12.{pid}] eth0: link up",
            f'<134>1 {when:%Y-%m-%dT%H:%M:%S}.{chance.randrange(10**6):06d}Z fw01 charon {pid} ID47 [a@1 k="v \\]"] tunnel up {ip}',
            f"<13>1 {local:%Y-%m-%dT%H:%M:%S}.{chance.randrange(1000):03d}+08:00 biz01 hrss - LOGIN - 用户王芳查询社保记录{pid}成功",
            f'{local:%Y-%m-%dT%H:%M:%S}+08:00 web01 nginx: {ip} - - "GET /person/{pid} HTTP/1.1" 200 {port}',
            f"[{local:%a %b %d %H:%M:%S %Y}] [error] mod_jk child {pid} in error state 6",
            f"<13>1 - - - - - - nothing known {pid}",
            f"{bsd} sbdb01 last message repeated {chance.randrange(9)} times",
            f"<999>{bsd} broken priority {pid}",
        ]
        line = chance.choice(shapes).encode()
        if i % 97 == 5:
            line = f"<13>{bsd} dev01 防火墙: 拒绝访问 来自{ip} 规则{pid}".encode("gb18030")
        if i % 101 == 7:
            line = b"\xff\xfe\x00binary\x00" + bytes([chance.randrange(256) for _ in range(9)]).replace(b"\n", b"").replace(b"\r", b"")
        if i % 211 == 11:
            line = b""
        made.append(line)
    return made
