"""The disk does what it is asked to, in as many calls as it takes."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import pytest

from cntgraph.store import disk


class Short(io.FileIO):
    """A file whose every call stops after three bytes."""

    def write(self, data: Any) -> int:
        return super().write(memoryview(data)[:3])

    def readinto(self, buffer: Any) -> int:
        return super().readinto(memoryview(buffer)[:3])


@pytest.mark.parametrize("positioned", [True, False])
def test_system_calls_that_stop_short(
    path: Path, monkeypatch: pytest.MonkeyPatch, positioned: bool
) -> None:
    original = getattr(os, "preadv", None)
    if not positioned:
        monkeypatch.delattr(os, "preadv", raising=False)
    elif original is not None:
        monkeypatch.setattr(
            os, "preadv", lambda fd, buffers, offset: original(fd, [buffers[0][:3]], offset)
        )
    buffer = bytearray(20)
    with Short(path, "w+") as handle:
        disk.write(handle, 2, b"0123456789")
        assert disk.read_at(handle, 0, memoryview(buffer)) == 12
        assert disk.read_at(handle, 100, memoryview(bytearray(4))) == 0
    assert buffer == b"\0\0" + b"0123456789" + bytes(8)


@pytest.mark.skipif(os.name == "nt", reason="needs preadv")
def test_reading_does_not_move_the_position_that_forked_processes_share(path: Path) -> None:
    path.write_bytes(b"0123456789")
    buffer = bytearray(3)
    with io.FileIO(path) as handle:
        assert disk.read_at(handle, 5, memoryview(buffer)) == 3
        assert handle.tell() == 0
    assert buffer == b"567"
