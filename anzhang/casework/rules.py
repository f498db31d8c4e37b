"""Reconciliation rules: a `.sql` file with TOML front matter becomes a check (DESIGN 8, ADR 0004, ADR 0019).

    /* +++
    name = "staff_logins_entitled"
    title = "..."
    streams = ["auth_event"]                 # event streams it reads
    registers = ["account", "person"]        # read by register id, every column, as they stand
    parameters = ["leaver_hours"]            # bound as $leaver_hours
    window_days = 30
    mode = "snapshot"                        # or append, window: see below
    +++ */
    SELECT ...

- *snapshot*: one SELECT that reads all events of the window at each run.
- *append* and *window*: two SELECTs, parted by a semicolon. The first reduces events to facts and reads streams only; it sees each sealed
  line once (`engines/facts.py` says what facts are and how they are merged). The second judges: it reads the table `facts` in place of
  the streams. The window way has more keys: `entity` (columns by which events belong together), `bucket_hours`, `lookback_hours`.

`group_by` and `episode_gap_minutes` (append and window) add two columns to `facts`: `episode` numbers the runs of facts of one group
that no longer pause parts, and `episode_at` is when that run began.

All run in a process without files and network (`engines/sqlbox`), with known functions only. Instants are UTC without zone; JSON columns
are text. Bound besides the parameters: $at (the instant checked) and $since (start of the window). The table `heard(source, first_at,
last_at, rows)` says what the vault has heard of each log source. Events have a column `line`, the reference of evidence.

The judging SELECT returns one row per subject, breach or unwatched ground:

    kind      'subject' | 'breach' | 'regularized' | 'unknown'
    key label unit person     the Subject (`unit`, `person`: codes or NULL)
    code params               the Why; params a JSON object or NULL
    evidence                  list of references, or NULL
    since detail              of a breach, or NULL

A line `-- part: network/zones` stands for the file `anzhang/network/rules/parts/zones.sql`: SQL that several rules share. It is put in as
the file is read, so pages, versions and digests know the whole text.

An 'unknown' row with a key concerns that subject only; without one its unit, without a unit the bureau.
'regularized' is an act that an approval recorded after it covers: a finding says so, the verdict does not turn.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from django.apps import apps
from django.db import models

from anzhang.regulation.checks import CHECKS, Check, Context, check
from anzhang.regulation.verdicts import Outcome

if TYPE_CHECKING:
    from anzhang.engines.facts import Recipe  # loaded by whoever runs a rule: pages bind rules and run none
    from anzhang.engines.sqlbox import Statement

FRONT = re.compile(r"\A\s*/\*\s*\+\+\+\s*\n(.*?)\n\s*\+\+\+\s*\*/", re.DOTALL)
PART = re.compile(r"^ *-- part: ([a-z]+)/([a-z_]+)$", re.MULTILINE)
CHAPTERS = Path(__file__).parent.parent
KEYS = {"name": str, "title": str, "streams": list, "registers": list, "parameters": list, "window_days": int}
MAY = {"mode": str, "entity": list, "bucket_hours": int, "lookback_hours": int, "group_by": list, "episode_gap_minutes": int}
OF_WINDOW = ("entity", "bucket_hours", "lookback_hours")
MOST_DAYS = 184  # what is kept at least (Art. 29); a longer window would read what nobody promises to keep
FACTS, HEARD = "facts", "heard"
BOUND = frozenset({"at", "since"})

Mode = Literal["snapshot", "append", "window"]


class RuleError(Exception):
    """A rule file is wrong, or returned something else than the columns it owes; the message names the file."""


@dataclass(frozen=True)
class Rule:
    """One rule: its text and what its front matter says. `path` is where the shipped one lies."""

    path: Path
    name: str
    title: str
    streams: tuple[str, ...]
    registers: tuple[str, ...]
    parameters: tuple[str, ...]
    window: timedelta
    text: str
    mode: Mode = "snapshot"
    entity: tuple[str, ...] = ()
    bucket: timedelta = timedelta()
    lookback: timedelta = timedelta()
    group_by: tuple[str, ...] = ()
    episode_gap: timedelta = timedelta()

    @cached_property
    def judging(self) -> Statement:
        """Return the SELECT that judges. Raises RuleError."""
        return self._statements[1]

    @cached_property
    def recipe(self) -> Recipe | None:
        """Return how its facts are kept, None for a snapshot. Raises RuleError."""
        from anzhang.engines.facts import Recipe

        facts = self._statements[0]
        bucket = self.bucket if self.mode == "window" else None
        return None if facts is None else Recipe(self.name, facts, self.streams, self.window, self.entity, bucket, self.lookback)

    @cached_property
    def _statements(self) -> tuple[Statement | None, Statement]:
        """Return both SELECTs, the first None for a snapshot. Asked late: who binds rules and runs none needs no SQL."""
        from anzhang.engines.sqlbox import StatementError, split
        from anzhang.engines.sqlbox import parse as select
        from anzhang.engines.vault.streams.schemas import STREAMS

        if unknown := sorted(set(self.streams) - set(STREAMS)):
            raise RuleError(f"{self.path.name}: {unknown[0]}: is no event stream")
        snapshot = self.mode == "snapshot"
        try:
            found = split(FRONT.sub("", self.text, count=1))
            if len(found) != (wanted := 1 if snapshot else 2):
                raise RuleError(f"{self.path.name}: holds {len(found)} statements; mode {self.mode!r} wants {wanted}")
            judging = select(found[-1], {*self.registers, HEARD, *(self.streams if snapshot else (FACTS,))})
            facts = None if snapshot else select(found[0], set(self.streams))
        except StatementError as error:
            raise RuleError(f"{self.path.name}: {error}") from error
        if strange := sorted(judging.parameters - BOUND - set(self.parameters)):
            raise RuleError(f"{self.path.name}: ${strange[0]}: is no parameter that it declares")
        if facts is not None and facts.parameters:
            raise RuleError(f"{self.path.name}: ${min(facts.parameters)}: facts are kept, so they depend on no parameter")
        return facts, judging


@dataclass(frozen=True)
class _Front:
    """The front matter of a file, each key of its kind."""

    file: str
    said: dict[str, Any]
    kinds: dict[str, type] = field(default_factory=lambda: {**KEYS, **MAY})

    def refuse(self) -> None:
        """Raise RuleError for the first key that is missing, strange or of another kind."""
        for key, kind in self.kinds.items():
            if (key in KEYS or key in self.said) and (not isinstance(self.said.get(key), kind) or isinstance(self.said.get(key), bool)):
                raise RuleError(f"{self.file}: {key}: must be {kind.__name__}")
            if kind is list and not all(isinstance(each, str) for each in self.said.get(key, ())):
                raise RuleError(f"{self.file}: {key}: must be a list of names")
        if strange := set(self.said) - set(self.kinds):
            raise RuleError(f"{self.file}: {min(strange)}: is not a key of a rule")
        if not 0 < self.said["window_days"] <= MOST_DAYS:
            raise RuleError(f"{self.file}: window_days: must be 1 to {MOST_DAYS}")
        mode = self.said.get("mode", "snapshot")
        if mode not in {"snapshot", "append", "window"}:
            raise RuleError(f"{self.file}: mode: must be snapshot, append or window")
        wrong = [key for key in OF_WINDOW if (key in self.said) != (mode == "window")]
        wrong += [key for key in ("group_by", "episode_gap_minutes") if key in self.said and mode == "snapshot"]
        if wrong:
            raise RuleError(
                f"{self.file}: {wrong[0]}: does not go with mode {mode!r}"
                if wrong[0] in self.said
                else f"{self.file}: {wrong[0]}: is missing"
            )
        if ("group_by" in self.said) != ("episode_gap_minutes" in self.said):
            raise RuleError(f"{self.file}: group_by and episode_gap_minutes go together")


@dataclass(frozen=True)
class Derived:
    """A table that rules read like a register, made of registers by a function: `of` names them, `columns` their kinds."""

    of: tuple[str, ...]
    columns: Mapping[str, type]
    rows: Callable[[], Iterable[tuple[Any, ...]]]


DERIVED: dict[str, Derived] = {}


def derive(name: str, of: tuple[str, ...], **columns: type) -> Callable[[Callable[[], Iterable[tuple[Any, ...]]]], Derived]:
    """Name a function that yields the rows of a table which rules may declare among their registers."""

    def bind(function: Callable[[], Iterable[tuple[Any, ...]]]) -> Derived:
        return DERIVED.setdefault(name, Derived(of, columns, function))

    return bind


def bind(path: Path) -> Check:
    """Bind a rule file as the check of its name and return it. Raises RuleError, or BindingError for a taken name."""
    rule = load(path)

    def run(context: Context) -> Outcome:
        return evaluate(rule, context)

    run.__doc__ = rule.title
    run.__qualname__ = rule.name
    run.rule = rule  # type: ignore[attr-defined]  # `where` prints the file
    return CHECKS[rule.name] if rule.name in CHECKS else check(rule.name)(run)


def bound() -> dict[str, Rule]:
    """Return the shipped rules by name: those that are checks of their own, and those that a check evaluates."""
    found = {name: getattr(each, "rule", None) for name, each in CHECKS.items()}
    return {name: rule for name, rule in sorted(found.items()) if rule is not None}


def load(path: Path) -> Rule:
    """Return a rule file by its front matter; its SQL is read when it runs. Raises RuleError naming file, key and why."""
    return _read(whole(path), path)


def whole(path: Path) -> str:
    """Return the text of a rule file with its shared parts put in. Raises RuleError for a part that there is not."""

    def part(match: re.Match[str]) -> str:
        file = CHAPTERS / match[1] / "rules" / "parts" / f"{match[2]}.sql"
        if not file.is_file():
            raise RuleError(f"{path.name}: part {match[1]}/{match[2]}: there is no {file.relative_to(CHAPTERS)}")
        return file.read_text(encoding="utf-8").rstrip("\n")

    return PART.sub(part, path.read_text(encoding="utf-8"))


def parse(path: Path) -> Rule:
    """Return a rule file, its SQL read too. Raises RuleError naming file, key and why."""
    return parse_text(whole(path), path)


def parse_text(text: str, path: Path) -> Rule:
    """Return the rule that a text is, its SQL read; `path` names it in errors. Raises RuleError."""
    rule = _read(text, path)
    rule._statements  # noqa: B018, SLF001  # read now what a bound rule reads when it runs
    return rule


def _read(text: str, path: Path) -> Rule:
    """Return the rule that a text is by its front matter."""
    match = FRONT.match(text)
    if match is None:
        raise RuleError(f"{path.name}: begins with no front matter between /* +++ and +++ */")
    try:
        said = tomllib.loads(match[1])
    except tomllib.TOMLDecodeError as error:
        raise RuleError(f"{path.name}: front matter: {error}") from error
    _Front(path.name, said).refuse()
    for register in said["registers"]:
        if register not in DERIVED:
            model(register)
    streams, registers, names, entity, group = (
        tuple(said.get(key, ())) for key in ("streams", "registers", "parameters", "entity", "group_by")
    )
    mode = cast("Mode", said.get("mode", "snapshot"))
    bucket, lookback = (timedelta(hours=said.get(key, 0)) for key in OF_WINDOW[1:])
    gap = timedelta(minutes=said.get("episode_gap_minutes", 0))
    window = timedelta(days=said["window_days"])
    return Rule(path, said["name"], said["title"], streams, registers, names, window, text, mode, entity, bucket, lookback, group, gap)


def evaluate(rule: Rule, context: Context) -> Outcome:
    """Run a rule at the context's instant, as it is in force. Raises RuleError, BoxError."""
    from anzhang.casework import rule_versions
    from anzhang.casework.rule_runs import run as rule_runs

    return rule_runs.evaluate(rule_versions.standing(rule, context.at), context)


def model(register: str) -> type[models.Model]:
    """Return the model of a register id: its CamelCase name. Raises RuleError when there is none."""
    try:
        return apps.get_model("anzhang", register.replace("_", ""))
    except LookupError as error:
        raise RuleError(f"register {register!r} has no table") from error
