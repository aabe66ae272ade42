"""`cntgraph separation`: the same table as `Population.separation`, and who is left out."""

import io
import json
import warnings

import numpy as np
import pandas as pd
import pytest
from oracles import commands

import cntgraph as cg
from cntgraph.training.population import Population

MEASURES = ["fluctuation", "link_weight_std"]


def run(*args, code=0):
    return commands.run("separation", *args, code=code)


def fails(*args):
    return commands.fails("separation", *args)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Twelve networks, the better the larger their weights; one diverged; one file is damaged."""
    path = tmp_path_factory.mktemp("runs")
    rng = np.random.default_rng(0)
    for k in range(13):
        scale = np.nan if k == 12 else 1 + k / 4
        tensors = [scale * rng.normal(size=(6, 5)), rng.normal(size=5)]
        net = cg.load([tensor.astype(np.float32) for tensor in tensors])
        cg.save(net, path / f"{k:02}.h5", accuracy=k / 12, epoch=k % 2)
    (path / "13.h5").write_bytes((path / "00.h5").read_bytes()[:600])
    return path


@pytest.fixture(scope="module")
def table(folder):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        population = Population.from_files(folder / "*.h5")
        found = population.separation(measures=MEASURES)
    order = (found["auc"] - 0.5).abs().sort_values(ascending=False, kind="stable").index
    assert not order.is_monotonic_increasing
    return found.loc[order].reset_index(drop=True)


def test_for_people(folder, table):
    result = run(folder / "*.h5", "--measures", ",".join(MEASURES))
    assert result.stderr == ""
    lines = result.stdout.splitlines()
    assert lines[0] == (
        "13 networks: 2 with accuracy above 0.8, 4 below 0.3; 1 diverged, 1 cannot be read"
    )
    assert [line.split()[:2] for line in lines[2 : 2 + len(table)]] == (
        table[["layer", "measure"]].to_numpy().tolist()
    )
    diverged, failed = result.stdout.split("\n\n")[1:]
    assert diverged.startswith(f"1 diverged, and are left out:\n{folder / '12.h5'}: ")
    assert "not finite" in diverged
    assert failed.startswith(f"1 cannot be read, and are left out:\n{folder / '13.h5'}: ")
    assert "damaged" in failed


@pytest.mark.parametrize("kind", ["csv", "json", "file"])
def test_for_machines(folder, table, kind, tmp_path):
    path = tmp_path / "table.csv"
    how = ["-o", path] if kind == "file" else ["-f", kind]
    result = run(folder / "*.h5", "--measures", ", ".join(MEASURES), *how)
    said = result.stderr.removeprefix(f"{path}: {len(table)} rows\n").splitlines()
    assert [line.split(": ")[:2] for line in said] == [
        [str(folder / "12.h5"), "diverged"],
        [str(folder / "13.h5"), "cannot be read"],
    ]
    if kind == "json":
        assert [row["auc"] for row in json.loads(result.stdout)] == [
            None if np.isnan(auc) else auc for auc in table["auc"]
        ]
        return
    found = pd.read_csv(path if kind == "file" else io.StringIO(result.stdout))
    pd.testing.assert_frame_equal(found, table, check_dtype=False)


def test_files_one_by_one_and_thresholds(folder):
    files = [folder / f"{k:02}.h5" for k in range(6)]
    result = run(*files, "--by", "epoch", "--above", 0.5, "--below", 0.5)
    assert result.stdout.startswith(
        "6 networks: 3 with epoch above 0.5, 3 below 0.5; 0 diverged, 0 cannot be read\n"
    )


def test_labels_of_a_file(folder, tmp_path):
    labels = pd.DataFrame({"file": [f"{k:02}" for k in range(6)], "good": [0, 1] * 3})
    labels.to_csv(tmp_path / "labels.csv", index=False)
    files = [folder / f"{k:02}.h5" for k in range(6)]
    result = run(*files, "--labels", tmp_path / "labels.csv", "--by", "good")
    assert result.stdout.startswith("6 networks: 3 with good above 0.8, 3 below 0.3;")
    said = fails(folder / "0*.h5", "--labels", tmp_path / "labels.csv")
    assert "no row for" in said
    for text in ("", "a,b\n1,2,3\n4,5,6,7\n"):
        (tmp_path / "labels.csv").write_text(text)
        assert "expected labels as .csv" in fails(*files, "--labels", tmp_path / "labels.csv")
    assert "expected labels as .csv" in fails(*files, "--labels", tmp_path / "absent.csv")


def test_snapshots_are_networks():
    path = cg.demo_file("population")
    result = run(path, "--snapshots", "all", "--client", "threads", "--measures", "fluctuation")
    assert result.stdout.startswith("64 networks: 18 with accuracy above 0.8, 32 below 0.3;")
    assert run(path, "--measures", "fluctuation").stdout.startswith("1 networks: 1 with")


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["*.none"], "expected files that match"),
        (["absent.h5"], "none of 1 networks can be read"),
        (["0*.h5", "--by", "size"], "no label is called 'size'"),
        (["0*.h5", "--client", "cluster"], "expected client to be None, 'threads'"),
        (["*.h5", "--strict"], "13.h5"),
        (["0*.h5", "--measures", "color"], "expected columns ['color']"),
        (["0*.h5", "--input-shape", "a"], "numbers with commas"),
        (["0*.h5", "-o", "table.xlsx"], "ends in .csv, .json"),
    ],
)
def test_errors_are_a_line(folder, args, said, monkeypatch):
    monkeypatch.chdir(folder)
    assert said in fails(*args)
