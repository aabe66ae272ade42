"""Uses of weights at the nodes of a layer against a matrix of all, made weight by weight."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles.drawn_blocks import any_block, conv_blocks, dense_blocks, diagonal_blocks
from oracles.uses import uses

from cntgraph.core.errors import GraphSizeError, ParameterError
from cntgraph.core.parameter import Parameter
from cntgraph.core.recipe import Recipe
from cntgraph.core.view import View
from cntgraph.network.blocks import Block, Conv, Dense, Diagonal, Window
from cntgraph.network.blocks.weight_uses import Ends


def assert_uses(block, ends):
    expected = uses(block, ends.nodes, ends.incoming, ends.outgoing)
    for found in (block.weight_uses(ends), Block._weight_uses(block, ends)):
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


@given(conv_blocks() | dense_blocks() | diagonal_blocks(), st.integers(1, 9), some_nodes)
def test_targets_that_are_seen_at_several_positions(drawn, n, nodes):
    """As the gates of a recurrent layer are, once a time step."""
    target = drawn[0].target
    ids = 1000 + np.arange(target.size) % n
    block = replace(drawn[0], target=View.of(ids, target.shape))
    for own in (nodes, slice(1000, 1000 + n), slice(1000, 1002)):
        assert_uses(block, Ends(own))


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


@pytest.mark.parametrize("at_source", [True, False])
@pytest.mark.parametrize("transposed", [False, True])
def test_around_a_circle_the_edges_of_one_channel_are_listed(transposed, at_source):
    """Those of all channels would not fit into any memory."""
    places = np.concatenate([[3], np.arange(4), [0]])
    ids = (np.arange(2)[:, None] * 4 + places).reshape(-1)
    at_fine = at_source != transposed
    window, length = (Window(6, 4, 3), 4) if at_fine else (Window(8, 6, 3), 8)

    def block(n):
        around, others = View.of(ids, (2, 6)), View((n, length), 8)
        source, target = (around, others) if at_source else (others, around)
        values = np.broadcast_to(0.0, (n, 2, 3) if at_fine else (2, n, 3))
        return Conv(name="c", source=source, target=target, weight=Recipe.constant(values),
                    windows=(window,), transposed=transposed)  # fmt: skip

    ends = Ends(slice(0, 8))
    assert_uses(block(4), ends)
    found, once = block(1 << 40).weight_uses(ends), block(4).weight_uses(ends)
    assert found.by_node == pytest.approx(once.by_node * 2**38)
    assert found.together == pytest.approx(once.together * 2**38)
    with pytest.raises(GraphSizeError, match="edges of 'c'"):
        Block._weight_uses(block(1 << 40), ends)


def test_edges_that_carry_what_is_computed_of_weights_are_refused():
    class Doubled(Dense):
        def fill(self, starts, column, indices, data):
            super().fill(starts, column, indices, data)
            data *= 2

    block = Doubled(name="two", source=View((2,)), target=View((3,), 2), weight=weight(3, 2))
    with pytest.raises(ParameterError, match="every edge to carry one of the weights"):
        block.carried_weights()
