"""The first things that people ask, each in three calls or fewer, and the answer is right."""

import ast
import inspect
import json
import textwrap
from fnmatch import fnmatchcase
from types import SimpleNamespace

import matplotlib.pyplot as plt
import networkx as nx
import numpy as np
import pytest
from needs import needs
from oracles.weight_files import safetensors_bytes
from scipy.sparse import csgraph

import cntgraph as cg
from cntgraph.report.plots import plot_scatter

TRAINING, POPULATION = cg.demo_file("training"), cg.demo_file("population")


def which_layer_changes_most(_):
    return cg.open(TRAINING).change().iloc[-1].idxmax()


def accuracy_against_fluctuation(_):
    table = cg.Population.from_files([POPULATION], snapshots="all").analyze()
    return plot_scatter(table, "fluctuation", layers=["fc1"])


def channels_in_gephi(given):
    channels = cg.build_graph(given.net, granularity="channel")
    rank = cg.pagerank(channels, sign="absolute")
    return cg.write_gexf(channels, given.gexf, measures={"pagerank": rank}, size="pagerank")


def what_changed_between_checkpoints(given):
    return cg.compare(given.before, given.after)


def the_hubs(given):
    return cg.top_nodes(given.net, "strength", n=20)


def the_distribution_of_strength(given):
    return cg.distribution(given.net, "strength", layer="conv2").fits().table()


def a_folder_of_safetensors(given):
    return cg.analyze(cg.load(given.folder))


def a_threshold_and_percolation(given):
    strong = cg.threshold_edges(cg.build_graph(given.net), 0.1)
    return strong, cg.percolation(strong)


def attention_alone(given):
    return cg.build_graph(given.transformer.keep_blocks("*self_attn*"))


def to_scipy_and_pyg(given):
    graph = cg.build_graph(given.net)
    return graph.to_scipy(), graph.to_pyg()


TASKS = [
    which_layer_changes_most, accuracy_against_fluctuation, channels_in_gephi,
    what_changed_between_checkpoints, the_hubs,
    the_distribution_of_strength, a_folder_of_safetensors, a_threshold_and_percolation,
    attention_alone, to_scipy_and_pyg,
]  # fmt: skip


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.__name__)
def test_three_calls_at_most(task):
    tree = ast.parse(textwrap.dedent(inspect.getsource(task)))
    assert sum(isinstance(node, ast.Call) for node in ast.walk(tree)) <= 3


@pytest.fixture(scope="module")
def net():
    with cg.open(TRAINING) as trajectory:
        yield trajectory[-1]


def folded_kernels(parameters):
    """Kernels of the demo's network, with its batch norms in them."""
    p = {name: parameter.read().astype(np.float64) for name, parameter in parameters.items()}
    gains = {k: p[f"norm{k}.weight"] / np.sqrt(p[f"norm{k}.running_var"] + 1e-5) for k in (1, 2)}
    convs = {f"conv{k}": p[f"conv{k}.weight"] * gain[:, None, None, None]
             for k, gain in gains.items()}  # fmt: skip
    return convs | {name: p[f"{name}.weight"] for name in ("fc1", "fc2")}


def test_which_layer_changes_most():
    with cg.open(TRAINING) as trajectory:
        kernels = [folded_kernels(trajectory[k].parameters) for k in (0, -1)]
    sizes = {
        name: np.linalg.norm(after - before) / np.linalg.norm(before)
        for (name, before), after in zip(kernels[0].items(), kernels[1].values(), strict=True)
    }
    assert which_layer_changes_most(None) == max(sizes, key=sizes.get)


def test_accuracy_against_fluctuation():
    drawn = accuracy_against_fluctuation(None)
    with cg.open(POPULATION) as networks:
        accuracy = networks.labels["accuracy"]
        spread = [cg.node_strength(net)[net.layer_slice("fc1")].std() for net in networks]
    (points,) = drawn.get_lines()
    found = points.get_xydata()
    expected = np.column_stack([spread, accuracy])
    np.testing.assert_allclose(found[np.lexsort(found.T)], expected[np.lexsort(expected.T)])
    plt.close(drawn.figure)


