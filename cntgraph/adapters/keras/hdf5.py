"""The tensors of an HDF5 file that Keras has written, alone or inside an archive."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count, takewhile
from math import prod
from typing import Any

from cntgraph.adapters.weights.hdf5_source import Source
from cntgraph.adapters.weights.hdf5_tensors import Tensor, tensor_of, walk

#: Attributes of the root of files that older versions of Keras write.
_OLDER = frozenset(("layer_names", "layer_names0", "model_config"))


@dataclass(frozen=True)
class Contents:
    """What an HDF5 file holds.

    Parameters
    ----------
    groups : dict of str to dict of str to Tensor
        The tensors of each group by name, by the path of the group.
    texts : dict of (str, str) to list of str
        Lists of texts among the attributes, by the path of the group and the attribute's name.
    """

    groups: dict[str, dict[str, Tensor]] = field(default_factory=dict)
    texts: dict[tuple[str, str], list[str]] = field(default_factory=dict)

    @property
    def n_values(self) -> int:
        """Number of values of all tensors."""
        return sum(prod(t.shape) for group in self.groups.values() for t in group.values())

    def tensor(self, path: str) -> Tensor | None:
        """Return the tensor of a path, if there is one."""
        group, _, name = path.rpartition("/")
        return self.groups.get(group, {}).get(name)

    def text(self, name: str) -> str | None:
        """Return a text among the attributes of the root, or None."""
        return next(iter(self.texts.get(("", name), ())), None)

    def names(self, group: str, name: str) -> list[str]:
        """Return a list of names among the attributes of a group; a long one is kept in parts."""
        if (group, name) in self.texts:
            return self.texts[group, name]
        parts = (self.texts.get((group, f"{name}{k}"), []) for k in count())
        return [entry for part in takewhile(bool, parts) for entry in part]

    def older_root(self) -> str | None:
        """Return the group in which older versions list layers, None in a file of Keras 3."""
        if ("", "layer_names") in self.texts:
            return ""
        listed = ("model_weights", "layer_names") in self.texts
        return "model_weights" if listed or self.text("model_config") is not None else None


def contents(source: Source, *, names: bool = False) -> Contents:
    """Look through an HDF5 file.

    Parameters
    ----------
    names : bool, default False
        Whether the names of layers are wanted, which are among the attributes; files of older
        kinds cannot be read without them.

    Raises
    ------
    FormatError
        If it is damaged, or declares tensors that it does not hold.
    UnsafeFileError
        If it refers to other files.
    """
    import h5py

    made = Contents()
    with source.open() as file:
        names = names or not _OLDER.isdisjoint(file.attrs)
        if names:
            source.check_texts()
        for path, found in walk(source, file):
            if isinstance(found, h5py.Dataset):
                group, _, name = path.rpartition("/")
                made.groups[group][name] = tensor_of(source, path, found)
                continue
            made.groups[path] = {}
            if names:
                made.texts.update({(path, k): v for k, v in _texts(source, found)})
    return made


def _texts(source: Source, group: Any) -> Iterator[tuple[str, list[str]]]:
    """Yield the attributes of a group that are texts or lists of texts."""
    for name in group.attrs:
        if found := source.attribute_texts(group, name):
            yield name, found
