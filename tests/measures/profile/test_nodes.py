import networkx as nx
import numpy as np
import pytest
from needs import needs
from oracles.classic import digraph
from oracles.nets import nets

import cntgraph as cg
from cntgraph.core.errors import CntGraphError, SignedWeightError
from cntgraph.network.node_table import node_rows

NETS = nets()
PLACES = ["layer", "channel", "z", "y", "x"]


@pytest.mark.parametrize("name", NETS)
def test_nodes_of_a_network_are_those_of_its_graph(name):
    found, expected = NETS[name].nodes, cg.build_graph(NETS[name]).nodes
    assert found.equals(expected)
    some = np.random.default_rng(0).permutation(len(found))[:9]
    rows = node_rows(NETS[name].layers, some)
    assert rows.equals(expected.iloc[some].drop(columns="bias"))


def test_node_measures_say_where_nodes_are_and_can_be_exported(tmp_path):
    needs("pyarrow")
    net = NETS["cnn"]
    table = cg.node_measures(net, ["node_strength", "degree"])
    assert table[PLACES].equals(net.nodes[PLACES])
    assert np.array_equal(table["node_strength"], cg.node_strength(net))
    graph = cg.build_graph(net)
    assert graph.to_networkx(measures=table).nodes[3]["degree"] == cg.degree(net)[3]
    for write in (cg.write_gexf, cg.write_graphml, cg.write_csv, cg.write_parquet):
        write(net, tmp_path / write.__name__, measures=table)
    with pytest.raises(CntGraphError, match="'channel'"):
        graph.node_attributes({"channel": table["channel"] + 1})


@pytest.mark.parametrize("name", NETS)
def test_top_nodes_are_those_of_networkx(name):
    graph = digraph(NETS[name])
    strength = {k: d_in + d_out for (k, d_in), (_, d_out) in
                zip(graph.in_degree(weight="weight"), graph.out_degree(weight="weight"),
                    strict=True)}  # fmt: skip
    values = cg.node_strength(NETS[name], transform="absolute", edges="all", bias=False)
    table = cg.top_nodes(NETS[name], values, 5)
    best = sorted(strength.values(), reverse=True)[:5]
    np.testing.assert_allclose(table["value"], best, rtol=1e-5)
    np.testing.assert_allclose([strength[k] for k in table.index], best, rtol=1e-5)


def test_by_magnitude_or_by_value():
    net = NETS["mlp"]
    strength = cg.node_strength(net)
    table = cg.top_nodes(net, "strength", 30)
    assert table.index.tolist() == np.argsort(-np.abs(strength), kind="stable").tolist()
    assert table["strength"].tolist() == strength[table.index].tolist()
    table = cg.top_nodes(net, "in_strength", 4, order="value")
    incoming = cg.node_strength(net, direction="in")
    assert table.index.tolist() == np.argsort(-incoming, kind="stable")[:4].tolist()


def test_a_measure_a_part_of_one_and_a_layer():
    net = NETS["cnn"]
    rank = nx.pagerank(digraph(net), tol=1e-12, max_iter=1000)
    best = max(rank, key=rank.get)
    assert cg.top_nodes(net, "pagerank", 1, sign="absolute").index.tolist() == [best]
    hubs = cg.hits(net, sign="absolute").hubs
    assert cg.top_nodes(net, "hits.hubs", 1, sign="absolute").index[0] == hubs.argmax()
    table = cg.top_nodes(net, "degree", 3, layer="fc")
    assert set(table["layer"]) == {"fc"}
    assert table[PLACES].equals(net.nodes.loc[table.index, PLACES])
    values = np.full(net.n_nodes, np.nan)
    values[[4, 2]] = [-1.0, 1.0]
    assert cg.top_nodes(cg.build_graph(net), values).index.tolist() == [2, 4]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n": -1}, "number of nodes"),
        ({"order": "size"}, "'magnitude' or 'value'"),
        ({"layer": "nowhere"}, "'nowhere'"),
        ({"measure": "hits", "sign": "absolute"}, "hits.hubs"),
        ({"measure": "hits.spokes", "sign": "absolute"}, "hits.hubs"),
        ({"measure": "nothing"}, "'nothing'"),
        ({"measure": [1.0]}, "one value per node"),
        ({"measure": "path_norm"}, "not of nodes"),
    ],
)
def test_what_is_refused(options, message):
    with pytest.raises(CntGraphError, match=message):
        cg.top_nodes(NETS["mlp"], **options)
    with pytest.raises(SignedWeightError):
        cg.top_nodes(NETS["mlp"], "pagerank")
