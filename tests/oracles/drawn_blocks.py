"""Blocks of every kind, drawn at random: the block, its edges by loops, and its exact weights."""

import numpy as np
from hypothesis import strategies as st
from oracles import loops
from oracles.stored import stored

from cntgraph.core.parameter import Parameter
from cntgraph.core.recipe import Recipe
from cntgraph.core.view import View
from cntgraph.network.blocks import (
    AxisOperator,
    Conv,
    Dense,
    Diagonal,
    Identity,
    Pool,
    Sparse,
    Window,
)

FLOATS = ("float32", "float64", "float16", "bfloat16")
seeds = st.integers(0, 2**32 - 1)


@st.composite
def weights(draw, shape):
    """A recipe for a weight, and its exact value; sometimes folded, sometimes with zeros."""
    rng = np.random.default_rng(draw(seeds))
    values = rng.normal(size=shape) * (rng.random(shape) < 0.8)
    bits, dtype, exact = stored(values, draw(st.sampled_from(FLOATS)))
    recipe = Recipe.of(Parameter.from_array("w", bits, dtype=dtype))
    if draw(st.integers(0, 3)) == 0:
        gain = rng.normal(size=(shape[0], *(1,) * (len(shape) - 1)))
        recipe, exact = recipe * Recipe.of(Parameter.from_array("gain", gain)), exact * gain
    return recipe, exact


