"""Appends are atomic: under exceptions, kill -9 and power loss."""

from __future__ import annotations

import contextlib
import functools
import os
import random
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from store.faults import (
    ROOT,
    STEPS,
    Crash,
    add,
    apply_to_model,
    contents,
    crash_at,
    leave_journal,
    patch,
    snapshot,
)

from cntgraph.store.hdf5 import read
from cntgraph.store.journal import recover
from cntgraph.store.overlay import JournaledFile


def rewrite(path: Path) -> None:
    """Change the middle, cut the end, leave a hole, and write past it."""
    with JournaledFile(path) as file:
        file.seek(3)
        file.write(b"middle")
        file.truncate(15)
        file.seek(40)
        file.write(b"end")
        file.commit()


def shrink(path: Path) -> None:
    with JournaledFile(path) as file:
        file.truncate(5)
        file.commit()


SCENARIOS = {
    "rewrite": (bytes(range(100, 130)), rewrite),
    "shrink": (bytes(range(100, 130)), shrink),
    "create": (None, rewrite),
    "h5py": (b"h5py", add("b", np.arange(300))),
    "h5py-create": (None, add("b", np.arange(300))),
}


@pytest.fixture(params=SCENARIOS)
def scenario(
    request: pytest.FixtureRequest, tmp_path: Path
) -> tuple[bytes | None, bytes, Callable[[Path], None]]:
    """An old state, the new state, and the change that leads from the one to the other."""
    old, change = SCENARIOS[request.param]
    sample = tmp_path / "sample"
    if old == b"h5py":
        add("a", np.arange(300))(sample)
        old = sample.read_bytes()
    elif old is not None:
        sample.write_bytes(old)
    change(sample)
    return old, sample.read_bytes(), change


def prepare(directory: Path, old: bytes | None) -> Path:
    directory.mkdir()
    path = directory / "run.h5"
    if old is not None:
        path.write_bytes(old)
    return path


@pytest.mark.parametrize("torn", [False, True])
def test_crash_at_every_step(tmp_path: Path, scenario: Any, torn: bool) -> None:
    old, new, change = scenario
    seen = set()
    for step in range(1000):
        path = prepare(tmp_path / str(step), old)
        returned = False
        with pytest.MonkeyPatch.context() as monkeypatch:
            crash_at(monkeypatch, step, torn=torn)
            try:
                change(path)
                returned = True
            except Crash:
                pass
        before = snapshot(path.parent)
        state = contents(path)
        assert snapshot(path.parent) == before
        assert state in ((new,) if returned else (old, new))
        recover(path)
        assert contents(path) == state == (path.read_bytes() if path.exists() else None)
        assert {p.name for p in path.parent.iterdir()} <= {"run.h5"}
        if returned:
            break
        seen.add(state)
    assert seen == {old, new}, "the crashes fell before and after the rename"


def test_recovery_can_crash_too(tmp_path: Path, scenario: Any) -> None:
    old, new, change = scenario
    for step in range(1000):
        path = prepare(tmp_path / str(step), old)
        leave_journal(path, change)
        with pytest.MonkeyPatch.context() as monkeypatch:
            crash_at(monkeypatch, step, torn=True)
            try:
                recover(path)
                assert step > 3
                break
            except Crash:
                assert contents(path) == new
        recover(path)
        assert path.read_bytes() == new
        assert not recover(path)


class Disk:
    """Records the changes to a directory, and tells what a power loss may leave of them.

    A change of a file is certain once that file was synced, a change of a name once the directory
    was synced. Of everything else any subset may have reached the disk, writes also in part.
    """

    def __init__(self, directory: Path) -> None:
        self.names = {p.name: p.stat().st_ino for p in directory.iterdir()}
        self.files = {p.stat().st_ino: p.read_bytes() for p in directory.iterdir()}
        self.log: list[tuple[Any, ...]] = []

    @contextlib.contextmanager
    def recording(self) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as monkeypatch:
            for name in STEPS:
                patch(monkeypatch, name, functools.partial(self._wrap, name))
            yield

    def _wrap(self, step: str, original: Callable[..., None]) -> Callable[..., None]:
        def recorded(*args: Any) -> None:
            original(*args)
            if step == "disk.replace":
                self.log.append((step, args[0].name, args[1].name, args[1].stat().st_ino))
            elif step == "disk.remove":
                self.log.append((step, args[0].name))
            elif step == "disk.sync_directory":
                self.log.append((step,))
            else:
                self._record_file(step, *args)

        return recorded

    def _record_file(self, step: str, handle: Any, *args: Any) -> None:
        inode = os.fstat(handle.fileno()).st_ino
        if inode not in self.files:
            self.files[inode] = b""
            self.log.append(("create", Path(handle.name).name, inode))
        copied = [bytes(a) if isinstance(a, bytearray) else a for a in args]
        self.log.append((step, inode, *copied))

    def _is_certain(self, index: int, end: int) -> bool:
        step, *args = self.log[index]
        if step in ("disk.write", "disk.resize"):
            return ("disk.sync", args[0]) in self.log[index:end]
        return ("disk.sync_directory",) in self.log[index:end]

    def lose_power(self, end: int, rng: random.Random, directory: Path) -> Path:
        """Lay out in `directory` what may be left of the first `end` changes."""
        names, files = dict(self.names), {i: bytearray(b) for i, b in self.files.items()}
        for index in range(end):
            step, *args = self.log[index]
            certain = self._is_certain(index, end)
            if not certain and rng.random() < 0.5:
                continue
            if step == "disk.write":
                data = args[2] if certain else args[2][: rng.randint(0, len(args[2]))]
                apply_to_model(files[args[0]], ("write", args[1], data))
            elif step == "disk.resize":
                apply_to_model(files[args[0]], ("truncate", args[1]))
            elif step == "create":
                names[args[0]] = args[1]
            elif step == "disk.replace":
                names.pop(args[0], None)
                names[args[1]] = args[2]
            elif step == "disk.remove":
                names.pop(args[0], None)
        directory.mkdir()
        for name, inode in names.items():
            (directory / name).write_bytes(files[inode])
        return directory / "run.h5"


