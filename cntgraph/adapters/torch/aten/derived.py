"""Which operations of ATen yield `Data`, and what it is then."""

from __future__ import annotations

from typing import Any

import torch

from cntgraph.adapters.torch.aten.operations import IDENTITY, MOVEMENT, OF_A_SHAPE
from cntgraph.adapters.torch.aten.values import Call, Nodes, per_result
from cntgraph.adapters.torch.sparse_tensors import is_sparse
from cntgraph.adapters.tracing.values import HIDDEN, Data, Source, is_drawn, is_mask, is_tokens
from cntgraph.core.recipe import Recipe

#: Operations that judge: what they yield is no neuron.
_JUDGING = frozenset(
    "eq ne lt le gt ge isnan isinf isfinite logical_and logical_or logical_not logical_xor "
    "bitwise_and bitwise_or bitwise_not bitwise_xor __and__ __or__ any all argmax argmin argsort "
    "multinomial nonzero signbit is_nonzero _local_scalar_dense equal".split()
)
_COMPARING = ("gt", "ge", "lt", "le")
#: Those of them that say where neurons are.
CHOOSING = frozenset("argmax argmin argsort multinomial nonzero".split())
#: Operations that count what is not masked: positions.
_COUNTING = frozenset("cumsum sum".split())
#: Operations that leave indices what they are: those of the same table.
_OF_INDICES = frozenset(
    "clamp clamp_min clamp_max constant_pad_nd copy embedding embedding_bag fill index_copy "
    "index_fill index_put masked_fill masked_scatter pad scatter select_scatter slice_scatter "
    "where zero".split()
)


def is_derived(call: Call) -> bool:
    """Whether what an operation yields depends on neurons, but is no neuron itself."""
    name, nodes = call.name, [value for value in call.values if isinstance(value, Nodes)]
    if nodes and name.removesuffix("_") in _JUDGING:
        return True
    if not nodes or call.has(Recipe):
        return False
    if not all(value.is_index for value in nodes):
        return False
    if name in OF_A_SHAPE or changes_tokens(call):
        return False
    if name in IDENTITY:
        # Indices and masks that are made numbers; bytes may be an image.
        dtype = call.arguments.get("dtype")
        return bool(dtype and dtype.is_floating_point) and nodes[0].dtype != torch.uint8
    if name.strip("_") == "index_put" and not isinstance(call.args[0], Nodes):
        return True  # places that the data say, in what is no neuron
    return name not in MOVEMENT and name.strip("_") not in _OF_INDICES


def changes_tokens(call: Call) -> bool:
    """Whether whole numbers are shifted, or some of them made zero: tokens all the same."""
    tokens = [value for value in call.values if is_tokens(value)]
    if len(tokens) != 1 or tokens[0].shape != call.shapes:
        return False
    name, (x,) = call.name.strip("_"), tokens
    others = [v for v in call.values if v is not x and isinstance(v, Nodes | Data | Recipe)]
    if any(isinstance(v, torch.Tensor) and v.is_floating_point() for v in call.values):
        return False
    if name in ("add", "sub"):
        return not others and (name == "add" or call.arguments["self"] is x)
    if name == "mul" and not others:  # a time, once for each sample
        return all((torch.as_tensor(v) == 1).all() for v in call.values if v is not x)
    return name == "mul" and all(isinstance(v, Data) and is_mask(v) for v in others)


def is_number(call: Call, n_samples: int) -> bool:
    """Whether one whole number per sample, as a time, becomes a value like any other."""
    nodes = [value for value in call.values if isinstance(value, Nodes)]
    one = all(v.tensor.numel() <= max(n_samples, 1) and v.dtype != torch.bool for v in nodes)
    dtype = call.arguments.get("dtype")
    return one and call.name in IDENTITY and bool(dtype and dtype.is_floating_point)


def derive(call: Call) -> Any:
    """Return what stands for the result of an operation on indices, masks and constants."""
    source, shapes = _source(call), call.shapes
    judged = _judged(call) if call.name in _COMPARING else None
    drawn = any(isinstance(v, Data) and is_drawn(v) for v in call.values)

    def made(k: int, shape: Any) -> Data:
        of_many = isinstance(shapes, list) and call.result is not None
        value = call.result[k] if of_many else call.result
        if drawn and isinstance(value, torch.Tensor) and _is_whole(value):
            return Data(tuple(shape), source="mask")  # places that are drawn: a choice
        known = isinstance(value, torch.Tensor) and (source != "neurons" or is_known(k))
        hides = isinstance(value, torch.Tensor) and _hides(value)
        of = "mask" if hides else source
        return Data(tuple(shape), value if known else None, of, judged=judged)

    def is_known(k: int) -> bool:
        # In which order choices are sorted does not matter: they are put back in their own.
        name, given = call.name, [v for v in call.values if isinstance(v, Nodes | Data)]
        order = name == "argsort" or (name == "sort" and k == 1)
        values = (v.value for v in given if isinstance(v, Data))
        return not call.has(Nodes) and (order or all(value is not None for value in values))

    return per_result(shapes, made)


def _is_whole(value: torch.Tensor) -> bool:
    return not value.is_floating_point() and not value.is_complex() and value.dtype != torch.bool


def _hides(value: torch.Tensor) -> bool:
    """Whether numbers hide positions where they are added, and change no others."""
    if not value.is_floating_point() or not value.numel() or is_sparse(value):
        return False
    hidden = value <= HIDDEN
    return bool(hidden.any() and ((value == 0) | hidden).all())


def _judged(call: Call) -> Nodes | None:
    """Return the neurons that are compared with a constant, if that is what is done."""
    one, *others = [value for value in call.values if isinstance(value, Nodes | Data)]
    return None if others or not isinstance(one, Nodes) or one.is_index else one


def _source(call: Call) -> Source:
    name, found = call.name.removesuffix("_"), call.values
    sources = {value.source for value in found if isinstance(value, Data)}
    nodes = [value for value in found if isinstance(value, Nodes)]
    if "neurons" in sources or not all(value.is_index for value in nodes):
        return "neurons"
    if "noise" in sources and name not in _JUDGING:
        return "noise"
    arithmetic = name not in _JUDGING | _COUNTING
    return "indices" if arithmetic and sources <= {"indices"} else "mask"
