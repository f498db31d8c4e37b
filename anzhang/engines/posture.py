"""Posture reports: read what an endpoint says of itself, check who signed it, judge it (Art. 9, 14, 15). docs/formats/posture.md.

A report travels as an envelope of JSON: `document` is the exact text that was signed, `signature` its Ed25519 signature (RFC 8032) over
`PREFIX` and the text's UTF-8 bytes, in base64. The document names subject, sequence, instant, form and content; a form of another program
(Lynis, OpenSCAP) carries that program's own report as text.

1. `open_envelope` reads the envelope and the document's head; nothing in it is believed yet.
2. `Envelope.verify` holds the signature to a public key.
3. `read` turns the content into `Facts`. What a report does not say stays None, and None is never a pass.
4. `judge` compares facts with the requirements and says until when they hold, so that a verdict at any later instant is one comparison.

Results of a rule of XCCDF (NIST IR 7275r4, 6.6.4.2) other than `pass` and `fixed` are no pass: `notapplicable`, `notchecked`,
`notselected`, `informational`, `unknown` and `error` prove nothing.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from typing import Any
from xml.parsers import expat  # streams, and our handlers refuse every document type, so no entity is ever declared
from zoneinfo import ZoneInfo

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

PREFIX = b"anzhang posture v1\n"
BEIJING = ZoneInfo("Asia/Shanghai")
LARGEST = 16 << 20  # bytes of an envelope; OpenSCAP embeds its whole benchmark
LARGEST_OWN = 2 << 20  # of a report of our own form
MOST = 5000  # entries of a list
LONGEST = 200  # characters of a text
MOST_REASONS = 20
PLATFORMS = ("windows", "linux", "kylin", "uos", "macos", "other")
KINDS = ("antivirus", "firewall", "host_detection", "endpoint_control", "other")
STATES = ("running", "stopped", "unknown")
ADAPTERS = ("wired", "wireless", "mobile", "bluetooth", "tunnel", "virtual", "other")
OUTSIDE = frozenset({"wireless", "mobile", "bluetooth"})  # adapters by which an internal endpoint leaves its network
PASSES = frozenset({"pass", "fixed"})
PROVES_NOTHING = frozenset({"notapplicable", "notchecked", "notselected", "informational", "unknown", "error"})


class PostureError(Exception):
    """A report cannot be used: `code` is stable, `where` the place in it, `given` what stands there."""

    def __init__(self, code: str, where: str = "", given: str = "") -> None:
        """Keep the place; the sentence is worded by who shows it."""
        super().__init__(f"{code}: {where} {given}".strip())
        self.code, self.where, self.given = code, where, given[:80]


@dataclass(frozen=True)
class Product:
    """A security product as it stands on an endpoint; `signatures_on` is None where it has none or says none."""

    kind: str
    name: str
    version: str = ""
    state: str = "unknown"
    signatures_on: date | None = None
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Network:
    """How an endpoint reaches networks: default routes, adapters that are up (name, kind), the proxy it is set to, whether it shares."""

    default_routes: int
    active: tuple[tuple[str, str], ...]
    proxy: str = ""
    sharing: bool = False

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        active = [{"name": name, "kind": kind} for name, kind in self.active]
        return {"default_routes": self.default_routes, "active": active, "proxy": self.proxy, "sharing": self.sharing}


@dataclass(frozen=True)
class Facts:
    """What a report says. None means that it does not say.

    `software` are (name, version); `checks` counts results by their word, as the scanner has them.
    """

    platform: str = "other"
    os: str = ""
    products: tuple[Product, ...] | None = None
    installed: frozenset[str] | None = None
    missing: frozenset[str] = frozenset()
    software: tuple[tuple[str, str], ...] | None = None
    checks: Mapping[str, int] | None = None
    network: Network | None = None

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values; `facts` reads them back."""
        products = None
        if self.products is not None:
            products = [
                {
                    "kind": p.kind,
                    "name": p.name,
                    "version": p.version,
                    "state": p.state,
                    "signatures_on": p.signatures_on.isoformat() if p.signatures_on else None,
                    "settings": dict(p.settings),
                }
                for p in self.products
            ]
        return {
            "os": {"family": self.platform, "name": self.os},
            "products": products,
            "patches": {"installed": None if self.installed is None else sorted(self.installed), "missing": sorted(self.missing)},
            "software": None if self.software is None else [{"name": name, "version": version} for name, version in self.software],
            "checks": None if self.checks is None else dict(self.checks),
            "network": None if self.network is None else self.network.as_json(),
        }


