"""Networks of several convolutions, poolings and sums, for hypothesis to draw."""

import numpy as np
from hypothesis import strategies as st

import cntgraph as cg
from cntgraph.adapters.builder import Builder
from cntgraph.core.recipe import Recipe
from cntgraph.network.blocks import AxisOperator, Window

STEPS = ("conv", "transposed", "pool", "linear pool", "scale", "add", "concatenate", "crop")
#: What a weight that is no finite number may be.
ODD = (np.nan, np.inf, -np.inf)


class Stack:
    """A network that grows step by step, of shapes and weights that hypothesis draws."""

    def __init__(self, draw, odd):
        self.draw, self.odd = draw, odd
        self.rng = np.random.default_rng(draw(st.integers(0, 99)))
        self.builder, self.n = Builder(), 0
        sizes = draw(st.lists(st.integers(1, 7), min_size=1, max_size=3))
        self.ids = [self.builder.input("input", (2 * draw(st.integers(1, 2)), *sizes))]

    def tensor(self, *shape):
        values = self.rng.normal(size=shape).astype(np.float32)
        if self.odd and values.size and self.draw(st.booleans()):
            values.flat[self.rng.integers(values.size)] = self.draw(st.sampled_from(ODD))
        self.n += 1
        return Recipe.of(self.builder.parameter(cg.Parameter.from_array(f"p{self.n}", values)))

    def window(self, fine):
        kernel, stride, dilation, before = (
            self.draw(st.integers(low, high)) for low, high in ((1, 3), (1, 3), (1, 2), (0, 2))
        )
        coarse = max((fine + 2 * before - dilation * (kernel - 1) - 1) // stride + 1, 1)
        return Window(fine, coarse, kernel, stride, dilation, before)

    def upwards(self, coarse):
        kernel, stride, before = (
            self.draw(st.integers(*ends)) for ends in ((1, 3), (1, 3), (0, 1))
        )
        fine = max((coarse - 1) * stride + kernel - 2 * before, 1)
        return Window(fine, coarse, kernel, stride, 1, before)

    def convolve(self, name, ids, transposed):
        groups, per_group = self.draw(st.sampled_from([1, 2])), self.draw(st.integers(1, 2))
        n_in, n_out = len(ids), groups * per_group * (2 if groups == 1 else 1)
        windows = tuple((self.upwards if transposed else self.window)(n) for n in ids.shape[1:])
        coarse, fine = (n_in, n_out) if transposed else (n_out, n_in)
        weight = self.tensor(coarse, fine // groups, *(w.kernel for w in windows))
        bias = self.tensor(n_out) if self.draw(st.booleans()) else None
        return self.builder.conv(
            name, ids, weight, bias, windows, groups=groups, transposed=transposed
        )

    def step(self, kind):
        name, ids = f"{kind}{len(self.ids)}", self.ids[-1]
        if kind in ("conv", "transposed"):
            return self.convolve(name, ids, kind == "transposed")
        if kind == "pool":
            axes = (AxisOperator.of_window(self.window(n)) for n in ids.shape[1:])
            return self.builder.pool(name, ids, tuple(axes), "max")
        if kind == "linear pool":
            axes = (AxisOperator.linear(n, self.draw(st.integers(1, 6))) for n in ids.shape[1:])
            return self.builder.pool(name, ids, tuple(axes), "linear")
        if kind == "scale":
            shape = (len(ids), *(1 for _ in ids.shape[1:]))
            return self.builder.scale(
                name, ids, self.tensor(*shape), self.tensor(*shape), foldable=False
            )
        if kind == "crop":
            return self.builder.pool(
                name, ids[:, : max(ids.shape[1] // 2, 1)], self.identities(ids), "max"
            )
        alike = [other for other in self.ids if other.shape == ids.shape]
        other = self.draw(st.sampled_from(alike))
        if kind == "add":
            return self.builder.add(name, [ids, other])
        return self.convolve(name, np.concatenate([ids, other]), False)

    def identities(self, ids):
        sizes = (max(ids.shape[1] // 2, 1), *ids.shape[2:])
        return tuple(map(AxisOperator.identity, sizes))

    def finish(self):
        ids = self.ids[-1]
        if self.draw(st.booleans()):
            flat = ids.reshape(-1)
            ids = self.builder.linear("fc", flat, self.tensor(3, flat.size), self.tensor(3))
        self.builder.output(ids)
        return self.builder.finish()


@st.composite
def conv_stacks(draw, *, odd=False):
    """A network of any rank, strides and groups; with `odd`, of weights NaN and infinite."""
    stack = Stack(draw, odd)
    for kind in draw(st.lists(st.sampled_from(STEPS), min_size=1, max_size=5)):
        stack.ids.append(stack.step(kind))
    return stack.finish()
