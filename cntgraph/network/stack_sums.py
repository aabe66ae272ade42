"""Stack sums: the signed sums of a block in many networks, whose small weights are read once."""

from __future__ import annotations

from math import prod

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.parameter import kernel_values
from cntgraph.core.recipe import Recipe
from cntgraph.core.types import Array, Ids, Values
from cntgraph.network.blocks.base import Block
from cntgraph.network.blocks.class_values import Sides
from cntgraph.network.blocks.conv import Conv
from cntgraph.network.blocks.row_column_sums import RowColumnSums

#: Weights of a network whose values are laid beside those of others; larger ones are read in parts.
_SMALL = 1 << 14


def stack_sums(one: Block, all_: Block, statistics: Values) -> Sides | None:
    """Return the sums of a block in each network, and add its weights to their statistics.

    Parameters
    ----------
    one, all_ : Block
        Of one network, and of all.
    statistics : ndarray of float64, shape (n networks, 10)
        As `core.kernels.stacks` has them; changed in place.

    Returns
    -------
    Sides or None
        None where there is nothing to be gained: nothing was added then.
    """
    from cntgraph.core.kernels.side_by_side import add_sums_of_each

    n, weight = len(statistics), _stacked(one, all_, len(statistics))
    if weight is None or not isinstance(all_, Conv):
        return None
    n_rows, inner, *kernel = weight.shape[1:]
    shape = n_rows, inner, prod(kernel)
    values, places = in_memory_order(weight)
    by_row, by_column = np.empty((n, n_rows * shape[2])), np.empty((n, inner * shape[2]))
    add_sums_of_each(values, places, shape, by_row, by_column, statistics)
    return all_.sides_of(RowColumnSums(by_row.reshape(n * n_rows, -1), by_column))


def _stacked(one: Block, all_: Block, n: int) -> Recipe | None:
    """Return the weight of all networks, shape (n, rows, inner, *taps), if it is small."""
    if type(all_) is not Conv or all_.groups != n or all_.source.mask is not None:
        return None
    assert one.weight is not None
    shape, weight = one.weight.shape, all_.weight
    if not 0 < prod(shape) <= _SMALL or weight.op != "reshape":
        return None
    return weight.args[0] if weight.args[0].shape == (n, *shape) else None


def in_memory_order(weight: Recipe) -> tuple[Array, Ids]:
    """Return the values of each network as they lie in memory, and their places in C order.

    Parameters
    ----------
    weight : Recipe
        Of shape (n, *shape).

    Returns
    -------
    values : ndarray, shape (n, size)
        As kernels take them.
    places : ndarray of int64, shape (size,)
    """
    stored: NDArray[np.generic] = weight.read_stored()
    axes = sorted(range(1, stored.ndim), key=lambda axis: -stored.strides[axis])
    values = kernel_values(stored.transpose(0, *axes), weight.stored_dtype)
    places = np.arange(prod(stored.shape[1:])).reshape(stored.shape[1:])
    return values.reshape(len(stored), -1), places.transpose([k - 1 for k in axes]).reshape(-1)
