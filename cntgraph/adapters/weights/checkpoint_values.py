"""What a PyTorch checkpoint is made of, and what the functions that it names would make."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from cntgraph.core.errors import ParameterError
from cntgraph.core.parameter import storage_dtype

#: What a storage of each class holds; a storage without a type is of bytes.
_STORAGES = {
    "FloatStorage": "float32", "DoubleStorage": "float64", "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16", "LongStorage": "int64", "IntStorage": "int32",
    "ShortStorage": "int16", "CharStorage": "int8", "ByteStorage": "uint8",
    "BoolStorage": "bool", "ComplexFloatStorage": "complex64",
    "ComplexDoubleStorage": "complex128", "QInt8Storage": "qint8", "QUInt8Storage": "quint8",
    "QInt32Storage": "qint32", "UntypedStorage": "uint8",
}  # fmt: skip


@dataclass(frozen=True)
class Name:
    """A class or a function that a pickle names."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}".removeprefix(".")


@dataclass(frozen=True)
class Storage:
    """Bytes of a checkpoint: the key that they have in the archive, and the type of a value."""

    key: str
    dtype: str


#: Of what type the parts of complex numbers are.
PARTS = {"complex64": "float32", "complex128": "float64"}


@dataclass(frozen=True)
class StoredTensor:
    """What a checkpoint says of a tensor.

    Parameters
    ----------
    shape : tuple of int
        Its shape.
    dtype : str
        The stored type, by PyTorch's name.
    storage : Storage or None
        Where its values lie; None for one that is not of plain values in a row.
    first : int, default 0
        The first value.
    strides : tuple of int, default ()
        How many values lie between neighbors along each axis.
    layout : str, default "strided"
        ``"sparse_coo"``, ``"quantized"``, ``"meta"``: what it is where it has no storage.
    parts : tuple of StoredTensor, default ()
        Of a sparse one, indices and values (see `weights.sparse`).
    """

    shape: tuple[int, ...]
    dtype: str
    storage: Storage | None = None
    first: int = 0
    strides: tuple[int, ...] = ()
    layout: str = "strided"
    parts: tuple[StoredTensor, ...] = ()

    @property
    def is_plain(self) -> bool:
        """Whether it is of real numbers whose values lie in a row."""
        try:
            storage_dtype(self.dtype)
        except ParameterError:
            return False
        return self.storage is not None

    @property
    def pairs(self) -> StoredTensor:
        """Complex numbers as pairs of real ones, along a last axis."""
        strides = (*(2 * n for n in self.strides), 1)
        return replace(self, shape=(*self.shape, 2), dtype=PARTS[self.dtype],
                       first=2 * self.first, strides=strides)  # fmt: skip


@dataclass(frozen=True)
class Other:
    """An object that is no weight and of which nothing is known but its class."""

    name: Name


@dataclass(eq=False)
class Record:
    """An object of a class that is known: what it would be given as its attributes."""

    name: Name
    state: Any = None


def dict_of(items: list[Any]) -> dict[Any, Any]:
    """Return the dict of keys and values in turn; keys are plain, see `_is_key`."""
    wrong = [type(key).__name__ for key in items[::2] if not _is_key(key)]
    if wrong:
        raise ValueError(f"a {wrong[0]} as the key of a dict")
    return dict(zip(items[::2], items[1::2], strict=True))


def _is_key(value: Any) -> bool:
    """Whether looking a value up in a dict is quick, whoever has made it."""
    if isinstance(value, int):
        return abs(value) < 1 << 64
    if isinstance(value, tuple):
        return len(value) < 16 and not any(isinstance(v, tuple) for v in value) and all(
            map(_is_key, value)
        )  # fmt: skip
    return value is None or isinstance(value, str | bytes | float | Name | Record)


# -- what functions make ----------------------------------------------------------------------


def storage_of(pid: tuple[Any, ...]) -> Storage:
    """Return the storage that a pickle refers to."""
    kind, of, key, *_ = pid
    if kind != "storage" or not isinstance(of, Name) or not isinstance(key, str):
        raise ValueError("a storage of an unknown kind")
    return Storage(key, _STORAGES[of.name])


