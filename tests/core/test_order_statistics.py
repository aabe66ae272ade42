"""Order statistics of numbers that come in parts against a plain sort."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cntgraph.core.order_statistics import order_statistics

finite = st.floats(allow_nan=False, allow_infinity=False)
tied = st.sampled_from([0.0, -1.5, 1.5, 5e-324, -5e-324, 1.7e308, 1.5 + 2**-52])


@given(st.lists(finite | tied, min_size=1, max_size=60), st.data())
def test_ranks_are_those_of_a_sort(values, data):
    ranks = data.draw(st.lists(st.integers(0, len(values) - 1), min_size=1, max_size=5))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(values)), max_size=4)))
    held = data.draw(st.sampled_from([0, 1, 7, 1000]))
    parts = np.split(np.array(values), cuts)
    found = order_statistics(lambda: iter(parts), ranks, held=held)
    assert found.tolist() == [sorted(values)[rank] for rank in ranks]


@pytest.mark.parametrize(("spread", "passes"), [(1.0, 2), (0.0, 5)])
def test_parts_are_read_as_often_as_numbers_are_alike(spread, passes):
    """Numbers that differ early are sorted after one pass; equal ones need all bits."""
    values = 1.0 + spread * np.random.default_rng(0).normal(size=10_000)
    n_reads = 0

    def parts():
        nonlocal n_reads
        n_reads += 1
        yield from np.split(values, 10)

    found = order_statistics(parts, [5000], held=2000)
    assert found[0] == np.sort(values)[5000]
    assert n_reads <= passes


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.int8])
def test_numbers_of_other_types(dtype):
    values = (10 * np.random.default_rng(0).normal(size=500)).astype(dtype)
    found = order_statistics(lambda: iter([values[:100], values[100:]]), range(0, 500, 50), held=9)
    assert found.tolist() == np.sort(values)[::50].tolist()
