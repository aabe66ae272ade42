"""Sums and statistics of weights times vectors, against those of the weights multiplied out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles.stored import DTYPES, stored

from cntgraph.core.parameter import Parameter
from cntgraph.core.recipe import Recipe
from cntgraph.network.blocks import TRANSFORMS
from cntgraph.network.blocks.histogram import Bins
from cntgraph.network.blocks.row_column_sums import row_column_sums

SHAPES = [(1, 1), (4, 7), (9, 300), (6, 200, 3, 3), (12, 2, 5), (260, 5), (5, 40, 1, 4)]
#: How the axes of a weight lie in memory, by how many there are.
ORDERS = {2: [(0, 1), (1, 0)], 3: [(0, 1, 2), (2, 1, 0), (2, 0, 1)],
          4: [(0, 1, 2, 3), (3, 2, 0, 1), (3, 2, 1, 0)]}  # fmt: skip


def leaf(bits, dtype, name="w"):
    return Recipe.of(Parameter.from_array(name, bits, dtype=dtype))


def constant(values):
    return Recipe.of(Parameter.from_array("v", values))


def plain(recipe):
    """The same values, stored in float64."""
    return constant(np.ascontiguousarray(recipe.read(), dtype=np.float64))


def assert_same(found, expected, transforms):
    sums, statistics = found
    others, wanted = expected
    for t in transforms:
        for ours, theirs in zip(sums[t], others[t], strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-11, atol=1e-13)
    for name in ("n", "n_zero", "n_nan", "n_inf"):
        assert getattr(statistics, name) == getattr(wanted, name), name
    # Two factors are multiplied by one another first.
    extremes = statistics.minimum, statistics.maximum
    assert extremes == pytest.approx((wanted.minimum, wanted.maximum), rel=1e-15)
    for power, name in enumerate(("mean", "m2", "m3", "m4"), start=1):
        size = np.float64(max(abs(wanted.mean), wanted.std, 1e-300)) ** power
        room = min(1e-11 * size * max(wanted.n, 1), 1e300)
        ours, theirs = getattr(statistics, name), getattr(wanted, name)
        assert ours == pytest.approx(theirs, 1e-11, room, nan_ok=True), name
    if wanted.counts is not None:
        np.testing.assert_array_equal(statistics.counts, wanted.counts)


@given(st.data())
def test_factors_of_rows_and_columns_in_every_order(data):
    shape = data.draw(st.sampled_from(SHAPES))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**16)))
    order = data.draw(st.sampled_from(ORDERS[len(shape)]))
    values = rng.normal(size=shape) * (rng.random(shape) < 0.9)
    bits, dtype, _ = stored(values.transpose(np.argsort(order)), data.draw(st.sampled_from(DTYPES)))
    weight = leaf(bits, dtype).transpose(order)
    for kept in data.draw(st.sets(st.sampled_from([(), (0,), (1,), (1, 2), (0, 1)]), min_size=1)):
        axes = [n if k in kept else 1 for k, n in enumerate(shape)]
        weight = weight * constant(rng.normal(size=axes) * (rng.random(axes) < 0.9))
    groups = data.draw(st.sampled_from([g for g in (1, 2, 3) if shape[0] % g == 0]))
    transforms = tuple(data.draw(st.sets(st.sampled_from(TRANSFORMS))))
    asked = {"groups": groups, "statistics": data.draw(st.sampled_from([True, Bins(0.0, 0.5)]))}
    found = row_column_sums(weight, transforms, **asked)
    assert_same(found, row_column_sums(plain(weight), transforms, **asked), transforms)


@pytest.mark.parametrize("shape", [(700, 900), (2, 300_000), (900_000, 2), (300, 128, 3, 3)])
@pytest.mark.parametrize("across", [False, True])
def test_large_ones_are_cut_into_parts(shape, across, monkeypatch):
    rng, found = np.random.default_rng(0), []
    order = (*range(len(shape))[::-1],) if across else (*range(len(shape)),)
    weight = leaf(rng.normal(size=[shape[k] for k in order]).astype("f4"), "float32")
    weight = weight.transpose(tuple(np.argsort(order)))
    weight = weight * constant(rng.normal(size=(shape[0], *(1,) * (len(shape) - 1))))
    weight = weight * constant(rng.normal(size=(1, *shape[1:])))
    asked = ("signed", "absolute"), {"statistics": True}
    for threads in ("1", "2", "3"):
        monkeypatch.setenv("CNTGRAPH_NUM_THREADS", threads)
        sums, statistics = row_column_sums(weight, asked[0], **asked[1])
        found.append(([s.tobytes() for own in sums.values() for s in own], repr(statistics)))
    assert found[0] == found[1] == found[2]
    wide = weight.read().reshape(*shape[:2], -1)
    np.testing.assert_allclose(sums["signed"].row, wide.sum(axis=1), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(sums["absolute"].column[0], np.abs(wide).sum(axis=0), rtol=1e-12)
    extremes = statistics.minimum, statistics.maximum
    assert extremes == pytest.approx((wide.min(), wide.max()), rel=1e-15)
    assert statistics.kurtosis == pytest.approx(
        ((wide - wide.mean()) ** 4).mean() / wide.var() ** 2 - 3.0, rel=1e-9
    )


@pytest.mark.parametrize("factor", [np.nan, np.inf, 0.0, 1e-320, 1e300, -0.0])
@pytest.mark.parametrize("value", [1.0, np.inf, np.nan, 0.0, 3e38])
@np.errstate(invalid="ignore", over="ignore")  # infinities that cancel
def test_what_is_not_finite_is_set_apart_after_it_was_multiplied(factor, value):
    values, factors = np.ones((5, 200), np.float32), np.ones((5, 1))
    values[2, 3], factors[2] = value, factor
    weight = leaf(values, "float32") * constant(factors)
    found = row_column_sums(weight, ("signed",), statistics=True)
    assert_same(found, row_column_sums(plain(weight), ("signed",), statistics=True), ("signed",))
