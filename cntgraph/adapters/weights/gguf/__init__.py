"""GGUF: the weights of a model as llama.cpp and ollama run it, in one file or several.

The file names the size of the axis whose values lie together first: shapes are reversed, and are
then as PyTorch has them. Plain types are read as they are; packed ones are unpacked by the package
``gguf``, some at a time (`blocks`). The rows of queries and keys are put back into the order that
the model has (`head_rows`). Nothing else in the file is looked at.
"""

from __future__ import annotations

import re
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from cntgraph.adapters.options import Options
from cntgraph.adapters.weights.gguf.blocks import Blocks
from cntgraph.adapters.weights.gguf.head_rows import HeadRows
from cntgraph.adapters.weights.gguf.header import Header, StoredTensor, read_header
from cntgraph.adapters.weights.separate import Layout, network_of
from cntgraph.adapters.weights.stored import StoredArray, file_state
from cntgraph.adapters.weights.tensors import Tensors
from cntgraph.core.errors import FormatError, require
from cntgraph.core.parameter import Parameter, storage_dtype
from cntgraph.network.network import Network

suffixes = (".gguf",)
options = ("layout",)

#: The format's numbers of types that are no packing.
_PLAIN = {0: "float32", 1: "float16", 24: "int8", 25: "int16", 26: "int32", 27: "int64",
          28: "float64", 30: "bfloat16"}  # fmt: skip
#: Models whose converter changes the order of the rows of queries and keys.
_PAIRED = frozenset(
    "llama deci granite granitemoe granitehybrid minicpm baichuan xverse olmo llada nanbeige "
    "arcee internlm2".split()
)
_QUERIES_OR_KEYS = re.compile(r"blk\.(\d+)\.attn_(q|k)\.(weight|bias)")
_PART = re.compile(r"(.*)-(\d{5})-of-(\d{5})\.gguf", re.IGNORECASE | re.DOTALL)
_FREQUENCIES = re.compile(r"(^|\.)rope_(freqs|factors_long|factors_short)\.weight$")


def load(source: str | Path, *, layout: Layout | None = None, **shared: Any) -> Network:
    """Return the network of a file, or of the first of several; see `separate`.

    Parameters
    ----------
    source : str or Path
        A ``.gguf`` file; of several (``name-00001-of-00003.gguf``), any.
    layout : {"OIHW", "OHWI", "HWIO"}, optional
        The order of the axes of convolutions' kernels.
    **shared
        The fields of `Options`; only `strict` and `zeros` are of use.

    Raises
    ------
    FormatError
        If a file is damaged, or one of several is missing.
    MissingExtraError
        If it has packed tensors, and the package ``gguf`` is not installed.
    """
    return network_of(read_tensors(Path(source)), Options(**shared), layout)


def parameters(source: str | Path) -> dict[str, Parameter]:
    """Return the tensors of a file by name; they are read when needed."""
    return read_tensors(Path(source)).by_name()


def read_tensors(path: Path) -> Tensors:
    """Return the tensors of a file, or of all of which it is one; no weight is read.

    Raises
    ------
    FormatError
        If a file is damaged or missing.
    MissingExtraError
        If there are packed tensors, and the package ``gguf`` is not installed.
    """
    found = Tensors()
    settings: dict[str, Any] = {}
    for file in _files(path):
        header = read_header(file)
        settings = settings or header.settings  # the first file has them
        found.join(_tensors_of(file, header, settings), file)
    return found


def _files(path: Path) -> list[Path]:
    """Return the files of a model, of which this is one."""
    match = _PART.fullmatch(path.name)
    if match is None or not 1 <= int(match[2]) <= int(match[3]):
        return [path]
    names = [f"{match[1]}-{k + 1:05}-of-{match[3]}{path.suffix}" for k in range(int(match[3]))]
    missing = [name for name in names if not path.with_name(name).is_file()]
    if missing:
        raise FormatError(
            f"{path}: one of {len(names)} files of a model, of which {missing[0]!r} is not beside "
            "it; copy all of them into one folder"
        )
    return [path.with_name(name) for name in names]


