"""Reductions: thresholds, strongest edges and backbones beside the same in pandas.

    python -m benchmarks --only reduction

pandas is given the columns source, target and |w|, and only says which edges stay: the same
ones, of which cntgraph makes a graph.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd

import cntgraph as cg
from benchmarks.timing import compare, markdown
from cntgraph.adapters.builder import Builder
from cntgraph.core.recipe import Recipe
from cntgraph.graph.reduction.disparity_filter import disparity_filter
from cntgraph.graph.reduction.noise_corrected import noise_corrected_backbone
from cntgraph.graph.reduction.reduced import Reduced
from cntgraph.graph.reduction.sampling import sample_edges, sample_nodes
from cntgraph.graph.reduction.threshold import threshold_edges
from cntgraph.graph.reduction.top_edges import keep_top_edges

UNIT = 0.01

OURS: dict[str, Callable[[cg.Graph], Reduced]] = {
    "threshold_edges": lambda graph: threshold_edges(graph, 0.05),
    "keep_top_edges, by source": lambda graph: keep_top_edges(graph, 5, within="source"),
    "keep_top_edges, by either end": lambda graph: keep_top_edges(graph, 5),
    "disparity_filter": lambda graph: disparity_filter(graph, sign="absolute"),
    "noise_corrected_backbone": lambda graph: noise_corrected_backbone(
        graph, sign="absolute", unit=UNIT
    ),
    "sample_edges": lambda graph: sample_edges(graph, fraction=0.01, rng=0),
    "sample_edges, weighted": lambda graph: sample_edges(
        graph, fraction=0.01, weighted=True, rng=0
    ),
    "sample_nodes": lambda graph: sample_nodes(graph, 100, rng=0),
}


TITLE = "Reductions"


def tables(size: str) -> Iterator[str]:
    """Yield both tables."""
    yield pandas_table()
    yield large_table()


def dense_network(*sizes: int) -> cg.Graph:
    """Return the graph of a multilayer perceptron with weights as networks start with."""
    builder, rng = Builder(), np.random.default_rng(0)
    ids = builder.input("input", (sizes[0],))
    for k, n_out in enumerate(sizes[1:], 1):
        values = rng.standard_normal((n_out, ids.size)) / np.sqrt(ids.size)
        weight = cg.Parameter.from_array(f"fc{k}.weight", values.astype(np.float32))
        ids = builder.linear(f"fc{k}", ids, Recipe.of(builder.parameter(weight)), None)
    builder.output(ids)
    return cg.build_graph(builder.finish())


def pandas_table() -> str:
    """Time each on a graph that pandas can handle, too."""
    graph = dense_network(784, 512, 512, 512, 10)
    edges = graph.edge_arrays(parallel="keep")
    sizes = np.abs(edges.weight)
    frame = pd.DataFrame({"source": edges.source, "target": edges.target, "w": sizes})
    rows = []
    for name, theirs in PANDAS.items():
        assert OURS[name](graph).graph.n_edges == int(theirs(frame).sum())
        times = compare(
            {"ours": lambda n=name: OURS[n](graph), "pandas": lambda f=theirs: f(frame)}, rounds=3
        )
        ratio = times["pandas"] / times["ours"]
        rows.append([name, *map(str, times.values()), f"{ratio:.1f}×"])
    title = f"Beside pandas, {graph.n_edges:,} edges"
    return markdown(title, ["", "cntgraph", "pandas", "of cntgraph's time"], rows)


def large_table() -> str:
    """Time each on a graph of ten million edges."""
    graph = dense_network(2048, 2048, 2048, 1024, 10)
    rows = []
    for name, ours in OURS.items():
        (time,) = compare({name: lambda f=ours: f(graph)}, rounds=3).values()
        found = ours(graph)
        shares = [f"{found.edge_fraction:.2%}", f"{found.weight_fraction:.2%}"]
        rows.append(
            [name, f"{time:.2f} s", f"{graph.n_edges / time / 1e6:,.0f} M edges/s", *shares]
        )
    title = f"{graph.n_edges:,} edges"
    return markdown(title, ["", "time", "", "edges kept", "of Σ\\|w\\|"], rows)


# -- the same in pandas: which edges stay ---------------------------------------------------------


def _largest(frame: pd.DataFrame, side: str) -> pd.Series:
    return frame.groupby(side)["w"].rank(method="first", ascending=False) <= 5


def _disparity(frame: pd.DataFrame) -> pd.Series:
    found = []
    for side in ("source", "target"):
        groups = frame.groupby(side)["w"]
        found.append((1 - frame["w"] / groups.transform("sum")) ** (groups.transform("size") - 1))
    return np.minimum(*found) < 0.05


def _noise_corrected(frame: pd.DataFrame) -> pd.Series:
    n = frame["w"] / UNIT
    out, into = (n.groupby(frame[side]).transform("sum") for side in ("source", "target"))
    total = n.sum()
    mean, kappa = out * into / total**2, total / (out * into)
    variance = out * into * (total - out) * (total - into) / (total**4 * (total - 1))
    events = mean * (1 - mean) / variance - 1
    p = (mean * events + n) / (events + total)
    slope = 1 / (out * into) - total * (out + into) / (out * into) ** 2
    deviation = np.sqrt(total * p * (1 - p)) * 2 * (kappa + n * slope).abs() / (kappa * n + 1) ** 2
    return (kappa * n - 1) / (kappa * n + 1) > 1.64 * deviation


PANDAS: dict[str, Callable[[pd.DataFrame], pd.Series]] = {
    "keep_top_edges, by source": lambda frame: _largest(frame, "source"),
    "keep_top_edges, by either end": lambda frame: (
        _largest(frame, "source") | _largest(frame, "target")
    ),
    "disparity_filter": _disparity,
    "noise_corrected_backbone": _noise_corrected,
}
