"""Toy networks: small, fixed, made without a framework; for examples, doctests and first steps."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from cntgraph.adapters.builder import Builder
from cntgraph.adapters.builder.recurrent import Cell, Gate, run_cell
from cntgraph.core.errors import CntGraphError
from cntgraph.core.parameter import Parameter
from cntgraph.core.recipe import Recipe
from cntgraph.network.blocks import AxisOperator, Window
from cntgraph.network.network import Network


def toy(name: str) -> Network:
    """Return a small network with fixed random weights.

    Parameters
    ----------
    name : {"mlp", "cnn", "residual", "recurrent"}
        ``"mlp"``: fully connected, 6–8–4–2 nodes; ``"cnn"``: a padded convolution, a max
        pooling and a dense layer; ``"residual"``: two dense layers, a skip around the second;
        ``"recurrent"``: a recurrent layer, whose nodes have edges among them, and a dense one.

    Returns
    -------
    Network

    Raises
    ------
    CntGraphError
        If there is no such toy; the message lists them.

    Examples
    --------
    >>> [layer.name for layer in toy("cnn").layers]
    ['input', 'conv1', 'pool', 'fc']
    """
    if name not in TOYS:
        raise CntGraphError(f"expected a toy called {', '.join(TOYS)}; got {name!r}")
    return _Toy(name).build()


class _Toy:
    """A builder with weights from a generator of its own; the global state is not touched."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.builder = Builder()
        self.rng = np.random.default_rng(0)

    def build(self) -> Network:
        TOYS[self.name](self)
        return self.builder.finish()

    def tensor(self, name: str, *shape: int) -> Recipe:
        values = self.rng.normal(scale=0.5, size=shape).astype(np.float32)
        return Recipe.of(self.builder.parameter(Parameter.from_array(name, values)))

    def dense(self, name: str, ids: np.ndarray, n_out: int) -> np.ndarray:
        weight = self.tensor(f"{name}.weight", n_out, ids.size)
        return self.builder.linear(name, ids, weight, self.tensor(f"{name}.bias", n_out))


def _mlp(toy: _Toy) -> None:
    ids = toy.builder.input("input", (6,))
    ids = toy.builder.activate(toy.dense("fc1", ids, 8), "relu")
    ids = toy.builder.activate(toy.dense("fc2", ids, 4), "relu")
    toy.builder.output(toy.dense("fc3", ids, 2))


def _cnn(toy: _Toy) -> None:
    builder = toy.builder
    window = Window(fine=6, coarse=6, kernel=3, before=1)
    weight = toy.tensor("conv1.weight", 2, 1, 3, 3)
    bias = toy.tensor("conv1.bias", 2)
    ids = builder.conv("conv1", builder.input("input", (1, 6, 6)), weight, bias, (window, window))
    halves = AxisOperator.of_window(Window(fine=6, coarse=3, kernel=2, stride=2))
    ids = builder.pool("pool", builder.activate(ids, "relu"), (halves, halves), "max")
    builder.output(toy.dense("fc", ids.reshape(-1), 3))


def _residual(toy: _Toy) -> None:
    builder = toy.builder
    first = builder.activate(toy.dense("fc1", builder.input("input", (4,)), 5), "relu")
    builder.output(builder.add("sum", [toy.dense("fc2", first, 5), first]))


def _recurrent(toy: _Toy) -> None:
    steps = toy.builder.input("input", (3,)).reshape(1, 3)
    shapes = {"input": (4, 3), "hidden": (4, 4), "bias": (4,)}
    gate = Gate(*(toy.tensor(f"rnn.{name}", *shape) for name, shape in shapes.items()))
    _, (last,) = run_cell(toy.builder, steps, Cell("rnn", "rnn", [gate]))
    toy.builder.output(toy.dense("fc", last, 2))


TOYS: dict[str, Callable[[_Toy], None]] = {
    "mlp": _mlp, "cnn": _cnn, "residual": _residual, "recurrent": _recurrent
}  # fmt: skip
