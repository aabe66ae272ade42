"""Modules that run on data, followed operation by operation."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping
from functools import partial
from typing import Any

import numpy as np
import torch

from cntgraph.adapters.execution import Batching, Execution, Observed
from cntgraph.adapters.torch.example import Example
from cntgraph.adapters.torch.live import call_module, evaluating, trace_live
from cntgraph.adapters.torch.script import Replay, Script
from cntgraph.core.errors import InputShapeError
from cntgraph.core.types import Array


def execution_of(model: torch.nn.Module, given: Observed) -> Execution:
    """Return what runs a module on data; it is left as it was.

    Parameters
    ----------
    given : Observed
        What it is traced with.
    """
    builder = trace_live(model, given)
    assert builder.sightings is not None
    example, script = builder.sightings.notes
    runner = partial(_Runner, model, example, script)
    batching = Batching(example.axis if example.batched else None)
    return Execution(given, builder, runner, len(example.tensors), batching)


class _Runner:
    """Runs a module on a batch, and keeps some of its tensors."""

    def __init__(
        self, model: torch.nn.Module, example: Example, script: Script, keys: Collection[Hashable]
    ) -> None:
        self.model, self.example, self.script, self.keys = model, example, script, keys

    def __call__(self, inputs: tuple[Array, ...]) -> Mapping[Hashable, Array]:
        example = self._example(inputs)
        replay = Replay(self.script, self.keys)
        with evaluating(self.model):
            call_module(self.model, example, replay)
        return replay.kept

    def _example(self, inputs: tuple[Array, ...]) -> Example:
        """Return the example with other values."""
        pairs = zip(inputs, self.example.tensors, strict=True)
        values = iter([_like(array, tensor) for array, tensor in pairs])

        def filled(value: Any) -> Any:
            return next(values) if isinstance(value, torch.Tensor) else value

        args = tuple(map(filled, self.example.args))
        named = {name: filled(value) for name, value in self.example.named.items()}
        return Example(args, named, self.example.axis, batched=self.example.batched)


def _like(array: Array, tensor: torch.Tensor) -> torch.Tensor:
    """Return an array as a tensor of the type and on the device of another."""
    if array.ndim != tensor.ndim:
        raise InputShapeError(
            f"expected an input of {tensor.ndim} axes, the samples included, as of an array of "
            f"shape {tuple(tensor.shape)}; got shape {array.shape}"
        )
    if array.dtype.kind in "fc" and not (tensor.is_floating_point() or tensor.is_complex()):
        raise InputShapeError(f"expected whole numbers as input, got {array.dtype}")
    return torch.from_numpy(np.array(array)).to(tensor.device, tensor.dtype)
