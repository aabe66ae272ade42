import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from needs import needs
from oracles.cross_barcode import cross_barcode, divergence, normalized

import cntgraph as cg
from cntgraph.core.errors import CntGraphError, MissingExtraError, UndefinedMeasureError

needs("gudhi")


def points(n, features, seed):
    return np.random.default_rng(seed).normal(size=(n, features))


def whole(a, b, **options):
    return cg.representation_divergence(a, b, **options).loc["all", "value"]


@given(
    n=st.integers(3, 9),
    features=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    seed=st.integers(0, 10**6),
    grid=st.booleans(),
)
@settings(deadline=None, max_examples=40)
def test_equals_the_definition(n, features, seed, grid):
    a, b = (points(n, k, seed + i) for i, k in enumerate(features))
    if grid:  # many equal distances, and points that coincide
        a, b = np.round(2 * a), np.round(2 * b)
    if any(np.quantile(np.linalg.norm(p[:, None] - p, axis=2), 0.9) == 0 for p in (a, b)):
        return
    found = cg.representation_divergence(a, b)["value"]
    np.testing.assert_allclose(found, divergence(a, b), atol=1e-12)


def test_a_ring_against_a_line():
    """The ends of the line are joined to a ring: a loop, in one direction."""
    turns = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    ring, line = np.c_[np.cos(turns), np.sin(turns)], np.c_[turns]
    found = cg.representation_divergence(line, ring)
    np.testing.assert_allclose(found["value"], divergence(line, ring), atol=1e-12)
    assert found.loc["loops", "a_to_b"] > 0.3 > 1e-9 > found.loc["loops", "b_to_a"]


def test_dimension_zero_of_the_barcode_is_empty():
    a, b = points(7, 3, 0), points(7, 2, 1)
    assert {bar[0] for bar in cross_barcode(normalized(a), normalized(b))} == {1}


@pytest.mark.parametrize(
    "change",
    [
        lambda a: a,
        lambda a: 1e-6 * a + 3,
        lambda a: a @ np.linalg.qr(points(5, 5, 9))[0],
        lambda a: np.c_[a, np.zeros((len(a), 2))],
        lambda a: a.reshape(-1, 5, 1, 1),
    ],
    ids=["itself", "scaled and moved", "rotated", "in more dimensions", "with further axes"],
)
def test_nothing_where_the_shape_is_the_same(change):
    a = points(40, 5, 0)
    found = cg.representation_divergence(a, change(a))
    np.testing.assert_allclose(found["value"], 0, atol=1e-8)


def test_grows_with_noise():
    a, noise = points(60, 5, 0), points(60, 5, 1)
    values = [whole(a, a + size * noise) for size in (0, 0.05, 0.2, 0.5, 1.0)]
    assert values == sorted(values)
    assert values[-1] > 10 * values[1] > 0


def test_symmetric():
    a, b = points(50, 5, 0), points(50, 3, 1)
    one, other = (cg.representation_divergence(*pair, n_points=20) for pair in ((a, b), (b, a)))
    pd.testing.assert_frame_equal(one[["value", "std"]], other[["value", "std"]])
    pd.testing.assert_series_equal(one["a_to_b"], other["b_to_a"], check_names=False)


def test_draws():
    a, b = points(60, 5, 0), points(60, 5, 1)
    first, again = (cg.representation_divergence(a, b, n_points=20, rng=3) for _ in range(2))
    pd.testing.assert_frame_equal(first, again, check_exact=True)
    assert not first.equals(cg.representation_divergence(a, b, n_points=20, rng=4))
    assert (first["std"] > 0).all()
    assert first.attrs == {"n_points": 20, "n_resamples": 10}
    random, values = np.random.default_rng(3), []
    for _ in range(10):
        rows = np.sort(random.choice(60, 20, replace=False))
        values.append(whole(a[rows], b[rows]))
    value, std = first.loc["all", ["value", "std"]]
    np.testing.assert_allclose([value, std], [np.mean(values), np.std(values, ddof=1)])


def test_a_draw_of_all_samples_is_made_once():
    found = cg.representation_divergence(points(20, 5, 0), points(20, 5, 1), n_points=100)
    assert found.attrs == {"n_points": 20, "n_resamples": 1}
    assert found["std"].isna().all()
    assert found.dtypes.astype(str).tolist() == ["int64"] + ["float64"] * 4


GOOD = points(10, 3, 0)


@pytest.mark.parametrize(
    ("a", "b", "options", "error", "message"),
    [
        (GOOD, GOOD[:9], {}, CntGraphError, "a has 10, b has 9"),
        (GOOD[:2], GOOD[:2], {}, CntGraphError, "3 samples or more.*got 2 samples"),
        (GOOD, GOOD, {"n_points": 2}, CntGraphError, "n_points=2"),
        (GOOD, GOOD, {"n_resamples": 0}, CntGraphError, "n_resamples of 1 or more"),
        (np.where(GOOD > 1, np.nan, GOOD), GOOD, {}, CntGraphError, "a has NaN"),
        (GOOD, np.ones((10, 3)), {}, UndefinedMeasureError, "b is the same for all samples"),
        (GOOD, np.eye(1, 10).T, {"n_points": 9, "rng": 1}, UndefinedMeasureError, "no distance"),
        (GOOD[:, 0], GOOD, {}, CntGraphError, r"\(n_samples, n_features\) for a"),
        (GOOD.astype(str), GOOD, {}, CntGraphError, "real numbers"),
        (GOOD[:0], GOOD[:0], {}, CntGraphError, "got 0 samples"),
    ],
)
def test_what_has_no_divergence(a, b, options, error, message):
    with pytest.raises(error, match=message):
        cg.representation_divergence(a, b, **options)


def test_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "gudhi.sklearn.rips_persistence", None)
    monkeypatch.setitem(sys.modules, "gudhi", None)
    with pytest.raises(MissingExtraError, match=r"needs gudhi: pip install 'cntgraph\[topology\]'"):
        cg.representation_divergence(GOOD, GOOD)
