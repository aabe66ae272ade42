"""Parameter: a lazy handle on one stored tensor, in the type it is stored in."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from math import prod
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.compiling import read_only
from cntgraph.core.errors import ParameterError

#: What holds the bits of the stored types that NumPy does not know; named as ``ml_dtypes`` does.
EXTENDED: dict[str, np.dtype[Any]] = {
    "bfloat16": np.dtype(np.uint16),
    "float8_e4m3fn": np.dtype(np.uint8),
    "float8_e4m3fnuz": np.dtype(np.uint8),
    "float8_e5m2": np.dtype(np.uint8),
    "float8_e5m2fnuz": np.dtype(np.uint8),
    "float8_e8m0fnu": np.dtype(np.uint8),
}
#: The 8-bit floats: bits of the mantissa, and the bias of the exponent.
_FLOAT8 = {
    "float8_e4m3fn": (3, 7),
    "float8_e4m3fnuz": (3, 8),
    "float8_e5m2": (2, 15),
    "float8_e5m2fnuz": (2, 16),
}
#: As what kernels take the floats that numba does not have (see `core.kernels.floats`).
_IN_KERNELS: dict[str, np.dtype[Any]] = {
    "float16": np.dtype(np.int16),
    "bfloat16": np.dtype(np.uint16),
    "float8_e5m2": np.dtype(np.int8),
    "float8_e4m3fn": np.dtype(np.uint8),
}


class ArrayHandle(Protocol):
    """What a parameter reads from: a NumPy array, an HDF5 dataset, a memory map."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    def __getitem__(self, key: Any, /) -> Any: ...


def storage_dtype(dtype: str) -> np.dtype[Any]:
    """Return the NumPy type that holds the stored bits of `dtype`.

    Parameters
    ----------
    dtype : str
        Stored type, such as ``"float32"`` or ``"bfloat16"``.

    Returns
    -------
    numpy.dtype
        The type itself, or an unsigned integer of its size where NumPy has no such type.

    Raises
    ------
    ParameterError
        If the type is unknown, or is not a real number type.

    Examples
    --------
    >>> storage_dtype("bfloat16")
    dtype('uint16')
    """
    if dtype in EXTENDED:
        return EXTENDED[dtype]
    try:
        found = np.dtype(dtype)
    except TypeError:
        found = np.dtype(object)
    if found.kind not in "fiub" or found.itemsize > 8:
        raise ParameterError(
            f"expected tensors of real numbers of at most 64 bits, got type {dtype!r}; "
            "convert the tensor (for example to float32) before saving the model"
        )
    return found


def widen(values: NDArray[Any], dtype: str) -> NDArray[Any]:
    """Return stored bits as float32 or float64, exactly.

    Floats of up to 32 bits become float32; integers, booleans and float64 become float64
    (integers beyond 2**53 are rounded).

    Parameters
    ----------
    values : ndarray
        Stored bits, of type ``storage_dtype(dtype)``.
    dtype : str
        Stored type.

    Returns
    -------
    ndarray of float32 or float64

    Examples
    --------
    >>> widen(np.array([0x3FC0], dtype=np.uint16), "bfloat16")
    array([1.5], dtype=float32)
    """
    if dtype == "bfloat16":
        wide = values.astype(np.uint32)
        wide <<= np.uint32(16)
        return wide.view(np.float32)
    if dtype in EXTENDED:
        return np.asarray(_float8_values(dtype)[values])
    return values.astype(widened_dtype(dtype), copy=False)


def kernel_values(values: NDArray[Any], dtype: str) -> NDArray[Any]:
    """Return stored values as kernels take them, in C order.

    The floats of 16 bits, and the usual ones of 8, stay their bits, which `core.kernels.floats`
    widens; all others are as `widen` returns them.

    Parameters
    ----------
    values : ndarray
        Stored bits, of type ``storage_dtype(dtype)``.
    dtype : str
        Stored type.

    Returns
    -------
    ndarray of float32 or float64, or of integers: the bits of narrower floats

    Examples
    --------
    >>> kernel_values(np.array([1.0, 0.5], dtype=np.float16), "float16")
    array([15360, 14336], dtype=int16)
    """
    if dtype in _IN_KERNELS:
        stored = np.ascontiguousarray(values, storage_dtype(dtype))
        return read_only(stored.view(_IN_KERNELS[dtype]))
    return read_only(np.ascontiguousarray(widen(values, dtype)))


def widen_kernel_values(values: NDArray[Any]) -> NDArray[Any]:
    """Return what `kernel_values` returned as float32 or float64, exactly.

    Examples
    --------
    >>> widen_kernel_values(np.array([0x3FC0], dtype=np.uint16))
    array([1.5], dtype=float32)
    """
    for dtype, kind in _IN_KERNELS.items():
        if values.dtype == kind:
            return widen(values.view(storage_dtype(dtype)), dtype)
    return values