@dataclass(frozen=True)
class Envelope:
    """A report as it came: nothing in it is believed before `verify`.

    `collected_at` is aware UTC, the earlier of what the envelope and the program's own report say.
    """

    subject: str
    sequence: int
    collected_at: datetime
    form: str
    content: Any
    signer: str
    document: str
    signature: str

    @property
    def digest(self) -> str:
        """Return the SHA-256 of the signed bytes, in hexadecimal."""
        return sha256(self.document.encode()).hexdigest()

    def verify(self, public_key: str) -> None:
        """Hold the signature to a public key (base64 of 32 bytes). Raises PostureError `signature`."""
        try:
            key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key, validate=True))
            key.verify(base64.b64decode(self.signature, validate=True), PREFIX + self.document.encode())
        except (InvalidSignature, ValueError, binascii.Error) as error:
            raise PostureError("signature", "signature") from error


@dataclass(frozen=True)
class Required:
    """A security product as the register has it; `required` of the subject that is judged."""

    code: str
    name: str
    kind: str
    required: bool = False
    platforms: frozenset[str] = frozenset()
    newest_version: str = ""
    newest_version_on: date | None = None
    signatures_on: date | None = None
    support_end_on: date | None = None
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Patch:
    """A patch of the baseline; `due_on` is the last day on which it may be missing."""

    code: str
    platform: str
    due_on: date


@dataclass(frozen=True)
class Requirements:
    """What a report is held to."""

    products: tuple[Required, ...]
    patches: tuple[Patch, ...]
    age: timedelta
    signature_days: int
    update_days: int
    antivirus: bool = True  # every endpoint needs one that runs (Art. 15)
    network: bool = False  # an endpoint of an internal zone has one way only (Art. 9)

    def of(self, kind: str) -> Requirements:
        """Return the same, where only products of that kind are asked."""
        return replace(self, products=tuple(each for each in self.products if each.kind == kind))


@dataclass(frozen=True)
class Reason:
    """Why a report is no pass; `unknown` when it lacks the evidence rather than shows a fault."""

    code: str
    params: Mapping[str, Any] = field(default_factory=dict)
    unknown: bool = False

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {"code": self.code, "params": dict(self.params)}


@dataclass(frozen=True)
class Judged:
    """What a report comes to: until when it passes, or why it does not."""

    state: str
    until: datetime | None
    reasons: tuple[Reason, ...] = ()


def sign(document: str, key: Ed25519PrivateKey) -> str:
    """Return the signature of a document in base64. Source: RFC 8032."""
    return base64.b64encode(key.sign(PREFIX + document.encode())).decode()


