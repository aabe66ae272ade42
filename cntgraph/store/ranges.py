"""Ranges: the changed bytes of a file, in memory."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass
class Ranges:
    """Changed byte ranges, sorted by offset and never overlapping.

    Blocks are never merged: a write overwrites what is there and fills the gaps, by extending the
    block that ends where the gap begins if there is one. So a write costs its own size, in
    whatever order the writes come.
    """

    starts: list[int] = field(default_factory=list)
    blocks: list[bytearray] = field(default_factory=list)

    def pieces(self, start: int, stop: int) -> Iterator[tuple[int, int, bytearray | None, int]]:
        """Cut ``[start, stop)`` into ``(low, high, block, offset of the block)``, gaps as None."""
        position = start
        first = max(bisect_right(self.starts, start) - 1, 0)
        for index in range(first, bisect_left(self.starts, stop)):
            begin, block = self.starts[index], self.blocks[index]
            end = min(begin + len(block), stop)
            if position < begin:
                yield position, begin, None, 0
                position = begin
            if position < end:
                yield position, end, block, begin
                position = end
        if position < stop:
            yield position, stop, None, 0

    def write(self, offset: int, data: memoryview) -> None:
        """Keep a copy of `data` at `offset`."""
        for low, high, block, begin in list(self.pieces(offset, offset + len(data))):
            part = data[low - offset : high - offset]
            if block is None:
                self._fill(low, part)
            else:
                # Through a memoryview, because a bytearray would copy `part` a second time.
                memoryview(block)[low - begin : high - begin] = part

    def _fill(self, start: int, part: memoryview) -> None:
        index = bisect_right(self.starts, start)
        if index and self.starts[index - 1] + len(self.blocks[index - 1]) == start:
            self.blocks[index - 1] += part
        else:
            self.starts.insert(index, start)
            self.blocks.insert(index, bytearray(part))

    def truncate(self, size: int) -> None:
        """Forget what lies at or past `size`."""
        keep = bisect_left(self.starts, size)
        del self.starts[keep:], self.blocks[keep:]
        if keep:
            del self.blocks[-1][size - self.starts[-1] :]
