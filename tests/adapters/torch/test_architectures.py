"""Small networks of the kinds people build, in PyTorch: live, saved, and exported to ONNX."""

import warnings

import numpy as np
import pytest
import torch
from oracles.torch_audit import audit
from oracles.torch_checks import same_networks, saved_whole_and_apart
from oracles.torch_models import ARCHITECTURES, RecurrentClassifier, Video, architecture

import cntgraph as cg

pytestmark = pytest.mark.filterwarnings("ignore:The tensor attributes .*_flat_weights")


def each(kinds):
    return pytest.mark.parametrize("kind", kinds, ids=lambda kind: kind.__name__)


#: The exporter has no adaptive pooling in three dimensions.
EXPORTED = [kind for kind in ARCHITECTURES if kind is not Video]


@each(ARCHITECTURES)
def test_every_sum_is_what_torch_computed(kind):
    model, x = architecture(kind)
    net, checked = audit(model, x)
    weights = [name for name, p in model.named_parameters() if p.ndim > 1]
    # Gates and states of a recurrent layer are inside one operation.
    assert checked >= (1 if kind is RecurrentClassifier else len(weights) // 2)
    covered = net.coverage[net.coverage["kind"] == "parameter"]
    assert set(covered.index) == {name for name, _ in model.named_parameters()}
    assert set(covered["status"]) <= {"included", "folded"}


@each(ARCHITECTURES)
def test_saved_it_is_the_same_network(kind, tmp_path):
    model, x = architecture(kind)
    live = cg.load(model, example_input=x, strict=True)
    files = saved_whole_and_apart(torch.export.export(model, (x,)), tmp_path)
    same_networks(live, cg.load(next(files), strict=True))
    if kind is not RecurrentClassifier:  # which PyTorch takes apart into its time steps
        same_networks(live, cg.load(next(files), strict=True), names=False)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@each(EXPORTED)
def test_exported_to_onnx_it_is_the_same_network(kind, tmp_path):
    model, x = architecture(kind)
    path = tmp_path / "model.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter
        torch.onnx.export(model, (x,), path, dynamo=True, optimize=False, verbose=False)
    live = cg.load(model, example_input=x, strict=True)
    file = cg.load(path, strict=True)
    assert [layer.shape for layer in file.layers] == [layer.shape for layer in live.layers]
    for edges in ("parametric", "all"):
        found = [net.split(cg.node_strength(net, edges=edges)) for net in (live, file)]
        for one, other in zip(*(f.values() for f in found), strict=True):
            # ONNX stores the eps of a batch norm as float32.
            np.testing.assert_allclose(other, one, rtol=1e-6, atol=1e-9)
