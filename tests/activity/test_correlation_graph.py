from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cntgraph as cg
from cntgraph.activity import correlation_graph as module
from cntgraph.activity import standardized, strongest_pairs
from cntgraph.core import memory
from cntgraph.core.errors import CntGraphError, GraphSizeError, UndefinedMeasureError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(90, 6))


@cache
def wide(n):
    """A network whose input layer has n nodes; nobody looks at the rest of it."""
    from torch import nn

    return cg.load(nn.Sequential(nn.Linear(n, 2)), input_shape=(n,))


def activations(net, x, layers=None):
    (batch,) = cg.record(net, x, batch_size=len(x))
    names = [layer.name for layer in net.layers] if layers is None else layers
    return [batch.values[name].activation for name in names]


def expected(values, *, threshold=0.0, top=None):
    """Correlations as numpy.corrcoef has them, where |r| is large enough; zero elsewhere."""
    constant = np.ptp(values, axis=0) == 0
    with np.errstate(invalid="ignore"):
        r = np.corrcoef(values, rowvar=False)
    r[constant] = r[:, constant] = 0
    np.fill_diagonal(r, 0)
    size = np.abs(np.triu(r, 1))
    strong = np.triu(size >= threshold, 1)
    if top is not None and top < strong.sum():
        strong &= size >= np.sort(size[strong])[-top]
    return np.where(strong | strong.T, r, 0)


@given(
    n_samples=st.integers(2, 40),
    n_nodes=st.integers(2, 12),
    tile=st.integers(1, 14),
    at_once=st.integers(1, 50),
    threshold=st.sampled_from([0.0, 0.2, 0.5, 0.9, 1.0]),
    seed=st.integers(0, 10**6),
)
@settings(deadline=None, max_examples=60)
def test_equals_corrcoef(n_samples, n_nodes, tile, at_once, threshold, seed):
    random = np.random.default_rng(seed)
    values = random.normal(size=(n_samples, n_nodes)) @ random.normal(size=(n_nodes, n_nodes))
    values = 1e3 + values * 10.0 ** random.integers(-2, 3, n_nodes)
    whole = expected(values)
    # A correlation as large as the threshold may fall on either side by rounding.
    if (np.abs(np.abs(whole) - threshold) < 1e-5)[whole != 0].any():
        threshold = 0.0
    net = wide(n_nodes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_TILE", tile)
        patch.setattr(module, "_SAMPLES", at_once)
        patch.setattr(standardized, "_AT_ONCE", tile)
        graph = cg.correlation_graph(net, values, threshold=threshold, layers="in*")
    found = graph.adjacency.toarray()
    np.testing.assert_allclose(found, expected(values, threshold=threshold), atol=2e-6)
    np.testing.assert_array_equal(found, found.T)
    assert graph.n_edges == np.count_nonzero(expected(values, threshold=threshold))


@given(
    top=st.integers(1, 70), n_nodes=st.integers(2, 12), tile=st.integers(1, 14),
    seed=st.integers(0, 10**6),
)  # fmt: skip
@settings(deadline=None, max_examples=60)
def test_the_strongest_pairs(top, n_nodes, tile, seed):
    values = np.random.default_rng(seed).normal(size=(30, n_nodes))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_TILE", tile)
        graph = cg.correlation_graph(wide(n_nodes), values, top=top, layers="in*")
    assert graph.n_edges == 2 * min(top, n_nodes * (n_nodes - 1) // 2)
    np.testing.assert_allclose(graph.adjacency.toarray(), expected(values, top=top), atol=1e-6)


def test_of_equally_strong_pairs_the_first():
    tile = np.ones((4, 4), np.float32)
    for top in range(1, 7):
        pairs = strongest_pairs.StrongestPairs(0.0, top)
        for row in (2, 0):  # as they come, the last tile first
            for column in (2, 0):
                if row <= column:
                    pairs.add(tile[row : row + 2, column : column + 2], row, column)
        found = sorted(zip(*(ends.tolist() for ends in pairs.found()[:2]), strict=True))
        assert found == [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)][:top]


def test_both_at_once():
    values = np.concatenate(activations(cg.toy("mlp"), X), axis=1)
    few = cg.correlation_graph(cg.toy("mlp"), X, threshold=0.9, top=1000)
    assert few.n_edges == np.count_nonzero(expected(values, threshold=0.9))
    assert cg.correlation_graph(cg.toy("mlp"), X, threshold=0.5, top=3).n_edges == 6


def test_neurons_of_all_layers_whether_or_not_an_edge_joins_them():
    net = cg.toy("mlp")
    graph = cg.correlation_graph(net, X, threshold=0)
    values = np.concatenate(activations(net, X), axis=1)
    np.testing.assert_allclose(graph.adjacency.toarray(), expected(values), atol=1e-6)
    assert [layer.name for layer in graph.layers] == [layer.name for layer in net.layers]
    assert graph.nodes["layer"].tolist() == cg.build_graph(net).nodes["layer"].tolist()
    assert graph.nodes.attrs == {"n_samples": 90, "missing": {}}


@pytest.mark.parametrize("granularity", ["channel", "layer"])
def test_coarser_nodes_are_means(granularity):
    net = cg.toy("cnn")
    x = RNG.normal(size=(25, *net.layers[0].shape))
    parts = [
        values.reshape(25, layer.shape[0] if granularity == "channel" else 1, -1).mean(2)
        for layer, values in zip(net.layers, activations(net, x), strict=True)
    ]
    graph = cg.correlation_graph(net, x, threshold=0, granularity=granularity)
    found = graph.adjacency.toarray()
    np.testing.assert_allclose(found, expected(np.concatenate(parts, axis=1)), atol=1e-6)
    same = cg.coarsen(net, granularity)
    assert [(x.name, x.shape, x.start) for x in graph.layers] == [
        (x.name, x.shape, x.start) for x in same.layers
    ]


def test_layers_by_name_and_pattern():
    net = cg.toy("mlp")
    graph = cg.correlation_graph(net, X, threshold=0.1, layers=["fc1", "fc3"])
    values = np.concatenate(activations(net, X, ["fc1", "fc3"]), axis=1)
    assert [layer.name for layer in graph.layers] == ["fc1", "fc3"]
    np.testing.assert_allclose(
        graph.adjacency.toarray(), expected(values, threshold=0.1), atol=1e-6
    )


@pytest.mark.parametrize("batch_size", [1, 7, 64])
def test_independent_of_the_batch_size(batch_size):
    whole, parts = (
        cg.correlation_graph(cg.toy("mlp"), X, threshold=0.3, batch_size=n)
        for n in (90, batch_size)
    )
    np.testing.assert_allclose(whole.adjacency.toarray(), parts.adjacency.toarray(), atol=1e-6)


def test_a_live_model_and_its_network_agree():
    import torch
    from torch import nn

    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(3 * 36, 4)).eval()
    x = RNG.normal(size=(20, 1, 8, 8)).astype(np.float32)
    of_model = cg.correlation_graph(model, x, threshold=0.2)
    of_net = cg.correlation_graph(cg.load(model, input_shape=(1, 8, 8)), x, threshold=0.2)
    np.testing.assert_allclose(of_model.adjacency.toarray(), of_net.adjacency.toarray(), atol=1e-5)


