"""Appending to and reading HDF5 files: all of a change is seen, or nothing."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from store.faults import (
    add,
    leave_journal,
    snapshot,
)

from cntgraph.core.errors import StoreError
from cntgraph.store import hdf5, locks
from cntgraph.store.hdf5 import LIBVER, append, read
from cntgraph.store.journal import recover
from cntgraph.store.overlay import JournaledFile
from cntgraph.store.ranges import Ranges


def fill(file: h5py.File, rng: np.random.Generator) -> dict[str, np.ndarray]:
    expected: dict[str, np.ndarray] = {}
    top = f"group{len(file)}"
    for index in range(8):
        group = f"{top}/layer{index}"
        expected[group + "/contiguous"] = rng.normal(size=(30, index * 7))
        expected[group + "/chunked"] = rng.integers(0, 9, size=(400, 5))
        for name, value in expected.items():
            if name not in file:
                chunked = name.endswith("chunked")
                file.create_dataset(
                    name, data=value, **({"chunks": (64, 5), "compression": 1} if chunked else {})
                )
        file[group].attrs["note"] = "ünïcode " * index
    return expected


def test_h5py_round_trip(path: Path) -> None:
    rng = np.random.default_rng(0)
    expected: dict[str, np.ndarray] = {}
    for _ in range(4):
        with append(path) as file:
            assert file.filename == str(path)
            expected |= fill(file, rng)
            expected["counter"] = np.arange(len(expected))
            file.pop("counter", None)
            file["counter"] = expected["counter"]
    assert [p.name for p in path.parent.iterdir()] == ["run.h5"]
    for opened in (h5py.File(path, "r"), read(path)):
        with opened as file:
            assert {n for n in expected if n in file} == set(expected)
            for name, value in expected.items():
                np.testing.assert_array_equal(file[name][()], value)
            assert file["group0/layer3"].attrs["note"] == "ünïcode " * 3


def test_nothing_appears_before_the_end(path: Path) -> None:
    with append(path) as file:
        file["a"] = np.arange(10_000)
        file.flush()
        assert not path.exists()
        with pytest.raises(FileNotFoundError):
            read(path)
    before = path.read_bytes()
    with append(path) as file:
        file["b"] = np.arange(10_000)
        file.flush()
        assert path.read_bytes() == before
        with read(path) as reader:
            assert list(reader) == ["a"]
    with read(path) as reader:
        assert list(reader) == ["a", "b"]


def test_an_empty_file_is_filled(path: Path) -> None:
    path.touch()
    add("a", 1)(path)
    with read(path) as file:
        assert file["a"][()] == 1


def test_a_dataset_kept_by_the_caller_is_committed(path: Path) -> None:
    with append(path) as file:
        kept = file.create_dataset("a", (100,), "f8", chunks=(10,))
        kept[:] = np.arange(100)
    with h5py.File(path) as file:
        np.testing.assert_array_equal(file["a"][:], np.arange(100))
    assert not kept


@pytest.mark.parametrize("exists", [True, False])
@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_exception_discards(path: Path, exists: bool, error: type[BaseException]) -> None:
    if exists:
        add("a", np.arange(1000))(path)
    before = snapshot(path.parent)

    def interrupted() -> None:
        with append(path) as file:
            file["b"] = np.arange(1000)
            file.flush()
            raise error

    with pytest.raises(error):
        interrupted()
    assert snapshot(path.parent) == before
    add("b", 2)(path)
    with read(path) as file:
        assert file["b"][()] == 2


def test_a_swallowed_write_error_is_not_committed(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add("a", 1)(path)
    before = snapshot(path.parent)

    def fail(*args: object) -> None:
        raise MemoryError

    def swallow() -> None:
        with append(path) as file:
            with monkeypatch.context() as patch, contextlib.suppress(MemoryError):
                patch.setattr(Ranges, "write", fail)
                file["b"] = np.zeros(10**6)
                pytest.fail("h5py hid the error")
            file["c"] = 1

    with pytest.raises(StoreError, match="one failed"):
        swallow()
    assert snapshot(path.parent) == before


def opened_in(folder: Path) -> list[str]:
    """Return which files of a folder are open; descriptors of others come and go meanwhile."""
    numbers = Path("/proc/self/fd")
    if not numbers.exists():
        pytest.skip("needs /proc")
    found = []
    for number in numbers.iterdir():
        with contextlib.suppress(OSError):  # closed since it was listed
            found.append(os.readlink(number))
    return [name for name in found if Path(name).is_relative_to(folder)]


def test_no_descriptor_is_left_open(path: Path) -> None:
    add("a", 1)(path)
    leave_journal(path, add("b", 2))
    overlay = JournaledFile(path, writable=False)
    assert opened_in(path.parent)
    overlay.close()
    for _ in range(3):
        read(path).close()
        with pytest.raises(KeyError), append(path) as file:
            file["absent"]
        read(path).close()
    assert not opened_in(path.parent)


@pytest.mark.parametrize("exists", [True, False])
def test_reader_sees_through_the_journal(path: Path, exists: bool) -> None:
    if exists:
        add("a", np.arange(5000))(path)
    leave_journal(path, add("b", np.arange(7000)))
    before = snapshot(path.parent)
    path.parent.chmod(0o555)
    try:
        with read(path) as file:
            assert file.mode == "r"
            assert list(file) == ["a", "b"] if exists else ["b"]
            np.testing.assert_array_equal(file["b"][:], np.arange(7000))
    finally:
        path.parent.chmod(0o755)
    assert snapshot(path.parent) == before
    assert recover(path)
    assert not recover(path)
    with h5py.File(path) as file:
        np.testing.assert_array_equal(file["b"][:], np.arange(7000))


def test_append_completes_what_was_interrupted(path: Path) -> None:
    add("a", 1)(path)
    leave_journal(path, add("b", 2))
    add("c", 3)(path)
    with read(path) as file:
        assert list(file) == ["a", "b", "c"]


@pytest.mark.parametrize("journal_at_first", [True, False])
def test_reader_notices_a_commit_while_it_opens(
    path: Path, monkeypatch: pytest.MonkeyPatch, journal_at_first: bool
) -> None:
    add("a", 1)(path)
    if journal_at_first:
        leave_journal(path, add("b", 2))
    original = hdf5._open_reader
    opened: list[h5py.File] = []

    def slow(paths: Any) -> h5py.File:
        file = original(paths)
        if not opened:
            add("c", 3)(path)
        opened.append(file)
        return file

    monkeypatch.setattr(hdf5, "_open_reader", slow)
    with read(path) as file:
        assert list(file) == (["a", "b", "c"] if journal_at_first else ["a", "c"])
    assert len(opened) == 2
    assert not opened[0]


def test_reader_tries_again_after_an_error_that_a_commit_explains(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add("a", 1)(path)
    original = hdf5._open_reader
    errors: list[OSError] = []

    def torn(paths: Any) -> h5py.File:
        if not errors:
            errors.append(OSError("truncated file"))
            add("b", 2)(path)
            raise errors[0]
        return original(paths)

    monkeypatch.setattr(hdf5, "_open_reader", torn)
    with read(path) as file:
        assert list(file) == ["a", "b"]
    path.write_bytes(b"not HDF5")
    with pytest.raises(OSError, match="signature"):
        read(path)


def test_reader_gives_up_on_a_file_that_never_stands_still(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add("a", 1)(path)
    monkeypatch.setattr(locks, "READER_PATIENCE", 0)
    original = hdf5._open_reader
    opened: list[h5py.File] = []

    def slow(paths: Any) -> h5py.File:
        opened.append(original(paths))
        add(f"b{len(opened)}", 1)(path)
        return opened[-1]

    monkeypatch.setattr(hdf5, "_open_reader", slow)
    with pytest.raises(StoreError, match="stand still"):
        read(path)
    assert not any(opened)


def test_absent_file(path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read(path)
    assert not recover(path)
    assert list(path.parent.iterdir()) == []


def test_symbolic_link_shares_the_journal(path: Path, tmp_path: Path) -> None:
    add("a", 1)(path)
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "elsewhere" / "link.h5"
    link.symlink_to(path)
    leave_journal(path, add("b", 2))
    with read(link) as file:
        assert list(file) == ["a", "b"]
    add("c", 3)(link)
    with read(path) as file:
        assert list(file) == ["a", "b", "c"]
    assert list(link.parent.iterdir()) == [link]


def test_two_readers_in_one_process_do_not_share_a_view(path: Path) -> None:
    """By its path, HDF5 would open the file once, and show the second what the first sees."""
    add("a", 1)(path)
    with read(path) as before:
        assert list(before) == ["a"]
        add("b", 2)(path)
        with read(path) as after:
            assert list(after) == ["a", "b"]
            assert after["b"][()] == 2
        assert before["a"][()] == 1


def test_a_reader_is_named_like_the_file(path: Path) -> None:
    add("a", 1)(path)
    with read(path) as file:
        assert file.driver == "fileobj"
        assert file.filename == str(path)
        assert "run.h5" in repr(file)


def test_files_are_written_in_the_announced_format(path: Path) -> None:
    for name in ("a", "b"):
        with append(path) as file:
            assert file.libver == LIBVER
            file[name] = np.zeros(3)
    # Superblock of version 3, objects with compact headers.
    data = path.read_bytes()
    assert data[8] == 3
    assert data.count(b"OHDR") >= 3


def test_closing_a_reader_lets_go_of_the_file(path: Path) -> None:
    add("a", np.arange(10))(path)
    file = read(path)
    dataset = file["a"]
    assert opened_in(path.parent) == [str(path)]
    file.close()
    assert not dataset
    assert not opened_in(path.parent)
    path.write_bytes(b"no HDF5")
    with pytest.raises(OSError, match="signature") as error:
        read(path)
    assert not opened_in(path.parent)
    assert error.value