def open_envelope(body: bytes) -> Envelope:
    """Read an envelope and the head of its document. Raises PostureError naming the place."""
    if len(body) > LARGEST:
        raise PostureError("too_large", "", str(len(body)))
    outer = _object(_json(body, ""), "")
    document = _text(outer, "document", LARGEST)
    signature = _text(outer, "signature", 200)
    inner = _object(_json(document.encode(), "document"), "document")
    if "\\u0000" in document:  # fits in no database's text
        raise PostureError("text", "document")
    if inner.get("version") != 1:
        raise PostureError("version", "document.version", str(inner.get("version")))
    sequence = inner.get("sequence")
    if not isinstance(sequence, int) or isinstance(sequence, bool) or not 0 < sequence < 1 << 62:
        raise PostureError("number", "document.sequence", str(sequence))
    form = _text(inner, "form", 16)
    if form not in READERS:
        raise PostureError("form", "document.form", form)
    if form == "anzhang" and len(document) > LARGEST_OWN:
        raise PostureError("too_large", "document", str(len(document)))
    told = _instant(_text(inner, "collected_at", 40), "document.collected_at")
    content = inner.get("content")
    own = MEASURED[form](content) if form in MEASURED else None
    subject, signer = _text(inner, "subject", 64), _text(inner, "signer", 64)
    return Envelope(subject, sequence, min(told, own or told), form, content, signer, document, signature)


def read(envelope: Envelope) -> Facts:
    """Return the facts of a report. Raises PostureError naming the place."""
    return READERS[envelope.form](envelope.content)


# Our own form


def facts(content: Any) -> Facts:
    """Read a report of our own form. Raises PostureError naming the place."""
    given = _object(content, "content")
    system = _object(given.get("os", {}), "content.os")
    platform = str(system.get("family", "other"))
    if platform not in PLATFORMS:
        raise PostureError("word", "content.os.family", platform)
    patches = _object(given.get("patches") or {}, "content.patches")
    installed = patches.get("installed")
    checks = given.get("checks")
    return Facts(
        platform=platform,
        os=str(system.get("name", ""))[:LONGEST],
        products=_products(given.get("products")),
        installed=None if installed is None else frozenset(_texts(installed, "content.patches.installed")),
        missing=frozenset(_texts(patches.get("missing") or [], "content.patches.missing")),
        software=_software(given.get("software")),
        checks=None if checks is None else _counts(checks),
        network=_network(given.get("network")),
    )


def _network(given: Any) -> Network | None:
    if given is None:
        return None
    where = "content.network"
    row = _object(given, where)
    routes, sharing, proxy = row.get("default_routes"), row.get("sharing", False), row.get("proxy") or ""
    if not isinstance(routes, int) or isinstance(routes, bool) or routes < 0:
        raise PostureError("number", f"{where}.default_routes", str(routes))
    if not isinstance(sharing, bool):
        raise PostureError("word", f"{where}.sharing", str(sharing))
    if not isinstance(proxy, str) or len(proxy) > LONGEST:
        raise PostureError("text", f"{where}.proxy")
    active = []
    for place, each in enumerate(_list(row.get("active"), f"{where}.active")):
        adapter = _object(each, f"{where}.active[{place}]")
        if adapter.get("kind") not in ADAPTERS:
            raise PostureError("word", f"{where}.active[{place}].kind", str(adapter.get("kind")))
        active.append((_text(adapter, "name", LONGEST, f"{where}.active[{place}]"), str(adapter["kind"])))
    return Network(routes, tuple(active), proxy, sharing)


def _products(given: Any) -> tuple[Product, ...] | None:
    if given is None:
        return None
    found = []
    for place, each in enumerate(_list(given, "content.products")):
        where = f"content.products[{place}]"
        row = _object(each, where)
        kind, state = row.get("kind"), row.get("state", "unknown")
        if kind not in KINDS:
            raise PostureError("word", f"{where}.kind", str(kind))
        if state not in STATES:
            raise PostureError("word", f"{where}.state", str(state))
        day = row.get("signatures_on")
        settings = _object(row.get("settings") or {}, f"{where}.settings")
        found.append(
            Product(
                kind,
                _text(row, "name", LONGEST, where),
                str(row.get("version") or "")[:64],
                state,
                None if day is None else _day(day, f"{where}.signatures_on"),
                {str(name)[:100]: str(value)[:200] for name, value in list(settings.items())[:200]},
            )
        )
    return tuple(found)


