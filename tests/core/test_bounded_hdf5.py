"""Packed values are those that HDF5 gives, and never more than they should be."""

import tracemalloc
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles.hdf5_files import packed_dataset

from cntgraph.core.bounded_hdf5 import check_stored, read_values
from cntgraph.core.errors import StoreError

MEGABYTE = 1 << 20


@st.composite
def selections(draw):
    """A shape, a shape of chunks, and what is wanted of an array."""
    shape = draw(st.lists(st.integers(1, 12), min_size=1, max_size=3))
    chunks = tuple(draw(st.integers(1, n)) for n in shape)
    bounds = st.one_of(st.none(), st.integers(-15, 15))
    key = draw(st.lists(st.builds(slice, bounds, bounds), max_size=len(shape)))
    return tuple(shape), chunks, draw(st.sampled_from([tuple(key), key[0] if key else ()]))


@given(
    selections(), st.booleans(), st.sampled_from(["f4", "f8", "i1", ">u2", "bool"]), st.booleans()
)
def test_parts_are_those_of_the_array(tmp_path_factory, wanted, shuffle, dtype, random):
    shape, chunks, key = wanted
    rng = np.random.default_rng(0)
    values = rng.integers(0, 200 if random else 2, shape).astype(dtype)
    path = tmp_path_factory.mktemp("packed") / "file.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=values, chunks=chunks, compression=4, shuffle=shuffle)
    with h5py.File(path) as file:
        check_stored(file["x"], path.stat().st_size)
        found = read_values(file["x"], key)
        assert found.dtype == values.dtype
        assert np.array_equal(found, values[key])


def test_any_other_selection(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "file.h5", "w") as file:
        values = np.arange(24.0).reshape(4, 6)
        dataset = file.create_dataset("x", data=values, chunks=(3, 2), compression=1)
        for key in (2, (slice(None), 3), (slice(None, None, 2),), ..., np.array([2, 0])):
            assert np.array_equal(read_values(dataset, key), values[key])
        assert read_values(file.create_dataset("y", data=values), 1).shape == (6,)


def test_chunks_that_grow_are_refused_before_they_have(tmp_path: Path) -> None:
    """A thousand bytes that are announced, a hundred million that they unpack to."""
    path = tmp_path / "file.h5"
    with h5py.File(path, "w") as file:
        packed_dataset(file, "x", (250,), np.dtype("f4"), (250,), bytes(100 * MEGABYTE))
    assert path.stat().st_size < MEGABYTE // 4
    with h5py.File(path) as file:
        check_stored(file["x"], path.stat().st_size)
        tracemalloc.start()
        with pytest.raises(StoreError, match=r"missing|unpack to"):
            read_values(file["x"])
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 2 * MEGABYTE


@pytest.mark.parametrize("plain", [0, 4, 1000, 2000])
def test_chunks_of_another_size(tmp_path: Path, plain: int) -> None:
    with h5py.File(tmp_path / "file.h5", "w") as file:
        packed_dataset(file, "x", (250,), np.dtype("f4"), (250,), bytes(plain))
        if plain == 1000:
            assert np.array_equal(read_values(file["x"]), np.zeros(250))
        else:
            with pytest.raises(StoreError, match="unpack to"):
                read_values(file["x"])


OTHER = {
    "packed twice": lambda f: packed_dataset(f, "x", (9,), np.dtype("f4"), (9,), bytes(36), 2),
    "another filter": lambda f: f.create_dataset("x", data=np.zeros(9), compression="lzf"),
    "a checksum": lambda f: f.create_dataset("x", data=np.zeros(9), fletcher32=True),
    "chunks of a gigabyte": lambda f: packed_dataset(
        f, "x", (2**28,), np.dtype("f4"), (2**28,), bytes(2**21)
    ),
    "no values": lambda f: f.create_dataset("x", (9,), "f4"),
    "no chunks": lambda f: f.create_dataset("x", (9,), "f4", chunks=(3,), compression=1),
    "fewer values": lambda f: packed_dataset(f, "x", (2**20,), np.dtype("f8"), (1,), bytes(8)),
}


@pytest.mark.parametrize("name", OTHER)
def test_what_is_packed_otherwise_is_refused(tmp_path: Path, name: str) -> None:
    with h5py.File(tmp_path / "file.h5", "w") as file:
        OTHER[name](file)
        file.flush()
        expected = "gzip|at most 64 MiB|it declares"
        with pytest.raises(StoreError, match=expected):
            check_stored(file["x"], (tmp_path / "file.h5").stat().st_size)


def test_a_chunk_that_is_not_there(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "file.h5", "w") as file:
        dataset = file.create_dataset("x", (400,), "f8", chunks=(200,), compression=1)
        dataset[:200] = np.arange(200.0)
        check_stored(dataset, 10**6)
        assert np.array_equal(read_values(dataset, slice(200)), np.arange(200.0))
        with pytest.raises(StoreError, match="missing"):
            read_values(dataset)


def test_values_that_become_wider_are_counted_as_such(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "file.h5", "w") as file:
        dataset = file.create_dataset("x", data=np.zeros(500_000, "i1"), compression=9)
        check_stored(dataset, 10**6)
        with pytest.raises(StoreError, match="it declares"):
            check_stored(dataset, 10**6, np.int64)
