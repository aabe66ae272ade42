"""Drawn weights: sums of the weights of a block, and those expected if the weights were draws.

Of one network, or of each of many of one topology: numbers of these have an axis of networks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from cntgraph.core.parameter import Parameter
from cntgraph.core.types import Values
from cntgraph.core.view import View
from cntgraph.measures.row_statistics import add_sums, no_statistics, statistics_of_rows
from cntgraph.measures.summary import summarize, summarize_each
from cntgraph.network.blocks.base import Block
from cntgraph.network.blocks.class_values import ClassValues, Sides
from cntgraph.network.blocks.statistics import WeightStatistics
from cntgraph.network.stack import Stack

_ONE = np.ones(())


class DrawnEdges(NamedTuple):
    """The edges of a block.

    Parameters
    ----------
    views : tuple of View
        Its source and its target.
    signed, expected : Sides
        The sums of its weights; and of so many times their mean.
    variance : ndarray of float64, shape () or (n networks,)
        Of its weights; zero where none is finite.
    """

    views: tuple[View, View]
    signed: Sides
    expected: Sides
    variance: Values


class DrawnBiases(NamedTuple):
    """The biases of a block; as in `DrawnEdges`."""

    view: View
    values: ClassValues
    expected: ClassValues
    variance: Values


class EachSummary(NamedTuple):
    """Means and deviations, each of shape () or (n networks,)."""

    mean: Values
    std: Values


class OneNetwork:
    """A network by itself.

    Parameters
    ----------
    net : Network
    """

    def __init__(self, net: Any) -> None:
        self.net, self.layers = net, net.layers

    def edges(self, block: Block) -> DrawnEdges:
        """Return the edges of a block, whose weights are read once."""
        found = block.class_sums(("signed", "count"), statistics=block.parametric)
        mean, variance = _chance(found.statistics)
        views = block.source, block.target
        return DrawnEdges(views, found.sums["signed"], _times(mean, found.sums["count"]), variance)

    def biases(self, block: Block) -> DrawnBiases:
        """Return the biases of a block that has some."""
        assert block.bias is not None
        values, view = block.bias.read(), block.target
        mean, variance = _chance(WeightStatistics.of(values))
        sums = ClassValues.of_broadcast(values, view.shape)
        return DrawnBiases(view, sums, _alike(mean, view), variance)

    def summarize(self, values: ClassValues) -> EachSummary:
        """Return mean and deviation of the values of a layer."""
        found = summarize(values)
        return EachSummary(np.asarray(found.mean), np.asarray(found.std))


class EachOf:
    """Each of many networks of one topology.

    Parameters
    ----------
    stack : Stack
        The topology.
    parameters : mapping of str to Parameter
        The values of each parameter in every network, shape (n, *shape of the parameter).
    """

    def __init__(self, stack: Stack, parameters: Mapping[str, Parameter]) -> None:
        self.net, self.n = stack.net, next(iter(parameters.values())).shape[0]
        self.layers = stack.layers(self.n)
        self._of_all = {block.name: block for block in stack.blocks(parameters)}

    def edges(self, block: Block) -> DrawnEdges:
        """Return the edges of a block in every network."""
        all_ = self._of_all[block.name]
        found, counts = no_statistics(self.n), block.class_sums(("count",))
        signed = add_sums(found, block, all_)
        mean, variance = _chance_of_rows(found)
        expected = _times(mean, counts.sums["count"])
        return DrawnEdges((all_.source, all_.target), signed, expected, variance)

    def biases(self, block: Block) -> DrawnBiases:
        """Return the biases of a block in every network."""
        all_ = self._of_all[block.name]
        assert all_.bias is not None
        values = all_.bias.read()
        mean, variance = _chance_of_rows(statistics_of_rows(values.reshape(self.n, -1)))
        sums = ClassValues.of_broadcast(values, all_.target.shape)
        return DrawnBiases(all_.target, sums, _alike(mean, block.target), variance)

    def summarize(self, values: ClassValues) -> EachSummary:
        """Return mean and deviation of the values of a layer in every network."""
        found = summarize_each(values, self.n)
        return EachSummary(found[:, 0], found[:, 1])


def _chance(found: WeightStatistics) -> tuple[Values, Values]:
    """Return the mean and the variance of draws like some weights."""
    return np.asarray(found.mean), np.asarray(found.variance if found.n else 0.0)


def _chance_of_rows(found: Values) -> tuple[Values, Values]:
    n, mean, m2 = found.T[:3]
    return mean, np.divide(m2, n, out=np.zeros(len(found)), where=n > 0)


def _times(factors: Values, sides: Sides) -> Sides:
    return Sides(*(side.times_each(factors) for side in sides))


def _alike(values: Values, view: View) -> ClassValues:
    """Return one value for all nodes of a view, in one network or in each."""
    return ClassValues.of_broadcast(_ONE, view.shape).times_each(values)
