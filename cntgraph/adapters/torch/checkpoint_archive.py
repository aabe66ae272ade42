"""The zip archive that torch.save writes: a pickle, and the values that it refers to."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from cntgraph.adapters.weights.checkpoint_values import StoredTensor
from cntgraph.adapters.weights.pickled import SAVE
from cntgraph.adapters.weights.stored import StoredArray, stored_tensor
from cntgraph.adapters.weights.zip_archive import ZipArchive
from cntgraph.core.errors import FormatError, UnsafeFileError
from cntgraph.core.parameter import storage_dtype


@dataclass(frozen=True)
class CheckpointArchive:
    """The members of an archive as torch.save writes it.

    Parameters
    ----------
    archive : ZipArchive
        See `archive_of`.
    root : str
        What the names of the members begin with.
    """

    archive: ZipArchive
    root: str

    def read(self, name: str) -> bytes:
        """Return the bytes of a member."""
        return self.archive.read(self.root + name, largest=1)

    def array(self, name: str, tensor: StoredTensor) -> StoredArray:
        """Return a tensor of plain values, which are read when needed."""
        assert tensor.storage is not None
        dtype = storage_dtype(tensor.dtype).newbyteorder(self.order)
        member = self.archive.values(f"{self.root}data/{tensor.storage.key}", dtype)
        return stored_tensor(name, member, tensor.shape, tensor.first, tensor.strides)

    @cached_property
    def order(self) -> Any:
        """The order of the bytes of a value, as NumPy says it."""
        is_told = self.root + "byteorder" in self.archive.members
        return ">" if is_told and self.read("byteorder") == b"big" else "<"


def archive_of(path: Path, part: tuple[int, int] | None = None) -> CheckpointArchive:
    """Return the archive that torch.save has written, in a file or in a part of one.

    Raises
    ------
    UnsafeFileError
        If it can only be read by running code that it contains.
    FormatError
        If it is none, or damaged.
    """
    with path.open("rb") as file:
        file.seek(0 if part is None else part[0])
        head = file.read(16)
    if head[:1] == b"\x80":
        old = "\nl\xfc\x9cF\xf9 j\xa8P\x19".encode("latin-1") in head
        what = "a checkpoint of PyTorch 1.5 or older" if old else "a plain pickle"
        raise UnsafeFileError(
            f"{path}: expected a checkpoint saved by torch.save, found {what}, which can run code "
            f"when it is read; if you trust it, load it with torch.load and {SAVE}, or use "
            "torch.export.save"
        )
    archive = ZipArchive(path, "a checkpoint saved by torch.save", part)
    members = archive.members
    roots = [name for name in members if name.rpartition("/")[2] == "data.pkl"]
    if any(name.endswith("models/model.json") for name in members):
        raise FormatError(
            f"{path}: holds a program of torch.export.save; give the file the suffix .pt2"
        )
    if any(name.endswith("constants.pkl") or "/code/" in name for name in members):
        raise UnsafeFileError(
            f"{path}: a TorchScript archive, which holds code; save the model with "
            "torch.export.save as .pt2, or pass torch.jit.load(path).state_dict() if you trust it"
        )
    if len(roots) != 1:
        raise FormatError(f"{path}: expected a checkpoint with one data.pkl, found {len(roots)}")
    if any(map(archive.is_packed, members)):
        raise FormatError(
            f"{path}: expected an archive as torch.save writes it, found a compressed one; "
            "load it with torch.load and save it again"
        )
    return CheckpointArchive(archive, roots[0].removesuffix("data.pkl"))
