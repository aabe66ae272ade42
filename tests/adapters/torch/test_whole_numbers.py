"""Inputs of whole numbers: tokens that are changed, and times that become values."""

import math

import pytest
import torch
from torch import nn

import cntgraph as cg

TOKENS = torch.tensor([[3, 1, 4, 1, 5]])


class Language(nn.Module):
    def __init__(self, change):
        super().__init__()
        self.table, self.out, self.change = nn.Embedding(9, 4), nn.Linear(4, 2), change

    def forward(self, tokens):
        return self.out(self.table(self.change(tokens)))


def in_place(tokens):
    """As multimodal models do, whose images have tokens beyond the table."""
    tokens = tokens.clone()
    tokens[tokens == 4] = 0
    return tokens


@pytest.mark.parametrize(
    "change",
    [
        in_place,
        lambda x: x - 1,
        lambda x: x.clone().add_(1),
        lambda x: x * (x > 2),
        lambda x: x.where(x != 4, 0),
        lambda x: x.where(torch.arange(5) != 2, 7),
        lambda x: x + torch.tensor([0, 1, 2, 3, 0]),
    ],
)
@pytest.mark.parametrize("is_saved", [False, True])
def test_tokens_that_are_changed_are_tokens(change, is_saved, tmp_path):
    model = source = Language(change)
    if is_saved:
        source = tmp_path / "net.pt2"
        torch.export.save(torch.export.export(model, (TOKENS,)), source)
        net = cg.load(source, strict=True)
    else:
        net = cg.load(source, example_input=TOKENS, strict=True)
    kinds = [layer.kind for layer in net.layers if layer.kind != "learned"]  # constant tokens
    assert kinds == ["input", "dense", "dense"]
    assert net.layers[0].shape == (9, 5)


class Diffusion(nn.Module):
    def __init__(self):
        super().__init__()
        self.x, self.time, self.out = nn.Linear(4, 6), nn.Linear(4, 6), nn.Linear(6, 2)

    def forward(self, x, time):
        frequencies = torch.exp(-math.log(1e4) * torch.arange(4) / 4)
        embedded = torch.sin(time[:, None].float() * frequencies[None])
        return self.out(torch.relu(self.x(x) + self.time(embedded)))


def test_a_time_is_an_input():
    net = cg.load(Diffusion(), example_input=(torch.randn(1, 4), torch.tensor([7])), strict=True)
    assert [layer.name for layer in net.layers if layer.is_input] == ["x", "time"]
    (block,) = [block for block in net.blocks if block.name == "mul"]
    weights = block.to_csr().toarray().diagonal()
    assert weights == pytest.approx([10 ** (-k) for k in range(4)], rel=1e-5)
    assert next(layer for layer in net.layers if layer.name == "mul").activation == "sin"


class Multimodal(nn.Module):
    """Features of an image take the places of the tokens that stand for it."""

    def __init__(self):
        super().__init__()
        self.table, self.image, self.out = nn.Embedding(9, 4), nn.Linear(3, 4), nn.Linear(4, 2)

    def forward(self, tokens, pixels):
        mask = (tokens == 1).unsqueeze(-1).expand(-1, -1, 4)
        return self.out(self.table(tokens).masked_scatter(mask, self.image(pixels)))


def test_an_image_takes_the_place_of_its_tokens():
    net = cg.load(Multimodal(), example_input=(TOKENS, torch.randn(1, 2, 3)), strict=True)
    (block,) = [block for block in net.blocks if block.name == "out"]
    assert [layer.name for layer in net.layers_of(block.source)] == ["table", "image"]
    assert "as for the example" in net.coverage.loc["masked_scatter", "reason"]
