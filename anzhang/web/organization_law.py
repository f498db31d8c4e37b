"""What the rules rest on: versions of the official text with a comparison, superior law to review, open words by topic (Art. 1, 35, 36)."""

from __future__ import annotations

import difflib
from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from anzhang import clock
from anzhang.casework import legal_basis, parameters, text, topics
from anzhang.casework.legal_basis import LegalBasis
from anzhang.casework.models import Interpretation, OfficialSentence, RegulationVersion
from anzhang.journal.models import Entry
from anzhang.organization import desk
from anzhang.permissions import Permission, RefusedError
from anzhang.regulation.checks import page
from anzhang.web.access import login_needed
from anzhang.web.actors import actor_of
from anzhang.web.asked import typed


@dataclass(frozen=True)
class Place:
    """One sentence of two versions: `kind` is same, changed, added or removed."""

    article: int
    ordinal: int
    kind: str
    before: str
    after: str
    pieces: tuple[tuple[str, str], ...] = ()


@page("regulation", nouns=("regulation_version",))
@require_http_methods(["GET", "POST"])
@login_needed
def versions(request: HttpRequest) -> HttpResponse:
    """Show which texts were imported, when, with which digest; the security administrator imports one here."""
    actor, at = actor_of(request), clock.now()
    refusal, report = None, None
    if request.method == "POST":
        upload = request.FILES.get("file")
        try:
            if upload is None or isinstance(upload, list):
                raise RefusedError("file_needed", _("请选择办法原文文件（txt 或 docx）。"))
            report = text.import_text(
                actor, upload.read(text.MAX_BYTES + 1), at, accept="accept" in request.POST,
                published_on=_day(request, "published_on"), effective_on=_day(request, "effective_on"),
            )  # fmt: skip
        except text.TextError as error:
            refusal = RefusedError("not_a_text", _("文件不能读作办法原文：%s") % error, _("另存为 txt 或 docx 后重新导入。"))
        except RefusedError as error:
            refusal = error
        else:
            if report.stored or report.known:
                messages.success(request, _("办法原文已导入。") if report.stored else _("该文本此前已导入，日期已更新。"))
                return redirect("regulation")
    rows = list(RegulationVersion.objects.order_by("-imported_at", "-pk"))
    entries = dict(Entry.objects.filter(object_type="regulation_version").order_by("-index").values_list("object_key", "index"))
    context = {
        "rows": [(row, entries.get(str(row.pk))) for row in rows],
        "may_import": actor.may(Permission.REGULATION_IMPORT),
        "refusal": refusal,
        "report": report.as_json() if report else None,
        "several": len(rows) > 1,
    }
    return render(request, "organization/regulation.html", context, status=422 if refusal or report else 200)


def _day(request: HttpRequest, name: str) -> date | None:
    value = request.POST.get(name, "").strip()
    try:
        return date.fromisoformat(value) if value else None
    except ValueError:
        raise RefusedError("day_needed", _("请填写日期，如 2026-11-24。")) from None


@page("regulation_comparison", nouns=("regulation_version",))
@require_GET
@login_needed
def comparison(request: HttpRequest) -> HttpResponse:
    """Compare two imported texts sentence by sentence; `before` and `after` are their numbers."""
    rows = {str(row.pk): row for row in RegulationVersion.objects.all()}
    before, after = rows.get(typed(request, "before")), rows.get(typed(request, "after"))
    if before is None or after is None:
        raise Http404("version")
    places = compare(before, after)
    context = {
        "before": before,
        "after": after,
        "changed": [place for place in places if place.kind != "same"],
        "same": sum(place.kind == "same" for place in places),
    }
    return render(request, "organization/comparison.html", context)


def compare(before: RegulationVersion, after: RegulationVersion) -> list[Place]:
    """Return every sentence of two versions at its place; two queries."""
    old, new = (_sentences(row) for row in (before, after))
    found = []
    for article, ordinal in sorted(set(old) | set(new)):
        was, now = old.get((article, ordinal)), new.get((article, ordinal))
        if was == now:
            found.append(Place(article, ordinal, "same", was or "", now or ""))
        elif was is None or now is None:
            found.append(Place(article, ordinal, "added" if was is None else "removed", was or "", now or ""))
        else:
            found.append(Place(article, ordinal, "changed", was, now, _pieces(was, now)))
    return found


def _sentences(version: RegulationVersion) -> dict[tuple[int, int], str]:
    rows = OfficialSentence.objects.filter(version=version).values_list("article", "ordinal", "text")
    return {(article, ordinal): words for article, ordinal, words in rows}


def _pieces(was: str, now: str) -> tuple[tuple[str, str], ...]:
    """Return a sentence as pieces of kind same, del or ins."""
    found: list[tuple[str, str]] = []
    for kind, a, b, c, d in difflib.SequenceMatcher(None, was, now, autojunk=False).get_opcodes():
        if kind == "equal":
            found.append(("same", was[a:b]))
            continue
        found += [("del", was[a:b])] if b > a else []
        found += [("ins", now[c:d])] if d > c else []
    return tuple(found)


