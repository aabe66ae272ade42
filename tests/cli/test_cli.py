"""The command line: each command on each kind of file, and what it says when it cannot."""

import io
import json
import subprocess
import sys
import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from oracles.commands import fails, run
from oracles.nets import random_net
from torch import nn

import cntgraph as cg

SHAPE = (1, 6, 6)


def module(last=nn.Identity):
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(32, 3), last()
    ).eval()


class Skipping(nn.Module):
    """Has an operation that the graph cannot hold."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 2)

    def forward(self, x):
        return self.second(torch.cumprod(self.first(x), 1))


def export(model, shape, path):
    example = (torch.zeros(1, *shape),)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if path.suffix == ".onnx":
            torch.onnx.export(model, example, path, dynamo=True, external_data=False, verbose=False)
        else:
            torch.export.save(torch.export.export(model, example), path)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A network as every kind of file, and some that are not."""
    path = tmp_path_factory.mktemp("models")
    export(module(), SHAPE, path / "model.pt2")
    export(module(), SHAPE, path / "model.onnx")
    export(Skipping(), (4,), path / "skipping.pt2")
    cg.save(cg.load(module(), input_shape=SHAPE), path / "model.h5")
    rng = np.random.default_rng(0)
    net = random_net(0)
    moments = []
    for k in range(3):
        tensors = {
            name: cg.Parameter.from_array(name, rng.normal(size=p.shape).astype(p.dtype))
            for name, p in net.parameters.items()
        }
        moments.append(net.bind(tensors, {"step": k, "note": "ü,[b]"}))
    cg.save(moments, path / "run.h5")
    (path / "notes.txt").write_text("none")
    (path / "weights.pth").write_bytes(b"\x80\x04")
    for suffix in ("h5", "onnx", "pt2"):
        (path / f"broken.{suffix}").write_bytes((path / f"model.{suffix}").read_bytes()[:700])
    return path


KINDS = ["model.h5", "model.pt2", "model.onnx"]


def expected(**options):
    return cg.analyze(cg.load(module(), input_shape=SHAPE), **options).reset_index()


# --- describe ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", KINDS)
def test_describe(folder, name):
    result = run("describe", folder / name)
    title, rest = result.stdout.split("\n", 1)
    assert title.startswith(f"{folder / name}: 3 layers, 2 blocks, 71 nodes, ")
    blocks, coverage = rest.split("\n\nCoverage\n")
    assert len(blocks.splitlines()) == 5
    assert "2×4×4" in blocks
    assert "float32" in coverage
    assert result.stderr == ""


@pytest.mark.parametrize("name", KINDS)
def test_describe_for_machines(folder, name):
    rows = json.loads(run("describe", folder / name, "-f", "json").stdout)
    assert [row["shape"] for row in rows] == [[1, 6, 6], [2, 4, 4], [3]]
    assert [row["n_edges"] for row in rows] == [0, 288, 96]
    table = pd.read_csv(io.StringIO(run("describe", folder / name, "--format", "csv").stdout))
    assert table["n_edges"].tolist() == [0, 288, 96]


def test_describe_modules_and_all_columns(folder):
    tree = run("describe", folder / "model.pt2", "--tree").stdout.split("\n\n")[0].splitlines()
    assert tree[1].split() == ["name", "kind", "shape", "n_parameters", "multiply_adds", "n_bytes"]
    assert [line.split()[0] for line in tree[2:]] == ["0", "1", "4", "total", "not"]
    shown = run("describe", folder / "model.pt2", "--columns", "all").stdout
    assert "weight_shape" in shown
    assert "not shown" not in shown


def test_describe_norms_that_are_kept(folder):
    rows = json.loads(run("describe", folder / "model.pt2", "--norm", "keep", "-f", "json").stdout)
    assert [row["kind"] for row in rows] == ["input", "conv", "norm", "dense"]


