"""A trajectory is a list of networks, and its tables are those of its networks."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from oracles.nets import random_net

import cntgraph as cg
from cntgraph.core.errors import FormatError, NoCopiesError
from cntgraph.core.parameter import Parameter
from cntgraph.store.stacked_snapshots import are_stackable


def moments(n=5, **labels):
    """A network at n moments, with other values at each."""
    net, rng = random_net(1), np.random.default_rng(0)
    for k in range(n):
        parameters = {
            name: Parameter.from_array(name, rng.normal(size=p.shape).astype(p.dtype))
            for name, p in net.parameters.items()
        }
        yield net.bind(parameters, {"step": 10 * k, "epoch": k / 2, **labels})


@pytest.fixture
def path(tmp_path):
    cg.save(moments(), tmp_path / "run.h5")
    return tmp_path / "run.h5"


@pytest.fixture
def trajectory(path):
    with cg.open(path) as opened:
        yield opened


def test_a_list_of_networks(trajectory):
    expected = [cg.node_strength(net) for net in moments()]
    assert len(trajectory) == 5
    by_number = [trajectory[k] for k in range(5)]
    from_the_end = [trajectory[k] for k in range(-5, 0)]
    for nets in (list(trajectory), by_number, from_the_end, list(reversed(trajectory))[::-1]):
        for net, values in zip(nets, expected, strict=True):
            np.testing.assert_array_equal(cg.node_strength(net), values)
    for outside in (5, -6):
        with pytest.raises(IndexError):
            trajectory[outside]


def test_snapshots_share_one_topology(trajectory):
    first, last = trajectory[0], trajectory[-1]
    assert first.layers is last.layers
    assert first.blocks[-1].source is last.blocks[-1].source


@pytest.mark.parametrize(
    "part", [slice(1, 4), slice(None, None, 2), slice(None, None, -1), slice(3, 1), slice(-2, 99)]
)
def test_slices(trajectory, part):
    steps = list(range(0, 50, 10))[part]
    found = trajectory[part]
    assert isinstance(found, cg.Trajectory)
    assert [net.labels["step"] for net in found] == steps
    assert len(found) == len(steps)
    if steps:
        assert found.labels["step"].tolist() == steps
        assert found[1:][-1:].labels["step"].tolist() == steps[1:][-1:]


def test_labels(trajectory):
    labels = trajectory.labels
    assert labels.index.name == "snapshot"
    assert labels.index.tolist() == list(range(5))
    assert set(labels.columns) == {"step", "epoch"}
    assert labels["step"].dtype == np.int64
    assert labels["epoch"].tolist() == [0, 0.5, 1, 1.5, 2]


def test_labels_that_some_snapshots_lack(tmp_path):
    nets = [replace(net, labels=labels) for net, labels in
            zip(moments(3), ({"a": 1}, {"b": True}, {}), strict=True)]  # fmt: skip
    cg.save(nets, tmp_path / "run.h5")
    labels = cg.open(tmp_path / "run.h5").labels
    assert labels["a"].isna().tolist() == [False, True, True]
    assert labels["b"].isna().tolist() == [True, False, True]
    assert cg.open(tmp_path / "run.h5").analyze()["snapshot"].nunique() == 3


@pytest.mark.parametrize("options", [{}, {"edges": "all", "bias": False, "boundary": 1.0}])
def test_analyze_is_analyze_of_each(trajectory, options):
    found = trajectory.analyze(**options)
    assert found.columns[:1].tolist() == ["snapshot"]
    layers = [layer.name for layer in trajectory[0].layers]
    assert found["layer"].tolist() == layers * 5
    for k, net in enumerate(moments()):
        part = found[found["snapshot"] == k].set_index("layer")
        assert (part["step"] == 10 * k).all()
        assert (part["epoch"] == k / 2).all()
        own = part.drop(columns=["snapshot", "step", "epoch"])
        pd.testing.assert_frame_equal(own, cg.analyze(net, **options), check_dtype=False)


def test_table_is_analyze_in_long_form(trajectory):
    wide, long = trajectory.analyze(edges="all"), trajectory.table(edges="all")
    assert set(long.columns) == {"snapshot", "step", "epoch", "layer", "measure", "value"}
    measures = set(wide.select_dtypes("number")) - {"snapshot", "step", "epoch"}
    assert set(long["measure"]) == measures
    assert "fluctuation" in measures
    assert len(long) == len(wide) * len(measures)
    assert long["snapshot"].is_monotonic_increasing
    for row in long.iloc[:: len(long) // 50].itertuples():
        (value,) = wide.query("snapshot == @row.snapshot and layer == @row.layer")[row.measure]
        assert value == row.value or np.isnan([value, row.value]).all()
        assert row.step == 10 * row.snapshot


def test_labels_called_like_measures(tmp_path):
    """The measure keeps its name."""
    cg.save(moments(2, layer="x", fluctuation=-1.0, snapshot=7), tmp_path / "run.h5")
    trajectory = cg.open(tmp_path / "run.h5")
    found = trajectory.analyze()
    assert (found["fluctuation"].dropna() >= 0).all()
    assert found["snapshot"].unique().tolist() == [0, 1]
    assert (found["label_fluctuation"] == -1).all()
    assert (found["label_layer"] == "x").all()
    assert (found["label_snapshot"] == 7).all()
    long = trajectory.table()
    assert "label_fluctuation" not in set(long["measure"])
    assert long["label_layer"].unique().tolist() == ["x"]


def test_no_snapshots(trajectory):
    nothing = trajectory[2:2]
    assert (
        len(nothing) == len(nothing.labels) == len(nothing.analyze()) == len(nothing.table()) == 0
    )
    assert list(nothing) == []


def test_progress_is_silent_off_a_terminal(trajectory, capsys):
    trajectory.analyze(show_progress=True)
    assert capsys.readouterr() == ("", "")


def test_opening_what_is_none(tmp_path):
    (tmp_path / "notes.h5").write_text("none")
    for name in ("notes.h5", "absent.h5"):
        with pytest.raises(FormatError, match=name):
            cg.open(tmp_path / name)


def test_repr(trajectory):
    assert repr(trajectory) == "<Trajectory: 5 snapshots of run.h5>"
    assert repr(trajectory[:2]) == "<Trajectory: 2 snapshots of run.h5>"


def test_few_snapshots_and_those_without_copies_are_measured_one_by_one(monkeypatch):
    with cg.open(cg.demo_file("training")) as training:
        assert are_stackable(training._store, 5)
        assert not are_stackable(training._store, 3)
        expected = training[:5].analyze()
        each = [training[k : k + 1].analyze().assign(snapshot=k) for k in range(5)]
        pd.testing.assert_frame_equal(pd.concat(each, ignore_index=True), expected, rtol=1e-12)
        error = NoCopiesError("no copies")
        monkeypatch.setattr(
            "cntgraph.training.stacked.Stack", lambda net: (_ for _ in ()).throw(error)
        )
        pd.testing.assert_frame_equal(training[:5].analyze(), expected, rtol=1e-12)