def _software(given: Any) -> tuple[tuple[str, str], ...] | None:
    if given is None:
        return None
    found = []
    for place, each in enumerate(_list(given, "content.software")):
        row = _object(each, f"content.software[{place}]")
        found.append((_text(row, "name", LONGEST, f"content.software[{place}]"), str(row.get("version") or "")[:64]))
    return tuple(found)


def _counts(given: Any) -> Mapping[str, int]:
    counts = _object(given, "content.checks")
    if not all(isinstance(count, int) and not isinstance(count, bool) and count >= 0 for count in counts.values()):
        raise PostureError("number", "content.checks")
    return {str(word)[:40]: count for word, count in list(counts.items())[:20]}


# Lynis: report.dat, a line `key=value` each, lists as `key[]=value`


def lynis(content: Any) -> Facts:
    """Read a Lynis report (3.x). It proves a scanner only where it says that one is installed, and never how old its signatures are.

    A vulnerable package is a missing patch by its name. Raises PostureError when it is no such report.
    """
    keys, lists = _lynis_lines(content)
    family = {"linux": "linux", "macos": "macos"}.get(keys.get("os", "").lower(), "other")
    products = []
    if keys.get("malware_scanner_installed") == "1":
        running = "running" if keys.get("malware_scanner_running") == "1" else "unknown"
        names = lists.get("malware_scanner") or ["unnamed"]
        products += [Product("antivirus", name.split("|")[0][:LONGEST], state=running) for name in names[:20]]
    if keys.get("firewall_active") == "1":
        products += [Product("firewall", name[:LONGEST], state="running") for name in (lists.get("firewall_software") or ["unnamed"])[:20]]
    packages = [each.partition(",") for each in keys.get("installed_packages_array", "").split("|") if each]
    software = tuple((name[:LONGEST], version[:64]) for name, _comma, version in packages[:MOST]) or None
    vulnerable = frozenset(each.split("|")[0][:LONGEST] for each in lists.get("vulnerable_package", [])[:MOST])
    checks = {"fail": len(lists.get("warning", [])), "informational": len(lists.get("suggestion", []))}
    return Facts(
        platform=family,
        os=f"{keys.get('os_name', '')} {keys.get('os_version', '')}".strip()[:LONGEST],
        products=tuple(products),
        installed=None,
        missing=vulnerable,
        software=software,
        checks=checks,
    )


def _lynis_lines(content: Any) -> tuple[dict[str, str], dict[str, list[str]]]:
    if not isinstance(content, str):
        raise PostureError("text", "content")
    keys: dict[str, str] = {}
    lists: dict[str, list[str]] = {}
    for line in content.splitlines():
        name, equals, value = line.partition("=")
        if not equals or line.startswith("#"):
            continue
        if name.endswith("[]"):
            lists.setdefault(name[:-2], []).append(value)
        else:
            keys[name] = value
    if "lynis_version" not in keys:
        raise PostureError("lynis", "content", content[:40])
    return keys, lists


def _lynis_measured(content: Any) -> datetime | None:
    keys, _lists = _lynis_lines(content)
    text = keys.get("report_datetime_end") or keys.get("report_datetime_start")
    return _instant(text, "content.report_datetime_end") if text else None


# OpenSCAP: XCCDF results or an ARF that holds them


