"""Other values for the tensors of a live module, for a while."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import torch

from cntgraph.adapters.torch.tensors import parameter_of, stored_array, tensor_of
from cntgraph.core.errors import ParameterError
from cntgraph.core.names import some_of
from cntgraph.core.parameter import Parameter


@contextmanager
def other_values(model: torch.nn.Module, parameters: Mapping[str, Parameter]) -> Iterator[None]:
    """Put values into the parameters and buffers of a module, and its own back afterwards.

    Parameters
    ----------
    model : torch.nn.Module
        Keeps its tensors: only what they hold is another, so that tensors which it has under
        several names, or elsewhere, follow.
    parameters : mapping of str to Parameter
        By name, as `module_parameters` lists them; others that are not trained are left out:
        constants of the network.

    Raises
    ------
    ParameterError
        If they are not those of the module. Nothing was changed then.
    """
    tensors = dict((*model.named_parameters(), *model.named_buffers()))
    _check(tensors, parameters)
    before: dict[str, torch.Tensor] = {}
    try:
        for name, tensor in tensors.items():
            bits = parameters[name].raw()
            if np.array_equal(stored_array(tensor)[0], bits):
                continue
            before[name] = tensor.data.clone()
            # By way of .data: no graph of autograd that waits for its backward pass takes notice.
            dtype, is_complex = parameters[name].dtype, tensor.is_complex()
            tensor.data.copy_(tensor_of(bits, dtype, is_complex=is_complex))
        yield
    finally:
        for name, values in before.items():
            tensors[name].data.copy_(values)


def _check(tensors: Mapping[str, torch.Tensor], parameters: Mapping[str, Parameter]) -> None:
    """Raise where the tensors of a module and some values do not belong together."""
    missing = [name for name in tensors if name not in parameters]
    strange = [name for name, p in parameters.items() if p.trainable and name not in tensors]
    if missing or strange:
        raise ParameterError(
            "expected the parameters and buffers of the model, by name; missing are "
            f"{some_of(map(repr, missing))}, and the model has no {some_of(map(repr, strange))}. "
            "Pass the model that was recorded"
        )
    for name, tensor in tensors.items():
        own, given = parameter_of(name, tensor, trainable=False), parameters[name]
        if (own.shape, own.dtype) != (given.shape, given.dtype):
            raise ParameterError(
                f"the tensor {name!r}: the model has {own.dtype} of shape {own.shape}, the values "
                f"are {given.dtype} of shape {given.shape}; pass the model that was recorded, in "
                "the type that it had then"
            )
