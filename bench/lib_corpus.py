"""The log lines that the vault is measured with: line `i` is a function of the seed, the number of lines and `i`, and of nothing else.

Frozen before anything was measured; a change of it makes every figure in docs/PERFORMANCE.md another one. 3,000 templates of 140
programs on 400 hosts, both skewed (Zipf), so some ten thousand streams; a quarter of the templates are Chinese sentences; addresses,
pids, ports, keys, names and numbers vary. Of RFC 3164 and RFC 5424, thirty days in order of time, Beijing device time. Planted: one
needle, a rare address, a rare sentence. `python -m bench.lib_corpus [LINES]` prints how well gzip -1 and zstd -3 compress it: it is
not to compress better than 3.2 and 4.6 times.
"""

from __future__ import annotations

import gzip
import random
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
from numba import njit


def _words(text: str) -> list[str]:
    return text.split()


SEED = 20261130
TEMPLATES, PROGRAMS, HOSTS, DAYS = 3_000, 140, 400, 30
BEGIN = datetime(2026, 10, 1, tzinfo=UTC) - timedelta(hours=8)  # midnight in Beijing
NEEDLE, RARE_ADDRESS, RARE_SENTENCE = "req-7f3c9a2e41d0", "203.0.113.77", "虹膜比对异常"
COMMON = "Failed password for"
ADDRESSES, SENTENCES = 14, 40  # how often the rare ones occur
LITERAL, ADDRESS, NUMBER, HEX, USER, NAME, PORT = range(7)
WORDS = _words(
    "connection request session timeout accepted refused closed opened started stopped user service database query table row cache miss "
    "hit retry failed succeeded queue worker thread memory disk volume mount unit config reload certificate handshake packet route peer "
    "state change link interface update delete insert select commit rollback lock wait upstream response status bytes file path module "
    "version check policy rule match deny permit zone token signature key expired renewed backup snapshot restore sync transfer batch"
)
CHINESE = _words(
    "业务受理成功 参保登记 待遇核定 失业保险 工伤认定 就业登记 劳动合同备案 社保卡补换 养老金发放 单位缴费 个人账户 "
    "信息变更 审核通过 审核退回 查询社保记录 接口调用 数据交换 批量导入 导出申请 登录系统 退出系统 口令错误 会话超时 "
    "文件上传 附件扫描 流水号 耗时 来自 单位编号 经办人 复核人"
)
SURNAMES, GIVEN = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗", "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华玉萍红"
STEMS = _words(
    "sshd nginx kernel cron sudo named dhcpd squid postgres mariadbd sbhx jyfw ldpt gateway auditd haproxy restic clamd radiusd app"
)


@dataclass(frozen=True)
class Shapes:
    """Everything a line is made of, as arrays for the kernel."""

    ops: np.ndarray  # (n, 3): kind, offset of a literal, its length or a number's digits
    first: np.ndarray  # first op of each template, and the end
    program: np.ndarray  # of each template
    modern: np.ndarray  # whether a template is framed as RFC 5424
    pool: np.ndarray  # bytes of all literals
    programs: np.ndarray  # (n, 2): offset, length
    hosts: np.ndarray
    users: np.ndarray
    names: np.ndarray
    days: np.ndarray  # (DAYS, 2): "Oct  1"
    dates: np.ndarray  # "2026-10-01"
    chance: np.ndarray  # cumulated 32-bit chances of templates
    host_chance: np.ndarray
    words: tuple[str, ...]  # program names


def _zipf(count: int, power: float) -> np.ndarray:
    weights = 1 / np.arange(1, count + 1) ** power
    return (np.cumsum(weights) / weights.sum() * 4294967295).astype(np.uint64)


