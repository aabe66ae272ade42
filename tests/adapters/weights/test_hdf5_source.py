"""A part of a file is a file of its own: nothing behind its end or before its start is read."""

import io

import pytest

from cntgraph.adapters.weights.hdf5_source import Source


@pytest.mark.parametrize("in_memory", [False, True])
def test_a_part_of_a_file_ends_where_it_ends(in_memory, tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"before" + b"0123456789" + b"behind")
    source = Source(path, memory=b"0123456789") if in_memory else Source(path, 6, 10)
    with source._stream() as part:
        assert part.read(4) == b"0123"
        assert part.tell() == 4
        assert part.read() == b"456789"
        assert part.read(3) == part.read() == b""
        assert part.seek(-3, io.SEEK_END) == 7
        assert part.read(-1) == b"789"
        assert part.seek(2) == 2
        buffer = bytearray(20)
        assert part.readinto(buffer) == 8
        assert bytes(buffer[:8]) == b"23456789"
        assert not any(buffer[8:])
