"""Align an imported text with a catalog's sentence digests and name every difference by article and sentence.

A sentence whose digest stands at its place is aligned. What is left over is named: `reordered` (it stands, elsewhere),
`altered` (something else stands in its place), `truncated` (altered, the last of its article, and cut before its full stop),
`missing`, `extra`. A whole article out of order is `reordered` without sentence number.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import StrEnum

from anzhang.regulation.sentences import ArticleText, Sentence


class Kind(StrEnum):
    """What is wrong with a sentence."""

    MISSING = "missing"
    ALTERED = "altered"
    REORDERED = "reordered"
    EXTRA = "extra"
    TRUNCATED = "truncated"


@dataclass(frozen=True)
class Difference:
    """One difference. `sentence` is the number in the catalog, for `extra` the one in the text; None: the whole article.

    `found_at` is (article, sentence) of the text where a reordered sentence stands.
    """

    kind: Kind
    article: int
    sentence: int | None
    found_at: tuple[int, int] | None = None


@dataclass(frozen=True)
class Alignment:
    """The differences, in the catalog's order, and the aligned places as (article, sentence) of the text."""

    differences: tuple[Difference, ...]
    aligned: frozenset[tuple[int, int]]
    expected: int
    ends_early: bool  # everything after some point is missing

    @property
    def is_complete(self) -> bool:
        """Whether every sentence stands at its place and nothing else does."""
        return not self.differences


def align(expected: Mapping[int, Sequence[str]], articles: Sequence[ArticleText]) -> Alignment:
    """Compare a text with the digests of a catalog."""
    differences: list[Difference] = []
    aligned: set[tuple[int, int]] = set()
    given: dict[int, tuple[Sentence, ...]] = {}
    for article in articles:
        if article.number in given or article.number not in expected:
            start = len(given.get(article.number, ()))
            differences += [Difference(Kind.EXTRA, article.number, start + n) for n, _ in enumerate(article.sentences, 1)]
            continue
        given[article.number] = article.sentences
    text = _Text(expected, given)
    for number, digests in expected.items():
        if number not in given:
            differences += [text.lost(number, n, digest) for n, digest in enumerate(digests, 1)]
            continue
        found, same = _article(number, digests, given[number], text)
        differences += found
        aligned |= {(number, n) for n in same}
    differences += text.surplus(aligned)
    differences += [Difference(Kind.REORDERED, number, None) for number in _out_of_order(list(given))]
    differences.sort(key=lambda d: (d.article, d.sentence or 0, d.kind))
    total = sum(len(digests) for digests in expected.values())
    return Alignment(tuple(differences), frozenset(aligned), total, _ends_early(expected, differences))


class _Text:
    """Where each digest stands in the text, and how often the catalog knows it."""

    def __init__(self, expected: Mapping[int, Sequence[str]], given: Mapping[int, Sequence[Sentence]]) -> None:
        self.expected = Counter(digest for digests in expected.values() for digest in digests)
        self.places: dict[str, list[tuple[int, int]]] = {}
        for number, sentences in given.items():
            for n, sentence in enumerate(sentences, 1):
                self.places.setdefault(sentence.digest, []).append((number, n))

    def lost(self, article: int, sentence: int, digest: str) -> Difference:
        """Return that a sentence stands elsewhere, or nowhere."""
        if digest in self.places:
            return Difference(Kind.REORDERED, article, sentence, self.places[digest][0])
        return Difference(Kind.MISSING, article, sentence)

    def surplus(self, aligned: Collection[tuple[int, int]]) -> Iterator[Difference]:
        """Yield the copies of known sentences that the text has too many."""
        for digest, places in self.places.items():
            many = len(places) - self.expected[digest] if digest in self.expected else 0
            for article, n in [place for place in places if place not in aligned][:many]:
                yield Difference(Kind.EXTRA, article, n)


def _article(number: int, digests: Sequence[str], sentences: Sequence[Sentence], text: _Text) -> tuple[list[Difference], set[int]]:
    """Return the differences of one article and the numbers of its aligned sentences."""
    found = [sentence.digest for sentence in sentences]
    differences: list[Difference] = []
    same: set[int] = set()
    for tag, i1, i2, j1, j2 in SequenceMatcher(None, digests, found, autojunk=False).get_opcodes():
        if tag == "equal":
            same |= set(range(j1 + 1, j2 + 1))
            continue
        wanted = [i for i in range(i1, i2) if digests[i] not in text.places]
        differences += [text.lost(number, i + 1, digests[i]) for i in range(i1, i2) if digests[i] in text.places]
        strange = [j for j in range(j1, j2) if found[j] not in text.expected]
        for i, j in zip(wanted, strange, strict=False):
            cut = j + 1 == len(found) and not sentences[j].finished
            differences.append(Difference(Kind.TRUNCATED if cut else Kind.ALTERED, number, i + 1))
        differences += [Difference(Kind.MISSING, number, i + 1) for i in wanted[len(strange) :]]
        differences += [Difference(Kind.EXTRA, number, j + 1) for j in strange[len(wanted) :]]
    return differences, same


def _out_of_order(numbers: Sequence[int]) -> Iterable[int]:
    """Return the fewest articles that one must move to put the text into ascending order."""
    tails: list[int] = []
    before: dict[int, int | None] = {}
    for number in numbers:
        place = bisect_left(tails, number)
        before[number] = tails[place - 1] if place else None
        tails[place : place + 1] = [number]
    kept, step = set[int](), tails[-1] if tails else None
    while step is not None:
        kept.add(step)
        step = before[step]
    return [number for number in numbers if number not in kept]


def _ends_early(expected: Mapping[int, Sequence[str]], differences: Sequence[Difference]) -> bool:
    """Whether the last sentence of the catalog is missing or cut: a text that ends before its end."""
    last = max(expected)
    kinds = {d.kind for d in differences if (d.article, d.sentence) == (last, len(expected[last]))}
    return bool(kinds & {Kind.MISSING, Kind.TRUNCATED})
