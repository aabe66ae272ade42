"""Attention in one operation: ONNX's own, and onnxruntime's, which fuses what exporters wrote.

All come down to the same steps as where a model has them one by one: scores of queries and keys,
a mask, a softmax, and a product with the values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cntgraph.adapters.onnx.names import name_of
from cntgraph.adapters.onnx.ops.rotary import rotated
from cntgraph.adapters.onnx.tracer import OnnxTracer, handles
from cntgraph.adapters.onnx.values import Call, Nodes, concrete, shape_of
from cntgraph.adapters.tracing import contraction
from cntgraph.adapters.tracing.attention import attend, causal
from cntgraph.adapters.tracing.operations import NotFollowed
from cntgraph.adapters.tracing.values import Data
from cntgraph.core.recipe import Recipe


@dataclass(frozen=True)
class _Heads:
    """Queries, keys and values of shape (batch, heads, positions, features)."""

    query: Nodes
    key: Nodes
    value: Nodes
    n_past: int = 0

    @classmethod
    def of(cls, parts: Sequence[Nodes], n_heads: int, n_kept: int | None = None) -> _Heads:
        """Split queries, keys and values into heads."""
        kept = n_heads if n_kept is None else n_kept
        query, key, value = parts
        return cls(split_heads(query, n_heads), split_heads(key, kept), split_heads(value, kept))

    def with_past(self, key: Any, value: Any) -> _Heads:
        """Put the keys and values of a cache in front."""
        if key is None and value is None:
            return self
        if not isinstance(key, Nodes) or not isinstance(value, Nodes):
            raise NotFollowed("its cache is no input of the model")
        grown = [Nodes(np.concatenate([a.ids, b.ids], 2))
                 for a, b in ((key, self.key), (value, self.value))]  # fmt: skip
        return replace(self, key=grown[0], value=grown[1], n_past=key.shape[2])

    def causal(self, *, window: int | None = None) -> NDArray[np.bool_]:
        """Return which positions each query may attend to where it sees no later one."""
        sizes = self.query.shape[2], self.key.shape[2]
        return causal(*sizes, past=self.n_past, window=window)


def split_heads(x: Nodes, n_heads: int) -> Nodes:
    """Return (batch, positions, heads · features) as (batch, heads, positions, features)."""
    if len(x.shape) == 4:
        return x
    if len(x.shape) != 3 or n_heads < 1:
        raise NotFollowed(f"its input has shape {x.shape}, for {n_heads} heads")
    batch, n, width = x.shape
    return Nodes(x.ids.reshape(batch, n, n_heads, width // n_heads).swapaxes(1, 2))


def join_heads(x: Nodes) -> Nodes:
    """Return (batch, heads, positions, features) as (batch, positions, heads · features)."""
    batch, n_heads, n, width = x.shape
    return Nodes(x.ids.swapaxes(1, 2).reshape(batch, n, n_heads * width))


def _attended(
    t: OnnxTracer, call: Call, heads: _Heads, masks: Sequence[Any], name: str = ""
) -> Nodes:
    """Return softmax(query keyᵀ + masks) value."""
    of_keys = [_of_example(mask, heads.key.shape[2]) for mask in masks]
    made: Nodes = attend(
        t, heads.query, heads.key, heads.value, name or call.name, masks=of_keys,
        softcap=bool(call.get("softcap", 0.0)),
    )  # fmt: skip
    return made


def _of_example(mask: Any, n_keys: int) -> Any:
    """Return a mask as it is for the example; what lies beyond it is hidden."""
    values = mask.value if isinstance(mask, Data) else mask
    if values is None or isinstance(values, Nodes | Recipe):
        return mask
    values = np.asarray(values)
    missing = n_keys - values.shape[-1]
    if values.shape[-1] == 1 or missing <= 0:
        return values
    fill = False if values.dtype == bool else -np.inf
    return np.pad(values, [(0, 0)] * (values.ndim - 1) + [(0, missing)], constant_values=fill)


# -- ONNX's own -----------------------------------------------------------------------------------


@handles("Attention")
def attention(t: OnnxTracer, call: Call) -> Any:
    """Return an attention over three or four axes, with a cache or without."""
    query, key, value = call.inputs[:3]
    if not all(isinstance(v, Nodes) for v in (query, key, value)):
        return None
    flat = len(query.shape) == 3
    n_heads, n_kept = (int(call.get(k, 0)) for k in ("q_num_heads", "kv_num_heads"))
    heads = _Heads.of([query, key, value], n_heads, n_kept)
    heads = heads.with_past(call.input(4), call.input(5))
    masks = [call.input(3)]
    lengths = call.input(6)
    offset = 0
    if lengths is not None and not isinstance(lengths, Nodes | Data):
        longest = int(np.max(concrete(lengths)))
        masks.append(np.arange(heads.key.shape[2]) < longest)
        offset = longest - heads.query.shape[2]
    if call.get("is_causal", 0):
        seen = replace(heads, n_past=heads.n_past or offset)
        masks.append(seen.causal())
    made = _attended(t, call, heads, masks)
    return [join_heads(made) if flat else made, heads.key, heads.value]


# -- onnxruntime's --------------------------------------------------------------------------------


@handles("com.microsoft.Attention")
def packed_attention(t: OnnxTracer, call: Call) -> Any:
    """Project the input to queries, keys and values at once, and attend."""
    x, weight, bias, mask, past, added = (call.input(k) for k in range(6))
    if not isinstance(x, Nodes) or isinstance(weight, Nodes):
        return None
    if past is not None:
        raise NotFollowed("its cache holds keys and values in one tensor")
    matrix = t.recipe(weight)
    n_heads, width = int(call.get("num_heads", 0)), matrix.shape[1]
    sizes = [int(n) for n in call.get("qkv_hidden_sizes") or [width // 3] * 3]
    name = name_of(matrix, call.name)
    made = contraction.matmul(t, x, matrix, f"{name}.in_proj", t.vector(bias))
    parts = np.split(made.ids, np.cumsum(sizes)[:2], axis=-1)
    heads = _Heads.of([Nodes(part) for part in parts], n_heads)
    masks = [_of_keys(mask, heads), added]
    if call.get("unidirectional", 0):
        masks.append(heads.causal())
    return join_heads(_attended(t, call, _rotated(t, call, heads), masks, name))


@handles("com.microsoft.MultiHeadAttention")
def multi_head_attention(t: OnnxTracer, call: Call) -> Any:
    """Attend, after a bias was added to queries, keys and values."""
    query, key, value, bias, mask, added, past_key, past_value = (call.input(k) for k in range(8))
    if not isinstance(query, Nodes):
        return None
    query, key, value = _unpacked(query, key, value)
    if bias is not None:
        query, key, value = _biased(t, (query, key, value), t.recipe(bias), call.name)
    n_heads = int(call.get("num_heads", 0))
    heads = _Heads.of([query, key, value], n_heads)
    heads = heads.with_past(past_key, past_value)
    masks = [_of_keys(mask, heads), added]
    if call.get("unidirectional", 0):
        masks.append(heads.causal())
    made = join_heads(_attended(t, call, heads, masks))
    return [made, heads.key, heads.value]


@handles("com.microsoft.GroupQueryAttention")
def group_query_attention(t: OnnxTracer, call: Call) -> Any:
    """Attend to what comes before, with fewer heads of keys and values."""
    query, key, value, past_key, past_value = (call.input(k) for k in range(5))
    if not isinstance(query, Nodes):
        return None
    n_heads, n_kept = (int(call.get(k, 0)) for k in ("num_heads", "kv_num_heads"))
    if key is None:
        each = query.shape[-1] // (n_heads + 2 * n_kept)
        ends = [n_heads * each, (n_heads + n_kept) * each]
        query, key, value = (Nodes(part) for part in np.split(query.ids, ends, axis=-1))
    heads = _Heads.of([query, key, value], n_heads, n_kept)
    heads = _rotated(t, call, heads, caches=(call.input(7), call.input(8)))
    heads = heads.with_past(past_key, past_value)
    window = int(call.get("local_window_size", -1))
    masks = [heads.causal(window=None if window < 0 else window), call.input(10)]
    made = _attended(t, call, heads, masks)
    return [join_heads(made), heads.key, heads.value]


def _unpacked(query: Nodes, key: Any, value: Any) -> tuple[Nodes, Nodes, Nodes]:
    """Return queries, keys and values where they come in one tensor of five axes."""
    if key is None and len(query.shape) == 5:
        return tuple(Nodes(query.ids[..., k, :].swapaxes(1, 2)) for k in range(3))  # type: ignore
    if value is None and isinstance(key, Nodes) and len(key.shape) == 5:
        return query, *(Nodes(key.ids[..., k, :].swapaxes(1, 2)) for k in range(2))  # type: ignore
    if not isinstance(key, Nodes) or not isinstance(value, Nodes):
        raise NotFollowed("its keys and values are not found")
    return query, key, value


def _biased(
    t: OnnxTracer, parts: tuple[Nodes, Nodes, Nodes], bias: Recipe, name: str
) -> list[Nodes]:
    """Add its part of a bias to queries, keys and values."""
    made, start = [], 0
    for label, x in zip(("query", "key", "value"), parts, strict=True):
        if len(x.shape) != 3:
            raise NotFollowed("it adds a bias to packed heads")
        part = bias.take(0, start, start + x.shape[-1])
        made.append(t.scale(x, None, part, f"{name}.{label}"))
        start += x.shape[-1]
    return made


def _of_keys(mask: Any, heads: _Heads) -> Any:
    """Return which keys count, from truth values, or from the number of those that do."""
    if mask is None or isinstance(mask, Nodes | Data):
        return mask
    values = concrete(mask)
    n = heads.key.shape[2]
    if values.ndim == 1:
        return np.arange(n) < int(values.max(initial=0))
    if values.ndim == 2:
        return (values != 0).any(axis=0)
    return values[:, None] != 0 if values.ndim == 3 else values != 0


def _rotated(
    t: OnnxTracer, call: Call, heads: _Heads, caches: tuple[Any, Any] = (None, None)
) -> _Heads:
    """Rotate queries and keys by their positions, where the operation does."""
    if not call.get("do_rotary", 0):
        return heads
    if any(shape_of(cache) == () for cache in caches):
        raise NotFollowed("it rotates by angles that the model does not hold")
    interleaved = bool(call.get("rotary_interleaved", 0))
    query, key = (
        rotated(t, x, *caches, f"{call.name}.{label}", interleaved=interleaved)
        for x, label in ((heads.query, "query"), (heads.key, "key"))
    )
    return replace(heads, query=query, key=key)
