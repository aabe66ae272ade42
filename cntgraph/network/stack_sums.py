"""Stack sums: the signed sums of a block in many networks, whose small weights are read once."""

from __future__ import annotations

from functools import lru_cache
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
    values, axes = _in_place(weight)
    rows, columns = _rows_and_columns(weight.shape[1:], axes)
    coarse, fine = all_.tap_sums("coarse"), all_.tap_sums("fine")
    by_row = np.empty((n, n_rows, coarse.n_sums))
    by_column = np.empty((n, inner, fine.n_sums))
    add_sums_of_each(
        values, rows, columns, prod(kernel),
        (coarse.additions, by_row), (fine.additions, by_column), statistics,
    )  # fmt: skip
    return all_.sides_at(
        fine.at_positions(by_column, n * inner), coarse.at_positions(by_row, n * n_rows)
    )


def _stacked(one: Block, all_: Block, n: int) -> Recipe | None:
    """Return the weight of all networks, shape (n, rows, inner, *taps), if it is small."""
    if type(all_) is not Conv or all_.groups != n or all_.source.mask is not None:
        return None
    assert one.weight is not None
    shape, weight = one.weight.shape, all_.weight
    if not 0 < prod(shape) <= _SMALL or weight.op != "reshape":
        return None
    return weight.args[0] if weight.args[0].shape == (n, *shape) else None


@lru_cache(maxsize=256)
def _rows_and_columns(shape: tuple[int, ...], axes: tuple[int, ...]) -> tuple[Ids, Ids]:
    """Return among which row sums and column sums each value counts, in the order of some axes.

    The axes of a kernel are its rows, its columns and its taps; a sum is that of one tap.
    """
    n_taps = prod(shape[2:])
    row, column, *_ = np.indices(shape)
    tap = np.arange(prod(shape)).reshape(shape) % n_taps
    rows, columns = (own * n_taps + tap for own in (row, column))
    return rows.transpose(axes).reshape(-1), columns.transpose(axes).reshape(-1)


def values_of_each(weight: Recipe) -> Array:
    """Return the values of each network, a row for each, in the order they have in memory.

    Parameters
    ----------
    weight : Recipe
        Of shape (n, *shape).

    Returns
    -------
    ndarray, shape (n, size)
        As kernels take them.
    """
    stored, _ = _stored(weight)
    return kernel_values(stored, weight.stored_dtype).reshape(len(stored), -1)


def _stored(weight: Recipe) -> tuple[NDArray[np.generic], tuple[int, ...]]:
    """Return the stored values, axes in the order of memory, and which of a network these are."""
    stored: NDArray[np.generic] = weight.read_stored()
    axes = sorted(range(1, stored.ndim), key=lambda axis: -stored.strides[axis])
    return stored.transpose(0, *axes), tuple(axis - 1 for axis in axes)


def _in_place(weight: Recipe) -> tuple[Array, tuple[int, ...]]:
    """Return the values of all networks where they lie in memory, so that none is copied.

    Parameters
    ----------
    weight : Recipe
        Of shape (n, *shape).

    Returns
    -------
    values : ndarray, shape (n, size)
        As kernels take them; between two networks there may be values of others.
    axes : tuple of int
        The axes of a network's weight, in the order of its values.
    """
    stored, axes = _stored(weight)
    n, size, step = len(stored), stored[0].size, stored.strides[0] // stored.itemsize
    in_place = stored[:1].flags.c_contiguous and step >= size
    if not in_place or not weight.stored_dtype.startswith(("float", "bfloat")):  # to be converted
        return kernel_values(stored, weight.stored_dtype).reshape(n, -1), axes
    flat = as_strided(stored, ((n - 1) * step + size,), (stored.itemsize,))
    own = kernel_values(flat, weight.stored_dtype)
    steps = step * own.itemsize, own.itemsize
    return as_strided(own, (n, size), steps, writeable=False), axes
