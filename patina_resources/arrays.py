"""Types of arrays by what they hold."""

from typing import Any

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
