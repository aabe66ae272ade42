"""Sinks that are not there are refused at once; those that fail later cost no snapshot."""

import sys
import warnings

import pytest
import torch
from needs import needs
from torch import nn

import cntgraph as cg
from cntgraph.training.sinks import Sink


class Kept:
    """A sink of a user's own."""

    def __init__(self, failing=()):
        self.failing, self.taken, self.ended = failing, [], []

    def log_measures(self, measures):
        if measures.step in self.failing:
            raise OSError("the network is down")
        self.taken.append(measures)

    def close(self, *, failed):
        self.ended.append(failed)


def recorder(path, sinks, **options):
    return cg.Recorder(path, nn.Linear(3, 2), input_shape=(3,), sinks=sinks, **options)


def test_a_sink_that_fails_costs_no_snapshot(path):
    wrong, right = Kept(failing=[1]), Kept()
    assert isinstance(wrong, Sink)
    with recorder(path, [wrong, right]) as record:
        record(step=0)
        said = r"sink Kept failed \(OSError: the network is down\); the measures of step 1 are in"
        with pytest.warns(cg.SinkWarning, match=said) as caught:
            assert record(step=1) == 1
        assert caught[0].filename == __file__
        record(step=2)
    assert [one.step for one in wrong.taken] == [0, 2]
    assert [one.step for one in right.taken] == [0, 1, 2]
    assert wrong.ended == right.ended == [False]
    assert cg.open(path).labels["step"].tolist() == [0, 1, 2]


def test_a_sink_that_does_not_close(path):
    class Stuck(Kept):
        def close(self, *, failed):
            raise TimeoutError

    other = Kept()
    record = recorder(path, [Stuck(), other])
    with pytest.warns(cg.SinkWarning, match="it was not closed"):
        record.close()
    record.close()
    assert other.ended == [False]
    assert record(step=1) == 0
    assert other.taken == []


def test_a_snapshot_that_the_file_refuses_is_not_shown(path):
    sink = Kept()
    record = recorder(path, [sink])
    with pytest.raises(cg.StoreError):
        record(step=0, loss=torch.tensor(1.0))
    assert sink.taken == []


def test_a_training_that_fails_says_so(path):
    def fail():
        with recorder(path, [sink]) as record:
            record()
            raise ZeroDivisionError

    sink = Kept()
    with pytest.raises(ZeroDivisionError):
        fail()
    assert sink.ended == [True]


@pytest.mark.parametrize(
    ("labels", "step", "epoch"),
    [({}, [0, 1], None), ({"epoch": 2.5}, [2, 2], 2.5), ({"epoch": 2.5, "step": 7}, [7, 7], 2.5),
     ({"epoch": "last"}, [0, 1], None), ({"epoch": float("nan")}, [0, 1], None)],
)  # fmt: skip
def test_the_axis_is_the_step_or_else_the_epoch(path, labels, step, epoch):
    sink = Kept()
    with recorder(path, [sink]) as record:
        for _ in range(2):
            record(**labels)
    assert [one.step for one in sink.taken] == step
    assert sink.taken[0].epoch == epoch


def test_what_is_no_sink_is_refused_before_anything_is_begun(path):
    with pytest.raises(cg.UnknownNameError, match="tensorboard, wandb, mlflow, got 'neptune'"):
        recorder(path, ["tensorboard", "neptune"])
    for wrong in ([3], 3, [Kept], [("client", "id")]):
        with pytest.raises(cg.ArgumentError, match="expected a sink"):
            recorder(path, wrong)
    assert [*path.parent.iterdir()] == []


@pytest.mark.parametrize(
    ("name", "package"),
    [("tensorboard", "tensorboardX"), ("wandb", "wandb"), ("mlflow", "mlflow")],
)
def test_a_package_that_is_missing(path, name, package, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    said = rf"The sink '{name}' needs {package}: pip install 'cntgraph\[{name}\]'"
    with pytest.raises(cg.MissingExtraError, match=said):
        recorder(path, [name])


def test_a_tool_that_refuses(path, monkeypatch):
    other = Kept()
    path.with_suffix(".tensorboard").write_text("a file in the place of a folder")
    needs("tensorboardX")
    with pytest.raises(cg.CntGraphError, match="the sink tensorboard could not be begun, got: "):
        recorder(path, [other, "tensorboard"])
    assert other.ended == [True]


def test_only_the_first_process_has_sinks(path, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    sink = Kept()
    with recorder(path, [sink, "unknown"]) as record:
        assert record(step=1) is None
    assert sink.taken == sink.ended == []


def test_the_file_is_the_same_with_and_without(path):
    """Measures for sinks do not go into a file of parameters."""
    with recorder(path, [Kept()], store="parameters") as record:
        record(step=0)
    with cg.open(path) as trajectory:
        assert len(trajectory) == 1
    # Without sinks, the same file goes on.
    recorder(path, [], mode="resume")(step=1)
    assert cg.open(path).labels["step"].tolist() == [0, 1]


def test_weights_that_are_not_finite(path):
    model, sink = nn.Linear(3, 2), Kept()
    with cg.Recorder(path, model, input_shape=(3,), sinks=[sink]) as record:
        record(step=0)
        with torch.no_grad():
            model.weight[0, 0] = float("nan")
        with warnings.catch_warnings():
            warnings.simplefilter("error", cg.SinkWarning)
            record(step=1)
    before, after = sink.taken
    assert "cntgraph/link_weight_n_nan/linear" not in before.scalars
    assert after.scalars["cntgraph/link_weight_n_nan/linear"] == 1
    assert after.histograms["cntgraph/link_weights/linear"].counts.sum() == 5
