"""Recipes of all operations, for hypothesis to draw, and what NumPy says their values are."""

from itertools import count

import numpy as np
from hypothesis import strategies as st
from oracles.stored import DTYPES, stored
from scipy import special

from cntgraph.core.parameter import Parameter
from cntgraph.core.recipe import Recipe

BINARY = {
    "add": np.add, "subtract": np.subtract, "multiply": np.multiply, "divide": np.divide,
    "maximum": np.maximum, "minimum": np.minimum, "power": np.power,
    "less": lambda a, b: (a < b) * 1.0, "equal": lambda a, b: (a == b) * 1.0,
}  # fmt: skip
UNARY = {
    "sqrt": np.sqrt, "square": np.square, "negative": np.negative, "absolute": np.abs,
    "exp": np.exp, "expm1": np.expm1, "log": np.log, "log1p": np.log1p, "tanh": np.tanh,
    "sigmoid": special.expit, "softplus": lambda x: np.log1p(np.exp(x)), "erf": special.erf,
    "sin": np.sin, "cos": np.cos, "sign": np.sign, "round": np.round, "floor": np.floor,
    "ceil": np.ceil,
}  # fmt: skip
NUMBERS = count()


@st.composite
def leaves(draw, shape=None):
    """A recipe of one parameter, and its exact value."""
    if shape is None:
        shape = tuple(draw(st.lists(st.integers(1, 4), min_size=1, max_size=3)))
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    bits, dtype, exact = stored(rng.normal(size=shape) + 3.0, draw(st.sampled_from(DTYPES)))
    return Recipe.of(Parameter.from_array(f"p{next(NUMBERS)}", bits, dtype=dtype)), exact


@st.composite
def trees(draw, depth=3):
    """A random recipe, and what NumPy says its value is."""
    recipe, value = draw(leaves())
    for _ in range(draw(st.integers(0, depth))):
        recipe, value = draw(grown(recipe, value))
    return recipe, value


@st.composite
def grown(draw, recipe, value):
    ndim = value.ndim
    op = draw(
        st.sampled_from(
            [*BINARY, *UNARY, "constant", "where", "matmul", "transpose", "reshape", "take",
             "gather", "sum", "max", "sum_by", "concatenate", "shared"]
        )
    )  # fmt: skip
    if op in BINARY:
        # Broadcasts: axes of length one, and fewer axes.
        shape = tuple(n if draw(st.booleans()) else 1 for n in value.shape)
        shape = shape[draw(st.integers(0, ndim - 1)) :]
        other, other_value = draw(leaves(shape))
        left = draw(st.booleans())
        pair, values = ((recipe, other), (value, other_value)) if left else (
            (other, recipe), (other_value, value))  # fmt: skip
        with np.errstate(all="ignore"):
            return pair[0].binary(op, pair[1]), BINARY[op](*values)
    if op == "constant":
        return recipe * 2.5 + 1, value * 2.5 + 1
    if op in UNARY:
        bounded, exact = abs(recipe).binary("minimum", 30.0), np.minimum(np.abs(value), 30.0)
        return bounded.unary(op), UNARY[op](exact)
    if op == "shared":  # once before and once behind an axis is moved
        moved = recipe.transpose((*range(1, ndim), 0))
        return Recipe.concatenate((moved.reshape((-1,)), recipe.reshape((-1,))), 0), np.concatenate(
            [np.moveaxis(value, 0, -1).reshape(-1), value.reshape(-1)])  # fmt: skip
    if op == "where":
        chosen = recipe.binary("less", 3.0)
        with np.errstate(all="ignore"):
            return chosen.where(recipe * 2.0, 7.0), np.where(value < 3.0, value * 2.0, 7.0)
    if op == "matmul":
        rows = ndim > 1 and draw(st.booleans())
        if ndim < 2:
            recipe, value = recipe.reshape((1, -1)), value.reshape(1, -1)
        shape = (*((1,) * (ndim - 2)), value.shape[-1], draw(st.integers(1, 3)))
        other, other_value = draw(
            leaves(shape[draw(st.integers(0, ndim - 2)) :] if ndim > 2 else shape)
        )
        if rows and ndim == 2:
            flipped = other.transpose((1, 0)), other_value.T
            return flipped[0] @ recipe.transpose((1, 0)), flipped[1] @ value.T
        with np.errstate(all="ignore"):
            return recipe @ other, value @ other_value
    if op == "transpose":
        axes = tuple(draw(st.permutations(range(ndim))))
        return recipe.transpose(axes), value.transpose(axes)
    if op == "reshape":
        shape = draw(st.sampled_from([(-1,), (1, -1), (-1, 1, 1), value.shape[::-1]]))
        return recipe.reshape(shape), value.reshape(shape)
    axis = draw(st.integers(-ndim, ndim - 1))
    if op == "take":
        start = draw(st.integers(0, value.shape[axis] - 1))
        stop = draw(st.integers(start + 1, value.shape[axis]))
        step = draw(st.integers(1, 3))
        where = [slice(None)] * ndim
        where[axis] = slice(start, stop, step)
        return recipe.take(axis, start, stop, step), value[tuple(where)]
    if op == "gather":
        indices = draw(st.lists(st.integers(0, value.shape[axis] - 1), min_size=1, max_size=6))
        return recipe.gather(axis, indices), np.take(value, indices, axis)
    if op == "max":
        return recipe.max((axis,)), value.max(axis=axis, keepdims=True)
    if op == "sum":
        return recipe.sum((axis,)), value.sum(axis=axis, keepdims=True)
    if op == "sum_by":
        n, size = draw(st.integers(1, 4)), value.shape[axis]
        labels = np.array(draw(st.lists(st.integers(-1, n - 1), min_size=size, max_size=size)))
        return recipe.sum_by(axis, labels, n), summed_by(value, axis, labels, n)
    other, other_value = draw(leaves(value.shape))
    return (
        Recipe.concatenate((recipe, other), axis),
        np.concatenate([value, other_value], axis=axis),
    )


def summed_by(value, axis, labels, n):
    moved = np.moveaxis(value, axis, 0)
    sums = [sum(moved[labels == k], np.zeros(moved.shape[1:])) for k in range(n)]
    return np.moveaxis(np.stack(sums), 0, axis)
