"""Numbers are rounded to stored types as ml_dtypes and NumPy round them."""

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cntgraph as cg
from cntgraph.core.parameter import EXTENDED, storage_dtype, widen
from cntgraph.training.statistics.stored import as_stored, negated

FLOATS8 = [name for name in EXTENDED if name.startswith("float8") and "e8m0" not in name]


@given(st.lists(st.floats(-15, 15), min_size=1), st.sampled_from([*FLOATS8, "bfloat16"]))
def test_the_nearest_number_of_a_type(values, dtype):
    values = np.array(values)
    found = widen(as_stored(values, dtype), dtype)
    expected = values.astype(getattr(ml_dtypes, dtype)).astype(np.float32)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("dtype", [*EXTENDED, "float16", "float32", "float64"])
def test_numbers_beyond_a_type_are_its_greatest(dtype):
    info = ml_dtypes.finfo(getattr(ml_dtypes, dtype, dtype))
    greatest = widen(
        as_stored(np.array([1e308 * 10 if dtype == "float64" else 1e300]), dtype), dtype
    )
    assert greatest[0] == float(info.max)


def test_integers():
    values = np.array([-1e30, -128.6, -0.4, 2.5, 3.5, 127.4, 1e30])
    assert as_stored(values, "int8").tolist() == [-128, -128, 0, 2, 4, 127, 127]
    assert as_stored(values, "uint8").tolist() == [0, 0, 0, 2, 4, 127, 255]
    assert as_stored(values[[0, -1]], "int64").tolist() == [-(2**63), 2**63 - 1]
    with pytest.raises(cg.CntGraphError, match="got true and false"):
        as_stored(values, "bool")


@pytest.mark.parametrize("dtype", [*FLOATS8, "bfloat16", "float16", "float64", "int8", "int64"])
def test_signs(dtype):
    bits = as_stored(np.array([-3.0, 0.0, 1.0, 2.0, -0.0]), dtype)
    chosen = np.array([True, True, True, False, True])
    found = negated(bits, dtype, chosen)
    assert found.dtype == storage_dtype(dtype)
    assert widen(found, dtype).tolist() == [3.0, 0.0, -1.0, 2.0, 0.0]


def test_types_without_signs():
    for dtype in ("uint8", "bool", "float8_e8m0fnu"):
        bits = np.ones(2, storage_dtype(dtype))
        with pytest.raises(cg.CntGraphError, match=f"with a sign, got type '{dtype}'"):
            negated(bits, dtype, np.array([True, False]))
    least = np.array([-128], np.int8)
    assert negated(least, "int8", np.array([True])).tolist() == [127]
