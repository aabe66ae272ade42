"""Functional graphs against NumPy on all values, and against PyTorch's derivatives."""

import networkx as nx
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from oracles.nets import nets, random_net
from torch import nn

import cntgraph as cg
from cntgraph.activity.edge_products import chosen_of
from cntgraph.core.errors import CntGraphError, UndefinedMeasureError
from cntgraph.core.view import View
from cntgraph.network.blocks import TRANSFORMS, AxisOperator, Pool, Scaled

NETS = nets()


def values_of(net, x):
    """The activations of all nodes, shape (n_samples, n_nodes), and their strengths."""
    (batch,) = cg.record(net, x, batch_size=len(x))
    own = [batch.values[layer.name] for layer in net.layers]
    return tuple(np.concatenate(parts, axis=1) for parts in
                 ([v.activation for v in own], [v.strength for v in own]))  # fmt: skip


def samples(net, n=7):
    return np.random.default_rng(1).normal(size=(n, *net.layers[0].shape))


def dense(graph_or_net):
    return cg.build_graph(graph_or_net).adjacency.toarray()


@pytest.mark.parametrize("batch_size", [3, 7])
@pytest.mark.parametrize("name", NETS)
def test_flows_are_means_times_weights(name, batch_size):
    net = NETS[name]
    x = samples(net)
    z, _ = values_of(net, x)
    flow = cg.functional_graph(net, x, batch_size=batch_size)
    weights = sum(of_block(net, block) for block in net.blocks)
    assert np.allclose(dense(flow), z.mean(0)[:, None] * weights, rtol=1e-12, atol=1e-12)
    absolute = cg.functional_graph(net, x, weight="absolute_flow", batch_size=batch_size)
    expected = np.abs(z).mean(0)[:, None] * sum(of_block(net, b, absolute=True) for b in net.blocks)
    assert np.allclose(dense(absolute), expected, rtol=1e-12, atol=1e-12)
    assert [layer.name for layer in flow.layers] == [layer.name for layer in net.layers]
    assert flow.n_edges == net.n_edges


def of_block(net, block, *, absolute=False):
    """The edges of a block between all nodes, parallel ones added up."""
    total = np.zeros((net.n_nodes, net.n_nodes))
    matrix = block.to_csr().tocoo()
    rows, columns = matrix.coords
    np.add.at(total, (block.source.as_ids()[rows], block.target.as_ids()[columns]),
              abs(matrix.data) if absolute else matrix.data)  # fmt: skip
    return total


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("weight", ["flow", "absolute_flow"])
def test_closed_form_of_flows_is_that_of_their_explicit_graph(name, weight):
    net = NETS[name]
    flow = cg.functional_graph(net, samples(net), weight=weight)
    graph = cg.build_graph(flow)
    for transform in TRANSFORMS:
        ours = cg.node_strength(flow, transform=transform, edges="all")
        theirs = cg.node_strength(graph, transform=transform, edges="all")
        assert np.allclose(ours, theirs, rtol=1e-10, atol=1e-12), transform
    ours, theirs = (cg.layer_fluctuation(each, edges="all") for each in (flow, graph))
    assert np.allclose(ours, theirs, rtol=1e-10, atol=1e-12)
    if weight == "absolute_flow":
        assert np.allclose(cg.pagerank(flow), cg.pagerank(graph), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", ["mlp", "residual", "random0"])
def test_what_a_flow_graph_receives_is_the_mean_neuron_strength(name):
    net = NETS[name]
    x = samples(net)
    received = cg.node_strength(cg.functional_graph(net, x), direction="in", edges="all")
    first = net.layers[0].n_nodes
    assert np.allclose(received[first:], cg.neuron_strength(net, x).mean[first:], atol=1e-10)


@pytest.mark.parametrize("batch_size", [1, 3, 40])
@pytest.mark.parametrize("name", NETS)
def test_correlations_are_those_of_numpy(name, batch_size):
    net = NETS[name]
    x = samples(net, 40)
    z, _ = values_of(net, x)
    found = cg.functional_graph(net, x, weight="correlation", batch_size=batch_size)
    with np.errstate(invalid="ignore", divide="ignore"):
        expected = np.nan_to_num(np.corrcoef(z.T))
    # Parallel edges have the correlation each.
    times = sum(edges_of(net, block) for block in net.blocks)
    assert np.allclose(dense(found), expected * times, rtol=0, atol=1e-9)


def edges_of(net, block):
    total = np.zeros((net.n_nodes, net.n_nodes))
    rows, columns = block.to_csr().tocoo().coords
    np.add.at(total, (block.source.as_ids()[rows], block.target.as_ids()[columns]), 1.0)
    return total


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 3, 3, padding=1), nn.Conv2d(3, 3, 3, padding=1)
        self.pool, self.head, self.out = nn.MaxPool2d(2), nn.Linear(12, 5), nn.Linear(5, 3)

    def forward(self, x):
        self.a = torch.relu(self.first(x))
        self.b = torch.tanh(self.second(self.a) + self.a)
        self.c = self.pool(self.b)
        self.d = torch.sigmoid(self.head(self.c.flatten(1)))
        return torch.softmax(self.out(self.d), 1)


