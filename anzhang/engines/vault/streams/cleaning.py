"""Bring captured values into one form. Each works on one distinct value; a column has few, so that Python does it."""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address
from urllib.parse import unquote, urlsplit

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from anzhang.engines.vault.streams import matcher
from anzhang.engines.vault.streams.columns import bytes_of, decoded

_IPV4 = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}\Z")
_NO_MAC = re.compile(r"[^0-9a-fA-F]")
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|([0-7]{3})|(.))", re.DOTALL)
NOTHING = frozenset({"-", "--", "?", "(null)", "(none)", "null", "<none>", "N/A", "unset", "<not logged>"})  # ways to write "none"
_LETTERS = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}


def address(text: str) -> str | None:
    """Return an IP address in its one spelling: no brackets, no zone, no port, IPv4 out of IPv6; None for what is no address."""
    text = text.strip().strip("[]")
    if _IPV4.match(text):
        return text
    if text.startswith("::ffff:") and _IPV4.match(text[7:]):
        return text[7:]
    host, _, port = text.rpartition(":")
    if port.isdigit() and (_IPV4.match(host) or host.endswith("]")):
        return address(host)
    try:
        found = ip_address(text.split("%")[0].split("/")[0])
    except ValueError:
        return None
    if isinstance(found, IPv6Address) and found.ipv4_mapped:
        return str(found.ipv4_mapped)
    return str(found)


def port(text: str) -> str | None:
    """Return the port at the end of `address:port`."""
    found = text.rpartition(":")[2]
    return found if found.isdigit() else None


def mac(text: str) -> str | None:
    """Return a hardware address as aa:bb:cc:dd:ee:ff; None for what is none."""
    digits = _NO_MAC.sub("", text).lower()
    return ":".join(digits[k : k + 2] for k in range(0, 12, 2)) if len(digits) == 12 else None


def user(text: str) -> str:
    r"""Return the name out of DOMAIN\name, name@realm or host/name."""
    text = text.strip()
    if "\\" in text:
        return text.rsplit("\\", 1)[1]
    name, at, _ = text.partition("@")
    return name if at and name else text


def domain(text: str) -> str | None:
    r"""Return the domain out of DOMAIN\name or name@realm."""
    if "\\" in text:
        return text.strip().rsplit("\\", 1)[0].strip("\\") or None
    name, at, realm = text.strip().partition("@")
    return realm if at and name and realm else None


def unescape(text: str) -> str:
    r"""Undo \xHH (bytes of UTF-8 or GB18030), \uHHHH, octal and \n-like escapes."""
    if "\\" not in text:
        return text
    out = bytearray()
    place = 0
    for match in _ESCAPE.finditer(text):
        out += text[place : match.start()].encode()
        place = match.end()
        if match[1] or match[3]:
            out.append(int(match[1], 16) if match[1] else int(match[3], 8) & 255)
        else:
            out += (chr(int(match[2], 16)) if match[2] else _LETTERS.get(match[4], match[4])).encode("utf-8", "replace")
    out += text[place:].encode()
    return as_text(bytes(out))


def as_text(content: bytes) -> str:
    """Return bytes as text: UTF-8, else GB18030."""
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content.decode("gb18030", "replace")


def hexadecimal(text: str) -> str:
    """Return the text that an even number of hexadecimal digits spells, NUL as a blank; what spells none stays."""
    if len(text) < 2 or len(text) % 2 or _NO_MAC.search(text):
        return text
    found = bytes.fromhex(text).replace(b"\0", b" ")
    try:
        decoded = found.decode()
    except UnicodeDecodeError:
        try:
            decoded = found.decode("gb18030")
        except UnicodeDecodeError:
            return text
    return decoded.rstrip() if all(c.isprintable() or c in "\n\t\r" for c in decoded) else text


def known(text: str) -> str | None:
    """Return nothing for the many ways of writing that there is nothing."""
    return None if not text.strip() or text.strip() in NOTHING else text


def sql_verb(text: str) -> str | None:
    """Return the first word of a statement in capitals, comments and brackets before it left out."""
    match = re.match(r"(?:\s|/\*.*?\*/|--[^\n]*\n|\()*([A-Za-z]+)", text, re.DOTALL)
    return match[1].upper() if match else None


def host_name(text: str) -> str | None:
    """Return what stands where an address should and is none."""
    return None if address(text) else known(text)


CLEANERS: dict[str, Callable[[str], str | None]] = {
    "address": address,
    "host_name": host_name,
    "port": port,
    "mac": mac,
    "user": user,
    "domain": domain,
    "unescape": unescape,
    "hexadecimal": hexadecimal,
    "known": known,
    "lower": str.lower,
    "upper": str.upper,
    "strip": str.strip,
    "initial": lambda text: text[:1],
    "path": lambda text: urlsplit(text).path if "://" in text else text.split("?")[0],
    "url": unquote,
    "host": lambda text: urlsplit(text).hostname or text if "://" in text else text.rsplit(":", 1)[0],
    "first_word": lambda text: text.split()[0] if text.split() else None,
    "last_word": lambda text: text.split()[-1] if text.split() else None,
    "base": lambda text: text.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1] or None,
    "no_dot": lambda text: text.rstrip(".").lower(),
    "seconds": lambda text: str(round(float(text) * 1000)) if re.fullmatch(r"\d+(?:\.\d+)?", text) else None,
    "sql_verb": sql_verb,
    "minus_hex": lambda text: str(int(text, 16)) if re.fullmatch(r"0[xX][0-9a-fA-F]+", text) else text,
}


def addresses(column: pa.Array) -> pa.Array:
    """Return a column with every value as `address` writes it, null for what is none. Plain IPv4, as most are, stays as it is."""
    column = decoded(column)
    plain, rest = _beside_ipv4(column)
    return column if rest is None else pc.replace_with_mask(column, pc.invert(plain), each(rest, address))


def host_names(column: pa.Array) -> pa.Array:
    """Return a column with what stands where an address should and is none."""
    plain, rest = _beside_ipv4(decoded(column))
    empty = pa.nulls(len(column), pa.string())
    return empty if rest is None else pc.replace_with_mask(empty, pc.invert(plain), each(rest, host_name))


def _beside_ipv4(column: pa.Array) -> tuple[pa.Array, pa.Array | None]:
    """Return where a column holds nothing or a plain IPv4 address, and what it holds elsewhere, None if nothing."""
    flags = np.empty(len(column), np.bool_)
    matcher.ipv4(*bytes_of(column), flags)
    if column.null_count:
        flags |= column.is_null().to_numpy(zero_copy_only=False)
    plain = pa.array(flags)
    return plain, None if flags.all() else column.filter(pc.invert(plain))


def each(column: pa.Array, clean: Callable[[str], str | None]) -> pa.Array:
    """Return a column with every distinct value cleaned; what comes out empty is null."""
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    made = [None if value is None else (clean(value) or None) for value in column.dictionary.to_pylist()]
    return pa.array(made, pa.string()).take(column.indices)


def cleaned(column: pa.Array, name: str) -> pa.Array:
    """Return a column cleaned by the cleaner of a name."""
    return WHOLE[name](column) if name in WHOLE else each(column, CLEANERS[name])


WHOLE: dict[str, Callable[[pa.Array], pa.Array]] = {"address": addresses, "host_name": host_names}  # where columns have many values
