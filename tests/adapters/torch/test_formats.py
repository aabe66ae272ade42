"""The formats of PyTorch, as `tests/adapters/weights/test_formats.py` has those of others."""

import json

import numpy as np
import pytest
import torch
import torch.distributed.checkpoint as dcp
from oracles.formats_table import check_format

SHAPE = (64, 1024)
DTYPES = [torch.float32, torch.float16, torch.bfloat16, torch.float8_e4m3fn]


@pytest.fixture(params=DTYPES, ids=str)
def tensor(request):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(SHAPE, generator=generator).to(request.param)


def expected(tensor):
    return tensor.double().numpy()


def test_checkpoint(tensor, tmp_path, record_property):
    torch.save({"fc.weight": tensor}, tmp_path / "model.pt")
    name = f".pt {tensor.dtype}"
    check_format(name, "torch", tmp_path / "model.pt", expected(tensor), record_property)


def test_shards(tensor, tmp_path, record_property):
    places = {f"{name}.weight": f"pytorch_model-{k}-of-2.bin" for k, name in enumerate(("a", "fc"))}
    for name, file in places.items():
        torch.save({name: tensor}, tmp_path / file)
    index = {"metadata": {}, "weight_map": places}
    (tmp_path / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    check_format(f".bin {tensor.dtype}", "torch", tmp_path, expected(tensor), record_property)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_distributed_checkpoint(tensor, tmp_path, record_property):
    dcp.save({"fc.weight": tensor}, checkpoint_id=tmp_path / "c")
    name = f"distcp {tensor.dtype}"
    check_format(name, "torch.distributed", tmp_path / "c", expected(tensor), record_property)


def test_a_difference_is_seen(tmp_path, record_property):
    torch.save({"fc.weight": torch.ones(SHAPE)}, tmp_path / "model.pt")
    with pytest.raises(AssertionError):
        check_format("x", "torch", tmp_path / "model.pt", np.ones(SHAPE) + 1e-6, record_property)
