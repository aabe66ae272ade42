"""compressed-tensors: ``weight_packed``, of whole numbers in words or of 4-bit floats in bytes.

Whole numbers are stored plus half their range, along the inputs; ``weight_scale`` is (outputs,
groups), ``weight_zero_point`` packed along the outputs, ``weight_shape`` what the weight has. A
``weight_global_scale`` divides all values of NVFP4.
"""

from __future__ import annotations

from cntgraph.adapters.weights.packed.fields import Fields
from cntgraph.adapters.weights.packed.four_bit_floats import FourBitFloats
from cntgraph.adapters.weights.packed.group import Group, Settings, Tensors, matrices
from cntgraph.adapters.weights.packed.grouped import Grouped, all_in_groups
from cntgraph.core.parameter import Parameter

_ROLES = {"scale": "scales", "zero_point": "packed zero points", "shape": "shape",
          "g_idx": "groups of the inputs", "global_scale": "scale of all"}  # fmt: skip
#: Kinds of floats, by the type that their scales are stored in.
_FLOATS = {"float8_e4m3fn": "NVFP4", "uint8": "MXFP4", "float8_e8m0fnu": "MXFP4"}


def compressed_tensors(name: str, tensors: Tensors, settings: Settings) -> Group | None:
    """Return the weight of a ``weight_packed``."""
    stem = name.removesuffix("_packed")
    if stem == name or f"{stem}_scale" not in tensors:
        return None
    found = {leaf: tensors.get(f"{stem}_{leaf}") for leaf in _ROLES}
    parts = {name: "packed numbers"}
    parts |= {p.name: _ROLES[leaf] for leaf, p in found.items() if p is not None}
    array, note = _array(tensors[name], found)
    return Group(stem, parts, array, f"compressed-tensors, {note}")


def _array(
    words: Parameter, found: dict[str, Parameter | None]
) -> tuple[Grouped | FourBitFloats | None, str]:
    scale = found["scale"]
    assert scale is not None
    if not matrices(words, scale):
        return None, "of other than two axes"
    if words.dtype == "uint8" and scale.dtype in _FLOATS:
        kind = _FLOATS[scale.dtype]
        floats = FourBitFloats.of(kind, words, scale, found["global_scale"])
        return floats, floats.note if floats else f"{kind} whose scales do not fit"
    shape = None if found["shape"] is None else tuple(found["shape"].read().reshape(-1).astype(int))
    if words.dtype != "int32" or shape is None or len(shape) != 2 or shape[0] != words.shape[0]:
        return None, "whose shape is not said"
    outputs, inputs = shape
    bits = words.shape[1] * 32 // inputs if inputs > 0 else 0
    groups = scale.shape[1]
    if not 1 <= bits <= 8 or -(-inputs * bits // 32) != words.shape[1] or scale.shape[0] != outputs:
        return None, "of a number of bits that does not fit"
    zeros, belongs = found["zero_point"], found["g_idx"]
    if zeros is not None and zeros.shape != (-(-outputs * bits // 32), groups):
        return None, "whose zero points do not fit"
    if belongs is not None and not all_in_groups(belongs, inputs, groups):
        return None, "whose groups of inputs do not fit"
    group = -(-inputs // groups)
    zero = float(1 << (bits - 1)) if zeros is None else Fields(zeros, bits, 0)
    array = Grouped((outputs, inputs), Fields(words, bits, 1), scale, group, zero, belongs=belongs)
    return array, array.note
