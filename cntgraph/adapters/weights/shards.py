"""Shards: a model in several files, and the index that says which tensor is in which of them."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

from cntgraph.adapters.damage import damage
from cntgraph.adapters.weights.json_object import read_json
from cntgraph.adapters.weights.packed import unpacked
from cntgraph.adapters.weights.tensors import Tensors
from cntgraph.core.errors import FormatError

#: What the name of an index ends in, after that of its shards.
INDEX = ".index.json"
_MAX_INDEX = 100_000_000


def read_model(
    path: Path, read: Callable[[Path], Tensors], suffix: str, usual: str = ""
) -> Tensors:
    """Return the tensors of a file, of the shards of an index, or of a folder with either.

    Parameters
    ----------
    read : callable
        Reads one file.
    suffix : str
        What the names of its files end in.
    usual : str, optional
        The name of the file to read where a folder has several.

    Raises
    ------
    FormatError
        If a file is damaged or missing, or it is not clear which are the model's.
    """
    if path.is_dir():
        path = _model_in(path, suffix, usual)
    is_index = path.name.lower().endswith(INDEX)
    return unpacked(_read_shards(path, read) if is_index else read(path), path.parent)


def _read_shards(path: Path, read: Callable[[Path], Tensors]) -> Tensors:
    """Return the tensors of all shards that an index names."""
    found = Tensors()
    for shard, listed in _shards(path).items():
        part = read(shard)
        names = part.names()
        if listed - names:
            raise FormatError(
                f"{path}: the tensor {min(listed - names)!r} should lie in {shard.name}, which "
                "does not have it; the index and the shards are not of one model"
            )
        found.join(part, shard)
        found.reasons.update(dict.fromkeys(names - listed, "the index does not list it"))
    return found


def _model_in(folder: Path, suffix: str, usual: str) -> Path:
    """Return the file to read in a folder: the index of its shards, or the only one."""
    here = sorted(path for path in folder.iterdir() if path.is_file())
    indices = [path for path in here if path.name.endswith(suffix + INDEX)]
    files = indices or [path for path in here if path.name.endswith(suffix)]
    files = [path for path in files if path.name == usual] or files
    if len(files) == 1:
        return files[0]
    what = "several" if indices else "several files without an index"
    raise FormatError(
        f"{folder}: expected a folder with one model of {suffix} files, found "
        f"{f'{what}: ' if files else 'none'}{', '.join(path.name for path in files[:4])}; pass the "
        "path of a file, or copy the index of the shards, too"
    )


def _shards(path: Path) -> dict[Path, set[str]]:
    """Return the shards that an index names, and which tensors it says that each has."""
    what = "expected an index of shards, found a damaged or cut off one"
    with damage(path, what, "copy it again"):
        index = read_json(path, _MAX_INDEX)
    listed = index.get("weight_map")
    if not isinstance(listed, dict) or not all(isinstance(v, str) for v in listed.values()):
        raise FormatError(
            f"{path}: expected an index of shards with a weight_map (tensor: file), found "
            f"{', '.join(map(repr, list(index)[:4])) or 'nothing'}; copy it again"
        )
    by_name: dict[str, set[str]] = {}
    for tensor, name in listed.items():
        by_name.setdefault(name, set()).add(tensor)
    return {inside(path, name): by_name[name] for name in sorted(by_name)}


def inside(index: Path, name: str) -> Path:
    """Return the shard of that name beside its index; refuse any other file."""
    plain = name.isprintable() and not re.search(r"[/\\:]", name) and name not in ("", ".", "..")
    path = index.parent / name if plain else index
    if not plain or not _is_near(path, index):
        raise FormatError(
            f"{index}: names the shard {name!r:.80}, which is outside of its folder; "
            "it was not opened"
        )
    if not path.is_file():
        raise FormatError(
            f"{index}: the shard {name!r} is missing; copy it into the folder of the index"
        )
    return path


def _is_near(path: Path, index: Path) -> bool:
    """Whether a file lies in the index's folder, or beside what the index is a link to.

    A cache of downloads may hold links only.
    """
    folders = (os.path.realpath(index.parent), os.path.dirname(os.path.realpath(index)))
    return os.path.dirname(os.path.realpath(path)) in folders
