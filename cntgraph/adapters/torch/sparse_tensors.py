"""Sparse tensors of PyTorch: what is stored of them, and dense ones in their place in a module."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from cntgraph.adapters.torch.tensors import stored_array
from cntgraph.adapters.weights.sparse import LAYOUTS, sparse_parameters
from cntgraph.core.parameter import Parameter


def layout_of(tensor: torch.Tensor) -> str:
    """Return the layout of a tensor, by name."""
    return str(tensor.layout).removeprefix("torch.")


def is_sparse(tensor: torch.Tensor) -> bool:
    """Whether a tensor is of a layout of which entries that are not stored are no edges."""
    return layout_of(tensor) in LAYOUTS and not tensor.is_complex()


def parameters_of_sparse(
    name: str, tensor: torch.Tensor, *, trainable: bool
) -> tuple[Parameter, Parameter]:
    """Return a live sparse tensor, and which of its entries it stores: they follow its training.

    Parameters
    ----------
    name : str
        Name in the model.
    trainable : bool
        False for a buffer.

    Raises
    ------
    FormatError
        If it is a batch of matrices.
    """
    arrays, dtype = zip(*map(stored_array, _parts(tensor.detach())), strict=True)
    shape, layout = tuple(tensor.shape), layout_of(tensor)
    return sparse_parameters(name, shape, dtype[-1], layout, arrays, trainable)


def _parts(tensor: torch.Tensor) -> tuple[torch.Tensor, ...]:
    if tensor.layout == torch.sparse_coo:
        whole = tensor.coalesce()
        return whole.indices(), whole.values()
    if tensor.layout in (torch.sparse_csr, torch.sparse_bsr):
        return tensor.crow_indices(), tensor.col_indices(), tensor.values()
    return tensor.ccol_indices(), tensor.row_indices(), tensor.values()


def put_dense(model: torch.nn.Module) -> dict[torch.Tensor, torch.Tensor]:
    """Put dense tensors in the place of a module's sparse ones, for it to be followed with.

    Returns
    -------
    dict of torch.Tensor to torch.Tensor
        By each dense tensor, the sparse one. Who calls this puts them back (`untouched`).
    """
    made: dict[torch.Tensor, torch.Tensor] = {}
    for table, name, tensor in list(_tables(model)):
        if is_sparse(tensor):
            dense = tensor.detach().to_dense()
            trained = isinstance(tensor, torch.nn.Parameter)
            table[name] = torch.nn.Parameter(dense, requires_grad=False) if trained else dense
            made[table[name]] = tensor
    return made


def _tables(
    model: torch.nn.Module,
) -> Iterator[tuple[dict[str, torch.Tensor | None], str, torch.Tensor]]:
    for module in model.modules():
        for table in (module._parameters, module._buffers):
            for name, tensor in table.items():
                if tensor is not None:
                    yield table, name, tensor
