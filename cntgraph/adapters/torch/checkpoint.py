"""PyTorch checkpoints: weights without a graph, or put into the graph of a live module.

A checkpoint (.pt, .pth, .ckpt, .bin) is a zip archive with a pickle inside, and reading a pickle
can run code. It is read as data here (`weights.pickled`), and values are read when needed.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any

from cntgraph.adapters.torch.checkpoint_archive import CheckpointArchive, archive_of
from cntgraph.adapters.torch.checkpoint_contents import note_others, weights_in
from cntgraph.adapters.torch.distributed import METADATA, read_distributed
from cntgraph.adapters.torch.state_dict import COMPLEX, leave_out_tensor, tensors_in
from cntgraph.adapters.weights.checkpoint_values import PARTS, StoredTensor
from cntgraph.adapters.weights.pickled import SAVE, read_pickle
from cntgraph.adapters.weights.shards import INDEX, read_model
from cntgraph.adapters.weights.sparse import LAYOUTS, sparse_parameters
from cntgraph.adapters.weights.tensors import Tensors
from cntgraph.core.errors import FormatError

SUFFIXES = (".pt", ".pth", ".ckpt", ".bin", f".bin{INDEX}")


def read_tensors(path: Path) -> Tensors:
    """Return the tensors of a checkpoint; their values stay in the file.

    Parameters
    ----------
    path : Path
        A state dict saved by ``torch.save``, or a dict with one among other things, as Lightning
        writes it; the index of several (``pytorch_model.bin.index.json``), or a folder of them.

    Returns
    -------
    Tensors
        With ``epoch`` and ``step`` as labels, where the checkpoint has them.

    Raises
    ------
    UnsafeFileError
        If it holds more than tensors and plain containers.
    FormatError
        If it is damaged, or holds no weights.
    """
    if path.is_dir() and (path / METADATA).is_file():
        return read_distributed(path)
    return read_model(path, _read_file, ".bin", "pytorch_model.bin")


# -- reading a file ---------------------------------------------------------------------------


def _read_file(path: Path) -> Tensors:
    """Return the tensors of one file."""
    archive = archive_of(path)
    loaded = read_pickle(archive.read("data.pkl"), path)
    if isinstance(loaded, StoredTensor):
        loaded = {path.stem: loaded}
    keys, state = weights_in(loaded, path)
    found = _tensors_of(archive, state)
    _check_sizes(state, path)
    note_others(loaded, keys, found)
    return found


def _tensors_of(archive: CheckpointArchive, state: Mapping[str, Any]) -> Tensors:
    """Return the tensors of a state dict, of which values are read when needed."""
    found, first = Tensors(), dict[StoredTensor, str]()
    for name, tensor in tensors_in(state, found):
        if tensor in first and prod(tensor.shape):
            found.same[name] = first[tensor]
            continue
        first[tensor] = name
        if tensor.dtype in PARTS and tensor.storage is not None:
            tensor, found.reasons[name] = tensor.pairs, COMPLEX
        parts = tensor.parts or (tensor,)
        whole = len(parts) == LAYOUTS.get(tensor.layout, 1)
        if not whole or not all(part.is_plain for part in parts):
            leave_out_tensor(found, name, tensor, tensor.dtype, tensor.layout)
            continue
        arrays = [archive.array(name, part) for part in parts]
        if tensor.parts:
            given = name, tensor.shape, tensor.dtype, tensor.layout, arrays
            found.parameters += sparse_parameters(*given)
        else:
            found.add(name, tensor.shape, tensor.dtype, arrays[0])
    return found


def _check_sizes(state: Mapping[str, Any], path: Path) -> None:
    """Raise where tensors show more values than the file holds: one value shown many times."""
    size = path.stat().st_size
    own = {value for value in state.values() if isinstance(value, StoredTensor)}
    tensors = own.union(*(tensor.parts for tensor in own))
    shown = [prod(tensor.shape) for tensor in tensors if tensor.storage is not None]
    if max(shown, default=0) > size or sum(shown) > 16 * size:
        raise FormatError(
            f"{path}: its tensors show more values than the file of {size} bytes holds; {SAVE}"
        )
