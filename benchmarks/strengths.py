"""Strengths: cntgraph beside what a user would pick instead, as ratios in one run.

    python benchmarks/strengths.py [--output benchmarks/results/strengths.md]

The dense kernel against the machine's read bandwidth; strengths of explicit graphs against scipy,
networkx, igraph and plain loops; VGG-16's unrolled strengths in closed form against reading its
parameters and writing its nodes once, and PyTorch convolving ones; a small network against NumPy.
Needs pip install -e '.[test]'.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import igraph
import networkx as nx
import numpy as np
import torch
from numba import njit
from timing import compare, machine, markdown
from torch import nn

import cntgraph as cg
from cntgraph.core.parallel import ordered_map
from cntgraph.core.recipe import Recipe
from cntgraph.core.view import View
from cntgraph.network.blocks import Dense


def main() -> None:
    """Run all, print, and write the tables to a file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path)
    parser.add_argument("--first-call", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.first_call:
        _measure_first_call()
        return
    output = options.output
    parts = [f"# Strengths\n\n`python benchmarks/strengths.py` on {machine()}.\n"]
    for table in (dense_table, graph_table, large_graph_table, vgg_table, small_table):
        parts.append(table())
        print(parts[-1], flush=True)
    if output is not None:
        output.write_text("\n".join(parts))


# -- a dense block against memory ---------------------------------------------------------------


@njit(nogil=True, fastmath=True)
def _sum(values: np.ndarray) -> float:
    total = 0.0
    for i in range(values.size):
        total += values[i]
    return total


def _read(values: np.ndarray) -> float:
    """Read every value once, on all cores: what the memory gives."""
    # On cntgraph's own threads: another pool's would still spin while the next candidate runs.
    step = 1 << 21
    return sum(ordered_map(_sum, (values[k : k + step] for k in range(0, values.size, step))))


def dense_table() -> str:
    """Row and column sums of a 16384 × 8192 float32 matrix, in bytes of weights a second."""
    w = np.random.default_rng(0).standard_normal((16384, 8192), dtype=np.float32)
    weight = Recipe.of(cg.Parameter.from_array("w", w))
    source, target = View((8192,), 0), View((16384,), 8192)
    block = Dense(name="fc", source=source, target=target, weight=weight)
    times = compare(
        {
            "reading it once (float32 sum)": lambda: _read(w.reshape(-1)),
            "cntgraph, signed sums both ways": lambda: block.sums("signed"),
            "cntgraph, signed sums and moments": lambda: block.sums_and_statistics(
                ("signed",), statistics=True
            ),
            "numpy, two sums in float64": lambda: (w.sum(0, np.float64), w.sum(1, np.float64)),
        }
    )
    base = times["reading it once (float32 sum)"]
    rows = [
        [name, f"{1e3 * t:.1f} ms", f"{w.nbytes / t / 1e9:.1f} GB/s", f"{base / t:.0%}"]
        for name, t in times.items()
    ]
    title = "Dense block, 16384 × 8192 float32: one pass over memory"
    return markdown(title, ["", "time", "weights read", "of the bandwidth"], rows)


# -- explicit graphs against the tools people use -------------------------------------------------


def graph_table() -> str:
    """In- and out-strength of the same explicit graph."""
    graph = _middle_sized_graph()
    adjacency = graph.adjacency
    in_nx, in_igraph = _timed(_to_networkx, graph), _timed(_to_igraph, graph)
    times = compare(
        {
            "cntgraph": lambda: cg.node_strength(graph, edges="all", bias=False),
            "scipy, two sums": lambda: adjacency.sum(axis=0) + adjacency.sum(axis=1),
            "igraph": lambda: in_igraph[0].strength(mode="all", weights="weight"),
            "networkx": lambda: dict(in_nx[0].degree(weight="weight")),
            "plain Python loops": lambda: _loops(adjacency),
        },
        rounds=5,
    )
    check = cg.node_strength(graph, edges="all", bias=False)
    assert np.allclose(check, adjacency.sum(axis=0) + adjacency.sum(axis=1))
    assert np.allclose(check, in_igraph[0].strength(mode="all", weights="weight"))
    built = {"igraph": in_igraph[1], "networkx": in_nx[1]}
    rows = [
        [
            name,
            f"{1e3 * t:.2f} ms",
            f"{graph.n_edges / t / 1e6:,.0f} M edges/s",
            f"{t / times['cntgraph']:,.1f}×",
            f"{built[name]:.2f} s" if name in built else "",
        ]
        for name, t in times.items()
    ]
    title = f"Explicit graph, {graph.n_edges:,} edges: in- and out-strength"
    return markdown(title, ["", "time", "", "of cntgraph's time", "building its graph"], rows)


def large_graph_table() -> str:
    """In- and out-strength of a graph too large for the graph libraries' objects."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4096, 4096), nn.ReLU(), nn.Linear(4096, 4096))
    graph = cg.build_graph(cg.load(model, input_shape=(4096,)))
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
        [name, f"{1e3 * t:.1f} ms", f"{graph.n_edges / t / 1e6:,.0f} M edges/s"]
        for name, t in times.items()
    ]
    return markdown(f"Explicit graph, {graph.n_edges:,} edges", ["", "time", ""], rows)


def _middle_sized_graph() -> cg.Graph:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10),
    )  # fmt: skip
    return cg.build_graph(cg.load(model, input_shape=(1, 28, 28)))


def _timed(function: Callable[[cg.Graph], object], graph: cg.Graph) -> tuple:
    start = time.perf_counter()
    return function(graph), time.perf_counter() - start


def _to_networkx(graph: cg.Graph) -> nx.DiGraph:
    return nx.from_scipy_sparse_array(graph.adjacency, create_using=nx.DiGraph)


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


# -- VGG-16 ---------------------------------------------------------------------------------------


def vgg16() -> nn.Sequential:
    """VGG-16 (Simonyan and Zisserman 2015) with random weights."""
    channels = 3
    layers: list[nn.Module] = []
    for width, depth in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(depth):
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(inplace=True)]
            channels = width
        layers.append(nn.MaxPool2d(2))
    head = [nn.Flatten(), nn.Linear(25088, 4096), nn.ReLU(), nn.Dropout(), nn.Linear(4096, 4096),
            nn.ReLU(), nn.Dropout(), nn.Linear(4096, 1000)]  # fmt: skip
    return nn.Sequential(*layers, *head).eval()


def vgg_table() -> str:
    """VGG-16 at 224 × 224: from the live module to the table of its layers, and what must be."""
    model = vgg16()
    net = cg.load(model, input_shape=(3, 224, 224))
    weights = [parameter.raw().reshape(-1) for parameter in net.parameters.values()]
    times = compare(
        {
            "reading the parameters once": lambda: sum(map(_read, weights)),
            "writing a number for each node": lambda: _write(net.n_nodes),
            "layer_fluctuation": lambda: cg.layer_fluctuation(net),
            "node_strength": lambda: cg.node_strength(net),
            "analyze": lambda: cg.analyze(net),
            "load": lambda: cg.load(model, input_shape=(3, 224, 224)),
            "PyTorch, convolving ones both ways": lambda: _convolve_ones(model),
        },
        rounds=5,
    )
    read, write = list(times.values())[:2]
    floors = {"node_strength": read + write, "layer_fluctuation": read, "analyze": read}
    rows = [
        [name, f"{1e3 * t:.0f} ms", f"{t / floors[name]:.1f}×" if name in floors else ""]
        for name, t in times.items()
    ]
    seconds, mebibytes = _first_call()
    rows.append(["load and analyze, first call in a fresh process", f"{1e3 * seconds:.0f} ms", ""])
    rows.append(["its peak memory beyond the model", f"{mebibytes:,.0f} MiB", ""])
    title = f"VGG-16 at 224 × 224, {net.n_edges:,} unrolled edges, {net.n_nodes:,} nodes"
    return markdown(title, ["", "", "of reading (and writing) once"], rows)


def _write(n_nodes: int) -> None:
    """Write a number for every node to new memory, on all cores."""
    out, step = np.empty(n_nodes), 1 << 20
    parts = (out[k : k + step] for k in range(0, n_nodes, step))
    for _ in ordered_map(lambda part: part.fill(1.0), parts):
        pass


def small_table() -> str:
    """A network of two convolutions and a head, beside sums of its weights written by hand."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(784, 10),
    ).eval()  # fmt: skip
    net = cg.load(model, input_shape=(1, 28, 28))
    weights = [w.detach().numpy() for w in model.parameters() if w.ndim > 1]
    times = compare(
        {
            "NumPy by hand: sums over both sides": lambda: [_both_sums(w) for w in weights],
            "node_strength": lambda: cg.node_strength(net),
            "layer_fluctuation": lambda: cg.layer_fluctuation(net),
            "analyze": lambda: cg.analyze(net),
            "load": lambda: cg.load(model, input_shape=(1, 28, 28)),
        },
        rounds=101,
    )
    rows = [[name, f"{1e3 * t:.3f} ms"] for name, t in times.items()]
    return markdown(f"A small CNN, {net.n_parameters:,} parameters", ["", ""], rows)


