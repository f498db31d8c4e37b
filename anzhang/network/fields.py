"""Columns that the network's registers have and others have not: hardware addresses, lists of addresses, networks and names."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext as _

if TYPE_CHECKING:
    Text = models.CharField[Any, Any]
else:
    Text = models.CharField

HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}", re.ASCII)


def mac(value: str) -> None:
    """Refuse what is no hardware address in its one form."""
    if value and not re.fullmatch(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}", value):
        raise ValidationError(_("“%s”不是 MAC 地址，写成 00:1a:2b:3c:4d:5e 这样。") % value[:40])


class MacField(Text):
    """A hardware address, however it is written (`AA-BB-…`, `aabb.ccdd.eeff`), kept as the event streams have it: `aa:bb:cc:dd:ee:ff`."""

    default_validators: list[Any] = [mac]  # as the base class declares it

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Fix the length."""
        super().__init__(*args, **{**kwargs, "max_length": 17})

    def deconstruct(self) -> Any:
        """Leave out what is fixed."""
        name, path, args, kwargs = super().deconstruct()
        kwargs.pop("max_length")
        return name, path, args, kwargs

    def to_python(self, value: Any) -> Any:
        """Return the one form; what is no hardware address stays as it is, for `mac` to refuse, or for the ledger to name."""
        text = super().to_python(value)
        digits = re.sub(r"[-:.\s]", "", text or "").lower()
        if not re.fullmatch(r"[0-9a-f]{12}", digits):
            return text
        return ":".join(digits[place : place + 2] for place in range(0, 12, 2))


def addresses(value: Any) -> None:
    """Refuse what is no list of IP addresses."""
    for each in _strings(value):
        try:
            ipaddress.ip_address(each)
        except ValueError as error:
            raise ValidationError(_("“%s”不是 IP 地址。") % each[:40]) from error


def networks(value: Any) -> None:
    """Refuse what is no list of networks."""
    for each in _strings(value):
        try:
            ipaddress.ip_network(each, strict=True)
        except ValueError as error:
            raise ValidationError(_("“%s”不是网段，写成 10.20.0.0/16 这样。") % each[:40]) from error


def some_networks(value: Any) -> None:
    """Refuse what is no list of networks, and an empty one."""
    if not value:
        raise ValidationError(_("至少写一个网段。"))
    networks(value)


PORT = re.compile(r"(tcp|udp)/(\d{1,5})(?:-(\d{1,5}))?|icmp", re.ASCII)
HIGHEST_PORT = 65535


def port_range(text: str) -> tuple[str, int, int]:
    """Return protocol, first and last port of `tcp/443`, `udp/500-510` or `icmp` (which has none: 0 to 65535). Raises ValueError."""
    found = PORT.fullmatch(text)
    if found is None:
        raise ValueError(text)
    if found[1] is None:
        return "icmp", 0, HIGHEST_PORT
    first = int(found[2])
    last = int(found[3] or first)
    if not 0 < first <= last <= HIGHEST_PORT:
        raise ValueError(text)
    return found[1], first, last


def ports(value: Any) -> None:
    """Refuse what is no list of ports, and an empty one."""
    if not _strings(value):
        raise ValidationError(_("至少写一个端口。"))
    for each in value:
        try:
            port_range(each)
        except ValueError as error:
            raise ValidationError(_("“%s”不是端口，写成 tcp/443、udp/500-510 或 icmp 这样。") % each[:40]) from error


NAME_LENGTH = 100


def names(value: Any) -> None:
    """Refuse what is no list of short names."""
    for each in _strings(value):
        if not each.strip() or len(each) > NAME_LENGTH or "\n" in each:
            raise ValidationError(_("“%s”太长或为空。") % each[:40])


def hosts(value: Any) -> None:
    """Refuse what is no list of host names."""
    for each in _strings(value):
        if not HOST.fullmatch(each):
            raise ValidationError(_("“%s”不是主机名。") % each[:40])


def usb_id(value: Any) -> None:
    """Refuse what is no identifier of a maker or product of peripherals: four hexadecimal digits in small letters."""
    if not re.fullmatch(r"[0-9a-f]{4}", str(value)):
        raise ValidationError(_("“%s”不是标识，应为四位十六进制数，例如 0951。") % str(value)[:40])


PLATFORMS = ("windows", "linux", "kylin", "uos", "macos", "other")  # as posture reports say them (docs/formats/posture.md)
ENDPOINT = "endpoint"
SETTING = re.compile(r"[^=\s][^=]{0,99}=[^=]{0,200}")


def platforms(value: Any) -> None:
    """Refuse what is no list of operating system families."""
    for each in _strings(value):
        if each not in PLATFORMS:
            raise ValidationError(_("“%(word)s”不是系统名，可用：%(words)s。") % {"word": each[:40], "words": "、".join(PLATFORMS)})


def required_of(value: Any) -> None:
    """Refuse what is no list of kinds of devices, or `endpoint`."""
    from anzhang.network.models import Device

    words = (ENDPOINT, *Device.Kind.values)
    for each in _strings(value):
        if each not in words:
            raise ValidationError(_("“%(word)s”不是对象，可用：%(words)s。") % {"word": each[:40], "words": "、".join(words)})


def settings(value: Any) -> None:
    """Refuse what is no list of settings `name=value`."""
    for each in _strings(value):
        if not SETTING.fullmatch(each):
            raise ValidationError(_("“%s”不是配置项，写成“名称=值”。") % each[:40])


def _strings(value: Any) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise ValidationError(_("每行写一个。"))
    return value
