"""Graphs for the classic measures: as networkx graphs from lists of edges, and odd ones."""

from collections.abc import Mapping
from functools import cache, lru_cache
from itertools import pairwise
from math import inf, log

import networkx as nx
import numpy as np
from oracles.nets import edge_list, nets
from scipy.sparse import coo_array, csr_array

import cntgraph as cg
from cntgraph.adapters.builder import Builder
from cntgraph.adapters.builder.recurrent import Cell, Gate, run_cell
from cntgraph.core.recipe import Recipe
from cntgraph.graph.graph import Graph
from cntgraph.network.layer import Layer


@lru_cache
class Networks(Mapping):
    """Toys, random networks with skips and poolings, a loop, and the graph of a trained network.

    The graph is built when a test asks for it: what is compiled while tests are collected, every
    worker compiles.
    """

    def __init__(self):
        self._nets = nets() | {"recurrent": recurrent_net()}

    def __getitem__(self, name):
        return _trained() if name == "trained" else self._nets[name]

    def __iter__(self):
        return iter([*self._nets, "trained"])

    def __len__(self):
        return len(self._nets) + 1


@cache
def networks():
    """The networks of `Networks`, the same ones for all tests of a process."""
    return Networks()


@cache
def _trained():
    with cg.open(cg.demo_file("training")) as training:
        return cg.build_graph(training[-1], threshold=0.15)


def recurrent_net(seed=0, n_in=3, n=4):
    """A recurrent layer as a loop (edges of nodes to themselves), and a dense one behind it."""
    rng, builder = np.random.default_rng(seed), Builder(unroll=None)

    def tensor(name, *shape):
        values = rng.normal(size=shape).astype(np.float32)
        return Recipe.of(builder.parameter(cg.Parameter.from_array(name, values)))

    ids = builder.input("x", (n_in,)).reshape(n_in, 1).T
    gate = Gate(tensor("w", n, n_in), tensor("u", n, n), tensor("b", n))
    _, (last,) = run_cell(builder, ids, Cell("rnn", "r", [gate]))
    builder.output(builder.linear("fc", np.asarray(last).reshape(-1), tensor("v", 2, n), None))
    return builder.finish()


def graph_of(edges, n_nodes, sizes=None):
    """An explicit graph of a list of (source, target, weight, block), blocks counted from 0."""
    edges = sorted(edges, key=lambda e: (e[0], e[1], e[3]))
    source, target, weight, block = ([e[k] for e in edges] for k in range(4))
    places = (np.array(source, int), np.array(target, int))
    indptr = np.concatenate([[0], np.cumsum(np.bincount(places[0], minlength=n_nodes))])
    shape = (n_nodes, n_nodes)
    matrix = csr_array((np.array(weight, float), places[1].astype(np.int32), indptr), shape=shape)
    starts = np.concatenate([[0], np.cumsum(sizes or [n_nodes])])
    layers = tuple(
        Layer(f"layer{k}", (int(b - a),), "dense", int(a), "", k == 0, k == len(starts) - 2)
        for k, (a, b) in enumerate(pairwise(starts))
    )
    n_blocks = max(block, default=-1) + 1
    names = tuple(f"block{k}" for k in range(n_blocks))
    nothing = np.zeros(n_nodes)
    marks = np.array(block, np.uint8)
    return Graph(matrix, marks, layers, names, np.ones(n_blocks, bool), nothing, nothing)


def random_graph(seed, n_nodes=9, n_edges=24, signed=True, loops=True, layered=False):
    """A random graph with parallel edges, zero weights and nodes without edges."""
    rng = np.random.default_rng(seed)
    edges = []
    for _ in range(n_edges):
        i, j = (int(x) for x in rng.integers(n_nodes - 1, size=2))
        if layered:
            i, j = int(rng.integers(n_nodes // 2)), int(rng.integers(n_nodes // 2, n_nodes - 1))
        if i == j and not loops:
            continue
        weight = 0.0 if rng.random() < 0.1 else float(rng.normal() if signed else rng.random())
        edges.append((i, j, weight, int(rng.integers(2))))
    unique = {(i, j, b): (i, j, w, b) for i, j, w, b in edges}
    return graph_of(list(unique.values()), n_nodes)


def edges_of(net_or_graph):
    """(source, target, weight) of every edge, parallel ones included."""
    if isinstance(net_or_graph, Graph):
        matrix = net_or_graph.adjacency.tocoo()
        return list(
            zip(matrix.row.tolist(), matrix.col.tolist(), matrix.data.tolist(), strict=True)
        )
    return edge_list(net_or_graph)


def digraph(net_or_graph, sign=None):
    """The simple directed graph under a sign policy; magnitudes of parallel edges added up."""
    made = nx.DiGraph()
    made.add_nodes_from(range(net_or_graph.n_nodes))
    for i, j, w in edges_of(net_or_graph):
        if (sign == "positive" and w < 0) or (sign == "negative" and w > 0):
            continue
        before = made.edges[i, j]["weight"] if made.has_edge(i, j) else 0.0
        made.add_edge(i, j, weight=before + abs(w))
    return made


def with_lengths(graph, length):
    """The graph of the edges that paths may take, with their lengths as an attribute."""
    made = nx.DiGraph()
    made.add_nodes_from(graph)
    largest = max((w for *_, w in graph.edges.data("weight")), default=0.0)
    for i, j, w in graph.edges.data("weight"):
        if length is None:
            made.add_edge(i, j, length=1.0)
        elif w > 0:
            made.add_edge(i, j, length=1 / w if length == "inverse" else log(largest) - log(w))
    return made


def undirected(net_or_graph, sign=None):
    """The undirected graph A + Aᵀ of magnitudes, without loops."""
    made = nx.Graph()
    made.add_nodes_from(range(net_or_graph.n_nodes))
    for i, j, w in digraph(net_or_graph, sign).edges.data("weight"):
        if i != j:
            before = made.edges[i, j]["weight"] if made.has_edge(i, j) else 0.0
            made.add_edge(i, j, weight=before + w)
    return made


def symmetric_matrix(net_or_graph, sign="absolute"):
    """A + Aᵀ of magnitudes as an array, loops twice."""
    n = net_or_graph.n_nodes
    edges = list(digraph(net_or_graph, sign).edges.data("weight"))
    rows, columns, data = ([e[k] for e in edges] for k in range(3))
    places = (np.array(rows, int), np.array(columns, int))
    matrix = coo_array((np.array(data, float), places), shape=(n, n)).toarray()
    return matrix + matrix.T


def fewest_hops_betweenness(graph):
    """Betweenness by listing all simple paths; of equally short ones those of fewest edges."""
    found = np.zeros(len(graph))
    for s in graph:
        best = {}
        _extend(graph, [s], 0.0, best)
        for t, (_, _, paths) in best.items():
            if t != s:
                for path in paths:
                    found[path[1:-1]] += 1 / len(paths)
    return found


def _extend(graph, path, length, best):
    hops = len(path) - 1
    old_length, old_hops, _ = best.get(path[-1], (inf, inf, None))
    tie = abs(length - old_length) <= 1e-9
    if (not tie and length < old_length) or (tie and hops < old_hops):
        best[path[-1]] = (length, hops, [list(path)])
    elif tie and hops == old_hops:
        best[path[-1]][2].append(list(path))
    for j, attributes in graph.adj[path[-1]].items():
        if j not in path:
            _extend(graph, [*path, j], length + attributes["length"], best)
