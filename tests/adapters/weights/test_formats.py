"""Every format of weights: read as its own library does, and of a part no more than that part.

The rows are printed at the end of a run, as a table of all formats.
"""

import json

import ml_dtypes
import numpy as np
import pytest
from oracles import gguf_files, packed_files
from oracles.formats_table import check_format
from safetensors.numpy import save_file

PACKED = packed_files.cases()
#: What a library itself rounds by: it computes in 16 bits.
ROUNDED = {"ct_nvfp4": 2**-7}
MADE_BY = {"gptq": "AutoGPTQ", "awq": "AutoAWQ", "ct": "compressed-tensors", "mlx": "MLX",
           "bnb": "bitsandbytes", "mxfp4": "transformers"}  # fmt: skip
RNG = np.random.default_rng(0)
SHAPE = (64, 1024)


@pytest.mark.parametrize("name", [name for name in PACKED if name != "bnb_int8"])
def test_packed(name, tmp_path, record_property):
    data, settings, expected = PACKED[name]
    path = tmp_path / "model.safetensors"
    path.write_bytes(data)
    (tmp_path / "config.json").write_text(settings or "{}")
    maker, rounding = MADE_BY[name.partition("_")[0]], ROUNDED.get(name, 1e-6)
    check_format(name, maker, path, expected, record_property, rounding=rounding)


@pytest.mark.parametrize("kind", gguf_files.KINDS, ids=lambda kind: kind.name)
def test_gguf(kind, tmp_path, record_property):
    raw = gguf_files.random_bytes(kind, SHAPE, RNG)
    path = gguf_files.write(tmp_path / "model.gguf", {"fc.weight": (kind, raw)})
    with np.errstate(all="ignore"):
        expected = gguf_files.values(kind, raw)
    check_format(f"gguf {kind.name}", "gguf", path, expected, record_property)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "float8_e4m3fn"])
def test_shards(dtype, tmp_path, record_property):
    stored = RNG.normal(size=SHAPE).astype(getattr(ml_dtypes, dtype, dtype))
    places = {"a.weight": "model-00001-of-00002.safetensors",
              "fc.weight": "model-00002-of-00002.safetensors"}  # fmt: skip
    for tensor, file in places.items():
        save_file({tensor: stored}, tmp_path / file)
    index = {"metadata": {}, "weight_map": places}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    expected = stored.astype(np.float64)
    check_format(f"safetensors {dtype}", "safetensors", tmp_path, expected, record_property)
