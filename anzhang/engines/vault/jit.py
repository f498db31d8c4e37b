"""The one way kernels are compiled, cached on disk and without the interpreter lock; and bytes taken eight at a time.

Eight bytes stand in one 64-bit number, the first one lowest. A mask has 0x80 in every byte that is meant.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

import numba
import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import cgutils, types
from numba.extending import intrinsic
from numpy.typing import NDArray

_SOURCES = [*sorted(Path(__file__).parent.rglob("*.py")), Path(__file__).parents[2] / "daemons" / "framing.py"]


def _cache_folder() -> Path:
    """Return where the machine code of just these sources is kept.

    Numba compiles a kernel anew when its own file changed, but not when one that it calls did, in another file: it would go on running
    the old one. So all kernels share one folder, named for what all their files say.
    """
    state = hashlib.sha256()
    for source in _SOURCES:
        state.update(source.read_bytes())
    return Path(__file__).parent / "__pycache__" / f"kernels-{state.hexdigest()[:16]}"


setattr(numba.config, "CACHE_DIR", str(_cache_folder()))  # noqa: B010  # the attribute is made at run time

P = ParamSpec("P")
R = TypeVar("R")

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]
Table = NDArray[Any]


def frozen(array: Table) -> Table:
    """Return a read-only view: what Arrow holds is read-only, and a kernel is compiled anew for an array that is not."""
    view = array.view()
    view.flags.writeable = False
    return view


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile `function` with Numba on first use; `vault.warm()` does it at install. It makes no arrays, so no references are counted."""
    options: Any = {"cache": True, "nogil": True, "error_model": "numpy", "_nrt": False}
    return cast("Callable[P, R]", numba.njit(**options)(function))


