"""PyTorch: hooks on linear and convolutional modules, and every sum as it was traced.

The first is independent of how the model was followed (see `calls`). The second is more: while the
model is traced, every tensor of neurons has both its node ids and its values, and of every layer
that is a sum, learned or not, it is asked whether PyTorch's values at its sources give those at its
nodes (`tests/oracles/torch_audit.py`).
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from oracles import torch_audit
from torch import nn
from torch.utils._pytree import tree_leaves, tree_map

import cntgraph as cg

from ..case import UNREAD, Made
from .calls import IN_DOUBLE, TOLERANCE, Array, Call, difference, examine

#: Of larger networks the values of all tensors at once would not fit into memory.
MOST_NODES = 3_000_000
CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


def audit(made: Made, handed: list[cg.Network]) -> dict[str, Any]:
    """Return what agrees with PyTorch and what does not.

    What is off in the precision of the model is held against it in double precision, and to much
    more. Rounding cannot be told from a fault by what a layer adds up alone: the sine of an angle
    of thousands is off by more than its terms say.
    """
    n_nodes, names = handed[0].n_nodes, unread(handed[0])
    handed.clear()
    found = _compared(made, n_nodes, TOLERANCE)
    found["lost"] = lost(made.model, *arguments(made.example), names)
    if found["wrong"]:
        found["wrong"] = _wrong_in_double(made, n_nodes, found)
    found["right"] = found["sums"] + found["traced"] - len(found["wrong"])
    return found


def _compared(made: Made, n_nodes: int, tolerance: float) -> dict[str, Any]:
    """Return how many sums were held against PyTorch's, and which are off by more."""
    args, named = arguments(made.example)
    options = {k: v for k, v in made.options.items() if k in ("unroll", "batched")}
    found = {"right": 0, "sums": 0, "counts": 0, "wrong": [], "edges": []}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if n_nodes < MOST_NODES:
            builder, traced = torch_audit.examine(made.model, *args, **options, **named)
            kept = builder.finish(norm="keep")
        else:
            traced = []
            kept = cg.load(made.model, example_input=made.example, norm="keep", **made.options)
    with torch.no_grad(), recorded(made.model) as calls:
        made.model.eval()(*args, **named)
    known = {key: value for key, value in calls.items() if value[0] is not None}
    found |= examine(kept, known, tolerance)
    sums = [(name, difference(total, seen, scale)) for name, total, seen, scale in traced]
    found["traced"] = len(sums)
    found["wrong"] += [(name, f"Aᵀz + b is off by {off:.2g}") for name, off in sums
                       if not off < tolerance]  # fmt: skip
    return found


def _wrong_in_double(made: Made, n_nodes: int, found: dict[str, Any]) -> list[tuple[str, str]]:
    """Return which layers are wrong in double precision, too; all, if they are not seen there."""
    names = {name for name, _ in found["wrong"]}
    try:
        made.model.double()
        twice = replace(made, example=tree_map(_double, made.example))
        again = _compared(twice, n_nodes, IN_DOUBLE)
    except Exception as error:  # whatever the code of a model raises in another precision
        why = f"in double precision {type(error).__name__}: {str(error)[:200]}"
        return [(name, f"{text}; {why}") for name, text in found["wrong"]]
    if (again["sums"], again["traced"]) != (found["sums"], found["traced"]):
        return [(name, f"{text}; other sums in double precision") for name, text in found["wrong"]]
    wrong = [(name, text) for name, text in again["wrong"] if name in names]
    return [(name, f"{text}, in double precision") for name, text in wrong]


def _double(value: Any) -> Any:
    real = isinstance(value, torch.Tensor) and value.is_floating_point()
    return value.double() if real else value


def unread(net: cg.Network) -> list[str]:
    """Return the parameters that are said to have no part in what the model computes."""
    skipped = [e for e in net.entries if e.kind == "parameter" and e.status == "skipped"]
    return [e.name for e in skipped if e.reason == UNREAD]


