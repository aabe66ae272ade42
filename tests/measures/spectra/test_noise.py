"""The bulk of spectra: by loops, of pure noise, and of noise with spikes that are known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import spectra

from cntgraph.measures.spectra.noise import Noise


def eigenvalues(matrix):
    return np.linalg.svd(matrix, compute_uv=False) ** 2


@given(st.integers(2, 9), st.integers(2, 9), st.integers(1, 3), st.integers(0, 2**31))
def test_by_loops(rows, columns, n_matrices, seed):
    rng = np.random.default_rng(seed)
    matrices = rng.standard_t(1.5, size=(n_matrices, rows, columns))
    values = np.concatenate([eigenvalues(own) for own in matrices])
    found = Noise.of(values, (rows, columns), n_matrices)
    assert found == pytest.approx(spectra.noise(values.tolist(), rows, columns, n_matrices))


def test_noise_has_its_variance_and_a_spike_once_in_a_hundred():
    rng = np.random.default_rng(0)
    found = [Noise.of(eigenvalues(rng.normal(0, 3, (60, 40))), (60, 40)) for _ in range(1500)]
    variances = np.array([one.variance for one in found])
    assert variances.mean() == pytest.approx(9.0, rel=0.005)
    share = np.mean([one.n_spikes > 0 for one in found])
    assert share == pytest.approx(0.01, abs=4.5 * np.sqrt(0.01 / 1500))


@pytest.mark.parametrize("k", [1, 4, 20])
def test_spikes_are_counted_and_leave_the_variance_as_it_is(k):
    rng = np.random.default_rng(k)
    left, right = (np.linalg.qr(rng.normal(size=(n, k)))[0] for n in (300, 200))
    strengths = np.linspace(60, 200, k)  # the noise's largest singular value is about 31
    found = Noise.of(
        eigenvalues(rng.normal(size=(300, 200)) + left * strengths @ right.T), (300, 200)
    )
    assert found.n_spikes == k
    assert found.variance == pytest.approx(1.0, rel=0.02)
    assert found.edge == pytest.approx((np.sqrt(300) + np.sqrt(200)) ** 2, rel=0.02)


@pytest.mark.parametrize("shape", [(3, 5), (1, 4), (1, 1), (0, 3)])
def test_nothing_is_no_noise(shape):
    assert Noise.of(np.zeros(min(shape)), shape) == (0.0, 0.0, 0)
