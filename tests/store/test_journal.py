"""The journal: a disk that refuses, damage, and files it does not belong to."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import random
import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from store.faults import (
    add,
    crash_at,
    leave_journal,
    snapshot,
)

from cntgraph.core.errors import StoreError, UnfinishedAppendError
from cntgraph.store import disk, journal
from cntgraph.store.hdf5 import read
from cntgraph.store.journal import recover
from cntgraph.store.locks import WriterLock
from cntgraph.store.overlay import JournaledFile


def test_disk_full_while_the_journal_is_written(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add("a", 1)(path)
    before = snapshot(path.parent)
    with monkeypatch.context() as patch:
        crash_at(patch, 2, OSError(28, "No space left on device"), torn=True)
        with pytest.raises(StoreError, match=r"No space left.*unchanged"):
            add("b", 2)(path)
    assert snapshot(path.parent) == before


@pytest.mark.parametrize("name", ["disk.replace", "disk.sync_directory"])
def test_disk_error_before_the_journal_is_there_for_good(
    path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    add("a", 1)(path)
    before = snapshot(path.parent)
    with monkeypatch.context() as patch:
        crash_at(patch, 0, OSError(5, "Input/output error"), names=(name,))
        with pytest.raises(StoreError, match=r"Input/output error.*unchanged") as caught:
            add("b", 2)(path)
    assert not isinstance(caught.value, UnfinishedAppendError)
    assert snapshot(path.parent) == before


def test_a_journal_that_cannot_be_withdrawn_is_kept(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add("a", 1)(path)
    with monkeypatch.context() as patch:
        crash_at(patch, 0, OSError(5, "Input/output error"), names=("disk.sync_directory",))
        patch.setattr(Path, "unlink", refusing(".journal"))
        with pytest.raises(UnfinishedAppendError, match=r"Input/output error.*not be appended"):
            add("b", 2)(path)
    assert recover(path)
    with h5py.File(path) as file:
        assert list(file) == ["a", "b"]


@pytest.mark.parametrize("failing", ["disk.write", "disk.replace", "disk.sync_directory"])
def test_a_journal_of_which_a_part_is_applied_outlives_another_attempt(
    path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    add("a", np.arange(1000))(path)
    with JournaledFile(path) as file:
        with h5py.File(file, "r+") as inside:
            inside["b"] = np.arange(1000)
        with monkeypatch.context() as patch:
            crash_at(patch, 0, OSError(5, "Input/output error"), names=("disk.remove",))
            with pytest.raises(UnfinishedAppendError):
                file.commit()
        path.write_bytes(path.read_bytes()[: path.stat().st_size - 100])  # half of it is applied
        with monkeypatch.context() as patch:
            crash_at(patch, 0, OSError(28, "No space left on device"), names=(failing,))
            with pytest.raises(UnfinishedAppendError):
                file.commit()
    with read(path) as file:
        assert list(file) == ["a", "b"]
        assert file["b"][-1] == 999


@pytest.mark.parametrize("step", ["unlink", "close"])
def test_what_fails_behind_a_commit_does_no_harm(
    path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """The lock's file may stay, and closing may fail: the append is on the disk."""
    with monkeypatch.context() as patch:
        if step == "unlink":
            patch.setattr(Path, "unlink", refusing(".lock"))
        else:
            patch.setattr(WriterLock, "release", closing_fails(WriterLock.release))
        add("a", 1)(path)
    add("b", 2)(path)
    with read(path) as file:
        assert list(file) == ["a", "b"]


def refusing(suffix: str) -> Any:
    unlink = Path.unlink

    def unlink_others(self: Path, **options: Any) -> None:
        if self.suffix == suffix:
            raise OSError(5, "Input/output error")
        unlink(self, **options)

    return unlink_others


def closing_fails(release: Any) -> Any:
    class Closing:
        def __init__(self, handle: Any) -> None:
            self.handle = handle

        def close(self) -> None:
            self.handle.close()
            raise OSError(5, "Input/output error")

    def release_badly(self: WriterLock) -> None:
        if self._handle is not None:
            self._handle = Closing(self._handle)  # type: ignore[assignment]
        release(self)

    return release_badly


