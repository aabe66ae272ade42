"""Types of arrays and of tables that many modules speak of."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Numbers of nodes, or of places in an array.
Ids = NDArray[np.int64]
#: What is computed: sums, measures, weights that have been read.
Values = NDArray[np.float64]
#: An array of any type: what is stored, or what a caller passes.
Array = NDArray[Any]
#: A table without pandas: its columns by name, in order, all of one length.
Columns = dict[str, list[Any]]
