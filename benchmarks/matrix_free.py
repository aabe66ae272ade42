"""Matrix-free measures: VGG-16's 15 billion unrolled edges, and ratios to the tools people use.

    python -m benchmarks --only matrix_free [--size full]

Each measure of VGG-16 at 224 × 224 runs in a process of its own, whose peak memory includes
Python, PyTorch and the model. The same measures of a network small enough to be unrolled beside
networkx, igraph, networkit, scikit-network and SciPy on its edges. The full size adds HITS of every
layer by itself, which takes longer than all the rest.
Needs pip install -e '.[test-all]' -r benchmarks/alternatives-requirements.txt.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator

import networkx as nx
import numpy as np
import torch
from torch import nn

import cntgraph as cg
from benchmarks.apart import apart
from benchmarks.memory import peak
from benchmarks.models import vgg16
from benchmarks.timing import markdown
from benchmarks.tools import Tools, versions
from cntgraph.measures.explicit.graph import magnitude_matrix
from cntgraph.measures.matrix_free.effective_depth import effective_depth
from cntgraph.measures.matrix_free.hits import hits
from cntgraph.measures.matrix_free.katz import katz_centrality
from cntgraph.measures.matrix_free.n_cut import n_cut
from cntgraph.measures.matrix_free.pagerank import pagerank
from cntgraph.measures.matrix_free.path_count import path_count
from cntgraph.measures.matrix_free.path_norm import path_norm
from cntgraph.measures.matrix_free.singular_values import singular_values
from cntgraph.measures.matrix_free.spectral_radius import spectral_radius

Net = cg.Network | cg.Graph

MEASURES: dict[str, Callable[[Net], object]] = {
    "pagerank": lambda net: pagerank(net, sign="absolute"),
    "katz_centrality": lambda net: katz_centrality(net, sign="absolute"),
    "hits": lambda net: hits(net, sign="absolute"),
    "path_count": path_count,
    "path_norm": path_norm,
    "n_cut, 8 clusters": lambda net: n_cut(net, np.arange(net.n_nodes) % 8, sign="absolute"),
    "spectral_radius": spectral_radius,
    "effective_depth": effective_depth,
}
SLOW: dict[str, Callable[[Net], object]] = {
    "hits, scope='layers'": lambda net: hits(net, sign="absolute", scope="layers"),
}


TITLE = "Matrix-free measures"


def tables(size: str) -> Iterator[str]:
    """Yield both tables."""
    yield vgg_table(slow=size == "full")
    yield small_table()


# -- VGG-16 ---------------------------------------------------------------------------------------


def vgg_table(*, slow: bool) -> str:
    """Seconds and peak memory of each measure of VGG-16 at 224 × 224."""
    rows = []
    for name in [*MEASURES, *(SLOW if slow else ())]:
        seconds, before, most = apart(measure, name)
        print(f"{name}: {seconds:.1f} s, {most:,.0f} MiB", file=sys.stderr, flush=True)
        rows.append([name, f"{seconds:.1f} s", f"{most:,.0f} MiB", f"{most - before:,.0f} MiB"])
    net = _vgg()
    size = f"{net.n_nodes:,} nodes, {net.n_edges:,} unrolled edges"
    title = f"VGG-16 at 224 × 224, random weights: {size}"
    return markdown(title, ["", "time", "peak memory of the process", "beyond the model"], rows)


def _vgg() -> cg.Network:
    torch.manual_seed(0)
    return cg.load(vgg16(), input_shape=(3, 224, 224))


def measure(name: str) -> list[float]:
    """Return the seconds of a measure, and the peak memory in MiB before and after it."""
    net, before = _vgg(), peak()
    start = time.perf_counter()
    (MEASURES | SLOW)[name](net)
    return [time.perf_counter() - start, before, peak()]


# -- beside the tools people use ------------------------------------------------------------------


def small_table() -> str:
    """The same measures of a network that can be unrolled, and what a user would pick instead."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(2048, 128), nn.ReLU(), nn.Linear(128, 10),
    )  # fmt: skip
    net = cg.load(model, input_shape=(3, 32, 32))
    graph = cg.build_graph(net)
    matrix = magnitude_matrix(graph, "absolute")
    rows = [row for name, others in _others(Tools.of(matrix)).items()
            for row in _rows(name, net, graph, others)]  # fmt: skip
    title = f"A small network, {graph.n_nodes:,} nodes, {graph.n_edges:,} edges: |w|"
    header = ["", "", "time", "of cntgraph's", "largest difference"]
    return f"{markdown(title, header, rows)}\n{versions()}"


def _others(tools: Tools) -> dict[str, dict[str, Callable[[], np.ndarray]]]:
    from scipy.sparse import eye_array
    from scipy.sparse.linalg import spsolve, svds

    matrix = tools.scipy

    def scipy_katz():
        n = matrix.shape[0]
        found = spsolve(eye_array(n, format="csc") - 0.1 * matrix.T.tocsc(), np.ones(n))
        return found / np.linalg.norm(found)

    start = np.ones(matrix.shape[0])
    return {
        "pagerank": tools.pagerank(),
        "katz_centrality": {
            "networkx": lambda: np.array(
                list(nx.katz_centrality(tools.networkx, weight="weight", tol=1e-10).values())
            ),
            "scipy, spsolve": scipy_katz,
        },
        "hits": tools.hubs(),
        "largest singular value of the whole": {
            "scipy, svds": lambda: svds(matrix, 1, v0=start, return_singular_vectors=False)
        },
    }


def _rows(name: str, net, graph, others) -> list[list[str]]:
    ours = MEASURES.get(name) or (
        lambda x: singular_values(x, per="network", transform="absolute").to_numpy()
    )
    times, found = {}, {}
    calls = {"cntgraph, blocks": lambda: ours(net), "cntgraph, explicit graph": lambda: ours(graph)}
    for tool, call in (calls | others).items():
        start = time.perf_counter()
        found[tool] = call()
        times[tool] = time.perf_counter() - start
    values = {tool: np.asarray(getattr(value, "hubs", value)) for tool, value in found.items()}
    base = times["cntgraph, blocks"]
    return [
        [name if tool == "cntgraph, blocks" else "", tool, f"{1e3 * t:,.0f} ms", f"{t / base:.1f}×",
         f"{np.abs(values[tool] - values['cntgraph, blocks']).max():.0e}"]
        for tool, t in times.items()
    ]  # fmt: skip
