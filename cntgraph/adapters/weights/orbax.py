"""Checkpoints of orbax, as Flax, MaxText and others of JAX save them: a folder with ``_METADATA``.

It names the arrays of a tree, which lie beside it in the form of zarr; ``tensorstore`` reads the
part of one that is asked for. Of the tree of a training, those under ``params`` are the weights.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cntgraph.adapters.damage import damage
from cntgraph.adapters.options import Options
from cntgraph.adapters.weights.json_object import read_json
from cntgraph.adapters.weights.packed.packed_array import PackedArray, places
from cntgraph.adapters.weights.separate import Layout, network_of
from cntgraph.adapters.weights.tensors import Tensors
from cntgraph.core.errors import FormatError, require
from cntgraph.core.parameter import Parameter, storage_dtype
from cntgraph.network.network import Network

suffixes: tuple[str, ...] = ()
options = ("layout",)

METADATA = "_METADATA"
_MAX_METADATA = 1 << 28
#: Where the weights of a training are, beside the state of its optimizer.
_PARAMS = "params"
#: Of a tree, what is an array.
_ARRAYS = ("jax.Array", "np.ndarray")
#: Values for each byte that is stored, beyond which a folder holds less than it says: arrays are
#: compressed, those of zeros the most.
_MOST = 1 << 13
#: Bytes of chunks that are kept to be read again, or as many as the largest has, twice.
_KEPT = 1 << 27
_INSTEAD = "save the checkpoint again, or pass the dict of arrays that orbax restores"


def load(source: str | Path, *, layout: Layout | None = None, **shared: Any) -> Network:
    """Return the network of a checkpoint, in which each weight is a block of its own.

    Parameters
    ----------
    source : str or Path
        The folder, or that of a step of a ``CheckpointManager``.
    layout : {"OIHW", "OHWI", "HWIO"}, optional
        The order of the axes of convolutions' kernels.
    **shared
        The fields of `Options`; only `strict` and `zeros` are of use.

    Raises
    ------
    FormatError
        If it is damaged, or there are several checkpoints in the folder.
    MissingExtraError
        If ``tensorstore`` is not installed.
    """
    return network_of(read_tensors(Path(source)), Options(**shared), layout)


def parameters(source: str | Path) -> dict[str, Parameter]:
    """Return the arrays of a checkpoint by name; they are read when needed."""
    return read_tensors(Path(source)).by_name()


class _Leaf(NamedTuple):
    """What a tree has at its end: the names that lead there, and what it is."""

    way: tuple[str, ...]
    kind: str

    @property
    def name(self) -> str:
        """What orbax calls it."""
        return ".".join(self.way)


class OrbaxArray(PackedArray):
    """An array of a checkpoint.

    Parameters
    ----------
    store : tensorstore.TensorStore
    """

    def __init__(self, store: Any) -> None:
        self.store, self.shape, self.dtype = store, tuple(store.shape), str(store.dtype.name)

    def box(self, *part: range) -> NDArray[Any]:
        """Return the values of a range along each axis."""
        with _damage(self.store.kvstore.path):
            found = self.store[tuple(map(places, part))].read().result()
        return np.ascontiguousarray(found).view(storage_dtype(self.dtype))


def read_tensors(folder: Path) -> Tensors:
    """Return the arrays of a checkpoint; none is read.

    Raises
    ------
    FormatError
        If it is damaged, or there are several in the folder.
    """
    folder = _the_only_one(folder)
    with _damage(folder / METADATA):
        described = read_json(folder / METADATA, _MAX_METADATA)
        leaves = [*_leaves(described)]
    in_params = [leaf for leaf in leaves if leaf.way[0] == _PARAMS]
    found, opened = Tensors(), {}
    for leaf in leaves:
        if in_params and leaf.way[0] != _PARAMS:
            found.leave_out(leaf.name, (), "", f"not of the weights in {_PARAMS!r}", "buffer")
        elif leaf.kind not in _ARRAYS:
            found.leave_out(leaf.name, (), "", f"no array: {leaf.kind:.40}", "buffer")
        else:
            opened[leaf] = _opened(folder, leaf, described)
    _check_size(folder, opened)
    for leaf, store in _keeping_chunks(opened).items():
        array, name = OrbaxArray(store), ".".join(leaf.way[1:] if in_params else leaf.way)
        found.add(name, array.shape, array.dtype, array)
    return found


def _the_only_one(folder: Path) -> Path:
    """Return the folder of a checkpoint: that which is given, or the only one in it."""
    places = (METADATA, f"*/{METADATA}", f"*/*/{METADATA}")  # itself, items of a step, steps
    found = next(filter(None, (sorted(folder.glob(place)) for place in places)), [])
    if len(found) == 1:
        return found[0].parent
    names = ", ".join(str(path.parent.relative_to(folder)) for path in found)
    raise FormatError(
        f"{folder}: expected one checkpoint of orbax, found {len(found)}: {names:.200}; pass the "
        "folder of one of them"
    )


def _leaves(described: Mapping[str, Any]) -> Iterator[_Leaf]:
    """Yield what a tree has at its ends, in its order."""
    for entry in described["tree_metadata"].values():
        way = tuple(str(step["key"]) for step in entry["key_metadata"])
        if not way or any(set(step) & set("/\\\0") or step in ("", "..") for step in way):
            raise ValueError(f"a name that is none: {way!r:.80}")
        yield _Leaf(way, str(entry["value_metadata"]["value_type"]))


def _opened(folder: Path, leaf: _Leaf, described: Mapping[str, Any]) -> Any:
    """Return an array of a folder, of which nothing is read but its shape and type."""
    tensorstore = require("tensorstore", "orbax", needed_for="Reading checkpoints of orbax")
    place = f"{folder.resolve()}/"
    kept: dict[str, Any] = {"driver": "file", "path": f"{place}{leaf.name}/"}
    if described.get("use_ocdbt"):
        base = {"driver": "file", "path": place}
        kept = {"driver": "ocdbt", "base": base, "path": f"{leaf.name}/"}
    spec = {"driver": "zarr3" if described.get("use_zarr3") else "zarr", "kvstore": kept}
    with _damage(folder / leaf.name):
        return tensorstore.open(spec, read=True, open=True).result()


def _keeping_chunks(opened: Mapping[_Leaf, Any]) -> dict[_Leaf, Any]:
    """Return arrays of which chunks are kept that were unpacked, for the next part of them."""
    if not opened:
        return {}
    import tensorstore

    sizes = (prod(s.chunk_layout.read_chunk.shape) * s.dtype.numpy_dtype.itemsize
             for s in opened.values())  # fmt: skip
    context = tensorstore.Context(
        {"cache_pool": {"total_bytes_limit": max(_KEPT, 2 * max(sizes, default=0))}}
    )
    specs = {leaf: store.spec() for leaf, store in opened.items()}
    return {leaf: tensorstore.open(spec, read=True, open=True, context=context).result()
            for leaf, spec in specs.items()}  # fmt: skip


def _check_size(folder: Path, opened: Mapping[_Leaf, Any]) -> None:
    stored = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    shown = sum(prod(store.shape) for store in opened.values())
    if shown > _MOST * stored:
        raise FormatError(f"{folder}: its arrays show more values than the files hold; {_INSTEAD}")


def _damage(path: Path | str) -> AbstractContextManager[None]:
    what = "expected a checkpoint of orbax, found a damaged or an unknown one"
    return damage(path, what, _INSTEAD)
