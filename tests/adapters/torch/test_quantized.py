"""Rounded networks of PyTorch: trained with rounding, and of whole numbers."""

import numpy as np
import pytest
import torch
from oracles.propagate import propagate
from torch import nn
from torch.ao import quantization as rounding
from torch.ao.nn.quantized import FloatFunctional

import cntgraph as cg

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")


def perceptron():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 3))


def trained_with_rounding(model, x):
    model.train()
    model.qconfig = rounding.get_default_qat_qconfig("fbgemm")
    model = rounding.prepare_qat(model)
    model(x)
    model.apply(rounding.disable_observer)
    return model.eval()


def weight_of(net, name):
    (block,) = net.blocks_into(net.layer(name))
    return block


def test_weights_that_are_rounded_in_training():
    model = trained_with_rounding(perceptron(), torch.randn(20, 8))
    net = cg.load(model, input_shape=(8,))
    for name, layer in (("0", model[0]), ("2", model[2])):
        expected = layer.weight_fake_quant(layer.weight).detach().numpy()
        found = weight_of(net, name).to_csr().toarray()
        assert np.allclose(found, expected.T, rtol=0, atol=1e-6)
        assert not np.allclose(found, layer.weight.T.detach().numpy(), rtol=0, atol=1e-6)
    assert net.layer("0").activation == "fake_quantize+relu"
    learned = [e for e in net.entries if e.kind == "parameter"]
    assert {e.status for e in learned} == {"included"}
    # They follow training.
    with torch.no_grad():
        model[0].weight.zero_()
    assert not weight_of(net, "0").to_csr().toarray().any()


def test_rounding_that_is_switched_off_is_none():
    model = trained_with_rounding(perceptron(), torch.randn(20, 8))
    model.apply(rounding.disable_fake_quant)
    net = cg.load(model, input_shape=(8,))
    found = weight_of(net, "0").to_csr().toarray()
    assert (found == model[0].weight.T.detach().numpy()).all()


@pytest.mark.parametrize("dtype", [torch.qint8, torch.float16])
def test_linear_layers_of_whole_numbers(dtype):
    model = rounding.quantize_dynamic(perceptron().eval(), dtype=dtype)
    x = torch.randn(1, 8)
    net = cg.load(model, example_input=x, strict=True)
    weight = model[0].weight()
    weight = weight.dequantize() if weight.is_quantized else weight
    assert (weight_of(net, "0").to_csr().toarray() == weight.T.detach().numpy()).all()
    _, after = propagate(net, x[0].numpy())
    assert np.allclose(after["2"], model(x)[0].detach().numpy(), atol=0.02)
    assert {e.name for e in net.entries} == {"0.weight", "0.bias", "2.weight", "2.bias"}


class Images(nn.Module):
    """Most operations on whole numbers, in one network."""

    def __init__(self):
        super().__init__()
        self.into, self.back = rounding.QuantStub(), rounding.DeQuantStub()
        self.a, self.b = nn.Conv2d(2, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1, groups=4)
        self.up, self.pool = nn.ConvTranspose2d(4, 2, 2, 2), nn.MaxPool2d(2)
        self.fc, self.both, self.joined = nn.Linear(108, 3), FloatFunctional(), FloatFunctional()

    def forward(self, x):
        x = torch.relu(self.a(self.into(x)))
        y = self.both.add_relu(x, self.b(x))
        parts = [y.flatten(1), self.up(self.pool(y))[:, :, :3].flatten(1)]
        return self.back(self.fc(self.joined.cat(parts, 1)[:, :108]))


def test_images_of_whole_numbers():
    torch.manual_seed(1)
    engine, torch.backends.quantized.engine = torch.backends.quantized.engine, "qnnpack"
    try:
        model = Images().eval()
        model.qconfig = rounding.get_default_qconfig("qnnpack")
        prepared = rounding.prepare(model)
        for _ in range(5):
            prepared(torch.randn(4, 2, 6, 6))
        converted, x = rounding.convert(prepared), torch.randn(1, 2, 6, 6)
        net = cg.load(converted, example_input=x)
        expected = converted(x)[0].detach().numpy()
    finally:
        torch.backends.quantized.engine = engine
    assert not [e for e in net.entries if e.kind == "operation" and e.status == "skipped"]
    _, after = propagate(net, x[0].numpy())
    (last,) = [layer for layer in net.layers if layer.is_output]
    assert np.allclose(after[last.name].reshape(-1), expected, atol=0.1 * abs(expected).max())
    named = {e.name for e in net.entries if e.status == "included"}
    assert {
        f"{layer}.{kind}" for layer in ("a", "b", "up", "fc") for kind in ("weight", "bias")
    } <= named
