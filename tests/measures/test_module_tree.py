"""The modules of a network: what PyTorch itself counts in each, and no name is lost."""

import numpy as np
import pytest
import torch
from oracles.familiar import familiar, model_of
from torch import nn
from torch.nn import functional as F

import cntgraph as cg


def products(model, sample):
    """Multiply-adds of each module with a matrix: ones by ones, all that is not padding."""
    found = {}

    def note(name):
        def count(module, given, _):
            ones, weight = torch.ones_like(given[0]), torch.ones_like(module.weight)
            if isinstance(module, nn.Conv2d):
                made = F.conv2d(ones, weight, None, module.stride, module.padding)
            else:
                made = F.linear(ones, weight)
            found[name] = int(made.sum())

        return count

    for name, module in model.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.register_forward_hook(note(name))
    model(sample)
    return found


@pytest.mark.parametrize("kind", ["cnn", "resnet", "llama"])
def test_each_module_has_what_it_has_in_pytorch(kind):
    model, sample = model_of(kind)
    net = familiar(kind)
    table = cg.describe(net, tree=True)
    rows = table.set_index("module")
    for name, module in model.named_modules():
        parameters, buffers = [*module.parameters()], [*module.buffers()]
        if parameters:
            assert rows.loc[name, "n_parameters"] == sum(p.numel() for p in parameters)
            stored = sum(t.numel() * t.element_size() for t in (*parameters, *buffers))
            assert rows.loc[name, "n_bytes"] == stored
    assert rows.loc["", "n_parameters"] == net.n_parameters
    for name, n in products(model, sample).items():
        assert rows.loc[name, "multiply_adds"] == n
        is_conv = isinstance(model.get_submodule(name), nn.Conv2d)
        assert rows.loc[name, "kind"] == ("conv" if is_conv else "dense")
    assert table["n_edges"].iloc[-1] == net.n_edges


def test_what_is_merged_or_folded_keeps_its_name():
    net = familiar("resnet")
    blocks = cg.describe(net).set_index("block")
    assert blocks.loc["layer1.0.conv2", "layer"] == "layer1.0.add"
    assert blocks.loc["layer2.0.downsample.0", "layer"] == "layer2.0.add"
    assert {"layer1.0.conv2", "layer2.0.downsample.0"} < set(cg.link_weights(net).index)
    rows = cg.describe(net, tree=True).set_index("module")
    assert rows.loc["layer1.0.conv2", "kind"] == "conv"
    assert rows.loc["layer1.0.bn2", "kind"] == "folded"
    assert rows.loc["layer1.0.add", "kind"] == "add"


def test_a_matrix_at_every_position_is_dense_and_a_convolution_of_one_is_not():
    llama, resnet = familiar("llama"), familiar("resnet")
    assert cg.analyze(llama).loc["model.layers.0.mlp.up_proj", "kind"] == "dense"
    tree = cg.describe(llama, tree=True).set_index("module")["kind"]
    assert tree["model.layers.0.self_attn.q_proj"] == "dense"
    assert tree["model.layers.0.self_attn.o_proj"] == "dense"  # which is merged into an addition
    tree = cg.describe(resnet, tree=True).set_index("module")["kind"]
    assert tree["layer2.0.downsample.0"] == "conv"


def test_the_tree_is_printed_with_what_is_in_a_module_further_in(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    text = repr(cg.describe(familiar("llama"), tree=True))
    lines = text.splitlines()
    assert max(map(len, lines)) <= 80
    depth = {line.strip().split()[0]: len(line) - len(line.lstrip()) for line in lines}
    assert [depth[name] for name in ("model", "layers", "self_attn", "q_proj", "lm_head")] == [
        0, 2, 6, 8, 0,
    ]  # fmt: skip
    assert "neg" not in depth
    assert "matmul" not in depth


def test_names_may_be_deep():
    net = cg.load({"a." * 3000 + "weight": np.ones((2, 3))})
    rows = cg.describe(net, tree=True)
    assert len(rows) == 101
    assert rows["module"].iloc[-2] == ("a." * 3000)[:-1]


def test_a_shared_parameter_is_counted_once_and_one_that_is_left_out_is_there():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 4)
            self.second.weight = self.first.weight
            self.lost = nn.Linear(3, 3)

        def forward(self, x):
            return self.second(torch.relu(self.first(x)))

    with pytest.warns(cg.CoverageWarning, match="lost"):
        net = cg.load(Tied(), input_shape=(4,))
    rows = cg.describe(net, tree=True).set_index("module")
    assert rows.loc[["first", "second", "lost"], "n_parameters"].tolist() == [20, 4, 12]
    assert rows.loc[["first", "second", "lost"], "multiply_adds"].tolist() == [16, 16, 0]
    assert rows.loc["lost", "kind"] == "skipped"
    assert rows.loc["", "n_parameters"] == net.n_parameters == 36
