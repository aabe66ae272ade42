"""A ``.keras`` archive: its configuration, and where its tensors lie. Nothing is unpacked."""

from __future__ import annotations

import zipfile
from pathlib import Path

from cntgraph.adapters.keras.source import Source
from cntgraph.adapters.weights.stored import member_offset, zip_members
from cntgraph.core.errors import FormatError

_CONFIG, _WEIGHTS = "config.json", "model.weights.h5"
#: A configuration is a text; a larger one is none.
_MAX_CONFIG = 1 << 28
#: A compressed member of more bytes than this must not be a thousand times what is stored.
_FLOOR, _EXPANSION = 1 << 26, 100


def read_archive(path: Path) -> tuple[bytes, Source]:
    """Return the configuration of an archive, and where its tensors are.

    Raises
    ------
    FormatError
        If it is damaged, or declares more than it holds.
    """
    members = zip_members(path, "a .keras archive")
    if _CONFIG not in members:
        raise FormatError(
            f"{path}: expected a .keras archive with {_CONFIG}, found {_listed(members)}; save "
            "the model by model.save('model.keras')"
        )
    config = _read(path, members[_CONFIG], _MAX_CONFIG)
    if _WEIGHTS not in members:
        raise FormatError(
            f"{path}: expected a .keras archive with {_WEIGHTS}, found {_listed(members)}; only "
            "weights in HDF5 are read, save the model by model.save('model.keras')"
        )
    info = members[_WEIGHTS]
    if info.compress_type == zipfile.ZIP_STORED:
        return config, Source(path, member_offset(path, info), info.file_size)
    return config, Source(path, memory=_read(path, info, None))


def _read(path: Path, info: zipfile.ZipInfo, limit: int | None) -> bytes:
    """Return a member's bytes, after checking that they are not made to fill the memory."""
    bomb = info.file_size > max(_FLOOR, _EXPANSION * info.compress_size)
    if bomb or (limit is not None and info.file_size > limit):
        raise FormatError(
            f"{path}: the member {info.filename!r} declares {info.file_size:,} bytes, "
            f"{info.compress_size:,} are stored; it is damaged, or made to fill the memory"
        )
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.read(info)
    except Exception as error:  # zipfile and zlib meet damage with a dozen kinds of exception
        raise FormatError(
            f"{path}: the member {info.filename!r} is damaged ({error}); copy the file again, or "
            "save it again"
        ) from error


def _listed(members: dict[str, zipfile.ZipInfo]) -> str:
    return ", ".join(sorted(members)[:5]) or "nothing"
