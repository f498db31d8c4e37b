"""How one field's value is shown, written to a sheet, and read back from one.

Sheets carry codes, not row numbers: a relation is `IC 信息中心` (code, space, name), a choice its label, a day `2026-11-24`,
yes and no 是/否. Reading accepts the code alone, the stored value of a choice, and labels in every language of the platform.
"""

from __future__ import annotations

import json
import string
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any

from django.conf import settings
from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.db import models
from django.db.models import Field, ForeignKey, Model
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from anzhang import clock

YES, NO = gettext_lazy("是"), gettext_lazy("否")
_YES_WORDS = frozenset({"是", "yes", "true", "1", "y"})
_NO_WORDS = frozenset({"否", "no", "false", "0", "n"})
_CODES = ("code", "number", "receipt_no", "username")
_DAY_FORMATS = ("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y年%m月%d日", "%Y%m%d")
_INSTANT_FORMATS = ("%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M:%S.%f", "%Y/%m/%d %H:%M")
_EXACT = 2**53
_WIDTH = 0xFEE0  # between a full-width character and its half-width form
_NARROW = {ord(each) + _WIDTH: ord(each) for each in string.digits + string.ascii_letters + "-./:_"}


class ValueFaultError(Exception):
    """A cell cannot be read as its field; the message says why, in the reader's language."""


def field_at(model: type[Model], path: str) -> Field[Any, Any]:
    """Return the field at the end of `unit__path`. Raises FieldDoesNotExist."""
    *steps, last = path.split("__")
    for step in steps:
        relation = model._meta.get_field(step)
        if not isinstance(relation, ForeignKey) or not isinstance(relation.related_model, type):
            raise FieldDoesNotExist(path)
        model = relation.related_model
    found = model._meta.get_field(last)
    if not isinstance(found, Field):
        raise FieldDoesNotExist(path)
    return found


def value_at(row: Model, path: str) -> Any:
    """Return the value at the end of a path; None where a relation on the way is empty."""
    value: Any = row
    for step in path.split("__"):
        value = getattr(value, step)
        if value is None:
            return None
    return value


def show(field: Field[Any, Any], value: Any) -> str:
    """Return a value as people read it; Beijing time to the minute, empty for nothing."""
    if value is None or value == "":
        return str(_choice_labels(field).get("", "")) if value == "" else ""
    if field.choices:
        return str(_choice_labels(field).get(value, value))
    return _plain(value)


def write(field: Field[Any, Any], value: Any) -> str:
    """Return a value as a sheet carries it: what `read` turns back into the same value."""
    if isinstance(value, Model):
        code = code_of(value)
        return code if str(value) == code else f"{code} {value}"
    if field.choices and value in {None, ""}:
        return ""
    if isinstance(value, list) and not _is_plain_list(value):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, datetime) and (value.second or value.microsecond):
        local = value.astimezone(clock.BEIJING)
        return local.strftime("%Y-%m-%d %H:%M:%S.%f" if value.microsecond else "%Y-%m-%d %H:%M:%S")
    return show(field, value)


def _is_plain_list(value: list[Any]) -> bool:
    """Whether a list survives as words between semicolons; another is written as JSON."""
    return _list("; ".join(map(str, value))) == value


def raw(value: Any) -> Any:
    """Return a value as JSON carries it: codes for relations, ISO for days and instants."""
    if isinstance(value, Model):
        return code_of(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, bytes | memoryview):
        return bytes(value).hex()
    return value


def code_field(model: type[Model]) -> str:
    """Return the field that people know a row by: `code`, `number`, ... or the primary key."""
    names = {field.name for field in model._meta.concrete_fields}
    return next((name for name in _CODES if name in names), "pk")


def code_of(row: Model) -> str:
    """Return the code that people know a row by."""
    return str(getattr(row, code_field(type(row))))


def read(field: Field[Any, Any], cell: Any, rows: Mapping[str, Any] | None = None) -> Any:
    """Return the value that a cell holds, None for nothing. Raises ValueFaultError.

    `rows` maps codes to rows for a relation.
    """
    if isinstance(cell, str):
        cell = cell.strip()
    if cell is None or cell == "":
        return "" if isinstance(field, models.CharField | models.TextField) else [] if isinstance(field, models.JSONField) else None
    if isinstance(field, ForeignKey):
        return _relation(field, cell, rows or {})
    if field.choices:
        return _choice(field, cell)
    for kind, reader in _READERS:
        if isinstance(field, kind):
            return reader(cell)
    try:
        return field.to_python(_text(cell))  # what has one form of several is compared in that form
    except ValidationError as error:
        raise ValueFaultError("；".join(error.messages)) from error


def _relation(field: ForeignKey[Any, Any], cell: Any, rows: Mapping[str, Any]) -> Any:
    written = _text(cell)
    text = narrow(written)
    row = next((rows[code] for each in (written, text) for code in _codes(each) if code in rows), None)
    if row is None and isinstance(cell, float | int):
        padded = zeros_lost(text, rows)
        if padded:
            raise ValueFaultError(padded)
    if row is None:
        raise ValueFaultError(_("没有编号为“%(code)s”的%(what)s") % {"code": text[:40], "what": field.verbose_name})
    return row


