import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.lib.stride_tricks import as_strided

from cntgraph.adapters.weights.stored import (
    StoredArray,
    file_state,
    stored_tensor,
    strides_of,
)
from cntgraph.core.errors import FormatError


def stored(path, array, *, offset=3, dtype=None, fortran=False):
    dtype = np.dtype(dtype or array.dtype)
    raw = array.astype(dtype).tobytes(order="F" if fortran else "C")
    path.write_bytes(b"\0" * offset + raw + b"behind")
    strides = strides_of(array.shape, dtype.itemsize, fortran=True) if fortran else None
    return StoredArray(path, offset, array.shape, dtype, file_state(path), strides)


@st.composite
def selections(draw):
    shape = draw(st.lists(st.integers(0, 5), max_size=3).map(tuple))
    slices = st.builds(slice, st.none() | st.integers(-6, 6), st.none() | st.integers(-6, 6),
                       st.none() | st.sampled_from([1, 2, -1]))  # fmt: skip
    key = tuple(draw(slices) for _ in range(draw(st.integers(0, len(shape)))))
    return shape, draw(st.sampled_from([key, key[0] if key else ()]))


@given(selection=selections(), dtype=st.sampled_from(["<f4", ">f4", "<u2", ">i8"]),
       fortran=st.booleans())  # fmt: skip
def test_a_selection_is_that_of_the_array(tmp_path_factory, selection, dtype, fortran):
    shape, key = selection
    array = np.arange(np.prod(shape, dtype=int)).reshape(shape)
    path = tmp_path_factory.getbasetemp() / "array"
    found = stored(path, array, dtype=dtype, fortran=fortran)[key]
    assert np.array_equal(found, array[key])
    assert found.shape == array[key].shape
    assert found.dtype.isnative
    assert np.asarray(found).flags.aligned


def test_rows_are_read_and_nothing_else(tmp_path, monkeypatch):
    array = stored(tmp_path / "a", np.arange(20.0).reshape(10, 2))
    sizes = []
    read = StoredArray._read
    monkeypatch.setattr(StoredArray, "_read", lambda a, rows: sizes.append(rows) or read(a, rows))
    assert array[4:6].tolist() == [[8.0, 9.0], [10.0, 11.0]]
    assert sizes == [range(4, 6)]


@pytest.mark.parametrize("change", ["longer", "removed", "touched"])
@pytest.mark.parametrize("key", [slice(0, 2), (slice(None), slice(1))])
def test_a_file_that_has_changed(tmp_path, change, key):
    path = tmp_path / "a"
    array = stored(path, np.arange(6.0).reshape(3, 2))
    if change == "removed":
        path.unlink()
    elif change == "longer":
        path.write_bytes(path.read_bytes() + b"x")
    else:
        os.utime(path, ns=(0, 0))
    with pytest.raises(FormatError, match="changed or removed"):
        array[key]


def test_a_file_that_ends_early(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"\0" * 10)
    array = StoredArray(path, 0, (2,), np.dtype(np.float64), file_state(path))
    with pytest.raises(FormatError, match="changed or removed"):
        array[0:2]


@given(data=st.data(), shape=st.lists(st.integers(0, 4), max_size=3).map(tuple))
def test_a_tensor_with_strides_is_that_of_numpy(tmp_path_factory, data, shape):
    strides = data.draw(st.tuples(*[st.integers(0, 6)] * len(shape)))
    first = data.draw(st.integers(0, 5))
    values = np.arange(20, dtype="<f4")
    member = stored(tmp_path_factory.getbasetemp() / "storage", values)
    last = first + sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
    if last >= len(values) and 0 not in shape:
        with pytest.raises(FormatError, match="'w' of shape"):
            stored_tensor("w", member, shape, first, strides)
        return
    wanted = as_strided(values[first:], shape, [4 * step for step in strides])
    found = stored_tensor("w", member, shape, first, strides)
    assert np.array_equal(found[()], wanted)
    if shape:
        assert np.array_equal(found[1:2], wanted[1:2])


@pytest.mark.parametrize(("first", "strides"), [(-1, (1,)), (0, (-1,)), (0, (1 << 62,))])
def test_places_outside_of_a_storage_are_refused(tmp_path, first, strides):
    member = stored(tmp_path / "storage", np.arange(20.0))
    with pytest.raises(FormatError, match="damaged"):
        stored_tensor("w", member, (2,), first, strides)
