"""Arrays in stored types, with their exact values had by another way than the package's."""

import numpy as np
import torch

DTYPES = ("float32", "float64", "float16", "bfloat16", "int8")


def stored(values, dtype):
    """Return (bits, name of the type, the exact values in float64)."""
    if dtype == "bfloat16":
        tensor = torch.from_numpy(np.ascontiguousarray(values)).to(torch.bfloat16)
        exact = tensor.double().numpy()
        return tensor.view(torch.int16).numpy().view(np.uint16), dtype, exact
    if dtype == "int8":
        values = np.clip(np.round(np.asarray(values) * 20), -128, 127)
    bits = np.asarray(values).astype(dtype)
    return bits, dtype, bits.astype(np.float64)
