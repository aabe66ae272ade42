"""Inputs of whole numbers: tokens that are changed, and times that become values."""

import math

import pytest
import torch
from oracles.same_operations.fingerprint import fingerprint
from oracles.torch_audit import audit
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


def at_a_place(tokens):
    tokens = tokens.clone()
    tokens[:, 0] = 5
    tokens[:, 3:] = torch.tensor([7, 8])
    return tokens


def shifted_right(tokens):
    """As decoders are started, whose padding has another number."""
    moved = tokens.new_zeros(tokens.shape)
    moved[:, 1:] = tokens[:, :-1].clone()
    moved[:, 0] = 2
    return moved.masked_fill_(moved == 1, 6)


def ended(tokens):
    """A start before them, and an end where the first padding is, or behind the last of them."""
    tokens = nn.functional.pad(tokens, (1, 0), value=8)
    is_padding, length = tokens == 0, tokens.shape[1]
    first = torch.where(
        is_padding.any(1, keepdim=True),
        is_padding.int().argmax(1, keepdim=True),
        torch.tensor(length),
    )
    place = torch.arange(length + 1)
    moved = tokens.gather(1, torch.where(place < first, place, (place - 1).clamp(min=0)))
    return moved.masked_fill(place == first, 6)


#: What is done to tokens, and at how many places the result is none of the input.
CHANGES = {
    "in place": (in_place, 1),
    "at a place": (at_a_place, 3),
    "shifted right": (shifted_right, 3),
    "ended": (ended, 2),
    "ended at a padding": (lambda x: ended(x.where(x != 4, 0)), 3),
    "less one": (lambda x: x - 1, 0),
    "one more": (lambda x: x.clone().add_(1), 0),
    "constants added": (lambda x: x + torch.tensor([0, 1, 2, 3, 0]), 0),
    "padded, less one": (lambda x: nn.functional.pad(x, (1, 1), value=3) - 1, 2),
    "times a mask": (lambda x: x * (x > 2), 2),
    "by the data": (lambda x: x.where(x != 4, 0), 1),
    "one of two": (lambda x: x.where(x < 4, x.flip(1)), 0),
    "positions": (lambda x: torch.where(x == 1, torch.arange(5), x), 2),
    "by constants": (lambda x: x.where(torch.arange(5) != 2, 7), 1),
    "no more than": (lambda x: x.clamp(max=3), 2),
    "shifted, no less than": (lambda x: (x - 2).clamp(min=1), 2),
    "put at places": (lambda x: x.index_put((torch.tensor([0]), torch.tensor([1])), X), 1),
    "put where the data say": (lambda x: x.index_put((torch.arange(1), x.argmax(1)), X), 1),
    "scattered": (lambda x: x.scatter(1, torch.tensor([[1, 2]]), 7), 2),
    "filled": (lambda x: x.index_fill(1, torch.tensor([1]), 2), 1),
    "among a mask": (lambda x: x.masked_scatter(x == 1, torch.tensor([2, 6])), 2),
}
X = torch.tensor(7)


@pytest.mark.parametrize("name", CHANGES)
def test_tokens_that_are_changed_are_what_they_are_in_the_example(name, tmp_path):
    change, n_others = CHANGES[name]
    model, source = Language(change), tmp_path / "net.pt2"
    net, n_checked = audit(model, TOKENS, strict=True)
    # Every sum is PyTorch's, of the rows that constant tokens read, too.
    n_constant = sum(layer.kind == "learned" for layer in net.layers)
    assert n_checked == 2 + n_constant
    n_places = net.layer("out").shape[1]
    n_edges = sum(b.n_edges for b in net.blocks if net.layers[0] in net.layers_of(b.source))
    assert n_edges == (n_places - n_others) * 9 * 4
    torch.export.save(torch.export.export(model, (TOKENS,)), source)
    saved = cg.load(source, example_input=TOKENS, strict=True)
    assert not fingerprint(saved).difference(fingerprint(net))


def test_the_example_of_a_saved_program_may_be_given_by_name(tmp_path):
    model, source = Language(in_place), tmp_path / "net.pt2"
    torch.export.save(torch.export.export(model, (TOKENS,)), source)
    saved = cg.load(source, example_input={"tokens": TOKENS}, strict=True)
    live = cg.load(model, example_input=TOKENS, strict=True)
    assert not fingerprint(saved).difference(fingerprint(live))


#: What says by the data alone which tokens become others.
BY_DATA = ("in place", "by the data", "times a mask", "no more than")


@pytest.mark.parametrize("name", BY_DATA)
def test_without_an_example_tokens_are_tokens(name, tmp_path):
    model, source = Language(CHANGES[name][0]), tmp_path / "net.pt2"
    torch.export.save(torch.export.export(model, (TOKENS,)), source)
    for net in (cg.load(source, strict=True), cg.load(model, input_shape=(5,), strict=True)):
        assert [layer.shape for layer in net.layers] == [(9, 5), (4, 5), (2, 5)]


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
