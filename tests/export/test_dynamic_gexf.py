"""Snapshots as a dynamic GEXF: valid, with every weight and strength at its time."""

import numpy as np
import pytest
from oracles.exported import Gexf, edges_of, nodes_of
from oracles.nets import random_net

import cntgraph as cg
from cntgraph.core.errors import CntGraphError, GraphSizeError, NonFiniteWeightError
from cntgraph.export.colors import NEGATIVE, POSITIVE, ZERO
from cntgraph.export.gexf import write_gexf
from cntgraph.export.times import snapshot_times

STILL = ("label", "layer", "layer_index", "kind", "activation", "channel", "pixel_z", "pixel_y",
         "pixel_x")  # fmt: skip


@pytest.fixture(scope="module")
def trajectory():
    with cg.open(cg.demo_file("training")) as opened:
        yield opened


def moments(net, n, scale=0.5):
    """The same network with other weights, n times."""
    found = []
    for k in range(n):
        factor = np.float32(1 - k * scale)
        parameters = {
            name: cg.Parameter.from_array(name, (value.read() * factor).astype(np.float32))
            for name, value in net.parameters.items()
        }
        found.append(net.bind(parameters, {"step": 10 * k, "loss": 1.0 / (k + 1)}))
    return found


def check(path, graphs, times, *, drawn=-1):
    """A file says exactly what the graphs of all snapshots are."""
    read = Gexf(path)
    assert (read.graph.get("mode"), read.graph.get("timerepresentation")) == (
        "dynamic",
        "timestamp",
    )
    strengths = [cg.measures.strength.node_strengths(graph) for graph in graphs]
    changing = {
        "in_strength": np.array([s.incoming for s in strengths]),
        "out_strength": np.array([s.outgoing for s in strengths]),
        "strength": np.array([s.incoming + s.outgoing for s in strengths]),
        "bias": np.array([graph.bias for graph in graphs]),
    }
    expected = nodes_of(graphs[0])
    assert len(read.nodes) == len(expected)
    for k, node in enumerate(read.nodes):
        still = {"label": node["label"]} | node["values"]
        assert still == {name: expected[k][name] for name in STILL}
        for name, values in changing.items():
            assert node["times"][name] == list(zip(times, values[:, k].tolist(), strict=True))
    edges = edges_of(graphs[drawn])
    ends = [(int(e["source"]), int(e["target"]), e["values"]["block"]) for e in read.edges]
    assert ends == [(s, t, b) for s, t, _, b in edges]
    assert not any("weight" in edge for edge in read.edges)  # it would be a second one
    data = np.array([graph.adjacency.data for graph in graphs])
    for k, edge in enumerate(read.edges):
        assert [time for time, _ in edge["times"]["weight"]] == times
        weights = np.array([weight for _, weight in edge["times"]["weight"]])
        assert weights.astype(data.dtype).tobytes() == data[:, k].tobytes()
        sign = np.sign(data[drawn, k])
        assert tuple(edge["color"].values()) == {1: POSITIVE, -1: NEGATIVE, 0: ZERO}[int(sign)]


def test_the_training(trajectory, tmp_path, valid_gexf):
    path = write_gexf(
        trajectory, tmp_path / "training.gexf", granularity="channel", aggregation="l2"
    )
    valid_gexf(path)
    graphs = [cg.build_graph(net, granularity="channel", aggregation="l2") for net in trajectory]
    check(path, graphs, [str(step) for step in trajectory.labels["step"]])
    weights = [[w for _, w in edge["times"]["weight"]] for edge in Gexf(path).edges
               if not edge["values"]["block"].startswith("pool")]  # fmt: skip
    assert all(len(set(one)) > 5 for one in weights)  # they change, at dead units a few times only


def test_neurons_of_a_part_of_the_training(trajectory, tmp_path, valid_gexf):
    part = trajectory[::5]
    path = write_gexf(part, tmp_path / "t.gexf", layers=["pool2", "fc1", "fc2"], time="epoch")
    valid_gexf(path)
    graphs = [cg.build_graph(net, layers=["pool2", "fc1", "fc2"]) for net in part]
    check(path, graphs, [repr(float(epoch)) for epoch in part.labels["epoch"]])
    assert Gexf(path).graph.get("timeformat") == "double"


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("drawn", [-1, 0, 1])
def test_random_networks(seed, drawn, tmp_path, valid_gexf):
    snapshots = moments(random_net(seed), 4)
    path = write_gexf(snapshots, tmp_path / "t.gexf", drawn=drawn, time="index")
    valid_gexf(path)
    check(path, [cg.build_graph(net) for net in snapshots], list("0123"), drawn=drawn)


def test_an_edge_stays_that_reaches_the_threshold_in_any_snapshot(trajectory, tmp_path):
    graphs = [cg.build_graph(net) for net in trajectory[::5]]
    kept = np.any([np.abs(graph.adjacency.data) >= 1.0 for graph in graphs], axis=0)
    assert 0 < kept.sum() < kept.size
    path = write_gexf(trajectory[::5], tmp_path / "t.gexf", threshold=1.0, max_edges=kept.sum())
    check(path, [graph.keep_edges(kept) for graph in graphs], ["0", "100", "400", "900"])
    with pytest.raises(GraphSizeError):
        write_gexf(trajectory[::5], tmp_path / "u.gexf", threshold=1.0, max_edges=kept.sum() - 1)