def shapes() -> Shapes:
    """Return the templates: the same every time."""
    dice, pool = random.Random(SEED), bytearray()

    def put(text: str) -> tuple[int, int]:
        data = text.encode()
        pool.extend(data)
        return len(pool) - len(data), len(data)

    programs = [STEMS[i] if i < len(STEMS) else f"{STEMS[i % len(STEMS)]}-{dice.choice(WORDS)}{i}" for i in range(PROGRAMS)]
    ops: list[tuple[int, int, int]] = []
    first, program, modern = [], [], []
    for number in range(TEMPLATES + 3):
        first.append(len(ops))
        which = min(int(PROGRAMS * dice.random() ** 2), PROGRAMS - 1)
        program.append(which)
        modern.append(which % 5 == 1)
        if number == 2:  # common, at a place in the skew that is
            program[-1], modern[-1] = 0, False
            ops += [(LITERAL, *put(f"{COMMON} ")), (USER, 0, 0), (LITERAL, *put(" from ")), (ADDRESS, 0, 0)]
            ops += [(LITERAL, *put(" port ")), (PORT, 0, 0), (LITERAL, *put(" ssh2"))]
            continue
        if number >= TEMPLATES:  # what is planted
            said = (f"job {NEEDLE} finished in ", f"refused {RARE_ADDRESS} after ", f"{RARE_SENTENCE} 用户 ")[number - TEMPLATES]
            ops += [(LITERAL, *put(said)), (NAME if number == TEMPLATES + 2 else NUMBER, 0, 4)]
            continue
        chinese = dice.random() < 0.25
        vocabulary = CHINESE if chinese else WORDS
        for _ in range(dice.randint(2, 5)):
            said = " ".join(dice.choice(vocabulary) for _ in range(dice.randint(1, 4)))
            kind = dice.choice((ADDRESS, NUMBER, NUMBER, NUMBER, HEX, NAME if chinese else USER))
            size = dice.choice((1, 2, 3, 5)) if kind == NUMBER else dice.choice((4, 8))
            ops += [
                (LITERAL, *put(f"{said}{dice.choice(('=', ' ', ': '))}")),
                (kind, 0, size),
                (LITERAL, *put(dice.choice((" ", ", ", "; ")))),
            ]
        ops.append((LITERAL, *put(dice.choice(vocabulary))))
    first.append(len(ops))
    users = [f"{dice.choice(('li', 'wang', 'zhang', 'svc', 'op'))}{dice.choice(WORDS)[:4]}{i % 97}" for i in range(800)]
    names = [dice.choice(SURNAMES) + "".join(dice.choice(GIVEN) for _ in range(dice.randint(1, 2))) for _ in range(1500)]
    local = [BEGIN + timedelta(hours=8, days=i) for i in range(DAYS + 1)]
    spans = {
        "programs": [put(each) for each in programs],
        "hosts": [put(f"{('sb', 'jy', 'ld', 'gw')[i % 4]}{('app', 'db', 'web', 'fw', 'sw')[i % 5]}{i:03d}") for i in range(HOSTS)],
        "users": [put(each) for each in users],
        "names": [put(each) for each in names],
        "days": [put(f"{day:%b} {day.day:>2}") for day in local],
        "dates": [put(f"{day:%Y-%m-%d}") for day in local],
    }
    return Shapes(
        ops=np.array(ops, np.int64), first=np.array(first, np.int64), program=np.array(program, np.int64),
        modern=np.array(modern, np.bool_), pool=np.frombuffer(bytes(pool), np.uint8), chance=_zipf(TEMPLATES, 1.05),
        host_chance=_zipf(HOSTS, 0.9), words=tuple(programs), **{name: np.array(each, np.int64) for name, each in spans.items()},
    )  # fmt: skip


@njit(cache=True)
def _mix(state):
    state = (state + np.uint64(0x9E3779B97F4A7C15)) & np.uint64(0xFFFFFFFFFFFFFFFF)
    z = state
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state, z ^ (z >> np.uint64(31))


@njit(cache=True)
def _digits(out, at, value, width):
    for i in range(width):
        out[at + width - 1 - i] = np.uint8(48 + value % 10)
        value //= 10
    return at + width


@njit(cache=True)
def _plain(out, at, value):
    width, rest = 1, value // 10
    while rest:
        width, rest = width + 1, rest // 10
    return _digits(out, at, value, width)


@njit(cache=True)
def _copy(out, at, pool, offset, size):
    for i in range(size):
        out[at + i] = pool[offset + i]
    return at + size


