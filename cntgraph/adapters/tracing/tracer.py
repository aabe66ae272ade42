"""Tracer: what a framework owes to be followed, and what all operations share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable, Iterable, Sequence
from contextlib import suppress
from hashlib import sha256
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cntgraph.adapters.builder.broadcasting import narrowed
from cntgraph.adapters.builder.sightings import Sighting
from cntgraph.adapters.tracing.batch import MixedSamplesError, Samples, find, one_a_sample
from cntgraph.adapters.tracing.constants import Constants
from cntgraph.adapters.tracing.operations import NotFollowed
from cntgraph.adapters.tracing.values import Neurons, is_learned, weights_of
from cntgraph.core.memory import check_memory
from cntgraph.core.recipe import Recipe
from cntgraph.core.recipe.movement import once
from cntgraph.core.types import Array, Ids
from cntgraph.network.blocks.base import broadcasts
from cntgraph.network.coverage import CoverageEntry

#: What is nested more deeply in operations on weights is taken as a constant.
_DEEPEST = 80
#: Stored tensors of more values are not looked at to see whether they are a mask.
_LARGEST_MASK = 1 << 26


class Tracer(Constants):
    """Turns the operations of a model into calls of a `Builder`.

    Notes
    -----
    A framework owes the abstract methods; everything else holds for all of them.

    Attributes
    ----------
    n_samples : int
        The size of the batch that a model was saved for; 0 where no axis holds samples.
    """

    n_samples = 1

    # -- what a framework owes --------------------------------------------------------------

    @abstractmethod
    def neurons(
        self, ids: Ids, samples: Samples | None = None, *, like: Neurons | None = None
    ) -> Any:
        """Return ids, the samples of a batch included, as the framework's `Neurons`.

        Parameters
        ----------
        samples : Samples, optional
            Where the samples lie, if that is known.
        like : Neurons, optional
            What they are a rearrangement of.
        """

    def name_of(self, recipe: Recipe, default: str) -> str:
        """Name an operation after the module its weight belongs to, where names tell."""
        return default

    # -- samples ----------------------------------------------------------------------------

    def samples(self, x: Neurons) -> Samples:
        """Return where the samples of a batch lie among neurons.

        Raises
        ------
        MixedSamplesError
            If they cannot be told apart.
        """
        return find(x.ids, self.n_samples)

    def without_batch(self, x: Neurons, axis: int) -> tuple[Ids, Samples]:
        """Return the ids of one sample, where the batch dimension must be `axis`.

        Raises
        ------
        MixedSamplesError
            If it is not.
        """
        samples = Samples(axis) if self.n_samples == 1 else find(x.ids, self.n_samples)
        if samples.axis not in (axis, None) or x.shape[axis] != self.n_samples:
            raise MixedSamplesError
        if samples.axis is None:  # nodes that all samples share
            samples = one_a_sample(axis, self.n_samples)
        return samples.first(x.ids), samples

    def sample(self, x: Neurons) -> Ids:
        """Return the ids of one sample, without the batch dimension."""
        return self.samples(x).first(x.ids)

    def any_sample(self, x: Neurons) -> Ids:
        """Return the ids of one sample, or of all nodes where samples are mixed."""
        try:
            return self.sample(x)
        except MixedSamplesError:
            return Samples().first(x.ids)

    def together(self, operands: Sequence[Neurons]) -> tuple[list[Ids], Samples]:
        """Broadcast neurons together; return the ids of one sample of each.

        Returns
        -------
        ids : list of ndarray of int64
            All of one shape.
        samples : Samples
            Where the samples of the result lie.

        Raises
        ------
        MixedSamplesError
            If the samples of one operand lie where those of another do not.
        """
        wide = [self.widened(x, *(other.shape for other in operands)) for x in operands]
        found = [self.samples(x) for x in wide]
        with_axis = (samples for samples in found if samples.axis is not None)
        one = next(with_axis, None) or max(found, key=lambda samples: samples.number)
        if not all(one.agrees(other) for other in found):
            raise MixedSamplesError
        return [one.first(x.ids) for x in wide], one

    def made(self, ids: Ids, samples: Samples) -> Any:
        """Return the ids of one sample of a result as neurons, the batch put back."""
        return self.neurons(samples.spread(ids), samples)

    def widened(self, x: Neurons, *shapes: tuple[int, ...]) -> Any:
        """Return neurons repeated to the shape in which they meet wider operands."""
        wide = np.broadcast_shapes(x.shape, *shapes)
        return x if wide == x.shape else self.neurons(np.broadcast_to(x.ids, wide), like=x)

    def see(self, key: Hashable, x: Neurons) -> None:
        """Note that a tensor of the framework shows neurons, where a model is to be run."""
        if self.builder.sightings is None:
            return
        if self.n_samples < 2:
            self.builder.sightings.see(Sighting(key, x.shape, self.n_samples), x.ids)
            return
        with suppress(MixedSamplesError):
            samples = self.samples(x)
            found = samples.first(x.ids)
            if samples.axis is not None and (run := samples.run) is not None:
                seen = Sighting(key, x.shape, self.n_samples, samples.axis, run)
                self.builder.sightings.see(seen, found)
            elif samples.axis is None and samples.number == 0:
                self.builder.sightings.see(Sighting(key, x.shape, self.n_samples), found)

    def note_example(self, x: Neurons, example: Any) -> None:
        """Note what the tokens of an input are in the first sample of an example that fits it."""
        values = np.asarray(example)
        if not x.is_index or values.dtype.kind not in "iub":
            return
        samples = self.samples(x)
        ids, axis = samples.first(x.ids), samples.axis or 0
        first = np.moveaxis(values, axis, 0)[:1] if values.ndim > axis else values
        values = first if first.size == ids.size else values
        if values.size == ids.size:
            self.examples |= zip(ids.ravel().tolist(), values.ravel().tolist(), strict=True)

    # -- the operations that others are made of -----------------------------------------------

    def activate(self, x: Neurons, activation: str) -> Any:
        """Apply a function to neurons; indices, which choose something, stay what they are."""
        if x.is_index:
            return x
        ids = x.ids  # a framework may make an array of it anew each time
        own = Samples().first(ids)
        made = self.builder.activate(own, activation)
        return self.neurons(made if own is ids else ids + (made - own), like=x)

    def scale(
        self, x: Neurons, weight: Recipe | None, bias: Recipe | None, name: str, **kind: Any
    ) -> Any:
        """Apply y = w ⊙ x + b to every sample; w and b broadcast against it.

        Parameters
        ----------
        weight, bias : Recipe or None
            In the shape of a batch, or of what broadcasts against one.
        **kind
            Of `Builder.scale`.
        """
        x = self.widened(x, *(recipe.shape for recipe in (weight, bias) if recipe is not None))
        samples = self.samples(x)
        ids = samples.first(x.ids)
        weight, bias = (self.of_sample(r, x, samples, ids) for r in (weight, bias))
        return self.made(self.builder.scale(name, ids, weight, bias, **kind), samples)

    def of_sample(
        self, recipe: Recipe | None, x: Neurons, samples: Samples, ids: Ids
    ) -> Recipe | None:
        """Return a recipe that broadcasts against a batch as one that does so against a sample."""
        if recipe is None:
            return None
        rank, recipe = len(x.shape), once(recipe)
        if samples.alone and samples.axis is not None and len(recipe.shape) + samples.axis >= rank:
            shape = (1,) * (rank - len(recipe.shape)) + recipe.shape
            if shape[samples.axis] != 1:
                raise MixedSamplesError
            recipe = recipe.reshape(shape[: samples.axis] + shape[samples.axis + 1 :])
        recipe = narrowed(recipe, ids.ndim)
        if not broadcasts(recipe.shape, ids.shape):
            raise NotFollowed("what it multiplies or adds differs from sample to sample")
        return recipe

    def of_weights(self, found: Any) -> Any:
        """Return what an operation made of weights alone; None, if it is nested too deeply."""
        parts = found if isinstance(found, list) else [found]
        recipes = (recipe for recipe in map(weights_of, parts) if recipe is not None)
        return None if any(recipe.depth > _DEEPEST for recipe in recipes) else found

    # -- coverage ---------------------------------------------------------------------------

    def skip(self, values: Iterable[Any], reason: str) -> None:
        """Say of all parameters among values why they are in no block."""
        for value in values:
            recipe = weights_of(value)
            if recipe is not None:
                self.builder.skip(recipe, reason)

    def freeze(self, values: Iterable[Any], operation: str) -> None:
        """Say that parameters are used with their present values, as constants.

        Their operation has no recipe, so that another snapshot would not change the result.
        """
        self.skip(values, f"used as a constant, by way of {operation}")

    def frozen(self, values: Sequence[Any], operation: str, made: Any) -> Recipe | None:
        """Return what was computed of learned parameters as weights that are not learned.

        Parameters
        ----------
        values : sequence
            The operands.
        made : constant
            What an operation without a recipe yields for their present values.

        Returns
        -------
        Recipe or None
            None for whole numbers and truth values, and where nothing was learned: constants.
        """
        self.freeze(values, operation)
        array, recipes = self.array(made), [r for r in map(weights_of, values) if r is not None]
        learned = any(is_learned(r) or self.builder.is_frozen(r) for r in recipes)
        if array is None or array.dtype.kind != "f" or not learned:
            return None
        _, bits, dtype = self.stored(made)
        return self.builder.frozen(f"{operation}.constant", bits, dtype)

    def structural(self, name: str, values: Array) -> Recipe:
        """Return constants of which edges are not learned; the same ones are stored once."""
        key = name, values.shape, sha256(values.tobytes()).digest()
        if key not in self._stored:
            self._stored[key] = self.builder.frozen(name, np.ascontiguousarray(values))
        return self._stored[key]

    def unknown(self, label: str, operation: str, shape: Sequence[int], reason: str) -> Any:
        """Return fresh neurons that nothing is known to lead to, samples along the first axis."""
        check_memory(2 * 8 * prod(shape), f"a tensor of shape {tuple(shape)}")
        batched = len(shape) > 1 and shape[0] == self.n_samples > 0
        reason = f"{reason}; the graph is cut here"
        ids = self.builder.opaque(label, shape[1:] if batched else shape, operation, reason)
        samples = one_a_sample(0, self.n_samples) if batched else Samples()
        return self.neurons(samples.spread(ids))

    def note(self, label: str, reason: str) -> None:
        """Say in the coverage table how an operation was read that depends on the input."""
        entry = CoverageEntry(label, "operation", "included", "", reason)
        if entry not in self.builder.operations:
            self.builder.operations.append(entry)

    # -- masks ------------------------------------------------------------------------------

    def mask_values(self, value: Any) -> NDArray[Any] | None:
        """Return the values of what may be a mask; None for what is looked at no further."""
        recipe = weights_of(value)
        if recipe is None:
            return self.array(value)
        small = len(recipe.shape) > 1 and prod(recipe.shape) <= _LARGEST_MASK
        return recipe.read() if small and self.may_be_mask(recipe) else None

    def may_be_mask(self, recipe: Recipe) -> bool:
        """Whether weights are none that are trained, so that they may be a mask that is stored."""
        return not is_learned(recipe)

    def use_as_mask(self, value: Any) -> None:
        """Note that weights turned out to be a mask."""
        self.skip([value], "a mask: which positions may be attended to")
