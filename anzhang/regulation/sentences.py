"""Split a regulation's text into articles and sentences, and digest a sentence so that copies compare equal.

An article starts where a line begins with 第N条 (Arabic or Chinese numerals) and runs to the next article or chapter
heading, over line ends and blank lines. A sentence ends at 。 or ； and is counted from 1 within its article.
Before hashing a sentence is normalised: Unicode NFKC (full-width and half-width forms meet), curly quotes made straight,
all white space and invisible characters gone. Then SHA-256 of its UTF-8. What remains different is a different text.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from dataclasses import dataclass

NUMERAL = r"[0-9０-９〇零一二三四五六七八九十百]{1,6}"
ARTICLE = re.compile(rf"^\s*第\s*({NUMERAL})\s*条[\s　:：、]*", re.MULTILINE)
CHAPTER = re.compile(rf"^\s*第\s*{NUMERAL}\s*[章编节][\s　]*[^。；;]{{0,40}}$", re.MULTILINE)
END = re.compile(r"(?<=[。；;｡])")
TERMINATORS = "。；;｡"
QUOTES = str.maketrans({"“": '"', "”": '"', "‘": "'", "’": "'", "「": '"', "」": '"'})
INVISIBLE = re.compile(r"[\s\u00ad\u200b-\u200f\u2028-\u202e\u2060\ufeff]+")
DIGITS = {"零": 0, "〇": 0, "一": 1, "二": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7, "八": 8, "九": 9}


@dataclass(frozen=True)
class Sentence:
    """One sentence with its terminator, `digest` of what it says; `finished` is false when the terminator is missing."""

    text: str
    digest: str
    finished: bool


@dataclass(frozen=True)
class ArticleText:
    """One article in the order in which the text has it."""

    number: int
    sentences: tuple[Sentence, ...]


def split(text: str) -> list[ArticleText]:
    """Return the articles of a text in its own order; empty when it has none."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").lstrip("\ufeff")
    starts = list(ARTICLE.finditer(text))
    articles = []
    for index, match in enumerate(starts):
        end = starts[index + 1].start() if index + 1 < len(starts) else len(text)
        body = text[match.end() : end]
        heading = CHAPTER.search(body)
        articles.append(ArticleText(number(match[1]), sentences(body[: heading.start()] if heading else body)))
    return articles


def sentences(body: str) -> tuple[Sentence, ...]:
    """Return the sentences of one article's body."""
    parts = (INVISIBLE.sub("", part) if "\n" in part else part.strip() for part in END.split(body))
    return tuple(Sentence(part, digest(part), part[-1] in TERMINATORS) for part in parts if normalise(part))


def normalise(sentence: str) -> str:
    """Return what of a sentence is compared: see the module's docstring."""
    folded = unicodedata.normalize("NFKC", sentence.translate(QUOTES))
    return INVISIBLE.sub("", folded).rstrip(TERMINATORS)


def digest(sentence: str) -> str:
    """Return the SHA-256 of a normalised sentence, hex."""
    return hashlib.sha256(normalise(sentence).encode()).hexdigest()


def number(numeral: str) -> int:
    """Return the value of an Arabic or Chinese numeral below 1000, such as 36 or 三十六."""
    folded = unicodedata.normalize("NFKC", numeral)
    if folded.isdecimal():
        return int(folded)
    total, digit = 0, 0
    for character in numeral:
        if character in DIGITS:
            digit = DIGITS[character]
        else:
            total += max(digit, 1) * {"十": 10, "百": 100}[character]
            digit = 0
    return total + digit
