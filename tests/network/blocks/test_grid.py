"""Grids against plain indexing, kept for the next time or not."""

import numpy as np
import pytest

from cntgraph.network.blocks.axis_classes import AxisClasses
from cntgraph.network.blocks.class_values import ClassValues, joint
from cntgraph.network.blocks.grid import grid_of

#: The last is too large to be kept.
SHAPES = [(), (3,), (0, 4), (3, 8), (2, 5, 7), (2, 3, 5, 4), (2, 3, 20_000)]


def axes_of(shape, seed):
    rng = np.random.default_rng(seed)
    return tuple(
        AxisClasses.own(n) if k == 0 else AxisClasses.of(rng.integers(0, 3, n))
        for k, n in enumerate(shape)
    )


def values_on(axes, seed):
    grid = grid_of(axes)
    return ClassValues(np.random.default_rng(seed).normal(size=grid.table_shape), grid)


def written_out(values):
    return values.table[np.ix_(*(axis.index for axis in values.axes))]


@pytest.mark.parametrize("shape", SHAPES)
def test_values_and_their_numbers(shape):
    values = values_on(axes_of(shape, 1), 2)
    assert values.shape == shape
    assert values.counts().sum() == values.size == np.prod(shape, dtype=int)
    np.testing.assert_array_equal(values.values().reshape(shape), written_out(values))


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if 0 not in shape])
def test_some_channels_are_written(shape):
    values, n = values_on(axes_of(shape, 3), 4), (*shape, 1)[0]
    out, part = np.full(values.size, np.nan), slice(1, 2)
    values.write(out, part)
    written, wanted = out.reshape(n, -1), written_out(values).reshape(n, -1)
    np.testing.assert_array_equal(written[part], wanted[part])
    assert np.isnan(np.delete(written, part, axis=0)).all()


@pytest.mark.parametrize("shape", SHAPES)
def test_sums(shape):
    parts = [values_on(axes_of(shape, seed), 10 + seed) for seed in range(3)]
    parts.insert(1, ClassValues.of_broadcast(np.array(0.5), shape))
    total = sum(written_out(part) for part in parts)
    np.testing.assert_allclose(written_out(joint(parts)), total, rtol=1e-14, atol=1e-14)


def test_what_is_small_is_found_once():
    kept, large = axes_of((2, 5, 7), 1), axes_of((2, 3, 20_000), 1)
    assert grid_of(kept) is grid_of(axes_of((2, 5, 7), 1))
    assert grid_of(large) is not grid_of(large)
