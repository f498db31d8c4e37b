"""Whether networks are kept apart, proved from the configurations of their devices (Art. 9, 31): see `proof`."""

from anzhang.engines.isolation.model import Doubt
from anzhang.engines.isolation.proof import (
    CONNECTED,
    ISOLATED,
    ROUTES_ONLY,
    UNPROVED,
    Area,
    Port,
    Proof,
    Row,
    Scope,
    Text,
    Verdict,
    prove,
)

__all__ = [
    "CONNECTED", "ISOLATED", "ROUTES_ONLY", "UNPROVED", "Area", "Doubt", "Port", "Proof", "Row", "Scope", "Text", "Verdict", "prove",
]  # fmt: skip
