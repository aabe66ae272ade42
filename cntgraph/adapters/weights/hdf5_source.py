"""Where the bytes of an HDF5 file are: a file, a part of an archive, or in memory."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cntgraph.adapters.damage import damage
from cntgraph.adapters.weights.file_part import FilePart
from cntgraph.adapters.weights.hdf5_attributes import stored_attributes
from cntgraph.core.errors import FormatError

if TYPE_CHECKING:
    import h5py

#: What stands for a text whose length is not fixed: its length, the place of a heap, its number.
_REFERENCE = struct.Struct("<IQI")


@dataclass(frozen=True)
class Source:
    """Where the bytes of an HDF5 file are: a part of a file, or in memory.

    Parameters
    ----------
    offset, size : int
        The part of it.
    memory : bytes, optional
        Instead: the bytes themselves, if they are compressed in the file.
    """

    path: Path
    offset: int = 0
    size: int = 0
    memory: bytes | None = None

    @classmethod
    def of(cls, path: Path) -> Source:
        """Return a whole file."""
        return cls(path, 0, path.stat().st_size)

    @property
    def nbytes(self) -> int:
        """Its size."""
        return self.size if self.memory is None else len(self.memory)

    @contextmanager
    def open(self) -> Iterator[h5py.File]:
        """Open the HDF5 file for reading.

        Raises
        ------
        FormatError
            For whatever goes wrong while it is open.
        """
        import h5py

        what = "expected an HDF5 file, found a damaged or another one"
        with (
            damage(self.path, what, "copy it again, or save it again"),
            self._stream() as stream,
            h5py.File(stream, "r") as file,
        ):
            yield file

    def check_texts(self) -> None:
        """Refuse a file whose texts HDF5 cannot read without going in circles.

        They lie in heaps, which the library walks without looking where it goes: ``GCOL``, a
        version, and the heap's size; then come objects, each with a number (0 for what is free),
        a count, and a size, which for what is free includes these.

        Raises
        ------
        FormatError
            If a heap is damaged, or the file has sizes of another width than eight bytes.
        """
        with self._bytes() as data:
            start, stop = self.offset, self.offset + self.nbytes
            if _widths(data[start : start + 32]) != (8, 8):
                raise FormatError(
                    f"{self.path}: expected an HDF5 file with sizes of eight bytes, found a "
                    "damaged or unusual one; save the model again"
                )
            at = data.find(b"GCOL", start, stop)
            while at >= 0:
                self._heap(data, at, stop)
                at = data.find(b"GCOL", at + 1, stop)

    def texts(self, dataset: h5py.Dataset) -> list[str] | None:
        """Return the texts of a dataset whose lengths differ; None if it holds something else.

        What it holds are references: a length, the place of a heap and a number in it. HDF5 follows
        any, wherever it leads; so they are followed here. Equal references share one text.

        Raises
        ------
        FormatError
            If they are packed or damaged.
        """
        import h5py

        kind = h5py.check_string_dtype(dataset.dtype)
        if kind is None or kind.length is not None:
            return None
        n, place = prod(dataset.shape or ()), dataset.id.get_offset()
        if n == 0:
            return []
        if place is None or dataset.id.get_storage_size() != n * _REFERENCE.size:
            raise FormatError(f"{self.path}: {dataset.name} has texts that are packed or damaged")
        with self._bytes() as data:
            first = self.offset + place
            stored = data[first : min(first + n * _REFERENCE.size, self.offset + self.nbytes)]
            return self._referred(data, stored, n, dataset.name)

    def attribute_texts(self, found: h5py.Group, name: str) -> list[str] | None:
        """Return the text of an attribute of a group, or its list; None if it is something else.

        Raises
        ------
        FormatError
            If it is damaged, or stored outside of the group's header.
        """
        import h5py

        attribute = found.attrs.get_id(name)
        kind, shape = h5py.check_string_dtype(attribute.dtype), attribute.shape
        if kind is None or shape is None or len(shape) > 1:
            return None
        if kind.length is not None:
            values = np.ravel(found.attrs[name])
            return [v.decode() if isinstance(v, bytes) else str(v) for v in values]
        place = h5py.h5o.get_info(found.id).addr
        with self._bytes() as data:
            stop = self.offset + self.nbytes
            stored = stored_attributes(data, self.offset, stop, place).get(name)
            if stored is None:
                raise FormatError(
                    f"{self.path}: the attribute {name!r} of {found.name} is damaged, or stored "
                    "where it cannot be read safely; save the model again"
                )
            return self._referred(
                data, stored, prod(shape), f"the attribute {name!r} of {found.name}"
            )

    def _referred(self, data: bytes | mmap, stored: bytes, n: int, what: str) -> list[str]:
        """Return the texts that references lead to.

        Raises
        ------
        FormatError
            If there are fewer than n, or one leads elsewhere.
        """
        texts: dict[tuple[int, int, int], str | None] = {}
        found, heaps = list[str](), dict[int, dict[int, bytes]]()
        start, stop = self.offset, self.offset + self.nbytes
        if len(stored) < n * _REFERENCE.size:
            raise FormatError(f"{self.path}: {what} is cut off; copy the file again")
        for reference in _REFERENCE.iter_unpack(stored[: n * _REFERENCE.size]):
            length, address, number = reference
            if length and address not in heaps:
                heaps[address] = self._heap(data, start + address, stop)
            if reference not in texts:
                texts[reference] = _text(heaps[address].get(number) if length else b"", length)
            text = texts[reference]
            if text is None:
                raise FormatError(f"{self.path}: a text of {what} is damaged")
            found.append(text)
        return found

    def _heap(self, data: bytes | mmap, at: int, stop: int) -> dict[int, bytes]:
        """Return the objects of a heap by number.

        Raises
        ------
        FormatError
            If a walk through it does not come to its end.
        """
        what = f"the texts of the HDF5 file are damaged at byte {at - self.offset:,}"
        with damage(self.path, what, "copy the file again, or save it again"):
            return dict(_objects(data, at, stop))

    @contextmanager
    def _bytes(self) -> Iterator[bytes | mmap]:
        """Map the file that this is a part of; what is in memory is there."""
        if self.memory is not None:
            yield self.memory
            return
        with (
            self.path.open("rb") as file,
            mmap(file.fileno(), 0, access=ACCESS_READ) as data,
        ):
            yield data

    def _stream(self) -> io.IOBase:
        if self.memory is None:
            return FilePart(self.path, self.offset, self.size)
        return io.BytesIO(self.memory)


def _text(data: bytes | None, length: int) -> str | None:
    """Return a text; None if it is not as long as it should be, or is none."""
    try:
        return data.decode() if data is not None and len(data) == length else None
    except UnicodeDecodeError:
        return None


def _widths(header: bytes) -> tuple[int, int] | None:
    """Return how many bytes places and sizes take, as the file's header says."""
    if len(header) < 16 or header[:8] != b"\x89HDF\r\n\x1a\n":
        return None
    first = 13 if header[8] < 2 else 9
    return header[first], header[first + 1]


def _objects(data: bytes | mmap, at: int, stop: int) -> Iterator[tuple[int, bytes]]:
    """Yield the objects of a heap with their numbers; nothing of bytes that are no heap.

    Raises
    ------
    ValueError
        If the walk through it does not come to its end.
    """
    if stop - at < 16 or data[at : at + 5] != b"GCOL\x01":
        return
    (size,) = struct.unpack_from("<Q", data, at + 8)
    if size > stop - at:
        return  # the library will not read it
    place, end = at + 16, at + size
    while place + 16 <= end:
        number, _, length = struct.unpack_from("<HHxxxxQ", data, place)
        step = length if number == 0 else 16 + (length + 7) // 8 * 8
        if step < 16 or step > end - place:
            raise ValueError("the objects do not fit into their heap")
        if number:
            yield number, data[place + 16 : place + 16 + length]
        place += step
