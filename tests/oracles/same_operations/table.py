"""The table of operations, which the modules of the families fill."""

from oracles.same_operations.models import Operation

OPERATIONS = {}

#: Weights of a dense layer from four to three units, and of one that reads these.
A = {"a.w": (3, 4), "a.b": (3,)}
B = {"b.w": (2, 3), "b.b": (2,)}
#: A second layer beside `A`.
C = {"c.w": (3, 4), "c.b": (3,)}


def operation(
    name, *inputs, weights, before=None, after=None, buffers=(), flat=(), unroll=None, **written
):
    """Add an operation.

    ``before`` and ``after`` name the weights of a dense layer (or convolution) in front of it and
    behind it. What is written for a framework is a function, or a dict of several ways.
    """
    ways = {}
    for framework, found in written.items():
        several = found if isinstance(found, dict) else {"": found}
        for variant, function in several.items():
            way = f"{framework}:{variant}" if variant else framework
            ways[way] = wrapped(function, before, after, weights)
    assert name not in OPERATIONS, name
    OPERATIONS[name] = Operation(name, inputs, weights, ways, frozenset(buffers), flat, unroll)


def wrapped(function, before, after, weights):
    """A function between two layers that are applied to all of its inputs and to its result."""
    if before is None and after is None:
        return function

    def apply(m, *inputs):
        if before is not None:
            inputs = [affine(m, before, x, weights) for x in inputs]
        y = function(m, *inputs)
        return y if after is None else affine(m, after, y, weights)

    return apply


def affine(m, key, x, weights):
    if f"{key}.f" in weights:
        return m.flat(key, x)
    shape = weights[f"{key}.w"]
    return (m.dense if len(shape) == 2 else m.conv)(key, x)


def branches(name, weights=None, **written):
    """Add an operation on two dense layers of one input, given as (m, a, c)."""

    def both(function):
        return lambda m, x: function(m, m.dense("a", x), m.dense("c", x))

    ways = {
        framework: {k: both(f) for k, f in found.items()} if isinstance(found, dict)
        else both(found)
        for framework, found in written.items()
    }  # fmt: skip
    operation(name, (4,), weights={**A, **C, **(weights or {})}, **ways)


def elementwise(name, weights=None, **written):
    """Add an operation on the output of a dense layer, whose result another one reads."""
    operation(name, (4,), weights={**A, **B, **(weights or {})}, before="a", after="b", **written)
