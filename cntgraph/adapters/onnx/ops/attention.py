"""Attention in one operation: ONNX's own, and onnxruntime's, which fuses what exporters wrote.

All come down to the same steps as where a model has them one by one: scores of queries and keys,
a mask, a softmax, and a product with the values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from cntgraph.adapters.onnx.tracer import OnnxTracer, handles
from cntgraph.adapters.onnx.values import Call, Nodes, concrete, shape_of
from cntgraph.adapters.tracing import contraction
from cntgraph.adapters.tracing.attention import attend, causal
from cntgraph.adapters.tracing.operations import NotFollowed
from cntgraph.adapters.tracing.values import Data
from cntgraph.core.recipe import Recipe

#: Attributes by which a query sees no later key.
_FORWARD = ("is_causal", "unidirectional")


def _attended(
    t: OnnxTracer, call: Call, parts: Sequence[Any], *, past: Sequence[Any] = (None, None),
    keys: Any = None, added: Any = None, before: int = 0,
) -> list[Nodes]:  # fmt: skip
    """Return softmax(query keyᵀ + masks) value, all keys, and all values.

    Parameters
    ----------
    parts : sequence of Nodes
        Queries, keys and values, in heads or with the features of all heads side by side.
    past : sequence, optional
        Keys and values of a cache, which are put in front.
    keys : constant, Nodes or Data, optional
        Which keys count, or how many of them.
    added : constant, weights, Nodes or Data, optional
        A mask.
    before : int, default 0
        Number of keys before the first query, where there is no cache.
    """
    flat = len(shape_of(parts[0])) == 3 or call.node.domain == "com.microsoft"
    n_heads = int(call.get("q_num_heads", call.get("num_heads", 0)))
    n_shared = int(call.get("kv_num_heads", n_heads))
    query, key, value = map(_split, parts, (n_heads, n_shared, n_shared))
    if call.get("do_rotary", 0):
        query, key = _rotated(t, call, query, "query"), _rotated(t, call, key, "key")
    if any(x is not None for x in past):
        if not all(isinstance(x, Nodes) for x in past):
            raise NotFollowed("its cache is no input of the model")
        before = past[0].shape[2]
        key, value = (Nodes(np.concatenate([a.ids, b.ids], 2))
                      for a, b in zip(past, (key, value), strict=True))  # fmt: skip
    n, m = query.shape[2], key.shape[2]
    masks = [_of_keys(keys, m), _of_example(added, m)]
    if call.node.op_type == "GroupQueryAttention" or any(map(call.get, _FORWARD)):
        window = int(call.get("local_window_size", -1))
        masks.append(causal(n, m, past=before, window=None if window < 0 else window))
    softcap = bool(call.get("softcap", 0.0))
    made = attend(t, query, key, value, call.name, masks=masks, softcap=softcap)
    if flat:
        made = Nodes(made.ids.swapaxes(1, 2).reshape(*made.shape[:1], n, -1))
    return [made, key, value]


def _split(x: Any, n_heads: int) -> Nodes:
    """Return (batch, positions, heads · features) as (batch, heads, positions, features)."""
    if not isinstance(x, Nodes):
        raise NotFollowed("its queries, keys and values are not found")
    if len(x.shape) == 4:
        return x
    if len(x.shape) != 3 or n_heads < 1:
        raise NotFollowed(f"its input has shape {x.shape}, for {n_heads} heads")
    batch, n, width = x.shape
    return Nodes(x.ids.reshape(batch, n, n_heads, width // n_heads).swapaxes(1, 2))


def _cut(x: Nodes, sizes: Sequence[int]) -> list[Nodes]:
    """Return queries, keys and values that lie side by side."""
    return [Nodes(part) for part in np.split(x.ids, np.cumsum(sizes)[:2], axis=-1)]


def _rotated(t: OnnxTracer, call: Call, x: Nodes, label: str) -> Any:
    """Rotate queries or keys by their positions."""
    angles = call.input(7), call.input(8)
    if any(shape_of(table) == () for table in angles):
        raise NotFollowed("it rotates by angles that the model does not hold")
    interleaved = int(call.get("rotary_interleaved", 0))
    return t.perform(call, "RotaryEmbedding", x, *angles, label=label, interleaved=interleaved)


# -- masks ----------------------------------------------------------------------------------------


def _of_keys(mask: Any, n: int) -> Any:
    """Return which keys count, from truth values, or from the number of those that do."""
    if mask is None or isinstance(mask, Nodes | Data):
        return mask
    values = concrete(mask)
    if values.ndim == 1:
        return np.arange(n) < values.max(initial=0)
    if values.ndim == 2:
        return (values != 0).any(axis=0)
    return values[:, None] != 0 if values.ndim == 3 else values != 0


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


# -- the operations -------------------------------------------------------------------------------


@handles("Attention")
def attention(t: OnnxTracer, call: Call) -> Any:
    """Return an attention over three or four axes, with a cache or without."""
    *parts, mask, past_key, past_value, lengths = (call.input(k) for k in range(7))
    if isinstance(lengths, Nodes | Data):
        lengths = None  # a length that depends on the input hides nothing
    n, past = parts[0].shape[-2], (past_key, past_value)
    before = 0 if lengths is None else int(concrete(lengths).max(initial=0)) - n
    return _attended(t, call, parts, past=past, keys=lengths, added=mask, before=before)


@handles("com.microsoft.Attention")
def packed_attention(t: OnnxTracer, call: Call) -> Any:
    """Project the input to queries, keys and values at once, and attend."""
    x, weight, bias, mask, past, added = (call.input(k) for k in range(6))
    if past is not None:
        raise NotFollowed("its cache holds keys and values in one tensor")
    matrix = t.recipe(weight)
    call = replace(call, name=t.name_of(matrix, call.name))
    made = contraction.matmul(t, x, matrix, f"{call.name}.in_proj", t.vector(bias))
    parts = _cut(made, call.get("qkv_hidden_sizes") or [matrix.shape[1] // 3] * 3)
    return _attended(t, call, parts, keys=mask, added=added)[0]


@handles("com.microsoft.MultiHeadAttention")
def multi_head_attention(t: OnnxTracer, call: Call) -> Any:
    """Attend, after a bias was added to queries, keys and values."""
    query, key, value, bias, mask, added, *past = (call.input(k) for k in range(8))
    parts = _unpacked(query, key, value)
    if bias is not None:
        parts = _biased(t, parts, t.recipe(bias), call.name)
    return _attended(t, call, parts, past=past, keys=mask, added=added)


def _unpacked(query: Any, key: Any, value: Any) -> list[Any]:
    """Return queries, keys and values where they come in one tensor of five axes."""
    packed, alone = (query, []) if key is None else (key, [query])
    if value is not None or not isinstance(packed, Nodes) or len(packed.shape) != 5:
        return [query, key, value]
    n = packed.shape[3]
    return [*alone, *(Nodes(packed.ids[..., k, :].swapaxes(1, 2)) for k in range(n))]


def _biased(t: OnnxTracer, parts: Sequence[Any], bias: Recipe, name: str) -> list[Any]:
    """Add its part of a bias to queries, keys and values."""
    if any(len(shape_of(x)) != 3 for x in parts):
        raise NotFollowed("it adds a bias to packed heads")
    ends = np.cumsum([x.shape[-1] for x in parts]).tolist()
    return [
        t.scale(x, None, bias.take(0, end - x.shape[-1], end), f"{name}.{label}")
        for x, end, label in zip(parts, ends, ("query", "key", "value"), strict=True)
    ]


@handles("com.microsoft.GroupQueryAttention")
def group_query_attention(t: OnnxTracer, call: Call) -> Any:
    """Attend to what comes before, with fewer heads of keys and values."""
    query, key, value, *past = (call.input(k) for k in range(5))
    parts = [query, key, value]
    if key is None:
        heads = [int(call.get(name, 0)) for name in ("num_heads", "kv_num_heads", "kv_num_heads")]
        parts = _cut(query, [n * (query.shape[-1] // sum(heads)) for n in heads])
    return _attended(t, call, parts, past=past, added=call.input(10))
