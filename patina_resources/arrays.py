"""Types of arrays by what they hold, and what NumPy does slowly."""

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]
UInt64 = NDArray[np.uint64]
Floats = NDArray[np.floating[Any]]  # of either size
Integers = NDArray[np.integer[Any]]  # of any size
Mask = NDArray[np.bool_]
Vectors = Float32  # [texts, dimensions], of unit length

Whole = TypeVar("Whole", bound=np.integer[Any])


def sorted_unique(values: NDArray[Whole]) -> NDArray[Whole]:
    """Return the values, ascending, each once.

    NumPy's own `unique` counts whole numbers in a hash table: of a million, that takes twenty times as long.
    """
    found = np.sort(values, axis=None)
    return found[np.concatenate(([True], found[1:] != found[:-1]))] if found.size else found
