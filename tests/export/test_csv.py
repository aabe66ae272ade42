"""CSV tables of graphs: pandas and the csv module read the same tables back."""

import csv
import tempfile

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from oracles.exported import edges_of, nodes_of, same_weights
from oracles.nets import nets
from oracles.random_graphs import graph_of, graphs, layers_of

import cntgraph as cg
from cntgraph.core.errors import CntGraphError, GraphSizeError, NonFiniteWeightError
from cntgraph.export.csv import write_csv

NETS = nets() | {"recurrent": cg.toy("recurrent")}
TEXTS = {"keep_default_na": False}  # empty texts stay texts


@pytest.mark.parametrize("name", NETS)
def test_pandas_reads_the_same_tables(name, tmp_path):
    graph = cg.build_graph(NETS[name])
    tables = write_csv(graph, tmp_path / "new" / "folder")
    assert tables == (tmp_path / "new/folder/nodes.csv", tmp_path / "new/folder/edges.csv")
    nodes = pd.read_csv(tables.nodes, **TEXTS)
    expected = pd.DataFrame(nodes_of(graph, {"strength": cg.node_strength(graph)}))
    assert nodes.pop("Id").tolist() == list(range(graph.n_nodes))
    nodes = nodes.rename(columns={"Label": "label"})
    pd.testing.assert_frame_equal(nodes, expected, check_exact=True)
    edges = pd.read_csv(tables.edges, dtype={"Weight": graph.adjacency.dtype}, **TEXTS)
    assert edges.columns.tolist() == ["Source", "Target", "Type", "Id", "Weight", "block"]
    assert set(edges["Type"]) == {"Directed"}
    rows = edges_of(graph)
    assert list(zip(edges["Source"], edges["Target"], strict=True)) == [row[:2] for row in rows]
    assert edges["block"].tolist() == [row[3] for row in rows]
    assert edges["Id"].tolist() == list(range(graph.n_edges))
    assert same_weights(edges["Weight"], graph)


@settings(deadline=None, max_examples=100)
@given(graph=graphs())
def test_any_graph(graph):
    with tempfile.TemporaryDirectory() as folder:
        tables = write_csv(graph, folder)
        nodes, edges = (_rows(path) for path in tables)
    expected = nodes_of(graph, {"strength": cg.node_strength(graph)})
    assert [row["Label"] for row in nodes] == [row["label"] for row in expected]
    assert [row["layer"] for row in nodes] == [row["layer"] for row in expected]
    assert [float(row["bias"]) for row in nodes] == graph.bias.tolist()
    assert [row["block"] for row in edges] == [row[3] for row in edges_of(graph)]
    assert same_weights([row["Weight"] for row in edges], graph)


def _rows(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_missing_values_are_empty_cells(tmp_path):
    n = 20
    measures = {"share, of it": np.where(np.arange(n) % 2, 0.1, np.nan), "on": np.arange(n) > 3,
                "text": ['a "b", c\nd'] * n}  # fmt: skip
    nodes = pd.read_csv(write_csv(cg.toy("mlp"), tmp_path, measures=measures).nodes)
    assert nodes["share, of it"].isna().tolist() == [k % 2 == 0 for k in range(n)]
    assert nodes["on"].dtype == bool
    assert set(nodes["text"]) == {'a "b", c\nd'}


def test_a_name_gives_two_files(tmp_path):
    tables = write_csv(cg.toy("mlp"), tmp_path / "net.csv")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net_edges.csv", "net_nodes.csv"]
    packed = write_csv(cg.toy("mlp"), tmp_path / "net.csv.gz")
    assert packed.nodes.name == "net_nodes.csv.gz"
    for plain, small in zip(tables, packed, strict=True):
        pd.testing.assert_frame_equal(pd.read_csv(plain), pd.read_csv(small))


def test_channels_and_sums(tmp_path):
    graph = cg.build_graph(cg.toy("residual"))
    edges = pd.read_csv(write_csv(graph, tmp_path, parallel="sum").edges, **TEXTS)
    assert edges["Weight"].tolist() == graph.edge_arrays(parallel="sum").weight.tolist()
    coarse = pd.read_csv(write_csv(cg.toy("cnn"), tmp_path / "coarse", granularity="channel").nodes)
    assert len(coarse) == cg.build_graph(cg.toy("cnn"), granularity="channel").n_nodes


def test_what_is_refused(tmp_path):
    graph = graph_of(layers_of(["a"], [(2,)]), [(0, 1, np.inf, 0)])
    with pytest.raises(NonFiniteWeightError):
        write_csv(graph, tmp_path, overwrite=True)
    with pytest.raises(GraphSizeError):
        write_csv(cg.toy("mlp"), tmp_path, overwrite=True, max_edges=10)
    assert not list(tmp_path.iterdir())
    (tmp_path / "file").write_text("")
    with pytest.raises(CntGraphError, match=r"folder .* cannot be made"):
        write_csv(cg.toy("mlp"), tmp_path / "file")