def _plain(
    storage: Any, first: Any, shape: Any, strides: Any, *rest: Any, dtype: str = ""
) -> StoredTensor:
    """Return a tensor of plain values; requires_grad, hooks and metadata may follow."""
    if len(rest) > 2 and rest[2]:  # conjugated or negated when it is read
        return StoredTensor(_sizes(shape), storage.dtype, layout="lazily negated")
    (first,), shape, strides = _sizes((first,)), _sizes(shape), _sizes(strides)
    if not isinstance(storage, Storage) or len(shape) != len(strides):
        raise ValueError(f"a tensor of shape {shape} and strides {strides}")
    return StoredTensor(shape, dtype or storage.dtype, storage, first, strides)


def _typed(
    storage: Any, first: Any, shape: Any, strides: Any, grad: Any, hooks: Any, dtype: Name, *_: Any
) -> StoredTensor:
    return _plain(storage, first, shape, strides, dtype=dtype.name)


def _no_plain(layout: str, shape: Any, dtype: str) -> StoredTensor:
    return StoredTensor(_sizes(shape), dtype, layout=layout)


def _sparse(layout: str, data: tuple[Any, ...]) -> StoredTensor:
    values = next(v for v in reversed(data) if isinstance(v, StoredTensor))
    shape = next(v for v in reversed(data) if isinstance(v, tuple))
    parts = tuple(v for v in data if isinstance(v, StoredTensor))
    return replace(_no_plain(layout.removeprefix("torch."), shape, values.dtype), parts=parts)


def _sizes(values: Any) -> tuple[int, ...]:
    if not isinstance(values, tuple) or len(values) > 64:
        raise ValueError("a shape of more than 64 axes, or none")
    if not all(isinstance(v, int) and 0 <= v < 1 << 62 for v in values):
        raise ValueError("a shape of other things than whole numbers")
    return values


_UTILS = "torch._utils"
SUBCLASS = Name("torch._tensor", "_rebuild_from_type_v2")
MADE_BY: dict[Name, Callable[..., Any]] = {
    Name(_UTILS, "_rebuild_tensor"): _plain,
    Name(_UTILS, "_rebuild_tensor_v2"): _plain,
    Name(_UTILS, "_rebuild_tensor_v3"): _typed,
    Name(_UTILS, "_rebuild_parameter"): lambda tensor, *_: tensor,
    Name(_UTILS, "_rebuild_parameter_with_state"): lambda tensor, *_: tensor,
    Name(_UTILS, "_rebuild_sparse_tensor"): _sparse,
    Name(_UTILS, "_rebuild_meta_tensor_no_storage"): lambda dtype, shape, *_: _no_plain(
        "meta", shape, dtype.name
    ),
    Name(_UTILS, "_rebuild_qtensor"): lambda storage, first, shape, *_: _no_plain(
        "quantized", shape, storage.dtype
    ),
    Name("collections", "OrderedDict"): lambda: {},  # noqa: PIE807 - dict copies what it is given
    Name("collections", "Counter"): lambda items: items,  # what copies takes memory each time
    Name("torch", "Size"): lambda sizes=(): sizes,
    Name("torch.serialization", "_get_layout"): lambda name: name,
    Name("", "set"): lambda items: items,
    Name("", "complex"): lambda *_: None,
}
#: What checkpoints hold besides weights, and what is not looked into.
UNREAD = {
    Name("torch", "device"), Name("_codecs", "encode"), Name("collections", "defaultdict"),
    Name("", "long"), Name("", "int"),
    *(Name(f"numpy.{core}.multiarray", name) for core in ("core", "_core")
      for name in ("scalar", "_reconstruct")),
    Name("numpy", "dtype"), Name("numpy", "ndarray"), Name("argparse", "Namespace"),
    *(Name(module, kind) for module in ("pathlib", "pathlib._local")
      for kind in ("PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath")),
    Name("lightning.fabric.utilities.data", "AttributeDict"),
    Name("lightning_fabric.utilities.data", "AttributeDict"),
    Name("pytorch_lightning.utilities.parsing", "AttributeDict"),
}  # fmt: skip
