"""FilePart: some bytes of a file, as a file of their own."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any


class FilePart(io.RawIOBase):
    """Some bytes of a file, as a file of their own.

    Parameters
    ----------
    path : Path
    start, size : int
        Where they begin, and how many they are.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "text"
    >>> _ = path.write_bytes(b"a part of a file")
    >>> with FilePart(path, 2, 4) as part:
    ...     part.read()
    b'part'
    """

    def __init__(self, path: Path, start: int, size: int) -> None:
        self.start, self.size, self._at = start, size, 0
        self._file = path.open("rb")

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a place, counted as in any file."""
        self._at = max(0, offset + (0, self._at, self.size)[whence])
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Read what is left, as much as there is room for."""
        view = memoryview(buffer)[: max(0, self.size - self._at)]
        self._file.seek(self.start + self._at)
        n = self._file.readinto(view)
        self._at += n
        return n
