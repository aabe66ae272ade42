"""Tensors are read where they lie, by many threads at once, and through a journal."""

from __future__ import annotations

import os
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from store.samples import carrying, saved

import cntgraph as cg
from cntgraph.core.errors import StoreError
from cntgraph.core.parameter import Parameter
from cntgraph.store import hdf5

VALUES = np.random.default_rng(0).normal(size=(40, 3, 5)).astype(np.float32)


def extra(path: Path, values: Any = VALUES, **options: Any) -> Parameter:
    """A tensor in a file, as a parameter of the network that was saved with it."""
    net = saved(carrying(Parameter.from_array("extra", values)), path, **options)
    return net.parameters["extra"]


@pytest.mark.parametrize("key", [
    (), slice(None), slice(3, 7), (slice(39, 40),), slice(7, 3), (slice(None), slice(1, 2)),
    slice(None, None, 3), (slice(None), slice(None), slice(4, 5)),
])  # fmt: skip
@pytest.mark.parametrize("compression", [None, 3])
def test_any_selection_is_that_of_the_array(path: Path, key: Any, compression: int | None) -> None:
    found = extra(path, compression=compression).data[key]
    np.testing.assert_array_equal(found, VALUES[key])
    assert found.dtype == VALUES.dtype


@pytest.mark.parametrize("values", [
    np.array(2.5), np.zeros((0, 3)), np.array([True, False]), np.arange(5, dtype="i1"),
])  # fmt: skip
def test_of_any_shape_and_type(path: Path, values: np.ndarray) -> None:
    found = extra(path, values).raw()
    np.testing.assert_array_equal(found, values)
    assert found.dtype == values.dtype


def test_many_threads_read_at_once(path: Path) -> None:
    data = extra(path).data
    rows = [slice(k, k + 2) for k in range(38)] * 20
    with ThreadPoolExecutor(8) as pool:
        for key, found in zip(rows, pool.map(data.__getitem__, rows), strict=True):
            np.testing.assert_array_equal(found, VALUES[key])


def test_hdf5_is_asked_once_where_a_tensor_lies(path: Path, monkeypatch: Any) -> None:
    data = extra(path).data
    data[:1]
    monkeypatch.setattr(data.store, "dataset", lambda name: pytest.fail(f"{name} was looked up"))
    np.testing.assert_array_equal(data[5:9], VALUES[5:9])


def test_where_it_lies_is_looked_up_again_by_another_process(path: Path) -> None:
    """A file of the same name may be another one by then."""
    parameter = extra(path)
    parameter.data[:1]
    sent = pickle.dumps(parameter)
    cg.save(carrying(*(Parameter.from_array(name, values) for name, values in
                       (("before", np.ones(10_000)), ("extra", VALUES + 1)))), path,
            overwrite=True)  # fmt: skip
    np.testing.assert_array_equal(pickle.loads(sent).raw(), VALUES + 1)


def test_a_snapshot_that_is_still_in_the_journal_is_read_through_it(
    path: Path, monkeypatch: Any
) -> None:
    cg.save(carrying(Parameter.from_array("extra", VALUES)), path)

    def crash(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("cntgraph.store.overlay.apply", crash)
    with pytest.raises(KeyboardInterrupt), hdf5.append(path) as file:
        file["snapshots/0/parameters/extra"][...] = VALUES + 1
    np.testing.assert_array_equal(cg.open(path)[-1].parameters["extra"].raw(), VALUES + 1)


def test_a_file_that_became_shorter_is_an_error(path: Path) -> None:
    data = extra(path).data
    data[:1]
    os.truncate(path, 2000)
    with pytest.raises(StoreError):
        data[:]


def test_a_closed_file_is_not_read(path: Path) -> None:
    cg.save(carrying(Parameter.from_array("extra", VALUES)), path)
    with cg.open(path) as trajectory:
        data = trajectory[-1].parameters["extra"].data
        data[:1]
    with pytest.raises(StoreError, match="was closed"):
        data[:]
