"""Histograms for tools hold every finite value, between edges that ascend."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cntgraph.network.blocks.histogram import Bins
from cntgraph.training.sinks import LayerHistogram

NUMBERS = st.floats(-1e6, 1e6) | st.sampled_from([0.0, 1.0, 255.0, -255.0, np.nan, np.inf, -np.inf])


@given(arrays(np.float64, st.integers(1, 50), elements=NUMBERS), st.sampled_from([3, 64, 512]))
def test_every_finite_value_is_in_a_bin(values, most):
    bins, finite = Bins(0.0, 1.0), values[np.isfinite(values)]
    with np.errstate(invalid="ignore"):
        summary = {"min": values.min(), "max": values.max(),
                   "mean": values.mean(), "std": values.std()}  # fmt: skip
    row = {f"strength_{what}": value for what, value in summary.items()}
    found = LayerHistogram.of(bins, bins.count(values), row, "strength")
    if not finite.size:
        assert found is None
        return
    for edges, counts in ((found.edges, found.counts), found.of_bins(most)):
        assert len(edges) == len(counts) + 1
        assert (np.diff(edges) > 0).all()
        assert counts.sum() == finite.size
        assert edges[0] <= finite.min() <= finite.max() <= edges[-1]
        below = np.concatenate([[0], np.cumsum(counts)])  # a value at an edge may be on either side
        assert all((finite < edge).sum() <= n <= (finite <= edge).sum()
                   for edge, n in zip(edges, below, strict=True))  # fmt: skip
    assert len(found.of_bins(most)[1]) <= most
    assert found.counts[0] > 0 < found.counts[-1]
    if np.isfinite(values).all():
        # It ends with the least and the greatest value, or at an edge of a bin where these are one.
        known = (*bins.edges, bins.edges[0] - bins.spread, bins.edges[-1] + bins.spread)
        assert found.edges[0] in (finite.min(), *known)
        assert found.edges[-1] in (finite.max(), *known)
