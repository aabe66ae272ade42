"""Packed weights: which tensors are one weight together, and how a part of it is unpacked.

A file per format says which tensors belong together and where values lie in them; three kinds of
packing are shared (`grouped`, `four_bit_floats`, `table_codes`). A weight that is found is a
`Parameter` of float32, of which what is asked for is unpacked, and no more of the file is read
than that takes; its tensors are listed in the coverage table by what they are to it.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from cntgraph.adapters.weights.packed.awq import awq
from cntgraph.adapters.weights.packed.bitsandbytes import bitsandbytes
from cntgraph.adapters.weights.packed.compressed_tensors import compressed_tensors
from cntgraph.adapters.weights.packed.gptq import gptq
from cntgraph.adapters.weights.packed.group import Group, Layout, Settings
from cntgraph.adapters.weights.packed.mlx import mlx
from cntgraph.adapters.weights.packed.mxfp4 import mxfp4
from cntgraph.adapters.weights.tensors import Tensors, block_name
from cntgraph.core.parameter import Parameter
from cntgraph.network.coverage import CoverageEntry

__all__ = ["unpacked"]

LAYOUTS: tuple[Layout, ...] = (gptq, awq, compressed_tensors, bitsandbytes, mxfp4, mlx)


def unpacked(tensors: Tensors, folder: Path | None = None) -> Tensors:
    """Put one weight in the place of the tensors that it is packed into.

    Parameters
    ----------
    tensors : Tensors
        As they are stored.
    folder : Path, optional
        Where they lie: files beside them may say what they do not.

    Returns
    -------
    Tensors
        The same where nothing is packed.
    """
    named = tensors.by_name()
    groups = _groups(named, Settings(folder))
    if not groups:
        return tensors
    found = replace(tensors, parameters=[], left_out=[*tensors.left_out],
                    reasons=dict(tensors.reasons), notes=dict(tensors.notes))  # fmt: skip
    parts = {part: group for group in groups.values() for part in group.parts}
    for name, parameter in named.items():
        if name in groups and (array := groups[name].array) is not None:
            group = groups[name]
            found.parameters.append(Parameter(group.name, array.shape, "float32", array))
            found.notes[group.name] = f"unpacked: {group.note}"
        if name not in parts:
            found.parameters.append(parameter)
        elif parts[name].array is None:
            found.parameters.append(parameter)
            found.reasons[name] = f"not unpacked: {parts[name].note}"
        elif name != parts[name].name:
            found.left_out.append(_entry(parameter, parts[name]))
    return found


def _groups(named: dict[str, Parameter], settings: Settings) -> dict[str, Group]:
    """Return the packed weights by the name of their first tensor."""
    found: dict[str, Group] = {}
    for name in named:
        layouts = (layout(name, named, settings) for layout in LAYOUTS)
        group = next((group for group in layouts if group is not None), None)
        if group is not None and (group.name == name or group.name not in named):
            found[name] = group
    return found


def _entry(parameter: Parameter, group: Group) -> CoverageEntry:
    """Say what a tensor is to the weight that it is a part of."""
    reason = f"the {group.parts[parameter.name]} of {group.name}"
    return CoverageEntry(parameter.name, "buffer", "folded", block_name(group.name), reason,
                         parameter.shape, parameter.dtype)  # fmt: skip
