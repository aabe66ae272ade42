"""`cntgraph compare`: the same table as `cg.compare`."""

import io

import numpy as np
import pandas as pd
import pytest
from oracles import commands
from oracles.changed import changed

import cntgraph as cg


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("compared")
    cg.save(cg.toy("cnn"), folder / "before.h5")
    cg.save(changed(cg.toy("cnn")), folder / "after.h5")
    return folder / "before.h5", folder / "after.h5"


@pytest.mark.parametrize("to", ["terminal", "file"])
def test_for_machines(files, to, tmp_path):
    path = tmp_path / "table.csv"
    how = ["-o", path] if to == "file" else ["-f", "csv"]
    result = commands.run("compare", *files, *how)
    found = pd.read_csv(path if to == "file" else io.StringIO(result.stdout), index_col="block")
    expected = cg.compare(*files)
    numbers = expected.select_dtypes("number").columns
    pd.testing.assert_frame_equal(found[numbers], expected[numbers], check_dtype=False)
    assert found.loc["fc", "largest_nodes"] == ", ".join(
        map(str, expected.loc["fc", "largest_nodes"])
    )


def test_for_people(files):
    lines = commands.run("compare", *files).stdout.splitlines()
    assert lines[0] == f"{files[0]} → {files[1]}"
    assert [line.split()[0] for line in lines[2:]] == ["conv1", "fc"]


def test_other_kinds_of_files_and_no_rank(tmp_path):
    rng = np.random.default_rng(0)
    for name in "ab":
        np.savez(tmp_path / f"{name}.npz", x=rng.normal(size=(4, 5)), y=rng.normal(size=(6, 4)))
    paths = tmp_path / "a.npz", tmp_path / "b.npz"
    said = commands.run("compare", *paths, "--max-rank-side", 4, "-f", "csv").stdout
    assert "no rank" not in said
    said = commands.run("compare", *paths, "--max-rank-side", 3, "-f", "csv").stdout
    assert said.count("no rank") == 2


def test_errors_are_a_line(files, tmp_path):
    assert "expected a file" in commands.fails("compare", files[0], tmp_path / "absent.h5")
    said = commands.fails("compare", *files, "-o", files[1], "--overwrite")
    assert "is what is read" in said
