"""Which tensors of a folder are which of a module; what fits nowhere, and whether that matters."""

from __future__ import annotations

import warnings
from dataclasses import replace

import torch

from cntgraph.adapters.huggingface.description import Description
from cntgraph.adapters.weights.composed import composed
from cntgraph.adapters.weights.pair_tensors import Companions
from cntgraph.adapters.weights.tensors import Tensors
from cntgraph.core.errors import CoverageError, CoverageWarning, FormatError
from cntgraph.core.names import some_of
from cntgraph.core.recipe import Recipe


def dequantized(tensors: Tensors) -> Tensors:
    """Multiply stored integers and 8-bit floats by their scales, as where there is no graph."""
    named = tensors.by_name()
    narrow = {name for name, p in named.items() if p.dtype.startswith(("float8", "int8", "uint8"))}
    if not narrow:
        return tensors
    companions = Companions(named, dict(tensors.reasons))
    values = {name: weight.value for name, weight in companions.weights.items()
              if name in narrow and weight.value.op != "parameter"}  # fmt: skip
    return put_together(tensors, values)


def put_together(tensors: Tensors, values: dict[str, Recipe]) -> Tensors:
    """Return tensors in which what is computed of several takes their place.

    Parameters
    ----------
    values : dict of str to Recipe
        By the name of what is computed.
    """
    return tensors.put_together(
        {composed(name, value): dict.fromkeys((p.name for p in value.parameters()), "a part")
         for name, value in values.items()}
    )  # fmt: skip


def renamed(tensors: Tensors, names: dict[str, str]) -> Tensors:
    """Return tensors under a module's names."""
    return replace(
        tensors,
        parameters=[p.rename(names.get(p.name, p.name)) for p in tensors.parameters],
        same={names.get(a, a): names.get(b, b) for a, b in tensors.same.items()},
    )


def check_places(
    found: Description, module: torch.nn.Module, tensors: Tensors, *, strict: bool = False
) -> frozenset[str]:
    """Return the tensors that a module has no place for, such as a head that was left out.

    It warns of them, but for buffers that the module makes itself.

    Raises
    ------
    CoverageError
        If `strict` and there are some.
    FormatError
        If a parameter has no tensor, or if a tensor is beside the parameters of one of its
        modules: it might change what those are (a scale).
    """
    state = module.state_dict(keep_vars=True)
    given = {*tensors.by_name(), *tensors.same}
    groups: dict[int, list[str]] = {}
    for name, tensor in state.items():
        if isinstance(tensor, torch.nn.Parameter):
            groups.setdefault(id(tensor), []).append(name)
    missing = [names[0] for names in groups.values() if not given & {*names}]
    unneeded = frozenset(given - state.keys())
    parents = {path for path, part in module.named_modules() if part._parameters}
    buffers = {name for name, _ in module.named_buffers()}
    beside = [name for name in unneeded - buffers if name.rpartition(".")[0] in parents]
    unread = [name for name, why in tensors.reasons.items() if why.startswith("not unpacked")]
    if missing or beside:
        raise FormatError(
            f"{found.folder}: the weights are not those of {found.name}, which config.json "
            f"names: missing {some_of(missing)}; without a place {some_of(sorted(beside))}."
            f"{_how_packed(found, unread)} Pass model=, the module that they belong to; "
            "description='separate' gives the weights alone, each a block of its own"
        )
    strange = sorted(unneeded - buffers)
    if strange:
        message = (
            f"{found.folder}: {found.name} has no place for {some_of(strange)}, which are left out "
            "of the graph. net.coverage lists everything"
        )
        if strict:
            raise CoverageError(message)
        warnings.warn(message, CoverageWarning, stacklevel=2)
    return unneeded


def _how_packed(found: Description, unread: list[str]) -> str:
    """Say how weights are packed, where the configuration does."""
    settings = found.settings.get("quantization_config") or found.settings.get("quantization")
    if not isinstance(settings, dict) and not unread:
        return ""
    method = settings.get("quant_method", "packed") if isinstance(settings, dict) else "packed"
    return (
        f" They are quantized ({method!r:.40}), in a way that is not read into a graph: "
        "dequantize the model and save it."
    )
