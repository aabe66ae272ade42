"""Conv: the unrolled edges of a convolution in any number of dimensions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import reduce
from itertools import pairwise, product
from math import prod
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.compiling import read_only
from cntgraph.core.parallel import ordered_map
from cntgraph.core.recipe import Recipe
from cntgraph.core.types import Array, Values
from cntgraph.core.view import View
from cntgraph.network.blocks.base import Block
from cntgraph.network.blocks.block_sums import ClassSums
from cntgraph.network.blocks.class_values import ClassValues, Sides
from cntgraph.network.blocks.conv_product import ConvProduct
from cntgraph.network.blocks.conv_uses import ConvUses
from cntgraph.network.blocks.csr import Starts, fill_threads
from cntgraph.network.blocks.histogram import Bins
from cntgraph.network.blocks.row_classes import RowClasses
from cntgraph.network.blocks.row_column_sums import RowColumnSums, row_column_sums
from cntgraph.network.blocks.tap_sums import TapSums
from cntgraph.network.blocks.transform import Transform
from cntgraph.network.blocks.weight_uses import Ends, WeightUses
from cntgraph.network.blocks.window import Side, Window

Slices = tuple[slice, ...]


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Conv(Block):
    """The edges of a convolution, unrolled: one node per channel and position, one edge per tap.

    Output channel c at position o receives, from input channel k at o·s − p + t·d, an edge of
    weight K[c, k, t]; taps on padding are no edges. With V[t, o] = 1 where tap t of position
    o is a node, and U[t, q] = 1 where position q is read by tap t,

        in-strength[c, o]  = Σₜ V[t, o] Σₖ f(K[c, k, t])
        out-strength[k, q] = Σₜ U[t, q] Σ꜀ f(K[c, k, t])

    both separable over the axes, so that a pass over the kernel and one write per node suffice.
    A transposed convolution is the same operator with source and target exchanged.

    Parameters
    ----------
    windows : tuple of Window
        One a spatial axis.
    groups : int, default 1
        Number of groups of channels; as many as input channels is a depthwise convolution.
    transposed : bool, default False
        Whether the source is the coarse side.
    weight : Recipe
        Shape (coarse channels, fine channels / groups, *kernel), as PyTorch stores both
        ``Conv`` and ``ConvTranspose``.

    Examples
    --------
    >>> from cntgraph.core.parameter import Parameter
    >>> from cntgraph.core.view import View
    >>> w = Recipe.of(Parameter.from_array("w", np.array([[[1.0, 10.0, 100.0]]])))
    >>> block = Conv(name="conv", source=View((1, 4), 0), target=View((1, 4), 4), weight=w,
    ...              windows=(Window(fine=4, coarse=4, kernel=3, before=1),))
    >>> block.to_csr().toarray()
    array([[ 10.,   1.,   0.,   0.],
           [100.,  10.,   1.,   0.],
           [  0., 100.,  10.,   1.],
           [  0.,   0., 100.,  10.]])
    >>> block.sums("signed")["signed"].column
    array([110., 111., 111.,  11.])
    """

    kind: ClassVar[str] = "conv"

    weight: Recipe
    windows: tuple[Window, ...]
    groups: int = 1
    transposed: bool = False
    parametric: bool = True

    def __post_init__(self) -> None:
        coarse, inner = self.weight.shape[:2]
        expected = (coarse, self._fine_channels // self.groups, *(w.kernel for w in self.windows))
        self._check(self.weight.shape == expected, f"a weight of shape {expected}")
        self._check(inner * self.groups == self._fine_channels, "channels divisible by groups")
        self._check(coarse % self.groups == 0, "channels divisible by groups")
        fine, coarse_view = self._sides(self.source, self.target)
        self._check(fine.shape[1:] == tuple(w.fine for w in self.windows), "the windows' sizes")
        self._check(
            coarse_view.shape == (coarse, *(w.coarse for w in self.windows)), "the windows' sizes"
        )

    # -- the two sides ----------------------------------------------------------------------

    def _sides(self, source: Any, target: Any) -> tuple[Any, Any]:
        """Order something that belongs to source and target as (fine, coarse); and back."""
        return (target, source) if self.transposed else (source, target)

    @property
    def _fine_channels(self) -> int:
        return (self.target if self.transposed else self.source).shape[0]

    # -- sums -------------------------------------------------------------------------------

    @property
    def _n_edges(self) -> int:
        """Number of edges: kernel entries times the positions each is used at."""
        if self.source.mask is not None:
            return super()._n_edges
        uses = prod(int(w.coarse_cover.sum()) for w in self.windows)
        return self.weight.shape[0] * self.weight.shape[1] * uses

    def _sums(self, transforms: tuple[Transform, ...], statistics: bool | Bins) -> ClassSums:
        sums, found = row_column_sums(
            self.weight, transforms, groups=self.groups, statistics=statistics
        )
        return ClassSums({t: self.sides_of(own) for t, own in sums.items()}, found)

    def sides_of(self, sums: RowColumnSums) -> Sides:
        """Return the sums at every position, given those of the kernel."""
        fine = self.tap_sums("fine").of_table(sums.column.reshape(self._fine_channels, -1))
        coarse = self.tap_sums("coarse").of_table(sums.row.reshape(self.weight.shape[0], -1))
        return self.sides_at(fine, coarse)

    def sides_at(self, fine: ClassValues, coarse: ClassValues) -> Sides:
        """Return the sums that are known at the fine and at the coarse positions."""
        return Sides(*self._sides(fine, coarse))

    def tap_sums(self, side: Side) -> TapSums:
        """Return how the sums of the taps of a channel make those at the positions of one side."""
        return TapSums.of(self.windows, side)

    # -- uses of weights ----------------------------------------------------------------------

    def _weight_uses(self, ends: Ends) -> WeightUses:
        """Return how often the nodes of a layer meet each weight: see `ConvUses`."""
        views, shape = (self.source, self.target), self.weight.shape
        found = ConvUses(*views, self.windows, shape, self.groups, self.transposed).at(ends)
        if found is not None:
            return found
        begin, end = ends.of_block(*views)
        if (begin and end) or (end and self.source.mask is not None):
            return super()._weight_uses(ends)
        return self._uses_of_one_channel(ends, at_source=begin)

    def _uses_of_one_channel(self, ends: Ends, *, at_source: bool) -> WeightUses:
        """Return the uses at one end by the edges to one channel a group at the other, times all.

        They are the same for each of these, also where nodes are seen at several positions.
        """
        coarse, inner, *kernel = self.weight.shape
        at_fine, n = at_source != self.transposed, self.groups
        channels, others = ((n, inner), coarse // n) if at_fine else ((coarse, 1), inner)
        source, target = (View((n, *view.shape[1:])) for view in (self.source, self.target))
        source, target = (self.source, target) if at_source else (source, self.target)
        weight = Recipe.constant(np.zeros([*channels, *kernel]))
        block = replace(self, weight=weight, source=source, target=target, bias=None)
        only = Ends(ends.nodes, incoming=not at_source, outgoing=at_source)
        return WeightUses.of_edges(block.carried_weights(), only).times(others)

    # -- products ---------------------------------------------------------------------------

    def _apply(self, x: Values, transform: Transform) -> Values:
        product = self._product(transform)
        return product.to_coarse(x) if self.transposed else product.to_fine(x)

    def _apply_transposed(self, z: Values, transform: Transform) -> Values:
        product = self._product(transform)
        return product.to_fine(z) if self.transposed else product.to_coarse(z)

    def _product(self, transform: Transform) -> ConvProduct:
        return ConvProduct(self.weight, self.windows, self.groups, transform)

    # -- explicit edges -----------------------------------------------------------------------

    def fill(self, starts: Starts, column: int, indices: Array, data: Array) -> None:
        """Write the edges of every row into the arrays of a CSR matrix (see `Block.fill`)."""
        from cntgraph.core.kernels.csr_rows import fill_convolution

        kernel, rows_per_group = self.row_kernel()
        rows = RowClasses.of(*self.pattern())
        n_positions = prod(self.target.shape[1:])

        def work(part: tuple[tuple[int, int], tuple[int, int]]) -> None:
            fill_convolution(
                kernel, rows_per_group, n_positions, *rows, *part, starts, column, indices, data
            )

        parts = product(_parts(self.source.shape[0]), _parts(rows.order.size))
        for _ in ordered_map(work, parts, threads=fill_threads(indices)):
            pass

    def row_kernel(self) -> tuple[Array, int]:
        """Return the kernel as (source channels, target channels of a group, taps).

        Returns
        -------
        kernel : ndarray
        rows_per_group : int
            Source channels of a group.
        """
        coarse, inner = self.weight.shape[:2]
        kernel = self.weight.read().reshape(coarse, inner, -1)
        if self.transposed:
            return read_only(np.ascontiguousarray(kernel)), coarse // self.groups
        grouped = kernel.reshape(self.groups, coarse // self.groups, inner, -1)
        by_fine = grouped.transpose(0, 2, 1, 3).reshape(self._fine_channels, -1, kernel.shape[2])
        return read_only(np.ascontiguousarray(by_fine)), inner

    def pattern(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Return the edges of one source and one target channel, as a CSR over source positions.

        Returns
        -------
        indptr : ndarray of int64, shape (positions of a source channel + 1,)
        tap, position : ndarray of int64
            Of each edge: the place in the flattened kernel, and the target position.
        """
        axes = []
        for window in self.windows:
            fine, coarse, tap = window.pairs()
            rows, positions = self._sides(fine, coarse)
            axes.append(
                (rows, positions, tap, *self._sides(window.fine, window.coarse), window.kernel)
            )
        empty = np.zeros(1, dtype=np.int64)
        start = (empty, empty, empty, 1, 1, 1)
        row, position, tap, n_rows, n_positions, _ = reduce(_combine, axes, start)
        order = np.argsort(row * n_positions + position, kind="stable")
        counts = np.bincount(row, minlength=n_rows)
        indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        return indptr, tap[order], position[order]

    # -- as data --------------------------------------------------------------------------------

    def geometry(self) -> dict[str, Any]:
        """Return windows, groups and direction."""
        windows = [asdict(window) for window in self.windows]
        return {"windows": windows, "groups": self.groups, "transposed": self.transposed}

    @classmethod
    def from_geometry(cls, geometry: Mapping[str, Any], **common: Any) -> Conv:
        """Rebuild the block from `geometry` and the fields common to all blocks."""
        windows = tuple(Window(**window) for window in geometry["windows"])
        transposed = bool(geometry["transposed"])
        return cls(windows=windows, groups=geometry["groups"], transposed=transposed, **common)


def _parts(n: int) -> list[tuple[int, int]]:
    """Return the bounds of up to four parts of n."""
    cuts = [n * k // 4 for k in range(5)]
    return [(a, b) for a, b in pairwise(cuts) if a < b]


def _combine(left: Any, right: Any) -> Any:
    """Return all pairs of the edges of two axes: rows, positions and taps in C order."""
    sizes = [left[k] * right[k] for k in (3, 4, 5)]
    grids = [np.add.outer(left[k] * right[k + 3], right[k]).reshape(-1) for k in (0, 1, 2)]
    return (*grids, *sizes)
