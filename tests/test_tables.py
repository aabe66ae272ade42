"""Tables for people show everything; tables for machines lose nothing."""

import io
import json
import math

import h5py
import numpy as np
import pandas as pd
import pytest
from needs import needs

import cntgraph as cg
from cntgraph import tables

SUFFIXES = [".csv", ".json", ".parquet", ".h5"]


def full():
    """A table with everything that the package's tables hold."""
    return pd.DataFrame({
        "layer": ["conv[1]", "größe/β", "a,b\"c'", "[bold]x[/bold]"],
        "shape": [(8, 5, 5), (3,), (), (1_000_000,)],
        "n_edges": [0, 15_000_000_000, 2**53 + 1, -7],
        "fluctuation": [math.pi, 1e-30, math.nan, -math.inf],
        "tiny": np.array([0.1, 1e-5, 1e10, 0.0], dtype=np.float32),
        "parametric": [True, False, True, False],
    })  # fmt: skip


# --- For people -------------------------------------------------------------------------------


def test_show_prints_every_cell(capsys):
    tables.show(full(), "A [title]: 3")
    out = capsys.readouterr().out
    lines = out.splitlines()
    assert lines[0] == "A [title]: 3"
    assert lines[1].split() == ["layer", "shape", "n_edges", "fluctuation", "tiny", "parametric"]
    assert len(lines) == 6
    for line, layer in zip(lines[2:], full()["layer"], strict=True):
        assert line.startswith(layer)
    assert "15,000,000,000" in out
    assert "\x1b" not in out


def test_show_cuts_nothing_off_a_terminal(capsys):
    long = "layer." * 100 + "end"
    tables.show(pd.DataFrame({"name": [long], "reason": ["why " * 100 + "not"]}), long)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == long
    assert lines[2].startswith(long)
    assert lines[2].rstrip().endswith("why not")
    assert len(lines) == 3


def test_show_is_as_wide_as_a_terminal(capsys, monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "40")
    tables.show(full(), "A [title]: 3", "below")
    title, *lines = capsys.readouterr().out.splitlines()
    assert title == "\x1b[1mA [title]: 3\x1b[0m"
    assert max(map(len, lines)) <= 40
    assert lines[-1] == "below"
    text = " ".join(lines)
    for name in full().columns:
        assert name.split("_")[0] in text


def test_show_an_empty_table(capsys):
    tables.show(pd.DataFrame({"layer": []}))
    assert capsys.readouterr().out.strip() == "layer"


# --- For machines -----------------------------------------------------------------------------


def assert_numbers_kept(found):
    expected = full()
    assert found["n_edges"].tolist() == expected["n_edges"].tolist()
    assert found["fluctuation"][:2].tolist() == expected["fluctuation"][:2].tolist()
    np.testing.assert_array_equal(found["tiny"].astype(np.float32), expected["tiny"])
    assert [bool(flag) for flag in found["parametric"]] == expected["parametric"].tolist()


def test_csv():
    found = pd.read_csv(io.StringIO(tables.as_text(full(), "csv")))
    assert found.columns.tolist() == full().columns.tolist()
    assert found["layer"].tolist() == full()["layer"].tolist()
    assert found["shape"].tolist() == [str(shape) for shape in full()["shape"]]
    assert_numbers_kept(found)


def test_json():
    text = tables.as_text(full(), "json")
    assert text.endswith("]\n")
    rows = json.loads(text, parse_constant=pytest.fail)
    assert [row["shape"] for row in rows] == [[8, 5, 5], [3], [], [1_000_000]]
    assert [row["layer"] for row in rows] == full()["layer"].tolist()
    assert [row["fluctuation"] for row in rows][2:] == [None, None]
    assert_numbers_kept(pd.DataFrame(rows))
    assert rows[1]["fluctuation"] == 1e-30
    assert json.loads(tables.as_text(full()[:0], "json")) == []


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_files_hold_what_is_printed(tmp_path, kind):
    path = tmp_path / f"table.{kind.upper()}"
    tables.write(full(), path)
    assert path.read_text(encoding="utf-8") == tables.as_text(full(), kind)


