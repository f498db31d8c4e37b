"""Which typefaces a sheet is set in: the bureau's own from its `fonts` folder, else what the machine has.

GB/T 9704-2012 asks for 小标宋 (title), 仿宋 (body), 黑体 and 楷体 (headings). They are licensed fonts that no free system carries,
so a bureau drops its own files in; without them everything is set in a Song face (Noto Serif CJK SC) and the weights tell
title from body.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

# Part of the sheet: the names under which the standard's face is sold, best first; then what stands in for it and in which weight.
WANTED: dict[str, tuple[str, tuple[str, ...], tuple[str, ...], str]] = {
    "title": (
        "小标宋",
        ("FZXiaoBiaoSong-B05S", "方正小标宋简体", "方正小标宋_GBK", "FZXiaoBiaoSong-B05"),
        ("Noto Serif CJK SC", "Source Han Serif SC", "Source Han Serif CN"),
        "bold",
    ),
    "body": (
        "仿宋",
        ("FangSong_GB2312", "仿宋_GB2312", "FangSong", "仿宋", "STFangsong", "华文仿宋", "FZFangSong-Z02S"),
        ("Noto Serif CJK SC", "Source Han Serif SC", "Source Han Serif CN"),
        "regular",
    ),
    "heading": (
        "黑体",
        ("SimHei", "黑体", "FZHei-B01S", "STHeiti"),
        ("Noto Sans CJK SC", "Source Han Sans SC", "Source Han Sans CN", "Noto Serif CJK SC", "Source Han Serif SC"),
        "regular",
    ),
}
REMEDY = "apt-get install fonts-noto-cjk, or put the bureau's own .ttf files into {folder}"
SUFFIXES = frozenset({".ttf", ".otf", ".ttc", ".otc"})


class FontsMissingError(Exception):
    """No installed typeface holds Chinese; nothing can be printed."""


@dataclass(frozen=True)
class Faces:
    """The typefaces in use: `chosen` maps a part to (family, weight); `lacking` names the standard's faces that are not there."""

    fonts: Any  # typst.Fonts
    chosen: dict[str, tuple[str, str]]
    spare: tuple[str, ...]
    lacking: tuple[str, ...]
    known: Callable[[int], bool]


def faces(folder: Path) -> Faces:
    """Return the typefaces for sheets; read again when the folder's files change. Raises FontsMissingError."""
    files = tuple(sorted((str(file), file.stat().st_mtime_ns) for file in _files(folder)))
    return _faces(folder, files)


def _files(folder: Path) -> list[Path]:
    return [file for file in folder.rglob("*") if file.suffix.lower() in SUFFIXES] if folder.is_dir() else []


@lru_cache(maxsize=2)
def _faces(folder: Path, files: tuple[tuple[str, int], ...]) -> Faces:
    import typst

    fonts = typst.Fonts(include_embedded_fonts=False, font_paths=[str(folder)] if files else [])
    there = {family.casefold(): family for family in fonts.families()}
    chosen, lacking = {}, []
    for part, (word, own, stand_ins, weight) in WANTED.items():
        mine = next((there[name.casefold()] for name in own if name.casefold() in there), None)
        other = next((there[name.casefold()] for name in stand_ins if name.casefold() in there), None)
        if mine is None:
            lacking.append(word)
        if mine is None and other is None:
            raise FontsMissingError(word)
        chosen[part] = (mine, "regular") if mine else (str(other), weight)
    spare = tuple(
        there[name.casefold()]
        for name in ("Noto Serif CJK SC", "Source Han Serif SC", "Noto Sans CJK SC", "DejaVu Sans")
        if name.casefold() in there
    )
    used = {*(family for family, _weight in chosen.values()), *spare}
    return Faces(fonts, chosen, spare, tuple(lacking), _coverage(fonts, frozenset(used)))


def _coverage(fonts: Any, families: frozenset[str]) -> Callable[[int], bool]:
    """Return whether a code point can be drawn. A family that lacks one is followed by the spare ones, so the union counts."""
    from fontTools.ttLib import TTFont

    points: set[int] = set()
    seen = set()
    for face in fonts.fonts():
        if face.family in families and face.path and face.family not in seen:
            seen.add(face.family)
            with TTFont(face.path, fontNumber=face.index, lazy=True) as font:
                points.update(font.getBestCmap() or ())
    return frozenset(points).__contains__
