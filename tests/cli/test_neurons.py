"""`cntgraph neurons`: the same tables as the Python API, from data in files."""

import io
import json
import pickle
import re
import zipfile

import numpy as np
import pandas as pd
import pytest
import torch
from oracles.commands import fails, run
from torch import nn

import cntgraph as cg

SHAPE = (1, 6, 6)
X = np.random.default_rng(0).normal(size=(30, *SHAPE)).astype(np.float32)
LABELS = np.array(["cat", "dog", "cow"] * 10)


class Two(nn.Module):
    """Has two inputs."""

    def __init__(self):
        super().__init__()
        self.left, self.right = nn.Linear(3, 4), nn.Linear(2, 4)

    def forward(self, a, b):
        return self.left(a) + self.right(b)


def module():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(32, 3)).eval()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("models")
    example = (torch.zeros(1, *SHAPE),)
    batch = {0: torch.export.Dim("batch")}
    torch.onnx.export(module(), (torch.zeros(2, *SHAPE),), path / "model.onnx", dynamo=True,
                      external_data=False, verbose=False, dynamic_shapes=(batch,))  # fmt: skip
    torch.export.save(torch.export.export(module(), example), path / "model.pt2")
    cg.save(cg.load(module(), input_shape=SHAPE), path / "model.h5")
    torch.manual_seed(0)
    cg.save(cg.load(Two(), example_input=(torch.zeros(1, 3), torch.zeros(1, 2))), path / "two.h5")
    np.save(path / "x.npy", X)
    np.savez_compressed(path / "x.npz", images=X)
    np.save(path / "y.npy", LABELS)
    return path


