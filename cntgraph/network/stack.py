"""Stack: networks of one topology, any number of which is measured together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.errors import CntGraphError, NoCopiesError
from cntgraph.core.parameter import Parameter
from cntgraph.core.recipe import Recipe
from cntgraph.core.recipe.copies import recipe_of_copies
from cntgraph.network.blocks.base import Block
from cntgraph.network.copies import Copies, block_of_copies
from cntgraph.network.layer import Layer
from cntgraph.network.network import Network

Item = TypeVar("Item")

#: What is held of the values and of the nodes of networks that are measured together, at most.
_BYTES, _NODES = 1 << 25, 1 << 23
#: Networks that are measured together, at most; and of fewer than some, each is by itself.
MOST_TOGETHER, FEWEST_TOGETHER = 1024, 4


def n_together(net: Network) -> int:
    """Return how many networks of a topology are measured together: the larger, the fewer.

    Examples
    --------
    >>> import cntgraph as cg
    >>> n_together(cg.toy("mlp"))
    1024
    """
    nbytes = sum(parameter.nbytes for parameter in net.parameters.values())
    most = min(MOST_TOGETHER, _BYTES // max(nbytes, 1), _NODES // max(net.n_nodes, 1))
    return max(1, most)


class Stacked(NamedTuple):
    """The values that each parameter has in several networks of one topology.

    Parameters
    ----------
    parameters : dict of str to Parameter
        Of shape (n, *shape); empty if there are no networks.
    places : list of int
        Which of the networks that were asked for these are.
    failed : dict of int to str
        Why there is none, of each of the others.
    """

    parameters: dict[str, Parameter]
    places: list[int]
    failed: dict[int, str]

    @classmethod
    def read(
        cls, like: Mapping[str, Parameter],
        parameters: Callable[[Item], Mapping[str, Parameter]], items: Iterable[Item],
    ) -> Stacked:  # fmt: skip
        """Return the values of parameters like those of `like` among those of each item's network.

        A network that cannot be read is named; others are read nevertheless.
        """
        values: dict[str, list[NDArray[Any]]] = {name: [] for name in like}
        places, failed = list[int](), dict[int, str]()
        for place, item in enumerate(items):
            try:
                found = parameters(item)
                own = {name: found[name].raw() for name in like}
            except CntGraphError as error:
                failed[place] = str(error)
                continue
            places.append(place)
            for name, array in own.items():
                values[name].append(array)
        stacked = {}
        for name, arrays in values.items() if places else ():
            data = np.stack(arrays)
            stacked[name] = replace(like[name], shape=data.shape, data=data)
        return cls(stacked, places, failed)


class Stack:
    """Networks of one topology, any number of which is measured together.

    Parameters
    ----------
    net : Network
        The topology.

    Raises
    ------
    NoCopiesError
        If there is a block of a kind for which nothing says what its copies are, or one that is
        pruned: which of its edges are left may differ from network to network.

    Examples
    --------
    >>> import cntgraph as cg
    >>> net = cg.toy("mlp")
    >>> some = {name: Parameter.from_array(name, np.stack([p.raw()] * 5))
    ...         for name, p in net.parameters.items()}
    >>> [block.target.shape for block in Stack(net).blocks(some)]
    [(40,), (20,), (10,)]
    """

    def __init__(self, net: Network) -> None:
        for block in net.blocks:
            if block.kept is not None:
                raise NoCopiesError(
                    f"block {block.name!r} is pruned, each network in its own way: they are to be "
                    "measured one by one"
                )
        self.net = net
        self._made: dict[int, tuple[Block, ...]] = {}
        self._blocks(1)

    def __reduce__(self) -> tuple[type[Stack], tuple[Network]]:
        return Stack, (self.net,)

    def layers(self, n: int) -> tuple[Layer, ...]:
        """Return the layers of n networks together."""
        return Copies(self.net.layers, n, {}).layers

    def blocks(self, parameters: Mapping[str, Parameter]) -> tuple[Block, ...]:
        """Return the blocks of networks together.

        Parameters
        ----------
        parameters : mapping of str to Parameter
            The values of each parameter in every network, shape (n, *shape of the parameter).
        """
        n = next(iter(parameters.values())).shape[0]
        return tuple(block.bind(parameters) for block in self._blocks(n))

    def reader(self, parameters: Mapping[str, Parameter]) -> Callable[[Recipe], Recipe]:
        """Return what makes of a recipe that of its values in every network.

        Parameters
        ----------
        parameters : mapping of str to Parameter
            As in `blocks`.

        Returns
        -------
        callable
            Of recipes of the topology; what it returns has the shape (n, *shape of the recipe).
        """
        n = next(iter(parameters.values())).shape[0]
        return partial(recipe_of_copies, n=n, parameters=parameters)

    def _blocks(self, n: int) -> tuple[Block, ...]:
        """Return the blocks of n networks whose values are yet to come; kept for the next ones."""
        if n not in self._made:
            own = self.net.parameters
            nothing = {name: Parameter.blank(p, (n, *p.shape)) for name, p in own.items()}
            copies = Copies(self.net.layers, n, nothing)
            self._made[n] = tuple(block_of_copies(block, copies) for block in self.net.blocks)
        return self._made[n]
