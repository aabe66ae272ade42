"""A JournaledFile is a file in memory, until it commits."""

from __future__ import annotations

import io
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store.faults import (
    add,
    apply_to_model,
    contents,
    crash_at,
)

from cntgraph.core.errors import StoreError
from cntgraph.store.hdf5 import read
from cntgraph.store.overlay import JournaledFile

offsets = st.integers(0, 60)


operations = st.lists(
    st.one_of(
        st.tuples(st.just("write"), offsets, st.binary(max_size=25)),
        st.tuples(st.just("read"), offsets, offsets),
        st.tuples(st.just("truncate"), offsets),
        st.tuples(st.just("commit")),
    ),
    max_size=25,
)


def apply_to_overlay(file: JournaledFile, operation: tuple[Any, ...]) -> bytes | None:
    kind, *args = operation
    if kind == "truncate":
        assert file.truncate(args[0]) == args[0]
    elif kind == "commit":
        file.commit()
    else:
        assert file.seek(args[0]) == args[0]
        if kind == "read":
            return file.read(args[1])
        assert file.write(args[1]) == len(args[1])
        assert file.tell() == args[0] + len(args[1])
    return None


def check_ranges(file: JournaledFile) -> None:
    ranges = file._change.ranges
    ends = [s + len(b) for s, b in zip(ranges.starts, ranges.blocks, strict=True)]
    assert all(end <= start for end, start in zip(ends, ranges.starts[1:], strict=False))
    assert all(ranges.blocks), "an empty block"


@settings(max_examples=150, deadline=None)
@given(st.none() | st.binary(max_size=50), operations)
def test_overlay_equals_bytearray(initial: bytes | None, steps: list[tuple[Any, ...]]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "file"
        if initial is not None:
            path.write_bytes(initial)
        model, committed = bytearray(initial or b""), initial
        with JournaledFile(path) as file:
            for step in steps:
                apply_to_model(model, step)
                got = apply_to_overlay(file, step)
                if step[0] == "read":
                    assert got == bytes(model[step[1] : step[1] + step[2]])
                if step[0] == "commit":
                    committed = bytes(model)
                    assert file._change.ranges.starts == []
                assert (path.read_bytes() if path.exists() else None) == committed
                assert file.size == len(model)
                check_ranges(file)
            file.seek(0)
            assert file.read() == bytes(model)
        assert (path.read_bytes() if path.exists() else None) == committed
        assert [p.name for p in Path(directory).iterdir()] == ["file"] * (committed is not None)


def test_contiguous_writes_share_a_block(path: Path) -> None:
    with JournaledFile(path) as file:
        for _ in range(1000):
            file.write(b"0123456789")
        assert len(file._change.ranges.blocks) == 1
        # Overwriting inside, and across an end, needs no block either.
        file.seek(9_995)
        file.write(b"x" * 10)
        assert len(file._change.ranges.blocks) == 1
        file.seek(0)
        assert file.read() == b"0123456789" * 999 + b"01234" + b"x" * 10


def test_reads_past_the_end_give_zeros(path: Path) -> None:
    path.write_bytes(b"abc")
    buffer = bytearray(b"?" * 6)
    with JournaledFile(path, writable=False) as file:
        assert file.readinto(buffer) == 3
    assert buffer == b"abc\0\0\0"


def test_reading_overlay_refuses_to_write(path: Path) -> None:
    path.write_bytes(b"abc")
    with JournaledFile(path, writable=False) as file:
        for change in (lambda: file.write(b"x"), lambda: file.truncate(0), file.commit):
            with pytest.raises(OSError, match="reading only"):
                change()
    assert path.read_bytes() == b"abc"


def test_commit_can_be_repeated(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for step in range(12):
        path.write_bytes(b"0123456789")
        with JournaledFile(path) as file:
            file.seek(3)
            file.write(b"x")
            with monkeypatch.context() as patch:
                crash_at(patch, step, OSError(5, "Input/output error"), torn=True)
                with pytest.raises(StoreError):
                    file.commit()
            for offset, data, expected in ((5, b"y", b"012x4y6789"), (7, b"z", b"012x4y6z89")):
                file.seek(offset)
                file.write(data)
                file.commit()
                file.seek(0)
                assert path.read_bytes() == file.read() == expected


def test_file_of_another_owner(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **options: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    add("a", 1)(path)
    later = time.time_ns() + 10**12
    os.utime(path, ns=(later, later))
    monkeypatch.setattr(os, "utime", refuse)
    add("b", 2)(path)
    with read(path) as file:
        assert list(file) == ["a", "b"]


def test_every_commit_changes_the_time(path: Path) -> None:
    """Readers notice a commit by it, also if the clock has not ticked, or was put back."""
    path.write_bytes(b"0")
    later = time.time_ns() + 10**12
    os.utime(path, ns=(later, later))
    times = [path.stat().st_mtime_ns]
    with JournaledFile(path) as file:
        for _ in range(3):
            file.seek(0)
            file.write(b"1")
            file.commit()
            times.append(path.stat().st_mtime_ns)
    assert times == sorted(set(times))


def test_file_that_cannot_be_written_is_refused_at_once(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.write_bytes(b"kept")

    class Refusing(io.FileIO):
        """What the system does for everybody but root."""

        def __init__(self, name: Any, mode: str = "r", **options: Any) -> None:
            if Path(name) == path and mode != "r":
                raise PermissionError(13, "Permission denied", str(name))
            super().__init__(name, mode, **options)

    monkeypatch.setattr(io, "FileIO", Refusing)
    with pytest.raises(StoreError, match="Permission denied"):
        JournaledFile(path)
    assert [p.name for p in path.parent.iterdir()] == ["run.h5"]
    assert contents(path) == b"kept"
