"""The commands export and profile."""

import gzip
import io
import json

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from needs import needs
from oracles.commands import fails, run

import cntgraph as cg


@pytest.fixture
def model(tmp_path):
    cg.save(cg.toy("cnn"), tmp_path / "cnn.h5")
    return tmp_path / "cnn.h5"


@pytest.fixture
def positive(tmp_path):
    np.savez(
        tmp_path / "positive.npz", **{"a.weight": np.ones((4, 3)), "b.weight": np.ones((2, 4))}
    )
    return tmp_path / "positive.npz"


class TestExport:
    def test_gexf(self, model, tmp_path):
        out = tmp_path / "out.gexf"
        assert run("export", model, "-o", out).stdout.strip() == str(out)
        graph = cg.build_graph(cg.toy("cnn"))
        found = nx.read_gexf(out, node_type=int)
        assert found.number_of_nodes() == graph.n_nodes
        assert nx.to_scipy_sparse_array(found, nodelist=range(graph.n_nodes)).sum() == (
            pytest.approx(graph.adjacency.sum())
        )

    def test_graphml_packed(self, model, tmp_path):
        out = tmp_path / "out.graphml.gz"
        run("export", model, "-o", out)
        with gzip.open(out) as file:
            assert nx.read_graphml(file).number_of_edges() == 638

    @pytest.mark.parametrize("name", ["out.json", "out.cx2"])
    def test_json_of_graphology_and_cytoscape(self, name, model, tmp_path):
        out = tmp_path / name
        run("export", model, "-o", out, "--measure", "degree", "--size", "degree")
        parts = json.loads(out.read_text())
        found = {k: v for part in parts for k, v in part.items()} if name[-3:] == "cx2" else parts
        assert len(found["nodes"]) == 129
        assert len(found["edges"]) == 638
        own = found["nodes"][-1].get("v") or found["nodes"][-1]["attributes"]
        assert own["degree"] == cg.degree(cg.toy("cnn"))[-1]

    def test_csv_tells_both_files(self, model, tmp_path):
        written = run("export", model, "-o", tmp_path / "out.csv", "--size", "strength").stdout
        nodes, edges = written.split()
        assert len(pd.read_csv(nodes)) == 129
        assert len(pd.read_csv(edges)) == 638

    def test_measures_of_nodes_are_attributes(self, model, tmp_path):
        out = tmp_path / "out.csv"
        run("export", model, "-o", out, "--measure", "pagerank", "--measure", "communities",
            "--sign", "absolute")  # fmt: skip
        nodes = pd.read_csv(tmp_path / "out_nodes.csv")
        expected = cg.pagerank(cg.toy("cnn"), sign="absolute")
        np.testing.assert_allclose(nodes["pagerank"], expected, rtol=1e-15)
        assert "communities.partition" in nodes.columns

    def test_measures_of_some_layers_are_those_of_the_whole(self, model, tmp_path):
        run("export", model, "-o", tmp_path / "out.csv", "--measure", "degree",
            "--layer", "pool", "--layer", "fc")  # fmt: skip
        nodes = pd.read_csv(tmp_path / "out_nodes.csv")
        net = cg.toy("cnn")
        expected = net.split(cg.degree(net))
        assert nodes["degree"].tolist() == [*expected["pool"].ravel(), *expected["fc"].ravel()]

    def test_coarse(self, model, tmp_path):
        run("export", model, "-o", tmp_path / "out.csv", "--granularity", "channel",
            "--aggregation", "l2", "--measure", "degree")  # fmt: skip
        edges = pd.read_csv(tmp_path / "out_edges.csv")
        graph = cg.build_graph(cg.toy("cnn"), granularity="channel", aggregation="l2")
        np.testing.assert_allclose(edges["Weight"], graph.adjacency.data, rtol=1e-7)

    def test_says_what_is_kept_of_the_edges(self, model, tmp_path):
        said = run("export", model, "-o", tmp_path / "out.csv", "--backbone", "disparity",
                   "--sign", "absolute", "--top", "1").stderr.splitlines()  # fmt: skip
        graph = cg.build_graph(cg.toy("cnn"))
        first = cg.disparity_filter(graph, sign="absolute")
        second = cg.keep_top_edges(first.graph, 1, within="source")
        assert said == [repr(first).strip("<>"), repr(second).strip("<>")]
        assert len(pd.read_csv(tmp_path / "out_edges.csv")) == second.graph.n_edges

    def test_parquet_takes_any_number_of_edges(self, model, tmp_path):
        needs("pyarrow")
        out = tmp_path / "out.parquet"
        run("export", model, "-o", out, "--max-edges", "5", "--measure", "degree")
        assert len(pd.read_parquet(out / "edges")) == cg.toy("cnn").n_edges
        degrees = pd.read_parquet(out / "nodes.parquet")["degree"]
        assert degrees.tolist() == cg.degree(cg.toy("cnn")).tolist()
        run("export", model, "-o", out, "--layer", "pool", "--layer", "fc", "--overwrite")
        assert set(pd.read_parquet(out / "edges")["block"]) == {"fc"}
        assert "pass overwrite=True" in fails("export", model, "-o", out)

    def test_noise_corrected(self, positive, tmp_path):
        said = run("export", positive, "-o", tmp_path / "o.csv", "--backbone", "noise-corrected")
        assert "of 20 edges" in said.stderr

    def test_snapshots_are_a_dynamic_graph(self, tmp_path):
        out = tmp_path / "out.gexf"
        run("export", cg.demo_file("training"), "-o", out, "--snapshots", "--granularity", "layer")
        assert 'mode="dynamic"' in out.read_text()[:2000]

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (["-o", "out.dot"], "ends in .gexf, .graphml, .cx2, .json or .csv"),
            (["-o", "out.gexf", "--max-edges", "5"], "granularity='channel'"),
            (["-o", "out.gexf", "--backbone", "disparity"], "pass sign='absolute'"),
            (["-o", "out.gexf", "--measure", "pagerank"], "pass sign='absolute'"),
            (["-o", "out.gexf", "--measure", "rich_club"], "is a measure of the network"),
            (["-o", "out.gexf", "--measure", "fame"], "no measure is called 'fame'"),
            (["-o", "out.gexf", "--layer", "conv9"], "no layer is called 'conv9'"),
            (["-o", "out.gexf", "--snapshots", "--top", "2"], "does not go with --top"),
            (["-o", "out.csv", "--snapshots"], "--snapshots writes .gexf"),
        ],
    )
    def test_what_cannot_be(self, model, options, message, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        assert message in fails("export", model, *options)
        assert not list(tmp_path.glob("out*"))


class TestProfile:
    def test_every_measure_has_a_row(self, model):
        rows = json.loads(run("profile", model, "--sign", "absolute", "-f", "json").stdout)
        status = {row["measure"]: row["status"] for row in rows}
        assert {"node_strength", "pagerank", "betweenness", "motifs"} <= status.keys()
        assert status["clustering"] == "undefined"
        assert set(status.values()) == {"measured", "undefined"}

    def test_without_a_sign_measures_say_that_they_need_it(self, model):
        text = run("profile", model, "-f", "csv").stdout
        status = pd.read_csv(io.StringIO(text)).set_index("measure")["status"]
        assert status["pagerank"] == "needs sign"
        assert status["betweenness"] == "measured"

    def test_for_people(self, model):
        text = run("profile", model, "--measure", "degree", "--measure", "clustering").stdout
        assert "129 nodes" in text
        assert "clustering counts triangles, and there are none" in text
        assert "bipartite_clustering" not in text  # the long reason is in files

    def test_options_are_handed_on(self, model, tmp_path):
        out = tmp_path / "profile.csv"
        run("profile", model, "--granularity", "channel", "--max-edges", "5", "--measure",
            "closeness", "--measure", "degree", "-o", out)  # fmt: skip
        table = pd.read_csv(out).set_index("measure")
        assert table.loc["closeness", "status"] == "too large"
        assert table.loc["degree", "n"] == 8
        row = json.loads(
            run("profile", model, "--budget", "0", "--measure", "degree", "-f", "json").stdout
        )[0]
        assert row["status"] == "too large"
        assert "budget=0" in row["reason"]
