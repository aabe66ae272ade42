"""bitsandbytes: codes of four bits (NF4, FP4), blocks of which share their largest value.

``weight`` holds the codes in a row, ``weight.quant_map`` the values that they stand for,
``weight.absmax`` the largest value of each block, which may be packed itself (``nested_…``), and
``weight.quant_state.bitsandbytes__nf4`` says the rest, as a text of JSON.
"""

from __future__ import annotations

from math import isfinite, prod
from typing import Any

import numpy as np

from cntgraph.adapters.weights.json_object import json_object
from cntgraph.adapters.weights.packed.group import Group, Settings, Tensors
from cntgraph.adapters.weights.packed.table_codes import BlockScales, TableCodes
from cntgraph.core.parameter import Parameter

_STATE = ".quant_state.bitsandbytes__"
_ROLES = {"absmax": "largest values of blocks", "quant_map": "values of the codes",
          "nested_absmax": "scales of the largest values",
          "nested_quant_map": "values of the packed largest values"}  # fmt: skip
_MAX_STATE = 1 << 16


def bitsandbytes(name: str, tensors: Tensors, settings: Settings) -> Group | None:
    """Return the weight beside which there are an ``absmax`` and a ``quant_map``."""
    found = {leaf: tensors[f"{name}.{leaf}"] for leaf in _ROLES if f"{name}.{leaf}" in tensors}
    states = (tensors.get(f"{name}{_STATE}{kind}") for kind in ("nf4", "fp4"))
    state = next((each for each in states if each is not None), None)
    if state is None or not {"absmax", "quant_map"} <= found.keys():
        return None
    parts = {name: "packed codes", state.name: "description"}
    parts |= {p.name: _ROLES[leaf] for leaf, p in found.items()}
    array, note = _array(tensors[name], found, _described(state))
    return Group(name, parts, array, f"bitsandbytes, {note}")


def _described(state: Parameter) -> dict[str, Any]:
    """Return what the text says; nothing, where it is none."""
    if state.dtype != "uint8" or state.size > _MAX_STATE:
        return {}
    try:
        return json_object(state.raw().tobytes())
    except ValueError:
        return {}


def _array(
    codes: Parameter, found: dict[str, Parameter], said: dict[str, Any]
) -> tuple[TableCodes | None, str]:
    shape, block = said.get("shape"), said.get("blocksize", 0)
    if not _are_sizes([block]) or not isinstance(shape, list) or not _are_sizes(shape):
        return None, "whose description is damaged"
    n = prod(shape)
    in_a_row = max(codes.shape, default=0) == codes.size == -(-n // 2)
    table, stored = found["quant_map"], found["absmax"]
    if codes.dtype not in ("uint8", "int8") or not in_a_row or table.shape != (16,):
        return None, "whose codes do not fit the shape that is said"
    scales = _scales(stored, found, said)
    if scales is None or stored.shape != (-(-n // block),):
        return None, "whose blocks do not fit the shape that is said"
    kind = str(said.get("quant_type")).upper()[:8]
    note = f"{kind} in blocks of {block}" + (", doubly packed" if scales.table else "")
    return TableCodes(tuple(shape), codes, table, scales, block), note


def _scales(
    stored: Parameter, found: dict[str, Parameter], said: dict[str, Any]
) -> BlockScales | None:
    table, outer = found.get("nested_quant_map"), found.get("nested_absmax")
    if table is None or outer is None:
        return BlockScales(stored) if "float" in stored.dtype else None
    block, offset = said.get("nested_blocksize", 0), said.get("nested_offset")
    if not _are_sizes([block]) or not isinstance(offset, int | float) or not isfinite(offset):
        return None
    fits = table.shape == (256,) and outer.shape == (-(-stored.size // block),)
    if stored.dtype != "uint8" or not fits or abs(offset) > np.finfo(np.float32).max:
        return None
    return BlockScales(stored, table, BlockScales(outer), block, float(offset))


def _are_sizes(values: list[Any]) -> bool:
    return bool(values) and all(type(v) is int and 0 < v < 1 << 40 for v in values)
