"""The demo is real: two tables and a figure from networks that come with the package."""

import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
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


def test_as_a_newcomer_runs_it(tmp_path):
    command = [sys.executable, "-c", RUN]
    result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=True)
    out, modules = result.stdout.split("modules ", 1)
    assert result.stderr == ""
    check_tables(out)
    assert str(tmp_path / "cntgraph-demo.png") in out
    check_figure(tmp_path / "cntgraph-demo.png")
    assert [path.name for path in tmp_path.iterdir()] == ["cntgraph-demo.png"]
    assert "cntgraph" in modules.split()
    assert not FRAMEWORKS & set(modules.split())


def png_size(path):
    data = path.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    assert data[-8:-4] == b"IEND"
    return struct.unpack(">II", data[16:24])


def check_tables(out):
    first, second = out.split("\n\n")[:2]
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
    assert "Best hidden or output layer: fluctuation 0." in out


def check_figure(path):
    width, height = png_size(path)
    assert 1000 <= width <= 4000
    assert 400 <= height <= 2000
    assert path.stat().st_size > 30_000


def test_a_figure_that_cannot_be_saved(tmp_path, capsys):
    """It is said after the tables, so that these are not lost."""
    with pytest.raises(cg.CntGraphError, match=r"figure\.doc cannot be written"):
        demo.run_demo(tmp_path / "figure.doc")
    check_tables(capsys.readouterr().out)


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
        coverage = trajectory[-1].coverage.query("kind == 'parameter'")
        assert set(coverage["status"]) == {"included", "folded"}
        kinds = {layer.kind for layer in trajectory[0].layers}
        assert {"conv", "pool", "dense"} <= kinds


def test_population():
    from sklearn.metrics import roc_auc_score

    with cg.open(cg.demo_file("population")) as population:
        accuracy = population.labels["accuracy"]
        assert len(population) >= 60
        assert (accuracy > demo.ABOVE).sum() >= 15
        assert (accuracy < demo.BELOW).sum() >= 15
        # They are different networks, none of them damaged.
        table = population.analyze()
    assert (table["status"] == "ok").all()
    assert table.groupby("snapshot")["link_weight_mean"].last().nunique() == len(accuracy)
    judged = table[(table["accuracy"] > demo.ABOVE) | (table["accuracy"] < demo.BELOW)]
    auc = cg.separation_auc(table, demo.MEASURES, above=demo.ABOVE, below=demo.BELOW)
    for layer, part in judged.groupby("layer"):
        for measure in demo.MEASURES:
            if part[measure].isna().all():
                assert np.isnan(auc.loc[layer, measure])
                continue
            expected = roc_auc_score(part["accuracy"] > demo.ABOVE, part[measure])
            assert auc.loc[layer, measure] == pytest.approx(max(expected, 1 - expected))
    best = auc.drop(index="input").max()
    assert all(f"{best[measure]:.2f}" in demo._verdict(auc, 0.5) for measure in demo.MEASURES)
