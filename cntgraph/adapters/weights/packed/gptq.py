"""GPTQ: whole numbers packed along the inputs, a scale and a zero point a group and output.

``qweight`` is (inputs · bits / 32, outputs), ``qzeros`` (groups, outputs · bits / 32), ``scales``
(groups, outputs), ``g_idx`` (inputs), the group of each input. Zero points are stored less one,
but where a setting says that the format is ``gptq_v2``.
"""

from __future__ import annotations

from cntgraph.adapters.weights.packed.fields import Fields
from cntgraph.adapters.weights.packed.group import Group, Settings, Tensors, matrices
from cntgraph.adapters.weights.packed.grouped import Grouped, all_in_groups

_BITS = (2, 3, 4, 8)


def gptq(name: str, tensors: Tensors, settings: Settings) -> Group | None:
    """Return the weight of a ``qweight`` whose columns are outputs."""
    stem = name.removesuffix("qweight")
    scales, zeros = (tensors.get(stem + leaf) for leaf in ("scales", "qzeros"))
    belongs, words = tensors.get(f"{stem}g_idx"), tensors[name]
    if stem == name or scales is None or zeros is None or not matrices(words, scales, zeros):
        return None
    groups, outputs = scales.shape
    if words.shape[1] != outputs or zeros.shape[0] != groups:
        return None
    width = 8 * words.nbytes // words.size
    bits, rest = divmod(zeros.shape[1] * width, outputs)
    inputs = words.shape[0] * width // bits if bits in _BITS else 0
    parts = {name: "packed numbers", zeros.name: "packed zero points", scales.name: "scales"}
    parts |= {} if belongs is None else {belongs.name: "groups of the inputs"}
    if rest or not inputs or zeros.dtype != words.dtype or "int" not in words.dtype:
        return Group(f"{stem}weight", parts, None, "GPTQ of a number of bits that does not fit")
    group = -(-inputs // groups)
    if belongs is not None and not all_in_groups(belongs, inputs, groups):
        return Group(f"{stem}weight", parts, None, "GPTQ, whose groups of inputs do not fit")
    is_second = str(settings.all.get("checkpoint_format")) == "gptq_v2"
    array = Grouped(
        (outputs, inputs), Fields(words, bits, 0), scales, group, Fields(zeros, bits, 1),
        more=0 if is_second else 1, belongs=belongs, inputs_first=True,
    )  # fmt: skip
    return Group(f"{stem}weight", parts, array, f"GPTQ of {array.note}")