def test_describe_channels(folder):
    args = (folder / "model.h5", "--granularity", "channel")
    rows = json.loads(run("describe", *args, "-f", "json").stdout)
    assert [row["shape"] for row in rows] == [[1], [2], [3]]
    assert [row["n_edges"] for row in rows] == [0, 2, 6]
    title = run("describe", *args).stdout.split("\n", 1)[0]
    sizes = "one node per channel: 3 layers, 2 blocks, 6 nodes"
    assert title.startswith(f"{folder / 'model.h5'}, {sizes}")


# --- analyze ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", KINDS)
def test_analyze(folder, name):
    lines = run("analyze", folder / name).stdout.splitlines()
    assert len(lines) == 6
    assert lines[0].startswith(f"{folder / name}: 3 layers")
    assert all(line.split()[-1] == "ok" for line in lines[2:-1])
    assert lines[-1] == "not shown: 21 columns (--columns all)"


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("kind", ["csv", "json", "parquet", "h5", "csv printed", "json printed"])
def test_formats(folder, name, kind, tmp_path):
    suffix, *printed = kind.split()
    path = tmp_path / f"table.{suffix}"
    if printed:
        path.write_text(run("analyze", folder / name, "-f", suffix).stdout, encoding="utf-8")
    else:
        result = run("analyze", folder / name, "-o", path)
        assert (result.stdout, result.stderr) == ("", f"{path}: 3 rows\n")
    found = {"csv": pd.read_csv, "json": pd.read_json, "parquet": pd.read_parquet, "h5": columns}[
        suffix
    ](path)
    wanted = expected()
    assert found.columns.tolist() == wanted.columns.tolist()
    assert found["n_nodes"].tolist() == [36, 32, 3]
    # The exporter of ONNX folds the norm in float32.
    tolerance = 1e-5 if name == "model.onnx" else 1e-12
    for column in wanted.select_dtypes("number"):
        values = found[column].to_numpy(dtype=float)
        np.testing.assert_allclose(values, wanted[column], rtol=tolerance, atol=tolerance)


def columns(path):
    import h5py

    with h5py.File(path) as file:
        return pd.DataFrame({name: list(values[()]) for name, values in file["table"].items()})


@pytest.mark.parametrize(
    ("args", "options"),
    [
        (
            ["--granularity", "layer", "--aggregation", "l2"],
            {"granularity": "layer", "aggregation": "l2"},
        ),
        (["--edges", "all"], {"edges": "all"}),
        (["--no-bias"], {"bias": False}),
        (["--boundary", "1"], {"boundary": 1.0}),
    ],
)
def test_options(folder, args, options):
    rows = json.loads(run("analyze", folder / "model.h5", "-f", "json", *args).stdout)
    found = [row["strength_mean"] for row in rows]
    assert found == pytest.approx(expected(**options)["strength_mean"].tolist())
    if "edges" not in options:
        assert found != pytest.approx(expected()["strength_mean"].tolist())


def test_snapshots(folder):
    rows = json.loads(run("analyze", folder / "run.h5", "--snapshots", "-f", "json").stdout)
    with cg.open(folder / "run.h5") as trajectory:
        wanted = trajectory.analyze()
    assert [row["snapshot"] for row in rows] == wanted["snapshot"].tolist()
    assert [row["note"] for row in rows] == ["ü,[b]"] * len(wanted)
    for row, fluctuation in zip(rows, wanted["fluctuation"], strict=True):
        assert row["fluctuation"] == fluctuation or row["fluctuation"] is None
    last = json.loads(run("analyze", folder / "run.h5", "-f", "json").stdout)
    n = len(wanted) // 3
    assert [row["fluctuation"] for row in last] == [row["fluctuation"] for row in rows[-n:]]


def test_snapshots_for_people(folder):
    lines = run("analyze", folder / "run.h5", "--snapshots").stdout.splitlines()
    assert lines[0] == str(folder / "run.h5")
    assert lines[1].split()[:3] == ["snapshot", "step", "layer"]
    assert [line.split()[0] for line in lines[2:]] == sorted(line.split()[0] for line in lines[2:])


