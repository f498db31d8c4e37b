r"""Compile a pattern's regular expression into the small program that `matcher` runs over bytes of UTF-8.

The form is a part of Python's `re`, with its meaning under re.ASCII: an expression is matched from the start of the message, the first
alternative that leads to a match wins. Allowed are literal text, `.`, sets of ASCII characters, `\d \s \w` and their opposites,
`* + ?` and their lazy forms, groups, alternatives, `\b`, `$`. Within something repeated no group may capture or match nothing. Anything
else is refused when it is read, so no pattern is ever run slowly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import numpy as np

from anzhang.engines.vault.jit import Bytes, Ints, Table

LITERAL, SET, RUN, SPAN, LAZY, SPLIT, JUMP, MARK, SAVE, WORD, END, FIT = range(12)
STOP = 256  # in a set of what may follow: the end of the message
DOT = STOP + 1  # in a set: whether it is that of `.`, which takes everything but a line feed
ANYTHING = -1  # in place of a set: nothing is ruled out

_sre: Any = import_module("re._parser")  # the parser behind `re`, so that both read an expression alike
_CLASSES = {"DIGIT": b"0123456789", "SPACE": b" \t\n\r\f\v", "WORD": b"0123456789_ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"}
_ASCII_FLAG = 256


class PatternError(ValueError):
    """A regular expression has something that this form does not; the message names it."""


@dataclass(frozen=True)
class Programs:
    """Compiled patterns in one piece. `code` rows: operation and up to four operands; `sets` rows: a flag per byte, STOP and DOT.

    `entry[k]` is where pattern k begins, `first[k]` the set of what it may begin with or ANYTHING. `following[b, k]` is the first pattern
    from k on that may begin with b (a byte, or STOP). `prefix[k]`: eight bytes as a number, and the mask of those it must begin with.
    """

    code: Table
    sets: Table
    pool: Bytes
    entry: Ints
    first: Ints
    following: Table
    prefix: Table


@dataclass
class Assembler:
    """Collects the programs of several patterns. `slots` gives each named group its number; `add` may be told others."""

    slots: Mapping[str, int]
    code: list[list[int]] = field(default_factory=list)
    sets: list[Bytes] = field(default_factory=list)
    pool: bytearray = field(default_factory=bytearray)
    entry: list[int] = field(default_factory=list)
    _choices: int = 0  # how many choices surround the current node: a group in none is always set anew, so it need not be set back

    def add(self, regex: str, slots: Mapping[str, int] | None = None) -> None:
        """Compile one expression. Raises PatternError, and re.error where `re` does."""
        self.slots = self.slots if slots is None else slots
        tree = _sre.parse(regex, _ASCII_FLAG)
        if tree.state.flags != _ASCII_FLAG:
            raise PatternError("flags are not allowed")
        names = {number: name for name, number in tree.state.groupdict.items()}
        if unknown := sorted(set(names.values()) - set(self.slots)):
            raise PatternError(f"no column {', '.join(unknown)}")
        self.entry.append(len(self.code))
        self._sequence(tree, names, repeated=False)
        self._emit(FIT)
        for pc in range(self.entry[-1], len(self.code)):
            if self.code[pc][0] in (SPAN, LAZY):
                self._look_ahead(pc)

    def programs(self) -> Programs:
        """Return what was added, as arrays."""
        first = [self._known(self.first(pc)) for pc in self.entry]
        following = np.full((STOP + 1, len(first) + 1), len(first), np.int32)
        for k in range(len(first) - 1, -1, -1):
            may = np.ones(STOP + 1, bool) if first[k] == ANYTHING else self.sets[first[k]] != 0
            following[:, k] = np.where(may, k, following[:, k + 1])
        sets = np.array(self.sets, np.uint8).reshape(-1, STOP + 1)
        dots = (sets == _others(b"\n")).all(axis=1, keepdims=True)
        return Programs(
            np.array(self.code, np.int64).reshape(-1, 5), np.concatenate((sets, dots.astype(np.uint8)), axis=1),
            np.frombuffer(bytes(self.pool) or b"\0", np.uint8), np.array(self.entry, np.int64), np.array(first, np.int64), following,
            np.array([self._prefix(pc) for pc in self.entry], np.uint64).reshape(-1, 2),
        )  # fmt: skip

    def _prefix(self, pc: int) -> tuple[int, int]:
        """Return up to eight bytes that must come first, lowest first, and their mask."""
        while self.code[pc][0] in (MARK, SAVE):
            pc += 1
        op, place, size, *_ = self.code[pc]
        text = bytes(self.pool[place : place + size])[:8] if op == LITERAL else b""
        return int.from_bytes(text, "little"), (1 << 8 * len(text)) - 1

    def first(self, pc: int) -> Bytes | None:
        """Return what must come next at `pc`: some bytes, or STOP; None when anything may, because the pattern may be over."""
        found, todo, seen = np.zeros(STOP + 1, np.uint8), [pc], set()
        while todo:
            place = todo.pop()
            if place in seen:
                continue
            seen.add(place)
            op, a, b, *_ = self.code[place]
            if op == FIT:
                return None
            if op == END:
                found[[ord("\n"), STOP]] = 1
            elif op == LITERAL:
                found[self.pool[a]] = 1
            elif op in (SET, RUN, SPAN, LAZY):
                found |= self.sets[a]
            if op == SPLIT:
                todo += [a, b]
            elif op == JUMP:
                todo.append(a)
            elif op in (MARK, SAVE, WORD) or (op in (RUN, SPAN, LAZY) and b == 0):
                todo.append(place + 1)
        return found

    def _look_ahead(self, pc: int) -> None:
        """Note what must follow a repetition; where that cannot be part of it, the longest run is the only one."""
        follow = self.first(pc + 1)
        certain = self._is_over(pc + 1) or (follow is not None and not (follow & self.sets[self.code[pc][1]]).any())
        if self.code[pc][0] == SPAN and certain:
            self.code[pc][0] = RUN
        else:
            self.code[pc][3] = self._known(follow)
            place = pc + 1
            while self.code[place][0] in (MARK, SAVE):
                place += 1
            op, a, size, *_ = self.code[place]
            if op == LITERAL and size > 1:
                self.code[pc][4] = self.pool[a + 1]

    def _is_over(self, pc: int) -> bool:
        """Whether nothing more must come: then what went before need never be given back."""
        while self.code[pc][0] in (MARK, SAVE):
            pc += 1
        return self.code[pc][0] == FIT

    def _known(self, flags: Bytes | None) -> int:
        if flags is None:
            return ANYTHING
        for number, known in enumerate(self.sets):
            if np.array_equal(known, flags):
                return number
        self.sets.append(flags)
        return len(self.sets) - 1

    def _emit(self, op: int, a: int = 0, b: int = 0, c: int = ANYTHING, d: int = ANYTHING) -> int:
        self.code.append([op, a, b, c, d])
        return len(self.code) - 1

    def _sequence(self, nodes: Any, names: Mapping[int, str], *, repeated: bool) -> None:
        text = bytearray()
        for op, value in nodes:
            if str(op) == "LITERAL":
                text += chr(value).encode()
                continue
            self._text(text)
            text = bytearray()
            self._node(str(op), value, names, repeated=repeated)
        self._text(text)

    def _text(self, text: bytearray) -> None:
        if text:
            self._emit(LITERAL, len(self.pool), len(text))
            self.pool += text

    def _node(self, op: str, value: Any, names: Mapping[int, str], *, repeated: bool) -> None:
        if op in ("ANY", "IN", "NOT_LITERAL"):
            self._emit(SET, self._known(_flags(op, value)))
        elif op in ("MAX_REPEAT", "MIN_REPEAT"):
            self._repeat(op == "MIN_REPEAT", value, names, repeated=repeated)
        elif op == "SUBPATTERN":
            self._group(value, names, repeated=repeated)
        elif op == "BRANCH":
            self._branch(value[1], names, repeated=repeated)
        elif op == "AT" and str(value) == "AT_END":
            self._emit(END)
        elif op == "AT" and str(value) == "AT_BOUNDARY":
            self._emit(WORD, self._known(_table(_CLASSES["WORD"])))
        else:
            raise PatternError(f"{value if op == 'AT' else op} is not allowed")

    def _group(self, value: Any, names: Mapping[int, str], *, repeated: bool) -> None:
        number, added, removed, nodes = value
        if added or removed:
            raise PatternError("flags are not allowed")
        if number is None:
            self._sequence(nodes, names, repeated=repeated)
            return
        if repeated:
            raise PatternError("a group that captures is repeated")
        if number not in names:
            raise PatternError("a group has no name; write (?:...)")
        slot = 2 * self.slots[names[number]]
        op = SAVE if self._choices else MARK
        self._emit(op, slot)
        self._sequence(nodes, names, repeated=False)
        self._emit(op, slot + 1)

    def _branch(self, ways: Sequence[Any], names: Mapping[int, str], *, repeated: bool) -> None:
        ends = []
        self._choices += 1
        for way in ways[:-1]:
            split = self._emit(SPLIT)
            self.code[split][1] = split + 1
            self._sequence(way, names, repeated=repeated)
            ends.append(self._emit(JUMP))
            self.code[split][2] = len(self.code)
        self._sequence(ways[-1], names, repeated=repeated)
        self._choices -= 1
        for jump in ends:
            self.code[jump][1] = len(self.code)

    def _repeat(self, lazy: bool, value: Any, names: Mapping[int, str], *, repeated: bool) -> None:
        least, most, nodes = value
        endless = str(most) == "MAXREPEAT"
        if least > 1 or (not endless and (least, most) != (0, 1)):
            raise PatternError("of repetitions only * + ? are allowed")
        if endless and nodes.getwidth()[0] == 0:
            raise PatternError("something that may match nothing is repeated")
        if endless and (flags := _single(nodes)) is not None:
            self._emit(LAZY if lazy else SPAN, self._known(flags), least)
            return
        self._choices += 1
        if least:  # x+ is x x*
            self._sequence(nodes, names, repeated=True)
        split = self._emit(SPLIT)
        self._sequence(nodes, names, repeated=repeated or endless)
        self._choices -= 1
        if endless:
            self._emit(JUMP, split)
        self.code[split][1:3] = [len(self.code), split + 1] if lazy else [split + 1, len(self.code)]


def _single(nodes: Any) -> Bytes | None:
    """Return the set of a body that is one character, None for any other body."""
    if len(nodes) != 1:
        return None
    op, value = nodes[0]
    if str(op) == "SUBPATTERN" and value[0] is None and not value[1] and not value[2]:
        return _single(value[3])
    if str(op) == "LITERAL" and value < 128:
        return _table(bytes([value]))
    return _flags(str(op), value) if str(op) in ("ANY", "IN", "NOT_LITERAL") else None


def _flags(op: str, value: Any) -> Bytes:
    """Return the bytes that a one-character node takes. A character beyond ASCII belongs to a set as a whole or not at all."""
    if op == "ANY":
        return _others(b"\n")
    if op == "NOT_LITERAL":
        return _others(_ascii(value))
    found = np.zeros(STOP + 1, np.uint8)
    opposite = 0
    for kind, item in value:
        match str(kind):
            case "NEGATE":
                opposite = 1
            case "LITERAL":
                found |= _table(_ascii(item))
            case "RANGE":
                found |= _table(bytes(range(_ascii(item[0])[0], _ascii(item[1])[0] + 1)))
            case "CATEGORY":
                name = str(item).removeprefix("CATEGORY_")
                found |= (_others if name.startswith("NOT_") else _table)(_CLASSES[name.removeprefix("NOT_")])
    found[:STOP] ^= np.uint8(opposite)
    return found


def _ascii(code: int) -> bytes:
    if code > 127:
        raise PatternError(f"a set names {chr(code)!r}, which is not ASCII")
    return bytes([code])


def _table(members: bytes) -> Bytes:
    found = np.zeros(STOP + 1, np.uint8)
    found[list(members)] = 1
    return found


def _others(members: bytes) -> Bytes:
    found = _table(members)
    found[:STOP] ^= np.uint8(1)
    return found
