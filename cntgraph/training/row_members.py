"""Members of a population that are rows of a matrix: networks of one topology."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.errors import CntGraphError
from cntgraph.core.parameter import Parameter
from cntgraph.network.network import Network
from cntgraph.network.stack import Stacked, n_together
from cntgraph.training.layout import Layout
from cntgraph.training.members import Batch, Key, Members


@dataclass(frozen=True)
class Rows:
    """Where networks of one topology lie, a row each.

    Parameters
    ----------
    of : Parameter
        All rows, shape (networks, values of a network).
    layout : Layout
        Which values of a row each parameter has.
    template : Network
        The topology; its parameters need no values but for those that no row has.
    """

    of: Parameter
    layout: Layout
    template: Network

    @classmethod
    def checked(cls, of: Parameter, layout: Layout, template: Network) -> Rows:
        """Return the rows of a matrix, if the layout fits it.

        Raises
        ------
        CntGraphError
            If a row has more or fewer values than the layout says.
        """
        if not layout.size:
            raise CntGraphError("expected a template with parameters, got one without any")
        if of.shape[1] != layout.size:
            raise CntGraphError(
                f"expected {layout.size:,} values a network, as the layout says; {of.name!r} has "
                f"{of.shape[1]:,} a row"
            )
        named = {place.name for place in layout.places}
        blank = {
            name: Parameter.blank(p, p.shape) if name in named else p
            for name, p in template.parameters.items()
        }
        return cls(of, layout, template.bind(blank, template.labels))

    def read(self, numbers: Sequence[int]) -> NDArray[Any]:
        """Return some rows, as they are stored."""
        first, last = min(numbers), max(numbers)
        found = self.of.read_stored(0, first, last + 1)
        if len(numbers) == len(found) and numbers[0] == first:
            return found
        return np.asarray(found[np.asarray(numbers) - first])

    def parameters(self, numbers: Sequence[int]) -> dict[str, Parameter]:
        """Return the values that each parameter has in some networks, one behind the other."""
        found = self.layout.parameters(self.read(numbers), self.of.dtype)
        for name, parameter in self.template.parameters.items():
            if name not in found:  # the same in all networks
                shape = (len(numbers), *parameter.shape)
                found[name] = replace(
                    parameter, shape=shape, data=np.broadcast_to(parameter.raw(), shape)
                )
        return found

    def networks(self, numbers: Sequence[int]) -> Iterator[Network]:
        """Yield some of the networks."""
        found = self.parameters(numbers)
        for k in range(len(numbers)):
            own = {name: replace(p, shape=p.shape[1:], data=p.data[k]) for name, p in found.items()}
            yield self.template.bind(own, self.template.labels)


@dataclass(frozen=True)
class RowBatch(Batch):
    """Networks whose rows are read together."""

    rows: Rows
    numbers: Sequence[int]

    def __str__(self) -> str:
        return f"networks {min(self.numbers)} to {max(self.numbers)} of {self.rows.of.name!r}"

    @property
    def size(self) -> int:
        """Number of networks."""
        return len(self.numbers)

    def sources(self, options: Mapping[str, Any]) -> Iterator[Network]:
        """Yield each network."""
        return self.rows.networks(self.numbers)

    def stacked(self) -> Stacked:
        """Return the parameters of all networks."""
        return Stacked(self.rows.parameters(self.numbers), [*range(self.size)], {})


@dataclass(frozen=True)
class RowMembers(Members):
    """Networks that are rows of a matrix.

    Parameters
    ----------
    rows : Rows
    chosen : range
        Which of the rows.
    """

    rows: Rows
    chosen: range

    def __len__(self) -> int:
        """Return the number of networks."""
        return len(self.chosen)

    def part(self, rows: slice) -> RowMembers:
        """Return some of them."""
        return RowMembers(self.rows, self.chosen[rows])

    def key(self, k: int) -> Key:
        """Return the name of the matrix, and the row of network number `k`."""
        return self.rows.of.name, self.chosen[k]

    def open(self, k: int, options: Mapping[str, Any]) -> Network:
        """Return a network."""
        return next(self.rows.networks([self.chosen[k]]))

    def batches(self, numbers: Sequence[int]) -> list[RowBatch]:
        """Return networks in their order, some at a time."""
        n = n_together(self.rows.template)
        found = []
        for start in range(0, len(numbers), n):
            some = numbers[start : start + n]
            chosen = [self.chosen[k] for k in some]
            found.append(RowBatch(self.rows, chosen))
        return found

    @property
    def where(self) -> str:
        """The matrix."""
        return f"the rows of {self.rows.of.name!r}"

    @property
    def template(self) -> Network:
        """The topology of all networks."""
        return self.rows.template