def test_measures_without_parameters(tmp_path):
    """Say what they would of a file with parameters, but for other measures."""
    for store in ("parameters", "measures"):
        with cg.Recorder(tmp_path / f"{store}.h5", module(), input_shape=SHAPE, store=store) as r:
            r(step=1)
    whole, alone = tmp_path / "parameters.h5", tmp_path / "measures.h5"
    for command in ("describe", "analyze"):
        said = run(command, alone, "-f", "csv").stdout
        assert said == run(command, whole, "-f", "csv").stdout
    assert run("analyze", alone, "--snapshots", "-f", "json").stdout
    assert 'recorded with store="measures"' in fails("analyze", alone, "--boundary", "1")
    assert 'recorded with store="measures"' in fails("convert", alone, "-o", tmp_path / "x.h5")


# --- convert ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", KINDS)
def test_convert(folder, name, tmp_path):
    path = tmp_path / "out.h5"
    result = run("convert", folder / name, "-o", path, "--compression", "9")
    assert result.stdout.startswith(f"{path}: <Network: 3 layers, 2 blocks, 71 nodes, 384 edges")
    found = cg.analyze(cg.open(path)[0])
    np.testing.assert_allclose(found["strength_mean"], expected()["strength_mean"], rtol=1e-4)
    assert "exists" in fails("convert", folder / name, "-o", path)
    run("convert", folder / name, "-o", path, "--overwrite")


def test_convert_in_place(folder, tmp_path):
    path = tmp_path / "model.h5"
    path.write_bytes((folder / "model.h5").read_bytes())
    before = cg.node_strength(cg.open(path)[0])
    run("convert", path, "-o", path, "--overwrite", "--compression", "1")
    np.testing.assert_array_equal(cg.node_strength(cg.open(path)[0]), before)


def test_repack(folder, tmp_path):
    new = tmp_path / "new.h5"
    result = run("repack", folder / "run.h5", new, "--compression", "9")
    assert result.stdout.startswith(f"{new}: 3 snapshots; ")
    pd.testing.assert_frame_equal(cg.open(new).analyze(), cg.open(folder / "run.h5").analyze())
    assert "exists" in fails("repack", folder / "run.h5", new)
    run("repack", folder / "run.h5", new, "--overwrite")
    for name, message in (("model.onnx", "cntgraph file"), ("broken.h5", "broken.h5"),
                          ("absent.h5", "found no file")):  # fmt: skip
        assert message in fails("repack", folder / name, tmp_path / "x.h5")
    assert [path.name for path in tmp_path.iterdir()] == ["new.h5"]


# --- Warnings and errors ----------------------------------------------------------------------


def test_warnings_go_to_standard_error(folder):
    for command in ("describe", "analyze"):
        result = run(command, folder / "skipping.pt2", "-f", "json")
        assert len(json.loads(result.stdout)) >= 2
        assert result.stderr.startswith("warning: ")
        assert "cumprod" in result.stderr
    assert "cumprod" in fails("analyze", folder / "skipping.pt2", "--strict")


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["describe", "absent.onnx"], "found nothing"),
        (["describe", "."], "a folder of .safetensors or .bin, found one without any"),
        (["describe", "notes.txt"], "expected a file that ends in"),
        (["describe", "weights.pth"], "found a plain pickle"),
        (["analyze", "broken.h5"], "broken.h5"),
        (["analyze", "broken.onnx"], "broken.onnx"),
        (["analyze", "broken.pt2"], "broken.pt2"),
        (["analyze", "model.onnx", "--snapshots"], "expected a cntgraph file"),
        (["analyze", "absent.h5", "--snapshots"], "found no file"),
        (["analyze", "model.h5", "-o", "table.xlsx"], "ends in .csv, .json"),
        (["analyze", "model.h5", "-o", "absent/table.csv"], "cannot be written"),
        (["analyze", "model.pt2", "--input-shape", "1,a"], "numbers with commas"),
        (["convert", "model.h5", "-o", "out.onnx"], "ends in .h5"),
        (["convert", "model.h5", "-o", "absent/out.h5"], "cannot be written"),
        (["convert", "absent.pt2", "-o", "out.h5"], "found nothing"),
    ],
)
def test_errors_are_a_line(folder, args, said, monkeypatch):
    monkeypatch.chdir(folder)
    assert said in fails(*args)
    assert not list(folder.glob("out*"))


