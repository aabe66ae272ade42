"""Checkpoints of orbax: read part by part, with the numbers that orbax itself restores."""

import json
import shutil
import sys

import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
import pytest
from oracles import mutate
from oracles.reading import outcome

import cntgraph as cg
from cntgraph.core.errors import FormatError, MissingExtraError

RNG = np.random.default_rng(0)
PARAMS = {
    "dense": {"kernel": RNG.normal(size=(5, 4)).astype(np.float32), "bias": np.ones(4, np.float32)},
    "conv": {"kernel": RNG.normal(size=(3, 3, 2, 6)).astype(np.float32)},
}
TRAINING = {
    "params": PARAMS,
    "opt_state": [{"mu": np.ones((5, 4), np.float32)}, None],
    "step": 7,
}


def saved(folder, tree, **options):
    """Save a tree as the handler of orbax does, and return the folder."""
    with ocp.Checkpointer(ocp.PyTreeCheckpointHandler(**options)) as checkpointer:
        checkpointer.save(folder, args=ocp.args.PyTreeSave(tree))
    return folder


def restored(folder):
    with ocp.StandardCheckpointer() as checkpointer:
        return checkpointer.restore(folder)


@pytest.mark.parametrize(
    "options",
    [{}, {"use_ocdbt": False}, {"use_zarr3": True}, {"use_ocdbt": False, "use_zarr3": True}],
    ids=lambda options: "-".join(options) or "default",
)
def test_it_is_what_orbax_restores(options, tmp_path):
    folder = saved(tmp_path / "c", PARAMS, **options)
    net, expected = cg.load(folder, strict=True), cg.load(restored(folder), strict=True)
    assert [block.name for block in net.blocks] == [block.name for block in expected.blocks]
    for name, parameter in expected.parameters.items():
        assert np.array_equal(net.parameters[name].read(), parameter.read())
    for axis, (first, last) in enumerate([(1, 4), (0, 2)]):
        part = net.parameters["dense.kernel"].read(axis, first, last)
        assert np.array_equal(part, np.take(PARAMS["dense"]["kernel"], range(first, last), axis))


def test_of_a_training_the_parameters_are_the_weights(tmp_path):
    net = cg.load(saved(tmp_path / "c", TRAINING))
    assert set(net.parameters) == {"dense.kernel", "dense.bias", "conv.kernel"}
    others = net.coverage.loc[["opt_state.0.mu", "opt_state.1", "step"], "reason"]
    assert set(others) == {"not of the weights in 'params'"}
    assert cg.load(tmp_path / "c", layout="HWIO").blocks[0].weight.shape == (6, 18)


def test_what_is_no_array_is_named(tmp_path):
    net = cg.load(saved(tmp_path / "c", {**PARAMS, "step": 7}))
    assert net.coverage.loc["step", "reason"].startswith("no array")


def test_a_tree_without_arrays(tmp_path, monkeypatch):
    folder = saved(tmp_path / "c", {"step": 7})
    monkeypatch.setitem(sys.modules, "tensorstore", None)
    with pytest.raises(FormatError, match=r"expected tensors of two or more dimensions.*\(step\)"):
        cg.load(folder)


def test_steps_of_a_manager(tmp_path):
    with ocp.CheckpointManager(tmp_path / "m") as manager:
        manager.save(3, args=ocp.args.StandardSave(PARAMS))
        manager.wait_until_finished()
        for folder in (tmp_path / "m", tmp_path / "m" / "3", tmp_path / "m" / "3" / "default"):
            assert len(cg.load(folder).blocks) == 2
        manager.save(5, args=ocp.args.StandardSave(PARAMS))
        manager.wait_until_finished()
    with pytest.raises(FormatError, match="found 2: 3/default, 5/default; pass the folder of one"):
        cg.load(tmp_path / "m")


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "float8_e4m3fn"])
def test_parts_are_read(dtype, tmp_path):
    array = jnp.asarray(RNG.normal(size=(64, 1024))).astype(dtype)
    folder = saved(tmp_path / "c", {"fc": {"kernel": array}})
    weight = cg.load(folder).parameters["fc.kernel"]
    expected = np.asarray(array).astype(np.float64)
    assert weight.dtype == dtype
    assert np.array_equal(weight.read(), expected)
    assert np.array_equal(weight.read(1, 100, 300), expected[:, 100:300])
    net = cg.load(folder)
    assert cg.node_strength(net, direction="out")[0] == pytest.approx(expected[0].sum())


def test_whole_numbers_are_no_weights(tmp_path):
    net = cg.load(saved(tmp_path / "c", {"w": np.ones((2, 3)), "ids": np.arange(4)}))
    assert len(net.blocks) == 1


# -- what is refused -------------------------------------------------------------------------------


def change(folder, edit):
    path = folder / "_METADATA"
    described = json.loads(path.read_text())
    edit(described["tree_metadata"])
    path.write_text(json.dumps(described))


def _forget(tree):
    del next(iter(tree.values()))["key_metadata"]


def _lead_away(tree):
    next(iter(tree.values()))["key_metadata"][0]["key"] = "../../etc"


def _lead_nowhere(tree):
    next(iter(tree.values()))["key_metadata"][0]["key"] = "other"


@pytest.mark.parametrize("edit", [_forget, _lead_away, _lead_nowhere])
def test_a_damaged_tree_is_refused(edit, tmp_path):
    folder = saved(tmp_path / "c", PARAMS)
    change(folder, edit)
    with pytest.raises(FormatError, match=r"expected a checkpoint of orbax.*save the checkpoint"):
        cg.load(folder)


def test_more_values_than_are_stored_are_refused(tmp_path):
    folder = saved(tmp_path / "c", {"w": np.ones((2, 3))}, use_ocdbt=False)
    path = folder / "w" / ".zarray"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"shape": [1 << 20, 1 << 20]}))
    with pytest.raises(FormatError, match="more values than the files hold"):
        cg.load(folder)


def test_a_file_that_is_gone_later_is_said(tmp_path):
    folder = saved(tmp_path / "c", {"w": np.ones((300, 300))}, use_ocdbt=False)
    net = cg.load(folder)
    for path in (folder / "w").glob("0*"):
        path.write_bytes(b"not what was there")
    with pytest.raises(FormatError, match="damaged"):
        cg.analyze(net)


def test_what_reads_it_is_named_where_it_is_missing(tmp_path, monkeypatch):
    folder = saved(tmp_path / "c", PARAMS)
    monkeypatch.setitem(sys.modules, "tensorstore", None)
    with pytest.raises(MissingExtraError, match=r"cntgraph\[orbax\]"):
        cg.load(folder)


@pytest.mark.parametrize("name", ["_METADATA", "manifest.ocdbt"])
def test_damaged_files_load_or_are_refused(name, tmp_path):
    folder = saved(tmp_path / "c", TRAINING)
    data, seen = (folder / name).read_bytes(), set()
    structured = mutate.json_text if name == "_METADATA" else None
    for damage in mutate.mutations(data, 60, seed=1, structured=structured):
        (folder / name).write_bytes(damage)
        seen.add(outcome(folder))
    assert "FormatError" in seen
    assert seen <= {"FormatError", "loaded", "GraphSizeError", "ParameterError"}
    shutil.rmtree(folder)
