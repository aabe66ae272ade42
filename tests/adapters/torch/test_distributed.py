"""Checkpoints in pieces, as torch.distributed.checkpoint writes them.

`fsdp_checkpoint.zip` is one that two processes have written (FSDP2, PyTorch 2.13, with the states
of its optimizer), and beside it the weights that FSDP itself puts together of it.
"""

import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed.checkpoint as dcp
from oracles import mutate
from oracles.reading import outcome
from torch.distributed.checkpoint.metadata import (
    ChunkStorageMetadata,
    Metadata,
    MetadataIndex,
    TensorProperties,
    TensorStorageMetadata,
)

import cntgraph as cg
from cntgraph.core.errors import FormatError, UnsafeFileError

ARCHIVE = Path(__file__).parents[2] / "oracles" / "fsdp_checkpoint.zip"


@pytest.fixture
def folder(tmp_path):
    with zipfile.ZipFile(ARCHIVE) as archive:
        archive.extractall(tmp_path / "checkpoint")
    (tmp_path / "checkpoint" / "full.pt").rename(tmp_path / "full.pt")
    return tmp_path / "checkpoint"


def test_pieces_are_put_together_as_by_fsdp(folder):
    whole = torch.load(folder.parent / "full.pt", weights_only=True)
    net = cg.load(folder, strict=True)
    assert [block.name for block in net.blocks] == ["0", "1"]
    for name, tensor in whole.items():
        found = net.parameters[name]
        assert len(found.data.pieces) == 2
        assert np.array_equal(found.read(), tensor.numpy())
        for axis in range(tensor.ndim):
            part = found.read(axis, 1, 3)
            assert np.array_equal(part, np.take(tensor.numpy(), [1, 2], axis))
    assert net.coverage.loc["optim", "reason"] == "not of the weights in 'model'"


def test_it_goes_into_a_model(folder):
    model = torch.nn.Sequential(torch.nn.Linear(6, 5), torch.nn.Linear(5, 3))
    net = cg.load(folder, model=model, input_shape=(6,))
    whole = torch.load(folder.parent / "full.pt", weights_only=True)
    assert np.array_equal(net.blocks[1].weight.read(), whole["1.weight"].numpy())


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_what_one_process_saves_is_read(tmp_path):
    state = {"fc.weight": torch.randn(3, 4).bfloat16(), "fc.bias": torch.randn(3).double()}
    dcp.save(state, checkpoint_id=tmp_path / "c")
    net = cg.load(tmp_path / "c", strict=True)
    assert net.parameters["fc.weight"].dtype == "bfloat16"
    for name, tensor in state.items():
        assert np.array_equal(net.parameters[name].read(), tensor.float().double().numpy())


def described(folder):
    return pickle.loads((folder / ".metadata").read_bytes())


def describe(folder, change):
    found = described(folder)
    change(found)
    (folder / ".metadata").write_bytes(pickle.dumps(found))


def _lose_a_piece(found):
    del found.storage_data[MetadataIndex("model.0.weight", torch.Size([0, 0]), 0)]


def _lose_a_box(found):
    found.state_dict_metadata["model.0.weight"].chunks.pop()


def _double(found):
    tensor = found.state_dict_metadata["model.0.weight"]
    tensor.chunks[1] = tensor.chunks[0]
    tensor.size = torch.Size([2 * tensor.chunks[0].sizes[0], 6])


def _go_beyond(found):
    found.state_dict_metadata["model.0.weight"].chunks[0].sizes = torch.Size([9, 6])


def _leave_the_folder(found):
    next(iter(found.storage_data.values())).relative_path = "../full.pt"


def _cut(found):
    next(iter(found.storage_data.values())).offset = 1 << 40


def _compress(found):
    next(iter(found.storage_data.values())).transform_descriptors = ["zstd"]


def _grow(found):
    shape = torch.Size([1 << 30, 1 << 20])
    found.state_dict_metadata["model.x"] = TensorStorageMetadata(
        TensorProperties(), shape, [ChunkStorageMetadata(torch.Size([0, 0]), shape)]
    )


def _forget(found):
    found.storage_data = None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_lose_a_piece, "a piece of the tensor 'model.0.weight' is missing"),
        (_lose_a_box, "do not make the whole"),
        (_double, "do not make the whole"),
        (_go_beyond, "missing, or outside of it"),
        (_leave_the_folder, "outside of its folder"),
        (_cut, "a piece is cut off"),
        (_compress, "compressed.*; convert it: python -m"),
        (_grow, "show more values than the files hold"),
        (_forget, "found a damaged or another description"),
    ],
)
def test_what_does_not_fit_is_said(folder, change, message):
    describe(folder, change)
    with pytest.raises(FormatError, match=message):
        cg.load(folder)


def test_a_piece_that_is_another(folder):
    def swap(found):
        places = found.storage_data
        ends = [k for k in places if k.fqn in ("model.0.weight", "model.0.bias")]
        places[ends[0]], places[ends[-1]] = places[ends[-1]], places[ends[0]]

    describe(folder, swap)
    with pytest.raises(FormatError, match=r"is not the one that \.metadata says"):
        cg.analyze(cg.load(folder))


def test_a_description_that_could_run_code_is_refused(folder):
    (folder / ".metadata").write_bytes(pickle.dumps(Metadata({"x": print})))
    with pytest.raises(UnsafeFileError, match="print"):
        cg.load(folder)


@pytest.mark.parametrize("name", [".metadata", "__0_0.distcp"])
def test_damaged_files_load_or_are_refused(folder, name):
    data, seen = (folder / name).read_bytes(), set()
    for damage in mutate.mutations(data, 60, seed=len(name)):
        (folder / name).write_bytes(damage)
        seen.add(outcome(folder))
    assert "FormatError" in seen
    assert seen <= {"FormatError", "UnsafeFileError", "loaded"}