def test_channels_in_gephi(net, tmp_path):
    path = channels_in_gephi(SimpleNamespace(net=net, gexf=tmp_path / "net.gexf"))
    read, graph = nx.read_gexf(path), cg.build_graph(net, granularity="channel").to_networkx()
    expected = nx.pagerank(
        nx.DiGraph((i, j, {"weight": abs(w)}) for i, j, w in graph.edges.data("weight")),
        max_iter=1000,
        tol=1e-12,
    )
    found = dict(read.nodes.data("pagerank"))
    assert np.allclose([found[str(node)] for node in expected], list(expected.values()), atol=1e-9)


def test_what_changed_between_checkpoints(tmp_path):
    rng, paths, weights = np.random.default_rng(0), [], []
    for name in ("before", "after"):
        arrays = {"a.weight": rng.normal(size=(4, 3)), "b.weight": rng.normal(size=(2, 4))}
        paths.append(tmp_path / f"{name}.safetensors")
        paths[-1].write_bytes(safetensors_bytes({k: ("F64", w) for k, w in arrays.items()}))
        weights.append(arrays)
    found = what_changed_between_checkpoints(SimpleNamespace(before=paths[0], after=paths[1]))
    old, new = (w["b.weight"] for w in weights)
    assert found.loc["b", "change"] == pytest.approx(
        np.linalg.norm(new - old) / np.linalg.norm(old)
    )


def test_the_hubs(net):
    strength = cg.node_strength(cg.build_graph(net))
    expected = np.argsort(-np.abs(strength), kind="stable")[:20]
    assert the_hubs(SimpleNamespace(net=net)).index.tolist() == expected.tolist()


def test_the_distribution_of_strength(net):
    found = the_distribution_of_strength(SimpleNamespace(net=net))
    assert {"normal", "lognormal", "power_law", "stretched_exponential"} <= set(found.index)


def test_a_folder_of_safetensors(tmp_path):
    rng, places = np.random.default_rng(0), {}
    weights = {f"{k}.weight": rng.normal(size=(3, 4)) for k in range(2)}
    for k, (name, w) in enumerate(weights.items()):
        places[name] = f"model-{k + 1:05}-of-00002.safetensors"
        (tmp_path / places[name]).write_bytes(safetensors_bytes({name: ("F64", w)}))
    index = {"metadata": {}, "weight_map": places}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    found = a_folder_of_safetensors(SimpleNamespace(folder=tmp_path))
    assert found["link_weight_mean"]["1"] == pytest.approx(weights["1.weight"].mean())


def test_a_threshold_and_percolation(net):
    strong, falling = a_threshold_and_percolation(SimpleNamespace(net=net))
    assert np.abs(strong.graph.adjacency.data).min() >= 0.1
    _, labels = csgraph.connected_components(strong.graph.adjacency, connection="weak")
    assert falling["largest"].iloc[0] == np.bincount(labels).max()


def test_attention_alone():
    torch = needs("torch")
    torch.manual_seed(0)
    layer = torch.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    model = torch.nn.TransformerEncoder(layer, 2, enable_nested_tensor=False).eval()
    graph = attention_alone(SimpleNamespace(transformer=cg.load(model, input_shape=(5, 8))))
    learned = [name for name, own in zip(graph.block_names, graph.parametric, strict=True) if own]
    assert learned
    assert all(fnmatchcase(name, "*self_attn*") for name in learned)


def test_to_scipy_and_pyg(net):
    needs("torch_geometric")
    matrix, data = to_scipy_and_pyg(SimpleNamespace(net=net))
    assert matrix.shape == (net.n_nodes, net.n_nodes)
    assert data.num_nodes == net.n_nodes
    assert data.num_edges == matrix.nnz
