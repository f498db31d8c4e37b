"""The one way kernels are compiled: cached on disk, without the interpreter lock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

P = ParamSpec("P")
R = TypeVar("R")

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]
Table = NDArray[Any]


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile `function` with Numba on first use; `vault.warm()` does it at install."""
    return cast("Callable[P, R]", numba.njit(cache=True, nogil=True, error_model="numpy")(function))


@kernel
def wide(value: Any) -> int:
    """Return a byte as a signed 64-bit number: bytes alone would count as unsigned, and mixing the two makes floats."""
    return np.int64(value)  # type: ignore[return-value]  # Python's int to the reader, int64 to the compiler