@pytest.mark.parametrize("args", [["analyze", "m.h5", "-f", "xml"], ["convert", "m.h5"], ["report"],
                                  ["analyze", "m.h5", "--edges", "some"]])  # fmt: skip
def test_what_the_command_line_does_not_know(args):
    assert run(*args, code=2).stdout == ""


def test_nothing_analyzed(tmp_path):
    net = cg.toy("residual")
    skip = tuple(block for block in net.blocks if not block.parametric)
    assert len(skip) == 1
    cg.save(replace(net, blocks=skip), tmp_path / "skip.h5")
    said = fails("analyze", tmp_path / "skip.h5")
    assert "nothing was analyzed: no layer has parametric edges" in said
    assert fails("analyze", tmp_path / "skip.h5", "--snapshots")
    run("analyze", tmp_path / "skip.h5", "--edges", "all")
    run("describe", tmp_path / "skip.h5")


def test_input_shape(folder):
    for text in ("1,6,6", "1x6x6"):
        rows = json.loads(
            run("describe", folder / "model.onnx", "--input-shape", text, "-f", "json").stdout
        )
        assert rows[0]["shape"] == [1, 6, 6]


# --- Weights alone ----------------------------------------------------------------------------

FACTORY = """
from torch import nn

def make():
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(32, 3))

def fails():
    raise RuntimeError("no such width")
"""


@pytest.fixture
def checkpoint(tmp_path, monkeypatch):
    """Weights of a model that a function in the current folder makes."""
    (tmp_path / "own_nets.py").write_text(FACTORY)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "own_nets", raising=False)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(32, 3))
    torch.save(model.state_dict(), tmp_path / "weights.pt")
    return tmp_path / "weights.pt", model


@pytest.mark.parametrize("command", ["describe", "analyze", "profile"])
def test_weights_alone_say_so(checkpoint, command):
    path, _ = checkpoint
    title = run(command, path).stdout.partition("\n")[0]
    assert title.endswith("; weights only: no graph, each weight is a block of its own")
    said = fails(command, path, "--input-shape", "1,6,6")
    assert "weights alone, without a graph" in said
    assert "model=" in said


def test_weights_in_the_graph_of_the_users_own_model(checkpoint, tmp_path):
    path, model = checkpoint
    made = ("--model", "own_nets:make", "--input-shape", "1,6,6")
    found = pd.read_csv(io.StringIO(run("analyze", path, *made, "-f", "csv").stdout))
    wanted = cg.analyze(cg.load(model, input_shape=(1, 6, 6))).reset_index()
    assert found["fluctuation"].tolist() == pytest.approx(wanted["fluctuation"].tolist())
    assert "weights only" not in run("describe", path, *made).stdout
    run("convert", path, *made, "-o", tmp_path / "net.h5")
    assert cg.load(tmp_path / "net.h5").n_edges == cg.load(model, input_shape=(1, 6, 6)).n_edges


@pytest.mark.parametrize(
    ("factory", "said"),
    [("own_nets", "package.module:function"), ("own_nets:other", "AttributeError"),
     ("nowhere:make", "ModuleNotFoundError"), ("own_nets:fails", "no such width")],
)  # fmt: skip
def test_functions_that_make_no_model(checkpoint, factory, said):
    path, _ = checkpoint
    assert said in fails("describe", path, "--model", factory, "--input-shape", "1,6,6")


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.RNN(3, 4, batch_first=True)

    def forward(self, x):
        return self.rnn(x)[0]


