"""Gathers that pick whole rows of a table, as embeddings do."""

from __future__ import annotations

from dataclasses import dataclass

from cntgraph.adapters.jax.program import Op
from cntgraph.core.recipe import Recipe


@dataclass(frozen=True)
class Rows:
    """How a gather picks rows of a table.

    Parameters
    ----------
    axis : int
        The axis of the table that is chosen along.
    component : int
        Which component of an index chooses.
    offsets : tuple of int
        The axes of the result that the table's other axes become.
    kept : int or None
        Where among these the axis itself stays, as one of length one.
    """

    axis: int
    component: int
    offsets: tuple[int, ...]
    kept: int | None

    def axis_first(self, recipe: Recipe) -> Recipe:
        """Return the table, the axis that is chosen along first."""
        others = (k for k in range(len(recipe.shape)) if k != self.axis)
        return recipe.transpose((self.axis, *others))

    def features(self, sizes: tuple[int, ...]) -> tuple[int, ...]:
        """Return the sizes of what is picked, from those of the table's other axes."""
        return sizes if self.kept is None else (*sizes[: self.kept], 1, *sizes[self.kept :])


def rows_of(op: Op, shape: tuple[int, ...]) -> Rows | None:
    """Return how a gather picks whole rows along one axis of a table, or None if it does not."""
    d, sizes = op.params["dimension_numbers"], tuple(op.params["slice_sizes"])
    chosen = [int(axis) for axis in d.start_index_map]
    partly = [axis for axis, n in enumerate(shape) if sizes[axis] != n]
    along = partly or [axis for axis in chosen if sizes[axis] == 1]
    if getattr(d, "operand_batching_dims", ()) or len(along) != 1 or along[0] not in chosen:
        return None
    (axis,) = along
    collapsed = [int(k) for k in d.collapsed_slice_dims]
    if sizes[axis] != 1 or collapsed not in ([], [axis]):
        return None
    kept = None if collapsed else axis
    return Rows(axis, chosen.index(axis), tuple(int(k) for k in d.offset_dims), kept)
