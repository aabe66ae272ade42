"""AWQ: whole numbers of four bits packed along the outputs, eight in a word, the even ones first.

``qweight`` is (inputs, outputs / 8), ``qzeros`` (groups, outputs / 8), ``scales`` (groups,
outputs).
"""

from __future__ import annotations

from cntgraph.adapters.weights.packed.fields import Fields
from cntgraph.adapters.weights.packed.group import Group, Settings, Tensors, matrices
from cntgraph.adapters.weights.packed.grouped import Grouped

#: Where in a word the outputs 0, 1, 2, … of it lie.
_ORDER = (0, 4, 1, 5, 2, 6, 3, 7)


def awq(name: str, tensors: Tensors, settings: Settings) -> Group | None:
    """Return the weight of a ``qweight`` whose rows are inputs."""
    stem, words = name.removesuffix("qweight"), tensors[name]
    scales, zeros = (tensors.get(stem + leaf) for leaf in ("scales", "qzeros"))
    if stem == name or scales is None or zeros is None or not matrices(words, scales, zeros):
        return None
    groups, outputs = scales.shape
    inputs, width = words.shape
    if width * 8 != outputs or zeros.shape != (groups, width) or inputs % groups:
        return None
    if {words.dtype, zeros.dtype} != {"int32"}:
        return None
    parts = {name: "packed numbers", zeros.name: "packed zero points", scales.name: "scales"}
    group = inputs // groups
    array = Grouped(
        (outputs, inputs), Fields(words, 4, 1, _ORDER), scales, group, Fields(zeros, 4, 1, _ORDER),
        inputs_first=True,
    )  # fmt: skip
    return Group(f"{stem}weight", parts, array, f"AWQ of {array.note}")
