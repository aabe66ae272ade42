"""Deep graph persistence against all paths one by one, and filtrations threshold by threshold."""

import math
from itertools import pairwise

import numpy as np
import pytest
from oracles import persistence, widest_paths
from oracles.nets import nets
from scipy.sparse import csr_array

import cntgraph as cg
from cntgraph.core.errors import GraphSizeError, NonFiniteWeightError, UndefinedMeasureError


def chain(*sizes):
    rng = np.random.default_rng(0)
    return cg.load([rng.normal(0.5, k + 1, pair) for k, pair in enumerate(pairwise(sizes))])


NETS = {"mlp": cg.toy("mlp"), "residual": cg.toy("residual"), "wide end": chain(2, 4, 5),
        "narrow end": chain(6, 4, 3, 2), "one layer": chain(4, 3)}  # fmt: skip


def by_block(net):
    found = {}
    for block in net.blocks:
        own = block.to_csr().tocoo()
        ends = block.source.as_ids()[own.row], block.target.as_ids()[own.col]
        columns = (x.tolist() for x in (*ends, own.data.astype(float)))
        found[block.name] = [*zip(*columns, strict=True)]
    return found


def expected(net, *, standardized=True, scale="network", **options):
    learned = {block.name: block.parametric for block in net.blocks}
    edges = widest_paths.sizes(by_block(net), learned, standardized)
    ends = [[n for x in net.layers if getattr(x, what) for n in range(x.start, x.slice.stop)]
            for what in ("is_input", "is_output")]  # fmt: skip
    pairs = tuple((i, j, widest_paths.width(edges, i, j)) for i in ends[0] for j in ends[1])
    top = 1.0 if scale == "network" else max(w for _, _, w in pairs)
    return persistence.neural_persistence(pairs, top, **options)


OPTIONS = [
    {},
    {"standardized": False},
    {"scale": "paths"},
    {"p": 1.0, "normalized": False},
    {"p": math.inf},
    {"essential": True, "p": 3.0},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("name", NETS)
def test_it_is_that_of_all_paths(name, options):
    net = NETS[name]
    for measured in (net, cg.build_graph(net)):
        found = cg.deep_graph_persistence(measured, **options)
        assert found == pytest.approx(expected(net, **options))


RANDOM = {name: net for name, net in nets().items() if name.startswith("random")}


@pytest.mark.parametrize("name", RANDOM)
def test_networks_of_all_kinds_of_blocks(name):
    """Convolutions, poolings, skips, concatenations: by a closure of the whole matrix."""
    net = RANDOM[name]
    learned = {block.name: block.parametric for block in net.blocks}
    edges = widest_paths.sizes(by_block(net), learned)
    widths = widest_paths.closure(edges, net.n_nodes)
    inputs, outputs = net.layers[0].slice, net.layers[-1].slice
    pairs = tuple((i, j, widths[i, j]) for i in range(inputs.start, inputs.stop)
                  for j in range(outputs.start, outputs.stop))  # fmt: skip
    found = cg.deep_graph_persistence(net)
    assert found == pytest.approx(persistence.neural_persistence(pairs, 1.0))
    assert found == pytest.approx(cg.deep_graph_persistence(cg.build_graph(net)))


def test_without_structural_edges_paths_are_cut():
    """All inputs and outputs stay apart."""
    net = cg.toy("cnn")
    assert 0.0 < cg.deep_graph_persistence(net) < 1.0
    assert cg.deep_graph_persistence(net, edges="parametric") == 1.0


def test_a_factor_of_a_layer_changes_nothing():
    net = chain(5, 4, 3)
    name = next(iter(net.parameters))
    values = 100.0 * net.parameters[name].read()
    scaled = net.bind({**net.parameters, name: cg.Parameter.from_array(name, values)}, {})
    assert cg.deep_graph_persistence(scaled) == pytest.approx(cg.deep_graph_persistence(net))
    plain = [cg.deep_graph_persistence(own, standardized=False) for own in (net, scaled)]
    assert plain[0] != pytest.approx(plain[1])


@pytest.mark.parametrize("value", [0.0, 0.1])
def test_weights_that_do_not_differ_are_never_the_narrowest(value):
    net = chain(3, 4, 2)
    first, second = net.parameters
    alike = cg.Parameter.from_array(first, np.full(net.parameters[first].shape, value))
    found = cg.deep_graph_persistence(net.bind({**net.parameters, first: alike}, {}))
    weight = net.parameters[second].read()
    best = np.abs((weight - weight.mean()) / weight.std())
    best = best.max(axis=int(np.argmax(np.array(best.shape) == 4))) / best.max()
    pairs = tuple((i, j, float(best[j])) for i in range(3) for j in range(2))
    assert found == pytest.approx(persistence.neural_persistence(pairs, 1.0))


def test_what_it_is_not_defined_for():
    alone = cg.Network((cg.Layer("a", (4,), "dense"),), ())
    with pytest.raises(UndefinedMeasureError, match="which layers these are is not known"):
        cg.deep_graph_persistence(alone)
    back = cg.Graph(
        adjacency=csr_array(np.array([[0.0, 1.0], [1.0, 0.0]])), edge_block=np.zeros(2, np.uint8),
        layers=(cg.Layer("a", (2,), "dense", is_input=True, is_output=True),),
        block_names=("edges",), parametric=np.array([True]), bias=np.zeros(2),
        parametric_bias=np.zeros(2),
    )  # fmt: skip
    with pytest.raises(
        UndefinedMeasureError, match="in the order of nodes, and there are edges back"
    ):
        cg.deep_graph_persistence(back)
    net = chain(3, 2)
    name = next(iter(net.parameters))
    bad = cg.Parameter.from_array(name, np.full(net.parameters[name].shape, np.nan))
    with pytest.raises(NonFiniteWeightError, match="deep graph persistence needs finite weights"):
        cg.deep_graph_persistence(net.bind({name: bad}, {}))
    with pytest.raises(GraphSizeError):
        cg.deep_graph_persistence(net, max_edges=3)


@pytest.mark.parametrize("options", [{"p": 0.5}, {"scale": "block"}])
def test_options_that_there_are_not(options):
    (name,) = options
    with pytest.raises(cg.CntGraphError, match=f"expected {name} to be"):
        cg.deep_graph_persistence(cg.toy("mlp"), **options)
