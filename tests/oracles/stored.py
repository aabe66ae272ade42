"""Arrays in stored types, with their exact values had by another way than the package's."""

import numpy as np
import torch

FLOAT8 = ("float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz")
DTYPES = ("float32", "float64", "float16", "bfloat16", *FLOAT8, "int8")


def stored(values, dtype):
    """Return (bits, name of the type, the exact values in float64)."""
    if dtype == "bfloat16":
        tensor = torch.from_numpy(np.ascontiguousarray(values)).to(torch.bfloat16)
        exact = tensor.double().numpy()
        return tensor.view(torch.int16).numpy().view(np.uint16), dtype, exact
    if dtype in FLOAT8:
        tensor = torch.from_numpy(np.ascontiguousarray(values)).to(getattr(torch, dtype))
        return tensor.view(torch.uint8).numpy(), dtype, tensor.double().numpy()
    if dtype == "int8":
        values = np.clip(np.round(np.asarray(values) * 20), -128, 127)
    bits = np.asarray(values).astype(dtype)
    return bits, dtype, bits.astype(np.float64)
