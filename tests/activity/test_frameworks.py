"""One network on the same data in PyTorch, ONNX, Keras, Flax and from a file: the same neurons."""

import os

import numpy as np
import pytest
import torch
from oracles import twins

import cntgraph as cg
from cntgraph.activity.neuron_measures import neuron_statistics
from cntgraph.core.errors import UndefinedMeasureError

os.environ.setdefault("KERAS_BACKEND", "jax")

MEASURES = ("neuron_strength", "neuron_activation")
N = 6


def data(name):
    shape, rng = twins.SHAPES[name], np.random.default_rng(1)
    if name == "transformer":
        return rng.integers(0, twins.ENTRIES, size=(N, *shape))
    return rng.normal(size=(N, *shape)).astype(np.float32)


def measured(framework, name, tmp_path):
    """Both measures of a network, run the way that a user of a framework would."""
    model, x = twins.torch_model(name), data(name)
    options = {"unroll": 4} if name == "lstm" else {}
    if framework == "torch":
        return run(model, x, **options)
    if framework == "file":
        net = cg.load(model, example_input=torch.from_numpy(x[:1]), **options)
        cg.save(net, tmp_path / "net.h5")
        return run(tmp_path / "net.h5", x)
    if framework == "onnx":
        path, example = tmp_path / "model.onnx", (torch.from_numpy(x[:2]),)
        # The exporter fixes the number of samples of a recurrent layer.
        free = None if name == "lstm" else ({0: torch.export.Dim("batch")},)
        torch.onnx.export(model, example, path, dynamo=True, optimize=False, verbose=False,
                          dynamic_shapes=free)  # fmt: skip
        return run(path, x, **options)
    weights = twins.weights_of(model)
    if framework == "keras":
        if name == "lstm":
            options["input_shape"] = twins.SHAPES[name]
        return run(twins.keras_twin(name, weights), twins.channels_last(x), **options)
    apply, params = twins.flax_twin(name, weights)
    return run(apply, twins.channels_last(x), params=params, **options)


def run(source, x, **options):
    """Statistics of both measures, and the place of each measured layer among all."""
    recording = cg.record(source, x, **options)
    places = {layer.name: k for k, layer in enumerate(recording.net.layers)}
    return neuron_statistics(recording, *MEASURES), places


def by_place(found, measure, statistic):
    statistics, places = found
    own = statistics[measure]
    return {places[k]: v for k, v in own.split(getattr(own, statistic)).items()}


@pytest.mark.filterwarnings(
    "ignore::DeprecationWarning",
    "ignore::FutureWarning",
    "ignore:The tensor attributes self.lstm._flat_weights:UserWarning",
)
@pytest.mark.parametrize("framework", ["onnx", "keras", "flax", "file"])
@pytest.mark.parametrize("name", twins.NAMES)
def test_the_same_neurons_everywhere(framework, name, tmp_path):
    if (framework, name) == ("file", "transformer"):
        with pytest.raises(UndefinedMeasureError, match="Pass the live model"):
            measured(framework, name, tmp_path)  # what attention reads is up to the data
        return
    ours, theirs = (measured(which, name, tmp_path) for which in ("torch", framework))
    n_layers = len(ours[1])
    for measure in MEASURES:
        for statistic in ("mean", "std", "min", "max"):
            one, other = (by_place(found, measure, statistic) for found in (ours, theirs))
            both = one.keys() & other.keys()
            # Scores of attention are within one operation in some frameworks.
            assert len(both) >= n_layers - (3 if name == "transformer" else 0)
            for k in both:
                assert one[k].shape == other[k].shape
                scale = max(np.abs(one[k]).max(), 1.0)
                assert np.abs(one[k] - other[k]).max() < 2e-5 * scale, (measure, statistic, k)
