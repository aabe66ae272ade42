"""Reductions of PyTorch: what a variance, a norm and a cumulative sum are made of."""

import numpy as np
import pytest
import torch
from torch import nn

import cntgraph as cg


class Reducing(nn.Module):
    """Three features at two positions, reduced in some way."""

    def __init__(self, function):
        super().__init__()
        self.fc, self.function = nn.Linear(4, 3), function

    def forward(self, x):
        return self.function(self.fc(x))


def pools(function):
    net = cg.load(Reducing(function), input_shape=(2, 4), strict=True)
    return net, [block for block in net.blocks if block.kind == "pool"]


@pytest.mark.parametrize("correction", [0, 1])
def test_a_variance_averages_the_squares_of_what_lies_off_the_mean(correction):
    net, (mean, made) = pools(lambda y: y.var(-1, correction=correction))
    assert [layer.kind for layer in net.layers] == ["input", "dense", "pool", "add", "pool"]
    y = np.random.default_rng(0).normal(size=(2, 3))  # in the order of the blocks' views
    off = y - (mean.to_csr().T @ y.reshape(-1))[:, None]
    found = made.to_csr().T @ (off**2).reshape(-1)
    wanted = torch.from_numpy(y).var(1, correction=correction)
    np.testing.assert_allclose(found, wanted, rtol=1e-12)


@pytest.mark.parametrize(
    ("function", "mode", "before", "after"),
    [
        (lambda y: torch.linalg.vector_norm(y, dim=-1), "sum", "pow", "sqrt"),
        (lambda y: torch.linalg.vector_norm(y, 1, dim=-1), "sum", "abs", ""),
        (lambda y: torch.linalg.vector_norm(y, float("inf"), dim=-1), "max", "abs", ""),
        (lambda y: y.logsumexp(-1), "sum", "exp", "log"),
        (lambda y: y.amin(-1), "min", "", ""),
    ],
)
def test_functions_of_sums(function, mode, before, after):
    net, (block,) = pools(function)
    assert block.mode == mode
    assert (block.to_csr().data == 1).all()
    assert [layer.activation or "" for layer in net.layers[1:]] == [before, after]


@pytest.mark.parametrize("function", [torch.cumsum, lambda y, k: torch.cummax(y, k)[0]])
def test_all_so_far(function):
    _, (block,) = pools(lambda y: function(y, 1))
    expected = np.kron(np.eye(3), np.triu(np.ones((2, 2))))
    np.testing.assert_array_equal(block.to_csr().toarray(), expected)


def test_samples_that_do_not_lie_along_the_first_axis(tmp_path):
    model = Reducing(lambda y: y.transpose(0, 1).mean(0))
    program = torch.export.export(model, (torch.ones(3, 2, 4),))
    torch.export.save(program, tmp_path / "model.pt2")
    net = cg.load(tmp_path / "model.pt2", strict=True)
    (block,) = (block for block in net.blocks if block.kind == "pool")
    np.testing.assert_allclose(block.to_csr().toarray(), np.kron(np.eye(3), np.full((2, 1), 0.5)))


def test_which_neuron_is_the_largest_is_said_to_be_no_activation():
    net = cg.load(Reducing(lambda y: y.argmax(-1)), input_shape=(2, 4))
    assert "no activation" in net.coverage.loc["argmax", "reason"]


@pytest.mark.parametrize(
    "indices",
    [
        lambda y: y.sort(-1).indices,
        lambda y: y.max(-1, keepdim=True).indices,
        lambda y: y.topk(2, -1).indices,
        lambda y: y.cummax(-1).indices,
        lambda y: nn.functional.max_pool1d(y, 2, return_indices=True)[1],
    ],
)
def test_places_that_the_data_say_are_no_constants(indices):
    net = cg.load(Reducing(lambda y: y.gather(-1, indices(y))), input_shape=(2, 4), strict=True)
    assert "depends on the data" in net.coverage.loc["gather", "reason"]
    (block,) = (block for block in net.blocks if getattr(block, "mode", "") == "choice")
    n = block.target.size // 2
    # Of the three features, any may be each of those that are chosen, at the same position.
    edges = np.kron(np.eye(2), np.ones((3, n)))
    assert block.to_csr().toarray().sum() == edges.sum()
    assert (block.to_csr().toarray().sum(0) == 3).all()
