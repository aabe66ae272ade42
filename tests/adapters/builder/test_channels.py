"""Along which axes of an array of ids the channel changes, line by line."""

from itertools import product

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cntgraph.adapters.builder.channels import channel_axes
from cntgraph.network.layer import Layer


def changes(channel, axis):
    """Whether the nodes of some line along an axis, those that are there, have two channels."""
    lines = np.moveaxis(channel, axis, -1)
    return any(len({*lines[k]} - {-1}) > 1 for k in product(*map(range, lines.shape[:-1])))


IDS = hnp.array_shapes(min_dims=2, max_dims=4, max_side=4).flatmap(
    lambda shape: (
        hnp.arrays(np.int64, shape, elements=st.integers(-1, 11))
        | st.lists(st.integers(0, 3), min_size=len(shape), max_size=len(shape)).map(
            lambda steps: sum(np.indices(shape) * np.reshape(steps, (-1, *(1,) * len(shape)))) % 12
        )
    )
)


@given(ids=IDS)
def test_axes_along_which_the_channel_changes(ids):
    layers = [Layer("a", (4, 3), "conv")]  # three positions a channel
    channel = np.where(ids >= 0, ids // 3, -1)
    expected = tuple(axis for axis in range(ids.ndim) if changes(channel, axis))
    assert channel_axes(ids, layers) == (expected or (0,))
