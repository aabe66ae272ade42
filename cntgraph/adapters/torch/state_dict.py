"""State dicts of PyTorch: tensors by name, live or as a file describes them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import numpy as np
import torch

from cntgraph.adapters.torch.sparse_tensors import is_sparse, parameters_of_sparse
from cntgraph.adapters.torch.tensors import parameter_of
from cntgraph.adapters.weights.checkpoint_values import StoredTensor
from cntgraph.adapters.weights.packed import unpacked
from cntgraph.adapters.weights.tensors import Tensors
from cntgraph.core.errors import ParameterError

#: Why complex numbers, which are pairs of real ones, are in no network without a model.
COMPLEX = "complex numbers, whose graph only a model tells"
#: What a tensor is: a live one, or what a file says of one.
TENSORS = (torch.Tensor, StoredTensor)


def is_state(source: object) -> bool:
    """Return whether `source` is a state dict: names, and tensors among the values."""
    return isinstance(source, Mapping) and any(
        isinstance(name, str) and isinstance(value, TENSORS) for name, value in source.items()
    )


def tensors_of(state: Mapping[str, Any]) -> Tensors:
    """Return the tensors of a live state dict; they follow the training.

    Parameters
    ----------
    state : mapping of str to torch.Tensor
        Values that are no tensors of real numbers are left out with a reason.
    """
    found, first = Tensors(), dict[Any, str]()
    for name, value in tensors_in(state, found):
        if is_sparse(value):
            found.parameters += parameters_of_sparse(name, value, trainable=True)
            continue
        try:
            parameter = parameter_of(name, value, trainable=True)
            if value.is_complex():
                found.reasons[name] = COMPLEX
        except (ParameterError, NotImplementedError, RuntimeError, TypeError):
            dtype, layout = (str(v).removeprefix("torch.") for v in (value.dtype, value.layout))
            leave_out_tensor(found, name, value, dtype, "meta" if value.is_meta else layout)
            continue
        place = (value.data_ptr(), value.dtype, tuple(value.shape), value.stride())
        if value.numel() and place in first:
            found.same[name] = first[place]
        else:
            first[place] = name
            found.parameters.append(parameter)
    return unpacked(found)


def tensors_in(state: Mapping[str, Any], found: Tensors) -> Iterator[tuple[str, Any]]:
    """Yield the tensors of a state dict; note what else it holds."""
    for name, value in state.items():
        if isinstance(value, TENSORS):
            yield str(name), value
        elif isinstance(value, np.ndarray):
            found.add_array(str(name), value)
        else:
            kind = "parameter" if holds_tensors(value) else "buffer"
            reason = f"no tensor: a value of type {type(value).__name__}"
            found.leave_out(str(name), (), "", reason, kind)


def leave_out_tensor(found: Tensors, name: str, value: Any, dtype: str, layout: str) -> None:
    """Note a tensor that is not of real numbers in a row."""
    reason = f"no plain numbers: a {layout} tensor of type {dtype}"
    found.leave_out(name, tuple(value.shape), dtype, reason)


def holds_tensors(value: Any, depth: int = 3) -> bool:
    """Whether a value is a tensor, or a container of some."""
    if isinstance(value, Mapping):
        value = value.values()
    elif not isinstance(value, list | tuple):
        return isinstance(value, TENSORS)
    return depth > 0 and any(holds_tensors(item, depth - 1) for item in islice(value, 100))
