"""Images: what windows slide over, several of one sample included."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cntgraph.adapters.tracing.batch import MixedSamplesError, Samples
from cntgraph.adapters.tracing.tracer import Tracer
from cntgraph.adapters.tracing.values import Neurons
from cntgraph.core.types import Ids


@dataclass(frozen=True, eq=False)
class Images:
    """The images of one sample, usually one, channels first.

    Several that are folded into the batch (frames, views) are positions along one more axis,
    which no window mixes.

    Parameters
    ----------
    ids : ndarray of int64, shape (channels, *positions), or (channels, images, *positions)
    number : int
        How many images there are.
    samples : Samples
        Where the samples of the batch lie.
    batched : bool
        Whether there is an axis of images at all.
    """

    ids: Ids
    number: int
    samples: Samples
    batched: bool

    @classmethod
    def of(cls, t: Tracer, x: Neurons, rank: int) -> Images:
        """Return the images among neurons.

        Parameters
        ----------
        x : Neurons
            Of shape (images, channels, *positions), or (channels, *positions).
        rank : int
            Number of axes of positions.
        """
        samples, batched = t.samples(x), x.ids.ndim == rank + 2
        if samples.places is None or not batched:
            samples = Samples(number=samples.number)
        elif samples.axis != 0:
            raise MixedSamplesError
        one = samples.first(x.ids)
        images = one if batched and not samples.alone else one[None]
        number = len(images)
        ids = images[0] if number == 1 else np.moveaxis(images, 1, 0)
        return cls(ids, number, samples, batched)

    def spread(self, made: Ids) -> Ids:
        """Return what was made of the images, in the shape of the batch."""
        images = made[None] if self.number == 1 else np.moveaxis(made, 1, 0)
        alone = self.samples.alone or not self.batched
        return self.samples.spread(images[0] if alone else images)
