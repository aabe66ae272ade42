"""Layout: where the parameters of a network lie in a flat row of weights."""

from __future__ import annotations

from ast import literal_eval
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from os import PathLike
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.errors import CntGraphError
from cntgraph.core.parameter import Parameter

if TYPE_CHECKING:
    import pandas as pd

    LayoutLike: TypeAlias = "pd.DataFrame | str | PathLike[str] | Iterable[Sequence[Any]] | None"

#: What the columns of a table may be called; the later names are those of the Small CNN Zoo.
_COLUMNS: Final = {
    "name": ("name", "varname"), "offset": ("offset", "start_idx"), "shape": ("shape",),
    "order": ("order",),
}  # fmt: skip


@dataclass(frozen=True)
class Place:
    """Where the values of one parameter lie: so many from `offset` on, as an array of `shape`.

    Parameters
    ----------
    name : str
    offset : int
    shape : tuple of int
    order : "C", "F" or tuple of int, default "C"
        How they are laid out: in C or in Fortran order; or the axes of that array, in the order in
        which the parameter has them (``(3, 2, 0, 1)`` for the kernels of TensorFlow, as PyTorch
        has them).
    """

    name: str
    offset: int
    shape: tuple[int, ...]
    order: str | tuple[int, ...] = "C"

    @property
    def stop(self) -> int:
        """Where the next one may begin."""
        return self.offset + prod(self.shape)

    @property
    def axes(self) -> tuple[int, ...]:
        """The axes of the values as they lie, in the order of the parameter's."""
        if not isinstance(self.order, str):
            return self.order
        axes = tuple(range(len(self.shape)))
        return axes if self.order == "C" else axes[::-1]

    @property
    def stored_shape(self) -> tuple[int, ...]:
        """The shape in which the values lie, in C order."""
        return self.shape[::-1] if self.order == "F" else self.shape

    @property
    def parameter_shape(self) -> tuple[int, ...]:
        """The shape of the parameter."""
        return tuple(self.stored_shape[axis] for axis in self.axes)


@dataclass(frozen=True)
class Layout:
    """The places of all parameters in a row.

    Examples
    --------
    >>> import cntgraph as cg
    >>> layout = Layout.of(None, cg.toy("mlp").parameters)
    >>> [(place.name, place.offset) for place in layout.places[:3]], layout.size
    ([('fc1.weight', 0), ('fc1.bias', 48), ('fc2.weight', 56)], 102)
    """

    places: tuple[Place, ...]

    @classmethod
    def of(cls, given: LayoutLike, parameters: Mapping[str, Parameter]) -> Layout:
        """Return the layout that is meant, after checking that it has the parameters.

        Parameters
        ----------
        given : pandas.DataFrame, path-like, iterable of (name, offset, shape[, order]) or None
            A table, or the CSV file of one, with columns ``name`` (or ``varname``), ``offset`` (or
            ``start_idx``), ``shape`` and, optionally, ``order``; None: all parameters, one behind
            the other, as they are.
        parameters : mapping of str to Parameter
            Those of the network; what is not trainable need not be in the rows.

        Returns
        -------
        Layout

        Raises
        ------
        CntGraphError
            If a parameter is missing or has another shape, or two lie in one place.
        """
        if given is None:
            return cls(tuple(_consecutive(parameters)))
        found = cls.read(given)
        _check(found, parameters)
        return found

    @classmethod
    def read(cls, given: LayoutLike) -> Layout:
        """Return a layout that is given as in `of`, whatever parameters there are."""
        return cls(tuple(_places(given)))

    @property
    def size(self) -> int:
        """Number of values of a row."""
        return max((place.stop for place in self.places), default=0)

    def parameters(self, rows: NDArray[Any], dtype: str) -> dict[str, Parameter]:
        """Return the values of each parameter in every row.

        Parameters
        ----------
        rows : ndarray, shape (n, size)
            Stored values.
        dtype : str
            Their stored type.

        Returns
        -------
        dict of str to Parameter
            Of shape (n, *shape).
        """
        found = {}
        for place in self.places:
            values = rows[:, place.offset : place.stop].reshape(len(rows), *place.stored_shape)
            values = values.transpose(0, *(1 + axis for axis in place.axes))
            found[place.name] = Parameter(place.name, values.shape, dtype, values)
        return found


