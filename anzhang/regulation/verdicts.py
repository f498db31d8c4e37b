"""The values a check deals in: subjects, breaches, coverage and the verdict they add up to (DESIGN 3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class State(StrEnum):
    """State of an obligation for a unit; `Breach` outweighs `Unknown` outweighs `Met`."""

    MET = "met"
    BREACH = "breach"
    UNKNOWN = "unknown"
    NOT_APPLICABLE = "not_applicable"


@dataclass(frozen=True)
class Why:
    """A reason as code and parameters; the sentence is rendered per language by the page."""

    code: str
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Subject:
    """One thing that owes: `key` is stable (`unit:JYC`, `system:SI01`, `source:SSH01`), `unit` is the code of the
    responsible unit, or None where the bureau as a whole answers; `person` is the code of the answerable person.
    """

    key: str
    label: str
    unit: str | None
    person: str | None = None


@dataclass(frozen=True)
class Breach:
    """One subject that fails, why, since when, and what proves it.

    `evidence` are references a reader can follow: `officer:12`, `line:<segment>:<seq>`, `segment:<name>`, `entry:<index>`.
    `detail` separates several breaches of one subject in the fingerprint; empty for one per subject.
    """

    subject: Subject
    why: Why
    evidence: tuple[str, ...] = ()
    since: datetime | None = None
    detail: str = ""


@dataclass(frozen=True)
class Ground:
    """Ground that nobody watched: why it is unknown. `unit` None concerns the bureau as a whole."""

    unit: str | None
    why: Why
    subject: Subject | None = None


@dataclass(frozen=True)
class Outcome:
    """What a check returns.

    `population` are the subjects that owe (modality must) or the watched subjects (must_not, may_if_approved).
    `coverage` maps a unit code (or None) to the watched share, 0.0 to 1.0; absent where the check needs no watching.
    """

    population: tuple[Subject, ...]
    breaches: tuple[Breach, ...] = ()
    unknown: tuple[Ground, ...] = ()
    coverage: Mapping[str | None, float] = field(default_factory=dict)
