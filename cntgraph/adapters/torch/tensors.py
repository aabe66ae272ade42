"""PyTorch tensors as parameters: the stored bits, in memory shared with the tensor."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.parameter import is_lazy

from cntgraph.core.errors import ParameterError
from cntgraph.core.parameter import EXTENDED, Parameter


def stored_array(tensor: torch.Tensor) -> tuple[NDArray[Any], str]:
    """Return the bits of a tensor as an array that shares its memory, and its stored type.

    Complex numbers are pairs of real ones, along a last axis.

    Parameters
    ----------
    tensor : torch.Tensor
        Any strides; on another device than the CPU it is copied.

    Raises
    ------
    ParameterError
        If the tensor is sparse or quantized, or has no values.
    """
    if is_lazy(tensor) or tensor.is_meta:
        raise ParameterError(
            "expected tensors with values, got some on the device 'meta', which has none, or of a "
            "lazy module; load the weights first, or call the model once"
        )
    plain = tensor.detach().cpu()
    if plain.is_complex():
        plain = torch.view_as_real(plain.resolve_conj())
    name = str(plain.dtype).removeprefix("torch.")
    if plain.layout != torch.strided or plain.is_quantized:
        raise ParameterError(
            f"expected a dense tensor of real numbers, got {plain.layout} of {plain.dtype}; "
            "convert the model's parameters with .to_dense() or .dequantize() first"
        )
    if type(plain) not in (torch.Tensor, torch.nn.Parameter):
        raise ParameterError(
            f"expected plain tensors, got {type(plain).__name__}; a DTensor of several devices is "
            "gathered by .full_tensor(), a quantized one made plain by .dequantize()"
        )
    if plain.dtype == torch.bfloat16:
        return plain.view(torch.int16).numpy().view(np.uint16), name
    if name.startswith("float8_"):
        return plain.view(torch.uint8).numpy(), name
    return plain.numpy(), name


def tensor_of(bits: NDArray[Any], dtype: str, *, is_complex: bool) -> torch.Tensor:
    """Return stored bits, as of `stored_array`, as a tensor of the type that they are of."""
    bits = np.require(bits, requirements=("C", "W"))
    if dtype in EXTENDED:
        signed = bits.view(np.int16 if bits.itemsize == 2 else np.uint8)
        return torch.from_numpy(signed).view(getattr(torch, dtype))
    values = torch.from_numpy(bits)
    return torch.view_as_complex(values) if is_complex else values


def parameter_of(name: str, tensor: torch.Tensor, *, trainable: bool) -> Parameter:
    """Return a parameter that reads a live tensor: it follows the tensor's training.

    Parameters
    ----------
    name : str
        Name in the model.
    trainable : bool
        False for a buffer.
    """
    array, dtype = stored_array(tensor)
    return Parameter.from_array(name, array, dtype=dtype, trainable=trainable)


#: Why a tensor that is no weight is in no block.
NO_WEIGHT = "no weight: indices, a mask or a counter"


def is_weight(parameter: Parameter) -> bool:
    """Return whether a tensor of a model can be a weight; indices, masks and counters are none."""
    return parameter.trainable or parameter.dtype not in ("bool", "int16", "int32", "int64")


def is_constant_mask(tensor: torch.Tensor) -> bool:
    """Return whether a tensor hides positions: truth values, or numbers of which some are -∞."""
    return tensor.dtype == torch.bool or bool(
        tensor.is_floating_point() and tensor.isneginf().any()
    )