@st.composite
def views(draw, shape, *, target=False):
    """A view: a layer in order, permuted, and for a source also repeated or with padding."""
    size, rng = int(np.prod(shape)), np.random.default_rng(draw(seeds))
    kinds = ["range", "permuted"] + ([] if target else ["repeated", "masked", "all masked"])
    kind = draw(st.sampled_from(kinds))
    if kind == "range":
        ids = np.arange(5, 5 + size)
    elif kind == "permuted":
        ids = rng.permutation(size) + 3
    elif kind == "repeated":
        ids = rng.integers(0, max(size // 2, 1), size)
    else:
        ids = np.arange(size)
        ids[rng.random(size) < (1.1 if kind == "all masked" else 0.3)] = -1
    return View.of(ids, tuple(shape))


@st.composite
def dense_blocks(draw):
    n_in, n_out = draw(st.integers(0, 7)), draw(st.integers(0, 7))
    weight, exact = draw(weights((n_out, n_in)))
    if draw(st.booleans()):
        weight, other = draw(weights((n_in, n_out)))
        weight, exact = weight.transpose((1, 0)), other.T
    source, target = draw(views((n_in,))), draw(views((n_out,), target=True))
    block = Dense(name="dense", source=source, target=target, weight=weight)
    return block, loops.dense_edges(exact), exact


@st.composite
def axes(draw, small):
    return Window(
        fine=draw(st.integers(0, 4 if small else 7)),
        coarse=draw(st.integers(0, 4 if small else 6)),
        kernel=draw(st.integers(1, 2 if small else 4)),
        stride=draw(st.integers(1, 3)),
        dilation=draw(st.integers(1, 2)),
        before=draw(st.integers(-2, 4)),
    )


@st.composite
def conv_blocks(draw, min_rank=0):
    rank = draw(st.integers(min_rank, 3))
    windows = tuple(draw(axes(rank > 1)) for _ in range(rank))
    groups, transposed = draw(st.integers(1, 3)), draw(st.booleans())
    per_group, inner = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    if draw(st.integers(0, 3)) == 0:
        per_group = inner = 1  # depthwise
    weight, exact = draw(weights((groups * per_group, inner, *(w.kernel for w in windows))))
    fine = (groups * inner, *(w.fine for w in windows))
    coarse = (groups * per_group, *(w.coarse for w in windows))
    shapes = (coarse, fine) if transposed else (fine, coarse)
    block = Conv(
        name="conv", source=draw(views(shapes[0])), target=draw(views(shapes[1], target=True)),
        weight=weight, windows=windows, groups=groups, transposed=transposed,
    )  # fmt: skip
    sides = [(w.fine, w.coarse, w.stride, w.dilation, w.before) for w in windows]
    return block, loops.conv_edges(exact, sides, groups, transposed), exact


@st.composite
def pool_axes(draw):
    """An operator, and its windows by the loop."""
    kind = draw(st.sampled_from(["max", "average", "exclude", "adaptive", "adaptive max", "signs"]))
    if kind == "signs":
        matrix = np.array(draw(st.lists(st.sampled_from([-2.0, 0.0, 0.5]), min_size=6, max_size=6)))
        operator = AxisOperator.of_matrix(matrix.reshape(2, 3))
        return operator, 2, [{i: w for i, w in enumerate(c) if w} for c in matrix.reshape(2, 3).T]
    if kind.startswith("adaptive"):
        n_in, n_out = draw(st.integers(1, 6)), draw(st.integers(1, 6))
        average = kind == "adaptive"
        windows = loops.adaptive_windows(n_in, n_out, average)
        return AxisOperator.adaptive(n_in, n_out, average=average), n_in, windows
    kernel, stride = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    dilation = draw(st.integers(1, 2)) if kind == "max" else 1
    fine, before = draw(st.integers(kernel, 6)), draw(st.integers(0, kernel // 2))
    coarse = (fine + 2 * before - dilation * (kernel - 1) - 1) // stride + 1
    coarse = max(coarse, 0) + draw(st.integers(0, 1))  # one more: ceil mode
    divisor = {"max": "one", "average": "kernel", "exclude": "seen"}[kind]
    windows = loops.sliding_windows(fine, coarse, kernel, stride, dilation, before, divisor)
    window = Window(fine, coarse, kernel, stride, dilation, before)
    divisors = {
        "one": None,
        "kernel": np.full(coarse, float(kernel)),
        "seen": np.array([max(len(w), 1) for w in windows], dtype=np.float64),
    }
    return AxisOperator.of_window(window, divisors[divisor]), fine, windows


@st.composite
def pool_blocks(draw):
    drawn = [draw(pool_axes()) for _ in range(draw(st.integers(1, 2)))]
    channels = draw(st.integers(1, 3))
    source = draw(views((channels, *(n for _, n, _ in drawn))))
    target = draw(views((channels, *(len(w) for _, _, w in drawn)), target=True))
    operators = tuple(s for s, _, _ in drawn)
    block = Pool(name="pool", source=source, target=target, operators=operators, mode="average")
    return block, loops.pool_edges(channels, [(n, w) for _, n, w in drawn]), None


@st.composite
def diagonal_blocks(draw):
    shape = tuple(draw(st.lists(st.integers(1, 4), min_size=1, max_size=3)))
    kept = tuple(n if draw(st.booleans()) else 1 for n in shape)
    kept = kept[draw(st.integers(0, len(kept) - 1)) :]
    weight, exact = draw(weights(kept))
    block = Diagonal(
        name="scale", source=draw(views(shape)), target=draw(views(shape, target=True)),
        weight=weight,
    )  # fmt: skip
    values = np.broadcast_to(exact, shape).reshape(-1)
    return block, [(k, k, float(w)) for k, w in enumerate(values)], exact


@st.composite
def identity_blocks(draw):
    size = draw(st.integers(0, 12))
    block = Identity(
        name="skip", source=draw(views((size,))), target=draw(views((size,), target=True))
    )
    return block, [(k, k, 1.0) for k in range(size)], None


@st.composite
def sparse_blocks(draw):
    n_in, n_out = draw(st.integers(1, 6)), draw(st.integers(1, 6))
    pairs = st.tuples(st.integers(0, n_in - 1), st.integers(0, n_out - 1))
    pairs = sorted(draw(st.lists(pairs, max_size=20)))  # a pair may stand twice
    weight, exact = draw(weights((len(pairs),)))
    counts = np.bincount([i for i, _ in pairs], minlength=n_in).astype(np.int64)
    block = Sparse(
        name="sparse", source=draw(views((n_in,))), target=draw(views((n_out,), target=True)),
        weight=weight, indptr=np.concatenate([[0], np.cumsum(counts)]),
        indices=np.array([j for _, j in pairs], dtype=np.int64),
    )  # fmt: skip
    edges = [(i, j, float(w)) for (i, j), w in zip(pairs, exact, strict=True)]
    return block, edges, exact


any_block = st.one_of(
    dense_blocks(), conv_blocks(), pool_blocks(), diagonal_blocks(), identity_blocks(),
    sparse_blocks(),
)  # fmt: skip
