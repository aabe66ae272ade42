"""safetensors: weights alone, in one file, or in a folder of shards with an index.

A file is a length (8 bytes), a header (JSON: type, shape and place of every tensor), and the bytes
of the tensors. The header is checked as the format demands; tensors are read by parts when needed.
The library of that name is not used: into NumPy it reads neither bfloat16 nor float8.
"""

from __future__ import annotations

import json
import os
import re
from math import prod
from pathlib import Path
from typing import Any, cast

from cntgraph.adapters.options import Options
from cntgraph.adapters.registry import builtin
from cntgraph.adapters.weights.packed import unpacked
from cntgraph.adapters.weights.stored import StoredArray, file_state
from cntgraph.adapters.weights.tensors import Layout, Tensors, network_of
from cntgraph.core.errors import FormatError
from cntgraph.core.parameter import Parameter, storage_dtype
from cntgraph.network.network import Network

suffixes = (".safetensors", ".safetensors.index.json")
options = ("model", "layout")

#: The format's types that are real numbers.
DTYPES = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16",
    "F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2", "F8_E8M0": "float8_e8m0fnu",
    "F8_E4M3FNUZ": "float8_e4m3fnuz", "F8_E5M2FNUZ": "float8_e5m2fnuz",
    "I64": "int64", "I32": "int32", "I16": "int16", "I8": "int8",
    "U64": "uint64", "U32": "uint32", "U16": "uint16", "U8": "uint8", "BOOL": "bool",
}  # fmt: skip
#: Types that are left out, and how many bits a value takes.
_LEFT_OUT = {"C64": 64, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6}
_MAX_HEADER = 100_000_000
_MAX_AXES = 32
_INDEX = ".safetensors.index.json"


def recognizes(source: object) -> bool:
    """Return False: safetensors are files, never live objects."""
    return False


def load(
    source: str | Path, *, model: Any = None, layout: Layout | None = None, **shared: Any
) -> Network:
    """Return the network of a file, an index or a folder of safetensors.

    Parameters
    ----------
    source : str or Path
        A ``.safetensors`` file, a ``.safetensors.index.json``, or the folder they lie in.
    model : torch.nn.Module, optional
        The model whose weights these are: its graph, with these weights. It is not changed.
        Without it, each tensor is a block of its own; see `tensors`.
    layout : {"OIHW", "OHWI", "HWIO"}, optional
        The order of the axes of convolutions' kernels, without a model.
    **shared
        The fields of `Options`; all but `strict` are of use only with a `model`.

    Raises
    ------
    FormatError
        If the file is damaged, a shard is missing, or the tensors are not the model's.
    """
    given, tensors = Options(**shared), read_tensors(Path(source))
    if model is None:
        given.refuse_input()
        return network_of(tensors, strict=given.strict, layout=layout)
    torch: Any = builtin("torch", "putting weights into a model")
    return cast(Network, torch.load_weighted(tensors, model, given))


def parameters(source: str | Path) -> dict[str, Parameter]:
    """Return the tensors of a file, an index or a folder by name; they are read when needed."""
    return {p.name: p for p in read_tensors(Path(source)).parameters}


def read_tensors(path: Path) -> Tensors:
    """Return the tensors of a file, an index or a folder; no weight is read.

    Raises
    ------
    FormatError
        If a file is damaged or missing.
    """
    if path.is_dir():
        path = _in_folder(path)
    if not path.name.lower().endswith(_INDEX):
        return unpacked(_read_file(path), path.parent)
    found = Tensors()
    for shard, listed in _shards(path).items():
        part = _read_file(shard)
        names = part.names()
        if listed - names:
            raise FormatError(
                f"{path}: the tensor {min(listed - names)!r} should lie in {shard.name}, which "
                "does not have it; the index and the shards are not of one model"
            )
        found.join(part, shard)
        found.reasons.update(dict.fromkeys(names - listed, "the index does not list it"))
    return unpacked(found, path.parent)


# -- which files ------------------------------------------------------------------------------


def _in_folder(folder: Path) -> Path:
    """Return the file to read in a folder: the index of its shards, or the only one."""
    here = sorted(path for path in folder.iterdir() if path.is_file())
    indices = [path for path in here if path.name.endswith(_INDEX)]
    files = indices or [path for path in here if path.name.endswith(".safetensors")]
    if len(files) == 1:
        return files[0]
    what = "several" if indices else "several files without an index"
    raise FormatError(
        f"{folder}: expected a folder with one safetensors model, found "
        f"{f'{what}: ' if files else 'none'}{', '.join(path.name for path in files[:4])}; pass the "
        "path of a file, or copy the index of the shards, too"
    )


