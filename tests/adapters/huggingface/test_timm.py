"""Folders of timm, whose package brings torchvision: a stand-in of what is called of it."""

import inspect
import json
import sys
from types import ModuleType

import pytest
import torch
from oracles.torch_checks import same_networks
from safetensors.torch import save_file
from torch import nn

import cntgraph as cg
from cntgraph.core.errors import CoverageWarning, FormatError, InputShapeError


class Net(nn.Module):
    """With a table that is made where the weights are, as timm makes those of its windows."""

    def __init__(self, num_classes=1000, global_pool="avg", width=4):
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, width, 3), nn.BatchNorm2d(width)
        self.head = nn.Linear(width, num_classes)
        self.pool = global_pool
        self.register_buffer("shift", None, persistent=False)
        self.init_non_persistent_buffers()

    def init_non_persistent_buffers(self):
        device = self.head.weight.device
        self.register_buffer("shift", torch.arange(2.0, device=device)[:1] + 1, persistent=False)

    def forward(self, x):
        x = torch.relu(self.norm(self.stem(x)))
        x = x.mean((2, 3)) if self.pool == "avg" else x.amax((2, 3))
        return self.head(x) + self.shift


def create_model(model_name, pretrained=False, checkpoint_path=None, num_classes=1000,
                 global_pool="avg", **own):  # fmt: skip
    assert model_name == "net.a1"
    assert not pretrained
    assert checkpoint_path is None
    return Net(num_classes, global_pool, **own)


@pytest.fixture
def timm(monkeypatch):
    module = ModuleType("timm")
    module.__version__ = "1.0"
    module.create_model, module.is_model = create_model, lambda name: name.startswith("net")
    monkeypatch.setitem(sys.modules, "timm", module)
    return module


@pytest.fixture
def folder(tmp_path):
    torch.manual_seed(0)
    model = Net(5, "max", width=6).eval()
    model.norm.running_var.uniform_(0.5, 2)
    save_file(model.state_dict(), tmp_path / "model.safetensors")
    config = {"architecture": "net.a1", "num_classes": 5, "global_pool": "max",
              "model_args": {"width": 6}, "pretrained_cfg": {"input_size": [3, 8, 8]}}  # fmt: skip

    def configured(**changes):
        (tmp_path / "config.json").write_text(json.dumps(config | changes))
        return tmp_path

    return model, configured


def test_the_stand_in_is_called_as_timm_is():
    """What the reader takes for granted of `timm.create_model`."""
    assert {"num_classes", "global_pool"} <= {*inspect.signature(create_model).parameters}


def test_a_folder_is_its_live_model(timm, folder):
    model, configured = folder
    net = cg.load(configured(), strict=True)
    same_networks(net, cg.load(model, input_shape=(3, 8, 8)))
    assert net.layers[0].shape == (3, 8, 8)
    assert cg.load(configured(), input_shape=(3, 6, 6)).layers[0].shape == (3, 6, 6)


def test_an_image_size_that_is_not_told(timm, folder):
    _, configured = folder
    with pytest.raises(InputShapeError, match="no input_size; pass input_shape="):
        cg.load(configured(pretrained_cfg={}))


@pytest.mark.parametrize("name", ["other", "hf-hub:org/net", "net/../x", "net.a.b"])
def test_no_architecture_of_the_library(timm, folder, name):
    _, configured = folder
    with pytest.warns(CoverageWarning, match="timm 1.0 has no architecture"):
        assert cg.load(configured(architecture=name)).is_weights_alone


@pytest.mark.parametrize("own", [{"checkpoint_path": "x.bin"}, {"pretrained": True}, [1]])
def test_no_other_file_is_read(timm, folder, own):
    _, configured = folder
    with pytest.raises(FormatError, match="expected model_args"):
        cg.load(configured(model_args=own))


def test_the_extra_is_named(folder, monkeypatch):
    _, configured = folder
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.warns(CoverageWarning, match=r"timm: pip install 'cntgraph\[timm\]'"):
        assert cg.load(configured()).is_weights_alone