# Superior law


@page("law", nouns=("legal_basis",))
@require_GET
@login_needed
def law(request: HttpRequest) -> HttpResponse:
    """List the superior law, what has changed and was not reviewed since on top."""
    return _law(request)


def _law(request: HttpRequest, refusal: RefusedError | None = None) -> HttpResponse:
    actor, at = actor_of(request), clock.now()
    today = clock.day_of(at)
    rows = list(LegalBasis.objects.select_related("replaces", "replaced_by").order_by("kind", "code"))
    context = {
        "due": [row for row in rows if _is_due(row, today)],
        "rows": rows,
        "days": parameters.values(at)["legal_review_days"],
        "is_office": desk.is_office(actor, at),
        "refusal": refusal,
        "chosen": request.POST.get("code", ""),
        "opinion": request.POST.get("opinion", ""),
    }
    return render(request, "organization/law.html", context, status=422 if refusal else 200)


def _is_due(row: LegalBasis, today: date) -> bool:
    """Whether a version in force came after another and nobody has reviewed it since."""
    return row.replaces_id is not None and row.in_force_from <= today and (row.reviewed_on is None or row.reviewed_on < row.in_force_from)


@require_http_methods(["POST"])
@login_needed
def law_review(request: HttpRequest) -> HttpResponse:
    """Note the Office's review of one version."""
    actor, at = actor_of(request), clock.now()
    row = LegalBasis.objects.filter(code=request.POST.get("code", "")).first()
    if row is None:
        raise Http404("code")
    try:
        legal_basis.review_legal_basis(actor, row, request.POST.get("opinion", ""), at)
    except RefusedError as refusal:
        return _law(request, refusal)
    messages.success(request, _("已登记对%s的复核。") % row.title)
    return redirect("law")


# Interpretations by topic


@dataclass(frozen=True)
class Word:
    """One open word: its parameter, where it stands in the text, the value in force and the case that signed it."""

    name: str
    line: str  # how a form of the topic gives the value in force
    words: str
    value: Any
    default: Any
    obligations: tuple[str, ...]
    signed: Interpretation | None

    @property
    def shown(self) -> str:
        """Return the value in force as a reader has it: several by semicolons."""
        if isinstance(self.value, dict):
            return "；".join(f"{key} = {value}" for key, value in self.value.items())
        return "；".join(map(str, self.value)) if isinstance(self.value, list) else str(self.value)

    @property
    def weight(self) -> int:
        """Return how many obligations rest on it."""
        return len(self.obligations)


@page("interpretations", nouns=("interpretation",))
@require_GET
@login_needed
def interpretations(request: HttpRequest) -> HttpResponse:
    """Show the open words of the text by chapter, the unsigned and weightiest first, each with the case that signed it."""
    at = clock.now()
    catalog, values = parameters.catalog(), parameters.values(at)
    signed = {row.parameter: row for row in Interpretation.objects.filter(Interpretation.in_force(at)).select_related("case")}
    resting: dict[str, list[str]] = defaultdict(list)
    for obligation in catalog.obligations:
        for name in obligation.params:
            resting[name].append(obligation.id)
    language = get_language() or "zh"
    chapters = {chapter.number: chapter for chapter in catalog.chapters}
    groups: dict[str, list[Word]] = defaultdict(list)
    for name, parameter in catalog.parameters.items():
        if parameter.is_open:
            first = next(iter(resting[name]), "")
            chapter = chapters.get(catalog.article(catalog.by_id[first].article).chapter) if first else None
            title = chapter.title.in_language(language) if chapter else _("平台运行")
            words = "、".join(dict.fromkeys(parameter.terms.values()))
            groups[title].append(
                Word(
                    name,
                    topics.line_of(parameter, values[name]),
                    words,
                    values[name],
                    parameter.default,
                    tuple(resting[name]),
                    signed.get(name),
                )
            )
    for words_of in groups.values():
        words_of.sort(key=lambda word: (word.signed is not None, -word.weight, word.name))
    opened = [word for words_of in groups.values() for word in words_of]
    context = {
        "groups": list(groups.items()),
        "open": sum(word.signed is None for word in opened),
        "total": len(opened),
        "is_office": desk.is_office(actor_of(request), at),
    }
    return render(request, "organization/interpretations.html", context)


@require_GET
@login_needed
def topic(request: HttpRequest) -> HttpResponse:
    """Lead to the form of a topic, filled with the chosen words and their values in force."""
    chosen = [line for line in request.GET.getlist("line") if line.strip()][: topics.MOST]
    given = {"topic": typed(request, "topic"), "values": "\n".join(chosen)}
    return redirect(f"{reverse('case_form', args=['interpretation_topic'])}?{urlencode(given)}")
