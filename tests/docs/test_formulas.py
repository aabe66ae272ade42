"""Formulas of docstrings are set on pages: what hangs below a letter, and what is a name."""

import importlib.util
from pathlib import Path

import pytest

PATH = Path(__file__).parents[2] / "docs" / "extensions" / "formulas.py"
SPEC = importlib.util.spec_from_file_location("formulas", PATH)
formulas = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(formulas)


def set_in(docstring):
    lines = docstring.split("\n")
    formulas.set_formulas(None, "function", "", None, None, lines)
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("w_ij² / s_i", r"w\ :sub:`ij`\ ² / s\ :sub:`i`\ "),
        ("Σ |w|^p", r"Σ \|w\|\ :sup:`p`\ "),
        ("t^(1/p)", r"t\ :sup:`1/p`\ "),
        ("a = 1,   b = 2", "a = 1,\u2003b = 2"),
    ],
)
def test_formulas_are_set(text, expected):
    found = set_in(f"Return it.\n\nNotes\n-----\nWith it,\n\n    {text}\n\nand so on.")
    assert found.endswith(f"With it,\n\n.. rst-class:: formula\n\n| {expected}\n\nand so on.")


def test_prose_is_told_from_names():
    found = set_in("Of |w|.\n\nNotes\n-----\nWith s_i of n_edges and ``x_i``")
    assert found.startswith(r"Of \|w\|.")
    assert found.endswith(r"With s\ :sub:`i`\  of n_edges and ``x_i``")


def test_examples_stay_as_they_are():
    example = "Examples\n--------\n>>> |a_i|\n    |b_j|"
    assert set_in(f"Return it.\n\n{example}").endswith(example)
