import ml_dtypes
import numpy as np
import pytest
from oracles.stored import DTYPES, FLOAT8, stored

from cntgraph.core.errors import ParameterError
from cntgraph.core.parameter import Parameter, storage_dtype, widened_dtype


@pytest.fixture
def values():
    return np.random.default_rng(1).normal(size=(4, 3, 5))


@pytest.mark.parametrize("dtype", [*DTYPES, "int64", "uint8", "bool"])
def test_read_is_exact_in_every_stored_type(values, dtype):
    bits, name, exact = stored(values, dtype)
    parameter = Parameter.from_array("w", bits, dtype=name)
    read = parameter.read()
    narrow = dtype in ("float32", "float16", "bfloat16", *FLOAT8)
    assert read.dtype == (np.float32 if narrow else np.float64)
    assert np.array_equal(read.astype(np.float64), exact)
    assert parameter.dtype == dtype
    assert parameter.nbytes == 60 * storage_dtype(dtype).itemsize


def test_bfloat16_special_values_are_those_of_torch():
    import torch

    special = torch.tensor([0.0, -0.0, torch.inf, -torch.inf, torch.nan, 1e-40, 3e38])
    special = special.to(torch.bfloat16)
    parameter = Parameter.from_array("w", special.view(torch.uint16).numpy(), dtype="bfloat16")
    expected = special.float().numpy()
    assert np.array_equal(parameter.read(), expected, equal_nan=True)
    assert np.array_equal(np.signbit(parameter.read())[:2], [False, True])


@pytest.mark.parametrize("dtype", [*FLOAT8, "float8_e8m0fnu"])
def test_every_pattern_of_an_8_bit_float_has_the_value_of_two_other_libraries(dtype):
    import torch

    bits = np.arange(256, dtype=np.uint8)
    read = Parameter.from_array("w", bits, dtype=dtype).read()
    others = (
        bits.view(getattr(ml_dtypes, dtype)).astype(np.float32),
        torch.from_numpy(bits).view(getattr(torch, dtype)).float().numpy(),
    )
    for expected in others:
        assert np.array_equal(read, expected, equal_nan=True)
        numbers = ~np.isnan(expected)
        assert np.array_equal(np.signbit(read)[numbers], np.signbit(expected)[numbers])


@pytest.mark.parametrize("dtype", ["bfloat16", *FLOAT8])
def test_arrays_of_extension_types_are_seen_as_their_bits(values, dtype):
    array = values.astype(getattr(ml_dtypes, dtype))
    parameter = Parameter.from_array("w", array)
    assert parameter.dtype == dtype
    assert parameter.raw().dtype == storage_dtype(dtype)
    assert np.array_equal(parameter.read(), array.astype(np.float32))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("axis", [0, 1, 2, -1, -2])
def test_a_part_is_the_slice_of_the_whole(values, dtype, axis):
    bits, name, exact = stored(values, dtype)
    parameter = Parameter.from_array("w", bits, dtype=name)
    for start, stop in ((0, None), (0, 2), (1, 3), (2, 2), (1, None)):
        key = [slice(None)] * 3
        key[axis] = slice(start, stop)
        assert np.array_equal(parameter.read(axis, start, stop), exact[tuple(key)])


@pytest.mark.parametrize(
    "change", [lambda a: a.T, lambda a: a[::2], lambda a: a[::-1], lambda a: a[:, 1:, ::3]]
)
def test_arrays_that_are_not_contiguous(values, change):
    array = change(values)
    parameter = Parameter.from_array("w", array)
    assert np.array_equal(parameter.read(), array)
    assert np.array_equal(parameter.read(1, 1, 2), array[:, 1:2])
    assert np.array_equal(parameter.raw(), array)
    assert parameter.raw().flags.c_contiguous


def test_scalars_and_empty_tensors():
    scalar = Parameter.from_array("t", np.array(2.5, dtype=np.float32))
    assert (scalar.read().shape, float(scalar.read()), scalar.size) == ((), 2.5, 1)
    empty = Parameter.from_array("e", np.zeros((0, 3)))
    assert (empty.read().shape, empty.size, empty.nbytes) == ((0, 3), 0, 0)


def test_only_the_part_is_read():
    class Counting:
        shape = (100, 4)

        def __init__(self):
            self.keys = []

        def __getitem__(self, key):
            self.keys.append(key)
            return np.zeros(self.shape)[key]

    data = Counting()
    parameter = Parameter("w", (100, 4), "float64", data)
    assert parameter.size == 400
    assert data.keys == []
    assert parameter.read(0, 10, 12).shape == (2, 4)
    assert data.keys == [(slice(10, 12),)]


def test_the_values_follow_the_array(values):
    parameter = Parameter.from_array("w", values)
    values[0, 0, 0] = 42.0
    assert parameter.read()[0, 0, 0] == 42.0


def test_rename_keeps_everything_else():
    parameter = Parameter.from_array("w", np.zeros(3, np.float16), trainable=False)
    other = parameter.rename("v")
    assert (other.name, other.shape, other.dtype, other.trainable) == ("v", (3,), "float16", False)
    assert other.data is parameter.data


@pytest.mark.parametrize(
    "dtype", ["complex64", "complex128", "object", "datetime64[s]", "U3", "float999", "longdouble"]
)
def test_types_that_are_no_real_numbers_are_refused(dtype):
    with pytest.raises(ParameterError, match="real numbers"):
        Parameter("w", (2,), dtype, np.zeros(2))


def test_a_shape_that_is_not_the_announced_one_is_refused():
    with pytest.raises(ParameterError, match=r"'w'.*\(3,\).*\(2,\)"):
        Parameter("w", (3,), "float64", np.zeros(2))


def test_widened_types():
    assert widened_dtype("bfloat16") == np.float32
    assert widened_dtype("float8_e5m2") == np.float32
    assert widened_dtype("int8") == np.float64
