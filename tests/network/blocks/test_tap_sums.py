from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles.windows import windows

from cntgraph.network.blocks import Window
from cntgraph.network.blocks import tap_sums as module
from cntgraph.network.blocks.tap_sums import TapSums


@given(
    st.lists(windows, min_size=0, max_size=3),
    st.sampled_from(["fine", "coarse"]),
    st.integers(1, 40),
)
def test_sums_are_those_of_the_taps_that_cover_a_position(axes, side, n_channels):
    covers = [getattr(w, f"{side}_cover") for w in axes]
    table = np.random.default_rng(0).normal(size=(n_channels, *(w.kernel for w in axes)))
    found = TapSums.of(tuple(axes), side).of_table(table)
    expected = table
    for axis, cover in enumerate(covers, start=1):
        expected = np.moveaxis(np.tensordot(expected, cover.astype(float), (axis, 0)), -1, axis)
    assert found.shape == expected.shape
    assert found.values() == pytest.approx(expected.reshape(-1), abs=1e-12)


def test_what_is_not_covered_does_not_count_even_if_not_finite():
    sums = TapSums.of((Window(fine=4, coarse=4, kernel=3, before=1),), "coarse")
    found = sums.of_table(np.array([[np.nan, 1.0, np.inf]])).values()
    assert np.array_equal(found, [np.inf, np.nan, np.nan, np.nan], equal_nan=True)


def test_positions_that_are_covered_alike_are_summed_once():
    window = Window(fine=100, coarse=100, kernel=3, before=1)
    sums = TapSums.of((window, window), "fine")
    assert sums.n_sums == 9
    assert len(sums.additions) == 3 * 3 + 3 * 3


@given(windows, st.sampled_from(["fine", "coarse"]))
def test_taps_that_cover_a_position_are_evenly_spaced(window, side):
    cover = getattr(window, f"{side}_cover")
    for taps in map(np.flatnonzero, cover.T):
        assert len({*np.diff(taps).tolist()}) <= 1


def test_the_additions_of_small_kernels_are_remembered(monkeypatch):
    window = Window(fine=28, coarse=26, kernel=3)
    assert TapSums.of((window,), "fine") is TapSums.of(
        (Window(fine=28, coarse=26, kernel=3),), "fine"
    )
    monkeypatch.setattr(module, "_REMEMBERED", 6)
    assert TapSums.of((window,), "fine") is not TapSums.of((window,), "fine")


@pytest.mark.parametrize("n_channels", [1, 15, 16, 17, 48])
def test_each_channel_is_summed_alone(n_channels):
    window = Window(fine=7, coarse=4, kernel=3, stride=2, before=1)
    sums = TapSums.of((window, window), "coarse")
    table = np.random.default_rng(1).normal(size=(n_channels, 3, 3))
    together = sums.of_table(table).table
    for c, own in product(range(n_channels), [together]):
        assert np.array_equal(sums.of_table(table[c : c + 1]).table[0], own[c])
