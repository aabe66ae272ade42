"""One network in PyTorch, Keras, Flax and as ONNX: the same graph, layer by layer."""

import os

import numpy as np
import pytest
import torch
from oracles import twins

import cntgraph as cg

os.environ.setdefault("KERAS_BACKEND", "jax")

#: Recurrent layers as loops see one time step of the input; all others see their own shape.
STEPS = {"loop": 1, "unrolled": 4}


def load(framework, name, tmp_path, steps=None):
    model = twins.torch_model(name)
    weights = twins.weights_of(model)
    x = twins.example(name)
    options = {"strict": True}
    if name == "lstm":
        options["unroll"] = None if steps == 1 else steps
        x = x[:, :steps]
    if framework == "torch":
        return cg.load(model, example_input=torch.from_numpy(x), **options)
    if framework == "pt2":
        path = tmp_path / "model.pt2"
        torch.export.save(torch.export.export(model, (torch.from_numpy(x),)), path)
        return cg.load(path, **options)
    if framework == "onnx":
        path = tmp_path / "model.onnx"
        torch.onnx.export(model, (torch.from_numpy(x),), path, dynamo=True, optimize=False,
                          verbose=False)  # fmt: skip
        return cg.load(path, **options)
    if framework == "keras":
        twin = twins.keras_twin(name, weights)
        if name == "lstm":
            options["input_shape"] = (steps, 5)
        return cg.load(twin, **options)
    apply, params = twins.flax_twin(name, weights)
    return cg.load(apply, params=params, example_input=twins.channels_last(x), **options)


CASES = [(name, None) for name in twins.NAMES if name != "lstm"]
CASES += [("lstm", steps) for steps in STEPS.values()]


@pytest.mark.filterwarnings(
    "ignore::DeprecationWarning",
    "ignore::FutureWarning",
    "ignore:The tensor attributes self.lstm._flat_weights:UserWarning",
)
@pytest.mark.parametrize("framework", ["pt2", "onnx", "keras", "flax"])
@pytest.mark.parametrize(("name", "steps"), CASES)
def test_the_same_network_from_every_framework(framework, name, steps, tmp_path):
    ours, theirs = (load(which, name, tmp_path, steps) for which in ("torch", framework))
    assert [layer.shape for layer in theirs.layers] == [layer.shape for layer in ours.layers]
    assert theirs.n_edges == ours.n_edges
    # ONNX stores the eps of a batch norm as float32.
    tolerance = {"rtol": 1e-6 if framework == "onnx" else 1e-10, "atol": 1e-12}
    for edges in ("parametric", "all"):
        for transform in ("signed", "absolute", "square", "count"):
            one, other = (
                net.split(cg.node_strength(net, transform=transform, edges=edges))
                for net in (ours, theirs)
            )
            for (layer, a), (_, b) in zip(one.items(), other.items(), strict=True):
                np.testing.assert_allclose(b, a, **tolerance, err_msg=f"{layer} {transform}")


@pytest.mark.parametrize(("name", "steps"), CASES)
def test_the_explicit_graph_has_the_same_strengths(name, steps, tmp_path):
    net = load("torch", name, tmp_path, steps)
    graph = cg.build_graph(net)
    assert graph.n_edges == net.n_edges
    for edges in ("parametric", "all"):
        closed, explicit = (cg.node_strength(x, edges=edges) for x in (net, graph))
        np.testing.assert_allclose(closed, explicit, rtol=1e-10, atol=1e-12)
