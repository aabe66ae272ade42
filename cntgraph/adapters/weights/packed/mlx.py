"""MLX: words of packed numbers along the inputs, a scale and a shift (``biases``) a group.

How many bits a number has does not follow from the shapes: ``config.json`` says it, for all
weights or for one. The modes ``mxfp4`` and ``nvfp4`` are of 4-bit floats, and have no shifts.
"""

from __future__ import annotations

from typing import Any

from cntgraph.adapters.weights.packed.fields import Fields
from cntgraph.adapters.weights.packed.four_bit_floats import FourBitFloats
from cntgraph.adapters.weights.packed.group import Group, Settings, Tensors, matrices
from cntgraph.adapters.weights.packed.grouped import Grouped
from cntgraph.core.parameter import Parameter

_UNSAID = (
    "MLX: how many bits a value has is said in the config.json beside the file, which is not there "
    "or does not fit; copy it into the folder, or dequantize with mlx_lm.convert"
)
_FLOATS = ("mxfp4", "nvfp4")


def mlx(name: str, tensors: Tensors, settings: Settings) -> Group | None:
    """Return the weight in words of 32 bits beside which there are ``scales``."""
    stem = name.removesuffix("weight")
    scales, shifts = tensors.get(f"{stem}scales"), tensors.get(f"{stem}biases")
    words = tensors[name]
    if stem == name or scales is None or words.dtype != "uint32":
        return None
    parts = {name: "packed numbers", scales.name: "scales"}
    parts |= {} if shifts is None else {shifts.name: "shifts"}
    said = settings.all.get(stem[:-1], settings.all)
    said = {**settings.all, **said} if isinstance(said, dict) else {}
    array = _array(words, scales, shifts, said) if matrices(words, scales) else None
    return Group(name, parts, array, _UNSAID if array is None else f"MLX, {array.note}")


def _array(
    words: Parameter, scales: Parameter, shifts: Parameter | None, said: dict[str, Any]
) -> FourBitFloats | Grouped | None:
    if said.get("mode") in _FLOATS:
        kind = str(said["mode"]).upper()
        return FourBitFloats.of(kind, words, scales) if scales.dtype == "uint8" else None
    bits, group = said.get("bits"), said.get("group_size")
    outputs, groups = scales.shape
    if type(bits) is not int or type(group) is not int or not 0 < group < 1 << 20:
        return None
    inputs = groups * group
    fits = bits in range(1, 9) and words.shape == (outputs, inputs * bits // 32)
    if not fits or shifts is None or shifts.shape != scales.shape or "float" not in scales.dtype:
        return None
    return Grouped((outputs, inputs), Fields(words, bits, 1), scales, group, 0.0, shifts=shifts)