def test_parallel_edges_are_added_up_at_each_time(tmp_path):
    snapshots = moments(cg.toy("residual"), 3)
    graphs = [cg.build_graph(net) for net in snapshots]
    check(write_gexf(snapshots, tmp_path / "keep.gexf"), graphs, ["0", "10", "20"])
    read = Gexf(write_gexf(snapshots, tmp_path / "sum.gexf", parallel="sum"))
    for k, graph in enumerate(graphs):
        weights = [edge["times"]["weight"][k][1] for edge in read.edges]
        assert weights == graph.edge_arrays(parallel="sum").weight.tolist()


def test_what_changes_is_the_same_from_disk(trajectory, tmp_path, monkeypatch):
    before = write_gexf(trajectory[::3], tmp_path / "a.gexf", granularity="channel").read_text()
    monkeypatch.setattr("cntgraph.export.frames.IN_MEMORY", 0)
    monkeypatch.setattr("cntgraph.export.dynamic_gexf.VALUES", 100)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    path = write_gexf(trajectory[::3], tmp_path / "b.gexf", granularity="channel")
    assert path.read_text() == before
    assert {one.name for one in tmp_path.iterdir()} == {"a.gexf", "b.gexf"}


def test_measures_that_change_and_that_do_not(tmp_path, valid_gexf):
    snapshots = moments(cg.toy("mlp"), 3)
    n = snapshots[0].n_nodes
    rank = np.arange(3 * n, dtype=float).reshape(3, n)
    rank[1, 2] = np.nan
    path = write_gexf(snapshots, tmp_path / "t.gexf", size="rank", color="strength",
                      measures={"rank": rank, "place": np.arange(n)})  # fmt: skip
    valid_gexf(path)
    read = Gexf(path)
    assert [node["values"]["place"] for node in read.nodes] == list(range(n))
    assert read.nodes[3]["times"]["rank"] == [("0", 3.0), ("10", n + 3.0), ("20", 2 * n + 3.0)]
    assert [time for time, _ in read.nodes[2]["times"]["rank"]] == ["0", "20"]
    sizes = [node["size"]["value"] for node in read.nodes]
    assert sizes == sorted(sizes)  # of the last snapshot
    wrong = r"shape \(3, 20\), one row per snapshot; got .* \(2, 20\)"
    with pytest.raises(CntGraphError, match=wrong):
        write_gexf(snapshots, path, measures={"rank": rank[:2]}, overwrite=True)


def test_weights_that_are_not_finite_are_refused(tmp_path):
    snapshots = moments(cg.toy("mlp"), 2)
    bad = {name: cg.Parameter.from_array(name, np.full(p.shape, np.nan, np.float32))
           for name, p in snapshots[0].parameters.items()}  # fmt: skip
    broken = snapshots[0].bind(bad, {"step": 99})
    with pytest.raises(NonFiniteWeightError, match=r"fc1, fc2, fc3 \(snapshot 1\)"):
        write_gexf([snapshots[0], broken], tmp_path / "t.gexf")
    assert not list(tmp_path.iterdir())


def test_too_many_snapshots_say_how_to_thin_them(tmp_path):
    snapshots = moments(cg.toy("mlp"), 60, 0.01)
    with pytest.raises(GraphSizeError, match=r"trajectory\[::3\]"):
        write_gexf(snapshots, tmp_path / "t.gexf", max_edges=88)
    write_gexf(snapshots[::3], tmp_path / "t.gexf", max_edges=88)


def test_what_is_no_trajectory(tmp_path):
    path = tmp_path / "t.gexf"
    net = cg.toy("mlp")
    doubles = {name: cg.Parameter.from_array(name, value.read().astype(np.float64))
               for name, value in net.parameters.items()}  # fmt: skip
    wide = net.bind(doubles, {})
    with pytest.raises(CntGraphError, match="at least one snapshot"):
        write_gexf([], path)
    with pytest.raises(CntGraphError, match="each a Network or a Graph; got int"):
        write_gexf([1], path)
    with pytest.raises(CntGraphError, match="number 1 has other layers, edges"):
        write_gexf([cg.toy("mlp"), cg.toy("cnn")], path)
    with pytest.raises(CntGraphError, match="or types of weights"):
        write_gexf([cg.toy("mlp"), wide], path)
    with pytest.raises(CntGraphError, match="drawn as one of 1 snapshots, got 1"):
        write_gexf([cg.toy("mlp")], path, drawn=1)
    assert not path.exists()


def test_measures_alone_are_no_weights(tmp_path):
    import torch

    model = torch.nn.Linear(3, 2)
    with cg.Recorder(tmp_path / "run.h5", model, torch.zeros(1, 3), store="measures") as record:
        record(step=0)
    with (
        cg.open(tmp_path / "run.h5") as opened,
        pytest.raises(CntGraphError, match="measures alone"),
    ):
        write_gexf(opened, tmp_path / "t.gexf")


def test_times():
    assert snapshot_times([{"step": 1}, {"step": 3}]).texts == ["1", "3"]
    assert snapshot_times([{"step": 1}, {"step": 1}]).texts == ["0", "1"]
    assert snapshot_times([{}, {"step": 1}]).texts == ["0", "1"]
    assert snapshot_times([{"step": np.int64(1)}]) == ("integer", ["1"])
    assert snapshot_times([{"t": np.float32(0.5)}, {"t": 2}], "t") == ("double", ["0.5", "2.0"])
    for values in ([2, 1], [1, np.nan], ["a", "b"], [True, False], [1, None]):
        with pytest.raises(CntGraphError, match=r"'t' is .*Pass 'index', or another of epoch, t"):
            snapshot_times([{"t": value, "epoch": 0} for value in values], "t")
