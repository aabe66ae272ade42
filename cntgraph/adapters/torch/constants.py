"""Operations of a file that are carried out where only constants go in: a closed list."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from cntgraph.adapters.torch.aten.operations import IDENTITY, MOVEMENT, RECURRENT
from cntgraph.adapters.torch.aten.values import TRACED, Call, Nodes, leaves
from cntgraph.adapters.tracing.complex_numbers import Complex
from cntgraph.core.errors import FormatError, GraphSizeError, TraceError
from cntgraph.core.memory import check_memory

#: None of them reads files or runs code; random numbers are not drawn at all.
_ALLOWED = (
    MOVEMENT
    | IDENTITY
    | frozenset(
        "abs add all amax amin any arange argmax argmin bitwise_and bitwise_not bitwise_or "
        "bitwise_xor ceil clamp clamp_max clamp_min copy copy_ cos cosh cumprod cumsum diff div "
        "empty eq exp expm1 eye fill fill_ floor floor_divide full full_like fmod ge gt isinf "
        "isnan le linspace log log1p log2 logical_and logical_not logical_or logical_xor lt "
        "masked_fill maximum mean minimum mul ne neg new_empty new_full new_ones new_zeros "
        "new_empty_strided ones ones_like outer pow prod reciprocal remainder round rsqrt rsub "
        "scalar_tensor searchsorted bucketize sigmoid sign sin sinh sqrt square sub sum tanh tril "
        "triu trunc where xlogy zero_ zeros zeros_like __and__ __or__ __xor__ max min empty_like "
        "masked_fill_ div_ mul_ add_ sub_ lift_fresh_copy tril_indices triu_indices bmm mm "
        "matmul addmm index_put index_put_ index_copy slice_scatter select_scatter "
        "scatter scatter_ scatter_add scatter_add_ index_add index_add_ scatter_reduce "
        "scatter_reduce_ complex polar view_as_complex view_as_real _conj _conj_physical real imag "
        "constant_pad_nd pad hann_window hamming_window blackman_window bartlett_window".split()
    )
)
_CUTTING = frozenset(
    "unbind unbind_copy split split_copy unsafe_split chunk unsafe_chunk tensor_split".split()
)
#: Values of a constant, and tensors that one is cut into; a few bytes of a damaged file can ask
#: for more.
LARGEST, MOST_PARTS = 1 << 28, 1 << 18
#: Kinds of arguments that are never given as numbers.
_NAMED = ("ScalarType", "Layout", "MemoryFormat")


def carry_out(call: Call, target: str) -> Any:
    """Return what an operation yields for constants.

    Parameters
    ----------
    target : str
        What the file calls it.

    Raises
    ------
    TraceError
        If it is not one of those that are carried out.
    GraphSizeError
        If its result is too large to be a constant of a model.
    """
    if call.name not in _ALLOWED:
        raise TraceError(
            f"{target} is not one of the operations that are carried out on a file's constants; "
            "pass the live model instead"
        )
    refuse_large(call, target)
    return call.run()


def refuse_unfit(call: Call, target: str) -> None:
    """Refuse arguments with which PyTorch would end the process, before anything is done with them.

    Raises
    ------
    FormatError
        If a number stands for a type or a layout, or the states of a layer are not as many as each
        other.
    """
    schema = call.operation._schema.arguments
    given = {**dict(zip((a.name for a in schema), call.args, strict=False)), **call.kwargs}
    for argument in schema:  # what is not given may well be a number
        value, kind = given.get(argument.name), str(argument.real_type)
        if isinstance(value, int) and any(name in kind for name in _NAMED):
            raise FormatError(f"{target}: {argument.name} is {value}, expected none or {kind}")
    states = given.get("hx")
    if call.name in RECURRENT and isinstance(states, list):
        sizes = {tuple(state.shape)[:1] for state in states}
        if len(sizes) > 1:
            raise FormatError(
                f"{target}: the first axes of the states of one layer are {sorted(sizes)}, which "
                "are not the same"
            )


def refuse_large(call: Call, target: str, noted: Any = None) -> None:
    """Refuse an operation whose result would be too large, before it is carried out.

    Parameters
    ----------
    noted : tuple of int, list of them, or None
        The shape of its result, or of each of several, as the file notes it; the first counts.

    Raises
    ------
    FormatError
        If the result has another shape than the file notes.
    GraphSizeError
        If it is too large.
    """
    call = call.of(_without_data, torch.Tensor | TRACED)
    n_parts = _n_parts(call)
    if n_parts > MOST_PARTS:
        raise GraphSizeError(
            f"{target} would make {n_parts:,} tensors; expected at most {MOST_PARTS:,}. "
            "The file is damaged, or the model too large for its graph"
        )
    has_device = any(argument.name == "device" for argument in call.operation._schema.arguments)
    here = {"device": torch.device("meta")} if has_device else {}
    try:
        made = replace(call, kwargs={**call.kwargs, **here}).run()
    except Exception:  # what it yields depends on values, or the arguments do not fit
        return
    parts = [part for part in leaves([made]) if isinstance(part, torch.Tensor)]
    # Of several results the others, such as statistics, differ between kinds of devices.
    shape = noted[0] if noted and isinstance(noted, list) else noted
    if parts and isinstance(shape, tuple) and tuple(parts[0].shape) != shape:
        raise FormatError(
            f"{target} yields the shape {tuple(parts[0].shape)}, the file notes {shape}: it is "
            "damaged, save the program again"
        )
    for part in parts:
        if part.numel() > LARGEST:
            raise GraphSizeError(
                f"{target} would make {part.numel():,} values; expected at most {LARGEST:,}. "
                "The file is damaged, or the model too large for its graph"
            )
        check_memory(3 * 8 * part.numel(), f"{target} with {part.numel():,} values")


def _n_parts(call: Call) -> int:
    """Return how many tensors an operation cuts others into; even empty ones take memory."""
    name, a = call.name, call.arguments
    if name in RECURRENT:  # the states of each layer
        return max((t.shape[0] for t in leaves([a.get("hx")]) if _is_array(t)), default=1)
    if name not in _CUTTING or not _is_array(a["self"]):
        return 1
    dim, size, ndim = a.get("dim"), a.get("split_size"), a["self"].ndim
    if not (isinstance(dim, int) and -ndim <= dim < ndim):
        return 1
    length = int(a["self"].shape[dim])
    if isinstance(size, int) and size > 0:
        return -(-length // size)
    if isinstance(a.get("chunks"), int):
        return min(length, int(a["chunks"]))
    return int(a["sections"]) if isinstance(a.get("sections"), int) else length


def _is_array(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and value.ndim > 0


def _without_data(value: Any) -> torch.Tensor:
    """Return a tensor without memory in the place of another, of nodes, a parameter or a mask."""
    dtype = value.dtype if isinstance(value, Nodes | torch.Tensor) else None
    dtype = torch.complex64 if isinstance(value, Complex) else dtype
    return torch.empty(tuple(value.shape), dtype=dtype or torch.float32, device="meta")
