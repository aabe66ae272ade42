"""Numbers of any size, a node: sums over paths outgrow the floats of a deep network."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.types import Values
from cntgraph.core.view import View


class Scaled:
    """One value per node, held as mantissa · 2^exponent.

    Parameters
    ----------
    values : ndarray of float64, shape (n_nodes,)
        What the nodes begin with.

    Examples
    --------
    >>> total = Scaled(np.array([1.0, 0.0]))
    >>> values, exponent = total.gather(View((1,), 0))
    >>> total.scatter_add(View((1,), 1), values, exponent + 4000)
    >>> total.log10().round(1)
    array([   0. , 1204.1])
    """

    def __init__(self, values: Values) -> None:
        self.mantissa = np.array(values, dtype=np.float64)
        self.exponent: NDArray[np.int32] = np.zeros(len(self.mantissa), dtype=np.int32)

    def gather(self, view: View) -> tuple[Values, int]:
        """Return values and e so that the nodes seen have values · 2^e, the largest near one."""
        values = view.gather(self.mantissa)
        at_work = values != 0
        if not at_work.any():
            return np.zeros(view.size), 0
        exponents = view.gather(self.exponent).astype(np.int32)
        size = exponents + np.frexp(values)[1]
        largest = int(size[at_work].max())
        return np.ldexp(values, exponents - largest), largest

    def scatter_add(self, view: View, values: Values, exponent: int) -> None:
        """Add values · 2^exponent to the nodes seen."""
        if not values.any():
            return
        here = slice(*view.span()) if view.ids is None else view.ids[view.ids >= 0]
        before, empty = self.exponent[here], self.mantissa[here] == 0
        after = np.where(empty, exponent, np.maximum(before, exponent)).astype(np.int32)
        self.mantissa[here] = np.ldexp(self.mantissa[here], np.where(empty, 0, before - after))
        self.exponent[here] = after
        seen = view.gather(self.exponent).astype(np.int32)
        view.scatter_add(self.mantissa, np.ldexp(values, exponent - seen))

    def part(self, nodes: NDArray[np.int64]) -> Scaled:
        """Return the values of some nodes, as others."""
        found = Scaled(self.mantissa[nodes])
        found.exponent[:] = self.exponent[nodes]
        return found

    def add(self, nodes: NDArray[np.int64], values: Scaled) -> None:
        """Add values to some nodes, one each."""
        at_work = values.mantissa != 0
        nodes, mantissa = nodes[at_work], values.mantissa[at_work]
        exponent, before = values.exponent[at_work], self.exponent[nodes]
        empty = self.mantissa[nodes] == 0
        after = np.where(empty, exponent, np.maximum(before, exponent))
        old = np.ldexp(self.mantissa[nodes], np.where(empty, 0, before - after))
        self.mantissa[nodes] = old + np.ldexp(mantissa, exponent - after)
        self.exponent[nodes] = after

    def any(self) -> bool:
        """Return whether a value is not zero."""
        return bool(self.mantissa.any())

    def values(self) -> Values:
        """Return the values as floats, infinite where they are too large for one."""
        with np.errstate(over="ignore"):
            return np.asarray(np.ldexp(self.mantissa, self.exponent))

    def log10(self) -> Values:
        """Return the decimal logarithm of their sizes, −∞ for 0."""
        with np.errstate(divide="ignore"):
            return np.asarray(np.log10(np.abs(self.mantissa)) + self.exponent * np.log10(2.0))

    def sum(self, nodes: NDArray[np.int64]) -> Scaled:
        """Return the sum over some nodes, as one value."""
        total = Scaled(np.zeros(1))
        values, exponent = self.gather(View.of(nodes))
        total.mantissa[:], total.exponent[:] = values.sum(), exponent
        return total
