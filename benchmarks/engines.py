"""Engines: a graph handed to networkx, igraph, networkit and SciPy, beside what one would write.

    python -m benchmarks --only engines

Every candidate ends with the same nodes, edges and attributes, unless its name says what is not
there. Memory is that of one conversion in a process of its own.
Needs pip install -e '.[networkit]'.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import igraph
import networkit
import networkx as nx
import numpy as np
import pandas as pd

import cntgraph as cg
from benchmarks.apart import apart
from benchmarks.memory import forget_peak, now, peak
from benchmarks.timing import compare, markdown
from cntgraph.adapters.builder import Builder
from cntgraph.core.recipe import Recipe

Candidate = Callable[[cg.Graph], object]


TITLE = "Engines"


def tables(size: str) -> Iterator[str]:
    """Yield a table for each engine."""
    graph = residual_network()
    for engine in ENGINES:
        yield table(engine, graph)


def residual_network() -> cg.Graph:
    """Dense layers of 512 on 784 inputs, a skip around one of them: parallel edges."""
    builder, rng = Builder(), np.random.default_rng(0)

    def dense(name: str, ids: np.ndarray, n_out: int) -> np.ndarray:
        values = rng.standard_normal((n_out, ids.size)).astype(np.float32)
        weight = builder.parameter(cg.Parameter.from_array(f"{name}.weight", values))
        made = builder.linear(name, ids, Recipe.of(weight), None)
        return builder.activate(made, "relu")

    first = dense("fc1", builder.input("input", (784,)), 512)
    total = builder.add("sum", [dense("fc2", first, 512), first])
    builder.output(dense("out", dense("fc3", total, 512), 10))
    return cg.build_graph(builder.finish())


def table(engine: str, graph: cg.Graph) -> str:
    """Return times and memory of every candidate for an engine."""
    candidates = ENGINES[engine]
    times = compare({name: lambda c=c: c(graph) for name, c in candidates.items()}, rounds=3)
    best = times["cntgraph"]
    rows = [
        [
            name,
            str(t),
            f"{graph.n_edges / t / 1e6:.2f} M edges/s",
            f"{t / best:.1f}×",
            f"{apart(memory, engine, name):,.0f} MiB",
        ]
        for name, t in times.items()
    ]
    title = f"{engine}, {graph.n_nodes:,} nodes, {graph.n_edges:,} edges"
    return markdown(title, ["", "time", "", "of cntgraph's time", "peak memory"], rows)


# -- networkx -------------------------------------------------------------------------------------


def _nx_from_scipy(graph: cg.Graph) -> nx.DiGraph:
    made = nx.from_scipy_sparse_array(graph.to_scipy(), create_using=nx.DiGraph)
    nx.set_node_attributes(made, graph.nodes.to_dict("index"))
    edges = graph.edge_arrays()
    pairs = list(zip(edges.source.tolist(), edges.target.tolist(), strict=True))
    blocks = [edges.block_names[k] for k in edges.block.tolist()]
    learned = edges.parametric[edges.block].tolist()
    nx.set_edge_attributes(made, dict(zip(pairs, blocks, strict=True)), "block")
    nx.set_edge_attributes(made, dict(zip(pairs, learned, strict=True)), "parametric")
    return made


def _nx_from_pandas(graph: cg.Graph) -> nx.DiGraph:
    made = nx.from_pandas_edgelist(_frame(graph), edge_attr=True, create_using=nx.DiGraph)
    nx.set_node_attributes(made, graph.nodes.to_dict("index"))
    return made


def _nx_from_edges(graph: cg.Graph) -> nx.DiGraph:
    made = nx.DiGraph()
    made.add_nodes_from(graph.nodes.to_dict("index").items())
    edges = graph.edge_arrays()
    for i, j, w, b in zip(*(column.tolist() for column in edges[:4]), strict=True):
        learned = bool(edges.parametric[b])
        made.add_edge(i, j, weight=w, block=edges.block_names[b], parametric=learned)
    return made


def _frame(graph: cg.Graph) -> pd.DataFrame:
    edges = graph.edge_arrays()
    return pd.DataFrame(
        {
            "source": edges.source,
            "target": edges.target,
            "weight": edges.weight,
            "block": np.array(edges.block_names, dtype=object)[edges.block],
            "parametric": edges.parametric[edges.block],
        }
    )


# -- igraph ----------------------------------------------------------------------------------------


def _ig_attributes(made: igraph.Graph, graph: cg.Graph) -> igraph.Graph:
    for name, values in graph.node_attributes().items():
        made.vs[name] = values.tolist()
    edges = graph.edge_arrays()
    made.es["weight"] = edges.weight.tolist()
    made.es["block"] = [edges.block_names[k] for k in edges.block.tolist()]
    made.es["parametric"] = edges.parametric[edges.block].tolist()
    return made


def _ig_array(graph: cg.Graph) -> igraph.Graph:
    edges = graph.edge_arrays()
    pairs = np.column_stack([edges.source, edges.target]).astype(np.int64)
    return _ig_attributes(igraph.Graph(graph.n_nodes, pairs, directed=True), graph)


def _ig_list(graph: cg.Graph) -> igraph.Graph:
    edges = graph.edge_arrays()
    pairs = list(zip(edges.source.tolist(), edges.target.tolist(), strict=True))
    return _ig_attributes(igraph.Graph(graph.n_nodes, pairs, directed=True), graph)


def _ig_matrix(graph: cg.Graph) -> igraph.Graph:
    from scipy.sparse import csr_matrix

    made = igraph.Graph.Weighted_Adjacency(csr_matrix(graph.to_scipy()), mode="directed")
    return _ig_attributes(made, graph)


def _ig_frame(graph: cg.Graph) -> igraph.Graph:
    nodes = pd.DataFrame(graph.node_attributes())
    return igraph.Graph.DataFrame(_frame(graph), directed=True, vertices=nodes, use_vids=True)


# -- networkit and SciPy ---------------------------------------------------------------------------


def _nk_loop(graph: cg.Graph) -> networkit.Graph:
    made = networkit.Graph(graph.n_nodes, weighted=True, directed=True)
    edges = graph.edge_arrays()
    for i, j, w in zip(*(column.tolist() for column in edges[:3]), strict=True):
        made.addEdge(i, j, w)
    return made


def _nk_from_networkx(graph: cg.Graph) -> networkit.Graph:
    made = nx.from_scipy_sparse_array(graph.to_scipy(), create_using=nx.DiGraph)
    return networkit.nxadapter.nx2nk(made, weightAttr="weight")


def _scipy(graph: cg.Graph) -> object:
    from scipy.sparse import coo_array

    edges = graph.edge_arrays()
    shape = (graph.n_nodes, graph.n_nodes)
    return coo_array((edges.weight, (edges.source, edges.target)), shape=shape).tocsr()


ENGINES: dict[str, dict[str, Candidate]] = {
    "networkx": {
        "cntgraph": lambda graph: graph.to_networkx(),
        "from_scipy_sparse_array, then set attributes": _nx_from_scipy,
        "from_pandas_edgelist": _nx_from_pandas,
        "add_edge in a loop": _nx_from_edges,
    },
    "igraph": {
        "cntgraph": lambda graph: graph.to_igraph(),
        "Graph of a list of pairs, then set attributes": _ig_list,
        "Graph of an array, then set attributes": _ig_array,
        "Weighted_Adjacency, then set attributes": _ig_matrix,
        "Graph.DataFrame": _ig_frame,
    },
    "networkit": {
        "cntgraph": lambda graph: graph.to_networkit(),
        "addEdge in a loop, no node attributes": _nk_loop,
        "through networkx, no node attributes": _nk_from_networkx,
    },
    "SciPy": {
        "cntgraph": lambda graph: graph.to_scipy(),
        "a coo_array of the edges": _scipy,
    },
}


# -- memory ----------------------------------------------------------------------------------------


def memory(engine: str, name: str) -> float:
    """Return the most memory in MiB that a conversion takes; to be called in a process apart."""
    small = cg.build_graph(cg.toy("residual"))
    ENGINES[engine][name](small)  # what is imported and compiled is not counted
    graph = residual_network()
    before = now()
    forget_peak()
    made = ENGINES[engine][name](graph)
    found = peak() - before
    del made
    return found
