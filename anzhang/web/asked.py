"""What an address asks for."""

from __future__ import annotations

from django.http import HttpRequest


def typed(request: HttpRequest, name: str) -> str:
    """Return a parameter as typed, without the NUL bytes that PostgreSQL refuses and no row holds."""
    return request.GET.get(name, "").replace("\x00", "").strip()
