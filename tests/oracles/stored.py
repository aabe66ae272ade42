"""Arrays in stored types, with their exact values had by another way than the package's."""

import ml_dtypes
import numpy as np

FLOAT8 = ("float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz")
DTYPES = ("float32", "float64", "float16", "bfloat16", *FLOAT8, "int8")


def stored(values, dtype):
    """Return (bits, name of the type, the exact values in float64)."""
    if dtype == "bfloat16" or dtype in FLOAT8:
        rounded = np.asarray(values).astype(getattr(ml_dtypes, dtype))
        bits = rounded.view(np.uint16 if dtype == "bfloat16" else np.uint8)
        return bits, dtype, rounded.astype(np.float64)
    if dtype == "int8":
        values = np.clip(np.round(np.asarray(values) * 20), -128, 127)
    bits = np.asarray(values).astype(dtype)
    return bits, dtype, bits.astype(np.float64)