@njit(cache=True)
def _make(  # noqa: C901, PLR0912, PLR0915  # a kernel stays in one piece
    out, begin, end, total, ops, first, program, modern, pool, programs, hosts, users, names, days, dates, chance, host_chance, chosen
):
    at = 0
    span = DAYS * 86_400_000
    for i in range(begin, end):
        state, r = _mix(np.uint64(SEED) ^ (np.uint64(i) * np.uint64(0xD1342543DE82EF95)))
        kind = np.searchsorted(chance, r & np.uint64(0xFFFFFFFF))
        host = np.searchsorted(host_chance, r >> np.uint64(32))
        if i == total * 37 // 100:
            kind = TEMPLATES
        elif i % (total // ADDRESSES) == total // ADDRESSES // 3:
            kind = TEMPLATES + 1
        elif i % (total // SENTENCES) == total // SENTENCES // 2:
            kind = TEMPLATES + 2
        chosen[i - begin] = program[kind]
        millis = np.int64(span * (i / total))
        day, second = millis // 86_400_000, millis // 1000 % 86400
        state, r = _mix(state)
        pid = np.int64(300 + (r & np.uint64(0xFFFF)) % np.uint64(60000))
        app = program[kind]
        out[at] = 60
        at = _plain(out, at + 1, 8 * np.int64(4 + app % 12) + np.int64((r >> np.uint64(20)) % np.uint64(4)) + 3)
        out[at] = 62
        at += 1
        if modern[kind]:
            out[at], out[at + 1] = 49, 32
            at = _copy(out, at + 2, pool, dates[day, 0], dates[day, 1])
            out[at] = 84
            at += 1
        else:
            at = _copy(out, at, pool, days[day, 0], days[day, 1])
            out[at] = 32
            at += 1
        at = _digits(out, at, second // 3600, 2)
        out[at] = 58
        at = _digits(out, at + 1, second // 60 % 60, 2)
        out[at] = 58
        at = _digits(out, at + 1, second % 60, 2)
        if modern[kind]:
            out[at] = 46
            at = _digits(out, at + 1, millis % 1000, 3)
            for byte in (43, 48, 56, 58, 48, 48):
                out[at] = byte
                at += 1
        out[at] = 32
        at = _copy(out, at + 1, pool, hosts[host, 0], hosts[host, 1])
        out[at] = 32
        at = _copy(out, at + 1, pool, programs[app, 0], programs[app, 1])
        if modern[kind]:
            out[at] = 32
            at = _plain(out, at + 1, pid)
            for byte in (32, 45, 32, 45, 32):
                out[at] = byte
                at += 1
        else:
            out[at] = 91
            at = _plain(out, at + 1, pid)
            for byte in (93, 58, 32):
                out[at] = byte
                at += 1
        for k in range(first[kind], first[kind + 1]):
            what, offset, size = ops[k]
            state, r = _mix(state)
            if what == 0:
                at = _copy(out, at, pool, offset, size)
            elif what == 1:
                at = _copy(out, at, np.array([49, 48, 46], np.uint8), 0, 3)
                at = _plain(out, at, np.int64(r & np.uint64(31)))
                out[at] = 46
                at = _plain(out, at + 1, np.int64((r >> np.uint64(8)) & np.uint64(255)))
                out[at] = 46
                at = _plain(out, at + 1, np.int64((r >> np.uint64(16)) & np.uint64(255)))
            elif what == 2:
                limit = 1
                for _ in range(size):
                    limit *= 10
                at = _plain(out, at, np.int64(r % np.uint64(limit)))
            elif what == 3:
                for d in range(size):
                    nibble = np.int64((r >> np.uint64(4 * d)) & np.uint64(15))
                    out[at + d] = np.uint8(48 + nibble if nibble < 10 else 87 + nibble)
                at += size
            elif what == 4:
                user = np.int64(r % np.uint64(len(users)))
                at = _copy(out, at, pool, users[user, 0], users[user, 1])
            elif what == 5:
                name = np.int64(r % np.uint64(len(names)))
                at = _copy(out, at, pool, names[name, 0], names[name, 1])
            else:
                at = _plain(out, at, np.int64(1024 + r % np.uint64(64000)))
        out[at] = 10
        at += 1
    return at


class Corpus:
    """So many lines, made in pieces."""

    def __init__(self, lines: int) -> None:
        """Make the templates; a line is made when it is asked for."""
        self.lines, self.shapes = lines, shapes()

    def piece(self, begin: int, end: int) -> tuple[bytes, np.ndarray]:
        """Return the lines `begin` to `end`, newline framed, and the program of each."""
        shape, room = self.shapes, np.empty((end - begin) * 700, np.uint8)
        chosen = np.empty(end - begin, np.int64)
        size = _make(
            room, begin, end, self.lines, shape.ops, shape.first, shape.program, shape.modern, shape.pool, shape.programs, shape.hosts,
            shape.users, shape.names, shape.days, shape.dates, shape.chance, shape.host_chance, chosen,
        )  # fmt: skip
        return room[:size].tobytes(), chosen

    def at(self, line: int) -> datetime:
        """Return the instant of a line."""
        return BEGIN + timedelta(milliseconds=int(DAYS * 86_400_000 * (line / self.lines)))


def main() -> None:
    """Print how large the lines are and how well they compress."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    data, _chosen = Corpus(count).piece(0, count)
    packed = len(gzip.compress(data, 1)), pa.Codec("zstd", compression_level=3).compress(data).size
    print(f"{count:,} lines, {len(data) / count:.1f} B each; gzip -1 {len(data) / packed[0]:.2f}x, zstd -3 {len(data) / packed[1]:.2f}x")
    print(*data[:2000].decode("utf-8", "ignore").splitlines()[:-1], sep="\n")


if __name__ == "__main__":
    main()
