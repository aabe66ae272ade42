"""Files of spiking networks that are damaged or made to do harm: loaded, or refused with a reason.

A longer run, in processes that are watched: ``python benchmarks/fuzz.py --format nir``.
"""

import warnings
from collections import Counter

import h5py
import numpy as np
import pytest
from oracles import hdf5_files, mutate
from oracles.nir_files import samples, structured
from oracles.reading import outcome

import cntgraph as cg
from cntgraph.core.errors import FormatError

N = 60
ERRORS = {"FormatError", "UnsafeFileError", "TraceError", "InputShapeError", "GraphSizeError",
          "ParameterError", "StoreError"}  # fmt: skip


@pytest.mark.parametrize("name", ["images", "loop"])
def test_damaged_files_load_or_are_refused(name, tmp_path):
    suffix, data, _, _ = samples(tmp_path)[name]
    path, seen = tmp_path / f"model{suffix}", Counter()
    path.write_bytes(data)
    assert outcome(path) == "loaded"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for damaged in mutate.mutations(data, N, structured=structured):
            path.write_bytes(damaged)
            seen[outcome(path)] += 1
    assert set(seen) <= ERRORS | {"loaded"}
    assert seen["FormatError"] > N / 4


@pytest.fixture
def path(tmp_path):
    _, data, _, _ = samples(tmp_path)["loop"]
    path = tmp_path / "damaged.nir"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("name", ["edges", "type"])
def test_packed_texts_lead_anywhere(path, name):
    """HDF5 follows them wherever it is, and the process ends."""
    with h5py.File(path, "r+") as file:
        group, shape = file["node"], (2**12, 2**9)
        dtype = group[name].dtype
        del group[name]
        hdf5_files.packed_dataset(group, name, shape, dtype, shape, b"\1" * 2**25, 1)
    with pytest.raises(FormatError, match="texts that are packed"):
        cg.load(path)


@pytest.mark.parametrize(
    ("part", "value"), [(slice(0, 4), 2**31), (slice(4, 12), 7), (slice(12, 16), 999)]
)
def test_a_text_that_lies_elsewhere(path, part, value):
    with h5py.File(path) as file:
        place = file["node/edges"].id.get_offset()
    data = bytearray(path.read_bytes())
    data[place + part.start : place + part.stop] = value.to_bytes(part.stop - part.start, "little")
    path.write_bytes(data)
    with pytest.raises(FormatError, match="a text of /node/edges is damaged"):
        cg.load(path)


def test_settings_that_are_lists_of_any_length(path):
    with h5py.File(path, "r+") as file:
        lists = file["node"].create_dataset("other", (2,), h5py.vlen_dtype(np.int32))
        lists[:] = [[1, 2], [3]]
    with pytest.raises(FormatError, match="and is a setting"):
        cg.load(path)