def _consecutive(parameters: Mapping[str, Parameter]) -> Iterable[Place]:
    offset = 0
    for name, parameter in parameters.items():
        if parameter.trainable:
            yield Place(name, offset, tuple(parameter.shape))
            offset += parameter.size


def _places(given: LayoutLike) -> Iterable[Place]:
    for row in _rows(given):
        if not 3 <= len(row) <= 4:
            raise CntGraphError(f"expected places as (name, offset, shape[, order]), got {row}")
        order = _order(row[3]) if len(row) == 4 else "C"
        yield Place(str(row[0]), _whole(row[1]), _shape(row[2]), order)


def _rows(given: Any) -> Iterator[tuple[Any, ...]]:
    import pandas as pd

    if isinstance(given, str | PathLike):
        given = _read_table(given)
    if isinstance(given, pd.DataFrame):
        _check_ends(given)
        return zip(*(given[column] for column in _columns(given)), strict=True)
    return ((*entry,) for entry in given)


def _read_table(path: str | PathLike[str]) -> pd.DataFrame:
    import pandas as pd

    try:
        return pd.read_csv(path)
    except (ValueError, OSError) as error:
        raise CntGraphError(
            f"{path}: expected a layout as a CSV file; it cannot be read ({error})"
        ) from error


def _columns(table: pd.DataFrame) -> list[str]:
    """Return the columns in which names, offsets, shapes and, if given, orders stand."""
    found = []
    for what, names in _COLUMNS.items():
        named = [name for name in names if name in table.columns]
        if named:
            found.append(named[0])
        elif what != "order":
            expected = " or ".join(map(repr, names))
            raise CntGraphError(
                f"expected a layout with a column {expected}; it has {[*table.columns]}"
            )
    return found


def _check_ends(table: pd.DataFrame) -> None:
    """Raise if a table says where values end, and they do not."""
    if "end_idx" not in table.columns:
        return
    name, offset, shape = (table[column] for column in _columns(table)[:3])
    for k, end in enumerate(table["end_idx"]):
        stop = Place(str(name[k]), _whole(offset[k]), _shape(shape[k])).stop
        if stop != end:
            raise CntGraphError(
                f"layout: expected {name[k]!r} of shape {shape[k]} to end at {stop}, got {end}"
            )


def _literal(value: Any) -> Any:
    """Return what a cell of a CSV file says; numbers and tuples of them, no code."""
    try:
        return literal_eval(value) if isinstance(value, str) else value
    except (ValueError, SyntaxError) as error:
        raise CntGraphError(f"expected numbers in a layout, got {value!r}") from error


def _whole(value: Any) -> int:
    found = _literal(value)
    if not isinstance(found, int | np.integer) or found < 0:
        raise CntGraphError(f"expected whole numbers of 0 or more in a layout, got {value!r}")
    return int(found)


def _shape(value: Any) -> tuple[int, ...]:
    found = _literal(value)
    several = found if isinstance(found, Iterable) else (found,)
    return tuple(map(_whole, several))


def _order(value: Any) -> str | tuple[int, ...]:
    if isinstance(value, float) and np.isnan(value):  # an empty cell
        return "C"
    return value if value in ("C", "F") else _shape(value)


def _check(layout: Layout, parameters: Mapping[str, Parameter]) -> None:
    names = [place.name for place in layout.places]
    unknown = [name for name in names if name not in parameters]
    needed = [p.name for p in parameters.values() if p.trainable]
    missing = [name for name in needed if name not in names]
    if unknown or missing or len(set(names)) < len(names):
        raise CntGraphError(
            f"expected a layout with each of the template's parameters once, {needed}; got {names}"
        )
    for place in layout.places:
        own = tuple(parameters[place.name].shape)
        if sorted(place.axes) != list(range(len(place.shape))) or place.parameter_shape != own:
            raise CntGraphError(
                f"layout: expected {place.name!r} of shape {own}, got shape {place.shape} in order "
                f"{place.order!r}; other axes can be named: order=(3, 2, 0, 1) brings the kernels "
                "of TensorFlow to PyTorch's order"
            )
    ordered = sorted(layout.places, key=lambda place: place.offset)
    for before, after in pairwise(ordered):
        if before.stop > after.offset:
            raise CntGraphError(f"layout: {before.name!r} and {after.name!r} overlap")