def assert_is(table, statistics, prefix):
    own = statistics.by_layer()
    assert table["layer"].tolist() == own.index.tolist()
    assert table["n_nodes"].tolist() == own["n_nodes"].tolist()
    for name in own.columns.drop("n_nodes"):
        np.testing.assert_allclose(table[f"{prefix}_{name}"], own[name], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("inputs", ["x.npy", "x.npz"])
@pytest.mark.parametrize("model", ["model.h5", "model.pt2", "model.onnx"])
def test_one_row_per_layer(folder, model, inputs):
    text = run("neurons", folder / model, "--inputs", folder / inputs, "-f", "csv").stdout
    table = pd.read_csv(io.StringIO(text))
    net = cg.load(folder / "model.h5")
    table["layer"] = [layer.name for layer in net.layers]  # as other formats call them
    assert_is(table, cg.neuron_strength(net, X), "neuron_strength")
    assert_is(table, cg.neuron_activation(net, X), "neuron_activation")


def test_one_row_per_class_and_layer(folder, tmp_path):
    out = tmp_path / "table.csv"
    result = run("neurons", folder / "model.h5", "--inputs", folder / "x.npy", "--labels",
                 folder / "y.npy", "-o", out, "--batch-size", 7)  # fmt: skip
    assert (result.stdout, result.stderr) == ("", f"{out}: 9 rows\n")
    table = pd.read_csv(out)
    assert table["label"].unique().tolist() == ["cat", "cow", "dog"]
    whole = cg.neuron_activation(cg.load(folder / "model.h5"), X, labels=LABELS)
    for label, part in table.groupby("label"):
        assert_is(part, whole.by_label[label], "neuron_activation")


def test_for_people(folder):
    result = run("neurons", folder / "model.h5", "--inputs", folder / "x.npy", "--layer", "[03]")
    title, head, *rows = result.stdout.splitlines()
    assert title.startswith(f"{folder / 'model.h5'}: 3 layers, 2 blocks, 71 nodes")
    assert title.endswith("; 30 samples")
    assert head.split()[:3] == ["layer", "n_nodes", "strength_mean"]
    assert len(rows) == 2
    assert len(rows[0]) < 130
    of_classes = run("neurons", folder / "model.h5", "--inputs", folder / "x.npy", "--labels",
                     folder / "y.npy").stdout  # fmt: skip
    assert "; 30 samples of 3 classes\n" in of_classes
    assert len(of_classes.splitlines()) == 11


def test_the_first_samples_only(folder):
    given = ("neurons", folder / "model.h5", "--inputs", folder / "x.npy", "--labels",
             folder / "y.npy")  # fmt: skip
    rows = json.loads(run(*given, "--samples", 5, "-f", "json").stdout)
    wanted = cg.neuron_strength(cg.load(folder / "model.h5"), X[:5], labels=LABELS[:5])
    for row in rows:
        own = wanted.by_label[row["label"]].by_layer().loc[row["layer"]]
        assert row["neuron_strength_mean"] == pytest.approx(own["mean"])


def test_several_inputs_are_an_archive(folder, tmp_path):
    a, b = np.ones((4, 3)), np.arange(8.0).reshape(4, 2)
    np.savez(tmp_path / "both.npz", a, b)
    rows = json.loads(run("neurons", folder / "two.h5", "--inputs", tmp_path / "both.npz",
                          "-f", "json").stdout)  # fmt: skip
    wanted = cg.neuron_activation(cg.load(folder / "two.h5"), (a, b)).by_layer()
    assert [row["neuron_activation_mean"] for row in rows] == pytest.approx(wanted["mean"].tolist())


def test_weights_in_the_graph_of_a_module(folder, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "own_nets.py").write_text(
        "from torch import nn\n"
        "def make():\n"
        "    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(32, 3))\n"
    )
    torch.save(module().state_dict(), tmp_path / "weights.pt")
    table = json.loads(run("neurons", tmp_path / "weights.pt", "--inputs", folder / "x.npy",
                           "--model", "own_nets:make", "-f", "json").stdout)  # fmt: skip
    wanted = cg.neuron_activation(cg.load(folder / "model.h5"), X).by_layer()
    found = [row["neuron_activation_mean"] for row in table]
    assert found == pytest.approx(wanted["mean"].tolist(), rel=1e-5)


class Called:
    """What a pickle of it calls."""

    def __reduce__(self):
        return (pytest.fail, ("the pickle was read",))


def _pickled(path):
    path.write_bytes(pickle.dumps(Called()))


def _pickles_in_an_archive(path):
    np.savez(path, np.array([Called()], dtype=object))


def _cut_off(path):
    np.save(path, X)
    path.write_bytes(path.read_bytes()[:-10])


def _archive_cut_off(path):
    np.savez(path, X)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def _empty_archive(path):
    zipfile.ZipFile(path, "w").close()


@pytest.mark.parametrize(
    ("name", "make", "message"),
    [
        ("none.npy", lambda path: None, "No such file"),
        ("none.npz", lambda path: None, "No such file"),
        ("x.csv", lambda path: path.write_text("1"), r"ends in .npy.*got '.csv'"),
        ("x.npy", _pickled, "pickled"),
        ("x.npy", lambda path: np.save(path, np.array([Called()], dtype=object)), "Python objects"),
        ("x.npz", _pickles_in_an_archive, "allow_pickle"),
        ("x.npy", _cut_off, "expected arrays of numbers"),
        ("x.npz", _archive_cut_off, "numpy.savez"),
        ("x.npz", _empty_archive, "there are none"),
        ("x.npy", lambda path: np.save(path, X[:, :, :5]), "shape"),
        ("x.npy", lambda path: np.save(path, np.float64(3)), "samples along the first axis"),
        ("x.npy", lambda path: np.save(path, X[:0]), "expected"),
        ("x.npy", lambda path: np.save(path, np.full_like(X, np.nan)), "finite inputs"),
        ("x.npy", lambda path: np.save(path, LABELS[:, None]), "real numbers"),
        ("x.npz", lambda path: np.savez(path, X, X), "expected inputs for"),
        ("x.npz", lambda path: np.savez(path, X, X[:3]), "as many samples of every input"),
    ],
)
def test_inputs_that_are_none(folder, tmp_path, name, make, message):
    make(tmp_path / name)
    error = fails("neurons", folder / "model.h5", "--inputs", tmp_path / name)
    assert re.search(message, error), error


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (LABELS[:20], "label"),
        (np.arange(31), "got 31 labels for 30"),
        (np.zeros((30, 2)), "one label per sample"),
        (np.full(30, np.nan), "NaN"),
    ],
)
def test_labels_that_are_none(folder, tmp_path, labels, message):
    np.save(tmp_path / "y.npy", labels)
    error = fails("neurons", folder / "model.h5", "--inputs", folder / "x.npy", "--labels",
                  tmp_path / "y.npy")  # fmt: skip
    assert message in error


def test_what_else_is_refused(folder, tmp_path):
    given = ("neurons", folder / "model.h5", "--inputs", folder / "x.npy")
    assert "no layer is called 'lstm'" in fails(*given, "--layer", "lstm")
    assert "x.npy" in fails(*given, "-o", folder / "x.npy", "--overwrite")
    np.savez(tmp_path / "weights.npz", fc=np.ones((6, 3)))
    weights = fails("neurons", tmp_path / "weights.npz", "--inputs", folder / "x.npy")
    assert "weights alone, without a graph" in weights
    assert run("neurons", folder / "model.h5", code=2).stdout == ""
