"""ONNX models that onnxruntime runs, against PyTorch and against their own edges."""

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

import cntgraph as cg
from cntgraph.adapters.registry import execution
from cntgraph.core.errors import InputShapeError
from tests.oracles.executed import assert_alike, check_batches, check_strengths, in_order, unknown
from tests.oracles.executed_models import options
from tests.oracles.onnx_models import export


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def exported(model, x, path, *, open_batch=True):
    """Save a module as PyTorch exports it, for any number of samples or for those of `x`."""
    batch = {"dynamic_shapes": ({0: torch.export.Dim("n")},)} if open_batch else {}
    return export(model.eval(), torch.from_numpy(x), path, **batch)


@pytest.mark.parametrize("name", ["mlp", "residual", "autoencoder", "recurrent", "fused", "by hand",
                                  "average"])  # fmt: skip
def test_a_file_shows_what_the_module_shows(name, tmp_path):
    model, given, x = options(name, 3)
    path = exported(model, x, tmp_path / "model.onnx")
    here = execution(path, unroll=given.get("unroll"))
    assert [*here.net.layers] == [*cg.load(path, unroll=given.get("unroll")).layers]
    values = check_batches(here, (x,))
    assert check_strengths(here.net, values) >= (1 if name == "recurrent" else 2)
    there = execution(model, **given)
    if here.net.n_layers == there.net.n_layers:
        wanted = there.run((x,))
        assert assert_alike(in_order(here, values), in_order(there, wanted)) > 3


@pytest.mark.parametrize("n", [2, 4, 5])
def test_a_file_for_a_fixed_number_of_samples_is_run_on_as_many(n, tmp_path):
    model, given, x = options("by hand", 5)
    path = exported(model, x[:2], tmp_path / "model.onnx", open_batch=False)
    run = execution(path)
    values = check_batches(run, (x[:n],))
    assert check_strengths(run.net, values) > 3
    model, given, x = options("residual", 5)
    path = exported(model, x[:2], tmp_path / "other.onnx", open_batch=False)
    run = execution(path)
    found, wanted = run.run((x[:n],)), execution(model, **given).run((x[:n],))
    assert np.allclose(found["head"].strength, wanted["head"].strength, atol=1e-5)
    assert not unknown(run, found)


def test_a_file_for_one_sample_is_run_one_by_one(tmp_path):
    model, _, x = options("by hand", 3)
    run = execution(exported(model, x[:1], tmp_path / "model.onnx", open_batch=False))
    assert check_strengths(run.net, check_batches(run, (x,))) > 3


def test_weights_beside_the_file_are_found(tmp_path):
    model, _, x = options("residual", 2)
    path = exported(model, x, tmp_path / "model.onnx")
    beside = {"save_as_external_data": True, "location": "w.bin", "size_threshold": 64}
    onnx.save(onnx.load(path), tmp_path / "beside.onnx", **beside)
    wanted = execution(path).run((x,))
    for source in (tmp_path / "beside.onnx", onnx.load(path)):
        run = execution(source)
        assert assert_alike(in_order(run, run.run((x,))), in_order(run, wanted)) > 5


def test_a_message_stays_as_it_is():
    weight = numpy_helper.from_array(np.ones((3, 2), np.float32), "w")
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 2])
    nodes = [helper.make_node("MatMul", ["x", "w"], ["h"]), helper.make_node("Relu", ["h"], ["y"])]
    model = helper.make_model(helper.make_graph(nodes, "g", [x], [y], [weight]))
    before = model.SerializeToString()
    run = execution(model)
    values = run.run((np.array([[1.0, -3.0, 1.0]]),))
    (layer,) = [layer for layer in run.net.layers if not layer.is_input]
    assert (values[layer.name].strength == -1.0).all()
    assert (values[layer.name].activation == 0.0).all()
    assert model.SerializeToString() == before
    with pytest.raises(InputShapeError, match="input 0"):
        run.run((np.ones((1, 4)),))
    with pytest.raises(InputShapeError, match="got 2"):
        run.run((np.ones((1, 3)), np.ones((1, 3))))
