"""Writers of files: cntgraph beside networkx (GEXF) and igraph (GraphML), as ratios in one run.

    python -m benchmarks --only gexf_writer

One million edges with the same attributes of nodes and edges; time, and the memory that writing
takes beyond the graph, each in a process of its own. Then files in steps of size, to see that the
memory does not grow with them.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter

import numpy as np

import cntgraph as cg
from benchmarks.apart import apart
from benchmarks.memory import forget_peak, now, peak
from benchmarks.timing import compare, markdown
from cntgraph.adapters.builder import Builder
from cntgraph.core.recipe import Recipe
from cntgraph.export import write_csv, write_gexf, write_graphml

MILLION = 1_000_000


TITLE = "Writers of files"


def tables(size: str) -> Iterator[str]:
    """Yield both tables."""
    yield writer_table()
    yield size_table()


def dense_graph(n_edges: int) -> cg.Graph:
    """A multilayer perceptron of two equal blocks of float32 weights."""
    width = round((n_edges / 2) ** 0.5)
    rng = np.random.default_rng(0)
    builder = Builder()
    ids = builder.input("input", (width,))
    for name in ("fc1", "fc2"):
        values = rng.normal(size=(width, width), scale=width**-0.5).astype(np.float32)
        weight = Recipe.of(builder.parameter(cg.Parameter.from_array(f"{name}.weight", values)))
        ids = builder.linear(name, ids, weight, None)
    builder.output(ids)
    return cg.build_graph(builder.finish())


def to_networkx(graph: cg.Graph):
    """The graph with all that cntgraph writes but the colors of edges, which are left out."""
    import networkx as nx

    found = nx.DiGraph()
    columns = node_columns(graph)
    for k, row in enumerate(zip(*columns.values(), strict=True)):
        viz = {"color": {"r": 68, "g": 1, "b": 84}, "size": 12.0,
               "position": {"x": 0.0, "y": 1.0, "z": 2.0}}  # fmt: skip
        found.add_node(k, **dict(zip(columns, row, strict=True)), viz=viz)
    edges = graph.edge_arrays()
    blocks = [edges.block_names[k] for k in edges.block.tolist()]
    rows = zip(*(a.tolist() for a in (edges.source, edges.target, edges.weight)), blocks,
               strict=True)  # fmt: skip
    found.add_edges_from((s, t, {"weight": w, "block": b}) for s, t, w, b in rows)
    return found


def to_igraph(graph: cg.Graph):
    """The graph with the same attributes."""
    import igraph

    edges = graph.edge_arrays()
    blocks = [edges.block_names[k] for k in edges.block.tolist()]
    return igraph.Graph(
        graph.n_nodes, np.column_stack([edges.source, edges.target]), directed=True,
        vertex_attrs=node_columns(graph), edge_attrs={"weight": edges.weight, "block": blocks},
    )  # fmt: skip


def node_columns(graph: cg.Graph) -> dict[str, list]:
    """The attributes of nodes that cntgraph writes."""
    columns = graph.node_attributes({"strength": cg.node_strength(graph)})
    return {name: values.tolist() for name, values in columns.items()}


def _networkx_gexf(graph, path):
    import networkx as nx

    nx.write_gexf(graph, path, version="1.3")


#: By name: what is made of the graph before, and what writes it.
WRITERS: dict[str, tuple[Callable, Callable]] = {
    "GEXF, cntgraph": (lambda graph: graph, lambda g, p: write_gexf(g, p, max_edges=10**9)),
    "GEXF, networkx": (to_networkx, _networkx_gexf),
    "GraphML, cntgraph": (lambda graph: graph, lambda g, p: write_graphml(g, p, max_edges=10**9)),
    "GraphML, igraph": (to_igraph, lambda g, p: g.write_graphml(str(p))),
    "CSV, cntgraph": (lambda graph: graph, lambda g, p: write_csv(g, f"{p}.csv", max_edges=10**9)),
}


def writer_table() -> str:
    """One million edges: seconds, memory and size of the file of each writer."""
    graph = dense_graph(MILLION)
    with tempfile.TemporaryDirectory() as folder:
        calls = {}
        for name, (make, write) in WRITERS.items():
            made, path = make(graph), Path(folder, name)
            calls[name] = lambda write=write, made=made, path=path: write(made, path)
        times = compare(calls, rounds=3)
        sizes = {name: _size(folder, name) for name in calls}
    own = {"GEXF": times["GEXF, cntgraph"], "GraphML": times["GraphML, cntgraph"]}
    rows = [
        [
            name,
            f"{seconds:.2f} s",
            f"{graph.n_edges / seconds / 1e6:.2f} M edges/s",
            f"{seconds / own.get(name.partition(',')[0], seconds):.1f}×",
            f"{apart(memory, name, MILLION)[1]:,.0f} MiB",
            f"{sizes[name] / 1e6:.0f} MB",
        ]
        for name, seconds in times.items()
    ]
    title = f"{graph.n_edges:,} edges of {graph.n_nodes:,} nodes, float32 weights"
    header = ["", "time", "", "of cntgraph's time", "memory beyond the graph", "file"]
    note = "\nigraph writes 15 digits, not enough for every float64; cntgraph all it needs.\n"
    return markdown(title, header, rows) + note


def size_table() -> str:
    """GEXF of more and more edges: the memory stays."""
    rows = []
    for n_edges in (MILLION // 4, MILLION, 4 * MILLION):
        seconds, mebibytes = apart(memory, "GEXF, cntgraph", n_edges)
        rows.append([f"{n_edges:,}", f"{seconds:.2f} s", f"{mebibytes:,.0f} MiB"])
    header = ["edges", "time, first call in a fresh process", "memory beyond the graph"]
    return markdown("GEXF, cntgraph: constant memory", header, rows)


def _size(folder: str, name: str) -> int:
    return sum(path.stat().st_size for path in Path(folder).iterdir() if name in path.name)


def memory(name: str, n_edges: int) -> list[float]:
    """Return the seconds and the growth of peak memory in MiB of one call, in a process apart."""
    make, write = WRITERS[name]
    made = make(dense_graph(n_edges))
    with tempfile.TemporaryDirectory() as folder:
        forget_peak()
        before = now()
        start = perf_counter()
        write(made, Path(folder, "file"))
        return [perf_counter() - start, peak() - before]
