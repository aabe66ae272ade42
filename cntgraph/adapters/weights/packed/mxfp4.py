"""MXFP4 as in gpt-oss: ``_blocks`` of 16 bytes, ``_scales``, a power of two for each.

Blocks are (experts, outputs, groups, 16), and hold 32 values of neighboring inputs.
"""

from __future__ import annotations

from cntgraph.adapters.weights.packed.four_bit_floats import FourBitFloats
from cntgraph.adapters.weights.packed.group import Group, Settings, Tensors


def mxfp4(name: str, tensors: Tensors, settings: Settings) -> Group | None:
    """Return the weight of blocks beside which there are their scales."""
    separator = next((s for s in ("_", ".") if name.endswith(f"{s}blocks")), "")
    stem = name.removesuffix(f"{separator}blocks")
    scales, blocks = tensors.get(f"{stem}{separator}scales"), tensors[name]
    if not separator or scales is None or {blocks.dtype, scales.dtype} != {"uint8"}:
        return None
    parts = {name: "packed numbers", scales.name: "scales"}
    if blocks.shape != (*scales.shape, 16) or len(scales.shape) < 2 or not blocks.size:
        return Group(stem, parts, None, "MXFP4 whose scales do not fit")
    array = FourBitFloats.of("MXFP4", blocks, scales)
    return Group(stem, parts, array, "MXFP4 in groups of 32")