def lost(model: nn.Module, args: Any, named: Any, names: list[str]) -> list[str]:
    """Return which of some parameters do have a part in it: the outputs have a gradient there."""
    known = {n: p for n, p in model.named_parameters() if n in names and p.requires_grad}
    if not known:
        return []
    with torch.enable_grad():
        outputs = [x for x in tree_leaves(model(*args, **named))
                   if isinstance(x, torch.Tensor) and x.requires_grad]  # fmt: skip
        total = sum((x.double().square().mean() for x in outputs), torch.zeros(()))
        gradients = torch.autograd.grad(total, list(known.values()), allow_unused=True)
    return [n for n, g in zip(known, gradients, strict=True) if g is not None and bool(g.any())]


def arguments(example: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return an example as the arguments of a call."""
    if isinstance(example, Mapping):
        return (), dict(example)
    return (example if isinstance(example, tuple) else (example,)), {}


@contextmanager
def recorded(model: nn.Module) -> Iterator[dict[str, list[Call]]]:
    """Record every call of a linear or convolutional module, by its name."""
    calls: dict[str, list[Any]] = {}
    handles = []
    for name, module in model.named_modules():
        if type(module) in (nn.Linear, *CONVOLUTIONS, *TRANSPOSED):

            def keep(module: Any, given: Any, returned: Any, name: str = name) -> None:
                calls.setdefault(name, []).append(_call(module, given, returned))

            handles.append(module.register_forward_hook(keep))
    try:
        yield calls
    finally:
        for handle in handles:
            handle.remove()


def _call(module: Any, given: Any, returned: Any) -> Call | None:
    """Return a call of a module on one sample; None where it is not known what it saw."""
    if len(given) != 1 or not isinstance(returned, torch.Tensor):
        return None
    if isinstance(module, nn.Linear):
        seen = (given[0].movedim(-1, 0), returned.movedim(-1, 0))
        n_out, nonzero = module.out_features, int(torch.count_nonzero(given[0]))
        count = (nonzero * n_out, given[0].numel() * n_out)
    else:
        if len(given[0]) != 1 or given[0].ndim != module.weight.ndim:
            return None
        seen, count = (given[0][0], returned[0]), _count(module, given[0])
    # The values may be written over later; the weights are the module's own memory.
    x, y = (_array(value.detach().clone()) for value in seen)
    bias = None if module.bias is None else _array(module.bias.detach())
    return Call(x, y, _array(module.weight.detach()), bias, count)


def _array(tensor: torch.Tensor) -> Array:
    """Return a tensor as an array, of its own type if NumPy has it."""
    known = tensor.dtype in (torch.float32, torch.float64)
    array: Array = (tensor if known else tensor.float()).cpu().numpy()
    return array


def _count(module: Any, x: torch.Tensor) -> tuple[int, int] | None:
    """Return how many taps of a kernel lie on values: on those that are not zero, and on all.

    The channels of a group have the same kernel of ones, so that they are counted together.
    """
    if module.padding_mode != "zeros":
        return None
    groups = module.groups
    weight = torch.ones((groups, 1, *module.kernel_size), dtype=torch.float64)
    options = {key: getattr(module, key) for key in ("stride", "padding", "dilation", "groups")}
    if isinstance(module, TRANSPOSED):
        options["output_padding"] = module.output_padding
    function = getattr(
        nn.functional, type(module).__name__.replace("Transpose", "_transpose").lower()
    )

    def count(mask: torch.Tensor) -> int:
        together = mask.reshape(1, groups, -1, *mask.shape[2:]).sum(2, dtype=torch.float64)
        taps = float(function(together, weight, **options).sum())
        return round(taps) * module.out_channels // groups

    with torch.no_grad():
        return count(x != 0), count(torch.ones_like(x, dtype=torch.bool))


def unlike_start(model: nn.Module, seed: int = 0) -> nn.Module:
    """Change all numbers a little, in place: gains of one and shifts of zero would hide a lot."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in (*model.named_parameters(), *model.named_buffers()):
            if not tensor.is_floating_point() or tensor.is_meta:
                continue
            noise = torch.randn(tensor.shape, generator=generator).to(tensor.dtype)
            if name.endswith("running_var"):
                tensor.mul_(1 + 0.3 * noise.tanh())
            elif isinstance(tensor, nn.Parameter) or name.endswith("running_mean"):
                scale = float(tensor.abs().mean()) if tensor.numel() else 0.0
                tensor.add_(noise * (0.1 * scale if np.isfinite(scale) and scale else 0.02))
    return model.eval()
