"""The same small operation in every framework, and the graph that all must have of it.

`table.OPERATIONS` has one entry per operation (its modules are the families), `graphs.GRAPHS` the
graph that is expected, `differences` what is known to differ. ``python -m oracles.same_operations
NAME …``, from the folder of the tests, prints what each framework gives.
"""

from oracles.same_operations import (
    activations,
    convolutions,
    elementwise,
    movement,
    products,
    spectra,
    weights,
)
from oracles.same_operations.table import OPERATIONS

__all__ = [
    "OPERATIONS",
    "activations",
    "convolutions",
    "elementwise",
    "movement",
    "products",
    "spectra",
    "weights",
]