def test_parquet(tmp_path):
    needs("pyarrow")
    tables.write(full(), tmp_path / "table.parquet")
    found = pd.read_parquet(tmp_path / "table.parquet")
    assert found["layer"].tolist() == full()["layer"].tolist()
    assert [tuple(shape) for shape in found["shape"]] == full()["shape"].tolist()
    assert_numbers_kept(found)
    assert found["fluctuation"][3] == -math.inf


def test_hdf5(tmp_path):
    table = full().assign(**{"val/accuracy": 0.5})
    tables.write(table, tmp_path / "table.h5")
    with h5py.File(tmp_path / "table.h5") as file:
        group = file["table"]
        assert list(group) == [*full().columns, "val%2Faccuracy"]
        columns = {name: group[name] for name in full().columns}
        assert columns["layer"].asstr()[:].tolist() == full()["layer"].tolist()
        assert columns["shape"].asstr()[:].tolist() == ["8×5×5", "3", "", "1000000"]
        assert columns["parametric"].dtype == bool
        assert_numbers_kept(pd.DataFrame({
            name: column[:] for name, column in columns.items() if column.dtype.kind != "O"
        }))  # fmt: skip


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_table_is_replaced_and_the_given_one_is_not_changed(tmp_path, suffix):
    if suffix == ".parquet":
        needs("pyarrow")
    path, table = tmp_path / f"table{suffix}", full()
    path.write_text("what was there before" * 1000)
    with pytest.raises(cg.CntGraphError, match="exists"):
        tables.write(table, path)
    assert path.read_bytes().endswith(b"what was there before")
    tables.write(table, path, overwrite=True)
    assert b"before" not in path.read_bytes()
    pd.testing.assert_frame_equal(table, full())


@pytest.mark.parametrize("name", ["table.xlsx", "table", "table.h5.gz"])
def test_unknown_suffix(tmp_path, name):
    with pytest.raises(cg.CntGraphError, match=r"ends in \.csv, \.json, \.parquet, \.h5; got"):
        tables.write(full(), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_folder_that_is_not_there(tmp_path, suffix):
    if suffix == ".parquet":
        needs("pyarrow")
    with pytest.raises(cg.CntGraphError, match="cannot be written"):
        tables.write(full(), tmp_path / "absent" / f"table{suffix}")


def test_a_column_that_a_format_cannot_hold(tmp_path):
    needs("pyarrow")
    mixed = pd.DataFrame({"note": ["a", 1.5, True]})
    with pytest.raises(cg.CntGraphError, match="cannot be written"):
        tables.write(mixed, tmp_path / "table.parquet")


def test_a_recording_of_which_only_the_journal_is_there_stays(tmp_path):
    journal = tmp_path / "run.h5.journal"
    journal.write_bytes(b"a snapshot that is yet to be put into its file")
    with pytest.raises(cg.CntGraphError, match=r"run\.h5 exists"):
        tables.write(full(), tmp_path / "run.h5")
    assert list(tmp_path.iterdir()) == [journal]


def test_networks_graphs_and_what_holds_them_unfold_in_a_notebook():
    training = cg.open(cg.demo_file("training"))
    net = training[0]
    shown = {
        net: [layer.name for layer in net.layers],
        cg.build_graph(cg.toy("cnn")): ["input", "conv1", "pool", "fc"],
        training: ["snapshot", "step", "accuracy"],
        cg.Population.from_files([cg.demo_file("training")]): ["network", "training.h5"],
    }
    for thing, names in shown.items():
        html = thing._repr_html_()
        assert html.startswith(f"<details><summary>{repr(thing).strip('<>')}</summary><table>")
        assert all(f">{name}<" in html or f"/{name}<" in html for name in names)
