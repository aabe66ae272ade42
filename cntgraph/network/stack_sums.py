"""Stack sums: the signed sums of a block in many networks, whose small weights are read once."""

from __future__ import annotations

from math import prod

import numpy as np
from numpy.lib.stride_tricks import as_strided
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
    flat, step, places = _in_place(weight)
    by_row, by_column = np.empty((n, n_rows * shape[2])), np.empty((n, inner * shape[2]))
    add_sums_of_each(flat, step, places, shape, by_row, by_column, statistics)
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
    stored, places = _stored(weight)
    return kernel_values(stored, weight.stored_dtype).reshape(len(stored), -1), places


def _stored(weight: Recipe) -> tuple[NDArray[np.generic], Ids]:
    """Return the stored values, axes in the order of memory, and their places in C order."""
    stored: NDArray[np.generic] = weight.read_stored()
    axes = sorted(range(1, stored.ndim), key=lambda axis: -stored.strides[axis])
    places = np.arange(prod(stored.shape[1:])).reshape(stored.shape[1:])
    return stored.transpose(0, *axes), places.transpose([k - 1 for k in axes]).reshape(-1)


def _in_place(weight: Recipe) -> tuple[Array, int, Ids]:
    """Return the values of all networks as they lie in memory, flat, so that none is copied.

    Parameters
    ----------
    weight : Recipe
        As in `in_memory_order`.

    Returns
    -------
    flat : ndarray, shape (size,)
        As kernels take them; between two networks there may be values of others.
    step : int
        How far the values of a network are from those of the one before.
    places : ndarray of int64, shape (size of a network,)
    """
    stored, places = _stored(weight)
    step, rest = divmod(stored.strides[0], stored.itemsize)
    is_whole = not rest and step >= places.size > 0 and stored[:1].flags.c_contiguous
    if not is_whole or not weight.stored_dtype.startswith(("float", "bfloat")):  # to be converted
        values = kernel_values(stored, weight.stored_dtype)
        return values.reshape(-1), places.size, places
    flat = as_strided(stored, ((len(stored) - 1) * step + places.size,), (stored.itemsize,))
    return kernel_values(flat, weight.stored_dtype), step, places
