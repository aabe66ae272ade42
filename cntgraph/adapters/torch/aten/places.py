"""What is put at places, taken from places, or chosen: by constants, or by the data."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import prod
from typing import Any

import numpy as np
import torch

from cntgraph.adapters.torch.aten.operations import handles
from cntgraph.adapters.torch.aten.tracer import AtenTracer
from cntgraph.adapters.torch.aten.values import Arguments, Nodes, leaves, map_leaves
from cntgraph.adapters.tracing import reductions, tokens
from cntgraph.adapters.tracing.masks import hides, pass_beside
from cntgraph.adapters.tracing.operations import NotFollowed
from cntgraph.adapters.tracing.tokens import AS_IN_EXAMPLE
from cntgraph.adapters.tracing.values import Data, is_mask, is_tokens
from cntgraph.core.recipe import Recipe
from cntgraph.core.types import Ids
from cntgraph.network.blocks import PoolMode

#: What becomes of values that are put at one place, by PyTorch's name for it.
_MODES: dict[str, PoolMode] = {
    "sum": "sum", "add": "sum", "mean": "average", "amax": "max", "amin": "min",
}  # fmt: skip


#: What is written, by its names.
_WRITTEN = ("values", "src", "source")


@handles("index_add", "scatter_add", "scatter_reduce", of_weights=True)
def put_together(t: AtenTracer, a: Arguments, name: str) -> Any:
    """Add up, average or compare what is put at one place."""
    x, index, base, dim = a.get("src", a.get("source")), a["index"], a["self"], int(a["dim"])
    mode = _MODES.get(a.get("reduce") or "sum")
    if mode is None or a.get("alpha", 1) != 1 or not isinstance(x, Nodes | Recipe):
        return None
    if not isinstance(index, torch.Tensor):
        if isinstance(index, Data) and isinstance(x, Nodes):
            return _put_by_data(t, base, x, dim, name)
        raise NotFollowed("the input says where it puts values; batched=False for a given graph")
    if isinstance(x, Nodes) and (mode == "average" or not a.get("include_self", True)):
        if (mode == "average" and a["include_self"]) or (t.fixed(base).tensor >= 0).any():
            raise NotFollowed("it averages what is there already, or leaves it in places")
        base = t.fixed(base)
    return reductions.put_together(t, base, x, dim, index.cpu().numpy(), mode, name)


@handles("index_put")
def index_put(t: AtenTracer, a: Arguments, name: str) -> Any:
    """Put nodes in the place of others; or add them, at places along the first axis."""
    (index, *others), x = a["indices"], a["values"]
    if not a.get("accumulate"):
        by_data = isinstance(index, Data) and index.value is None and not others
        if by_data and isinstance(x, Nodes) and not is_mask(index):
            return _put_by_data(t, a["self"], x, 0, name)
        return _put(t, a, name, torch.index_put)
    if others or not isinstance(index, torch.Tensor) or index.ndim != 1:
        return None
    added = {"self": a["self"], "source": x, "index": index, "dim": 0}
    return put_together(t, added, name)


def _put(t: AtenTracer, a: Arguments, name: str, function: Callable[..., Any]) -> Any:
    """Put nodes in the place of others, at constant places."""
    value = a.pop("value", None)
    if value is not None:
        a["src"] = torch.as_tensor(value).expand(a["index"].shape)
    a.pop("accumulate", None)
    if any(is_tokens(a.get(key)) for key in ("self", *_WRITTEN)):
        return _put_tokens(t, a, name, function)
    if value is not None:
        a["src"] = t.fixed(a["src"])
    chosen = [v for v in leaves(a.values()) if isinstance(v, Data)]
    if any(v.value is None for v in chosen):
        raise NotFollowed("the data say where it puts neurons")
    if chosen:
        t.note(name, AS_IN_EXAMPLE)
    return Nodes(function(*(_moving(t, v) for v in a.values())))


def _put_tokens(t: AtenTracer, a: Arguments, name: str, function: Callable[..., Any]) -> Any:
    """Put tokens in the place of others, where constants or the example say."""
    (key,) = (key for key in _WRITTEN if key in a)
    said = [k for k in a if k not in ("self", key)]
    places = [*leaves(a[k] for k in said)]

    def carry_out(base: Ids, found: list[Any], written: Ids) -> Ids:
        known = iter(found)
        told = {k: map_leaves(a[k], lambda _: _as_place(next(known))) for k in said}
        ids = {"self": torch.from_numpy(base), key: torch.from_numpy(written)}
        array: Ids = function(*({**told, **ids}[k] for k in a)).numpy()
        return array

    return tokens.put(t, a["self"], places, a[key], name, carry_out)


def _as_place(found: Any) -> Any:
    """Return a number as one, and places in an array as PyTorch takes them."""
    if found is None or not np.ndim(found):
        return found if found is None else found.item()
    return torch.from_numpy(found)


def _moving(t: AtenTracer, value: Any) -> Any:
    return [*map(t.moving, value)] if isinstance(value, list | tuple) else t.moving(value)


for _name in ("index_copy", "slice_scatter", "select_scatter", "masked_scatter"):
    handles(_name)(partial(_put, function=getattr(torch, _name)))


@handles("index_fill")
def index_fill(t: AtenTracer, a: Arguments, name: str) -> Any:
    """Put one value at constant places of an axis."""
    base, index, axis = a["self"], a["index"], int(a["dim"])
    shape = [len(index) if k == axis % len(base.shape) else n for k, n in enumerate(base.shape)]
    value = torch.as_tensor(a["value"]).expand(shape)
    source = value if is_tokens(base) else t.fixed(value)
    return _put(t, {"self": base, "dim": axis, "index": index, "source": source}, name,
                torch.index_copy)  # fmt: skip


@handles("scatter")
def scatter(t: AtenTracer, a: Arguments, name: str) -> Any:
    """Put nodes at places of an axis that constants name, or the data."""
    if a.get("reduce"):
        return None
    if isinstance(a["index"], Data) and isinstance(a.get("src"), Nodes):
        return _put_by_data(t, a["self"], a["src"], int(a["dim"]), name)
    value = t.array(a.get("value"))
    if isinstance(a["index"], Data) and value is not None and hides(value):
        return pass_beside(t, a["self"], a["index"], name)  # all but the best, to find the next
    return _put(t, a, name, torch.scatter)


def _put_by_data(t: AtenTracer, base: Any, x: Nodes, axis: int, name: str) -> Any:
    """Let every one be put at every place of an axis, into what is nothing by then."""
    wide = (*x.shape[:axis], base.shape[axis], *x.shape[axis:][1:])
    if (t.fixed(base).tensor >= 0).any() or wide != tuple(base.shape):
        raise NotFollowed("the data say which neurons it writes over")
    return reductions.chosen(t, x, axis, base.shape[axis], name)


@handles("col2im")
def fold(t: AtenTracer, a: Arguments, name: str) -> Any:
    """Add up the columns of windows where these lie on each other."""
    x, sizes = a["self"], tuple(a["output_size"])
    columns = x.tensor.reshape(-1, *x.shape[-2:])
    window = [a[key] for key in ("kernel_size", "dilation", "padding", "stride")]
    n_channels = columns.shape[1] // prod(window[0])
    shape = (n_channels, *sizes)
    numbers = torch.arange(1.0, prod(shape) + 1, dtype=torch.double).reshape(1, *shape)
    places = torch.nn.functional.unfold(numbers, *window).reshape(-1).long() - 1
    inside = places >= 0  # others lie on padding
    base = np.zeros((len(columns), prod(shape)))
    read = Nodes(columns.flatten(1)[:, inside])
    made = reductions.put_together(t, base, read, 1, places[inside].numpy(), "sum", name)
    return Nodes(made.tensor.reshape(*x.shape[:-2], *shape))


# -- choices by the data ---------------------------------------------------------------------------


@handles("topk", "sort", "kthvalue", "median", "mode")
def rank(t: AtenTracer, a: Arguments, name: str) -> Any:
    """Choose the largest, or order all: whichever it is, every neuron may be it."""
    x, axis, one = a["self"], int(a.get("dim", -1)), "keepdim" in a or "dim" not in a
    if "dim" not in a:  # of all
        x, axis = Nodes(x.tensor.reshape(-1)), 0
    n = 1 if one else int(a.get("k", x.shape[axis]))
    made = reductions.chosen(t, x, axis, n, name)
    return Nodes(made.tensor.squeeze(axis)) if one and not a.get("keepdim") else made
