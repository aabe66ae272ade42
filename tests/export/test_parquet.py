"""Parquet tables read back by pyarrow and pandas are the graph."""

import numpy as np
import pandas as pd
import pyarrow.dataset
import pytest
from scipy.sparse import coo_array

import cntgraph as cg
from cntgraph.core.errors import CntGraphError
from cntgraph.export import parquet


def written(tables):
    return pd.read_parquet(tables.nodes), pd.read_parquet(tables.edges)


@pytest.mark.parametrize("name", ["mlp", "cnn", "residual", "recurrent"])
def test_tables_are_the_graph(name, tmp_path):
    net = cg.toy(name)
    graph = cg.build_graph(net)
    for k, source in enumerate((net, graph)):
        nodes, edges = written(cg.write_parquet(source, tmp_path / str(k), chunk_edges=50))
        n = graph.n_nodes
        places = (edges["source"], edges["target"])
        found = coo_array((edges["weight"].astype(float), places), shape=(n, n)).tocsr()
        np.testing.assert_array_equal(found.toarray(), graph.to_scipy().toarray())
        assert edges.groupby("block", observed=True).size().to_dict() == {
            block.name: block.n_edges for block in net.blocks
        }
        assert nodes["node"].tolist() == list(range(n))
        attributes = graph.node_attributes({"strength": cg.node_strength(net)})
        for column, values in attributes.items():
            if values.dtype.kind == "f":
                np.testing.assert_allclose(nodes[column], values, rtol=1e-12)
            else:
                assert nodes[column].tolist() == values.tolist()


def test_names_of_blocks_survive_the_file_system(tmp_path):
    net = cg.toy("mlp")
    blocks = tuple(
        type(b)(**{**vars(b), "name": f"a/b=%2F {k}é"}) for k, b in enumerate(net.blocks)
    )
    odd = type(net)(**{**vars(net), "blocks": blocks})
    tables = cg.write_parquet(odd, tmp_path / "odd")
    dataset = pyarrow.dataset.dataset(tables.edges, partitioning="hive")
    assert set(dataset.to_table()["block"].to_pylist()) == {b.name for b in blocks}


def test_few_files_are_open_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(parquet, "_OPEN", 1)
    graph = cg.build_graph(cg.toy("residual"))
    tables = cg.write_parquet(graph, tmp_path / "graph", chunk_edges=7)
    _, edges = written(tables)
    assert len(edges) == graph.n_edges
    assert len(list(tables.edges.rglob("part-*.parquet"))) > len(graph.block_names)


def test_measures_and_granularity(tmp_path):
    net = cg.coarsen(cg.toy("cnn"), "channel")
    ranks = np.arange(net.n_nodes) / 7
    nodes, edges = written(
        cg.write_parquet(
            cg.toy("cnn"), tmp_path / "g", granularity="channel", measures={"rank": ranks}
        )
    )
    assert nodes["rank"].tolist() == ranks.tolist()
    assert len(edges) == net.n_edges


def test_only_learned_edges(tmp_path):
    _, edges = written(cg.write_parquet(cg.toy("cnn"), tmp_path / "g", edges="parametric"))
    assert set(edges["block"]) == {"conv1", "fc"}


def test_what_is_there_stays_unless_it_is_to_be_replaced(tmp_path):
    net, folder = cg.toy("mlp"), tmp_path / "graph"
    cg.write_parquet(net, folder)
    with pytest.raises(CntGraphError, match="overwrite=True"):
        cg.write_parquet(net, folder)
    tables = cg.write_parquet(cg.toy("cnn"), folder, overwrite=True)
    assert len(pd.read_parquet(tables.edges)) == cg.toy("cnn").n_edges
    assert [path.name for path in tmp_path.iterdir()] == ["graph"]
    (folder / "thesis.tex").write_text("years of work")
    with pytest.raises(CntGraphError, match="holds more than tables"):
        cg.write_parquet(net, folder, overwrite=True)
    (tmp_path / "file").write_text("")
    with pytest.raises(CntGraphError, match="is a file"):
        cg.write_parquet(net, tmp_path / "file", overwrite=True)


def test_nothing_is_left_of_a_run_that_fails(tmp_path):
    with pytest.raises(CntGraphError, match="one value per node"):
        cg.write_parquet(cg.toy("mlp"), tmp_path / "g", measures={"rank": np.zeros(3)})
    with pytest.raises(CntGraphError, match="an attribute of that name"):
        cg.write_parquet(cg.toy("mlp"), tmp_path / "g", measures={"kind": np.zeros(20)})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        ("net.h5", {}, "expected a Network or Graph, got the path"),
        (cg.build_graph(cg.toy("mlp")), {"granularity": "layer"}, "unrolled already"),
    ],
)
def test_what_is_no_network(source, options, message, tmp_path):
    with pytest.raises(CntGraphError, match=message):
        cg.write_parquet(source, tmp_path / "g", **options)
