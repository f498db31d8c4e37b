"""What the search page makes of an address: a closed query, and lines that are safe to show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.utils.functional import Promise
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from anzhang import clock
from anzhang.engines import masking

if TYPE_CHECKING:
    from anzhang.engines.vault import Query

PAGE_LINES = 50
DEEPEST = 200  # pages; whoever needs more narrows the time
WHOLE_CHARACTERS = 65_536  # of a line on its own page
SHOWN_CHARACTERS = 2000  # of a line in the list; its own page shows all
FIRST_SPAN = timedelta(days=7)
MODES: Mapping[str, str | Promise] = {
    "term": gettext_lazy("词"),
    "phrase": gettext_lazy("短语"),
    "substring": gettext_lazy("子串"),
    "regex": gettext_lazy("正则"),
}
HINTS: Mapping[str, str | Promise] = {
    "term": gettext_lazy("完整的词，不分大小写；IP 地址、主机名各算一个词"),
    "phrase": gettext_lazy("几个词依次相连；中文按原文连续"),
    "substring": gettext_lazy("任意一段文字，区分大小写"),
    "regex": gettext_lazy("RE2 正则表达式"),
}
OPEN, CLOSE = "\x01", "\x02"  # around a match until the text is escaped


class FormError(Exception):
    """The form cannot be searched with; the message is shown beside it."""


@dataclass(frozen=True)
class Form:
    """The address's fields as typed; `since` and `until` are Beijing wall time without zone, to the minute."""

    q: str = ""
    mode: str = "term"
    since: str = ""
    until: str = ""
    source: str = ""
    host: str = ""
    app: str = ""
    severity: str = ""
    live: str = ""
    page: int = 1

    @classmethod
    def parse(cls, given: Mapping[str, str], now: datetime) -> Form:
        """Read the address; without times the last seven days. Raises FormError for what no form sends."""
        mode = given.get("mode", "term")
        if mode not in MODES:
            raise FormError(_("没有“%s”这种检索方式。") % mode)
        page = given.get("page", "1")
        if not page.isascii() or not page.isdecimal() or len(page) > len(str(DEEPEST)) or not 1 <= int(page) <= DEEPEST:
            raise FormError(_("页码应在 1 至 %d 之间；请缩小时间范围。") % DEEPEST)
        text = {name: given.get(name, "").strip() for name in ("since", "until", "source", "host", "app", "severity", "live")}
        if "since" not in given and "until" not in given:
            text["since"] = (now - FIRST_SPAN).astimezone(clock.BEIJING).strftime("%Y-%m-%dT%H:%M")
        return cls(q=given.get("q", "")[:500], mode=mode, page=int(page), **text)

    @property
    def span(self) -> tuple[datetime | None, datetime | None]:
        """Return the instants from and until which is searched. Raises FormError saying which field is wrong."""
        since, until = _instant(self.since, _("起始时间")), _instant(self.until, _("截止时间"))
        if since is not None and until is not None and since >= until:
            raise FormError(_("起始时间应早于截止时间。"))
        return since, until

    def query(self, sources: tuple[str, ...], **counted: Any) -> Query:
        """Return the vault's query over the reader's own sources; `counted` is what to count. Raises FormError."""
        import pyarrow as pa

        from anzhang.engines.vault import Query, QueryError

        since, until = self.span
        chosen = tuple(code for code in sources if self.source in {"", code})
        try:
            query = Query(
                since=since, until=until, sources=chosen, host=self.host, app=self.app, limit=PAGE_LINES,
                offset=(self.page - 1) * PAGE_LINES, term=self.of("term"), phrase=self.of("phrase"), substring=self.of("substring"),
                regex=self.of("regex"), fields={"severity": self.severity} if self.severity else {}, **counted,
            )  # fmt: skip
            if self.q:
                _mark("", pattern_of(self))
        except (QueryError, pa.ArrowInvalid) as error:
            raise FormError(_("无法检索：%s") % error) from error
        return query

    def of(self, mode: str) -> str:
        """Return the text when it is to be searched in this mode, else nothing."""
        return self.q if mode == self.mode else ""

    def described(self) -> dict[str, str | int]:
        """Return what the ledger keeps of the query: the fields that say something."""
        return {name: value for name, value in vars(self).items() if value and (name, value) != ("page", 1)}


def shown(line: str, form: Form, most: int = SHOWN_CHARACTERS) -> SafeString:
    """Return a line as HTML: personal identifiers masked, control characters made visible, matches in `<mark>`."""
    text = _visible(masking.mask(line))
    cut = len(text) > most
    text = text[:most]
    marked = _mark(text, pattern_of(form)) if form.q else text
    html = escape(marked).replace(OPEN, "<mark>").replace(CLOSE, "</mark>")
    return mark_safe(f"{html} …" if cut else html)  # noqa: S308  # escaped above; the marks cannot come from the line


def pattern_of(form: Form) -> str:
    """Return the RE2 pattern that finds a form's matches in a line."""
    from anzhang.engines.vault.query import elements

    if form.mode == "regex":
        return form.q
    if form.mode == "substring":
        return _quote(form.q)
    words = elements(form.q) if form.mode == "phrase" else [form.q.strip()]
    return "(?i)" + r"[^0-9A-Za-z_]+".join(map(_quote, words)) if words else ""


def _quote(text: str) -> str:
    """Quote for RE2 (its QuoteMeta): every ASCII character that is no word character gets a backslash."""
    return "".join(c if c.isalnum() or c == "_" or ord(c) > 127 else f"\\x{ord(c):02x}" for c in text)


def _mark(text: str, pattern: str) -> str:
    """Put OPEN and CLOSE around every match. RE2 runs in linear time whatever the pattern; Python's `re` would not."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pattern:
        return text
    found = pc.replace_substring_regex(pa.array([text]), pattern=pattern, replacement=f"{OPEN}\\0{CLOSE}")
    return str(found[0].as_py()).replace(OPEN + CLOSE, "")


def _visible(text: str) -> str:
    """Return text whose control and direction characters show instead of act."""
    return text.translate(VISIBLE)


VISIBLE = {
    **{code: 0x2400 + code for code in range(32) if code != ord("\t")},
    0x7F: 0x2421,
    **dict.fromkeys((0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x206A)), 0xFFFD),
}


def wall(at: datetime) -> str:
    """Return an instant in Beijing time to the second."""
    return at.astimezone(clock.BEIJING).strftime("%Y-%m-%d %H:%M:%S")


def _instant(text: str, name: str) -> datetime | None:
    if not text:
        return None
    try:
        return datetime.fromisoformat(text).replace(tzinfo=clock.BEIJING)
    except (ValueError, OverflowError) as error:
        raise FormError(_("%(name)s“%(text)s”不是时间。") % {"name": name, "text": text}) from error