class _Results:
    """Handlers that keep the words of the rule results and the last end of a TestResult; everything else passes by."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.ended = ""
        self.platform = ""
        self.target = ""
        self.depth = 0
        self.inside = ""
        self.text: list[str] = []
        self.seen = False

    def start(self, name: str, given: dict[str, str]) -> None:
        """Enter an element."""
        local = name.rpartition(" ")[2]
        if local == "TestResult" and "xccdf" in name:
            self.seen, self.ended = True, given.get("end-time", self.ended)
        self.inside = local
        self.text = []

    def end(self, name: str) -> None:
        """Leave an element."""
        local = name.rpartition(" ")[2]
        if local == "result" and "xccdf" in name and self.inside == "result":
            self.counts["".join(self.text).strip()[:40]] += 1
        elif local == "target" and "xccdf" in name:
            self.target = "".join(self.text).strip()[:LONGEST]
        self.inside = ""

    def words(self, data: str) -> None:
        """Keep the text of the elements that matter."""
        if self.inside in {"result", "target"}:
            self.text.append(data)


def _no_type(*_given: Any) -> None:
    raise PostureError("doctype", "content")


def _openscap_results(content: Any) -> _Results:
    if not isinstance(content, str):
        raise PostureError("text", "content")
    results = _Results()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler, parser.EndElementHandler = results.start, results.end
    parser.CharacterDataHandler = results.words
    parser.StartDoctypeDeclHandler = _no_type
    parser.EntityDeclHandler = _no_type
    parser.buffer_text = True
    try:
        parser.Parse(content.encode(), True)  # the last piece
    except expat.ExpatError as error:
        raise PostureError("xml", f"content:{error.lineno}", str(error)) from error
    if not results.seen:
        raise PostureError("openscap", "content", content[:40])
    return results


def openscap(content: Any) -> Facts:
    """Read XCCDF results. They prove no product and no patch; what was not applicable, not checked or unknown proves nothing at all.

    Raises PostureError when it is no such result, is not well-formed or declares a document type.
    """
    return Facts(checks=dict(_openscap_results(content).counts))


def _openscap_measured(content: Any) -> datetime | None:
    ended = _openscap_results(content).ended
    return _instant(ended, "content.TestResult.end-time") if ended else None


READERS: Mapping[str, Callable[[Any], Facts]] = {"anzhang": facts, "lynis": lynis, "openscap": openscap}
MEASURED: Mapping[str, Callable[[Any], datetime | None]] = {"lynis": _lynis_measured, "openscap": _openscap_measured}


# Judging


def judge(found: Facts, asked: Requirements, collected_at: datetime, at: datetime) -> Judged:
    """Return what facts come to at an instant: `pass` and until when, `fail`, or `unknown` for want of evidence.

    Until when is the earliest of: the report's age, the day a missing patch is due, the day a product must be up to date or loses
    its support. Days are Beijing's; the last day still counts. Source: Art. 9, 15.
    """
    reasons: list[Reason] = []
    ends: list[datetime] = [collected_at + asked.age]
    if ends[0] <= at:
        reasons.append(Reason("posture_stale", {"hours": int(asked.age.total_seconds() // 3600)}, unknown=True))
    _judge_products(found, asked, at, reasons, ends)
    _judge_patches(found, asked, at, reasons, ends)
    if asked.network and found.network is not None:
        reasons += network_faults(found.network)
    if found.checks is not None and found.products is None and found.installed is None and not PASSES & set(found.checks):
        reasons.append(Reason("posture_proves_nothing", {"results": _worded(found.checks)}, unknown=True))
    if not reasons:
        return Judged("pass", min(ends))
    state = "fail" if any(not reason.unknown for reason in reasons) else "unknown"
    return Judged(state, None, tuple(sorted(reasons, key=lambda reason: reason.unknown)[:MOST_REASONS]))


def network_faults(found: Network) -> list[Reason]:
    """Return by which ways an endpoint of an internal zone could leave it (Art. 9)."""
    reasons = []
    if found.default_routes > 1:
        reasons.append(Reason("posture_second_route", {"routes": found.default_routes}))
    if outside := [name for name, kind in found.active if kind in OUTSIDE]:
        reasons.append(Reason("posture_outside_adapter", {"adapters": "、".join(outside[:5])}))
    if found.proxy:
        reasons.append(Reason("posture_proxy", {"proxy": found.proxy}))
    if found.sharing:
        reasons.append(Reason("posture_sharing"))
    return reasons


def _judge_products(found: Facts, asked: Requirements, at: datetime, reasons: list[Reason], ends: list[datetime]) -> None:
    if found.products is None:
        reasons.append(Reason("posture_without_products", unknown=True))
        return
    known = {product.name: product for product in asked.products}
    reasons += antivirus_faults(found) if asked.antivirus else []
    for required in asked.products:
        if required.required and _concerns(required, found.platform):
            reasons += _presence(found.products, required)
    for product in found.products:
        row = known.get(product.name)
        if row is None:
            if product.kind == "antivirus" and product.state == "running":
                reasons.append(Reason("product_unregistered", {"product": product.name}, unknown=True))
            continue
        reasons += signature_faults(product, row, asked.signature_days)
        _keep_up(product, row, asked, at, reasons, ends)


def antivirus_faults(found: Facts) -> list[Reason]:
    """Return why the antivirus of a report is not there and running (Art. 15); a state that is unknown is no proof."""
    scanners = [product for product in found.products or () if product.kind == "antivirus"]
    if any(product.state == "running" for product in scanners):
        return []
    if not scanners:
        return [Reason("antivirus_missing")]
    name = scanners[0].name
    if any(product.state == "stopped" for product in scanners):
        return [Reason("antivirus_stopped", {"product": name})]
    return [Reason("antivirus_state_unknown", {"product": name}, unknown=True)]


def _presence(products: Iterable[Product], required: Required) -> list[Reason]:
    product = next((each for each in products if each.name == required.name), None)
    if product is None:
        return [Reason("product_missing", {"product": required.name})]
    if product.state == "stopped":
        return [Reason("product_stopped", {"product": required.name})]
    reasons = []
    if product.state != "running":
        reasons.append(Reason("product_state_unknown", {"product": required.name}, unknown=True))
    for name, value in required.settings.items():
        given = product.settings.get(name)
        if given is None:
            reasons.append(Reason("product_setting_unknown", {"product": required.name, "setting": name}, unknown=True))
        elif given != value:
            params = {"product": required.name, "setting": name, "given": given, "required": value}
            reasons.append(Reason("product_setting_wrong", params))
    return reasons


def outside(found: Facts, allowed: Iterable[str]) -> list[str] | None:
    """Return the software that a baseline does not allow, None where the report lists none; a `*` at the end of a line allows what follows.

    Names are compared without regard to case. Source: Art. 14.
    """
    if found.software is None:
        return None
    lines = [line.casefold() for line in allowed]
    whole, begins = {line for line in lines if not line.endswith("*")}, tuple(line[:-1] for line in lines if line.endswith("*"))
    names = {name for name, _version in found.software}
    return sorted(name for name in names if name.casefold() not in whole and not (begins and name.casefold().startswith(begins)))


def presence_faults(found: Facts, required: Required) -> list[Reason]:
    """Return why a required product is not there, running and set as the register has it (Art. 9); none where it does not concern."""
    if found.products is None:
        return [Reason("posture_without_products", unknown=True)]
    return _presence(found.products, required) if required.required and _concerns(required, found.platform) else []


def signature_faults(product: Product, row: Required, days: int) -> list[Reason]:
    """Return why a product's signatures lag behind the mirror's newest by more than `days` (Art. 15)."""
    if row.signatures_on is None:
        if product.kind == "antivirus":
            return [Reason("mirror_without_signatures", {"product": row.name}, unknown=True)]
        return []
    if product.signatures_on is None:
        return [Reason("signatures_unknown", {"product": row.name}, unknown=True)]
    behind = (row.signatures_on - product.signatures_on).days
    if behind <= days:
        return []
    params = {
        "product": row.name,
        "on": product.signatures_on.isoformat(),
        "newest": row.signatures_on.isoformat(),
        "behind": behind,
        "days": days,
    }
    return [Reason("signatures_old", params)]


def _keep_up(product: Product, row: Required, asked: Requirements, at: datetime, reasons: list[Reason], ends: list[datetime]) -> None:
    for last, reason in currency(product, row, asked.update_days):
        end = _after(last)
        if end <= at:
            reasons.append(reason)
        else:
            ends.append(end)


def currency(product: Product, row: Required, update_days: int) -> list[tuple[date, Reason]]:
    """Return what will be wrong with a product's version and support, each with the last day on which it may still be so (Art. 9)."""
    found = []
    if row.newest_version and row.newest_version_on and is_older(product.version, row.newest_version):
        last = row.newest_version_on + timedelta(days=update_days)
        params = {"product": row.name, "version": product.version or "?", "newest": row.newest_version, "days": update_days}
        found.append((last, Reason("product_behind", params)))
    if row.support_end_on:
        found.append((row.support_end_on, Reason("product_past_support", {"product": row.name, "on": row.support_end_on.isoformat()})))
    return found