@pytest.mark.filterwarnings("ignore:The tensor attributes self.rnn._flat_weights:UserWarning")
def test_recurrent_layers_are_loops_or_unrolled(tmp_path):
    path = tmp_path / "rnn.pt2"
    torch.export.save(torch.export.export(Recurrent().eval(), (torch.zeros(1, 3, 3),)), path)
    shapes = {}
    for args in ([], ["--unroll", "3"]):
        table = pd.read_csv(io.StringIO(run("describe", path, "-f", "csv", *args).stdout))
        shapes[len(args)] = list(table.drop_duplicates("layer")["shape"])
    assert shapes == {0: ["(3, 3)", "(4,)"], 2: ["(3, 3)", "(4, 3)"]}
    assert "unroll=5 time steps" in fails("describe", path, "--unroll", 5)


def test_help_names_every_command():
    text = run("--help").stdout
    assert all(name in text for name in ("describe", "analyze", "convert", "demo"))


# --- As a program -----------------------------------------------------------------------------


def test_as_a_program(folder):
    def program(*args):
        command = [sys.executable, "-m", "cntgraph.cli", *args]
        return subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)

    good = program("analyze", "model.h5", "-f", "csv")
    assert good.returncode == 0
    assert good.stderr == ""
    table = pd.read_csv(io.StringIO(good.stdout))
    np.testing.assert_allclose(table["fluctuation"], expected()["fluctuation"])
    bad = program("analyze", "broken.h5")
    assert bad.returncode == 1
    assert bad.stdout == ""
    assert bad.stderr.startswith("error: broken.h5: ")
    assert bad.stderr.count("\n") == 1


# --- What is there stays -----------------------------------------------------------------------


@pytest.mark.parametrize("command", ["describe", "analyze", "profile", "separation", "report"])
def test_an_input_is_never_replaced(folder, tmp_path, command):
    path = tmp_path / "model.h5"
    path.write_bytes((folder / "model.h5").read_bytes())
    before = path.read_bytes()
    for source in (path, tmp_path / "*.h5") if command in ("separation", "report") else (path,):
        assert "is what is read" in fails(command, source, "-o", path, "--overwrite")
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("command", "name"),
    [("describe", "a.csv"), ("analyze", "a.h5"), ("profile", "a.json"), ("separation", "a.csv"),
     ("report", "a.html"), ("export", "a.gexf"), ("export", "a.graphml"), ("demo", "a.png")],
)  # fmt: skip
def test_what_exists_is_replaced_only_if_asked(folder, tmp_path, command, name):
    path = tmp_path / name
    path.write_text("a recording of three weeks")
    sources = [] if command == "demo" else [folder / "model.h5"]
    assert "--overwrite" in fails(command, *sources, "-o", path)
    assert path.read_text() == "a recording of three weeks"
    assert list(tmp_path.iterdir()) == [path]


def test_a_table_takes_the_place_of_a_file_if_asked(folder, tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("old")
    run("analyze", folder / "model.h5", "-o", path, "--overwrite")
    assert path.read_text().startswith("layer,")


@pytest.mark.parametrize("command", ["describe", "analyze"])
@pytest.mark.parametrize("name", ["model.onnx", "model.h5"])
def test_a_table_is_printed_without_what_is_slow_to_import(folder, command, name):
    slow = ("pandas", "pyarrow", "scipy.linalg", "scipy.sparse", "onnx.reference", "matplotlib")
    code = (
        "import sys\nfrom cntgraph.cli import app\n"
        f"app({[command, str(folder / name)]!r}, standalone_mode=False)\n"
        f"print(*[name for name in {slow!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "conv" in done.stdout
    assert done.stderr.split() == []
