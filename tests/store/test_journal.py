"""Appends are atomic: under exceptions, kill -9, power loss, damage and concurrent writers."""

from __future__ import annotations

import contextlib
import io
import os
import random
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cntgraph.errors import StoreError
from cntgraph.store import journal
from cntgraph.store.journal import JournaledFile, append, read, recover

# Every function through which the module changes the disk.
STEPS = ("_write", "_resize", "_sync", "_replace", "_remove", "_sync_directory")
ROOT = Path(journal.__file__).parents[2]


class Crash(BaseException):
    """Stands for the end of the process: no handler of the module may catch it."""


@pytest.fixture(autouse=True)
def synced(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Collect the kinds of what is synced, without waiting for the disk."""
    kinds: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda number: kinds.append(stat.S_IFMT(os.fstat(number)[0])))
    return kinds


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.h5"


def contents(path: Path) -> bytes | None:
    """What `read` would show, as bytes; None if there is neither a file nor a journal."""
    with JournaledFile(path, writable=False) as file:
        return file.read() if file.size or path.exists() else None


def snapshot(directory: Path) -> dict[str, tuple[bytes, int]]:
    return {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in directory.iterdir()}


def crash_at(
    monkeypatch: pytest.MonkeyPatch,
    step: int,
    error: BaseException | None = None,
    *,
    torn: bool = False,
    names: tuple[str, ...] = STEPS,
) -> None:
    """Raise in place of the `step`-th change to the disk, or after half of it if `torn`."""
    count = 0

    def wrap(original: Callable[..., None]) -> Callable[..., None]:
        def faulty(*args: Any) -> None:
            nonlocal count
            count += 1
            if count - 1 != step:
                return original(*args)
            if torn and len(args) == 3:
                original(args[0], args[1], memoryview(args[2])[: len(args[2]) // 2])
            raise error or Crash

        return faulty

    for name in names:
        monkeypatch.setattr(journal, name, wrap(getattr(journal, name)))


def leave_journal(path: Path, change: Callable[[Path], None]) -> None:
    """Crash after the journal is complete and before anything of it is applied."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        crash_at(monkeypatch, 0, names=("_apply_ranges",))
        with pytest.raises(Crash):
            change(path)
    assert path.with_name(path.name + ".journal").exists()


def add(name: str, value: object) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        with append(path) as file:
            file[name] = value

    return change


# --- The overlay ------------------------------------------------------------------------------

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


def apply_to_model(model: bytearray, operation: tuple[Any, ...]) -> None:
    kind, *args = operation
    if kind == "truncate":
        del model[args[0] :]
        model.extend(bytes(args[0] - len(model)))
    elif kind == "write" and args[1]:
        offset, data = args
        model.extend(bytes(max(offset - len(model), 0)))
        model[offset : offset + len(data)] = data


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


def test_system_calls_that_stop_short(path: Path) -> None:
    class Short(io.FileIO):
        def write(self, data: Any) -> int:
            return super().write(memoryview(data)[:3])

        def readinto(self, buffer: Any) -> int:
            return super().readinto(memoryview(buffer)[:3])

    buffer = bytearray(20)
    with Short(path, "w+") as handle:
        journal._write(handle, 2, b"0123456789")
        handle.seek(0)
        assert journal._read_fully(handle, memoryview(buffer)) == 12
    assert buffer == b"\0\0" + b"0123456789" + bytes(8)


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


# --- h5py through the overlay -----------------------------------------------------------------


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
                patch.setattr(journal._Ranges, "write", fail)
                file["b"] = np.zeros(10**6)
                pytest.fail("h5py hid the error")
            file["c"] = 1

    with pytest.raises(StoreError, match="one failed"):
        swallow()
    assert snapshot(path.parent) == before


def test_no_descriptor_is_left_open(path: Path) -> None:
    if not Path("/proc/self/fd").exists():
        pytest.skip("needs /proc")
    add("a", 1)(path)
    leave_journal(path, add("b", 2))
    before = os.listdir("/proc/self/fd")
    overlay = JournaledFile(path, writable=False)
    overlay.close()
    for _ in range(3):
        read(path).close()
        with pytest.raises(KeyError), append(path) as file:
            file["absent"]
        read(path).close()
    assert os.listdir("/proc/self/fd") == before


# --- Crashes ----------------------------------------------------------------------------------


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
                monkeypatch.setattr(journal, name, self._wrap(name, getattr(journal, name)))
            yield

    def _wrap(self, step: str, original: Callable[..., None]) -> Callable[..., None]:
        def recorded(*args: Any) -> None:
            original(*args)
            if step == "_replace":
                self.log.append((step, args[0].name, args[1].name, args[1].stat().st_ino))
            elif step == "_remove":
                self.log.append((step, args[0].name))
            elif step == "_sync_directory":
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
        if step in ("_write", "_resize"):
            return ("_sync", args[0]) in self.log[index:end]
        return ("_sync_directory",) in self.log[index:end]

    def lose_power(self, end: int, rng: random.Random, directory: Path) -> Path:
        """Lay out in `directory` what may be left of the first `end` changes."""
        names, files = dict(self.names), {i: bytearray(b) for i, b in self.files.items()}
        for index in range(end):
            step, *args = self.log[index]
            certain = self._is_certain(index, end)
            if not certain and rng.random() < 0.5:
                continue
            if step == "_write":
                data = args[2] if certain else args[2][: rng.randint(0, len(args[2]))]
                apply_to_model(files[args[0]], ("write", args[1], data))
            elif step == "_resize":
                apply_to_model(files[args[0]], ("truncate", args[1]))
            elif step == "create":
                names[args[0]] = args[1]
            elif step == "_replace":
                names.pop(args[0], None)
                names[args[1]] = args[2]
            elif step == "_remove":
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
from cntgraph.store.journal import append

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


# --- A disk that refuses ----------------------------------------------------------------------


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


@pytest.mark.parametrize("name", ["_sync_directory", "_apply_ranges", "_remove"])
def test_disk_error_after_the_journal_is_complete(
    path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    add("a", 1)(path)
    with monkeypatch.context() as patch:
        crash_at(patch, 0, OSError(5, "Input/output error"), names=(name,))
        with pytest.raises(StoreError, match=r"Input/output error.*recover\(\)"):
            add("b", 2)(path)
    assert recover(path)
    with h5py.File(path) as file:
        assert list(file) == ["a", "b"]


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


# --- Locks ------------------------------------------------------------------------------------

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
from cntgraph.store.journal import append
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
    original = journal._flock
    rivals: list[io.FileIO] = []

    def slow(handle: Any, exclusive: bool) -> bool:
        if not rivals:
            lock.unlink()
            rivals.append(io.FileIO(lock, "a"))
            assert original(rivals[0], exclusive=True)
        return original(handle, exclusive)

    monkeypatch.setattr(journal, "_flock", slow)
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
    monkeypatch.setattr(journal, "_READER_PATIENCE", 20)
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


def test_data_is_applied_before_what_leads_to_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add("a", np.arange(1000))(path)
    size = path.stat().st_size
    original = journal._write
    offsets = []

    def recorded(handle: Any, offset: int, data: Any) -> None:
        if Path(handle.name) == path:
            offsets.append(offset)
        original(handle, offset, data)

    monkeypatch.setattr(journal, "_write", recorded)
    add("b", np.arange(1000))(path)
    assert offsets[0] >= size > offsets[-1]
    assert offsets == sorted(offsets, reverse=True)


def test_without_fcntl(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "fcntl", None)
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


# --- Readers, and journals that stand beside the file -----------------------------------------


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


@pytest.mark.parametrize("journal_at_first", [True, False])
def test_reader_notices_a_commit_while_it_opens(
    path: Path, monkeypatch: pytest.MonkeyPatch, journal_at_first: bool
) -> None:
    add("a", 1)(path)
    if journal_at_first:
        leave_journal(path, add("b", 2))
    original = journal._open_reader
    opened: list[h5py.File] = []

    def slow(paths: Any) -> h5py.File:
        file = original(paths)
        if not opened:
            add("c", 3)(path)
        opened.append(file)
        return file

    monkeypatch.setattr(journal, "_open_reader", slow)
    with read(path) as file:
        assert list(file) == (["a", "b", "c"] if journal_at_first else ["a", "c"])
    assert len(opened) == 2
    assert not opened[0]


def test_reader_tries_again_after_an_error_that_a_commit_explains(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add("a", 1)(path)
    original = journal._open_reader
    errors: list[OSError] = []

    def torn(paths: Any) -> h5py.File:
        if not errors:
            errors.append(OSError("truncated file"))
            add("b", 2)(path)
            raise errors[0]
        return original(paths)

    monkeypatch.setattr(journal, "_open_reader", torn)
    with read(path) as file:
        assert list(file) == ["a", "b"]
    path.write_bytes(b"not HDF5")
    with pytest.raises(OSError, match="signature"):
        read(path)


def test_reader_gives_up_on_a_file_that_never_stands_still(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add("a", 1)(path)
    monkeypatch.setattr(journal, "_READER_PATIENCE", 0)
    original = journal._open_reader
    opened: list[h5py.File] = []

    def slow(paths: Any) -> h5py.File:
        opened.append(original(paths))
        add(f"b{len(opened)}", 1)(path)
        return opened[-1]

    monkeypatch.setattr(journal, "_open_reader", slow)
    with pytest.raises(StoreError, match="stand still"):
        read(path)
    assert not any(opened)


def test_absent_file(path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read(path)
    assert not recover(path)
    assert list(path.parent.iterdir()) == []


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


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write to anything")
def test_file_that_cannot_be_written_is_refused_at_once(path: Path) -> None:
    add("a", 1)(path)
    path.chmod(0o444)
    with pytest.raises(PermissionError), append(path):
        pytest.fail("the work began")
    assert [p.name for p in path.parent.iterdir()] == ["run.h5"]


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX permissions")
def test_journal_is_as_private_as_the_file(path: Path) -> None:
    add("a", 1)(path)
    path.chmod(0o600)
    leave_journal(path, add("b", 2))
    assert path.with_name("run.h5.journal").stat().st_mode & 0o777 == 0o600
    recover(path)
    assert path.stat().st_mode & 0o777 == 0o600