def _both_sums(weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sum a weight over its outputs and over its inputs, positions of the kernel together."""
    by_channel = weight.reshape(*weight.shape[:2], -1).sum(2, np.float64)
    return by_channel.sum(0), by_channel.sum(1)


def _first_call() -> list[float]:
    """Return the seconds and the peak memory in MiB of a first call, in a process of its own."""
    command = [sys.executable, __file__, "--first-call"]
    return json.loads(subprocess.run(command, capture_output=True, check=True).stdout)


def _measure_first_call() -> None:
    model = vgg16()
    before = _peak_memory()
    start = time.perf_counter()
    cg.analyze(cg.load(model, input_shape=(3, 224, 224)))
    seconds = time.perf_counter() - start
    print(json.dumps([seconds, _peak_memory() - before]))


def _peak_memory() -> float:
    """Return the most memory that this process has had, in MiB (Linux)."""
    # Not getrusage: its peak includes that of the process that started this one.
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


@torch.no_grad()
def _convolve_ones(model: nn.Sequential) -> list[torch.Tensor]:
    """Signed in- and out-strengths of every layer, the way one would get them from PyTorch."""
    sums, shape = [], (1, 3, 224, 224)
    for layer in model:
        ones = torch.ones(shape)
        if isinstance(layer, nn.Conv2d):
            out = nn.functional.conv2d(ones, layer.weight, padding=1)
            back = nn.functional.conv_transpose2d(torch.ones_like(out), layer.weight, padding=1)
            sums += [out, back]
            shape = out.shape
        elif isinstance(layer, nn.Linear):
            sums += [layer.weight.sum(1), layer.weight.sum(0)]
        elif isinstance(layer, nn.MaxPool2d):
            shape = (*shape[:2], shape[2] // 2, shape[3] // 2)
    return sums


if __name__ == "__main__":
    warnings.simplefilter("ignore", category=UserWarning)
    main()
