"""Attribution graphs of other tools, written here by the descriptions of their formats."""

import json

import numpy as np
import pytest

import cntgraph as cg
from cntgraph.core.errors import CntGraphError, FormatError


def feature(layer, index, position, **more):
    return {"node_id": f"{layer}_{index}_{position}", "feature": index, "layer": str(layer),
            "ctx_idx": position, "feature_type": "cross layer transcoder", "clerp": "",
            "jsNodeId": f"{layer}_{index}-0", **more}  # fmt: skip


def token(index, position):
    return {"node_id": f"E_{index}_{position}", "feature": position, "layer": "E",
            "ctx_idx": position, "feature_type": "embedding", "jsNodeId": f"E_{index}-{position}",
            "clerp": "", "influence": None}  # fmt: skip


LOGIT = {"node_id": "3_42_1", "feature": 42, "layer": "3", "ctx_idx": 1, "feature_type": "logit",
         "token_prob": 0.7, "is_target_logit": True, "jsNodeId": "L_42-1",
         "clerp": 'Output "Austin" (p=0.700)'}  # fmt: skip
ERROR = {"node_id": "0_-1_1", "feature": -1, "layer": "0", "ctx_idx": 1,
         "feature_type": "mlp reconstruction error", "jsNodeId": "0_-1-1", "clerp": ""}  # fmt: skip
LINKS = [("E_7_0", "0_5_0", 2.0), ("E_7_0", "1_9_1", -0.5), ("E_8_1", "1_9_1", 1.0),
         ("0_5_0", "1_9_1", 3.0), ("0_-1_1", "3_42_1", -4.0), ("1_9_1", "3_42_1", 5.0),
         ("0_5_0", "3_42_1", 0.25)]  # fmt: skip


@pytest.fixture
def traced():
    """A file of circuit-tracer, its nodes in no order."""
    nodes = [LOGIT, feature(1, 9, 1, clerp="Texas", activation=8.5, influence=0.6), ERROR,
             token(8, 1), feature(0, 5, 0), token(7, 0)]  # fmt: skip
    links = [{"source": s, "target": t, "weight": w} for s, t, w in LINKS]
    metadata = {"slug": "austin", "scan": "gemma-2-2b", "prompt": "The capital of Texas is",
                "prompt_tokens": ["The", " capital"]}  # fmt: skip
    return {"metadata": metadata, "qParams": {"linkType": "both"}, "nodes": nodes, "links": links}


def written(data, path):
    path.write_text(json.dumps(data))
    return path


@pytest.fixture
def graph(traced, tmp_path):
    return cg.read_attribution_graph(written(traced, tmp_path / "austin.json"))


def test_layers_are_those_of_the_model(graph):
    assert [(x.name, x.kind, x.n_nodes) for x in graph.layers] == [
        ("embedding", "embedding", 2), ("layer 0", "features", 2), ("layer 1", "features", 1),
        ("logits", "logit", 1)]  # fmt: skip
    assert [layer.is_input for layer in graph.layers] == [True, False, False, False]
    assert [layer.is_output for layer in graph.layers] == [False, False, False, True]


def test_edges_run_from_source_to_target(graph):
    ids = {name: k for k, name in enumerate(graph.nodes["node_id"])}
    expected = np.zeros((6, 6))
    for source, target, weight in LINKS:
        expected[ids[source], ids[target]] = weight
    np.testing.assert_array_equal(graph.adjacency.toarray(), expected)
    assert graph.adjacency.has_sorted_indices
    assert graph.n_edges == len(LINKS)


def test_nodes_keep_what_is_known_of_them(graph):
    nodes = graph.nodes.set_index("node_id")
    row = nodes.loc["1_9_1"]
    assert (row["description"], row["feature"], row["position"]) == ("Texas", 9, 1)
    assert (row["feature_activation"], row["influence"]) == (8.5, 0.6)
    assert nodes.loc["3_42_1", "is_target_logit"]
    assert nodes.loc["3_42_1", "token_probability"] == 0.7
    assert np.isnan(nodes.loc["E_7_0", "influence"])
    assert graph.nodes.attrs["metadata"]["prompt"] == "The capital of Texas is"
    assert graph.nodes["position"].tolist() == [0, 1, 0, 1, 1, 1]


def test_measures_reductions_and_exports_work_on_it(graph, tmp_path):
    matrix = graph.adjacency.toarray()
    strength = cg.node_strength(graph)
    np.testing.assert_allclose(strength, matrix.sum(0) + matrix.sum(1))
    assert cg.pagerank(graph, sign="absolute").sum() == pytest.approx(1.0)
    assert len(cg.communities(graph, sign="absolute").partition) == graph.n_nodes
    assert cg.disparity_filter(graph, 0.5, sign="absolute").graph.n_nodes == graph.n_nodes
    kept = cg.threshold_edges(graph, 3.0).graph
    assert sorted(abs(kept.adjacency.data)) == [3.0, 4.0, 5.0]
    few = cg.keep_nodes(graph, graph.nodes["feature_type"] != "mlp reconstruction error")
    assert few.graph.nodes["node_id"].tolist() == ["E_7_0", "E_8_1", "0_5_0", "1_9_1", "3_42_1"]
    g = graph.to_networkx()
    assert g.nodes[4]["description"] == "Texas"
    assert g.edges[2, 4]["weight"] == 3.0
    assert graph.to_igraph().vs["node_id"][5] == "3_42_1"
    cg.write_gexf(graph, tmp_path / "g.gexf")
    cg.write_graphml(graph, tmp_path / "g.graphml")
    cg.write_csv(graph, tmp_path / "csv")
    assert "Texas" in (tmp_path / "g.gexf").read_text()


