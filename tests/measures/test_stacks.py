"""Many networks of one topology at once against each by itself."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.conv_stacks import conv_stacks
from oracles.copied import NETS, copied, listed

import cntgraph as cg
from cntgraph.core.errors import NoCopiesError
from cntgraph.core.parameter import Parameter
from cntgraph.core.recipe import Recipe
from cntgraph.core.view import View
from cntgraph.measures.stacks import analyze_stack
from cntgraph.network import Layer, Network
from cntgraph.network.blocks import Conv, Window
from cntgraph.network.blocks.scaled import Scaled
from cntgraph.network.stack import Stack
from cntgraph.network.stack_sums import _SMALL


def check(net, n, rng, *, odd=False, **options):
    stacked, each = copied(net, n, rng, odd=odd)
    found = analyze_stack(Stack(net), stacked, **options)
    for k, one in enumerate(each):
        table = cg.analyze(one, **options).reset_index()
        assert [found.statuses[j] for j in found.own["status"][k]] == table["status"].tolist()
        for name, values in found.same.items():
            assert values == table[name].tolist(), name
        for name in table.columns.difference([*found.same, "status", "fluctuation"]):
            own, expected = found.own[name][k], table[name].to_numpy(dtype=float)
            size = np.abs(expected[np.isfinite(expected)]).max(initial=1.0)
            assert np.allclose(own, expected, rtol=1e-11, atol=1e-12 * size, equal_nan=True), name


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # infinities that cancel
@pytest.mark.parametrize("options", [{}, {"edges": "all", "bias": False}, {"boundary": 0.5}])
@pytest.mark.parametrize("odd", [False, True])
@pytest.mark.parametrize("name", NETS)
def test_networks_of_every_kind_of_block(name, odd, options):
    net = listed(NETS[name])
    if net.parameters:
        check(net, 4, np.random.default_rng(0), odd=odd, **options)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@given(
    conv_stacks(),
    st.sampled_from([1, 4, 18]),
    st.booleans(),
    st.sampled_from(["parametric", "all"]),
)
@settings(max_examples=60)
def test_random_networks(net, n, odd, edges):
    if net.parameters:
        check(net, n, np.random.default_rng(n), odd=odd, edges=edges)


@pytest.mark.parametrize("granularity", ["channel", "layer"])
@pytest.mark.parametrize("aggregation", ["sum", "l1", "l2"])
def test_coarser_networks_whose_weights_are_computed(granularity, aggregation):
    net = cg.coarsen(cg.toy("cnn"), granularity, aggregation=aggregation)
    check(net, 3, np.random.default_rng(1))


def test_stored_types_are_widened_where_they_are_added_up():
    net = cg.toy("cnn")
    rng, n = np.random.default_rng(0), 3
    halves = {
        name: Parameter.from_array(name, rng.normal(size=(n, *p.shape)).astype("f2"))
        for name, p in net.parameters.items()
    }
    wide = {name: Parameter.from_array(name, p.data.astype("f8")) for name, p in halves.items()}
    found, expected = (analyze_stack(Stack(net), of).own for of in (halves, wide))
    for name, values in expected.items():
        assert np.allclose(found[name], values, rtol=1e-12, atol=1e-14, equal_nan=True)


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16", "int8"])
@pytest.mark.parametrize("n", [1, 19])
def test_parts_of_rows_are_read_where_they_lie(dtype, n):
    """Parameters are columns of one matrix, in several layouts, which has others, too."""
    net, rng = cg.toy("cnn"), np.random.default_rng(0)
    bits, first = ("u2", 16_000) if dtype == "bfloat16" else (dtype, 1)
    size = sum(p.size for p in net.parameters.values())
    matrix = rng.integers(first, first + 90, (n, size + 5)).astype(bits)
    layouts = matrix, matrix[::-1], np.asfortranarray(matrix)

    def stacked(rows, made):
        found, at = {}, 2
        for name, p in net.parameters.items():
            values = made(rows[:, at : at + p.size].reshape(n, *p.shape))
            found[name] = Parameter(name, values.shape, dtype, values)
            at += p.size
        return analyze_stack(Stack(net), found).own

    for rows in layouts:
        found, expected = stacked(rows, lambda part: part), stacked(rows, np.ascontiguousarray)
        for name, values in expected.items():
            np.testing.assert_array_equal(found[name], values)


def test_weights_that_are_too_large_to_lie_side_by_side():
    rng, sizes = np.random.default_rng(0), (7, 150, 130, 3)
    net = cg.load([rng.normal(size=shape) for shape in pairwise(sizes)])
    assert max(p.size for p in net.parameters.values()) > _SMALL > 3 * 130
    check(net, 3, rng)
    check(net, 20, rng, odd=True)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("odd", [False, True])
def test_weights_that_are_read_in_several_tiles(odd):
    rng = np.random.default_rng(0)
    window = Window(fine=9, coarse=5, kernel=3, stride=2, before=1)
    weight = Parameter.from_array("w", rng.normal(size=(17, 20, 3, 3)))
    layers = (Layer("input", (20, 9, 9), "input", is_input=True),
              Layer("conv", (17, 5, 5), "conv", start=20 * 81))  # fmt: skip
    block = Conv(name="conv", source=View((20, 9, 9)), target=View((17, 5, 5), 20 * 81),
                 weight=Recipe.of(weight), windows=(window, window))  # fmt: skip
    check(Network(layers, (block,), {"w": weight}), 35, rng, odd=odd)


def test_bits_do_not_depend_on_who_is_measured_together():
    net, n = cg.toy("cnn"), 40
    stacked, _ = copied(net, n, np.random.default_rng(3))
    whole = analyze_stack(Stack(net), stacked).own
    for step in (1, 7, 39):
        for first in range(0, n, step):
            some = {
                name: Parameter.from_array(name, p.data[first : first + step])
                for name, p in stacked.items()
            }
            for name, values in analyze_stack(Stack(net), some).own.items():
                assert values.tobytes() == whole[name][first : first + step].tobytes()


@pytest.mark.parametrize("name", ["cnn", "random1", "recurrent"])
def test_copies_are_a_network_whose_nodes_are_those_of_each(name):
    net = listed(NETS[name])
    stacked, each = copied(net, 3, np.random.default_rng(2))
    stack = Stack(net)
    both = Network(stack.layers(3), stack.blocks(stacked), stacked)
    assert both.n_edges == 3 * net.n_edges
    assert both.n_nodes == 3 * net.n_nodes
    found = both.split(cg.node_strength(both, transform="square", edges="all"))
    graph = cg.build_graph(both)
    assert np.allclose(
        graph.adjacency.sum(axis=0), both.node_sums("signed")["signed"].incoming, rtol=1e-6
    )
    for k, one in enumerate(each):
        own = one.split(cg.node_strength(one, transform="square", edges="all"))
        for layer, values in own.items():
            assert np.allclose(found[layer][k], values, rtol=1e-12)


def test_a_kind_of_block_that_has_no_copies_is_named():
    net = cg.toy("cnn")
    block = Scaled.of_block(net.blocks[0], np.ones(net.blocks[0].source.size))
    odd = Network(net.layers, (block,), net.parameters)
    with pytest.raises(NoCopiesError, match=r"'conv1'.*'scaled'.*register"):
        Stack(odd)


def test_networks_without_edges():
    net = Network((Layer("a", (2,), "input", is_input=True),), (),
                  {"w": Parameter.from_array("w", np.zeros(3))})  # fmt: skip
    check(net, 2, np.random.default_rng(0))
