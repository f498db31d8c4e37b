"""未解析: lines that no parser knows, by source and shape, so that somebody can see what the event streams lack (Art. 29)."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from django.conf import settings
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET

from anzhang import clock
from anzhang.engines import masking
from anzhang.monitoring.models import LogSource
from anzhang.regulation.checks import page
from anzhang.web import searching
from anzhang.web.access import login_needed
from anzhang.web.actors import actor_of
from anzhang.web.asked import typed
from anzhang.web.search import sources_of
from anzhang.web.searching import Form, shown

if TYPE_CHECKING:
    from anzhang.engines.vault import SealedSegment
    from anzhang.engines.vault.streams import Heard
    from anzhang.engines.vault.streams.coverage import Shape

PAGE_SIZE = 30
SPANS: dict[str, tuple[str | Promise, int]] = {
    "7": (gettext_lazy("近 7 天"), 7),
    "1": (gettext_lazy("近 1 天"), 1),
    "30": (gettext_lazy("近 30 天"), 30),
    "184": (gettext_lazy("留存期内"), 184),
}


@dataclass(frozen=True)
class Standing:
    """What was made of a source's lines."""

    source: LogSource
    heard: Heard

    @property
    def percent(self) -> str:
        """Return the share of known lines, never rounded up to the whole."""
        share = self.heard.share * 100
        return "100" if self.heard.unread == 0 else f"{min(share, 99.99):.2f}"


@dataclass(frozen=True)
class Row:
    """One shape as the table shows it: masked as search masks, `percent` of its source's lines."""

    source: LogSource
    app: str
    text: SafeString
    example: SafeString
    lines: int
    percent: str
    at: datetime
    href: str  # of the newest line
    search: str


@page("unread", nouns=("log_source", "vault_segment"))
@require_GET
@login_needed
def index(request: HttpRequest) -> HttpResponse:
    """Show how much of each source is read, and the shapes that are not, most frequent first; `source` and `days` narrow."""
    from anzhang.engines.vault import Vault

    actor, at = actor_of(request), clock.now()
    code, days = typed(request, "source"), typed(request, "days")
    days = days if days in SPANS else "7"
    vault = Vault(settings.HOME.vault)
    heard = vault.coverage(at - timedelta(days=SPANS[days][1]))
    standings = [Standing(source, heard[source.code]) for source in sources_of(actor, at) if source.code in heard]
    standings.sort(key=lambda each: (-each.heard.unread, each.source.code))
    chosen = [each for each in standings if code in {"", each.source.code}]
    found = [(each, shape) for each in chosen for shape in each.heard.shapes]
    found.sort(key=lambda pair: (-pair[1].lines, pair[0].source.code, pair[1].text))
    shapes = Paginator(found, PAGE_SIZE).get_page(request.GET.get("page"))
    context = {
        "standings": standings,
        "page": shapes,
        "rows": list(_rows(list(shapes.object_list), vault.segments())),
        "chosen": {"source": code, "days": days},
        "spans": [(key, word) for key, (word, _days) in SPANS.items()],
        "query": urlencode({"source": code, "days": days}),
    }
    return render(request, "sources/unread.html", context)


def _rows(found: Sequence[tuple[Standing, Shape]], segments: list[SealedSegment]) -> Iterator[Row]:
    from anzhang.engines.vault.batch import instant

    firsts = [sealed.first_seq for sealed in segments]
    for standing, shape in found:
        number = segments[bisect_right(firsts, shape.seq) - 1].number if firsts and shape.seq >= firsts[0] else 0
        at = instant(shape.newest)
        wanted = {"source": standing.source.code, "app": shape.app, "q": longest_word(shape.text), "mode": "substring"}
        since = {"since": searching.wall(at - timedelta(days=7)), "until": ""}
        yield Row(
            standing.source, shape.app, shown(shape.text, Form()), shown(shape.example, Form()), shape.lines,
            f"{shape.lines * 100 / standing.heard.lines:.2f}", at, reverse("log_line", args=[number, shape.seq]) if number else "",
            f"{reverse('search')}?{urlencode({k: v for k, v in wanted.items() if v} | since)}",
        )  # fmt: skip


def longest_word(shape: str) -> str:
    """Return the longest piece of a shape that stands in every line of it, for searching; nothing where it would name a person."""
    piece = max((part.strip() for part in shape.split("<*>")[:-1] or [shape]), key=len, default="")
    return piece[:80] if masking.mask(piece) == piece else ""