def trace(path: Path, change: Callable[[Path], None], killed_at: int) -> tuple[Disk, int | None]:
    """Record a change that is killed, and the recovery; also where commit returned, if it did."""
    disk = Disk(path.parent)
    acknowledged = None
    with disk.recording():
        with pytest.MonkeyPatch.context() as monkeypatch:
            crash_at(monkeypatch, killed_at)
            try:
                change(path)
                acknowledged = len(disk.log)
            except Crash:
                pass
        recover(path)
    return disk, acknowledged


def test_power_loss(tmp_path: Path, scenario: Any) -> None:
    """Power fails at any step of a commit, or of the recovery after a kill at any step."""
    old, new, change = scenario
    rng = random.Random(0)
    acknowledged, killed_at = None, 0
    while acknowledged is None:
        path = prepare(tmp_path / str(killed_at), old)
        disk, acknowledged = trace(path, change, killed_at)
        for end in range(len(disk.log) + 1):
            left = disk.lose_power(end, rng, path.parent / str(end))
            if acknowledged is not None and end >= acknowledged:
                assert [p.name for p in left.parent.iterdir()] == ["run.h5"]
                assert left.read_bytes() == new
            state = contents(left)
            assert state in (old, new), (killed_at, end, disk.log[:end])
            recover(left)
            assert contents(left) == state
        killed_at += 1
    assert killed_at > 8


@pytest.mark.skipif(os.name == "nt", reason="needs directories that can be synced")
def test_commit_reaches_the_disk(path: Path, synced: list[int]) -> None:
    """The journal, its name, the file, its name if it is new, and the removal of the journal."""
    add("a", 1)(path)
    file, directory = stat.S_IFREG, stat.S_IFDIR
    assert synced == [file, directory, file, directory, directory]
    synced.clear()
    add("b", 1)(path)
    assert synced == [file, directory, file, directory]


WRITER = """
import os, sys
import numpy as np
from cntgraph.store.hdf5 import append

def say(*words):
    # In one system call, so that a kill cannot cut the line, whatever PYTHONUNBUFFERED says.
    os.write(1, (" ".join(map(str, words)) + chr(10)).encode())

def write(count):
    for number in range(count, count + 10_000):
        with append(sys.argv[1]) as file:
            if str(number) not in file:
                file[str(number)] = np.random.default_rng(number).integers(0, 255, 30_000)
        say(number)

# One process per line of input; forked, because importing h5py takes longer than the test.
for line in sys.stdin:
    pid = os.fork()
    if pid == 0:
        write(int(line))
    say("pid", pid)
    say("status", os.waitpid(pid, 0)[1])
"""


@contextlib.contextmanager
def writers(path: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", WRITER, str(path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        yield process


def kill_writer(process: subprocess.Popen[str], count: int, delay: float) -> int:
    """Append from dataset `count` on, kill the process, and return the number of acknowledged."""
    assert process.stdin is not None
    assert process.stdout is not None
    print(count, file=process.stdin, flush=True)
    pid, acknowledged, killed = 0, [], False
    for line in process.stdout:
        word, *rest = line.split()
        if word == "status":
            assert int(rest[0]) == signal.SIGKILL
            break
        if word == "pid":
            pid = int(rest[0])
        else:
            acknowledged.append(int(word))
        if pid and acknowledged and not killed:
            time.sleep(delay)
            os.kill(pid, signal.SIGKILL)
            killed = True
    assert acknowledged == list(range(count, count + len(acknowledged)))
    return count + len(acknowledged)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")
def test_sigkill_loses_nothing_acknowledged(path: Path) -> None:
    rng = random.Random(1)
    count = 0
    with writers(path) as process:
        for _ in range(15):
            count = kill_writer(process, count, rng.uniform(0, 0.04))
            with read(path) as file:
                # One more may be complete whose acknowledgement the kill has cut off.
                assert len(file) in (count, count + 1)
                for number in range(len(file)):
                    expected = np.random.default_rng(number).integers(0, 255, 30_000)
                    np.testing.assert_array_equal(file[str(number)][:], expected)
    assert count >= 15
    add("last", 1)(path)
    assert [p.name for p in path.parent.iterdir()] == ["run.h5"]
