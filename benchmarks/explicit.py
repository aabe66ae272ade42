"""Explicit graphs: unrolling beside SciPy, strengths beside the tools people use.

python -m benchmarks --only explicit

Needs pip install -e '.[test-all]' -r benchmarks/alternatives-requirements.txt.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import nn

import cntgraph as cg
from benchmarks.memory import rates
from benchmarks.plain_loops import (
    degrees_of_edges,
    pagerank_of_edges,
    strengths_of_blocks,
    strengths_of_edges,
)
from benchmarks.timing import compare, markdown
from benchmarks.tools import Tools, versions

TITLE = "Explicit graphs"


def tables(size: str) -> Iterator[str]:
    """Yield all tables."""
    large = cg.build_graph(_convolutions())
    yield building_table(large)
    yield strength_table(large)
    yield dense_table()
    yield from others_tables()


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


def others_tables() -> Iterator[str]:
    """Strengths, degrees and PageRank of a graph that every tool can hold, from one run."""
    net = _middle_sized_network()
    graph = cg.build_graph(net)
    tools, signed = Tools.of(abs(graph.adjacency)), Tools.of(graph.adjacency)
    matrix = graph.adjacency
    yield _beside("Strengths", graph, signed, {
        "cntgraph, graph": lambda: cg.node_strength(graph, edges="all", bias=False),
        "cntgraph, network": lambda: cg.node_strength(net, edges="all", bias=False),
        **signed.strengths(),
        "plain Python, closed forms": lambda: strengths_of_blocks(net),
        "plain Python, edges": lambda: strengths_of_edges(matrix),
    })  # fmt: skip
    count = {"transform": "count", "edges": "all", "bias": False}
    yield _beside("Degrees", graph, signed, {
        "cntgraph, graph": lambda: cg.node_strength(graph, **count),
        "cntgraph, network": lambda: cg.node_strength(net, **count),
        **signed.degrees(),
        "plain Python, edges": lambda: degrees_of_edges(matrix),
    })  # fmt: skip
    yield _beside("PageRank of |w|", graph, tools, {
        "cntgraph, graph": lambda: cg.pagerank(graph, sign="absolute"),
        "cntgraph, network": lambda: cg.pagerank(net, sign="absolute"),
        **tools.pagerank(),
        "plain Python, edges": lambda: pagerank_of_edges(matrix),
    })  # fmt: skip
    yield versions()


def _beside(title: str, graph: cg.Graph, tools: Tools, calls: dict[str, Callable[[], Any]]) -> str:
    times, expected = compare(calls, rounds=3), np.asarray(calls["cntgraph, graph"]())
    rows = []
    for name, t in times.items():
        difference = np.abs(np.asarray(calls[name]()) - expected).max() / np.abs(expected).max()
        built = tools.seconds.get(name.replace("scikit-", "sk"))
        rows.append([
            name, str(t), f"{graph.n_edges / t / 1e6:,.1f} M edges/s",
            f"{t / times['cntgraph, graph']:.3g}×", f"{difference:.0e}",
            "" if built is None else f"{built:.2f} s",
        ])  # fmt: skip
    header = ["", "time", "", "of cntgraph's time", "largest relative difference",
              "building its graph"]  # fmt: skip
    return markdown(f"{title} of {graph.n_edges:,} edges", header, rows)


def _middle_sized_network() -> cg.Network:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10),
    )  # fmt: skip
    return cg.load(model, input_shape=(1, 28, 28))
