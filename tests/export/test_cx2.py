"""CX2 of graphs: NDEx, where Cytoscape's networks are shared, reads the same graph back."""

import json
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from ndex2.cx2 import RawCX2NetworkFactory
from oracles.exported import edges_of, nodes_of, same_weights
from oracles.nets import nets
from oracles.random_graphs import graph_of, graphs, layers_of

import cntgraph as cg
from cntgraph.core.errors import CntGraphError, GraphSizeError, NonFiniteWeightError
from cntgraph.export.colors import NEGATIVE, POSITIVE, ZERO
from cntgraph.export.cx2 import write_cx2
from cntgraph.graph.node_positions import node_positions

NETS = nets() | {"recurrent": cg.toy("recurrent")}
DRAWING = ("name", "size", "color")


def read(path):
    return RawCX2NetworkFactory().get_cx2network(str(path))


def hexed(color):
    return "#" + bytes(np.asarray(color, dtype=np.uint8)).hex()


def check_parts(path):
    """The parts of the file are those of the specification, in its order, as many as it says."""
    parts = json.loads(path.read_text(encoding="utf-8"))
    assert parts[0] == {"CXVersion": "2.0", "hasFragments": False}
    assert list(parts[1]) == ["metaData"]
    names = [next(iter(part)) for part in parts]
    assert names[2:] == [one["name"] for one in parts[1]["metaData"]] + ["status"]
    for one, part in zip(parts[1]["metaData"], parts[2:], strict=False):
        assert len(part[one["name"]]) == one["elementCount"]
    assert parts[-1] == {"status": [{"error": "", "success": True}]}
    declared = parts[2]["attributeDeclarations"][0]
    types = {"string": str, "boolean": bool, "integer": int, "long": int, "double": float | int}
    for aspect in ("nodes", "edges"):
        for element in parts[names.index(aspect)][aspect]:
            for name, value in element["v"].items():
                assert isinstance(value, types[declared[aspect][name]["d"]])


def check(path, graph, measures=None):
    check_parts(path)
    found = read(path)
    expected = nodes_of(graph, {"strength": cg.node_strength(graph)} | (measures or {}))
    assert list(found.get_nodes()) == list(range(graph.n_nodes))
    for node, row in zip(found.get_nodes().values(), expected, strict=True):
        own = {k: v for k, v in node["v"].items() if k not in DRAWING}
        label = row.pop("label")
        assert node["v"]["name"] == label
        assert own == {k: v for k, v in row.items() if not isinstance(v, float) or np.isfinite(v)}
    edges, read_back = edges_of(graph), list(found.get_edges().values())
    assert [edge["id"] for edge in read_back] == list(range(graph.n_edges))
    assert [(edge["s"], edge["t"]) for edge in read_back] == [edge[:2] for edge in edges]
    assert [edge["v"]["block"] for edge in read_back] == [edge[3] for edge in edges]
    assert same_weights([edge["v"]["weight"] for edge in read_back], graph)
    for edge, (_, _, weight, _) in zip(read_back, edges, strict=True):
        color = POSITIVE if weight > 0 else NEGATIVE if weight < 0 else ZERO
        assert edge["v"]["color"] == hexed(color)


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("granularity", ["neuron", "channel"])
def test_networks(name, granularity, tmp_path):
    net = NETS[name]
    path = write_cx2(net, tmp_path / "net.cx2", granularity=granularity)
    check(path, cg.build_graph(net, granularity=granularity))


@settings(deadline=None, max_examples=50)
@given(graph=graphs())
def test_any_graph(graph):
    with tempfile.TemporaryDirectory() as folder:
        check(write_cx2(graph, Path(folder) / "graph.cx2"), graph)


def test_measures_of_every_type(tmp_path):
    graph = cg.build_graph(cg.toy("mlp"))
    n = graph.n_nodes
    measures = {"degree": np.arange(n), "large": np.arange(n) + 2**40, "is it": np.arange(n) > 3,
                'a "text"': [f"<{k}\\&>" for k in range(n)], "huge": np.full(n, -np.inf),
                "part": np.where(np.arange(n) % 2, 0.1, np.nan)}  # fmt: skip
    check(write_cx2(graph, tmp_path / "g.cx2", measures=measures), graph, measures)


def test_how_it_is_drawn(tmp_path):
    graph = cg.build_graph(cg.toy("mlp"))
    found = read(write_cx2(graph, tmp_path / "g.cx2", size="strength"))
    nodes = found.get_nodes().values()
    places = np.array([[node[axis] for axis in "xyz"] for node in nodes])
    # Down is where y is larger.
    np.testing.assert_allclose(places * (1, -1, 1), node_positions(graph), atol=1e-3)
    strength = np.abs(cg.node_strength(graph))
    assert np.argmax([node["v"]["size"] for node in nodes]) == np.argmax(strength)
    style = found.get_visual_properties()
    mapped = {name: own["definition"]["attribute"] for name, own in style["nodeMapping"].items()}
    assert mapped == {"NODE_BACKGROUND_COLOR": "color", "NODE_WIDTH": "size",
                      "NODE_HEIGHT": "size", "NODE_LABEL": "name"}  # fmt: skip
    colors = np.arange(60).reshape(20, 3)
    found = read(write_cx2(graph, tmp_path / "h.cx2", positions=None, color=colors))
    nodes = found.get_nodes().values()
    assert [node["v"]["color"] for node in nodes] == [hexed(color) for color in colors]
    assert {node["x"] for node in nodes} == {None}


def test_names_that_are_taken(tmp_path):
    graph = cg.build_graph(cg.toy("mlp"))
    values = np.arange(graph.n_nodes) / 2
    taken = ("name", "represents", "alias", "id", "size", "color")
    path = write_cx2(graph, tmp_path / "g.cx2", measures=dict.fromkeys(taken, values))
    check_parts(path)
    nodes = [node["v"] for node in read(path).get_nodes().values()]
    for name in taken:
        assert [node[f"node_{name}"] for node in nodes] == values.tolist()
    assert nodes[7]["name"] == "fc1[1]"


def test_parallel_edges_are_added_up(tmp_path):
    graph = cg.build_graph(cg.toy("residual"))
    found = read(write_cx2(graph, tmp_path / "g.cx2", parallel="sum")).get_edges().values()
    edges = graph.edge_arrays(parallel="sum")
    assert [edge["v"]["weight"] for edge in found] == edges.weight.tolist()


def test_what_is_refused(tmp_path):
    graph = graph_of(layers_of(["a"], [(2,)]), [(0, 1, np.nan, 0)])
    with pytest.raises(NonFiniteWeightError):
        write_cx2(graph, tmp_path / "g.cx2")
    with pytest.raises(GraphSizeError):
        write_cx2(cg.toy("mlp"), tmp_path / "g.cx2", max_edges=10)
    with pytest.raises(CntGraphError, match="expected a Network or Graph, got a list; pass one"):
        write_cx2([cg.toy("mlp")], tmp_path / "g.cx2")
    assert not list(tmp_path.iterdir())
