"""A catalog: one regulation as data, read from a folder of TOML files, frozen, with every defect named.

    articles.toml     chapters and articles, titles and summaries
    obligations.toml  what each article demands, when it is breached, what judges it
    parameters.toml   every number and open word, once
    vocabulary.toml   the closed sets with labels
    locators.toml     obligation to sentence and clause numbers of the official text
    sentences.toml    per article the SHA-256 of each sentence (`sentences.py` says how)

`routes.toml` of the same folder belongs to `casework.routes`. A defect raises CatalogError with file, row, key and why.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from anzhang.regulation import reading
from anzhang.regulation.reading import CatalogError

CATALOGS = Path(__file__).parent / "catalogs"
DEFAULT = "tianjin-hrss"

WORDS = ("id", "subject", "modality", "authority", "chapter", "proof", "gate", "evidence", "breach_when", "severity")
TEXTS = ("title_zh", "title_en", "duty_zh", "duty_en")
OBLIGATION_KEYS = frozenset({*WORDS, *TEXTS, "article", "sentences", "registers", "params"})
OBLIGATION_OPTIONS = frozenset({"conflicts", "check", "procedures", "seats"})
SETS = ("chapter", "subject", "modality", "authority", "proof", "severity", "gate", "stream", "register")


def folder(which: str, base: Path) -> Path:
    """Return the folder of a catalog: one that the package carries by its name, else a path, relative to the data directory `base`."""
    return base / which if re.search(r"[/\\.]", which) else CATALOGS / which


@dataclass(frozen=True)
class Text:
    """The same words in Chinese and English."""

    zh: str
    en: str

    def in_language(self, code: str) -> str:
        """Return the words for a language code such as `zh-hans` or `en`."""
        return self.en if code.startswith("en") else self.zh


@dataclass(frozen=True)
class Chapter:
    """A chapter and the articles from `first` to `last`."""

    number: int
    title: Text
    first: int
    last: int


@dataclass(frozen=True)
class Article:
    """An article, its title and one-sentence summary in our own words."""

    number: int
    chapter: int
    title: Text
    summary: Text


@dataclass(frozen=True)
class Parameter:
    """A number or open word. `origin` is "regulation" (fixed by the text) or "interpretation" (open, Art. 35)."""

    name: str
    default: Any
    unit: str
    origin: str
    basis: str
    terms: Mapping[str, str]  # obligation id -> the word it makes exact there

    @property
    def is_open(self) -> bool:
        """Whether the Office may sign a value."""
        return self.origin == "interpretation"


@dataclass(frozen=True)
class Conflict:
    """Where duties pull apart, overlap, or the text is silent."""

    kind: str
    others: tuple[str, ...]
    note: str


@dataclass(frozen=True)
class Obligation:
    """One duty, prohibition or definition of an article, and what proves it."""

    id: str
    article: int
    sentences: tuple[int, ...]
    title: Text
    duty: Text
    subject: str
    modality: str
    authority: str
    chapter: str
    proof: str
    registers: tuple[str, ...]
    gate: str
    evidence: str
    breach_when: str
    params: tuple[str, ...]
    severity: str
    check: str
    procedures: tuple[str, ...]
    conflicts: tuple[Conflict, ...]
    seats: tuple[str, ...] = ()  # roles that must be filled so that cases can be decided; a vacancy breaks this duty

    @property
    def watches(self) -> bool:
        """Whether zero acts on watched ground is what fulfils it (must_not, may_if_approved)."""
        return self.modality in {"must_not", "may_if_approved"}

    @property
    def is_informative(self) -> bool:
        """Whether it has no check of its own."""
        return self.proof == "informative"

    @cached_property
    def nouns(self) -> frozenset[str]:
        """Return the registers and streams that its evidence and breach condition name."""
        return frozenset(re.findall(r"`(\w+)`", self.evidence + self.breach_when))


@dataclass(frozen=True)
class Locator:
    """Where an obligation sits in the official text, 1-based per article."""

    article: int
    sentences: tuple[int, ...]
    clauses: tuple[int, ...]


@dataclass(frozen=True)
class Catalog:
    """One regulation. `vocabulary[set][name]` holds the labels of a closed set."""

    name: str
    chapters: tuple[Chapter, ...]
    articles: tuple[Article, ...]
    obligations: tuple[Obligation, ...]
    parameters: Mapping[str, Parameter]
    vocabulary: Mapping[str, Mapping[str, Mapping[str, Any]]]
    layers: tuple[frozenset[str], ...]
    locators: Mapping[str, Locator]
    sentences: Mapping[int, tuple[str, ...]]  # article -> digests in order

    @cached_property
    def by_id(self) -> Mapping[str, Obligation]:
        """Return the obligations by id."""
        return {obligation.id: obligation for obligation in self.obligations}

    @cached_property
    def by_article(self) -> Mapping[int, tuple[Obligation, ...]]:
        """Return the obligations of each article, in order."""
        return {a.number: tuple(o for o in self.obligations if o.article == a.number) for a in self.articles}

    def article(self, number: int) -> Article:
        """Return an article. Raises KeyError when the catalog has none of that number."""
        return {article.number: article for article in self.articles}[number]

    def articles_reading(self, register: str) -> tuple[int, ...]:
        """Return the articles whose obligations read a register, in order."""
        return tuple(dict.fromkeys(each.article for each in self.obligations if register in each.registers))

    @cached_property
    def streams(self) -> frozenset[str]:
        """Return the names of the event streams."""
        return frozenset(self.vocabulary["stream"])


def load(which: str | Path = DEFAULT) -> Catalog:
    """Return the catalog of a folder, or of a name under `catalogs/`. Raises CatalogError for the first defect."""
    place = which if isinstance(which, Path) else CATALOGS / which
    if not place.is_dir():
        raise CatalogError(str(place), "", "", "no such folder")
    articles, vocabulary = reading.toml(place, "articles.toml"), reading.toml(place, "vocabulary.toml")
    obligations, locators = reading.toml(place, "obligations.toml"), reading.toml(place, "locators.toml")
    parameters = _parameters(reading.toml(place, "parameters.toml"))
    catalog = Catalog(
        name=place.resolve().name,
        chapters=tuple(_chapter(row) for row in reading.rows(articles, "articles.toml", "chapter")),
        articles=tuple(_article(row) for row in reading.rows(articles, "articles.toml", "article")),
        obligations=tuple(_obligation(row) for row in reading.rows(obligations, "obligations.toml", "obligation")),
        parameters=parameters,
        vocabulary={name: reading.table(vocabulary, "vocabulary.toml", name) for name in SETS},
        layers=tuple(frozenset(layer) for layer in reading.get(vocabulary, "vocabulary.toml", "", "layers", list)),
        locators={key: _locator(key, row) for key, row in reading.table(locators, "locators.toml", "locator").items()},
        sentences=_sentences(reading.toml(place, "sentences.toml")),
    )
    from anzhang.regulation.defects import defects

    for defect in defects(catalog):
        raise defect
    return catalog


def _text(row: Mapping[str, Any], file: str, name: str, key: str) -> Text:
    both = [reading.get(row, file, name, f"{key}_{language}", str) for language in ("zh", "en")]
    for language, words in zip(("zh", "en"), both, strict=True):
        if not words.strip():
            raise CatalogError(file, name, f"{key}_{language}", "is empty")
    return Text(*both)


def _chapter(row: Mapping[str, Any]) -> Chapter:
    file, number = "articles.toml", reading.get(row, "articles.toml", "", "number", int)
    bounds = reading.items(row, file, f"chapter {number}", "articles", int)
    if len(bounds) != 2:
        raise CatalogError(file, f"chapter {number}", "articles", "must be [first, last]")
    return Chapter(number, _text(row, file, f"chapter {number}", "title"), *bounds)


def _article(row: Mapping[str, Any]) -> Article:
    file, number = "articles.toml", reading.get(row, "articles.toml", "", "number", int)
    name = str(number)
    return Article(number, reading.get(row, file, name, "chapter", int), _text(row, file, name, "title"), _text(row, file, name, "summary"))


def _parameters(table: Mapping[str, Any]) -> dict[str, Parameter]:
    file, parameters = "parameters.toml", {}
    for name, row in reading.table(table, file, "parameter").items():
        origin = reading.get(row, file, name, "from", str)
        if origin not in {"regulation", "interpretation"}:
            raise CatalogError(file, name, "from", f"must be regulation or interpretation, is {origin!r}")
        if strange := set(row) - {"default", "unit", "from", "basis", "terms"}:
            raise CatalogError(file, name, min(strange), "is not a key of a parameter")
        default = reading.get(row, file, name, "default", (int, float, str, list, dict))
        unit, basis = reading.get(row, file, name, "unit", str), row.get("basis", "")
        parameters[name] = Parameter(name, default, unit, origin, basis, dict(row.get("terms", {})))
    return parameters


def _obligation(row: Mapping[str, Any]) -> Obligation:
    file, name = "obligations.toml", str(row.get("id", "(no id)"))
    if strange := set(row) - OBLIGATION_KEYS - OBLIGATION_OPTIONS:
        raise CatalogError(file, name, min(strange), "is not a key of an obligation")
    if missing := OBLIGATION_KEYS - set(row):
        raise CatalogError(file, name, min(missing), "is missing")
    words = {key: reading.get(row, file, name, key, str) for key in WORDS}
    return Obligation(
        article=reading.get(row, file, name, "article", int),
        sentences=reading.items(row, file, name, "sentences", int),
        title=_text(row, file, name, "title"),
        duty=_text(row, file, name, "duty"),
        registers=reading.items(row, file, name, "registers", str),
        params=reading.items(row, file, name, "params", str),
        check=reading.get({"check": "", **row}, file, name, "check", str),
        procedures=reading.items({"procedures": [], **row}, file, name, "procedures", str),
        seats=reading.items({"seats": [], **row}, file, name, "seats", str),
        conflicts=tuple(_conflict(name, conflict) for conflict in reading.get({"conflicts": [], **row}, file, name, "conflicts", list)),
        **words,
    )


def _conflict(name: str, row: Mapping[str, Any]) -> Conflict:
    file = "obligations.toml"
    others = reading.items({"with": [], **row}, file, name, "with", str)
    return Conflict(reading.get(row, file, name, "kind", str), others, reading.get(row, file, name, "note", str))


def _locator(name: str, row: Mapping[str, Any]) -> Locator:
    file = "locators.toml"
    sentences, clauses = (reading.items(row, file, name, key, int) for key in ("sentences", "clauses"))
    return Locator(reading.get(row, file, name, "article", int), sentences, clauses)


def _sentences(table: Mapping[str, Any]) -> dict[int, tuple[str, ...]]:
    file, sentences = "sentences.toml", {}
    for key, row in reading.table(table, file, "article").items():
        if not key.isdecimal():
            raise CatalogError(file, key, "", "must be the number of an article")
        digests = reading.items(row, file, key, "sha256", str)
        if bad := next((d for d in digests if not re.fullmatch(r"[0-9a-f]{64}", d)), None):
            raise CatalogError(file, key, "sha256", f"{bad[:20]!r} is not a SHA-256 in hex")
        sentences[int(key)] = digests
    return sentences
