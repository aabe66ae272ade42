"""Every notebook runs from its first cell to its last, and shows what is stored with it."""

from copy import deepcopy

import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from notebooks.run import NOTEBOOKS, differences, read, run

each = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def test_there_are_notebooks():
    assert len(NOTEBOOKS) == 7


@each
def test_shows_what_is_stored(path):
    assert differences(read(path), run(path)) == []


@each
def test_what_is_stored_is_small_and_shows_something(path):
    assert path.stat().st_size < 150_000
    cells = [cell for cell in read(path).cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell.outputs]
    assert not any("text/html" in output.get("data", {}) for output in outputs)
    assert len(outputs) > len(cells) / 2


# -- what counts as a difference -----------------------------------------------------------------


def shown(text, tags=(), **data):
    cells = [new_code_cell("f()", metadata={"tags": list(tags)})]
    cells[0].outputs = [new_output("execute_result", data={"text/plain": text, **data})]
    return new_notebook(cells=cells)


@pytest.mark.parametrize(
    ("stored", "new"),
    [("conv1   4.67", "conv1 4.68"), ("1,066 nodes", "1,066   nodes"), ("-0.001", "0.002"),
     ("1.2e-07", "3e-09")],
)  # fmt: skip
def test_rounding_is_no_difference(stored, new):
    assert differences(shown(stored), shown(new)) == []


@pytest.mark.parametrize(
    ("stored", "new"),
    [("conv1 4.67", "conv2 4.67"), ("conv1 4.67", "conv1 4.87"), ("1,066", "1,067"),
     ("ok", "refused"), ("3", "3.0 4"), ("<Graph>", "<Graph> <Graph>")],
)  # fmt: skip
def test_others_are(stored, new):
    assert len(differences(shown(stored), shown(new))) == 1
    assert differences(shown(stored, ["varies"]), shown(new)) == []


def test_pictures_and_code_are_compared():
    stored, new = shown("<Figure>", **{"image/png": "a"}), shown("<Figure>", **{"image/png": "b"})
    assert differences(stored, new) == []
    assert "shows" in differences(stored, shown("<Figure>"))[0]
    edited = deepcopy(stored)
    edited.cells[0].source = "g()"
    assert differences(stored, edited) == differences(stored, new_notebook()) != []
