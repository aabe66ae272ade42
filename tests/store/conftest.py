"""What every test of the store begins with."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from store.samples import use

import cntgraph as cg


@pytest.fixture(autouse=True)
def synced(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Collect the kinds of what is synced, without waiting for the disk."""
    kinds: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda number: kinds.append(stat.S_IFMT(os.fstat(number)[0])))
    return kinds


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.h5"


@pytest.fixture
def groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a Recorder write each snapshot as a group, as it did before version 5."""
    monkeypatch.setattr("cntgraph.training.record_file.begin_stack", lambda *_, **__: None)


@pytest.fixture
def toy(path: Path) -> Path:
    cg.save(cg.toy("residual"), path, epoch=1)
    use(path)
    return path
