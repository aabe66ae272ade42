"""Operations on complex numbers, each as operations on pairs of real ones."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import prod
from typing import Any

import torch

from cntgraph.adapters.torch.aten.operations import (
    IDENTITY,
    MOVEMENT,
    OF_A_SHAPE,
    handler_of,
    writes_over,
)
from cntgraph.adapters.torch.aten.values import TRACED, Arguments, Call, Nodes, map_leaves
from cntgraph.adapters.tracing import arithmetic, complex_numbers, fourier
from cntgraph.adapters.tracing.complex_numbers import UNKNOWN, Complex
from cntgraph.adapters.tracing.operations import NotFollowed
from cntgraph.adapters.tracing.tracer import Tracer
from cntgraph.adapters.tracing.values import Data, weights_of
from cntgraph.core.recipe import Recipe

#: Operations that are the same for the real and for the imaginary part.
_OF_EACH = MOVEMENT | IDENTITY | frozenset(
    "add constant_pad_nd copy cumsum fill index_add index_copy index_put masked_fill "
    "mean neg neg_view reshape_alias rsub scatter scatter_add select_scatter slice_scatter sub "
    "sum tril triu where zero".split()
)  # fmt: skip
#: Arguments that are numbers like those of tensors.
_NUMBERS = ("other", "value", "fill_value")
#: Products of their first two arguments, and those to which their first argument is added.
_PRODUCTS = frozenset(
    "mul matmul mm bmm mv dot linear convolution conv1d conv2d conv3d addmm baddbmm".split()
)
_OF_A_SUM = {"addmm": "mm", "baddbmm": "bmm"}

#: Takes the tracer, the arguments and a name for the operation.
_Function = Callable[[Tracer, Arguments, str], Any]


def is_of_complex(call: Call) -> bool:
    """Whether complex numbers go into an operation, or come out of it."""
    return call.name.strip("_") in _MAKING or _is_complex([call.args, [*call.kwargs.values()]])


def _is_complex(value: Any) -> bool:
    """Whether there are complex numbers, or their type, in a nesting of lists."""
    if isinstance(value, list | tuple):
        return any(map(_is_complex, value))
    dtype = getattr(value, "dtype", value)
    return isinstance(value, complex | Complex) or getattr(dtype, "is_complex", False) is True


def follow(t: Tracer, call: Call) -> Any:
    """Return what an operation on complex numbers yields; None if it is not known.

    Raises
    ------
    NotFollowed
        If it has no edges.
    """
    call, name = call.of(as_pair, torch.Tensor | complex), call.name.strip("_")
    label, a = call.place.name(name), call.arguments
    if name in OF_A_SHAPE:
        filled = _number(a.get("fill_value", OF_A_SHAPE[name]) or 0)
        return torch.full(call.shapes, filled, dtype=a.get("dtype") or torch.complex64)
    if name in _OWN:
        made = _OWN[name](t, a, label)
    elif name in _PRODUCTS:
        made = _product(t, call, label)
    elif name in _OF_EACH or call.name in _OF_EACH:
        made = _of_each(t, call)
    else:
        return None
    # A movement shows the nodes that it moves; what is computed has some of its own.
    is_shown = name == "view_as_complex" or (name not in _OWN and name not in _PRODUCTS)
    made = map_leaves(made, lambda x: _paired(t, x, is_shown=is_shown), of=Complex)
    return _written(call, made)


def as_typed(nodes: Nodes, dtype: torch.dtype) -> Nodes | Complex:
    """Return nodes that stand for a tensor of a type.

    Complex numbers of which nothing is known are one node each.
    """
    return Complex(nodes, nodes) if dtype.is_complex else nodes.typed(dtype)


def as_pair(value: Any) -> Any:
    """Return complex constants as pairs."""
    if isinstance(value, complex):
        return Complex(value.real, value.imag)
    if not isinstance(value, torch.Tensor) or not value.is_complex():
        return value
    pairs = torch.view_as_real(value.resolve_conj())
    return Complex(pairs[..., 0].clone(), pairs[..., 1].clone())


def _number(value: Any) -> Any:
    return complex(value.real, value.imaginary) if isinstance(value, Complex) else value


def _paired(t: Tracer, x: Complex, *, is_shown: bool) -> Complex:
    """Let the nodes of both parts lie side by side, as the numbers do: a view shows them as reals.

    What is constant beside weights is a tensor.
    """
    if any(isinstance(part, Data) for part in x.parts):
        raise NotFollowed(UNKNOWN)
    if not any(isinstance(part, Nodes) for part in x.parts):
        parts = [part if weights_of(part) else torch.as_tensor(part) for part in x.parts]
        return Complex(*parts)
    if is_shown and _side_by_side(x) is not None:
        return x
    ids = [torch.from_numpy(t.as_ids(part, "constant").copy()) for part in x.parts]
    return pair_of(torch.stack(torch.broadcast_tensors(*ids), -1))


def pair_of(ids: torch.Tensor) -> Complex:
    """Return nodes whose last axis holds real and imaginary parts as complex numbers."""
    return Complex(*map(Nodes, ids.unbind(-1)))


def _side_by_side(x: Complex) -> torch.Tensor | None:
    """Return a view of the nodes of both parts, if they lie side by side."""
    if not all(isinstance(part, Nodes) for part in x.parts):
        return None
    real, imaginary = (part.tensor for part in x.parts)
    apart = imaginary.data_ptr() - real.data_ptr()
    if apart != real.element_size() or real.stride() != imaginary.stride():
        return None
    shown: torch.Tensor = real.as_strided((*real.shape, 2), (*real.stride(), 1))
    return shown


def _written(call: Call, made: Any) -> Any:
    """Let an operation in place change what every alias of its first argument sees."""
    first = next(iter(call.arguments.values()))
    if not writes_over(call.operation) or not isinstance(first, Complex):
        return made
    if not isinstance(made, Complex) or first.is_of_weights:
        return made
    for part, new in zip(first.parts, made.parts, strict=True):
        if new is not part:
            part.tensor.copy_(new.tensor)
    return first


# -- part by part -----------------------------------------------------------------------------


def _of_each(t: Tracer, call: Call) -> Complex | list[Complex]:
    real, imaginary = (_carried_out(t, _part_of(call, k)) for k in (0, 1))
    if isinstance(real, list | tuple):
        return [Complex(*parts) for parts in zip(real, imaginary, strict=True)]
    return Complex(real, imaginary)


def _part_of(call: Call, k: int) -> Call:
    """Return an operation on real or on imaginary parts: those of real numbers are zero."""

    def part(value: Any) -> Any:
        if isinstance(value, Complex):
            return value.parts[k]
        if isinstance(value, torch.dtype):
            return value.to_real()
        if k and isinstance(value, torch.Tensor) and value.is_floating_point():
            return torch.zeros_like(value)
        if k and (isinstance(value, Recipe) or (isinstance(value, Nodes) and not value.is_index)):
            return torch.zeros(value.shape)
        return value

    schema = [argument.name for argument in call.operation._schema.arguments]
    args = [0 if k and name in _NUMBERS and isinstance(value, int | float) else value
            for name, value in zip(schema, call.args, strict=False)]  # fmt: skip
    args, kwargs = map_leaves([args, call.kwargs], part)
    return Call(call.operation, args, kwargs, call.place, call.shapes)


def _carried_out(t: Any, call: Call) -> Any:
    """Return what an operation on real numbers yields."""
    if not call.has(TRACED):
        return call.run()
    made = t.attempt(call)
    if made is None:
        raise NotFollowed(UNKNOWN)
    return made


# -- products ---------------------------------------------------------------------------------


def _product(t: Tracer, call: Call, name: str) -> Any:
    """Return a product of two operands, and what is added to it."""
    kind, a = call.name.strip("_"), dict(call.arguments)
    handler = handler_of(_OF_A_SUM.get(kind, kind))
    assert handler is not None
    bias = a.pop("self" if kind in _OF_A_SUM else "bias", None)
    left, right, *_ = a

    def product(x: Any, y: Any, name: str) -> Any:
        return handler(t, {**a, left: x, right: y}, name)

    made: Any = complex_numbers.times(t, a[left], a[right], product, name)
    if bias is None:
        return made
    if any(a.get(key, 1) != 1 for key in ("alpha", "beta")):
        raise NotFollowed(UNKNOWN)
    if "conv" in kind:
        rank = len(made.shape) - 2
        bias = Complex(*(t.recipe(part).reshape((-1, *(1,) * rank)) for part in bias.parts))
    return complex_numbers.add(t, made, bias, name)


def _divide(t: Tracer, a: Arguments, name: str) -> Complex:
    if a.get("rounding_mode") is not None:
        raise NotFollowed(UNKNOWN)
    product, quotient = (partial(f, t) for f in (arithmetic.multiply, arithmetic.divide))
    return complex_numbers.divide(t, a["self"], a["other"], product, quotient, name)


# -- between real and complex numbers -----------------------------------------------------------


def _from_pairs(t: Tracer, a: Arguments, name: str) -> Complex:
    x = a["self"]
    return pair_of(x.tensor) if isinstance(x, Nodes) else complex_numbers.of_pairs(t, x)


def _as_pairs(t: Tracer, a: Arguments, name: str) -> Any:
    shown = _side_by_side(a["self"])
    return complex_numbers.as_pairs(t, a["self"], name) if shown is None else Nodes(shown)


def _converted(t: Tracer, a: Arguments, name: str) -> Any:
    x, dtype = a["self"], a.get("dtype") or getattr(a.get("other"), "dtype", None)
    if not isinstance(x, Complex):
        return Complex(x, torch.zeros(x.shape))
    if dtype is None or dtype.is_complex:
        return x
    return Nodes(x.real.tensor.clone()) if isinstance(x.real, Nodes) else x.real


# -- Fourier transforms -------------------------------------------------------------------------


def _scale(a: Arguments, sizes: list[int]) -> float:
    """Return what a transform over axes of these lengths is multiplied by."""
    power: float = (0.0, 0.5, 1.0)[a["normalization"]]
    return float(prod(sizes) ** -power)


def _transform(t: Tracer, a: Arguments, name: str) -> Any:
    x, axes = a["self"], list(a["dim"])
    inverse, half = not a.get("forward", True), bool(a.get("onesided"))
    scale = _scale(a, [x.shape[axis] for axis in axes])
    return fourier.transform(t, x, axes, scale, name, inverse=inverse, half=half)


def _real_inverse(t: Tracer, a: Arguments, name: str) -> Any:
    x, axes, n = a["self"], list(a["dim"]), int(a["last_dim_size"])
    scale = _scale(a, [n, *(x.shape[axis] for axis in axes[:-1])])
    return fourier.real_inverse(t, x, axes, n, scale, name)


#: Those that make complex numbers of real ones.
_MAKING = frozenset("complex polar view_as_complex fft_r2c".split())
_OWN: dict[str, _Function] = {
    "view_as_complex": _from_pairs,
    "view_as_real": _as_pairs,
    "complex": lambda t, a, name: Complex(a["real"], a["imag"]),
    "polar": lambda t, a, name: complex_numbers.polar(t, a["abs"], a["angle"], name),
    "real": lambda t, a, name: a["self"].real,
    "imag": lambda t, a, name: a["self"].imaginary,
    **dict.fromkeys(("conj", "conj_physical"),
                    lambda t, a, name: complex_numbers.conjugate(t, a["self"], name)),
    "abs": lambda t, a, name: complex_numbers.size(t, a["self"], name),
    "exp": lambda t, a, name: complex_numbers.exponential(t, a["self"], name),
    "reciprocal": lambda t, a, name: complex_numbers.reciprocal(t, a["self"]),
    "div": _divide,
    **dict.fromkeys(("to", "to_copy", "type_as"), _converted),
    **dict.fromkeys(("fft_r2c", "fft_c2c"), _transform),
    "fft_c2r": _real_inverse,
}  # fmt: skip