def _shards(path: Path) -> dict[Path, set[str]]:
    """Return the shards that an index names, and which tensors it says that each has."""
    if path.stat().st_size > _MAX_HEADER:
        raise FormatError(f"{path}: expected an index of safetensors, found a file too large")
    index = _parsed(path, path.read_bytes(), "an index")
    listed = index.get("weight_map")
    if not isinstance(listed, dict) or not all(isinstance(v, str) for v in listed.values()):
        raise FormatError(
            f"{path}: expected an index of safetensors with a weight_map (tensor: file), found "
            f"{', '.join(map(repr, list(index)[:4])) or 'nothing'}; copy it again"
        )
    by_name: dict[str, set[str]] = {}
    for tensor, name in listed.items():
        by_name.setdefault(name, set()).add(tensor)
    return {_inside(path, name): by_name[name] for name in sorted(by_name)}


def _inside(index: Path, name: str) -> Path:
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


# -- one file -----------------------------------------------------------------------------------


def _read_file(path: Path) -> Tensors:
    """Return the tensors of one file, in the order in which they lie there."""
    state = file_state(path)
    header, start = _read_header(path, state[0])
    found, at = Tensors(), 0
    entries = (_checked(path, name, entry) for name, entry in header.items())
    for begin, end, name, dtype, shape in sorted(entries):
        if begin != at:
            raise _damaged(path, f"between the tensors there is a hole or an overlap, at {name!r}")
        at = end
        if dtype in _LEFT_OUT:
            found.leave_out(name, shape, dtype, f"of type {dtype}, which is no plain number")
        else:
            kind = storage_dtype(DTYPES[dtype])
            array = StoredArray(path, start + begin, shape, kind, state)
            found.add(name, shape, DTYPES[dtype], array)
    if start + at != state[0]:
        raise _damaged(path, f"the tensors take {at} bytes, {state[0] - start} are there")
    return found


def _read_header(path: Path, size: int) -> tuple[dict[str, Any], int]:
    """Return the header without its metadata, and where the tensors begin."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > min(size - 8, _MAX_HEADER):
            raise _damaged(path, f"its header would be {length} bytes long, the file has {size}")
        raw = file.read(length)
    if not raw.startswith(b"{"):
        raise _damaged(path, "its header does not begin with a brace")
    header = _parsed(path, raw, "a header")
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise _damaged(path, "its metadata are not texts")
    return header, 8 + length


def _parsed(path: Path, raw: bytes, what: str) -> dict[str, Any]:
    """Return a JSON object whose keys are all different."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise ValueError("a name stands twice")
        "".join(found).encode()  # raises where half a character is escaped
        return found

    try:
        found: Any = json.loads(raw.decode(), object_pairs_hook=unique)
        if not isinstance(found, dict):
            raise ValueError("no object")
    except (ValueError, RecursionError) as error:
        raise _damaged(path, f"it has no {what[2:]} of JSON ({error})") from error
    return found


def _checked(path: Path, name: str, entry: Any) -> tuple[int, int, str, str, tuple[int, ...]]:
    """Return place, name, type and shape of a tensor, after checking that they agree."""
    entry = entry if isinstance(entry, dict) else {"data_offsets": entry}
    place, shape = _sizes(entry.get("data_offsets")), _sizes(entry.get("shape"))
    if place is None or len(place) != 2 or place[0] > place[1]:
        said = entry.get("data_offsets")
        raise _damaged(path, f"it does not say where the tensor {name!r} lies ({said!r:.80})")
    dtype, n_bytes = entry.get("dtype"), place[1] - place[0]
    if not isinstance(dtype, str) or dtype not in {*DTYPES, *_LEFT_OUT}:
        raise FormatError(
            f"{path}: the tensor {name!r} is of the unknown type {dtype!r:.80}; known are "
            f"{', '.join(DTYPES)}. The file is damaged, or newer than this version of cntgraph"
        )
    if shape is None or len(shape) > _MAX_AXES or len(entry) != 3:
        raise _damaged(path, f"the tensor {name!r} is described wrongly ({entry!r:.120})")
    bits = _LEFT_OUT.get(dtype) or 8 * storage_dtype(DTYPES[dtype]).itemsize
    if prod(shape) * bits != 8 * n_bytes:
        raise _damaged(
            path,
            f"the tensor {name!r} of type {dtype} and shape {shape} does not take the "
            f"{n_bytes} bytes it is said to lie in",
        )
    return *place, name, dtype, shape


def _sizes(values: Any) -> tuple[int, ...] | None:
    """Return a list of sizes that a file can have, read from JSON; None if it is none."""
    if not isinstance(values, list):
        return None
    fits = all(type(value) is int and 0 <= value < 1 << 62 for value in values)
    return tuple(values) if fits else None


def _damaged(path: Path, reason: str) -> FormatError:
    return FormatError(
        f"{path}: expected a safetensors file, found a damaged or cut off one: {reason}; "
        "copy it again, or save it again"
    )
