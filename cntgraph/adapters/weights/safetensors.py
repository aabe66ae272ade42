"""safetensors: weights alone, in one file, or in a folder of shards with an index.

A file is a length (8 bytes), a header (JSON: type, shape and place of every tensor), and the bytes
of the tensors. The header is checked as the format demands; tensors are read by parts when needed.
The library of that name is not used: into NumPy it reads neither bfloat16 nor float8.
"""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import Any, cast

from cntgraph.adapters.damage import damage
from cntgraph.adapters.options import Options
from cntgraph.adapters.registry import builtin
from cntgraph.adapters.weights.json_object import json_object
from cntgraph.adapters.weights.lora import CONFIG, WEIGHTS, is_adapter, network_of_adapter
from cntgraph.adapters.weights.separate import Layout, check_separate, network_of
from cntgraph.adapters.weights.shards import read_model
from cntgraph.adapters.weights.stored import StoredArray, file_state
from cntgraph.adapters.weights.tensors import Tensors
from cntgraph.core.errors import FormatError
from cntgraph.core.parameter import Parameter, storage_dtype
from cntgraph.network.network import Network

suffixes = (".safetensors", ".safetensors.index.json")
options = ("model", "layout", "base", "description")

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


def load(
    source: str | Path, *, model: Any = None, layout: Layout | None = None,
    base: Network | None = None, description: str | None = None, **shared: Any,
) -> Network:  # fmt: skip
    """Return the network of a file, an index or a folder of safetensors.

    Parameters
    ----------
    source : str or Path
        A ``.safetensors`` file, a ``.safetensors.index.json``, or the folder they lie in.
    model : torch.nn.Module, optional
        The model whose weights these are: its graph, with these weights. It is not changed.
        Without it, each tensor is a block of its own; see `separate`.
    layout : {"OIHW", "OHWI", "HWIO"}, optional
        The order of the axes of convolutions' kernels, without a model.
    base : Network, optional
        Of a folder of PEFT, the model that its LoRA updates; see `lora`.
    description : {None, "separate"}, optional
        That each tensor is a block of its own may be said, too.
    **shared
        The fields of `Options`; all but `strict` are of use only with a `model`.

    Raises
    ------
    FormatError
        If the file is damaged, a shard is missing, or the tensors are not the model's.
    """
    check_separate(description, source)
    given, tensors = Options(**shared), read_tensors(Path(source))
    if is_adapter(Path(source)) and model is None:
        given.refuse_input()
        return network_of_adapter(Path(source), tensors, base, strict=given.strict)
    if base is not None:
        raise FormatError(
            f"{source}: base= is the model that a folder of PEFT updates, which has {CONFIG} and "
            "no model= of its own; leave one of them out"
        )
    if model is None:
        return network_of(tensors, given, layout)
    torch: Any = builtin("torch", "putting weights into a model")
    return cast(Network, torch.load_weighted(tensors, model, given))


def parameters(source: str | Path) -> dict[str, Parameter]:
    """Return the tensors of a file, an index or a folder by name; they are read when needed."""
    return read_tensors(Path(source)).by_name()


def read_tensors(path: Path) -> Tensors:
    """Return the tensors of a file, an index or a folder; no weight is read.

    Raises
    ------
    FormatError
        If a file is damaged or missing.
    """
    # What a trainer keeps beside an adapter is not of the model.
    usual = WEIGHTS if is_adapter(path) else ""
    return read_model(path, _read_file, ".safetensors", usual)


# -- one file -----------------------------------------------------------------------------------


def _read_file(path: Path) -> Tensors:
    """Return the tensors of one file, in the order in which they lie there."""
    what = "expected a safetensors file, found a damaged or cut off one"
    with damage(path, what, "copy it again, or save it again"):
        state = file_state(path)
        header, start = _read_header(path, state[0])
        found, at = Tensors(), 0
        entries = (_checked(path, name, entry) for name, entry in header.items())
        for begin, end, name, dtype, shape in sorted(entries):
            if begin != at:
                raise ValueError(f"between the tensors there is a hole or an overlap, at {name!r}")
            at = end
            if dtype in _LEFT_OUT:
                found.leave_out(name, shape, dtype, f"of type {dtype}, which is no plain number")
            else:
                kind = storage_dtype(DTYPES[dtype])
                array = StoredArray(path, start + begin, shape, kind, state)
                found.add(name, shape, DTYPES[dtype], array)
        if start + at != state[0]:
            raise ValueError(f"the tensors take {at} bytes, {state[0] - start} are there")
        return found


def _read_header(path: Path, size: int) -> tuple[dict[str, Any], int]:
    """Return the header without its metadata, and where the tensors begin."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > min(size - 8, _MAX_HEADER):
            raise ValueError(f"its header would be {length} bytes long, the file has {size}")
        raw = file.read(length)
    if not raw.startswith(b"{"):
        raise ValueError("its header does not begin with a brace")
    header = json_object(raw)
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise ValueError("its metadata are not texts")
    return header, 8 + length


def _checked(path: Path, name: str, entry: Any) -> tuple[int, int, str, str, tuple[int, ...]]:
    """Return place, name, type and shape of a tensor, after checking that they agree."""
    entry = entry if isinstance(entry, dict) else {"data_offsets": entry}
    place, shape = _sizes(entry.get("data_offsets")), _sizes(entry.get("shape"))
    if place is None or len(place) != 2 or place[0] > place[1]:
        said = entry.get("data_offsets")
        raise ValueError(f"it does not say where the tensor {name!r} lies ({said!r:.80})")
    dtype, n_bytes = entry.get("dtype"), place[1] - place[0]
    if not isinstance(dtype, str) or dtype not in {*DTYPES, *_LEFT_OUT}:
        raise FormatError(
            f"{path}: the tensor {name!r} is of the unknown type {dtype!r:.80}; known are "
            f"{', '.join(DTYPES)}. The file is damaged, or newer than this version of cntgraph"
        )
    if shape is None or len(shape) > _MAX_AXES or len(entry) != 3:
        raise ValueError(f"the tensor {name!r} is described wrongly ({entry!r:.120})")
    bits = _LEFT_OUT.get(dtype) or 8 * storage_dtype(DTYPES[dtype]).itemsize
    if prod(shape) * bits != 8 * n_bytes:
        raise ValueError(
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
