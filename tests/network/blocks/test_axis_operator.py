"""Operators against PyTorch's interpolation of one-hot inputs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cntgraph.network.blocks import AxisOperator


def interpolated(n_in, align_corners, **size):
    """The matrix by which PyTorch interpolates, shape (n_in, n_out)."""
    import torch

    one_hot = torch.eye(n_in, dtype=torch.double)[:, None]
    made = torch.nn.functional.interpolate(
        one_hot, mode="linear", align_corners=align_corners, **size
    )
    return made[:, 0].numpy()


@given(n_in=st.integers(1, 9), n_out=st.integers(1, 20), align_corners=st.booleans())
def test_linear_interpolation_is_that_of_torch(n_in, n_out, align_corners):
    found = AxisOperator.linear(n_in, n_out, align_corners=align_corners)
    expected = interpolated(n_in, align_corners, size=n_out)
    assert np.allclose(found.matrix.toarray(), expected, rtol=0, atol=1e-12)
    assert found.weights.min() > 0
    assert len({*zip(found.rows.tolist(), found.columns.tolist(), strict=True)}) == len(found.rows)


@given(n_in=st.integers(1, 9), scale=st.floats(0.4, 4.0))
def test_linear_interpolation_by_the_factor_that_was_asked_for(n_in, scale):
    n_out = int(n_in * scale)
    if not n_out:
        return
    expected = interpolated(n_in, False, scale_factor=scale)
    found = AxisOperator.linear(n_in, n_out, scale=scale)
    assert np.allclose(found.matrix.toarray(), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("n_in", "n_out"), [(3, 5), (4, 7), (1, 3), (5, 1)])
def test_a_position_that_lies_on_an_input_reads_no_other(n_in, n_out):
    found = AxisOperator.linear(n_in, n_out, align_corners=True)
    on_inputs = [o for o in range(n_out) if o * (n_in - 1) % max(n_out - 1, 1) == 0]
    for o in on_inputs:
        assert (found.columns == o).sum() == 1


def test_two_operators_in_a_row_are_one():
    first, second = AxisOperator.linear(4, 7), AxisOperator.adaptive(7, 3)
    expected = first.matrix.toarray() @ second.matrix.toarray()
    assert np.allclose(first.then(second).matrix.toarray(), expected, rtol=0, atol=1e-12)
    assert (AxisOperator.of_matrix(expected).matrix.toarray() == expected).all()
