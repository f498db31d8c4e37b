"""The compiled patterns of the event streams say what Python's `re` says."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from anzhang.engines.vault import streams
from anzhang.engines.vault.streams import matcher
from anzhang.engines.vault.streams.language import slots_of
from anzhang.engines.vault.streams.program import Assembler, PatternError

FOLDER = Path(__file__).parent / "golden"
GOLDEN = (FOLDER / "auth_event.txt").read_text().splitlines()
MESSAGES = [line.split(" | ")[1].split(" => ")[0] for line in GOLDEN if " | " in line and not line.startswith("#")]
MESSAGES += [
    line.rpartition("]: ")[2]
    for path in sorted(FOLDER.glob("*.txt"))
    for line in path.read_text(encoding="utf-8").splitlines()
    if not line.startswith(("=>", "#")) and path.stem != "auth_event"
]
PARSERS = {parser.name: [p.regex for step in parser.steps for p in step.patterns] for parser in streams.parsers()}
PARSERS = {name: regexes for name, regexes in PARSERS.items() if regexes}
SHIPPED = [*PARSERS["sshd"], *PARSERS["sudo"]]
PIECES = sorted({piece for message in MESSAGES for piece in re.findall(r"\w+|\W", message)})
PIECES += ["王芳", "\n", "\0", "\ufffd", " from ", " ; ", "\x1c", "\xa0"]
SLOTS = {"a": 0, "b": 1}

# Expressions of the allowed form over a few letters, so that generated texts often match.
_LETTERS = ["a", "b", " ", ".", r"\S", r"\s", r"\d", r"\w", r"\W", r"\D", "[ab]", "[^a]", "[^;]", "[^ab;]", "[a-c1]", r"[\s;]"]
_one = st.sampled_from([*_LETTERS, "éa", "王b", r"\b", "$"])
_starred = st.builds("{}{}".format, st.sampled_from(_LETTERS), st.sampled_from(["*", "+", "?", "*?", "+?", "??"]))


def _wider(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    sequence = st.lists(inner, min_size=1, max_size=3).map("".join)
    return st.one_of(
        sequence,
        st.lists(sequence, min_size=2, max_size=3).map(lambda ways: f"(?:{'|'.join(ways)})"),
        st.builds("(?:{}){}".format, sequence, st.sampled_from(["?", "??"])),
        st.builds("(?:{}{}){}".format, st.sampled_from(["a", "[ab]", ";"]), sequence, st.sampled_from(["*", "+", "*?", "+?"])),
    )


_anything = st.recursive(st.one_of(_one, _starred), _wider, max_leaves=8)
expressions = st.builds("{}(?P<a>{}){}(?P<b>{})?{}".format, *[_anything] * 5)
texts = st.text(st.sampled_from("ab1 ;é王\n"), max_size=14)


def fits(regexes: list[str], slots: dict[str, int], message: str) -> tuple[int, dict[str, str | None]] | None:
    """Return the first pattern that fits and what its groups hold, by the compiled programs."""
    assembler = Assembler(slots)
    for regex in regexes:
        assembler.add(regex)
    programs = assembler.programs()
    content = message.encode()
    data = np.frombuffer(content or b"\0", np.uint8)  # read-only, as what the kernels are compiled for
    rows, which, spans = np.empty(1, np.int64), np.empty(1, np.int64), np.empty((2 * len(slots), 1), np.int32)
    start, stop = (np.array([number], np.int64) for number in (0, len(content)))
    if not matcher.fit(
        data, start, stop, 0, len(regexes), programs.code, programs.sets, programs.pool, programs.entry, programs.following,
        programs.prefix, rows, which, spans,
    ):  # fmt: skip
        return None
    places = {name: (spans[2 * slot, 0], spans[2 * slot + 1, 0]) for name, slot in slots.items()}
    return int(which[0]), {name: content[a:b].decode() if a >= 0 else None for name, (a, b) in places.items()}


def expected(regexes: list[str], slots: dict[str, int], message: str) -> tuple[int, dict[str, str | None]] | None:
    """Return the same by `re`."""
    for number, regex in enumerate(regexes):
        if found := re.compile(regex, re.ASCII).match(message):
            return number, dict.fromkeys(slots) | found.groupdict()
    return None


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """Return a real message in which pieces were put in, left out, doubled or moved."""
    pieces = re.findall(r"\w+|\W", draw(st.sampled_from(MESSAGES)))
    for _ in range(draw(st.integers(0, 6))):
        place = draw(st.integers(0, len(pieces)))
        match draw(st.integers(0, 3)):
            case 0:
                pieces.insert(place, draw(st.sampled_from(PIECES)))
            case 1:
                del pieces[place : place + 1]
            case 2:
                pieces[place:place] = pieces[draw(st.integers(0, len(pieces))) :][: draw(st.integers(1, 12))]
            case _:
                pieces[place:place] = re.findall(r"\w+|\W", draw(st.sampled_from(MESSAGES)))[draw(st.integers(0, 8)) :]
    return "".join(pieces)


@pytest.mark.parametrize("name", PARSERS)
@settings(max_examples=40, deadline=None)
@given(message=mutated(), data=st.data())
def test_a_shipped_pattern_captures_what_re_captures(name: str, message: str, data: st.DataObject) -> None:
    regex = data.draw(st.sampled_from(PARSERS[name]))
    assert fits([regex], slots_of([regex]), message) == expected([regex], slots_of([regex]), message)


@settings(max_examples=300, deadline=None)
@given(message=mutated())
def test_the_first_pattern_that_fits_wins(message: str) -> None:
    assert fits(SHIPPED, slots_of(SHIPPED), message) == expected(SHIPPED, slots_of(SHIPPED), message)


@settings(max_examples=400, deadline=None)
@given(regex=expressions, messages=st.lists(texts, min_size=1, max_size=8))
@example(r"(?P<a>.*)(?P<b>\S+?)?$", ["王芳", "a王"])
def test_any_allowed_pattern_captures_what_re_captures(regex: str, messages: list[str]) -> None:
    for message in messages:
        assert fits([regex], SLOTS, message) == expected([regex], SLOTS, message)


@pytest.mark.parametrize(
    ("regex", "why"),
    [
        ("(a)", "has no name"), ("(?i)a", "flags"), ("(?i:a)", "flags"), ("a{2}", "only"), ("a{0,7}", "only"), ("(?:a*)*", "match nothing"),
        ("(?:(?P<a>a)b)*", "repeated"), ("(?=a)b", "ASSERT"), ("^a", "AT_BEGINNING"), (r"(?P<a>a)(?P=a)", "GROUPREF"),
        ("[éa]", "not ASCII"), (r"\Ba", "BOUNDARY"), ("(?P<user>a)", "no column user"), ("(?>a+)b", "ATOMIC"), ("a++b", "POSSESSIVE"),
    ],
)  # fmt: skip
def test_what_the_form_lacks_is_refused(regex: str, why: str) -> None:
    with pytest.raises(PatternError, match=why):
        Assembler(SLOTS).add(regex)


def test_a_long_chain_of_choices_grows_the_stack() -> None:
    message = "li : TTY=a ; PWD=/ ; USER=root" + " ; GROUP=g" * 50_000 + " ; COMMAND=/bin/id"
    found = fits(SHIPPED, slots_of(SHIPPED), message)
    assert found is not None
    assert (found[1]["user_name"], found[1]["target_user"], found[1]["command"]) == ("li", "root", "/bin/id")


@pytest.mark.parametrize(
    "message",
    [
        "session closed for user " + " " * 2_000_000 + "x ",
        "session opened for user li" + " by" * 700_000,
        "Invalid user " + " from x" * 300_000 + " y",
    ],
)
def test_no_message_takes_time_in_squares(message: str) -> None:
    assert fits(SHIPPED, slots_of(SHIPPED), message) is None


def test_a_user_name_cannot_wear_a_pattern_out() -> None:
    name = " from 10.0.0.1 port 1" * 20_000
    found = fits(SHIPPED, slots_of(SHIPPED), f"Failed password for invalid user {name} from 10.9.9.9 port 22 ssh2")
    assert found is not None
    assert (found[1]["user_name"], found[1]["source_ip"]) == (name, "10.9.9.9")
