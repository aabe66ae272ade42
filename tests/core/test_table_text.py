"""Tables as text: no line is wider than it may be, and nothing that a table says is lost."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cntgraph.core.table_text import cell, table_text


@pytest.mark.parametrize(
    ("value", "text", "brief"),
    [
        ((8, 5, 5), "8×5×5", "8×5×5"), ((), "", ""), (True, "yes", "yes"), (np.True_, "yes", "yes"),
        (False, "no", "no"), (0, "0", "0"), (-1234, "-1,234", "-1,234"), (None, "", ""),
        (999_999, "999,999", "999,999"), (1234567, "1,234,567", "1.23M"),
        (np.int64(16_777_216), "16,777,216", "16.8M"), (8_000_000_000, "8,000,000,000", "8G"),
        (-1_234_567, "-1,234,567", "-1.23M"), (999_999_999, "999,999,999", "1G"),
        (0.123456, "0.1235", "0.123"), (1234567.8, "1.235e+06", "1.23e6"),
        (98765.4, "9.877e+04", "98,765"), (-0.000123456, "-0.0001235", "-1.23e-4"),
        (np.float32(0.5), "0.5", "0.5"), (math.nan, "", ""), (math.inf, "inf", "inf"),
        (-math.inf, "-inf", "-inf"), (0.0, "0", "0"), ("conv[1]", "conv[1]", "conv[1]"),
    ],
)  # fmt: skip
def test_cell(value, text, brief):
    assert (cell(value), cell(value, brief=True)) == (text, brief)


WORDS = st.text(st.sampled_from("abcdefgh._"), min_size=1, max_size=40)


@given(
    st.dictionaries(st.text("abc_", min_size=1, max_size=12), st.integers(0, 2), min_size=1),
    st.data(),
)
def test_every_line_fits_and_every_word_is_there(kinds, data):
    n = data.draw(st.integers(0, 4))
    values = (WORDS, st.integers(-999_999, 999_999), st.integers(0, 99).map(float))
    columns = {
        name: data.draw(st.lists(values[kind], min_size=n, max_size=n))
        for name, kind in kinds.items()
    }
    width = data.draw(st.integers(80, 160))
    text = table_text(columns, width)
    assert max(map(len, text.split("\n"))) <= width
    # Words are broken, but their letters stay in order, each column below itself.
    for name in columns:
        assert sum(text.count(letter) for letter in "abc_") >= len(name)
    for k in range(n):
        for cells in columns.values():
            for letter in cell(cells[k]):
                assert letter in text


def test_one_table_narrower_by_degrees():
    names = ["model.layers.0.self_attn.q_proj", "model.layers.1.mlp.up_proj"]
    columns = {"layer": names, "n_edges": [16_777_216, 4096], "link_weight_std": [0.123456, 1e-5],
               "status": ["ok", "ok"]}  # fmt: skip
    wide, stacked, brief, said, broken, parts = (
        table_text(columns, width) for width in (100, 60, 55, 47, 46, 34)
    )
    assert wide == table_text(columns)
    assert wide.splitlines()[0].split() == list(columns)
    assert [line.split()[-1] for line in stacked.splitlines()[:3]] == ["link_", "weight_", "status"]
    assert "16,777,216" in stacked
    assert "16.8M" in brief
    assert "1e-5" in brief
    assert "status" in brief
    assert said.endswith("\nstatus: ok in every row")
    assert names[0] in said
    assert "model.layers.0.self_attn." in broken.replace("q_proj", "")
    assert "\n\n" in parts
    assert parts.count("layer ") == 2


def test_a_table_of_nothing():
    assert table_text({"layer": [], "n_nodes": []}, 80) == "layer  n_nodes"
    assert table_text({}, 80) == ""