@pytest.mark.parametrize("output", [None, 1])
def test_attribution_is_what_autograd_says(output):
    torch.manual_seed(0)
    model = Small().double()
    x = torch.randn(5, 1, 4, 4, dtype=torch.double, requires_grad=True)
    net = cg.load(model, input_shape=(1, 4, 4))
    found = cg.functional_graph(net, x, weight="attribution", output=output, batch_size=2)
    result = model(x)
    kept = (x, model.a, model.b, model.c, model.d)
    for tensor in kept[1:]:
        tensor.retain_grad()
    (result.sum() if output is None else result[:, output].sum()).backward()
    # What leaves a node adds up to its activation times the derivative by it.
    leaving = np.asarray(cg.build_graph(found).adjacency.sum(axis=1)).reshape(-1)
    expected = np.concatenate([
        (t.detach() * t.grad).mean(0).reshape(-1).numpy() for t in kept
    ])  # fmt: skip
    assert np.allclose(leaving[: expected.size], expected, rtol=1e-10, atol=1e-14)
    # And edge by edge, for the last weights.
    last = found.split(np.arange(net.n_nodes))
    block = cg.build_graph(found).adjacency.toarray()[np.ix_(last["head"], last["out"])]
    slopes = torch.autograd.functional.jacobian(
        lambda s: (torch.softmax(s, 1).sum(0) * (1.0 if output is None else torch.eye(3)[output]))
        .sum(), model.out(model.d).detach())  # fmt: skip
    by_hand = torch.einsum("ni,nj->ij", model.d.detach(), slopes) / 5 * model.out.weight.T.detach()
    assert np.allclose(block, by_hand.numpy(), rtol=1e-9, atol=1e-14)


class Pooled(nn.Module):
    """Poolings of what is equal in many places, one after the other."""

    def __init__(self, *pools):
        super().__init__()
        self.first, self.pools = nn.Conv2d(1, 2, 1), nn.ModuleList(pools)
        self.head = nn.LazyLinear(2).double()

    def forward(self, x):
        self.kept = [self.first(x)]
        for pool in self.pools:
            self.kept.append(pool(self.kept[-1]))
        return self.head(self.kept[-1].flatten(1))


POOLS = {
    "apart": [nn.MaxPool2d(2)],
    "overlapping": [nn.MaxPool2d(3, stride=1, padding=1), nn.MaxPool2d(3, stride=2)],
    "dilated": [nn.MaxPool2d((2, 3), stride=1, dilation=2), nn.MaxPool2d(2)],
    "adaptive": [nn.AdaptiveMaxPool2d((3, 2))],
    "average of a maximum": [nn.MaxPool2d(2), nn.AvgPool2d(2)],
}


@pytest.mark.parametrize("levels", [1, 2, 3])
@pytest.mark.parametrize("name", POOLS)
def test_of_equal_candidates_the_first_is_attributed_to(name, levels):
    torch.manual_seed(0)
    model, random = Pooled(*POOLS[name]).double(), np.random.default_rng(levels)
    x = torch.tensor(random.integers(0, levels, (6, 1, 8, 8)) - 1.0, requires_grad=True)
    model(x)  # gives the last layer its weights
    net = cg.load(model, input_shape=(1, 8, 8))
    result = model(x)
    for tensor in model.kept:
        tensor.retain_grad()
    result[:, 1].sum().backward()
    for source in (net, model):
        found = cg.functional_graph(
            source, x.detach(), weight="attribution", output=1, batch_size=4
        )
        leaving = np.asarray(cg.build_graph(found).adjacency.sum(axis=1)).reshape(-1)
        expected = np.concatenate([
            (t.detach() * t.grad).mean(0).reshape(-1).numpy() for t in (x, *model.kept)
        ])  # fmt: skip
        assert np.count_nonzero(expected)
        assert np.allclose(leaving[: expected.size], expected, rtol=1e-10, atol=1e-14)


@given(st.integers(0, 10**6), st.sampled_from(["max", "min"]))
def test_the_first_of_equal_candidates_by_hand(seed, mode):
    random = np.random.default_rng(seed)
    n, size, stride = random.integers(1, 9), random.integers(1, 4), random.integers(1, 4)
    windows = [range(k, min(k + size, n)) for k in range(0, n, stride)]
    places = [(i, j) for j, window in enumerate(windows) for i in window]
    rows, columns = np.array(places).T
    operator = AxisOperator(n, len(windows), rows, columns, np.ones(len(rows)))
    block = Pool(name="pool", source=View((1, n), 0), target=View((1, len(windows)), n), mode=mode,
                 operators=(operator,))  # fmt: skip
    values = random.integers(-1, 2, (n, 5)).astype(float)
    pick = max if mode == "max" else min
    expected = [[pick(window, key=lambda i, k=k: values[i, k]) for k in range(5)]
                for window in windows]  # fmt: skip
    assert chosen_of(block, block.to_csr(), values).tolist() == expected