def test_constant_neurons_have_no_edge():
    x = np.c_[X[:, :3], np.full(90, 0.1), np.zeros(90), X[:, 0]].astype(np.float32)
    graph = cg.correlation_graph(cg.toy("mlp"), x, threshold=0)
    table = graph.nodes
    assert table.index[table["constant"]].tolist() == [3, 4]
    assert graph.adjacency[[3, 4]].nnz == graph.adjacency[:, [3, 4]].nnz == 0
    assert graph.adjacency[0, 5] == 1.0


@given(seed=st.integers(0, 10**6), at_once=st.integers(1, 9))
@settings(deadline=None, max_examples=30)
def test_constant_ones_among_others(seed, at_once):
    random = np.random.default_rng(seed)
    values = random.normal(size=(20, 8)) * (random.random(8) < 0.6) + random.normal(size=8)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(standardized, "_AT_ONCE", at_once)
        graph = cg.correlation_graph(wide(8), values, threshold=0, layers="in*")
    np.testing.assert_allclose(graph.adjacency.toarray(), expected(values), atol=1e-6)
    assert graph.nodes["constant"].tolist() == (np.ptp(values, axis=0) == 0).tolist()


def test_level_does_not_cost_precision():
    values = 1e6 + np.c_[X[:, 0], X[:, 0] + X[:, 1]]
    graph = cg.correlation_graph(wide(2), values, threshold=0, layers="in*")
    assert graph.adjacency[0, 1] == pytest.approx(np.corrcoef(values.T)[0, 1], abs=1e-6)


def test_it_is_a_graph_like_any_other():
    graph = cg.correlation_graph(cg.toy("mlp"), X, threshold=0.2)
    g = graph.to_networkx(measures={"strength": cg.node_strength(graph)})
    assert g.number_of_nodes() == graph.n_nodes
    assert {(i, j): w for i, j, w in g.edges(data="weight")} == {
        (int(i), int(j)): float(w)
        for i, j, w in zip(*graph.adjacency.tocoo().coords, graph.adjacency.data, strict=True)
    }
    strength = np.abs(graph.adjacency.toarray()).sum(0)
    np.testing.assert_allclose(
        cg.node_strength(graph, transform="absolute"), 2 * strength, rtol=1e-6
    )
    assert cg.pagerank(graph, sign="absolute").sum() == pytest.approx(1)
    assert len(cg.communities(graph, sign="absolute", rng=0).partition) == graph.n_nodes
    small = cg.disparity_filter(graph, 0.3, sign="absolute").graph
    assert 0 < small.n_edges < graph.n_edges
    assert "constant" in cg.keep_layers(graph, ["fc1", "fc2"]).graph.nodes
    assert graph.to_igraph().ecount() == graph.n_edges


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "threshold=.*or top="),
        ({"threshold": 1.5}, "from 0 to 1"),
        ({"threshold": float("nan")}, "from 0 to 1"),
        ({"top": 0}, "1 or more"),
        ({"top": 2.5}, "1 or more"),
        ({"top": True}, "1 or more"),
        ({"top": "ten"}, "1 or more"),
        ({"top": 2, "granularity": "filter"}, "granularity"),
        ({"top": 2, "layers": "conv*"}, "no layer is called"),
    ],
)
def test_options_that_are_none(options, message):
    with pytest.raises(CntGraphError, match=message):
        cg.correlation_graph(cg.toy("mlp"), X, **options)