def _codes(text: str) -> Iterator[str]:
    """Yield what may be the code in `IC 信息中心`, the longest first: a code may hold a blank itself."""
    yield text
    while len(parts := text.rsplit(maxsplit=1)) > 1:
        text = parts[0]
        yield text


def narrow(text: str) -> str:
    """Return a text with full-width digits and letters made half-width: an input method's slip in a code, a day or a number."""
    return text.translate(_NARROW)


def zeros_lost(text: str, known: Iterable[str]) -> str:
    """Return what to say when a spreadsheet made a number of a code that begins with zeros; empty when none does."""
    code = next((each for each in known if each != text and each.startswith("0") and each.lstrip("0") == text), "")
    return (
        _("单元格是数字 %(number)s，丢了前面的 0：应为 %(code)s？请把该列设为文本格式后重填") % {"number": text, "code": code}
        if code
        else ""
    )


def _choice(field: Field[Any, Any], cell: Any) -> Any:
    text = _text(cell)
    for value, labels in _all_labels(field).items():
        if text == str(value) or text in labels:
            return value
    known = "、".join(str(label) for value, label in _choice_labels(field).items() if value != "")
    raise ValueFaultError(_("“%(text)s”不在可选项内：%(known)s") % {"text": text[:40], "known": known})


def _day(cell: Any) -> date:
    if isinstance(cell, datetime):
        return cell.date()
    if isinstance(cell, date):
        return cell
    text = narrow(_text(cell)).removesuffix(" 00:00:00")
    for pattern in _DAY_FORMATS:
        try:
            return datetime.strptime(text, pattern).date()  # noqa: DTZ007  # a calendar day has no zone
        except ValueError:
            continue
    raise ValueFaultError(_("“%(text)s”不是日期，请写成 2026-11-24") % {"text": text[:40]})


def _instant(cell: Any) -> datetime:
    if isinstance(cell, datetime):
        return cell if cell.tzinfo else cell.replace(tzinfo=clock.BEIJING)
    text = narrow(_text(cell))
    for pattern in _INSTANT_FORMATS:
        try:
            return datetime.strptime(text, pattern).replace(tzinfo=clock.BEIJING)
        except ValueError:
            continue
    raise ValueFaultError(_("“%(text)s”不是时间，请写成 2026-11-24 09:30") % {"text": text[:40]})


def _yes_or_no(cell: Any) -> bool:
    if isinstance(cell, bool):
        return cell
    word = _text(cell).lower()
    if word in _YES_WORDS or word == str(YES):
        return True
    if word in _NO_WORDS or word == str(NO):
        return False
    raise ValueFaultError(_("“%(text)s”应为“是”或“否”") % {"text": word[:40]})


def _whole(cell: Any) -> int:
    text = narrow(_text(cell))
    if not text.lstrip("-").isascii() or not text.lstrip("-").isdigit() or len(text) > len(str(_EXACT)):
        raise ValueFaultError(_("“%(text)s”不是整数") % {"text": text[:40]})
    return int(text)


def _decimal(cell: Any) -> Decimal:
    text = repr(cell) if isinstance(cell, float) else narrow(_text(cell))
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite():
        raise ValueFaultError(_("“%(text)s”不是数字") % {"text": text[:40]})
    return number


def _list(cell: Any) -> list[str]:
    """Return the words of a list: between semicolons, or as JSON where a word holds one."""
    text = _text(cell)
    if text.startswith("["):
        with suppress(ValueError):
            found = json.loads(text)
            if isinstance(found, list) and all(isinstance(each, str) for each in found):
                return found
    return [part.strip() for part in text.replace("；", ";").split(";") if part.strip()]


def _text(cell: Any) -> str:
    """Return a cell as text; a number that a spreadsheet made of a code is taken back when it is exact."""
    if isinstance(cell, bool):
        return str(YES if cell else NO)
    if isinstance(cell, float):
        if not cell.is_integer() or abs(cell) >= _EXACT:
            raise ValueFaultError(_("单元格是数字 %(number)s，请把该列设为文本格式后重填") % {"number": repr(cell)})
        return str(int(cell))
    if isinstance(cell, datetime | date):
        return cell.isoformat()[:10]
    return str(cell).strip()


_READERS: tuple[tuple[type[Field[Any, Any]], Any], ...] = (
    (models.DateTimeField, _instant),
    (models.DateField, _day),
    (models.BooleanField, _yes_or_no),
    (models.IntegerField, _whole),
    (models.DecimalField, _decimal),
    (models.JSONField, _list),
)


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return str(YES if value else NO)
    if isinstance(value, datetime):
        return value.astimezone(clock.BEIJING).strftime("%Y-%m-%d %H:%M")
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return "; ".join(value)
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False, sort_keys=True)
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    return str(value)


def _choice_labels(field: Field[Any, Any]) -> dict[Any, Any]:
    return dict(field.flatchoices)


@cache
def _all_labels(field: Field[Any, Any]) -> dict[Any, frozenset[str]]:
    found: dict[Any, set[str]] = {value: set() for value, _label in field.flatchoices}
    for language, _name in settings.LANGUAGES:
        with translation.override(language):
            for value, label in field.flatchoices:
                found[value].add(str(label))
    return {value: frozenset(labels) for value, labels in found.items()}
