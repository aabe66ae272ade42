"""Every kind of block against loops over its definition, and against PyTorch's own operations."""

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from oracles import loops
from oracles.drawn_blocks import (
    any_block,
    conv_blocks,
    dense_blocks,
    diagonal_blocks,
    identity_blocks,
    pool_blocks,
    sparse_blocks,
)
from torch.nn import functional

from cntgraph.core.errors import ParameterError
from cntgraph.core.parameter import Parameter
from cntgraph.core.recipe import Recipe
from cntgraph.core.view import View
from cntgraph.network.blocks import (
    TRANSFORMS,
    AxisOperator,
    Conv,
    Dense,
    Diagonal,
    Identity,
    Pool,
    Sparse,
    WeightStatistics,
    Window,
)

# -- the checks ----------------------------------------------------------------------------------


def close(found, expected):
    return np.allclose(found, expected, rtol=1e-12, atol=1e-11)


def check(block, edges):
    """Everything a block says about its edges, against the list of them."""
    edges = loops.without_padding(edges, block.source.as_ids())
    n_in, n_out = block.shape
    dense = loops.to_matrix(edges, n_in, n_out)

    assert block.n_edges == len(edges)
    degrees = [0] * n_in
    for i, _, _ in edges:
        degrees[i] += 1
    assert block.out_degrees().tolist() == degrees

    csr = block.to_csr()
    assert csr.shape == (n_in, n_out)
    assert csr.nnz == len(edges)
    assert csr.data.dtype == block.dtype
    for i in range(n_in):
        columns = csr.indices[csr.indptr[i] : csr.indptr[i + 1]]
        assert (np.diff(columns) >= 0).all()
        assert sorted(columns.tolist()) == sorted(j for at, j, _ in edges if at == i)
    assert close(csr.toarray(), dense)

    found = block.sums(*TRANSFORMS)
    assert list(found) == list(TRANSFORMS)
    for transform in TRANSFORMS:
        rows, columns = loops.strengths(edges, n_in, n_out, transform)
        assert found[transform].row.dtype == found[transform].column.dtype == np.float64
        assert close(found[transform].row, rows), transform
        assert close(found[transform].column, columns), transform
        (alone,) = block.sums(transform).values()
        assert close(alone.row, rows)
        assert close(alone.column, columns)

    rng = np.random.default_rng(0)
    x, z = rng.normal(size=n_out), rng.normal(size=n_in)
    assert close(block.matvec(x), dense @ x)
    assert close(block.rmatvec(z), dense.T @ z)


@given(dense_blocks())
def test_dense(drawn):
    check(*drawn[:2])


@given(conv_blocks())
def test_conv(drawn):
    check(*drawn[:2])


@given(pool_blocks())
def test_pool(drawn):
    check(*drawn[:2])


@given(diagonal_blocks())
def test_diagonal(drawn):
    check(*drawn[:2])


@given(identity_blocks())
def test_identity(drawn):
    check(*drawn[:2])


@given(sparse_blocks())
def test_sparse(drawn):
    check(*drawn[:2])


@given(any_block)
def test_statistics_count_each_stored_weight_once(drawn):
    block, _, exact = drawn
    found = block.statistics()
    if exact is not None:
        expected = WeightStatistics.of(exact.reshape(-1))
        assert (found.size, found.n_zero) == (exact.size, int((exact == 0).sum()))
        assert found.mean == pytest.approx(expected.mean, abs=1e-12)
        assert (found.minimum, found.maximum) == (expected.minimum, expected.maximum)


@given(any_block, st.sampled_from(TRANSFORMS))
def test_products_with_every_transform(drawn, transform):
    block, edges, _ = drawn
    edges, f = loops.without_padding(edges, block.source.as_ids()), loops.TRANSFORMS[transform]
    dense = loops.to_matrix([(i, j, f(w)) for i, j, w in edges], *block.shape)
    rng = np.random.default_rng(0)
    z, x = (rng.normal(size=n) for n in block.shape)
    assert close(block.matvec(x, transform), dense @ x)
    assert close(block.rmatvec(z, transform), dense.T @ z)
    zs, xs = (rng.normal(size=(n, 3)) for n in block.shape)
    assert close(block.matvec(xs, transform), dense @ xs)
    assert close(block.rmatvec(zs, transform), dense.T @ zs)


@pytest.mark.parametrize(
    ("dtype", "magnitude"),
    [("float32", 3e38), ("float32", 1.5e-45), ("float64", 1e60), ("float64", 1e100)],
)
def test_powers_are_taken_in_float64(magnitude, dtype):
    """Those of the largest and the smallest float32 fit; those beyond are infinite."""
    stored_weights = np.array([magnitude, -magnitude], dtype)
    exact = stored_weights.astype(float)
    views = {"source": View((2, 1)), "target": View((2, 1), 2)}
    places = {"indptr": np.array([0, 1, 2]), "indices": np.array([0, 1])}
    window = Window(fine=1, coarse=1, kernel=1)

    def weight(*shape):
        return Recipe.of(Parameter.from_array("w", stored_weights.reshape(shape)))

    blocks = [
        Conv(name="c", weight=weight(2, 1, 1), windows=(window,), groups=2, **views),
        Diagonal(name="d", weight=weight(2, 1), **views),
        Sparse(name="s", weight=weight(2), **places, **views),
        Dense(name="fc", source=View((1,)), target=View((2,), 1), weight=weight(2, 1)),
    ]
    with np.errstate(over="ignore"):
        expected = {"square": exact**2, "fourth": exact**4}
    assert np.isinf(expected["fourth"]).all() == (magnitude == 1e100)
    for block in blocks:
        sums = block.sums("square", "fourth")
        for transform, values in expected.items():
            assert np.allclose(sums[transform].column, values, rtol=1e-14, atol=0.0)
            moved = block.rmatvec(np.ones(block.source.size), transform)
            assert np.allclose(moved, values, rtol=1e-14, atol=0.0)


