"""The same network from PyTorch, live and exported to ONNX."""

import warnings
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto
from oracles.onnx_models import assert_same, export
from torch import nn

import cntgraph as cg


class Residual(nn.Module):
    """Batch norms, a residual addition, pooling, a concatenation, a flatten."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(6)
        self.conv2 = nn.Conv2d(6, 6, 3, padding=1)
        self.bn2 = nn.BatchNorm2d(6)
        self.pool = nn.MaxPool2d(2)
        self.fc = nn.Linear(12 * 4 * 3, 7)

    def forward(self, x):
        y = torch.relu(self.bn1(self.conv1(x)))
        z = self.pool(torch.relu(self.bn2(self.conv2(y)) + y))
        return self.fc(torch.cat([z, nn.functional.avg_pool2d(y, 2)], 1).flatten(1))


class Joined(nn.Module):
    """Features of two branches side by side, then a linear layer at every position."""

    def __init__(self):
        super().__init__()
        self.left, self.right, self.both = nn.Linear(5, 3), nn.Linear(5, 2), nn.Linear(10, 4)

    def forward(self, x):
        return self.both(torch.cat([torch.relu(self.left(x)), self.right(x), x], -1))


class Gated(nn.Module):
    """Squeeze and excite, group norm, and an image that grows."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(6, 4, 3, padding=1), nn.GroupNorm(2, 4)
        self.squeeze, self.excite = nn.Linear(4, 2), nn.Linear(2, 4)
        self.last = nn.Conv2d(4, 3, 3, padding=1)

    def forward(self, x):
        x = self.norm(self.conv(x))
        gate = torch.sigmoid(self.excite(torch.relu(self.squeeze(x.mean((2, 3))))))
        x = nn.functional.interpolate(x * gate[:, :, None, None], scale_factor=2, mode="bilinear")
        return self.last(nn.functional.interpolate(x, scale_factor=2.0))


def convolutions():
    return nn.Sequential(
        nn.Conv2d(4, 8, 3, groups=2, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, groups=8),
        nn.Conv2d(8, 5, 3, dilation=2, padding=2, stride=2), nn.Tanh(), nn.AdaptiveAvgPool2d(1),
        nn.Flatten(), nn.Linear(5, 3),
    )  # fmt: skip


MODELS = {
    "mlp": (lambda: nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 4), nn.Sigmoid(),
                                  nn.Linear(4, 2)), (6,)),
    "residual": (Residual, (3, 8, 6)),
    "convolutions": (convolutions, (4, 9, 8)),
    "1d": (lambda: nn.Sequential(nn.Conv1d(3, 4, 3, stride=2), nn.ReLU(), nn.AvgPool1d(2),
                                 nn.Conv1d(4, 2, 2)), (3, 15)),
    "3d": (lambda: nn.Sequential(nn.Conv3d(2, 3, 2), nn.BatchNorm3d(3), nn.MaxPool3d(2)),
           (2, 5, 7, 6)),
    "positions": (lambda: nn.Sequential(nn.Linear(5, 8), nn.GELU(), nn.LayerNorm(8),
                                        nn.Linear(8, 3)), (4, 5)),
    "joined": (Joined, (4, 5)),
    "gated": (Gated, (6, 8, 8)),
    "transposed": (lambda: nn.Sequential(
        nn.Conv2d(2, 4, 3), nn.ReLU(),
        nn.ConvTranspose2d(4, 3, 3, stride=2, padding=1, output_padding=1)), (2, 6, 5)),
}  # fmt: skip


def trained(make, seed=0):
    """A model whose batch norms have statistics, too."""
    torch.manual_seed(seed)
    net = make().eval()
    for module in net.modules():
        if isinstance(module, nn.GroupNorm):
            module.weight.data.normal_()
            module.bias.data.normal_()
        if hasattr(module, "running_var"):
            for values in (module.running_mean, module.weight.data, module.bias.data):
                values.normal_()
            module.running_var.uniform_(0.5, 2.0)
    return net


@pytest.mark.parametrize("name", MODELS)
def test_same_strengths_as_the_live_module(tmp_path, name):
    make, shape = MODELS[name]
    live = trained(make)
    saved = cg.load(export(live, shape, tmp_path / "m.onnx", optimize=False), strict=True)
    expected = cg.load(live, input_shape=shape, strict=True)
    assert_same(saved, expected)
    assert not (saved.coverage.status == "skipped").any()
    tensors = dict(live.named_parameters())
    assert {p for p, v in saved.parameters.items() if v.trainable} == set(tensors)
    assert saved.n_parameters == expected.n_parameters


@pytest.mark.parametrize("name", MODELS)
def test_coverage_is_complete_after_the_exporters_optimizer(tmp_path, name):
    # It folds batch norms into the stored weights, in float32.
    make, shape = MODELS[name]
    live = trained(make)
    path = export(live, shape, tmp_path / "m.onnx")
    saved = cg.load(path, strict=True)
    stored = onnx.load(path).graph.initializer
    floats = [t.name for t in stored if t.data_type == TensorProto.FLOAT and "." in t.name]
    assert set(saved.coverage.loc[floats, "status"]) <= {"included", "folded"}
    expected = cg.load(live, input_shape=shape)
    a, b = (cg.node_strength(net) for net in (saved, expected))
    np.testing.assert_allclose(a, b, atol=1e-4 * np.abs(b).max())


@pytest.mark.parametrize("name", ["residual", "positions", "1d"])
def test_the_older_exporter(tmp_path, name):
    make, shape = MODELS[name]
    live = trained(make)
    options = {"dynamo": False, "do_constant_folding": False,
               "training": torch.onnx.TrainingMode.TRAINING}  # fmt: skip
    options = {k: v for k, v in options.items() if k != "external_data"}
    saved = cg.load(export(live, shape, tmp_path / "m.onnx", **options), strict=True)
    live.eval()
    assert_same(saved, cg.load(live, input_shape=shape), names=False)


def test_an_open_batch_from_pytorch(tmp_path):
    live = trained(Residual)
    shapes = ({0: torch.export.Dim("batch")},)
    path = tmp_path / "m.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(live, (torch.zeros(2, 3, 8, 6),), path, dynamo=True, optimize=False,
                          dynamic_shapes=shapes, external_data=False, verbose=False)  # fmt: skip
    assert_same(cg.load(path, strict=True), cg.load(live, input_shape=(3, 8, 6)))


def test_external_data_from_pytorch(tmp_path):
    live = trained(MODELS["mlp"][0])
    path = export(live, (6,), tmp_path / "m.onnx", optimize=False, external_data=True)
    assert Path(f"{path}.data").exists()
    assert_same(cg.load(path, strict=True), cg.load(live, input_shape=(6,)))