@pytest.mark.parametrize("error", [errno.EACCES, errno.EMFILE, errno.EIO])
@pytest.mark.parametrize("suffix", [".lock", ".h5", ".journal"])
def test_files_that_cannot_be_opened(
    path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, error: int
) -> None:
    add("a", 1)(path)
    before = path.read_bytes()

    class Refused(io.FileIO):
        def __init__(self, name: Any, *args: Any, **options: Any) -> None:
            if str(name).endswith(suffix):
                raise OSError(error, os.strerror(error), str(name))
            super().__init__(name, *args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(io, "FileIO", Refused)
        with pytest.raises(StoreError, match=re.escape(os.strerror(error))):
            add("b", 2)(path)
    assert path.read_bytes() == before
    add("b", 2)(path)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be opened"):
        add("a", 1)(tmp_path / "absent" / "a.h5")


@pytest.mark.parametrize("name", ["journal._apply_ranges", "disk.remove"])
def test_disk_error_after_the_journal_is_complete(
    path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    add("a", 1)(path)
    with monkeypatch.context() as patch:
        crash_at(patch, 0, OSError(5, "Input/output error"), names=(name,))
        with pytest.raises(UnfinishedAppendError, match=r"Input/output error.*recover\(\)"):
            add("b", 2)(path)
    with read(path) as file:
        assert list(file) == ["a", "b"]
    assert recover(path)
    with h5py.File(path) as file:
        assert list(file) == ["a", "b"]


def test_data_is_applied_before_what_leads_to_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add("a", np.arange(1000))(path)
    size = path.stat().st_size
    original = disk.write
    offsets = []

    def recorded(handle: Any, offset: int, data: Any) -> None:
        if Path(handle.name) == path:
            offsets.append(offset)
        original(handle, offset, data)

    monkeypatch.setattr(disk, "write", recorded)
    add("b", np.arange(1000))(path)
    assert offsets[0] >= size > offsets[-1]
    assert offsets == sorted(offsets, reverse=True)


def test_leftover_temporary_journal_is_removed(path: Path) -> None:
    add("a", 1)(path)
    temporary = path.with_name("run.h5.journal.tmp")
    for attempt in (recover, add("b", 2)):
        temporary.write_bytes(b"half a jour")
        with read(path) as file:
            assert "a" in file
        attempt(path)
        assert [p.name for p in path.parent.iterdir()] == ["run.h5"]


def damages(data: bytes) -> Iterator[tuple[str, bytes]]:
    rng = random.Random(2)
    for position in [*range(48), *rng.sample(range(len(data)), 60), len(data) - 1]:
        flipped = bytearray(data)
        flipped[position] ^= 1 << rng.randrange(8)
        yield f"bit flipped at {position}", bytes(flipped)
    for length in [*range(0, 60, 5), *rng.sample(range(len(data)), 20), len(data) - 1]:
        yield f"cut to {length}", data[:length]
    yield "longer", data + b"\0"


def test_damaged_journal_is_refused(path: Path) -> None:
    add("a", np.arange(100))(path)
    leave_journal(path, add("b", np.arange(100)))
    stored = path.with_name("run.h5.journal")
    whole = stored.read_bytes()
    for what, damaged in damages(whole):
        stored.write_bytes(damaged)
        before = snapshot(path.parent)
        for attempt in (recover, read, add("c", 3)):
            with pytest.raises(StoreError, match=r"run\.h5\.journal: expected .* found ") as error:
                attempt(path)
            assert "backup" in str(error.value) or "version" in str(error.value), what
        assert snapshot(path.parent) == before, what
    stored.write_bytes(whole)
    assert recover(path)


@pytest.mark.parametrize("ranges", [[(9, 2), (3, 2)], [(3, 2), (4, 2)], [(7, 4)], [(2**63, 2**63)]])
def test_ranges_that_no_append_makes(path: Path, ranges: list[tuple[int, int]]) -> None:
    """The checksum is right, for whoever made the journal can compute it."""
    data = struct.pack("<8sQQQQ", b"CNTGJRNL", 1, 10, 0, len(ranges))
    for offset, length in ranges:
        data += struct.pack("<QQ", offset, length) + bytes(min(length, 10))
    digest = hashlib.blake2b(data, digest_size=32).digest()
    path.with_name("run.h5.journal").write_bytes(data + digest)
    for attempt in (recover, read):
        with pytest.raises(StoreError, match="expected a range from"):
            attempt(path)


def test_journal_of_a_newer_version_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(journal, "_VERSION", 7)
        leave_journal(path, add("a", 1))
    with pytest.raises(StoreError, match="version 1, found version 7"):
        recover(path)
    path.with_name("run.h5.journal").write_text("My diary, which is longer than a header. " * 2)
    with pytest.raises(StoreError, match=r"CNTGJRNL.*My diary"):
        recover(path)


def test_journal_beside_another_file_is_refused(path: Path) -> None:
    add("a", np.arange(100))(path)
    leave_journal(path, add("b", np.arange(100)))
    path.write_bytes(b"another")
    before = snapshot(path.parent)
    for attempt in (recover, read, add("c", 3)):
        with pytest.raises(StoreError, match=r"^[^:]*: expected at least \d+ bytes, found 7"):
            attempt(path)
    assert snapshot(path.parent) == before


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX permissions")
def test_journal_is_as_private_as_the_file(path: Path) -> None:
    add("a", 1)(path)
    path.chmod(0o600)
    leave_journal(path, add("b", 2))
    assert path.with_name("run.h5.journal").stat().st_mode & 0o777 == 0o600
    recover(path)
    assert path.stat().st_mode & 0o777 == 0o600
