"""JAX: functions with their parameters, and modules of Flax and Equinox.

A function is traced by `jax.make_jaxpr` on shapes alone: nothing is computed. `sources` says what
can be loaded, `program` flattens the jaxpr into one list of operations, `JaxTracer` follows node
ids through it. A model is followed as it is called: whether it trains or evaluates is the caller's
matter.
"""

from __future__ import annotations

from typing import Any

from cntgraph.adapters.execution import Execution, Observed
from cntgraph.adapters.jax.running import execution_of
from cntgraph.adapters.jax.sources import changes, is_function, model_of
from cntgraph.adapters.jax.tracing import build, trace
from cntgraph.adapters.options import Options
from cntgraph.core.errors import FormatError
from cntgraph.core.parameter import Parameter
from cntgraph.network.network import Network

suffixes: tuple[str, ...] = ()
options = ("params",)


def recognizes(source: object) -> bool:
    """Return whether `source` may be a function of JAX, or is a module of one of its libraries."""
    return is_function(source)


def load(source: Any, *, params: Any = None, **shared: Any) -> Network:
    """Return the network of a function of JAX.

    Parameters
    ----------
    source : callable
        A function ``apply_fn(params, *inputs)``; a module of Flax (``linen``, bound or with
        `params`; ``nnx``) or Equinox; or a function of inputs that has closed over its parameters.
        Settings such as ``train=False`` are given by `functools.partial`.
    params : pytree, optional
        The parameters of a function: all that it takes first, such as Flax's variables.
    **shared
        The fields of `Options`: `input_shape` in the model's own order of axes, or channels first
        where only that fits; `example_input` with the batch dimension, also for a module of
        Equinox, which takes the samples one by one. Only its shapes and types matter.

    Raises
    ------
    FormatError
        If parameters are missing.
    InputShapeError
        If the size of the input is not known.
    TraceError
        If the function cannot be traced on such an input.

    Examples
    --------
    >>> import jax
    >>> import jax.numpy as jnp
    >>> import cntgraph as cg
    >>> def mlp(params, x):
    ...     return jax.nn.relu(x @ params["w"] + params["b"])
    >>> cg.load(mlp, params={"w": jnp.ones((3, 2)), "b": jnp.zeros(2)}, input_shape=(3,))
    <Network: 2 layers, 1 blocks, 5 nodes, 6 edges, 8 parameters>
    """
    given = Options(**shared)
    traced = trace(model_of(source, params), given)
    return given.finish(build(traced, given.builder))


def execution(source: Any, *, params: Any = None, **shared: Any) -> Execution:
    """Return what runs a function of JAX on data; the parameters are those of `load`.

    Raises
    ------
    FormatError
        If its parameters are missing, or are shapes without values.
    """
    given = Observed(**shared)
    return execution_of(trace(model_of(source, params), given), given)


def parameters(source: Any) -> dict[str, Parameter]:
    """Return the arrays of a live module, by name.

    Raises
    ------
    FormatError
        If it is anything else: arrays of JAX do not change, so that training makes new ones.
    """
    if not changes(source):
        raise FormatError(
            "expected a module whose parameters change in training (flax.nnx), got "
            f"{type(source).__qualname__}; load each step by cntgraph.load(apply_fn, params=...)"
        )
    leaves = [leaf for leaf in model_of(source).leaves if not leaf.is_key]
    return {leaf.name: leaf.parameter() for leaf in leaves}
