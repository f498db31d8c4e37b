"""Vault engine alone: lines per CPU-second from write-ahead log to sealed segment. The lines are the same every run."""

from __future__ import annotations

import random
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from anzhang.engines.vault import Batch, Vault
from anzhang.engines.vault.warm import warm

LINES = 500_000
CHUNK = 1 << 20
AT = datetime(2026, 3, 2, 1, 30, tzinfo=UTC)


def corpus(logins: float, lines: int = LINES) -> bytes:
    """Return log lines of which a share are failed logins, the rest web requests and Chinese business lines."""
    chance, made = random.Random(1), []
    for i in range(lines):
        clock, ip = f"Mar  2 09:{i // 10_000 % 60:02d}:{i // 200 % 60:02d}", f"10.{i % 256}.{chance.randrange(256)}.{chance.randrange(256)}"
        if chance.random() < logins:
            user = f"u{chance.randrange(9999)}"
            made.append(
                f"<38>{clock} sbapp{i % 7:02d} sshd[{chance.randrange(99999)}]: Failed password for {user} from {ip} port 40022 ssh2"
            )
        elif i % 10 < 8:
            made.append(
                f'<134>{clock} web{i % 5} nginx[{i % 9}]: {ip} - - "GET /api/person/{chance.randrange(999999)} HTTP/1.1" 200 - "Mozilla/5.0"'  # noqa: E501
            )
        else:
            made.append(
                f"<134>1 2026-03-02T09:11:{i % 60:02d}.{i:06d}+08:00 biz0{i % 4} hrss {i % 100} QUERY - 用户 王芳 查询社保记录 {i} 成功"
            )
    return ("\n".join(made) + "\n").encode()


def ingest(data: bytes, root: Path) -> tuple[float, float]:
    """Return (lines per CPU-second, raw bytes per stored byte)."""
    with Vault(root).writer() as writer:
        began, place = time.process_time(), 0
        while place < len(data):
            end = data.rfind(b"\n", place, place + CHUNK) + 1
            writer.append(Batch("S", data[place:end], AT))
            place = end
        sealed = writer.seal(AT)
        spent = time.process_time() - began
    assert sealed is not None
    return sealed.rows / spent, sealed.raw_bytes / sealed.file_bytes


def main() -> None:
    """Print a line per share of logins."""
    warm()
    for logins in (0.0, 0.02, 0.3):
        data = corpus(logins)
        with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
            ingest(data, Path(first))
            speed, ratio = ingest(data, Path(second))
        print(f"vault ingest, {logins:4.0%} logins: {speed:9.0f} lines per CPU-second, {ratio:.1f}x smaller")


if __name__ == "__main__":
    main()
