"""What a posture report is held to: the registers of products and patches, and the parameters in force (Art. 9, 15)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cached_property
from hashlib import sha256
from typing import Any

from django.db.models import Q

from anzhang import clock
from anzhang.casework import parameters
from anzhang.endpoints.models import PatchBaseline, SoftwareBaseline
from anzhang.engines import posture
from anzhang.journal.procedures import canonical
from anzhang.network.fields import ENDPOINT
from anzhang.network.models import SecurityProduct


class Rules:
    """The registers and parameters at an instant; `digest` changes when any of them does."""

    def __init__(self, at: datetime, values: Mapping[str, Any] | None = None) -> None:
        """Read the registers: three queries, four where the parameters are not given."""
        given = parameters.values(at) if values is None else values
        grace = given["patch_grace_days"]
        self.age = timedelta(hours=given["posture_age_hours"])
        self.signature_days, self.update_days = int(given["signature_age_days"]), int(given["product_update_days"])
        self.products = list(SecurityProduct.objects.order_by("code"))
        standing = Q(withdrawn_on=None) | Q(withdrawn_on__gt=clock.day_of(at))
        baseline = PatchBaseline.objects.filter(standing).order_by("code")
        self.patches = tuple(
            posture.Patch(code, platform, on + timedelta(days=int(grace[severity])))
            for code, platform, severity, on in baseline.values_list("code", "platform", "severity", "published_on")
        )

        self.software: dict[str, list[str]] = {}
        programs = SoftwareBaseline.objects.filter(kind=SoftwareBaseline.Kind.PROGRAM).order_by("endpoint_class", "name")
        for group, name in programs.values_list("endpoint_class", "name"):
            self.software.setdefault(group, []).append(name)

    def of(self, kind: str) -> posture.Requirements:
        """Return what a device of a kind, or an `endpoint`, is held to; only an endpoint needs an antivirus whatever the register says."""
        products = tuple(required(product, kind) for product in self.products)
        endpoint = kind == ENDPOINT
        days = self.signature_days, self.update_days
        return posture.Requirements(products, self.patches, self.age, *days, antivirus=endpoint, network=endpoint)

    @cached_property
    def endpoints(self) -> posture.Requirements:
        """Return what an endpoint is held to."""
        return self.of(ENDPOINT)

    def outside(self, facts: posture.Facts, group: str) -> list[str] | None:
        """Return the software outside the baseline of a class (Art. 14), None where report or baseline says nothing."""
        allowed = self.software.get(group)
        return posture.outside(facts, allowed) if allowed else None

    @cached_property
    def digest(self) -> str:
        """Return a digest of what an endpoint is held to, 16 characters."""
        days = [list(map(str, (p.newest_version_on, p.signatures_on, p.support_end_on))) for p in self.products]
        words = [[p.name, p.kind, p.newest_version, p.settings, p.required_of, p.platforms] for p in self.products]
        patches = [[patch.code, patch.platform, patch.due_on.isoformat()] for patch in self.patches]
        numbers = [int(self.age.total_seconds()), self.signature_days, self.update_days]
        return sha256(
            canonical({"products": words, "days": days, "software": sorted(self.software.items()), "patches": patches, "numbers": numbers})
        ).hexdigest()[:16]


def required(product: SecurityProduct, kind: str) -> posture.Required:
    """Return a product of the register as the engine takes it."""
    return posture.Required(
        product.code,
        product.name,
        product.kind,
        kind in product.required_of,
        frozenset(product.platforms),
        product.newest_version,
        product.newest_version_on,
        product.signatures_on,
        product.support_end_on,
        dict(each.split("=", 1) for each in product.settings),
    )
