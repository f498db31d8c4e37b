"""Read the results of a code scan as SARIF 2.1.0 JSON: how many open results of each severity, and the worst of them.

1. A document is an object of version 2.1.0 with at least one run; each run names its tool and carries a list of results. A run without
   `results` did not look (section 3.14.23) and is refused: nothing that did not look is clean.
2. A result counts when its kind is `fail` (the default), `open` or `review` (3.27.9). One whose baseline says `absent` is gone (3.27.24).
   One with an accepted suppression is counted apart (3.27.23, 3.35.3).
3. Its severity is the number in the property `security-severity` of the result or of its rule, which scanners write on the scale of CVSS
   (9 critical, 7 high, 4 medium); else its level: error is high, warning medium, note low, none not counted. A level that is not given
   is the rule's own, else warning (3.27.10).
4. A run that says its execution failed (3.20.14) is refused.

A result is named by the place of its first location. Whatever else is in the file is not read. Errors name the place as a JSON path.

Source: OASIS SARIF 2.1.0.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson
from django.utils.translation import gettext as _

VERSION = "2.1.0"
LARGEST = 64 * 2**20  # bytes of a file
MOST_RESULTS = 500_000
SHOWN = 20
SEVERITIES = ("critical", "high", "medium", "low")  # worst first
BOUNDS = ((9.0, "critical"), (7.0, "high"), (4.0, "medium"))
LEVELS = {"error": "high", "warning": "medium", "note": "low", "none": ""}
KINDS = {"fail": True, "open": True, "review": True, "pass": False, "notApplicable": False, "informational": False}
LONGEST = 200


class SarifError(Exception):
    """A file is no SARIF that can be believed: `place` is the JSON path, the message says what is wrong, both in one line."""

    def __init__(self, place: str, why: str) -> None:
        """Keep the place for faces that show it apart."""
        super().__init__(f"{place}：{why}")
        self.place = place
        self.why = why


@dataclass(frozen=True)
class Scan:
    """What one tool said. `open` counts by severity, `worst` holds [severity, rule, place, message], the worst first."""

    tool: str
    tool_version: str
    sha256: str  # of the file
    scanned_at: datetime | None
    open: Mapping[str, int]
    suppressed: int
    worst: list[list[str]] = field(default_factory=list)


def read(body: bytes) -> Scan:
    """Return what a SARIF file says; several runs must be of one tool and are added up. Raises SarifError."""
    if len(body) > LARGEST:
        raise SarifError("$", _("文件超过 %d MiB") % (LARGEST // 2**20))
    try:
        document = orjson.loads(body.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError as error:
        raise SarifError("$", _("不是 JSON（%s）") % error) from error
    if not isinstance(document, dict) or document.get("version") != VERSION:
        raise SarifError("$.version", _("应为 %s") % VERSION)
    runs = _list(document, "runs", "$")
    if not runs:
        raise SarifError("$.runs", _("一次扫描都没有"))
    told = _Told()
    for number, run in enumerate(runs):
        if not isinstance(run, dict):
            raise SarifError(f"$.runs[{number}]", _("应为对象"))
        told.take(run, f"$.runs[{number}]")
    if len(told.tools) > 1:
        raise SarifError("$.runs", _("不止一种扫描工具，请分开导入"))
    ((name, version),) = told.tools
    worst = sorted(told.worst, key=lambda line: SEVERITIES.index(line[0]))[:SHOWN]
    return Scan(name[:100], version, hashlib.sha256(body).hexdigest(), max(told.ended, default=None), told.open, told.suppressed, worst)


@dataclass
class _Told:
    """What the runs of a file add up to."""

    open: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SEVERITIES, 0))
    suppressed: int = 0
    worst: list[list[str]] = field(default_factory=list)
    tools: set[tuple[str, str]] = field(default_factory=set)
    ended: list[datetime] = field(default_factory=list)
    results: int = 0

    def take(self, run: Mapping[str, Any], place: str) -> None:
        """Add a run. Raises SarifError."""
        driver = _object(_object(run, "tool", place), "driver", f"{place}.tool")
        version = str(driver.get("semanticVersion") or driver.get("version") or "")[:64]
        self.tools.add((_text(driver, "name", f"{place}.tool.driver"), version))
        self.ended += _invocations(run, place)
        rules = _rules(run, driver, place)
        self.results += len(_list(run, "results", place))
        if self.results > MOST_RESULTS:
            raise SarifError(f"{place}.results", _("超过 %d 条") % MOST_RESULTS)
        for severity, is_suppressed, line in _results(run, rules, place):
            if is_suppressed:
                self.suppressed += 1
            else:
                self.open[severity] += 1
                self.worst.append([severity, *line])


def _invocations(run: Mapping[str, Any], place: str) -> list[datetime]:
    """Return when the run ended; refuse one that says it failed."""
    ended = []
    for number, each in enumerate(_list(run, "invocations", place) if run.get("invocations") is not None else ()):
        here = f"{place}.invocations[{number}]"
        if not isinstance(each, dict):
            raise SarifError(here, _("应为对象"))
        if each.get("executionSuccessful") is False:
            raise SarifError(f"{here}.executionSuccessful", _("扫描没有成功执行，结果不能作为依据"))
        if each.get("endTimeUtc") is not None:
            try:
                found = datetime.fromisoformat(str(each["endTimeUtc"]))
            except ValueError as error:
                raise SarifError(f"{here}.endTimeUtc", _("不是时间")) from error
            ended.append(found.replace(tzinfo=UTC) if found.tzinfo is None else found)
    return ended


def _rules(run: Mapping[str, Any], driver: Mapping[str, Any], place: str) -> dict[str, Mapping[str, Any]]:
    """Return the rules of a run by id, and by `#number` for results that name them by their place in the driver's list."""
    found: dict[str, Mapping[str, Any]] = {}
    tool = run["tool"]
    extensions = _list(tool, "extensions", f"{place}.tool") if tool.get("extensions") is not None else []
    for holder in (driver, *(each for each in extensions if isinstance(each, dict))):
        rules = _list(holder, "rules", f"{place}.tool") if holder.get("rules") is not None else []
        for number, rule in enumerate(rules):
            if not isinstance(rule, dict):
                raise SarifError(f"{place}.tool", _("第 %d 条规则应为对象") % (number + 1))
            found.setdefault(str(rule.get("id", "")), rule)
            if holder is driver:
                found[f"#{number}"] = rule
    return found