def test_one_sample_has_no_correlation():
    with pytest.raises(UndefinedMeasureError, match="single sample"):
        cg.correlation_graph(cg.toy("mlp"), X[:1], top=2)


def test_more_than_memory_is_refused(monkeypatch):
    monkeypatch.setattr(memory, "_ALWAYS", 1000)
    monkeypatch.setattr(memory, "available_memory", lambda: 4000)
    with pytest.raises(GraphSizeError, match="as the first 51 samples"):
        cg.correlation_graph(cg.toy("mlp"), X, top=2, batch_size=1)
    monkeypatch.setattr(memory, "available_memory", lambda: 10_000)
    with pytest.raises(GraphSizeError, match=r"a graph of .* edges"):
        cg.correlation_graph(cg.toy("mlp"), X, threshold=0, batch_size=1)
    assert cg.correlation_graph(cg.toy("mlp"), X, top=20, batch_size=1).n_edges == 40


@given(seed=st.integers(0, 10**6), batch_size=st.integers(1, 30), n_classes=st.integers(1, 4))
@settings(deadline=None, max_examples=25)
def test_a_graph_per_class_is_that_of_its_samples(seed, batch_size, n_classes):
    random = np.random.default_rng(seed)
    n = random.integers(2, 12, n_classes)
    classes = random.permutation(np.repeat(np.array(["a", "b", "c", "d"])[:n_classes], n))
    values = 1e3 + random.normal(size=(len(classes), 5)) @ random.normal(size=(5, 5))
    found = cg.correlation_graph(
        wide(5), values, threshold=0, layers="in*", by=classes, batch_size=batch_size
    )
    assert list(found) == ["a", "b", "c", "d"][:n_classes]
    for label, graph in found.items():
        own = values[classes == label]
        np.testing.assert_allclose(graph.adjacency.toarray(), expected(own), atol=2e-6)
        assert graph.nodes.attrs["n_samples"] == len(own)


@pytest.mark.parametrize("measure", [cg.functional_graph, cg.correlation_graph])
def test_labels_that_come_with_the_batches(measure):
    import torch

    net, labels = cg.toy("mlp"), np.arange(90) % 3
    options = {"top": 20} if measure is cg.correlation_graph else {}
    loader = [
        (torch.tensor(X[k : k + 20]), torch.tensor(labels[k : k + 20])) for k in range(0, 90, 20)
    ]
    found, given = (
        measure(net, x, by=by, **options) for x, by in ((loader, "labels"), (X, labels))
    )
    assert list(found) == list(given) == [0, 1, 2]
    for label in found:
        one, other = (x[label] if options else cg.build_graph(x[label]) for x in (found, given))
        np.testing.assert_allclose(one.adjacency.toarray(), other.adjacency.toarray(), atol=1e-6)
    whole = measure(net, loader, **options)  # labels that nobody asks for change nothing
    assert isinstance(whole, cg.Graph if options else cg.Network)


@pytest.mark.parametrize(
    ("inputs", "by", "message"),
    [
        (X, "labels", "pairs of inputs and labels"),
        ([(X[:3], [0, 0, 1]), X[3:]], "labels", "pairs of inputs and labels"),
        (X, "classes", "got 'classes'"),
        (X, np.zeros(80), "label"),
        (X, np.full(90, np.nan), "NaN"),
        (X, np.arange(90), "single sample of class 0"),
    ],
)
def test_classes_that_are_none(inputs, by, message):
    with pytest.raises(CntGraphError, match=message):
        cg.correlation_graph(cg.toy("mlp"), inputs, top=2, by=by)


def test_classes_are_read_once_and_take_no_more_memory(monkeypatch):
    seen = []
    monkeypatch.setattr(standardized, "check_memory", lambda n, what: seen.append(n))
    cg.correlation_graph(cg.toy("mlp"), (X[k : k + 10] for k in range(0, 90, 10)), top=2,
                         by=np.arange(90) % 9)  # fmt: skip
    assert seen == [20 * 4 * n for n in range(10, 100, 10)]
