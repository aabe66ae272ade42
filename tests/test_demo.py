"""The demo is real: two tables and a figure from networks that come with the package."""

import struct
import subprocess
import sys
from pathlib import Path

import pytest

import cntgraph as cg
from cntgraph import demo

FRAMEWORKS = {"torch", "onnx", "tensorflow", "keras", "jax", "sklearn"}

RUN = """
import sys
from cntgraph.cli import app
app(["demo", *sys.argv[1:]], standalone_mode=False)
print("modules", *sys.modules)
"""


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """The demo's output and its folder, run once as a newcomer would run it."""
    folder = tmp_path_factory.mktemp("demo")
    result = subprocess.run(
        [sys.executable, "-c", RUN], capture_output=True, text=True, cwd=folder, check=True
    )
    return result, folder


def png_size(path):
    data = path.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    assert data[-8:-4] == b"IEND"
    return struct.unpack(">II", data[16:24])


def test_two_tables(ran):
    result, folder = ran
    first, second = result.stdout.split("\n\n")[:2]
    lines = first.splitlines()
    assert "learns" in lines[0]
    assert lines[1].split()[:3] == ["step", "epoch", "accuracy"]
    with cg.open(cg.demo_file("training")) as trajectory:
        assert len(lines) == 2 + len(trajectory)
        layers = [layer.name for layer in trajectory[0].layers]
        assert lines[1].split()[3:] == layers
    last = [float(text.replace(",", "")) for text in lines[-1].split()]
    assert last[2] > 0.9
    lines = second.splitlines()
    assert "AUC, 0.5 is chance" in lines[0]
    assert "fluctuation" in lines[1]
    for line in lines[2:]:
        assert all(0.5 <= float(text) <= 1 for text in line.split()[1:])
    assert "Best hidden or output layer: fluctuation 0." in result.stdout
    assert str(folder / "cntgraph-demo.png") in result.stdout
    assert result.stderr == ""


def test_figure(ran):
    width, height = png_size(ran[1] / "cntgraph-demo.png")
    assert 1000 <= width <= 4000
    assert 400 <= height <= 2000
    assert (ran[1] / "cntgraph-demo.png").stat().st_size > 30_000
    assert [path.name for path in ran[1].iterdir()] == ["cntgraph-demo.png"]


def test_no_framework_is_imported(ran):
    names = ran[0].stdout.split("modules ", 1)[1].split()
    assert "cntgraph" in names
    assert not FRAMEWORKS & set(names)


def test_figure_elsewhere(tmp_path, capsys):
    demo.run_demo(tmp_path / "figure.svg")
    assert "<svg" in (tmp_path / "figure.svg").read_text(encoding="utf-8")
    assert str(tmp_path / "figure.svg") in capsys.readouterr().out


def test_a_figure_that_cannot_be_saved(tmp_path):
    with pytest.raises(cg.CntGraphError, match="cannot be saved"):
        demo.run_demo(tmp_path / "figure.doc")


# --- The networks -----------------------------------------------------------------------------


def test_bundled_files_are_small():
    files = list(Path(cg.demo_file("training")).parent.glob("*.h5"))
    assert {path.stem for path in files} == {"training", "population"}
    assert sum(path.stat().st_size for path in files) <= 1.5 * 2**20


def test_unknown_file():
    with pytest.raises(cg.CntGraphError, match="'training' or 'population', got 'mnist'"):
        cg.demo_file("mnist")


def test_training():
    with cg.open(cg.demo_file("training")) as trajectory:
        labels = trajectory.labels
        assert len(trajectory) >= 10
        assert labels["step"].is_monotonic_increasing
        assert labels["accuracy"].iloc[0] < 0.2
        assert labels["accuracy"].iloc[-1] > 0.9
        assert (trajectory[-1].coverage["status"] != "skipped").all()
        kinds = {layer.kind for layer in trajectory[0].layers}
        assert {"conv", "pool", "dense"} <= kinds


def test_population():
    with cg.open(cg.demo_file("population")) as population:
        accuracy = population.labels["accuracy"]
        assert len(population) >= 60
        assert (accuracy > demo.ABOVE).sum() >= 15
        assert (accuracy < demo.BELOW).sum() >= 15
        # They are different networks, none of them damaged.
        table = population.analyze()
    assert (table["status"] == "ok").all()
    assert table.groupby("snapshot")["link_weight_mean"].last().nunique() == len(accuracy)


def test_the_separation_is_that_of_the_table():
    with cg.open(cg.demo_file("population")) as population:
        table = population.analyze()
    auc = cg.separation_auc(table, demo.MEASURES, above=demo.ABOVE, below=demo.BELOW)
    verdict = demo._verdict(auc)
    best = auc.drop(index="input").max()
    for measure in demo.MEASURES:
        assert f"{best[measure]:.2f}" in verdict
