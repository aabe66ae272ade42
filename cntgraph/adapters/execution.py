"""Execution: what a framework computes for real inputs, by the nodes of the network.

While a model is traced, an adapter notes which of its tensors show which nodes (`Sightings`). It
then runs the model on a batch and hands over those tensors; here they become the values of nodes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cntgraph.adapters.arrangement import OtherRun, arrangement, by_sample, matching
from cntgraph.adapters.builder import Builder
from cntgraph.adapters.builder.sightings import Part, Reading, Sighting, Sightings
from cntgraph.adapters.options import Options
from cntgraph.core.errors import CntGraphError, InputShapeError, TraceError
from cntgraph.core.memory import check_memory
from cntgraph.core.types import Array
from cntgraph.network.node_values import NodeValues

#: Runs a model on a batch; returns tensors by their keys.
Run = Callable[[tuple[Array, ...]], Mapping[Hashable, Array]]
#: Makes that, of the keys of the tensors that are wanted; it may return fewer.
Runner = Callable[[Collection[Hashable]], Run]


class Observed(Options):
    """Options of a model that is to be run on data: what shows its nodes is noted."""

    def builder(self) -> Builder:
        """Return what a network is built with."""
        return Builder(unroll=self.unroll, sightings=Sightings())


@dataclass(frozen=True)
class Batching:
    """How a model takes samples.

    Parameters
    ----------
    axis : int or None, default 0
        The axis of samples of its inputs; None where there is none.
    size : int or None, default None
        The number of samples that it must be given at a time, if it is no matter of choice.
    least : int, default 1
        The least number of samples with which it computes what it was traced as.
    """

    axis: int | None = 0
    size: int | None = None
    least: int = 1


class Execution:
    """A model that its framework runs, seen as its network.

    Parameters
    ----------
    given : Options
        As for `load`.
    builder : Builder
        What the network was built with, of which the sightings are known.
    runner : callable
        Makes what runs the model, see `Runner`; whatever that raises is a model that fails.
    n_inputs : int
        How many arrays the model takes.
    batching : Batching
        How it takes samples.

    Attributes
    ----------
    net : Network
        As `load` gives it with the same options.
    """

    def __init__(
        self, given: Options, builder: Builder, runner: Runner, n_inputs: int,
        batching: Batching | None = None,
    ) -> None:  # fmt: skip
        assert builder.sightings is not None
        self.net = given.finish(builder)
        assert builder.places is not None
        self.n_inputs, self.batching = n_inputs, batching or Batching()
        self._readings = {
            name: readings for name, *readings in builder.sightings.readings(builder.places)
        }
        keys = {part.sighting.key for part in self._parts()}
        self._run = runner(keys - {("input", k) for k in range(n_inputs)})
        #: How values of several samples lie where a batch of one does not tell, once it is known.
        self._runs: dict[Sighting, int] = {}
        self._one_by_one = False

    def _all(self) -> list[Reading]:
        return [reading for pair in self._readings.values() for reading in pair if reading]

    def _parts(self) -> list[Part]:
        return [part for reading in self._all() for part in reading.parts]

    def run(self, inputs: tuple[Array, ...]) -> dict[str, NodeValues]:
        """Return what the layers receive and hand on for one batch, as far as tensors show it.

        Parameters
        ----------
        inputs : tuple of ndarray
            What the model takes, in its own order.

        Returns
        -------
        dict of str to NodeValues
            By the name of the layer; float32 or, where the model has it, float64.

        Raises
        ------
        InputShapeError
            If they are not as many as the model takes, or of other sizes.
        TraceError
            If the model does not compute what it did when it was traced.
        """
        if len(inputs) != self.n_inputs:
            raise InputShapeError(f"expected {self.n_inputs} inputs, got {len(inputs)}")
        inputs = tuple(np.asarray(values) for values in inputs)
        n, batching = self._n_samples(inputs), self.batching
        axis, least = batching.axis, batching.size or batching.least
        if axis is None or n == least == 1:
            return self._batch(inputs, 1)
        if batching.size is None and n >= least and not self._one_by_one:
            try:
                return self._batch(inputs, n)
            except TraceError:  # it may still do so for one sample after another
                found = self._in_pieces(inputs, axis, n, least)
                self._one_by_one = True
                return found
        return self._in_pieces(inputs, axis, n, least)

    def _in_pieces(
        self, inputs: tuple[Array, ...], axis: int, n: int, size: int
    ) -> dict[str, NodeValues]:
        """Run a model on `size` samples at a time; the last one is repeated to make up for more."""
        pieces = []
        for first in range(0, n, size):
            places = np.minimum(np.arange(first, first + size), n - 1)
            pieces.append(self._batch(_taken(inputs, places, axis, n), size))
        return _joined(pieces, n)

    def _n_samples(self, inputs: Sequence[Array]) -> int:
        """Return the number of samples.

        Raises
        ------
        InputShapeError
            If there is none, or a sample has another size than when the model was traced.
        """
        axis = self.batching.axis
        for seen in {part.sighting for part in self._parts()}:
            if isinstance(seen.key, tuple) and seen.key[0] == "input":
                _check_sample(inputs, seen.key[1], seen.shape, axis)
        sizes: list[int] = [a.shape[axis] for a in inputs if axis is not None and a.ndim > axis]
        if not sizes:
            return 1
        if sizes[0] == 0:
            raise InputShapeError("expected at least one sample, got none")
        return sizes[0]

    # -- one batch ------------------------------------------------------------------------------

    def _batch(self, inputs: tuple[Array, ...], n: int) -> dict[str, NodeValues]:
        tensors = self._tensors(inputs)
        shown = {id(r) for r in self._all() if all(p.sighting.key in tensors for p in r.parts)}
        self._settle(inputs, tensors, n)
        made: dict[int, Array] = {}
        found = {}
        for name, readings in self._readings.items():
            values = []
            for reading in readings:
                if reading and id(reading) in shown and id(reading) not in made:
                    made[id(reading)] = self._read(reading, tensors, n)
                values.append(made.get(id(reading)))
            if any(part is not None for part in values):
                found[name] = NodeValues(*values)
        return found

    def _tensors(self, inputs: tuple[Array, ...]) -> dict[Hashable, Array]:
        own: dict[Hashable, Array] = {("input", k): v for k, v in enumerate(inputs)}
        try:
            return {**own, **self._run(inputs)}
        except CntGraphError:
            raise
        except Exception as error:  # whatever the framework raises
            shapes = ", ".join(str(values.shape) for values in inputs)
            raise OtherRun(f"it fails on inputs of shape {shapes}: {error}") from error

    def _read(self, reading: Reading, tensors: Mapping[Hashable, Array], n: int) -> Array:
        """Return the values of nodes, shape (n, n_nodes)."""
        parts = [self._samples(part.sighting, tensors, n)[:, part.values] for part in reading.parts]
        if reading.n_entries:
            return _one_hot(parts[0], reading)
        if len(parts) == 1 and isinstance(reading.parts[0].nodes, slice):
            values = np.broadcast_to(parts[0], (n, reading.n_nodes))
        else:
            values = np.empty((n, reading.n_nodes), np.result_type(*parts))
            for part, own in zip(reading.parts, parts, strict=True):
                values[:, part.nodes] = own
        values = _as_float(values)
        if reading.weight is None or reading.shift is None:
            return values
        plain: Array = ((values - reading.shift) / reading.weight).astype(values.dtype)
        return plain

    def _samples(self, seen: Sighting, tensors: Mapping[Hashable, Array], n: int) -> Array:
        """Return the values of each sample that a tensor shows; one row, if all share them."""
        tensor = tensors[seen.key]
        found = arrangement(seen, tensor.shape, n)
        if found is None:
            return tensor.reshape(1, -1)
        axis, size = found
        run = seen.run if seen.n_samples > 1 else self._runs.get(seen, size)
        return by_sample(tensor, axis, n, run)

    # -- how samples lie where they share an axis with something else --------------------------

    def _settle(self, inputs: tuple[Array, ...], tensors: Mapping[Hashable, Array], n: int) -> None:
        """Find out, from the first sample run alone, how values lie that one sample does not say.

        Raises
        ------
        OtherRun
            If a sample has other values in a batch than alone.
        """
        seen = {part.sighting for part in self._parts() if part.sighting.key in tensors}
        seen -= self._runs.keys()
        unsure = {one for one in seen if self._is_unsure(one, tensors[one.key].shape, n)}
        if not unsure:
            return
        axis = self.batching.axis or 0
        alone = self._tensors(_taken(inputs, np.array([0]), axis, n))
        for one in unsure:
            tensor, wanted = tensors[one.key], alone[one.key].reshape(-1)
            found = arrangement(one, tensor.shape, n)
            assert found is not None
            self._runs[one] = matching(tensor, found, n, wanted)

    def _is_unsure(self, seen: Sighting, shape: tuple[int, ...], n: int) -> bool:
        found = arrangement(seen, shape, n) if seen.n_samples == 1 else None
        return found is not None and found[1] > 1


def _one_hot(tokens: Array, reading: Reading) -> Array:
    """Return ones at the entries that tokens are, shape (n, entries × positions)."""
    n = len(tokens)
    check_memory(4 * n * reading.n_nodes, f"the one-hot tokens of {n} samples")
    entries = np.arange(reading.n_entries)[None, :, None]
    chosen: Array = tokens[:, None, :] == entries
    return chosen.astype(np.float32).reshape(n, -1)


def _as_float(values: Array) -> Array:
    """Return values as float64 where they are as precise, else as float32."""
    wide = values.dtype.kind in "fiu" and values.dtype.itemsize > 4
    return values.astype(np.float64 if wide else np.float32, copy=False)


def _check_sample(
    inputs: Sequence[Array], k: int, wanted: tuple[int, ...], axis: int | None
) -> None:
    shape = inputs[k].shape
    same = [m == n or i == axis for i, (m, n) in enumerate(zip(shape, wanted, strict=False))]
    if len(shape) != len(wanted) or not all(same):
        raise InputShapeError(
            f"expected input {k} of shape {wanted}, any number of samples along axis {axis}; got "
            f"{shape}"
        )


def _taken(inputs: tuple[Array, ...], places: Array, axis: int, n: int) -> tuple[Array, ...]:
    """Return some samples of each input that has `n` of them."""
    return tuple(
        values.take(places, axis) if values.ndim > axis and values.shape[axis] == n else values
        for values in inputs
    )


def _joined(pieces: list[dict[str, NodeValues]], n: int) -> dict[str, NodeValues]:
    """Return the values of several batches as those of one of `n` samples."""

    def join(name: str, of: str) -> Array | None:
        values = [getattr(piece[name], of) for piece in pieces]
        return None if values[0] is None else np.concatenate(values)[:n]

    found = {}
    for name, first in pieces[0].items():
        strength = join(name, "strength")
        same = first.strength is first.activation
        found[name] = NodeValues(strength, strength if same else join(name, "activation"))
    return found
