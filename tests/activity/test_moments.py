"""Moments and kept samples against NumPy and SciPy on all samples at once."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import skew

from cntgraph.activity.kept_samples import KeptSamples, marks_of
from cntgraph.activity.moments import Moments
from cntgraph.core.parallel import limited_threads

shapes = st.tuples(st.integers(1, 12), st.integers(0, 5))
samples = shapes.flatmap(
    lambda shape: arrays(np.float64, shape, elements=st.floats(-1e3, 1e3, width=32))
)


def added(values, cuts, order=None):
    moments = Moments(values.shape[1])
    parts = np.split(values, cuts)
    for k in range(len(parts)) if order is None else order:
        moments.add(parts[k])
    return moments


def check(moments, values):
    assert moments.n_samples == len(values)
    expected = {"mean": values.mean(0), "std": values.std(0), "min": values.min(0),
                "max": values.max(0), "active": (values > 0).mean(0)}  # fmt: skip
    for name, of_numpy in expected.items():
        assert getattr(moments, name) == pytest.approx(of_numpy, rel=1e-10, abs=1e-9), name


@given(samples, st.data())
def test_batches_of_any_size_and_order_give_what_numpy_does(values, data):
    cuts = sorted(data.draw(st.lists(st.integers(0, len(values)), max_size=4)))
    order = data.draw(st.permutations(range(len(cuts) + 1)))
    check(added(values, cuts, order), values)


@given(samples, samples)
def test_two_halves_are_the_whole(first, second):
    second = np.resize(second, (len(second), first.shape[1]))
    half, other = added(first, []), added(second, [])
    before = other.state.copy()
    half.merge(other)
    check(half, np.concatenate([first, second]))
    assert (other.state == before).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_skewness_far_from_zero_and_over_many_nodes(dtype):
    rng = np.random.default_rng(0)
    values = (rng.gamma(2.0, size=(301, 1500)) + 50.0).astype(dtype)
    moments = added(values, [1, 64, 65, 200])
    exact = values.astype(np.float64)
    assert np.abs(moments.skew - skew(exact, axis=0)).max() < 1e-9
    assert np.abs(moments.std / exact.std(0) - 1).max() < 1e-10
    again = added(values, [1, 64, 65, 200])
    with limited_threads(1):
        alone = added(values, [1, 64, 65, 200])
    assert again.state.tobytes() == moments.state.tobytes() == alone.state.tobytes()


def test_what_does_not_vary_has_no_skewness():
    moments = added(np.full((7, 2), 0.1), [3])
    assert np.isnan(moments.skew).all()
    assert moments.std.max() < 1e-16


def test_no_samples_change_nothing():
    moments = added(np.ones((3, 2)), [])
    state = moments.state.copy()
    moments.add(np.ones((0, 2)))
    moments.merge(Moments(2))
    assert moments.n_samples == 3
    assert (moments.state == state).all()


@given(st.integers(1, 40), st.integers(1, 50), st.permutations(range(5)))
def test_the_same_samples_are_kept_in_any_order(n_samples, size, order):
    values = np.random.default_rng(n_samples).normal(size=(n_samples, 3))
    parts = np.array_split(np.arange(n_samples), 5)
    kept = [KeptSamples(3, size), KeptSamples(3, size)]
    for part in parts:
        kept[0].add(values[part], marks_of((values[part],)))
    for k in order:
        other = KeptSamples(3, size)
        other.add(values[parts[k]], marks_of((values[parts[k]],)))
        kept[1].merge(other)
    assert (kept[0].values == kept[1].values).all()
    assert len(kept[0].values) == min(size, n_samples)
    if size >= n_samples:
        expected = np.quantile(values, [0.1, 0.5], axis=0)
        assert np.allclose(kept[0].quantiles([0.1, 0.5]), expected, rtol=0, atol=1e-12)


def test_quantiles_of_a_part_are_near_those_of_all():
    values = np.random.default_rng(0).normal(size=(20_000, 2))
    kept = KeptSamples(2, 1000)
    kept.add(values, marks_of((values,)))
    assert np.abs(kept.quantiles([0.25, 0.5, 0.75]).T - [-0.674, 0.0, 0.674]).max() < 0.15


def test_marks_tell_inputs_apart_by_all_their_arrays():
    first, second = np.zeros((2, 3)), np.array([[1], [2]])
    assert len({*marks_of((first, second)).tolist()}) == 2
    assert len({*marks_of((first,)).tolist()}) == 1
