"""Explicit graphs: unrolling beside SciPy, strengths beside the tools people use.

python -m benchmarks --only explicit
"""

from __future__ import annotations

from collections.abc import Iterator
from time import perf_counter

import igraph
import networkx as nx
import numpy as np
import torch
from torch import nn

import cntgraph as cg
from benchmarks.memory import rates
from benchmarks.timing import compare, markdown

TITLE = "Explicit graphs"


def tables(size: str) -> Iterator[str]:
    """Yield all tables."""
    large = cg.build_graph(_convolutions())
    yield building_table(large)
    yield strength_table(large)
    yield dense_table()
    yield others_table()


def _convolutions() -> cg.Network:
    """Three convolutions and two dense layers on 64 × 64 pixels: 166 million edges."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 64, 3, padding=1), nn.ReLU(), nn.Conv2d(64, 64, 3, padding=1), nn.ReLU(),
        nn.MaxPool2d(2), nn.Conv2d(64, 16, 3, 2, 1), nn.ReLU(),
        nn.Flatten(), nn.Linear(4096, 2048), nn.ReLU(), nn.Linear(2048, 10),
    )  # fmt: skip
    return cg.load(model.eval(), input_shape=(3, 64, 64))


def building_table(graph: cg.Graph) -> str:
    """A network unrolled, beside SciPy's conversion of edges that are at hand already."""
    net, coo = _convolutions(), graph.adjacency.tocoo()
    candidates = {
        "cntgraph, build_graph": lambda: cg.build_graph(net),
        "scipy, COO to CSR alone": lambda: coo.tocsr(),
    }
    times = compare(candidates, rounds=3)
    speeds, ours = rates(), times["cntgraph, build_graph"]
    # What build_graph writes: an index, a weight and a block for each edge.
    adjacency = graph.adjacency
    written = adjacency.indices.nbytes + adjacency.data.nbytes + graph.edge_block.nbytes
    rows = [
        [name, str(t), f"{graph.n_edges / t / 1e6:,.0f} M edges/s", f"{written / t / 1e9:.1f} GB/s",
         f"{written / t / speeds['write']:.2f}", f"{written / t / speeds['write fresh']:.2f}",
         f"{t / ours:.1f}×"]
        for name, t in times.items()
    ]  # fmt: skip
    header = ["", "time", "", "", "of writing to memory in use", "of writing to fresh memory",
              "of cntgraph's time"]  # fmt: skip
    return markdown(f"Convolutions unrolled, {graph.n_edges:,} edges", header, rows)


def strength_table(graph: cg.Graph) -> str:
    """In- and out-strength of a large graph, beside SciPy."""
    return _sums_table(f"Strengths of these {graph.n_edges:,} edges", graph)


def dense_table() -> str:
    """In- and out-strength of dense layers, whose edges lie side by side."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4096, 4096), nn.ReLU(), nn.Linear(4096, 4096))
    graph = cg.build_graph(cg.load(model, input_shape=(4096,)))
    return _sums_table(f"Strengths of dense layers, {graph.n_edges:,} edges", graph)


def _sums_table(title: str, graph: cg.Graph) -> str:
    adjacency = graph.adjacency
    times = compare(
        {
            "cntgraph": lambda: cg.node_strength(graph, edges="all", bias=False),
            "scipy, two sums": lambda: adjacency.sum(axis=0) + adjacency.sum(axis=1),
            "scipy, two sums in float64": lambda: (
                adjacency.sum(axis=0, dtype=np.float64) + adjacency.sum(axis=1, dtype=np.float64)
            ),
        }
    )
    rows = [
        [name, str(t), f"{graph.n_edges / t / 1e9:.2f} G edges/s", f"{t / times['cntgraph']:.1f}×"]
        for name, t in times.items()
    ]
    return markdown(title, ["", "time", "", "of cntgraph's time"], rows)


def others_table() -> str:
    """In- and out-strength of a graph that every tool can hold."""
    graph = _middle_sized_graph()
    adjacency = graph.adjacency
    started = perf_counter()
    in_nx = nx.from_scipy_sparse_array(adjacency, create_using=nx.DiGraph)
    built = {"networkx": perf_counter() - started}
    started = perf_counter()
    in_igraph = _to_igraph(graph)
    built["igraph"] = perf_counter() - started
    times = compare(
        {
            "cntgraph": lambda: cg.node_strength(graph, edges="all", bias=False),
            "scipy, two sums": lambda: adjacency.sum(axis=0) + adjacency.sum(axis=1),
            "igraph": lambda: in_igraph.strength(mode="all", weights="weight"),
            "networkx": lambda: dict(in_nx.degree(weight="weight")),
            "plain Python loops": lambda: _loops(adjacency),
        },
        rounds=5,
    )
    check = cg.node_strength(graph, edges="all", bias=False)
    assert np.allclose(check, adjacency.sum(axis=0) + adjacency.sum(axis=1))
    assert np.allclose(check, in_igraph.strength(mode="all", weights="weight"))
    rows = [
        [name, str(t), f"{graph.n_edges / t / 1e6:,.0f} M edges/s",
         f"{t / times['cntgraph']:,.1f}×", f"{built[name]:.2f} s" if name in built else ""]
        for name, t in times.items()
    ]  # fmt: skip
    header = ["", "time", "", "of cntgraph's time", "building its graph"]
    return markdown(f"Strengths of {graph.n_edges:,} edges", header, rows)


def _middle_sized_graph() -> cg.Graph:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10),
    )  # fmt: skip
    return cg.build_graph(cg.load(model, input_shape=(1, 28, 28)))


def _to_igraph(graph: cg.Graph) -> igraph.Graph:
    coo = graph.adjacency.tocoo()
    edges = np.column_stack([coo.row, coo.col])
    return igraph.Graph(graph.n_nodes, edges, directed=True, edge_attrs={"weight": coo.data})


def _loops(adjacency) -> list[float]:
    strength = [0.0] * adjacency.shape[0]
    arrays = (adjacency.indptr, adjacency.indices, adjacency.data)
    indptr, indices, data = (array.tolist() for array in arrays)
    for i in range(len(strength)):
        for k in range(indptr[i], indptr[i + 1]):
            strength[i] += data[k]
            strength[indices[k]] += data[k]
    return strength
