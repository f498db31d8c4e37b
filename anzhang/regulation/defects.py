"""The contradictions between the files of a catalog that TOML itself cannot see."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from anzhang.regulation.catalog import Catalog, Obligation
from anzhang.regulation.parameters import PLATFORM
from anzhang.regulation.reading import CatalogError


def defects(catalog: Catalog) -> Iterator[CatalogError]:
    """Yield every contradiction between the files of a catalog."""
    yield from _order_defects(catalog)
    for obligation in catalog.obligations:
        yield from _closed_set_defects(catalog, obligation)
        yield from _reference_defects(catalog, obligation)
        yield from _register_defects(catalog, obligation)
    used = {name for obligation in catalog.obligations for name in obligation.params}
    for name, parameter in catalog.parameters.items():
        if name not in used and name not in PLATFORM:
            yield CatalogError("parameters.toml", name, "", "no obligation uses it")
        if strange := set(parameter.terms) - set(catalog.by_id):
            yield CatalogError("parameters.toml", name, "terms", f"unknown obligation {min(strange)}")


def _order_defects(catalog: Catalog) -> Iterator[CatalogError]:
    ids = [obligation.id for obligation in catalog.obligations]
    for before, after in pairwise(ids):
        if before >= after:
            yield CatalogError("obligations.toml", after, "id", f"stands after {before}: ids are unique and ascending")
    numbers = [article.number for article in catalog.articles]
    if numbers != list(range(1, len(numbers) + 1)):
        yield CatalogError("articles.toml", "", "number", f"articles are numbered 1 to {len(numbers)} in order, found {numbers}")
    for article in catalog.articles:
        chapter = next((chapter for chapter in catalog.chapters if chapter.number == article.chapter), None)
        if chapter is None or not chapter.first <= article.number <= chapter.last:
            yield CatalogError("articles.toml", str(article.number), "chapter", f"chapter {article.chapter} does not hold it")
        if not any(obligation.article == article.number for obligation in catalog.obligations):
            yield CatalogError("obligations.toml", "", "article", f"article {article.number} has no obligation")
        if not catalog.sentences.get(article.number):
            yield CatalogError("sentences.toml", str(article.number), "", "no sentence")
    for key in sorted(set(catalog.locators) ^ set(ids)):
        yield CatalogError("locators.toml", key, "", "has no obligation" if key in catalog.locators else "is missing")


def _closed_set_defects(catalog: Catalog, obligation: Obligation) -> Iterator[CatalogError]:
    file, row = "obligations.toml", obligation.id
    if not re.fullmatch(r"[A-Z]\d\d\.\d+", row) or int(row[1:3]) != obligation.article:
        yield CatalogError(file, row, "id", f"must be letter, article in two digits, dot, number; article is {obligation.article}")
    for key in ("subject", "modality", "authority", "chapter", "proof", "severity"):
        if getattr(obligation, key) not in catalog.vocabulary[key]:
            yield CatalogError(file, row, key, f"{getattr(obligation, key)!r} is not in vocabulary.toml [{key}]")
    if obligation.gate and obligation.gate not in catalog.vocabulary["gate"]:
        yield CatalogError(file, row, "gate", f"{obligation.gate!r} is not in vocabulary.toml [gate]")
    for conflict in obligation.conflicts:
        if conflict.kind not in {"tension", "overlap", "ambiguity"} or not set(conflict.others) <= set(catalog.by_id):
            yield CatalogError(file, row, "conflicts", f"{conflict.kind} with {', '.join(conflict.others)}")


def _reference_defects(catalog: Catalog, obligation: Obligation) -> Iterator[CatalogError]:
    file, row = "obligations.toml", obligation.id
    count = len(catalog.sentences.get(obligation.article, ()))
    if not obligation.sentences or not all(1 <= sentence <= count for sentence in obligation.sentences):
        yield CatalogError(file, row, "sentences", f"article {obligation.article} has sentences 1 to {count}")
    locator = catalog.locators.get(row)
    if locator and (locator.article, locator.sentences) != (obligation.article, obligation.sentences):
        yield CatalogError("locators.toml", row, "sentences", "differs from obligations.toml")
    for name in obligation.params:
        if name not in catalog.parameters:
            yield CatalogError(file, row, "params", f"{name!r} is not in parameters.toml")
    if (named := set(re.findall(r"\{(\w+)\}", obligation.breach_when))) != set(obligation.params):
        yield CatalogError(file, row, "breach_when", f"placeholders {sorted(named)} are not params {sorted(obligation.params)}")
    if obligation.is_informative != (obligation.breach_when == ""):
        yield CatalogError(file, row, "breach_when", "informative obligations have none, all others have one")
    if obligation.is_informative and obligation.check:
        yield CatalogError(file, row, "check", "an informative obligation has none")


def _register_defects(catalog: Catalog, obligation: Obligation) -> Iterator[CatalogError]:
    file, row, registers = "obligations.toml", obligation.id, catalog.vocabulary["register"]
    if strange := obligation.nouns - set(registers) - catalog.streams:
        yield CatalogError(file, row, "evidence", f"`{min(strange)}` is neither register nor stream")
    if obligation.nouns & set(registers) != set(obligation.registers):
        yield CatalogError(file, row, "registers", "differ from those named in evidence and breach_when")
    layer = {name: index for index, names in enumerate(catalog.layers) for name in names}
    for register in sorted(set(obligation.registers) & set(registers)):
        owner = registers[register]["chapter"]
        if owner != obligation.chapter and layer.get(owner, 99) >= layer.get(obligation.chapter, -1):
            yield CatalogError(file, row, "registers", f"{obligation.chapter} must not read {register} of {owner}")
