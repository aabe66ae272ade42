"""put_in: a network in which what is computed of several parameters takes the place of one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from cntgraph.core.recipe import Recipe
from cntgraph.network.blocks.base import Block
from cntgraph.network.network import Network


def put_in(net: Network, values: Mapping[str, Recipe]) -> Network:
    """Return a network whose blocks read other values where they read some parameters.

    Parameters
    ----------
    net : Network
    values : mapping of str to Recipe
        By the name of a parameter, what is read instead; of its shape.

    Returns
    -------
    Network
        It has the parameters that these values are computed of, too.

    Raises
    ------
    ParameterError
        If a value has another shape than its parameter.

    Examples
    --------
    >>> import cntgraph as cg
    >>> net = cg.toy("mlp")
    >>> twice = put_in(net, {"fc1.weight": Recipe.of(net.parameters["fc1.weight"]) * 2.0})
    >>> bool((twice.blocks[0].weight.read() == 2.0 * net.blocks[0].weight.read()).all())
    True
    """
    parameters = dict(net.parameters)
    for value in values.values():
        parameters |= {parameter.name: parameter for parameter in value.parameters()}
    blocks = tuple(_with_values(block, values) for block in net.blocks)
    return replace(net, blocks=blocks, parameters=parameters)


def _with_values(block: Block, values: Mapping[str, Recipe]) -> Block:
    if not any(parameter.name in values for parameter in block.parameters()):
        return block
    weight, bias = (
        None if recipe is None else recipe.substitute(values)
        for recipe in (block.weight, block.bias)
    )
    return replace(block, weight=weight, bias=bias)
