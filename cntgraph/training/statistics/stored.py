"""Values in the type they are stored in: other numbers, other signs."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.errors import ParameterError
from cntgraph.core.parameter import EXTENDED, storage_dtype, widen

Bits = NDArray[Any]


def as_stored(values: NDArray[np.float64], dtype: str) -> Bits:
    """Return the stored bits of the nearest numbers that a type has.

    Parameters
    ----------
    values : ndarray of float64
        Numbers; those beyond the type become its greatest or least.
    dtype : str
        Stored type.

    Returns
    -------
    ndarray
        Of type ``storage_dtype(dtype)``.

    Raises
    ------
    ParameterError
        If the type has only true and false.

    Examples
    --------
    >>> as_stored(np.array([1.5, 1e9]), "float16"), as_stored(np.array([-300.0]), "int8")
    (array([1.50e+00, 6.55e+04], dtype=float16), array([-128], dtype=int8))
    """
    kind = storage_dtype(dtype)
    if dtype in EXTENDED:
        patterns = np.arange(2 ** (8 * kind.itemsize)).astype(kind)
        return _nearest(values, patterns, widen(patterns, dtype))
    if kind.kind == "b":
        raise ParameterError(
            "expected stored numbers, got true and false; leave the tensor as it is"
        )
    if kind.kind == "f":
        limit = np.finfo(kind).max
        return np.clip(values, -limit, limit).astype(kind)
    least, greatest = np.iinfo(kind).min, np.iinfo(kind).max
    # A float64 cannot hold the greatest int64; what is beyond it is set in integers.
    whole = np.rint(values)
    beyond = whole >= float(greatest)
    found = np.clip(np.where(beyond, 0, whole), float(least), float(greatest)).astype(kind)
    return np.where(beyond, np.array(greatest, kind), found)


def _nearest(values: NDArray[np.float64], patterns: Bits, numbers: Bits) -> Bits:
    """Return the pattern of the nearest number, the even one of two that are as near."""
    finite = np.isfinite(numbers)
    order = np.argsort(numbers[finite], kind="stable")
    sorted_patterns = patterns[finite][order]
    sorted_numbers = numbers[finite][order].astype(np.float64)
    after = np.clip(np.searchsorted(sorted_numbers, values), 1, sorted_numbers.size - 1)
    down, up = values - sorted_numbers[after - 1], sorted_numbers[after] - values
    odd = sorted_patterns[after - 1] % 2 == 1
    return np.asarray(
        sorted_patterns[np.where((up < down) | ((up == down) & odd), after, after - 1)]
    )


def negated(bits: Bits, dtype: str, chosen: NDArray[np.bool_]) -> Bits:
    """Return stored values, the chosen ones with their sign changed.

    Parameters
    ----------
    bits : ndarray
        Stored bits, of type ``storage_dtype(dtype)``.
    dtype : str
        Stored type.
    chosen : ndarray of bool, of the same shape
        Whose sign to change. The least of a type of integers becomes the greatest.

    Returns
    -------
    ndarray

    Raises
    ------
    ParameterError
        If the type has no sign.

    Examples
    --------
    >>> negated(np.array([1, -128, 3], dtype=np.int8), "int8", np.array([True, True, False]))
    array([ -1, 127,   3], dtype=int8)
    """
    if dtype == "float8_e8m0fnu" or storage_dtype(dtype).kind == "b" or dtype.startswith("uint"):
        raise ParameterError(f"expected stored numbers with a sign, got type {dtype!r}")
    if dtype in EXTENDED:
        sign = bits.dtype.type(1 << (8 * bits.dtype.itemsize - 1))
        # Some of these types have no negative zero: its bits are not a number.
        return np.where(chosen & ((bits & ~sign) != 0), bits ^ sign, bits)
    if bits.dtype.kind == "i":
        return np.where(chosen, -np.maximum(bits, -np.iinfo(bits.dtype).max), bits)
    return np.where(chosen, -bits, bits)