@lru_cache
def _float8_values(dtype: str) -> NDArray[np.float32]:
    """Return the value of each of the 256 patterns of an 8-bit float."""
    bits = np.arange(256)
    if dtype == "float8_e8m0fnu":  # a power of two without a sign: the scale of a block
        return np.where(bits == 255, np.nan, np.exp2(bits - 127.0)).astype(np.float32)
    mantissa_bits, bias = _FLOAT8[dtype]
    magnitude = bits & 0x7F
    exponent, mantissa = magnitude >> mantissa_bits, magnitude & ((1 << mantissa_bits) - 1)
    # Below the smallest normal number, the exponent stays and there is no leading one.
    leading = np.where(exponent == 0, 0.0, 1.0)
    power = np.maximum(exponent, 1) - bias - mantissa_bits
    values = (leading * (1 << mantissa_bits) + mantissa) * np.exp2(power)
    if dtype.endswith("fnuz"):
        values[0x80] = np.nan  # in the place of a negative zero, and no infinity
    elif dtype == "float8_e4m3fn":
        values[magnitude == 0x7F] = np.nan
    else:
        values[magnitude == 0x7C] = np.inf
        values[magnitude > 0x7C] = np.nan
    return np.asarray(np.where(bits >= 0x80, -values, values), dtype=np.float32)


@lru_cache
def widened_dtype(dtype: str) -> np.dtype[Any]:
    """Return the type in which values stored as `dtype` are computed with.

    Parameters
    ----------
    dtype : str
        Stored type.

    Returns
    -------
    numpy.dtype
        float32 or float64.

    Examples
    --------
    >>> widened_dtype("float16"), widened_dtype("int8")
    (dtype('float32'), dtype('float64'))
    """
    narrow = dtype in EXTENDED or dtype in ("float16", "float32")
    return np.dtype(np.float32 if narrow else np.float64)


@dataclass(frozen=True, eq=False)
class Parameter:
    """A stored tensor: its name, shape and type, and where its values are read when needed.

    Parameters
    ----------
    name : str
        The name the framework gave it.
    shape : tuple of int
        Its stored shape.
    dtype : str
        The type it is stored in (``"float32"``, ``"bfloat16"``, ``"float8_e4m3fn"``, …).
    data : ArrayHandle
        Where the stored bits are read from, by slices: an array, an HDF5 dataset, a memory map.
    trainable : bool, default True
        False for buffers and constants.

    Examples
    --------
    >>> p = Parameter.from_array("fc.weight", np.arange(6, dtype=np.float16).reshape(2, 3))
    >>> p.dtype, p.shape, p.size
    ('float16', (2, 3), 6)
    >>> p.read(axis=1, start=1, stop=2)
    array([[1.],
           [4.]], dtype=float32)
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    data: ArrayHandle = field(repr=False)
    trainable: bool = True

    def __post_init__(self) -> None:
        storage_dtype(self.dtype)
        if tuple(self.data.shape) != tuple(self.shape):
            raise ParameterError(
                f"parameter {self.name!r}: expected shape {tuple(self.shape)}, "
                f"its data has {tuple(self.data.shape)}; the file or the model has changed"
            )

    @classmethod
    def from_array(
        cls, name: str, array: NDArray[Any], *, dtype: str | None = None, trainable: bool = True
    ) -> Parameter:
        """Wrap an array in memory; `dtype` names the stored type where NumPy has none.

        An array of an extension type (bfloat16 of ``ml_dtypes``) is seen as its bits.
        """
        dtype = dtype or array.dtype.name
        if dtype in EXTENDED and array.dtype.name == dtype:
            array = array.view(EXTENDED[dtype])
        return cls(name, tuple(array.shape), dtype, array, trainable)

    @classmethod
    def blank(cls, like: Parameter, shape: tuple[int, ...]) -> Parameter:
        """Return a parameter as another one, of another shape, whose values are yet to come."""
        return replace(like, shape=shape, data=_Zeros(shape, like.dtype))

    @cached_property
    def size(self) -> int:
        """Number of values."""
        return prod(self.shape)

    @cached_property
    def nbytes(self) -> int:
        """Number of bytes it is stored in."""
        return self.size * storage_dtype(self.dtype).itemsize

    def raw(self) -> NDArray[Any]:
        """Return the stored bits, whole and in C order."""
        return np.ascontiguousarray(self.data[()]).reshape(self.shape)

    def read(self, axis: int = 0, start: int = 0, stop: int | None = None) -> NDArray[Any]:
        """Return the values from `start` to `stop` along `axis`, as float32 or float64.

        Parameters
        ----------
        axis : int, default 0
            The axis along which to read a part.
        start, stop : int
            The part; by default the whole tensor.

        Returns
        -------
        ndarray of float32 or float64
        """
        return widen(self.read_stored(axis, start, stop), self.dtype)

    def read_stored(self, axis: int = 0, start: int = 0, stop: int | None = None) -> NDArray[Any]:
        """Return the stored bits from `start` to `stop` along `axis`, as `read` their values."""
        if not self.shape:
            return np.asarray(self.data[()]).reshape(())
        key = (slice(None),) * (axis % len(self.shape)) + (slice(start, stop),)
        return np.asarray(self.data[key])

    def rename(self, name: str) -> Parameter:
        """Return the same tensor under another name."""
        return replace(self, name=name)


@dataclass(frozen=True)
class _Zeros:
    """Zeros that take no memory, nor when they are sent to another process."""

    shape: tuple[int, ...]
    dtype: str

    def __getitem__(self, key: Any) -> NDArray[Any]:
        zeros: NDArray[Any] = np.broadcast_to(np.zeros((), storage_dtype(self.dtype)), self.shape)
        return np.asarray(zeros[key])
