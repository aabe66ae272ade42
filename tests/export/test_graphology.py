"""JSON for graphology: graphology itself, in Node, reads the same graph back."""

import gzip
import json
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from needs import not_here
from oracles.exported import edges_of, nodes_of, same_weights
from oracles.nets import nets
from oracles.random_graphs import graph_of, graphs, layers_of

import cntgraph as cg
from cntgraph.core.errors import CntGraphError, GraphSizeError, NonFiniteWeightError
from cntgraph.export.colors import NEGATIVE, POSITIVE, ZERO
from cntgraph.export.graphology import write_graphology
from cntgraph.graph.node_positions import node_positions

HERE = Path(__file__).parent.parent / "browser"
NETS = nets() | {"recurrent": cg.toy("recurrent")}
DRAWING = ("x", "y", "z", "size", "color")


@pytest.fixture(scope="module")
def read():
    """What graphology reads of a file; without it these tests are skipped."""
    node = shutil.which("node")
    if not node or not (HERE / "node_modules" / "graphology").exists():
        not_here("graphology", "npm ci --ignore-scripts --prefix tests/browser")
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([node, HERE / "read_graphology.mjs"], **pipes) as process:

        def read(path):
            print(path, file=process.stdin, flush=True)
            # JavaScript has doubles only, and writes whole ones without a point.
            return json.loads(process.stdout.readline(), parse_int=float)

        yield read
        process.stdin.close()


def hexed(color):
    return "#" + bytes(np.asarray(color, dtype=np.uint8)).hex()


def check(found, graph, measures=None):
    """What was read is the graph."""
    assert found["type"] == "directed"
    expected = nodes_of(graph, {"strength": cg.node_strength(graph)} | (measures or {}))
    assert [node["key"] for node in found["nodes"]] == [str(k) for k in range(graph.n_nodes)]
    for node, row in zip(found["nodes"], expected, strict=True):
        # A node without attributes is written without any.
        own = {k: v for k, v in node.get("attributes", {}).items() if k not in DRAWING}
        assert own == {k: v for k, v in row.items() if not isinstance(v, float) or np.isfinite(v)}
    edges = edges_of(graph)
    ends = [(int(edge["source"]), int(edge["target"])) for edge in found["edges"]]
    assert ends == [edge[:2] for edge in edges]
    data = [edge["attributes"] for edge in found["edges"]]
    assert [one["block"] for one in data] == [edge[3] for edge in edges]
    assert same_weights([one["weight"] for one in data], graph)
    for one, (_, _, weight, _) in zip(data, edges, strict=True):
        color = POSITIVE if weight > 0 else NEGATIVE if weight < 0 else ZERO
        assert one["color"] == hexed(color)
    several = len(set(ends)) < len(ends)
    assert found["multi"] == several


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("granularity", ["neuron", "channel"])
def test_networks(name, granularity, tmp_path, read):
    net = NETS[name]
    path = write_graphology(net, tmp_path / "net.json", granularity=granularity)
    check(read(path), cg.build_graph(net, granularity=granularity))


@settings(deadline=None, max_examples=50)
@given(graph=graphs())
def test_any_graph(graph, read):
    with tempfile.TemporaryDirectory() as folder:
        path = write_graphology(graph, Path(folder) / "graph.json")
        check(read(path), graph)


def test_measures_of_every_type(tmp_path, read):
    graph = cg.build_graph(cg.toy("mlp"))
    n = graph.n_nodes
    measures = {"degree": np.arange(n), "large": np.arange(n) + 2**40, "is it": np.arange(n) > 3,
                'a "text"': [f"<{k}\\&>" for k in range(n)], "huge": np.full(n, -np.inf),
                "part": np.where(np.arange(n) % 2, 0.1, np.nan)}  # fmt: skip
    path = write_graphology(graph, tmp_path / "g.json", measures=measures)
    check(read(path), graph, measures)


def test_how_nodes_are_drawn(tmp_path, read):
    graph = cg.build_graph(cg.toy("mlp"))
    path = write_graphology(graph, tmp_path / "g.json", size="strength", color="strength")
    nodes = [node["attributes"] for node in read(path)["nodes"]]
    places = [[node[axis] for axis in "xyz"] for node in nodes]
    np.testing.assert_allclose(places, node_positions(graph), atol=1e-3)
    strength = np.abs(cg.node_strength(graph))
    assert np.argmax([node["size"] for node in nodes]) == np.argmax(strength)
    colors = np.arange(60).reshape(20, 3)
    path = write_graphology(graph, tmp_path / "h.json", positions=None, color=colors)
    nodes = [node["attributes"] for node in read(path)["nodes"]]
    assert [node["color"] for node in nodes] == [hexed(color) for color in colors]
    assert {node["size"] for node in nodes} == {12}
    assert not set("xyz") & set(nodes[0])


def test_names_that_the_drawing_has_taken(tmp_path, read):
    graph = cg.build_graph(cg.toy("mlp"))
    size = np.arange(graph.n_nodes) / 2
    path = write_graphology(graph, tmp_path / "g.json", measures={"size": size})
    nodes = [node["attributes"] for node in read(path)["nodes"]]
    assert [node["node_size"] for node in nodes] == size.tolist()
    assert {node["size"] for node in nodes} == {12}
    with pytest.raises(CntGraphError, match="called 'size' and 'node_size'"):
        write_graphology(graph, tmp_path / "h.json", measures={"size": size, "node_size": size})


def test_compressed_and_summed(tmp_path, read):
    graph = cg.build_graph(cg.toy("residual"))
    packed = write_graphology(graph, tmp_path / "g.json.gz", parallel="sum")
    path = tmp_path / "g.json"
    path.write_bytes(gzip.decompress(packed.read_bytes()))
    edges, found = graph.edge_arrays(parallel="sum"), read(path)
    assert not found["multi"]
    assert [one["attributes"]["weight"] for one in found["edges"]] == edges.weight.tolist()


def test_what_is_refused(tmp_path):
    graph = graph_of(layers_of(["a"], [(2,)]), [(0, 1, np.nan, 0)])
    with pytest.raises(NonFiniteWeightError):
        write_graphology(graph, tmp_path / "g.json")
    with pytest.raises(GraphSizeError):
        write_graphology(cg.toy("mlp"), tmp_path / "g.json", max_edges=10)
    with pytest.raises(CntGraphError, match="expected a Network or Graph, got a list; pass one"):
        write_graphology([cg.toy("mlp")], tmp_path / "g.json")
    assert not list(tmp_path.iterdir())
