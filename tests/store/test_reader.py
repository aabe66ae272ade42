"""Reading: only what is asked for, from anywhere, and nothing is changed."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from oracles.nets import random_net
from store.faults import ROOT
from store.samples import FORMAT_1, carrying, saved

import cntgraph as cg
from cntgraph.core.errors import FormatError, StoreError
from cntgraph.core.parameter import Parameter
from cntgraph.store.reader import StoreFile
from cntgraph.store.tensor import StoredTensor

# --- Reading ----------------------------------------------------------------------------------


def test_describing_reads_no_tensor(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cg.save(random_net(0), path)
    original, read = StoredTensor.__getitem__, []

    def counted(self: StoredTensor, key: Any) -> Any:
        read.append(self.path)
        return original(self, key)

    monkeypatch.setattr(StoredTensor, "__getitem__", counted)
    with cg.open(path) as trajectory:
        net = trajectory[-1]
        assert net.n_edges
        assert len(cg.describe(net))
        assert net.estimate().nbytes
        assert len(net.coverage)
        assert net.n_parameters
        assert read == []
        cg.node_strength(net)
        assert len(set(read)) == len(net.parameters)


def test_a_slice_of_a_tensor_reads_a_slice(path: Path) -> None:
    array = np.arange(12.0).reshape(3, 4)
    handle = saved(carrying(Parameter.from_array("extra", array)), path).parameters["extra"].data
    np.testing.assert_array_equal(handle[1:2], array[1:2])
    np.testing.assert_array_equal(handle[:, 3:], array[:, 3:])


def test_reading_changes_nothing(path: Path) -> None:
    cg.save(cg.toy("cnn"), path)
    before = path.read_bytes(), path.stat().st_mtime_ns
    path.chmod(0o444)
    with cg.open(path) as trajectory:
        trajectory.analyze()
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before
    assert [p.name for p in path.parent.iterdir()] == ["run.h5"]


def test_pickled_and_used_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    cg.save(cg.toy("mlp"), "run.h5", epoch=2)
    trajectory = cg.open("run.h5")
    expected = cg.node_strength(trajectory[0])
    data = pickle.dumps((trajectory, trajectory[0]))
    trajectory.close()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    for net in (pickle.loads(data)[0][0], pickle.loads(data)[1]):
        np.testing.assert_array_equal(cg.node_strength(net), expected)
        assert net.labels == {"epoch": 2}


def test_a_closed_file_says_so(path: Path) -> None:
    cg.save(cg.toy("mlp"), path)
    with cg.open(path) as trajectory:
        net = trajectory[0]
        assert repr(trajectory) == "<Trajectory: 1 snapshots of run.h5>"
    for attempt in (
        lambda: cg.node_strength(net),
        lambda: trajectory[0],
        lambda: trajectory.labels,
    ):
        with pytest.raises(StoreError, match=r"run\.h5 was closed"):
            attempt()
    trajectory.close()


def test_absent_file(tmp_path: Path) -> None:
    for path in (tmp_path / "absent.h5", tmp_path):
        with pytest.raises(FormatError, match="found no file"):
            cg.open(path)


def test_the_file_is_let_go_of_when_it_is_refused(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["a"] = 1
    with pytest.raises(FormatError):
        StoreFile(path)
    with h5py.File(path, "r+", locking=True) as file:
        assert list(file) == ["a"]


READ_WITHOUT_FRAMEWORK = """
import sys
import cntgraph as cg
cg.analyze(cg.open(sys.argv[1])[-1])
print(*{"torch", "onnx", "matplotlib", "networkx", "igraph"} & set(sys.modules))
"""


def test_a_file_needs_no_framework() -> None:
    command = [sys.executable, "-c", READ_WITHOUT_FRAMEWORK, str(FORMAT_1)]
    result = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    assert result.stdout.strip() == ""


# --- The format -------------------------------------------------------------------------------


def test_the_file_is_what_format_md_says(path: Path) -> None:
    cg.save(cg.toy("cnn"), path, epoch=7)
    with h5py.File(path) as file:
        assert file.attrs["format"] == b"cntgraph"
        assert file.attrs["format_version"] == 1
        assert file.attrs["writer"].startswith(b"cntgraph ")
        assert set(file) == {"network", "coverage", "snapshots"}
        assert list(file["snapshots"]) == ["0"]
        assert file["snapshots/0"].attrs["epoch"] == 7
        for name in ("network/description", "coverage"):
            assert h5py.check_string_dtype(file[name].dtype) == ("utf-8", file[name].dtype.itemsize)
        tensor = file["snapshots/0/parameters/conv1.weight"]
        np.testing.assert_array_equal(tensor[()], cg.toy("cnn").parameters["conv1.weight"].raw())


def test_an_archived_file_of_format_1() -> None:
    """Written by cntgraph 0.1.0 from toy("residual"); it must stay readable."""
    assert FORMAT_1.stat().st_size < 20_000
    with cg.open(FORMAT_1) as trajectory:
        (net,) = trajectory
        assert net.labels == {"epoch": 3, "accuracy": 0.75, "note": "archived"}
        assert [(layer.name, layer.shape) for layer in net.layers] == [
            ("input", (4,)), ("fc1", (5,)), ("sum", (5,))]  # fmt: skip
        assert list(net.coverage.index) == ["fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"]
        strength = net.split(cg.node_strength(net))
        degree = net.split(cg.node_strength(net, edges="all", transform="count"))
    expected = {
        "input": [-1.991482108831, -0.785511560738, 0.243433877826, 0.701776526868],
        "fc1": [-0.761404022574, 2.404455535114, -0.56036509946, -0.360224619508, 2.502449817955],
        "sum": [-0.725681323558, -0.915416322649, 0.922441439237, 1.651487797499, 2.466366738081],
    }
    for name, values in expected.items():
        np.testing.assert_allclose(strength[name], values, rtol=1e-10)
    assert degree["fc1"].tolist() == [10.0] * 5
    assert degree["sum"].tolist() == [6.0] * 5
