"""Networks of one convolution, of any geometry, for hypothesis to draw."""

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st

import cntgraph as cg
from cntgraph.adapters.builder import Builder
from cntgraph.core.recipe import Recipe
from cntgraph.network.blocks import Window


@st.composite
def convolutions(draw):
    """A convolution of any stride, dilation, padding and groups, with its input."""
    groups = draw(st.sampled_from([1, 1, 2]))
    channels = [groups * draw(st.integers(1, 3)) for _ in range(2)]
    windows = []
    for _ in range(draw(st.integers(1, 2))):
        kernel, stride, dilation, before = (
            draw(st.integers(1, 3)), draw(st.integers(1, 3)),
            draw(st.integers(1, 2)), draw(st.integers(0, 2)),
        )  # fmt: skip
        fine = draw(st.integers(kernel * dilation, 7))
        coarse = (fine + 2 * before - dilation * (kernel - 1) - 1) // stride + 1
        windows.append(Window(fine, coarse, kernel, stride, dilation, before))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    shape = (channels[1], channels[0] // groups, *(w.kernel for w in windows))
    builder = Builder()
    weight = cg.Parameter.from_array("w", rng.normal(size=shape))
    ids = builder.input("input", (channels[0], *(w.fine for w in windows)))
    recipe = Recipe.of(builder.parameter(weight))
    builder.output(builder.conv("conv", ids, recipe, None, tuple(windows), groups=groups))
    net = builder.finish()
    assume(net.n_edges)  # not all taps on padding
    return net
