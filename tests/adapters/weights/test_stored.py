import copy
import io
import os
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cntgraph.adapters.weights.stored import (
    StoredArray,
    file_state,
    member_offset,
    selected_rows,
    zip_members,
)
from cntgraph.core.errors import FormatError


def stored(path, array, *, offset=3, dtype=None, fortran=False):
    dtype = np.dtype(dtype or array.dtype)
    raw = array.astype(dtype).tobytes(order="F" if fortran else "C")
    path.write_bytes(b"\0" * offset + raw + b"behind")
    return StoredArray(path, offset, array.shape, dtype, file_state(path), fortran)


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


@pytest.mark.parametrize(
    ("key", "rows"),
    [
        ((), range(5)), (slice(1, 3), range(1, 3)), ((slice(None),), range(5)),
        (slice(None, None, 2), None), (2, None), ((slice(1), slice(1)), None),
        (slice(4, 2), range(4, 2)),
    ],
)  # fmt: skip
def test_selected_rows(key, rows):
    assert selected_rows(key, (5, 2)) == rows


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


# -- archives ------------------------------------------------------------------------------------


def archive(path, *members, method=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", method) as out:
        for name, content in members:
            out.writestr(name, content)
    return path


def test_members_and_where_they_lie(tmp_path):
    path = archive(tmp_path / "a.zip", ("one", b"11"), ("two", b"2222"))
    members = zip_members(path, "an archive")
    assert list(members) == ["one", "two"]
    at = member_offset(path, members["two"])
    assert path.read_bytes()[at : at + 4] == b"2222"


def test_archives_that_are_none(tmp_path):
    path = tmp_path / "a.zip"
    sound = archive(path, ("one", b"1" * 100)).read_bytes()
    for damaged in (b"", b"PK", sound[:-5], sound[:50], b"x" * 300):
        path.write_bytes(damaged)
        with pytest.raises(FormatError, match="expected an archive"):
            zip_members(path, "an archive")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_twice(tmp_path):
    path = archive(tmp_path / "a.zip", ("one", b"1"), ("one", b"2"))
    with pytest.raises(FormatError, match="one name"):
        zip_members(path, "an archive")


def test_members_that_overlap(tmp_path):
    path = archive(tmp_path / "a.zip", ("one", b"1" * 1000), ("two", b"2" * 1000))
    out = io.BytesIO(path.read_bytes())
    with zipfile.ZipFile(out, "a") as again:
        for k in range(5):
            info = copy.copy(again.getinfo("one"))
            info.filename = f"copy{k}"
            again.filelist.append(info)
        again._didModify = True
    path.write_bytes(out.getvalue())
    with pytest.raises(FormatError, match="overlap"):
        zip_members(path, "an archive")


def test_a_member_that_is_cut_off(tmp_path):
    path = archive(tmp_path / "a.zip", ("one", b"1" * 100))
    info = zip_members(path, "an archive")["one"]
    path.write_bytes(path.read_bytes()[:80])
    with pytest.raises(FormatError, match="cut off"):
        member_offset(path, info)
    path.write_bytes(b"")
    with pytest.raises(FormatError, match="cut off"):
        member_offset(path, info)
