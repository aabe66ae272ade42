"""Which tensors belong together where no graph says so: told from names, types and shapes.

A weight may have a bias, a scale that turns stored integers or 8-bit floats into values, a mask of
pruning, a gain of weight normalization. What is none of these, and no weight, is left out with a
reason.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from math import prod

import numpy as np

from cntgraph.core.parameter import Parameter
from cntgraph.core.recipe import Recipe
from cntgraph.network.blocks.base import broadcasts

#: Types that are values only together with a scale, where there is one.
_QUANTIZED = ("int8", "uint8", "int16", "float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz",
              "float8_e5m2fnuz")  # fmt: skip
#: Types of words into which smaller values are packed; no weight is stored as one.
_WORDS = ("int32", "uint32", "int64", "uint64")
_STATISTICS = frozenset(
    "running_mean running_var moving_mean moving_variance num_batches_tracked mean var".split()
)
_GAINS = frozenset("weight gamma scale gain g".split())
_WEIGHT = re.compile(r"weight|kernel|embedding|^w\d*$", re.IGNORECASE)
_BIAS = re.compile(r"bias|^beta$|^b\d*$", re.IGNORECASE)
#: What stands in a bias's name for what in its weight's.
_PAIRS = (("bias", "weight"), ("bias", "kernel"), ("bias", "embedding"), ("bias", "scale"),
          ("bias", "gamma"), ("beta", "gamma"), ("_bias", ""), (r"^[bB](?=\d*$)", "w"),
          (r"^[bB](?=\d*$)", "W"))  # fmt: skip
#: What makes of weights that it multiplies zeros that are no edges.
_ZEROING = ("mask", "pattern")
#: Weights in two parts: what the smaller is and is called, what it applies to, and the whole.
_PARTS = (
    ("mask", r"(.+)_mask", r"\1_orig", r"\1"),
    ("pattern", r"(.+)\.pattern", r"\1", r"\1"),
    ("gain", r"(.+)_g", r"\1_v", r"\1"),
    ("gain", r"(.*)parametrizations\.(.+)\.original0", r"\1parametrizations.\2.original1", r"\1\2"),
)
_IN_PARTS = re.compile(r"_orig$|parametrizations\.")
#: What the scale and the zero point of `name`, stem and leaf, may be called.
_SCALES = ("{name}_scale", "{name}_scale_inv", "{name}.scale", "{stem}SCB", "{stem}scale",
           "{stem}scales")  # fmt: skip
_ZEROS = ("{name}_zero_point", "{stem}zero_point")

#: Reasons for which what is left out is no parameter of the model.
BUFFERS = (
    "statistics of a normalization, of use only with the graph",
    "integers without a scale: indices, counters or a mask, not weights",
)
_STATISTIC, _INTEGERS = BUFFERS
_WIDE = "integers of 32 bits or more without a scale: packed values or indices, not weights"
_EMPTY = "without values"
_SINGLE = "a single value: what it applies to is known only with the graph"
_ONE_AXIS = "of one dimension: what it applies to is known only with the graph"
_CONSTANT = "a learned constant: what it is added to is known only with the graph"
_NO_WEIGHT = "a bias without a weight of its name and size"
_PACKED = "packed values of fewer than 8 bits, or what unpacks them; save the model dequantized"
_PARAMETRIZED = "its value is computed by the model's code; pass model= or save the plain weight"


@dataclass
class Weight:
    """A tensor that becomes a block.

    Parameters
    ----------
    name : str
        Its name; of one in parts (a mask and what it masks), the name of the whole.
    note : str
        What is remarkable about it, for the coverage table.
    """

    name: str
    value: Recipe
    bias: Recipe | None = None
    note: str = ""


@dataclass
class Companions:
    """Finds the weights among named tensors, and what belongs to each.

    Parameters
    ----------
    reasons : dict of str to str
        Why a tensor is left out; more are added.
    """

    tensors: Mapping[str, Parameter]
    reasons: dict[str, str]
    #: The weights by name.
    weights: dict[str, Weight] = field(default_factory=dict)
    #: By tensor, what it is to the weight into whose value it is folded.
    folded: dict[str, str] = field(default_factory=dict)
    _biases: dict[str, Recipe] = field(default_factory=dict)
    _done: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.reasons.update({n: _EMPTY for n, p in self.tensors.items() if not p.size})
        for step in (self._leave_packed, self._compose, self._dequantize, self._sort):
            for parameter in self._left():
                step(parameter)
        for name, bias in self._biases.items():
            self._pair(name, bias)

    def in_order(self) -> list[Weight]:
        """Return the weights in the order in which their tensors are stored."""
        place = {name: k for k, name in enumerate(self.tensors)}
        return sorted(
            self.weights.values(), key=lambda w: min(place[p.name] for p in w.value.parameters())
        )

    def _left(self) -> Iterator[Parameter]:
        """Yield the tensors of which nothing is known yet."""
        for name, parameter in self.tensors.items():
            if not (name in self.reasons or name in self.folded or name in self._done):
                yield parameter

    def _first(self, *names: str) -> Parameter | None:
        """Return the first tensor of these names that there is."""
        found = (name for name in names if name in self.tensors and name not in self.reasons)
        return self.tensors.get(next(found, ""))

    def _made(self, name: str, value: Recipe, *folded: tuple[Parameter | None, str]) -> None:
        """Keep a weight, or a bias, that is put together."""
        self._done.update(parameter.name for parameter in value.parameters())
        self.folded.update({p.name: f"the {what} of {name}" for p, what in folded if p})
        if _BIAS.search(split_name(name)[1]):
            self._biases[name] = value
        else:
            self.weights[name] = Weight(name, value)

    # -- weights in several parts -----------------------------------------------------------------

    def _leave_packed(self, parameter: Parameter) -> None:
        """Leave out values that are packed into larger ones, with all that unpacks them."""
        name, (stem, leaf) = parameter.name, split_name(parameter.name)
        packed = leaf in ("qweight", "weight_packed") or f"{name}.absmax" in self.tensors
        packed |= parameter.dtype in _WORDS and f"{stem}scales" in self.tensors  # as MLX packs
        packed |= leaf.endswith("_blocks") and f"{name[:-7]}_scales" in self.tensors
        if packed:
            beside = [n for n in self.tensors if split_name(n)[0] == stem or n.startswith(name)]
            self.reasons.update({n: _PACKED for n in beside if not n.endswith("bias")})

    def _compose(self, factor: Parameter) -> None:
        """Multiply by the mask of a pruning, or undo a weight normalization.

        That is w = g v / ‖v‖, the norm over the axes that the gain g lacks.
        """
        shape = factor.shape
        for what, part, larger, whole in _PARTS:
            match = re.fullmatch(part, factor.name)
            other = None if match is None else self._first(match.expand(larger))
            if match is None or other is None or len(other.shape) != len(shape):
                continue
            if broadcasts(shape, other.shape) and (what in _ZEROING or shape != other.shape):
                times, value = Recipe.of(replace(factor, trainable=False)), Recipe.of(other)
                if what == "gain":
                    axes = tuple(axis for axis, size in enumerate(shape) if size == 1)
                    times = times / value.square().sum(axes).sqrt()
                self._made(match.expand(whole), value * times, (factor, what))

    def _dequantize(self, parameter: Parameter) -> None:
        """Multiply stored integers or 8-bit floats by their scale, less a zero point."""
        name, shape = parameter.name, parameter.shape
        scale, zero = (
            self._first(*(each.format(name=name, stem=split_name(name)[0]) for each in names))
            for names in (_SCALES, _ZEROS)
        )
        if scale is None or scale is parameter:
            return
        if parameter.dtype not in _QUANTIZED or len(shape) < 2:
            return
        value, factor = Recipe.of(parameter), expanded_scale(Recipe.of(scale), shape)
        shift = None if zero is None else expanded_scale(Recipe.of(zero), shape)
        if factor is None or (zero is None) != (shift is None):
            reason = f"the scale {scale.name} of shape {scale.shape} does not fit {shape}"
            self.reasons[name] = self.reasons[scale.name] = reason
            return
        if scale.name.endswith("SCB"):  # the largest magnitude of a row, which is stored as 127
            factor = factor * (1.0 / 127.0)
        if shift is not None:
            value = value - shift
        self._made(name, value * factor, (scale, "scale"), (zero, "zero point"))

    # -- all others -------------------------------------------------------------------------------

    def _sort(self, parameter: Parameter) -> None:
        """Say what a tensor on its own is: a weight, a bias, or left out."""
        name, leaf = parameter.name, split_name(parameter.name)[1]
        named, ndim = bool(_WEIGHT.search(leaf)), len(parameter.shape)
        is_integer, is_bias = "float" not in parameter.dtype, not named and _BIAS.search(leaf)
        is_flat = sum(size > 1 for size in parameter.shape) < min(ndim, 2)
        reasons = {
            _STATISTIC: leaf in _STATISTICS,
            _PARAMETRIZED: _IN_PARTS.search(name),
            _INTEGERS: is_integer and (ndim < 2 or not named or parameter.dtype == "bool"),
            _WIDE: parameter.dtype in _WORDS,
            _SINGLE: not ndim,
            _ONE_AXIS: ndim == 1 and not is_bias and leaf.lower() not in _GAINS,
            _CONSTANT: is_flat and not is_bias and not named,
        }
        reason = next((reason for reason, holds in reasons.items() if holds), "")
        if reason:
            self.reasons[name] = reason
        elif is_bias:
            self._biases[name] = Recipe.of(parameter)
        else:
            note = "integers without a scale, as they are stored" if is_integer else ""
            self.weights[name] = Weight(name, Recipe.of(parameter), note=note)

    def _pair(self, name: str, bias: Recipe) -> None:
        """Give a bias to the weight whose name and size it fits."""
        for weight in (self.weights.get(other) for other in _weight_names(name)):
            if weight and not weight.bias and orientations(weight.value.shape, bias.shape):
                weight.bias = bias
                return
        self.reasons.update({parameter.name: _NO_WEIGHT for parameter in bias.parameters()})


def split_name(name: str) -> tuple[str, str]:
    """Return what a name begins with, its last separator included, and its last part.

    The number that TensorFlow puts after it is dropped.

    Examples
    --------
    >>> split_name("encoder.0.weight"), split_name("dense/kernel:0"), split_name("w")
    (('encoder.0.', 'weight'), ('dense/', 'kernel'), ('', 'w'))
    """
    at = max(name.rfind("."), name.rfind("/")) + 1
    return name[:at], re.sub(r":\d+$", "", name[at:])


def orientations(shape: tuple[int, ...], bias: tuple[int, ...]) -> list[str]:
    """Return along which axes a weight's outputs may lie, if it has a bias of that shape.

    Parameters
    ----------
    shape, bias : tuple of int
        Shapes of both.

    Returns
    -------
    list of str
        Some of "first", "last", "second" (a transposed convolution), "trailing" (several axes),
        "stacked" (a bias for each of several matrices).

    Examples
    --------
    >>> orientations((3, 5), (5,)), orientations((4, 4), (4,)), orientations((4, 2), (3,))
    (['last'], ['first', 'last'], [])
    """
    if len(shape) == 1:
        return ["first"] if bias == shape else []
    if len(bias) > 1:
        trailing = len(bias) < len(shape) and shape[-len(bias) :] == bias
        stacked = len(shape) == 3 and bias in ((shape[0], shape[1]), (shape[0], shape[2]))
        return ["trailing"] * trailing + ["stacked"] * stacked
    places = {"first": 0, "last": -1} | ({"second": 1} if len(shape) > 2 else {})
    return [place for place, axis in places.items() if (shape[axis],) == bias]


def expanded_scale(scale: Recipe, shape: tuple[int, ...]) -> Recipe | None:
    """Return a scale so that it broadcasts against a weight, or None where it does not fit.

    Parameters
    ----------
    scale : Recipe
        One value, one a row, one a column, or one a block of rows and columns.
    shape : tuple of int
        Shape of the weight.

    Returns
    -------
    Recipe or None
        A block is of 128 entries where that fits, or else what divides the weight.

    Examples
    --------
    >>> expanded_scale(Recipe.constant(np.ones((2, 3))), (256, 300)).shape
    (256, 300)
    """
    if prod(scale.shape) == 1:
        return scale.reshape(())
    if scale.shape == shape[:1]:
        return scale.reshape((shape[0], *(1,) * (len(shape) - 1)))
    if broadcasts(scale.shape, shape):
        return scale
    if len(scale.shape) != len(shape):
        return None
    for axis, (n_blocks, size) in enumerate(zip(scale.shape, shape, strict=True)):
        block = 128 if -(-size // 128) == n_blocks else size // n_blocks
        if not block or -(-size // block) != n_blocks:
            return None
        if 1 < n_blocks < size:
            scale = scale.gather(axis, np.arange(size) // block)
    return scale


def _weight_names(bias: str) -> Iterator[str]:
    """Yield what the weight of a bias may be called."""
    stem, leaf = split_name(bias)
    number = bias[len(stem) + len(leaf) :]
    for old, new in _PAIRS:
        renamed, found = re.subn(old, new, leaf, count=1)
        if found:
            yield stem + renamed + number