def _tensors_of(path: Path, header: Header, settings: dict[str, Any]) -> Tensors:
    """Return the tensors of one file, after checking that it holds them."""
    found, state, total = Tensors(), file_state(path), 0
    for name, stored in header.tensors.items():
        if _FREQUENCIES.search(name):
            reason = "frequencies of rotary positions, of use only with the graph"
            found.leave_out(name, stored.shape, "", reason, "buffer")
            continue
        block, nbytes, called = _packing(stored.kind)
        if not called:
            reason = f"of the type {stored.kind}, which the package gguf does not unpack"
            found.leave_out(name, stored.shape, "", reason)
            continue
        row = stored.shape[-1] if stored.shape else 1
        size = prod(stored.shape) // block * nbytes
        total += size
        if row % block or total > header.size - header.start or (
            stored.offset + size > header.size - header.start
        ):  # fmt: skip
            raise FormatError(
                f"{path}: the tensor {name!r} of shape {stored.shape} and type {called} is not "
                "where the file says that it is; it is damaged or cut off, copy it again"
            )
        whole = StoredArray(path, header.start + stored.offset, (), np.dtype(np.uint8), state)
        found.parameters.append(_parameter(name, stored, (block, nbytes), whole))
        found.notes[name] = f"GGUF, {called}, its axes in reverse"
        _put_in_order(found, settings)
    return found


def _packing(kind: int) -> tuple[int, int, str]:
    """Return the values and bytes of a block of a type, and its name; none where it is unknown."""
    if kind in _PLAIN:
        return 1, storage_dtype(_PLAIN[kind]).itemsize, _PLAIN[kind]
    doing = "reading packed tensors of GGUF"
    quants = require("gguf.quants", "gguf", needed_for=doing)
    constants = require("gguf.constants", "gguf", needed_for=doing)
    known = {int(k): k for k in quants._type_traits}
    if kind not in known:
        return 1, 1, ""
    block, nbytes = constants.GGML_QUANT_SIZES[known[kind]]
    return block, nbytes, known[kind].name


def _parameter(
    name: str, stored: StoredTensor, packing: tuple[int, int], whole: StoredArray
) -> Parameter:
    shape, (block, nbytes) = stored.shape, packing
    if stored.kind in _PLAIN:
        dtype = _PLAIN[stored.kind]
        bits = storage_dtype(dtype).newbyteorder("<")
        return Parameter(name, shape, dtype, replace(whole, shape=shape, dtype=bits))
    rows = (*shape[:-1], shape[-1] // block * nbytes)
    data = Blocks(shape, stored.kind, block, nbytes, replace(whole, shape=rows))
    return Parameter(name, shape, "float32", data)


def _put_in_order(found: Tensors, settings: dict[str, Any]) -> None:
    """Put the rows of the last tensor into the order of the model, if they are in another."""
    parameter = found.parameters[-1]
    match, model = _QUERIES_OR_KEYS.fullmatch(parameter.name), settings.get("general.architecture")
    if match is None or model not in _PAIRED:
        return
    heads = _heads(settings, f"{model}.attention.head_count", match[2] == "k", int(match[1]))
    if heads and parameter.shape and parameter.shape[0] % (2 * heads) == 0:
        rows = HeadRows(parameter.data, heads)
        found.parameters[-1] = replace(parameter, data=rows)
        found.notes[parameter.name] += ", its rows put back from pairs into halves of heads"


def _heads(settings: dict[str, Any], key: str, of_keys: bool, layer: int) -> int:
    """Return the number of heads of a layer; 0, where it is not said."""
    heads = settings.get(f"{key}_kv", settings.get(key)) if of_keys else settings.get(key)
    if isinstance(heads, list):
        heads = heads[layer] if layer < len(heads) else 0
    return heads if type(heads) is int and 0 < heads < 1 << 20 else 0