SCORES = {
    "input->a0.h0<q>": 0.5, "input->a0.h0<v>": -2.0, "input->m0": 1.0, "a0.h0->m0": -1.5,
    "m0->a1.h1<k>": 0.25, "a1.h1->logits": 3.0, "a0.h1->logits": 0.125, "m0->logits": 2.0,
}  # fmt: skip


def test_scores_of_edges(tmp_path):
    graph = cg.read_attribution_graph(written({"edges": SCORES}, tmp_path / "e.json"))
    assert [layer.name for layer in graph.layers] == [
        "input", "attention 0", "mlp 0", "attention 1", "logits"]  # fmt: skip
    assert graph.n_edges == 8
    # Queries and values of one head are two edges between the same nodes.
    assert graph.edge_arrays().n_edges == 7
    edges = graph.edge_arrays(parallel="keep")
    found = {edges.block_names[k] for k in edges.block}
    assert found == {"query", "value", "key", "residual"}
    assert graph.adjacency.sum() == pytest.approx(sum(SCORES.values()))


def test_what_a_file_marks_as_its_circuit(tmp_path):
    edges = {name: {"score": score, "in_graph": abs(score) >= 1} for name, score in SCORES.items()}
    edges["m0->a0.h1<q>"] = {"score": None, "in_graph": False}
    data = {"cfg": {"n_layers": 2}, "nodes": {"input": True, "a0.h1": {"in_graph": False}},
            "edges": edges}  # fmt: skip
    path = written(data, tmp_path / "e.json")
    graph = cg.read_attribution_graph(path, in_circuit=True)
    assert sorted(graph.adjacency.data) == sorted(s for s in SCORES.values() if abs(s) >= 1)
    marks = graph.nodes.set_index("node_id")["in_circuit"]
    assert not marks["a0.h1"]
    assert marks["input"]
    assert graph.nodes.attrs["metadata"] == {"n_layers": 2}
    with pytest.raises(FormatError, match=r"m0->a0.h1<q>.*finite number.*None"):
        cg.read_attribution_graph(path)


# -- what is damaged ------------------------------------------------------------------------------


def without(data, part, k, key=None):
    """Take an entry out of a part of a file, or a field out of an entry."""
    if key is None:
        del data[part][k]
    else:
        del data[part][k][key]


DAMAGE = {
    "no JSON": (lambda d: "{", "expected JSON"),
    "deeply nested": (lambda d: "[" * 100_000, "expected JSON"),
    "a list": (lambda d: [], "expected a JSON object"),
    "another object": (lambda d: {"weights": [1]}, r"expected an attribution graph.*weights"),
    "not a number": (lambda d: d["links"][0].update(weight=float("nan")), "NaN is no number"),
    "a text as weight": (lambda d: d["links"][2].update(weight="1"), r"entry 2 of 'links'.*weight"),
    "a truth value": (lambda d: d["links"][2].update(weight=True), r"entry 2 of 'links'"),
    "too large": (lambda d: d["links"][2].update(weight=10**400), r"entry 2 of 'links'.*finite"),
    "no weight": (lambda d: without(d, "links", 1, "weight"), r"entry 1 of 'links'"),
    "no target": (lambda d: without(d, "links", 1, "target"), r"entry 1 of 'links'"),
    "a link that is none": (lambda d: d["links"].append(7), r"entry 7 of 'links'"),
    "an end that is no node": (lambda d: without(d, "nodes", 0), r"'3_42_1' that is no node"),
    "a node twice": (lambda d: d["nodes"].append(LOGIT), "two nodes are called '3_42_1'"),
    "a node without a name": (lambda d: without(d, "nodes", 1, "node_id"), r"entry 1 of 'nodes'"),
    "a node without a layer": (lambda d: without(d, "nodes", 1, "layer"), r"'layer'"),
    "a field of another type": (lambda d: d["nodes"][1].update(ctx_idx="1"), r"'ctx_idx'"),
    "an edge without an arrow": (lambda d: {"edges": {"m0 m1": 1.0}}, "'m0 m1' is no edge"),
    "a score that is none": (lambda d: {"edges": {"m0->m1": "x"}}, "'m0->m1'.*finite"),
}  # fmt: skip


@pytest.mark.parametrize("kind", DAMAGE)
def test_damaged_files_are_refused_with_what_is_wrong(kind, traced, tmp_path):
    change, message = DAMAGE[kind]
    changed = change(traced)
    data = traced if not isinstance(changed, dict | str) and kind != "a list" else changed
    path = tmp_path / "g.json"
    path.write_text(data if isinstance(data, str) else json.dumps(data))
    with pytest.raises(FormatError, match=message):
        cg.read_attribution_graph(path)


def test_a_missing_file_and_marks_that_are_not_there(traced, tmp_path):
    with pytest.raises(FormatError, match="cannot be read"):
        cg.read_attribution_graph(tmp_path / "none.json")
    with pytest.raises(CntGraphError, match="marks no edges"):
        cg.read_attribution_graph(written(traced, tmp_path / "g.json"), in_circuit=True)


def test_a_graph_without_edges(tmp_path):
    graph = cg.read_attribution_graph(written({"nodes": [LOGIT], "links": []}, tmp_path / "g.json"))
    assert (graph.n_nodes, graph.n_edges) == (1, 0)
    empty = cg.read_attribution_graph(written({"nodes": [], "links": []}, tmp_path / "e.json"))
    assert (empty.n_nodes, empty.n_edges) == (0, 0)
