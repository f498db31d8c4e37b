"""The values in force of a catalog's parameters, and which of them a check has read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

# What the program itself needs a value of, whatever the text says; a catalog may set its own, bound to an obligation or not.
PLATFORM: Mapping[str, Any] = {
    "remediation_days": {"critical": 7, "high": 30, "medium": 90, "low": 180},
    "regularization_hours": 24,  # an emergency is regularized (补批) within
    "reminder_days": 1,  # a todo is called to mind so many days before its deadline
    "escalation_days": 2,  # the Office is told so many days after the head was
    "approval_warning_days": 7,  # an approval's holder is told so many days before it ends
    "waiver_days": 366,  # the longest waiver of a finding
    "training_days": 365,  # a training record counts so long
    "statement_renewal_days": 365,  # a responsibility statement is signed anew within
    "legal_review_days": 90,  # a new version of superior law is reviewed within
    "source_silence_minutes": 60,  # a log source may be silent so long
    "handover_minutes": 30,  # a shift is signed in and handed over within
    "sod_exception_days": 90,  # a developer may operate by exception so long at most
    "measure_proof_days": 90,  # a protection measure is proved anew within
    "temperature_celsius": [18, 27],  # of a machine room, low and high
    "humidity_percent": [20, 60],  # likewise
    "config_match_hours": 24,  # how far from its order a change of a configuration may lie; pages judge by it as the check does
    "clock_tolerance_seconds": 60,  # what comes in may be ahead of the clock so far
    "posture_age_hours": 24,  # a posture report admits so long
    "signature_age_days": 7,  # signatures may be behind the mirror's so long
    "product_update_days": 30,  # a security product may be behind its newest version so long
    "check_grace_hours": 24,  # a planned check may be made so long after it fell due
    "patch_grace_days": {"critical": 7, "high": 14, "medium": 30, "low": 90},  # a patch may be missing so long, by its severity
}


class MissingParameterError(KeyError):
    """A check asks for a parameter that the catalog does not give; `name` says which."""

    def __init__(self, name: str) -> None:
        """Keep the name."""
        super().__init__(name)
        self.name = name


@dataclass(frozen=True)
class Values(Mapping[str, Any]):
    """Values by parameter name: the signed interpretation, else the catalog's default.

    `unsigned` are the open words that run on their default: a verdict that rests on one is provisional (Art. 35).
    """

    in_force: Mapping[str, Any]
    unsigned: frozenset[str] = frozenset()

    def __getitem__(self, name: str) -> Any:
        return self.in_force[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.in_force)

    def __len__(self) -> int:
        return len(self.in_force)


@dataclass(frozen=True)
class Tracked(Mapping[str, Any]):
    """The same values, remembering which names were read: one per run of a check."""

    source: Values
    read: set[str] = field(default_factory=set)

    def __getitem__(self, name: str) -> Any:
        if name not in self.source:
            raise MissingParameterError(name)
        self.read.add(name)
        return self.source[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.source)

    def __len__(self) -> int:
        return len(self.source)

    @property
    def is_provisional(self) -> bool:
        """Whether a value that was read rests on an unsigned default."""
        return not self.read.isdisjoint(self.source.unsigned)
