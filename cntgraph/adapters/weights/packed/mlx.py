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
_FLOATS = {"mxfp4": ("float8_e8m0fnu", 32), "nvfp4": ("float8_e4m3fn", 16)}


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
    read = _floats if said.get("mode") in _FLOATS else _numbers
    array, note = read(words, scales, shifts, said) if matrices(words, scales) else (None, "")
    return Group(name, parts, array, f"MLX, {note}" if array is not None else _UNSAID)


def _numbers(
    words: Parameter, scales: Parameter, shifts: Parameter | None, said: dict[str, Any]
) -> tuple[Grouped | None, str]:
    bits, group = said.get("bits"), said.get("group_size")
    outputs, groups = scales.shape
    if type(bits) is not int or type(group) is not int or not 0 < group < 1 << 20:
        return None, ""
    inputs = groups * group
    fits = bits in range(1, 9) and words.shape == (outputs, inputs * bits // 32)
    if not fits or shifts is None or shifts.shape != scales.shape or "float" not in scales.dtype:
        return None, ""
    array = Grouped((outputs, inputs), Fields(words, bits, 1), scales, group, 0.0, shifts=shifts)
    return array, f"{bits} bits in groups of {group}"


def _floats(
    words: Parameter, scales: Parameter, shifts: Parameter | None, said: dict[str, Any]
) -> tuple[FourBitFloats | None, str]:
    kind, group = _FLOATS[said["mode"]]
    shape = words.shape[0], 8 * words.shape[1]
    if scales.dtype != "uint8" or scales.shape != (shape[0], shape[1] // group):
        return None, ""
    if shape[1] % group:
        return None, ""
    array = FourBitFloats(shape, words, scales, kind, group)
    return array, f"{str(said['mode']).upper()} in groups of {group}"
