"""A ``.keras`` archive: its configuration, and where its tensors lie. Nothing is unpacked."""

from __future__ import annotations

import zipfile
from pathlib import Path

from cntgraph.adapters.keras.source import Source
from cntgraph.adapters.weights.stored import member_offset, read_member, zip_members
from cntgraph.core.errors import FormatError

_CONFIG, _WEIGHTS = "config.json", "model.weights.h5"
#: How many times its packed size a member may have.
_MAX_PACKED = 100


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
    config = read_member(path, members[_CONFIG], _MAX_PACKED)
    if _WEIGHTS not in members:
        raise FormatError(
            f"{path}: expected a .keras archive with {_WEIGHTS}, found {_listed(members)}; only "
            "weights in HDF5 are read, save the model by model.save('model.keras')"
        )
    info = members[_WEIGHTS]
    if info.compress_type == zipfile.ZIP_STORED:
        return config, Source(path, member_offset(path, info), info.file_size)
    return config, Source(path, memory=read_member(path, info, _MAX_PACKED))


def _listed(members: dict[str, zipfile.ZipInfo]) -> str:
    return ", ".join(sorted(members)[:5]) or "nothing"