@given(any_block)
def test_geometry_rebuilds_the_block(drawn):
    block, edges, _ = drawn
    common = {"name": block.name, "source": block.source, "target": block.target}
    if block.weight is not None:
        common["weight"] = block.weight
    check(type(block).from_geometry(block.geometry(), **common), edges)


def test_huge_weights_are_summed_chunk_by_chunk():
    values = np.random.default_rng(0).normal(size=(3000, 700)).astype(np.float32)
    weight = Recipe.of(Parameter.from_array("w", values))
    assert len(list(weight.chunks())) > 3
    for recipe, matrix in ((weight, values), (weight.transpose((1, 0)), values.T)):
        n_out, n_in = matrix.shape
        block = Dense(name="fc", source=View((n_in,)), target=View((n_out,), n_in), weight=recipe)
        for transform, f in loops.TRANSFORMS.items():
            exact = np.vectorize(f)(matrix.astype(np.float64))
            sums = block.sums(transform)[transform]
            assert np.allclose(sums.row, exact.sum(axis=0), rtol=1e-10, atol=1e-9)
            assert np.allclose(sums.column, exact.sum(axis=1), rtol=1e-10, atol=1e-9)


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


# -- against PyTorch -----------------------------------------------------------------------------

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


# -- bias, binding, what does not fit ------------------------------------------------------------


def leaf(array, name="w"):
    return Recipe.of(Parameter.from_array(name, np.asarray(array, dtype=np.float64)))


def test_bias_broadcasts_over_the_target():
    source, target = View((3,), 0), View((2, 2), 3)
    weight = leaf(np.zeros((4, 3)))
    by_channel = Dense(
        name="fc", source=source, target=target, weight=weight, bias=leaf([[1.0], [2.0]], "b")
    )
    assert by_channel.bias_values().tolist() == [1.0, 1.0, 2.0, 2.0]
    without = Dense(name="fc", source=source, target=target, weight=weight)
    assert without.bias_values().tolist() == [0.0] * 4


def test_bind_reads_weight_and_bias_from_elsewhere():
    w, b = leaf(np.ones((2, 2))), leaf(np.ones(2), "b")
    block = Dense(name="fc", source=View((2,)), target=View((2,), 2), weight=w, bias=b)
    other = {n: Parameter.from_array(n, np.full(s, 7.0)) for n, s in (("w", (2, 2)), ("b", (2,)))}
    bound = block.bind(other)
    assert bound.sums("signed")["signed"].row.tolist() == [14.0, 14.0]
    assert bound.bias_values().tolist() == [7.0, 7.0]
    assert [p.name for p in bound.parameters()] == ["w", "b"]
    assert block.sums("signed")["signed"].row.tolist() == [2.0, 2.0]


@pytest.mark.parametrize("size", [3, 5])
def test_vectors_of_another_size_are_refused(size):
    block = Identity(name="skip", source=View((4,)), target=View((4,), 4))
    for product in (block.matvec, block.rmatvec):
        with pytest.raises(ParameterError, match=f"expected a vector of 4 values, got {size}"):
            product(np.zeros(size))


WINDOW = Window(fine=4, coarse=4, kernel=3, before=1)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Dense(name="b", source=View((3,)), target=View((2,), 3),
                      weight=leaf(np.ones((3, 2)))),
        lambda: Identity(name="b", source=View((3,)), target=View((2,), 3)),
        lambda: Diagonal(name="b", source=View((3,)), target=View((2,), 3), weight=leaf([1.0])),
        lambda: Diagonal(name="b", source=View((3,)), target=View((3,), 3),
                         weight=leaf(np.ones((2, 3)))),
        lambda: Diagonal(name="b", source=View((3,)), target=View((3,), 3),
                         weight=leaf([1.0, 2.0])),
        lambda: Conv(name="b", source=View((1, 4)), target=View((1, 4), 4), windows=(WINDOW,),
                     weight=leaf(np.ones((1, 1, 2)))),
        lambda: Conv(name="b", source=View((3, 4)), target=View((2, 4), 12), windows=(WINDOW,),
                     weight=leaf(np.ones((2, 1, 3))), groups=2),
        lambda: Conv(name="b", source=View((1, 5)), target=View((1, 4), 5), windows=(WINDOW,),
                     weight=leaf(np.ones((1, 1, 3)))),
        lambda: Pool(name="b", source=View((1, 4)), target=View((1, 3), 4), mode="max",
                     operators=(AxisOperator.adaptive(4, 2),)),
        lambda: Pool(name="b", source=View((1, 4)), target=View((1, 2), 4), mode="median",
                     operators=(AxisOperator.adaptive(4, 2),)),
        lambda: Sparse(name="b", source=View((2,)), target=View((2,), 2), weight=leaf([1.0]),
                       indptr=np.array([0, 1, 1]), indices=np.array([2])),
        lambda: Sparse(name="b", source=View((2,)), target=View((2,), 2), weight=leaf([1.0]),
                       indptr=np.array([0, 2, 1]), indices=np.array([1])),
        lambda: AxisOperator(2, 1, np.array([0]), np.array([0]), np.array([np.inf])),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(make):
    with pytest.raises(ParameterError):
        make()
