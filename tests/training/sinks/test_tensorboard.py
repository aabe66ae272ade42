"""TensorBoard's own reader finds the recorded measures in the event files."""

import numpy as np
import pytest
import torch
from needs import needs
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import cntgraph as cg


def read(folder):
    whole = {"scalars": 0, "histograms": 0, "tensors": 0}
    found = EventAccumulator(str(folder), size_guidance=whole)
    return found.Reload()


def check(found, expected):
    tags = found.Tags()
    assert set(tags["scalars"]) - {"loss"} == set(expected[0].scalars)
    assert set(tags["histograms"]) == set(expected[0].values)
    for name in expected[0].scalars:
        events = found.Scalars(name)
        assert [event.step for event in events] == [one.step for one in expected]
        # Event files hold curves in float32.
        wanted = np.float32([one.scalars[name] for one in expected])
        assert np.array_equal(np.float32([event.value for event in events]), wanted)
    for name in tags["histograms"]:
        for event, one in zip(found.Histograms(name), expected, strict=True):
            histogram, values = event.histogram_value, one.values[name]
            assert event.step == one.step
            # TensorBoard draws the first bin from the least value.
            edges = [histogram.min, *histogram.bucket_limit]
            one.check_histogram(name, edges, histogram.bucket)
            assert (histogram.min, histogram.max) == (values.min(), values.max())
            assert histogram.num == values.size
            assert histogram.sum == pytest.approx(values.sum(), rel=1e-12)
            assert histogram.sum_squares == pytest.approx(np.square(values).sum(), rel=1e-12)


@pytest.mark.parametrize("store", ["parameters", "measures"])
def test_by_its_name(store, trained, path):
    needs("tensorboardX")
    expected = trained(["tensorboard"], store=store)
    found = read(path.with_suffix(".tensorboard"))
    check(found, expected)
    # A chart a measure, with a line a layer.
    (layout,) = found.Tensors("custom_scalars__config__")
    assert b"cntgraph/fluctuation/.*" in layout.tensor_proto.string_val[0]
    with cg.open(path) as trajectory:
        assert trajectory.labels["step"].tolist() == [0, 10, 20]


def test_what_is_begun_anew_is_shown_anew(trained, path):
    needs("tensorboardX")
    trained(["tensorboard"], n=3)
    expected = trained(["tensorboard"], n=2, mode="overwrite")
    check(read(path.with_suffix(".tensorboard")), expected)


def test_what_is_resumed_goes_on(path):
    needs("tensorboardX")
    for step in range(3):
        with cg.Recorder(path, torch.nn.Linear(3, 2), input_shape=(3,), mode="resume",
                         sinks="tensorboard") as record:  # fmt: skip
            record(step=step)
    found = read(path.with_suffix(".tensorboard")).Scalars("cntgraph/fluctuation/linear")
    assert [event.step for event in found] == [0, 1, 2]


@pytest.mark.parametrize("package", ["tensorboardX", "torch.utils.tensorboard"])
def test_a_writer_that_is_open(package, trained, tmp_path):
    writer = needs(package).SummaryWriter(str(tmp_path / "own"))
    writer.add_scalar("loss", 0.5, 0)
    expected = trained([writer])
    writer.add_scalar("loss", 0.25, 1)  # it was not closed
    writer.close()
    found = read(tmp_path / "own")
    assert [event.value for event in found.Scalars("loss")] == [0.5, 0.25]
    check(found, expected)
