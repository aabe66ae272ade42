"""Warm-up: what would be compiled on first use is compiled beforehand, and kept on disk.

Which kernels that are, and for which types of numbers, is found by using them: every measure is
taken of toy networks, and sums of weights in the types that models are stored in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from time import perf_counter
from typing import NamedTuple

import numpy as np

from cntgraph.activity.neuron_measures import neuron_strength
from cntgraph.adapters.builder import Builder
from cntgraph.core.compiling import Compiled, compiled_kernels
from cntgraph.core.errors import CntGraphError
from cntgraph.core.parameter import Parameter, storage_dtype
from cntgraph.core.progress import progress
from cntgraph.core.recipe import Recipe
from cntgraph.data.toys import TOYS, toy
from cntgraph.graph.building import build_graph
from cntgraph.loading import load
from cntgraph.measures.analyze import analyze
from cntgraph.measures.profile.profile import cnt_profile
from cntgraph.measures.survey import layer_bins, survey_layers
from cntgraph.network.blocks.transform import TRANSFORMS
from cntgraph.network.network import Network
from cntgraph.training.change.weight_change import change_of

#: Stored types of most models.
_TYPES = ("float32", "float64", "float16", "bfloat16")
#: Outputs and inputs of a weight with long rows: those of toys are too short for some kernels.
_LONG = (8, 160)


class WarmUp(NamedTuple):
    """How long a warm-up took, and what it found.

    Parameters
    ----------
    seconds : float
    kernels : Compiled
        Of this process, what was compiled before the warm-up included.
    """

    seconds: float
    kernels: Compiled


def warm_up(*, show_progress: bool = True) -> WarmUp:
    """Compile what the command line and the usual calls need, unless that was done before.

    Parameters
    ----------
    show_progress : bool, default True
        Whether to show a bar on a terminal.

    Returns
    -------
    WarmUp
    """
    started = perf_counter()
    for work in progress([*_works()], "compiling", show=show_progress):
        work()
    return WarmUp(perf_counter() - started, compiled_kernels())


def _works() -> Iterator[Callable[[], object]]:
    """Yield what is to be done, piece by piece."""
    nets = [load([np.zeros(_LONG, np.float32)]), _folded(), *map(toy, TOYS)]
    for dtype in _TYPES:
        for net in nets:
            yield partial(_sum_up, _stored(net, dtype))
    for name in TOYS:
        yield partial(_measure, toy(name))


def _folded() -> Network:
    """Return a network whose weights are multiplied by factors, as those with a folded norm."""
    builder = Builder()
    stored = {"weight": np.zeros(_LONG, np.float32), "gain": np.ones((_LONG[0], 1), np.float32)}
    weight, gain = (
        Recipe.of(builder.parameter(Parameter.from_array(*item))) for item in stored.items()
    )
    ids = builder.input("input", _LONG[1:])
    builder.output(builder.linear("folded", ids, weight * gain, None))
    return builder.finish()


def _stored(net: Network, dtype: str) -> Network:
    """Return a network with zeros stored in a type."""
    parameters = {}
    for name, parameter in net.parameters.items():
        bits = np.zeros(parameter.shape, storage_dtype(dtype))
        parameters[name] = Parameter.from_array(name, bits, dtype=dtype)
    return net.bind(parameters, {})


def _sum_up(net: Network) -> None:
    analyze(net)
    net.node_sums(*TRANSFORMS)
    survey_layers(net, layer_bins(net))
    build_graph(net)
    for block in net.blocks:
        if block.weight is not None:
            change_of(block.weight, block.weight)


def _measure(net: Network) -> None:
    _sum_up(net)
    cnt_profile(net, sign="absolute")
    shape = next(layer.shape for layer in net.layers if layer.is_input)
    with suppress(CntGraphError):  # a loop has no steps to run through
        neuron_strength(net, np.zeros((2, *shape), np.float32))
