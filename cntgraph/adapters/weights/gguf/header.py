"""What the beginning of a GGUF file says: settings by name, and where each tensor lies.

Everything is counted against what the file holds before it is read: a damaged one may claim any
number of anything.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import IO, Any

from cntgraph.adapters.damage import damage
from cntgraph.core.errors import FormatError

#: By the format's numbers of types: how a single value is unpacked.
_VALUES = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q",
           12: "d"}  # fmt: skip
_TEXT, _ARRAY = 8, 9
#: Longest texts and arrays that are kept; vocabularies are passed over.
_KEPT_TEXT, _KEPT_VALUES = 1 << 16, 1 << 12
_MAX_NAME, _MAX_AXES = 1 << 10, 8


@dataclass(frozen=True)
class StoredTensor:
    """A tensor: its shape, the last axis being the one whose values lie together; type and place.

    Parameters
    ----------
    shape : tuple of int
        Of its values.
    kind : int
        The format's number of its type.
    offset : int
        Where it begins, from the first tensor on.
    """

    shape: tuple[int, ...]
    kind: int
    offset: int


@dataclass(frozen=True)
class Header:
    """The beginning of a file.

    Parameters
    ----------
    settings : dict
        By name: numbers, texts and short lists of numbers.
    tensors : dict of str to StoredTensor
        By name, in the order of the file.
    start : int
        Where the first tensor begins.
    size : int
        Of the file.
    """

    settings: dict[str, Any]
    tensors: dict[str, StoredTensor]
    start: int
    size: int


def read_header(path: Path) -> Header:
    """Return the beginning of a GGUF file.

    Raises
    ------
    FormatError
        If it is damaged, or of a version that is not known.
    """
    what = "expected a GGUF file, found a damaged or cut off one"
    with (
        damage(path, what, "copy it again, or convert the model again"),
        path.open("rb") as file,
    ):
        return _Reader(file, path.stat().st_size).header(path)


@dataclass(frozen=True)
class _Reader:
    """Reads the parts of a header, and refuses what cannot be there."""

    file: IO[bytes]
    size: int

    def header(self, path: Path) -> Header:
        """Return what the file begins with."""
        if self.file.read(4) != b"GGUF":
            raise ValueError("it does not begin with GGUF")
        (version,) = self.numbers("I")
        if version not in (2, 3):
            raise FormatError(
                f"{path}: expected a GGUF file of version 2 or 3, found {version:#x}; one of an "
                "older version, or written on a big-endian machine, is to be converted again"
            )
        n_tensors, n_settings = self.numbers("QQ")
        settings = {}
        for _ in range(self.checked(n_settings, 12)):
            name = self.text(_MAX_NAME)
            settings[name] = self.value(*self.numbers("I"))
        tensors: dict[str, StoredTensor] = {}
        for _ in range(self.checked(n_tensors, 24)):
            name = self.text(_MAX_NAME)
            if not name or name in tensors:
                raise ValueError(f"the tensor {name!r:.80} is there twice, or without a name")
            tensors[name] = self.tensor()
        step = settings.get("general.alignment", 32)
        if not isinstance(step, int) or not 0 < step <= 1 << 20:
            raise ValueError(f"its tensors are said to be aligned to {step!r:.40}")
        return Header(settings, tensors, -(-self.file.tell() // step) * step, self.size)

    def numbers(self, kinds: str) -> tuple[Any, ...]:
        """Return numbers that lie side by side."""
        wanted = struct.calcsize(f"<{kinds}")
        raw = self.file.read(wanted)
        if len(raw) < wanted:
            raise ValueError("it ends within its header")
        return struct.unpack(f"<{kinds}", raw)

    def checked(self, n: int, nbytes: int) -> int:
        """Return a number of things of at least some bytes, if they can all follow."""
        if n * nbytes > self.size - self.file.tell():
            raise ValueError(f"it says that {n} things follow, which it is too short for")
        return n

    def text(self, longest: int = _KEPT_TEXT) -> str:
        """Return a text; pass over one that is too long."""
        (n,) = self.numbers("Q")
        if self.checked(n, 1) > longest:
            self.file.seek(n, 1)
            return ""
        return self.file.read(n).decode("utf-8", "replace")

    def value(self, kind: int, *, in_array: bool = False) -> Any:
        """Return a value of a type; None for an array that is passed over."""
        if kind in _VALUES:
            return self.numbers(_VALUES[kind])[0]
        if kind == _TEXT:
            return self.text()
        if kind != _ARRAY or in_array:
            raise ValueError(f"a setting is of the unknown type {kind}")
        kind, n = self.numbers("IQ")
        if kind in _VALUES:
            self.checked(n, struct.calcsize(f"<{_VALUES[kind]}"))
            if n <= _KEPT_VALUES:
                return list(self.numbers(f"{n}{_VALUES[kind]}"))
            self.file.seek(n * struct.calcsize(f"<{_VALUES[kind]}"), 1)
        for _ in range(self.checked(n, 8) if kind not in _VALUES else 0):
            self.value(kind, in_array=True)
        return None

    def tensor(self) -> StoredTensor:
        """Return what follows the name of a tensor; its first axis is the last of the file."""
        (n_axes,) = self.numbers("I")
        if n_axes > _MAX_AXES:
            raise ValueError(f"a tensor has {n_axes} axes")
        *sizes, kind, offset = self.numbers(f"{n_axes}QIQ")
        if prod(max(n, 1) for n in sizes) >= 1 << 62:
            raise ValueError(f"a tensor has the impossible shape {sizes!r:.80}")
        return StoredTensor(tuple(reversed(sizes)), kind, offset)
