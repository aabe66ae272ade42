import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles.graphs import edges_of, graphs, odd
from oracles.nets import nets

import cntgraph as cg
from cntgraph.core.errors import NonFiniteWeightError
from cntgraph.core.view import View
from cntgraph.graph.edge_chunks import edge_chunks
from cntgraph.network.blocks import Dense

NETS = nets()
FEW = st.integers(0, 9)


def listed(net_or_graph, edges="parametric"):
    """Every edge as (source, target, weight, block), block after block."""
    found = [
        (int(s), int(t), float(w), chunk.block)
        for chunk in edge_chunks(net_or_graph, edges=edges)
        for s, t, w in zip(chunk.source, chunk.target, chunk.weight, strict=True)
    ]
    names = getattr(net_or_graph, "block_names", None)
    return sorted(found, key=lambda e: names.index(e[3])) if names else found


def rows(table):
    columns = (table[name].tolist() for name in ("source", "target", "weight", "block"))
    return list(zip(*columns, strict=True))


def strongest(edges, n):
    return sorted(edges, key=lambda edge: -abs(edge[2]))[:n]


@pytest.mark.parametrize("edges", ["all", "parametric"])
@pytest.mark.parametrize("name", NETS)
def test_they_are_the_first_of_all_edges_by_size(name, edges):
    net = NETS[name]
    whole = listed(net, edges)
    for n in (0, 1, 7, 50, len(whole), len(whole) + 3):
        assert rows(cg.top_edges(net, n, edges=edges)) == strongest(whole, n)


@pytest.mark.parametrize("edges", ["all", "parametric"])
@given(graphs(), FEW)
def test_of_any_graph(edges, graph, n):
    assert rows(cg.top_edges(graph, n, edges=edges)) == strongest(listed(graph, edges), n)


@given(FEW)
def test_of_many_small_chunks(n):
    import cntgraph.graph.edge_chunks as chunks

    net, defaults = NETS["cnn"], chunks.edge_chunks.__wrapped__.__kwdefaults__
    before, defaults["size"] = defaults["size"], 5
    try:
        assert rows(cg.top_edges(net, n)) == strongest(listed(net), n)
    finally:
        defaults["size"] = before


def test_ends_are_where_the_node_table_has_them():
    net = NETS["cnn"]
    table, nodes = cg.top_edges(net, 30), cg.build_graph(net).nodes
    for end in ("source", "target"):
        for name in ("layer", "channel", "z", "y", "x"):
            assert table[f"{end}_{name}"].tolist() == nodes.loc[table[end], name].tolist()


def test_weights_too_small_for_their_fourth_power_are_told_apart():
    tiny = np.array([[1e-100, 3e-100], [-2e-100, 0.0]])
    layers = (cg.Layer("a", (2,), "input"), cg.Layer("b", (2,), "dense", 2))
    weight = cg.core.recipe.Recipe.constant(tiny)
    blocks = (Dense(name="w", source=View((2,)), target=View((2,), 2), weight=weight),)
    assert cg.top_edges(cg.Network(layers, blocks), 2)["weight"].tolist() == [3e-100, -2e-100]


def test_blocks_whose_weights_are_too_small_are_not_unrolled(monkeypatch):
    layers = tuple(cg.Layer(f"l{k}", (3,), "dense", 3 * k) for k in range(3))
    blocks = tuple(
        Dense(name=f"w{k}", source=View((3,), 3 * k), target=View((3,), 3 * k + 3),
              weight=cg.core.recipe.Recipe.constant(np.full((3, 3), 10.0**-k)))
        for k in range(2)
    )  # fmt: skip
    filled, fill = [], Dense.fill

    def counted(self, *arguments):
        filled.append(self.name)
        fill(self, *arguments)

    monkeypatch.setattr(Dense, "fill", counted)
    assert len(cg.top_edges(cg.Network(layers, blocks), 9)) == 9
    assert filled == ["w0"]
    assert len(cg.top_edges(cg.Network(layers, blocks), 10)) == 10
    assert filled == ["w0", "w0", "w1"]


def test_what_is_no_number_of_edges_and_what_is_not_finite():
    with pytest.raises(cg.CntGraphError, match="number of edges of 0 or more"):
        cg.top_edges(NETS["mlp"], -1)
    with pytest.raises(NonFiniteWeightError):
        cg.top_edges(odd("NaN"), 1)
    assert edges_of(odd("no edges")) == rows(cg.top_edges(odd("no edges"), 3)) == []
