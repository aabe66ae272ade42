"""Uses of weights at the nodes of a layer against a matrix of all, made weight by weight."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles.drawn_blocks import any_block, conv_blocks, diagonal_blocks
from oracles.uses import uses

from cntgraph.core.errors import GraphSizeError, ParameterError
from cntgraph.core.parameter import Parameter
from cntgraph.core.recipe import Recipe
from cntgraph.core.view import View
from cntgraph.network.blocks import Block, Conv, Dense, Diagonal, Window
from cntgraph.network.blocks.weight_uses import Ends


def assert_uses(block, ends):
    expected = uses(block, ends.nodes, ends.incoming, ends.outgoing)
    for found in (block.weight_uses(ends), Block.weight_uses(block, ends)):
        assert found.by_node == pytest.approx((expected**2).sum())
        assert found.together == pytest.approx((expected.sum(axis=0) ** 2).sum())
    n = len(expected)
    if n:
        spread = (expected - expected.mean(axis=0)) ** 2
        assert block.weight_uses(ends).variance(n) == pytest.approx(spread.sum() / n, abs=1e-9)


some_nodes = st.tuples(st.integers(0, 12), st.integers(1, 60)).map(lambda x: slice(x[0], sum(x)))
ends = st.builds(Ends, some_nodes, st.booleans(), st.booleans())


@given(any_block, ends)
def test_any_block_at_any_nodes(drawn, ends):
    """Sources are permuted, repeated and masked; targets overlap them."""
    assert_uses(drawn[0], ends)


@given(conv_blocks() | diagonal_blocks(), st.booleans(), st.booleans())
def test_a_whole_layer_at_either_end(drawn, incoming, outgoing):
    block = drawn[0]
    apart = replace(block, target=View(block.target.shape, 1000))
    for nodes in (slice(0, 1000), slice(1000, 2000)):
        assert_uses(apart, Ends(nodes, incoming, outgoing))


def weight(*shape):
    return Recipe.of(Parameter.from_array("w", np.random.default_rng(0).normal(size=shape)))


LAYER = View((4, 5, 3), 7)
LOOPS = {
    "dense": Dense(name="d", source=View((6,), 2), target=View((6,), 2), weight=weight(6, 6)),
    "of a layer and others": Dense(
        name="d", source=View((9,), 0), target=View((6,), 2), weight=weight(6, 9)
    ),
    "convolution": Conv(
        name="c", source=LAYER, target=LAYER, weight=weight(4, 2, 3, 2), groups=2,
        windows=(Window(5, 5, 3, before=1), Window(3, 3, 2, before=0)),
    ),
    "channel by channel": Diagonal(name="s", source=LAYER, target=LAYER, weight=weight(4, 1, 1)),
    "back to front": Diagonal(
        name="s", source=View.of(np.arange(9, 3, -1)), target=View((6,), 4), weight=weight(6)
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LOOPS)
def test_a_layer_that_leads_to_itself(name):
    block = LOOPS[name]
    low, high = block.target.span()
    for nodes in (slice(low, high), slice(0, high), slice(low + 1, high)):
        for directions in ((True, True), (True, False), (False, True)):
            assert_uses(block, Ends(nodes, *directions))


@pytest.mark.parametrize("transposed", [False, True])
def test_a_convolution_around_a_circle_lists_the_edges_of_one_channel_only(transposed):
    """Unlisted, so many edges would not fit into any memory."""
    places = np.concatenate([[3], np.arange(4), [0]])
    ids = (np.arange(2)[:, None] * 4 + places).reshape(-1)
    sides = (6, 8) if transposed else (6, 4)
    window = Window(8, 6, 3) if transposed else Window(6, 4, 3)
    small = Conv(
        name="c", source=View.of(ids, (2, sides[0])), target=View((4, sides[1]), 8),
        windows=(window,), transposed=transposed,
        weight=weight(2, 4, 3) if transposed else weight(4, 2, 3),
    )  # fmt: skip
    assert_uses(small, Ends(slice(0, 8)))
    n = 1 << 40
    large = Recipe.constant(np.broadcast_to(0.0, (2, n, 3) if transposed else (n, 2, 3)))
    wide = replace(small, weight=large, target=View((n, sides[1]), 8))
    factor = n / 4
    found, once = (block.weight_uses(Ends(slice(0, 8))) for block in (wide, small))
    assert found.by_node == pytest.approx(once.by_node * factor)
    assert found.together == pytest.approx(once.together * factor)
    with pytest.raises(GraphSizeError, match="edges of 'c'"):
        Block.weight_uses(wide, Ends(slice(0, 8)))


def test_edges_that_carry_what_is_computed_of_weights_are_refused():
    class Doubled(Dense):
        def fill(self, starts, column, indices, data):
            super().fill(starts, column, indices, data)
            data *= 2

    block = Doubled(name="two", source=View((2,)), target=View((3,), 2), weight=weight(3, 2))
    with pytest.raises(ParameterError, match="every edge to carry one of the weights"):
        block.carried_weights()
