"""Addresses as statements compare them: keys in the order of numbers, and whether one is of the internet. Known to them as functions."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from functools import lru_cache

# RFC 6890, RFC 4193, RFC 4291: what is never routed on the internet. Networks for documentation are left out: examples use them.
LOCAL = (
    *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.168.0.0/16"),
    *("198.18.0.0/15", "224.0.0.0/3", "::/127", "fc00::/7", "fe80::/10", "ff00::/8"),
)
FOUR = "00000000000000000000ffff"


def key(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    """Return an address as 32 hexadecimal digits, IPv4 as RFC 4291 maps it."""
    return f"{FOUR}{int(address):08x}" if address.version == 4 else f"{int(address):032x}"  # IPv4


def bounds(network: str) -> tuple[str, str]:
    """Return the keys of the first and last address of a network. Raises ValueError."""
    parsed = ipaddress.ip_network(network)
    return key(parsed[0]), key(parsed[-1])


_LOCAL = tuple(map(bounds, LOCAL))


@lru_cache(maxsize=1 << 17)
def ip_key(text: str | None) -> str | None:
    """Return the key of an address, None for what is none."""
    try:
        return None if text is None else key(ipaddress.ip_address(text))
    except ValueError:
        return None


@lru_cache(maxsize=1 << 17)
def is_public(text: str | None) -> bool:
    """Whether an address is of the internet; false for what is no address."""
    found = ip_key(text)
    return found is not None and not any(first <= found <= last for first, last in _LOCAL)


FUNCTIONS: dict[str, tuple[Callable[[str | None], object], str]] = {"ip_key": (ip_key, "VARCHAR"), "is_public": (is_public, "BOOLEAN")}