def _results(run: Mapping[str, Any], rules: Mapping[str, Mapping[str, Any]], place: str) -> Iterator[tuple[str, bool, list[str]]]:
    """Yield severity, whether it is suppressed, and [rule, place, message] of the results that count."""
    for number, result in enumerate(_list(run, "results", place)):
        here = f"{place}.results[{number}]"
        if not isinstance(result, dict):
            raise SarifError(here, _("应为对象"))
        kind = result.get("kind", "fail")
        if not isinstance(kind, str) or kind not in KINDS:
            raise SarifError(f"{here}.kind", _("“%s”不是已知的取值") % str(kind)[:40])
        if not KINDS[kind] or result.get("baselineState") == "absent":
            continue
        named = result.get("rule") if isinstance(result.get("rule"), dict) else {}
        identity = str(result.get("ruleId") or (named or {}).get("id") or "")
        rule = rules.get(identity) or rules.get(f"#{result.get('ruleIndex', -1)}") or {}
        severity = _severity(result, rule, here)
        if severity:
            yield severity, _is_suppressed(result, here), [
                identity[:LONGEST] or str(rule.get("id", ""))[:LONGEST], _location(result), _message(result)
            ]  # fmt: skip


def _severity(result: Mapping[str, Any], rule: Mapping[str, Any], here: str) -> str:
    """Return the severity of a result, empty for one that is only told."""
    for holder in (result, rule):
        properties = holder.get("properties")
        given = properties.get("security-severity") if isinstance(properties, dict) else None
        if given is not None:
            try:
                score = float(given)
            except (TypeError, ValueError):
                score = math.nan
            if not 0 <= score <= 10:  # the scale of CVSS; not a number fails too
                raise SarifError(f"{here}.properties.security-severity", _("“%s”不是 0 到 10 的数") % str(given)[:40])
            return next((name for bound, name in BOUNDS if score >= bound), "low")
    configuration = rule.get("defaultConfiguration")
    level = result.get("level") or (configuration.get("level") if isinstance(configuration, dict) else None) or "warning"
    if not isinstance(level, str) or level not in LEVELS:
        raise SarifError(f"{here}.level", _("“%s”不是已知的级别") % str(level)[:40])
    return LEVELS[level]


def _is_suppressed(result: Mapping[str, Any], here: str) -> bool:
    """Whether somebody accepted the result: it is suppressed, and no suppression is rejected or under review."""
    given = result.get("suppressions") or []
    if not isinstance(given, list) or not all(isinstance(each, dict) for each in given):
        raise SarifError(f"{here}.suppressions", _("应为对象的列表"))
    return bool(given) and all(each.get("status", "accepted") == "accepted" for each in given)


def _location(result: Mapping[str, Any]) -> str:
    locations = result.get("locations")
    for location in locations if isinstance(locations, list) else ():
        physical = location.get("physicalLocation") if isinstance(location, dict) else None
        if isinstance(physical, dict):
            artifact, region = physical.get("artifactLocation"), physical.get("region")
            name = str(artifact.get("uri", "")) if isinstance(artifact, dict) else ""
            line = region.get("startLine") if isinstance(region, dict) else None
            return f"{name}:{line}"[:LONGEST] if line else name[:LONGEST]
    return ""


def _message(result: Mapping[str, Any]) -> str:
    message = result.get("message")
    return str(message.get("text") or message.get("markdown") or "")[:LONGEST] if isinstance(message, dict) else ""


def _object(holder: Mapping[str, Any], name: str, place: str) -> Mapping[str, Any]:
    found = holder.get(name)
    if not isinstance(found, dict):
        raise SarifError(f"{place}.{name}", _("缺少，或不是对象"))
    return found


def _list(holder: Mapping[str, Any], name: str, place: str) -> list[Any]:
    found = holder.get(name)
    if not isinstance(found, list):
        raise SarifError(f"{place}.{name}", _("缺少，或不是列表"))
    return found


def _text(holder: Mapping[str, Any], name: str, place: str) -> str:
    found = holder.get(name)
    if not isinstance(found, str) or not found.strip():
        raise SarifError(f"{place}.{name}", _("缺少，或不是文字"))
    return found.strip()
