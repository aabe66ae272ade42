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
from cntgraph.adapters.weights.tensors import Tensors
from cntgraph.core.parameter import Parameter

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
    """
    groups = _groups(tensors.by_name(), Settings(folder))
    reasons, notes = dict(tensors.reasons), dict(tensors.notes)
    wholes: dict[Parameter, dict[str, str]] = {}
    for group in groups:
        if group.array is None:
            reasons |= dict.fromkeys(group.parts, f"not unpacked: {group.note}")
            continue
        whole = Parameter(group.name, group.array.shape, "float32", group.array)
        wholes[whole] = {part: f"the {what}" for part, what in group.parts.items()}
        notes[group.name] = f"unpacked: {group.note}"
    return replace(tensors.put_together(wholes), reasons=reasons, notes=notes)


def _groups(named: dict[str, Parameter], settings: Settings) -> list[Group]:
    """Return the packed weights."""
    found = []
    for name in named:
        layouts = (layout(name, named, settings) for layout in LAYOUTS)
        group = next((group for group in layouts if group is not None), None)
        if group is not None and (group.name == name or group.name not in named):
            found.append(group)
    return found
