"""Every kind of block against loops over its definition."""

import numpy as np
import pytest
from hypothesis import given
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
    wide = values.astype(np.float64)
    for transform, f in loops.TRANSFORMS.items():
        exact = np.array([np.fromiter(map(f, row), np.float64) for row in wide])
        for recipe, own in ((weight, exact), (weight.transpose((1, 0)), exact.T)):
            n_out, n_in = own.shape
            views = {"source": View((n_in,)), "target": View((n_out,), n_in)}
            sums = Dense(name="fc", **views, weight=recipe).sums(transform)[transform]
            assert np.allclose(sums.row, own.sum(axis=0), rtol=1e-10, atol=1e-9)
            assert np.allclose(sums.column, own.sum(axis=1), rtol=1e-10, atol=1e-9)


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
