"""Products with convolutions and poolings are PyTorch's own forward passes."""

import numpy as np
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from oracles.drawn_blocks import conv_blocks
from torch.nn import functional

from cntgraph.core.parameter import Parameter
from cntgraph.core.recipe import Recipe
from cntgraph.core.view import View
from cntgraph.network.blocks import AxisOperator, Conv, Pool, Window


def close(found, expected):
    return np.allclose(found, expected, rtol=1e-12, atol=1e-11)


CONV = (functional.conv1d, functional.conv2d, functional.conv3d)
CONV_TRANSPOSE = (
    functional.conv_transpose1d, functional.conv_transpose2d, functional.conv_transpose3d
)  # fmt: skip


def padded(x, pairs):
    """Pad (or crop) the last axes of a tensor; `pairs` is (before, after) an axis, in order."""
    flat = [n for pair in reversed(pairs) for n in pair]
    return functional.pad(functional.pad(x, [max(n, 0) for n in flat]), [min(n, 0) for n in flat])


@given(conv_blocks(min_rank=1))
def test_the_product_is_the_forward_pass_of_a_convolution(drawn):
    block, _, exact = drawn
    rank, weight = len(block.windows), torch.from_numpy(np.ascontiguousarray(exact))
    assume(0 not in block.source.shape + block.target.shape)
    nodes = block.source.as_ids()
    z = np.where(nodes < 0, 0.0, np.random.default_rng(0).normal(size=nodes.size))
    x = torch.from_numpy(z.reshape(1, *block.source.shape))
    options = {"stride": [w.stride for w in block.windows], "groups": block.groups}
    options["dilation"] = [w.dilation for w in block.windows]
    reach = [(w.coarse - 1) * w.stride + w.dilation * (w.kernel - 1) + 1 for w in block.windows]
    if block.transposed:
        full = CONV_TRANSPOSE[rank - 1](x, weight, **options)
        pairs = [
            (-w.before, w.fine + w.before - n) for w, n in zip(block.windows, reach, strict=True)
        ]
        expected = padded(full, pairs)
    else:
        pairs = [
            (w.before, n - w.fine - w.before) for w, n in zip(block.windows, reach, strict=True)
        ]
        expected = CONV[rank - 1](padded(x, pairs), weight, **options)
    assert tuple(expected.shape[1:]) == block.target.shape
    expected = expected.numpy().reshape(-1)
    assert close(block.to_csr().T @ z, expected)
    assert close(block.rmatvec(z), expected)


@st.composite
def pools(draw):
    """Arguments of a pooling that PyTorch accepts, in one to three dimensions."""
    rank = draw(st.integers(1, 3))
    kernel = [draw(st.integers(1, 3)) for _ in range(rank)]
    stride = [draw(st.integers(1, 3)) for _ in range(rank)]
    padding = [draw(st.integers(0, k // 2)) for k in kernel]
    dilation = [draw(st.integers(1, 2)) for _ in range(rank)]
    sizes = [draw(st.integers(5, 8)) for _ in range(rank)]
    return rank, kernel, stride, padding, dilation, sizes


def one_layer(x, out, kernel, stride, dilation, padding, divisors=None):
    windows = [
        Window(n, m, k, s, d, p)
        for n, m, k, s, d, p in zip(
            x.shape[2:], out.shape[2:], kernel, stride, dilation, padding, strict=True
        )
    ]
    by = [None] * len(windows) if divisors is None else [divisors(w) for w in windows]
    operators = tuple(AxisOperator.of_window(w, d) for w, d in zip(windows, by, strict=True))
    source, target = View(tuple(x.shape[1:])), View(tuple(out.shape[1:]), x.numel())
    return Pool(name="pool", source=source, target=target, operators=operators, mode="linear")


MAX_POOL = (functional.max_pool1d, functional.max_pool2d, functional.max_pool3d)
AVG_POOL = (functional.avg_pool1d, functional.avg_pool2d, functional.avg_pool3d)


@given(pools(), st.booleans())
def test_the_edges_of_max_pooling_are_its_candidates(drawn, ceil_mode):
    rank, kernel, stride, padding, dilation, sizes = drawn
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(1, 2, *sizes)))
    out = MAX_POOL[rank - 1](x, kernel, stride, padding, dilation, ceil_mode)
    block = one_layer(x, out, kernel, stride, dilation, padding)
    into = block.to_csr().T.tocsr()
    z = x.numpy().reshape(-1)
    ends = zip(into.indptr[:-1], into.indptr[1:], strict=True)
    found = [z[into.indices[a:b]].max() for a, b in ends]
    assert (into.data == 1.0).all()
    assert np.array_equal(found, out.numpy().reshape(-1))


@given(pools(), st.booleans())
def test_the_product_is_the_forward_pass_of_average_pooling(drawn, include):
    rank, kernel, stride, padding, _, sizes = drawn
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(1, 2, *sizes)))
    out = AVG_POOL[rank - 1](x, kernel, stride, padding, count_include_pad=include)
    ones = [1] * rank

    def divisors(w):
        return np.full(w.coarse, float(w.kernel)) if include else w.coarse_cover.sum(axis=0)

    block = one_layer(x, out, kernel, stride, ones, padding, divisors)
    assert close(block.to_csr().T @ x.numpy().reshape(-1), out.numpy().reshape(-1))


@given(st.lists(st.tuples(st.integers(1, 7), st.integers(1, 7)), min_size=1, max_size=3))
def test_the_product_is_the_forward_pass_of_adaptive_pooling(sizes):
    functions = (
        functional.adaptive_avg_pool1d, functional.adaptive_avg_pool2d,
        functional.adaptive_avg_pool3d,
    )  # fmt: skip
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(1, 2, *(n for n, _ in sizes))))
    out = functions[len(sizes) - 1](x, [m for _, m in sizes])
    operators = tuple(AxisOperator.adaptive(n, m) for n, m in sizes)
    source, target = View(tuple(x.shape[1:])), View(tuple(out.shape[1:]), x.numel())
    block = Pool(name="p", source=source, target=target, operators=operators, mode="average")
    assert close(block.to_csr().T @ x.numpy().reshape(-1), out.numpy().reshape(-1))


def test_many_channels_are_filled_in_parts():
    rng = np.random.default_rng(1)
    weight = Recipe.of(Parameter.from_array("w", rng.normal(size=(40, 30, 3, 3))))
    window = Window(fine=12, coarse=12, kernel=3, before=1)
    block = Conv(
        name="c", source=View((30, 12, 12)), target=View((40, 12, 12), 4320), weight=weight,
        windows=(window, window),
    )  # fmt: skip
    matrix, z = block.to_csr(), rng.normal(size=4320)
    x = torch.from_numpy(z.reshape(1, 30, 12, 12))
    expected = functional.conv2d(x, torch.from_numpy(weight.read()), padding=1).numpy().reshape(-1)
    assert matrix.nnz > 100_000
    assert np.allclose(matrix.T @ z, expected, atol=1e-10)
