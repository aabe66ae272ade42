"""Products of large kernels, computed part by part, are those of the unrolled matrix."""

import numpy as np
import pytest

from cntgraph.core.parameter import Parameter
from cntgraph.core.recipe import Recipe
from cntgraph.core.view import View
from cntgraph.network.blocks import Conv, Window, conv_product
from cntgraph.network.blocks.transform import apply_transform


def conv(*, groups=1, transposed=False, folded=False):
    """A strided, dilated convolution of two axes between 6 and 8 channels."""
    windows = (Window(7, 4, 3, stride=2, before=1), Window(6, 4, 3, dilation=2, before=1))
    fine, coarse = (6, 7, 6), (8, 4, 4)
    w = np.random.default_rng(0).normal(size=(8, 6 // groups, 3, 3))
    weight = Recipe.of(Parameter.from_array("w", w))
    if folded:
        gain = np.linspace(0.5, 2, 8).reshape(8, 1, 1, 1)
        weight = weight * Recipe.of(Parameter.from_array("gain", gain))
    sizes = (coarse, fine) if transposed else (fine, coarse)
    source = View(sizes[0], 0)
    return Conv(name="conv", source=source, target=View(sizes[1], source.size), weight=weight,
                windows=windows, groups=groups, transposed=transposed)  # fmt: skip


@pytest.fixture
def parts(monkeypatch):
    """The parts in which products were computed, of two channels or so each."""
    found = []

    def noted(function, items):
        found.append(items)
        return map(function, items)

    monkeypatch.setattr(conv_product, "_PART_BYTES", 1000)
    monkeypatch.setattr(conv_product, "spread", noted)
    return found


@pytest.mark.parametrize("options", [{}, {"transposed": True}, {"folded": True}])
@pytest.mark.parametrize("n", [None, 1])
@pytest.mark.parametrize("transform", ["signed", "absolute"])
def test_a_large_kernel_is_read_in_parts(options, n, transform, parts):
    block, rng = conv(**options), np.random.default_rng(1)
    matrix = apply_transform(block.to_csr().toarray(), transform)
    for product, expected, size in (
        (block.matvec, matrix, block.target.size), (block.rmatvec, matrix.T, block.source.size)
    ):  # fmt: skip
        x = rng.normal(size=size if n is None else (size, n))
        np.testing.assert_allclose(product(x, transform), expected @ x, atol=1e-12)
    assert sorted(len(items) for items in parts) == [4, 6]  # by coarse channels, and by fine ones
    assert all(items[0][0] == 0 for items in parts)


@pytest.mark.parametrize("options", [{"groups": 2}, {"groups": 2, "transposed": True}])
def test_groups_are_computed_together(options, parts):
    block = conv(**options)
    x = np.random.default_rng(1).normal(size=block.target.size)
    np.testing.assert_allclose(block.matvec(x), block.to_csr() @ x, atol=1e-12)
    assert [len(items) for items in parts] == [1]


def test_more_values_than_weights_are_not_sent(parts):
    block = conv()
    x = np.random.default_rng(1).normal(size=(block.target.size, 5))
    np.testing.assert_allclose(block.matvec(x), block.to_csr() @ x, atol=1e-12)
    block.rmatvec(np.ones(block.source.size), "count")
    assert [len(items) for items in parts] == [1, 1]
