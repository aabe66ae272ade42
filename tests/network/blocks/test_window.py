from itertools import product

import numpy as np
import pytest
from hypothesis import given
from oracles.windows import windows

from cntgraph.core.errors import GraphSizeError, ParameterError
from cntgraph.network.blocks import Window


def triples(w):
    """(fine, coarse, tap) of every edge, from the definition."""
    found = []
    for t, o in product(range(w.kernel), range(w.coarse)):
        q = o * w.stride - w.before + t * w.dilation
        if 0 <= q < w.fine:
            found.append((q, o, t))
    return sorted(found)


@given(windows)
def test_pairs_are_those_of_the_definition(w):
    found = sorted(zip(*(part.tolist() for part in w.pairs()), strict=True))
    assert found == triples(w)


@given(windows)
def test_taps_are_slices_of_equal_length(w):
    found = []
    for t in range(w.kernel):
        tap = w.tap(t)
        fine, coarse = range(w.fine)[tap.fine], range(w.coarse)[tap.coarse]
        found += [(q, o, t) for q, o in zip(fine, coarse, strict=True)]
    assert sorted(found) == triples(w)


@given(windows)
def test_covers_are_those_of_the_definition(w):
    fine, coarse = np.zeros((w.kernel, w.fine), bool), np.zeros((w.kernel, w.coarse), bool)
    for q, o, t in triples(w):
        fine[t, q] = coarse[t, o] = True
    assert np.array_equal(w.fine_cover, fine)
    assert np.array_equal(w.coarse_cover, coarse)


@pytest.mark.parametrize(
    "wrong", [{"kernel": 0}, {"stride": 0}, {"dilation": 0}, {"fine": -1}, {"coarse": -1}]
)
def test_impossible_windows_are_refused(wrong):
    with pytest.raises(ParameterError, match="expected sizes"):
        Window(**{"fine": 4, "coarse": 4, "kernel": 3, **wrong})


@pytest.mark.parametrize(
    "wrong",
    [{"fine": 2**25}, {"coarse": 2**25}, {"kernel": 2**25}, {"stride": 2**33}, {"before": -(2**33)},
     {"dilation": 2**62}],
)  # fmt: skip
def test_windows_larger_than_any_networks_are_refused(wrong):
    with pytest.raises(GraphSizeError, match=r"at most 16,777,216 (positions|taps)"):
        Window(**{"fine": 4, "coarse": 4, "kernel": 3, **wrong})


def test_arrays_of_windows_are_refused_before_they_are_made():
    whole = Window(fine=2**20, coarse=1, kernel=2**20)
    assert len(whole.pairs()[0]) == 2**20
    with pytest.raises(GraphSizeError, match="taps over the positions"):
        whole.fine_cover  # noqa: B018
    wide = Window(fine=2**14, coarse=2**14, kernel=2**14, before=2**13)
    with pytest.raises(GraphSizeError, match="edges along an axis"):
        wide.pairs()
    # Taps that fall beside the axis cost nothing.
    mostly_padding = Window(fine=6, coarse=7, kernel=10**6, before=5 * 10**5)
    assert len(mostly_padding.pairs()[0]) == 42
    assert mostly_padding.coarse_cover.sum() == 42