def _judge_patches(found: Facts, asked: Requirements, at: datetime, reasons: list[Reason], ends: list[datetime]) -> None:
    lacking = lacking_patches(found, asked.patches)
    if lacking is None:
        reasons.append(Reason("posture_without_patches", unknown=True))
        lacking = [patch for patch in asked.patches if patch.platform == found.platform and patch.code in found.missing]
    overdue = []
    for patch in lacking:
        end = _after(patch.due_on)
        if end <= at:
            overdue.append(patch.code)
        else:
            ends.append(end)
    if overdue:
        reasons.append(Reason("patches_missing", {"count": len(overdue), "patches": "、".join(sorted(overdue)[:5])}))


def lacking_patches(found: Facts, patches: Iterable[Patch]) -> list[Patch] | None:
    """Return the patches of the baseline that a report lacks, None when it does not say what is installed (Art. 15)."""
    if found.installed is None:
        return None
    return [p for p in patches if p.platform == found.platform and (p.code in found.missing or p.code not in found.installed)]


def is_older(version: str, newest: str) -> bool:
    """Whether a version stands before another: by its numbers from the left; one that names no number is older than any."""
    return _numbers(version) < _numbers(newest)


def _numbers(version: str) -> tuple[int, ...]:
    numbers = [int(each) for each in re.findall(r"\d{1,18}", version)[:8]]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def _concerns(required: Required, platform: str) -> bool:
    return not required.platforms or platform in required.platforms