def test_one_graph_per_class():
    net, x = NETS["mlp"], samples(NETS["mlp"], 30)
    classes = np.arange(30) % 3
    found = cg.functional_graph(net, x, by=classes, batch_size=8)
    assert [*found] == [0, 1, 2]
    for label, graph in found.items():
        alone = cg.functional_graph(net, x[classes == label])
        assert np.allclose(dense(graph), dense(alone), rtol=1e-12, atol=1e-14)


def test_functional_graphs_go_where_graphs_go(tmp_path):
    net = NETS["cnn"]
    flow = cg.functional_graph(net, samples(net), weight="absolute_flow")
    cg.write_graphml(flow, tmp_path / "flow.graphml")
    read = nx.read_graphml(tmp_path / "flow.graphml")
    assert read.number_of_edges() == flow.n_edges
    kept = cg.threshold_edges(cg.build_graph(flow), 0.1)
    assert 0 < kept.graph.n_edges < flow.n_edges
    assert len(cg.analyze(flow)) == net.n_layers
    with pytest.raises(CntGraphError, match="weighted by data and cannot be saved"):
        cg.save(flow, tmp_path / "flow.h5")
    cg.save(cg.functional_graph(NETS["mlp"], samples(NETS["mlp"])), tmp_path / "mlp.h5")
    again = cg.load(tmp_path / "mlp.h5")
    assert (dense(again) == dense(cg.functional_graph(NETS["mlp"], samples(NETS["mlp"])))).all()


@given(st.integers(0, 1000), st.booleans(), st.sampled_from(["conv", "pool"]))
def test_scaled_blocks_by_their_explicit_matrix(seed, absolute, kind):
    rng = np.random.default_rng(seed)
    block = next(b for b in random_net(seed % 3).blocks if b.kind == kind)
    factors = rng.normal(size=block.source.size)
    scaled = Scaled.of_block(block, factors, absolute=absolute)
    inner = block.to_csr().toarray()
    expected = factors[:, None] * (abs(inner) if absolute else inner)
    assert np.allclose(scaled.to_csr().toarray(), expected, rtol=1e-12, atol=1e-12)
    x, z = rng.normal(size=block.target.size), rng.normal(size=(block.source.size, 2))
    transforms = {"signed": lambda a: a, "absolute": abs, "positive": lambda a: np.maximum(a, 0),
                  "negative": lambda a: np.minimum(a, 0), "square": np.square,
                  "fourth": lambda a: a**4}  # fmt: skip
    for name, f in transforms.items():
        own = scaled.sums(name)[name]
        assert np.allclose(own.row, f(expected).sum(1), rtol=1e-10, atol=1e-10), name
        assert np.allclose(own.column, f(expected).sum(0), rtol=1e-10, atol=1e-10), name
        assert np.allclose(scaled.matvec(x, name), f(expected) @ x, rtol=1e-9, atol=1e-9), name
        assert np.allclose(scaled.rmatvec(z, name), f(expected).T @ z, rtol=1e-9, atol=1e-9), name
    statistics = scaled.statistics()
    assert statistics.size == scaled.n_edges == block.n_edges
    assert statistics.mean == pytest.approx(expected.sum() / scaled.n_edges, rel=1e-9, abs=1e-12)


def test_only_what_has_no_recipe_of_its_own_is_scaled():
    net = NETS["mlp"]
    with pytest.raises(CntGraphError, match="a dense block is not to be scaled"):
        Scaled.of_block(net.blocks[0], np.ones(net.blocks[0].source.size))
    pool = Pool(name="pool", source=View((1, 4), 0), mode="average", target=View((1, 2), 4),
                operators=(AxisOperator.adaptive(4, 2),))  # fmt: skip
    with pytest.raises(CntGraphError, match="one factor per source position"):
        Scaled.of_block(pool, np.ones(3))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weight": "capacity"}, "flow, absolute_flow, correlation, attribution; got 'capacity'"),
        ({"weight": "attribution", "output": 2}, "a node of 'fc3' from 0 to 1, got 2"),
        ({"weight": "attribution", "output": ("fc9", 0)}, "no layer is called 'fc9'"),
    ],
)
def test_options_that_are_none_are_refused(options, message):
    with pytest.raises(CntGraphError, match=message):
        cg.functional_graph(NETS["mlp"], samples(NETS["mlp"]), **options)


def test_attribution_is_of_networks_that_run_forward():
    model = nn.LSTM(2, 3, batch_first=True)
    net = cg.load(model, example_input=torch.randn(1, 4, 2), unroll=4)
    x = np.random.default_rng(0).normal(size=(2, 4, 2))
    (*_, last) = net.layers
    with pytest.raises(UndefinedMeasureError, match="attribution is"):
        cg.functional_graph(net, x, weight="attribution", output=(last.name, 0))
    flow = cg.functional_graph(net, x)
    assert not any(block.modulatory for block in flow.blocks)
