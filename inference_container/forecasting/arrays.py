"""The kinds of array that the forecast computes with.

Beside `plan` and not in it: the API process reads plans, for its workers, and never holds numpy.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

FloatArray: TypeAlias = NDArray[np.float64]
#: What goes into and comes out of a network.
Float32Array: TypeAlias = NDArray[np.float32]
#: UTC without a zone, `datetime64[us]`.
TimeArray: TypeAlias = NDArray[np.datetime64]