def _after(day: date) -> datetime:
    """Return the first instant after a Beijing day, aware UTC."""
    following = day + timedelta(days=1)
    return datetime(following.year, following.month, following.day, tzinfo=BEIJING).astimezone(UTC)


def _worded(counts: Mapping[str, int]) -> str:
    return "、".join(f"{word} {count}" for word, count in sorted(counts.items())[:8])


# Reading JSON


def _json(body: bytes, where: str) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise PostureError("json", where, str(error)) from error


def _object(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise PostureError("object", where)
    return value


def _list(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise PostureError("list", where)
    if len(value) > MOST:
        raise PostureError("too_many", where, str(len(value)))
    return value


def _text(row: Mapping[str, Any], name: str, longest: int, where: str = "document") -> str:
    value = row.get(name)
    if not isinstance(value, str) or not value or "\0" in value:
        raise PostureError("text", f"{where}.{name}")
    if len(value) > longest:
        raise PostureError("too_long", f"{where}.{name}", str(len(value)))
    return value


def _texts(value: Any, where: str) -> list[str]:
    found = _list(value, where)
    if not all(isinstance(each, str) and len(each) <= LONGEST for each in found):
        raise PostureError("text", where)
    return found


def _day(value: Any, where: str) -> date:
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError) as error:
        raise PostureError("day", where, str(value)) from error


def _instant(text: str, where: str) -> datetime:
    """Return an instant; what names no zone is Beijing's."""
    try:
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=BEIJING)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise PostureError("instant", where, text) from error
