"""Crashes, disks and journals for the tests of the store."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cntgraph.store import journal
from cntgraph.store.hdf5 import append
from cntgraph.store.overlay import JournaledFile

#: Every function through which the store changes the disk.
STEPS = tuple(
    f"disk.{name}" for name in ("write", "resize", "sync", "replace", "remove", "sync_directory")
)


ROOT = Path(journal.__file__).parents[2]


class Crash(BaseException):
    """Stands for the end of the process: no handler of the module may catch it."""


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
        patch(monkeypatch, name, wrap)


def patch(
    monkeypatch: pytest.MonkeyPatch, name: str, wrap: Callable[[Callable[..., None]], Any]
) -> None:
    """Wrap a function of the store, given as ``module.function``."""
    module, function = name.split(".")
    found = importlib.import_module(f"cntgraph.store.{module}")
    monkeypatch.setattr(found, function, wrap(getattr(found, function)))


def leave_journal(path: Path, change: Callable[[Path], None]) -> None:
    """Crash after the journal is complete and before anything of it is applied."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        crash_at(monkeypatch, 0, names=("journal._apply_ranges",))
        with pytest.raises(Crash):
            change(path)
    assert path.with_name(path.name + ".journal").exists()


def add(name: str, value: object) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        with append(path) as file:
            file[name] = value

    return change


def apply_to_model(model: bytearray, operation: tuple[Any, ...]) -> None:
    kind, *args = operation
    if kind == "truncate":
        del model[args[0] :]
        model.extend(bytes(args[0] - len(model)))
    elif kind == "write" and args[1]:
        offset, data = args
        model.extend(bytes(max(offset - len(model), 0)))
        model[offset : offset + len(data)] = data