def maker(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a kernel that makes arrays, and so counts references to every array it touches."""
    return cast("Callable[P, R]", numba.njit(cache=True, nogil=True, error_model="numpy")(function))


def part(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a kernel into each that calls it: handing over an array takes seven numbers, and a few of them cost more than a short run."""
    options: Any = {"cache": True, "nogil": True, "error_model": "numpy", "_nrt": False, "forceinline": True}
    return cast("Callable[P, R]", numba.njit(**options)(function))


@kernel
def wide(value: Any) -> int:
    """Return a byte as a signed 64-bit number: bytes alone would count as unsigned, and mixing the two makes floats."""
    return np.int64(value)  # type: ignore[return-value]  # Python's int to the reader, int64 to the compiler


def _place(context: Any, builder: Any, array_type: Any, array: Any, index: Any) -> Any:
    """Return the address of a byte of an array as that of a 64-bit number."""
    data = cast("Any", cgutils).create_struct_proxy(array_type)(context, builder, value=array).data
    return builder.bitcast(builder.gep(data, [index]), ir.IntType(64).as_pointer())


def _load_code(typing: Any, data: Any, index: Any) -> Any:  # noqa: ARG001  # the signature of intrinsics
    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(_place(context, builder, signature.args[0], *arguments), align=1)

    return types.uint64(data, types.int64), code


def _store_code(typing: Any, out: Any, index: Any, value: Any) -> Any:  # noqa: ARG001  # the signature of intrinsics
    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.store(arguments[2], _place(context, builder, signature.args[0], *arguments[:2]), align=1)
        return context.get_dummy_value()

    return types.void(out, types.int64, types.uint64), code


def _prefetch_code(typing: Any, data: Any, index: Any) -> Any:  # noqa: ARG001  # the signature of intrinsics
    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = builder.bitcast(_place(context, builder, signature.args[0], *arguments), ir.IntType(8).as_pointer())
        number = ir.IntType(32)
        function = ir.FunctionType(ir.VoidType(), [place.type, number, number, number])
        cast("Any", cgutils).get_or_insert_function(builder.module, function, "llvm.prefetch.p0")
        read, keep, of_data = (ir.Constant(number, n) for n in (0, 3, 1))
        builder.call(builder.module.get_global("llvm.prefetch.p0"), [place, read, keep, of_data])
        return context.get_dummy_value()

    return types.void(data, types.int64), code


def _zeros_code(typing: Any, value: Any) -> Any:  # noqa: ARG001  # the signature of intrinsics
    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(types.uint64), code


_load = cast("Callable[[Bytes, int], np.uint64]", intrinsic(_load_code))
_store = cast("Callable[[Bytes, int, np.uint64], None]", intrinsic(_store_code))
_prefetch = cast("Callable[[Bytes, int], None]", intrinsic(_prefetch_code))
_zeros = cast("Callable[[np.uint64], int]", intrinsic(_zeros_code))

ONES = np.uint64(0x0101010101010101)
HIGHS = np.uint64(0x8080808080808080)
SEVENS = np.uint64(0x7F7F7F7F7F7F7F7F)
ALL = np.uint64(0xFFFFFFFFFFFFFFFF)
_FOLD = np.uint64(0x2020202020202020)
_LINE_FEEDS = np.uint64(0x0A0A0A0A0A0A0A0A)
_DOTS, _DASHES = np.uint64(0x2E2E2E2E2E2E2E2E), np.uint64(0x2D2D2D2D2D2D2D2D)
_LINES_UNDER = np.uint64(0x5F5F5F5F5F5F5F5F)
_FROM_DIGIT, _PAST_DIGIT = np.uint64(0x5050505050505050), np.uint64(0x4646464646464646)  # 0x80 - "0", 0x80 - ":"
_FROM_LETTER, _PAST_LETTER = np.uint64(0x1F1F1F1F1F1F1F1F), np.uint64(0x0505050505050505)  # 0x80 - "a", 0x80 - "{"


@kernel
def eight(data: Bytes, p: int) -> np.uint64:
    """Return the eight bytes at `p`, zeros past the end of the array."""
    if p + 8 <= len(data):
        return _load(data, p)
    value = np.uint64(0)
    for k in range(len(data) - p):
        value |= np.uint64(data[p + k]) << np.uint64(8 * k)
    return value


@kernel
def below(n: int) -> np.uint64:
    """Return all ones in the first `n` bytes (0..8)."""
    return ALL if n >= 8 else (np.uint64(1) << np.uint64(8 * n)) - np.uint64(1)


@kernel
def leading(mask: np.uint64) -> int:
    """Return how many bytes stand before the first that a mask means; 8 when it means none."""
    return _zeros(mask) >> 3


@kernel
def zeros(x: np.uint64) -> np.uint64:
    """Return the mask of the bytes that are zero."""
    return ~(((x & SEVENS) + SEVENS) | x) & HIGHS


@kernel
def line_feeds(x: np.uint64) -> np.uint64:
    """Return the mask of the line feeds."""
    return zeros(x ^ _LINE_FEEDS)


@kernel
def digits(x: np.uint64) -> np.uint64:
    """Return the mask of the ASCII digits."""
    y = x & SEVENS
    return (y + _FROM_DIGIT) & ~(y + _PAST_DIGIT) & ~x & HIGHS


@kernel
def words(x: np.uint64) -> np.uint64:
    """Return the mask of the ASCII letters, digits and underscores."""
    y = x & SEVENS
    z = y | _FOLD
    letter = (z + _FROM_LETTER) & ~(z + _PAST_LETTER)
    digit = (y + _FROM_DIGIT) & ~(y + _PAST_DIGIT)
    return (letter | digit | ~((y ^ _LINES_UNDER) + SEVENS)) & ~x & HIGHS


@kernel
def in_run(x: np.uint64) -> np.uint64:
    """Return the mask of the bytes of [A-Za-z0-9_.-], of which the blanks of templates are made."""
    return words(x) | zeros(x ^ _DOTS) | zeros(x ^ _DASHES)


@kernel
def lowered(x: np.uint64) -> np.uint64:
    """Return word characters with letters in lower case; one to one on them (the underscore becomes 0x7F)."""
    return x | _FOLD


@part
def copy(out: Bytes, o: int, data: Bytes, start: int, end: int) -> int:
    """Copy data[start:end] to `out` from place `o`; return the place after it.

    Whole eights are stored, so up to seven bytes after that place are overwritten: write from front to back.
    """
    size = end - start
    k = 0
    while k < size and o + k + 8 <= len(out) and start + k + 8 <= len(data):
        _store(out, o + k, _load(data, start + k))
        k += 8
    while k < size:
        out[o + k] = data[start + k]
        k += 1
    return o + size


@part
def same(a: Bytes, i: int, b: Bytes, j: int, size: int) -> bool:
    """Return whether a[i:i + size] and b[j:j + size] are equal."""
    k = 0
    while k + 8 <= size:
        if _load(a, i + k) != _load(b, j + k):
            return False
        k += 8
    return k == size or (eight(a, i + k) ^ eight(b, j + k)) & below(size - k) == 0


@kernel
def prefetch(data: Bytes, p: int) -> None:
    """Have the 128 bytes at `p` brought near, for lines that are not taken in the order in which they stand."""
    _prefetch(data, p)
    _prefetch(data, p + 64)
