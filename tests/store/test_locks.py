"""One writer at a time; readers are waited for, but keep nobody out."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import h5py
import pytest
from store.faults import (
    ROOT,
    add,
    leave_journal,
)

from cntgraph.core.errors import StoreError
from cntgraph.store import journal, locks
from cntgraph.store.hdf5 import append, read
from cntgraph.store.journal import recover
from cntgraph.store.overlay import JournaledFile

needs_locks = pytest.mark.skipif(os.name == "nt", reason="needs fcntl")


@needs_locks
def test_second_writer_is_refused(path: Path) -> None:
    with append(path) as file:
        file["a"] = 1
        with pytest.raises(StoreError, match="only writer"):
            add("b", 2)(path)
        path.with_name("run.h5.journal.tmp").touch()
        with pytest.raises(StoreError, match="only writer"):
            recover(path)
    add("b", 2)(path)
    with read(path) as file:
        assert list(file) == ["a", "b"]
    assert [p.name for p in path.parent.iterdir()] == ["run.h5"]


SECOND_WRITER = """
import sys
from cntgraph.store.hdf5 import append
with append(sys.argv[1]):
    print("in")
"""


@needs_locks
def test_second_process_is_refused(path: Path) -> None:
    command = [sys.executable, "-c", SECOND_WRITER, str(path)]
    with append(path):
        result = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert result.returncode == 1
    assert "StoreError" in result.stderr
    assert result.stdout == ""


def test_lock_file_of_a_dead_writer_does_not_matter(path: Path) -> None:
    path.with_name("run.h5.lock").touch()
    add("a", 1)(path)
    assert [p.name for p in path.parent.iterdir()] == ["run.h5"]


@needs_locks
def test_lock_on_a_removed_lock_file_is_void(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between our open and our lock, the holder removes the file and another writer makes one."""
    lock = path.with_name("run.h5.lock")
    original = locks.flock
    rivals: list[io.FileIO] = []

    def slow(handle: Any, exclusive: bool) -> bool:
        if not rivals:
            lock.unlink()
            rivals.append(io.FileIO(lock, "a"))
            assert original(rivals[0], exclusive=True)
        return original(handle, exclusive)

    monkeypatch.setattr(locks, "flock", slow)
    with pytest.raises(StoreError, match="only writer"):
        add("a", 1)(path)
    rivals[0].close()
    add("a", 1)(path)


@needs_locks
def test_locks_of_hdf5(path: Path) -> None:
    add("a", 1)(path)
    with h5py.File(path, "r+", locking=True), pytest.raises(StoreError, match="open for writing"):
        add("b", 2)(path)
    with append(path) as file:
        file["b"] = 2
        with pytest.raises(OSError, match="lock"):
            h5py.File(path, "r+", locking=True)
    with h5py.File(path, "r", locking=True) as reader:
        add("c", 3)(path)
        assert reader["a"][()] == 1
    with read(path) as file:
        assert list(file) == ["a", "b", "c"]


@needs_locks
def test_commit_waits_for_readers(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add("a", 1)(path)
    monkeypatch.setattr(locks, "READER_PATIENCE", 20)
    original = journal._apply_ranges
    open_when_applied = []

    def watched(*args: Any) -> None:
        open_when_applied.append(bool(reader))
        original(*args)

    monkeypatch.setattr(journal, "_apply_ranges", watched)
    with read(path) as reader:
        timer = threading.Timer(0.05, reader.close)
        timer.start()
        add("b", 2)(path)
        timer.join()
    leave_journal(path, add("c", 3))
    with read(path) as reader:
        assert reader.driver == "fileobj"
        timer = threading.Timer(0.05, reader.close)
        timer.start()
        assert recover(path)
        timer.join()
    assert open_when_applied == [False, False]


@needs_locks
def test_readers_while_a_commit_is_applied(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add("a", 1)(path)
    original = journal._apply_ranges
    seen = []

    def watched(*args: Any) -> None:
        with pytest.raises(OSError, match="lock"):
            h5py.File(path, "r", locking=True)
        with read(path) as file:
            seen.extend(file)
        original(*args)

    monkeypatch.setattr(journal, "_apply_ranges", watched)
    add("b", 2)(path)
    assert seen == ["a", "b"]
    with h5py.File(path, "r+", locking=True) as file:
        assert list(file) == seen


@needs_locks
def test_readers_may_come_back_between_two_commits(path: Path) -> None:
    add("a", 1)(path)
    with JournaledFile(path) as overlay:
        overlay.commit()
        with h5py.File(path, "r", locking=True) as file:
            assert list(file) == ["a"]
        with pytest.raises(OSError, match="lock"):
            h5py.File(path, "r+", locking=True)


def test_without_fcntl(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "fcntl", None)
    add("a", 1)(path)
    leave_journal(path, add("b", 2))
    add("c", 3)(path)
    with read(path) as file:
        assert list(file) == ["a", "b", "c"]
    assert [p.name for p in path.parent.iterdir()] == ["run.h5"]


@needs_locks
def test_file_system_without_locks(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("fcntl.flock", refuse)
    add("a", 1)(path)
    with h5py.File(path, "r", locking=False) as file:
        assert list(file) == ["a"]


@needs_locks
def test_a_file_that_hdf5_writes_is_not_read(path: Path) -> None:
    add("a", 1)(path)
    with (
        h5py.File(path, "r+", locking=True),
        pytest.raises(StoreError, match="open for writing"),
    ):
        read(path)
    with read(path) as file:
        assert list(file) == ["a"]
