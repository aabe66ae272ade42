"""What tables show: on a terminal of any width what people compare, whole; and all is in them."""

import pickle

import pandas as pd
import pytest
from oracles.familiar import familiar

import cntgraph as cg
from cntgraph.measures.views import ANALYSIS_VIEW, DESCRIPTION_VIEW, LINK_WEIGHT_VIEW

MEASURES = ["inverse_participation_ratio", "link_weights", "weight_spectra", "pagerank"]
TABLES = {
    "analyze": (cg.analyze, ANALYSIS_VIEW.columns[2:]),
    "describe": (cg.describe, DESCRIPTION_VIEW.columns),
    "link_weights": (cg.link_weights, LINK_WEIGHT_VIEW.columns),
    "cnt_profile": (
        lambda net, **how: cg.cnt_profile(net, sign="absolute", measures=MEASURES, **how),
        ("measure", "part", "n", "mean", "std", "min", "max", "status"),
    ),
}


@pytest.fixture(autouse=True)
def wide(monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")


@pytest.fixture(scope="module")
def nets():
    return {kind: familiar(kind) for kind in ("cnn", "resnet", "llama")}


@pytest.mark.parametrize("kind", ["cnn", "resnet", "llama"])
@pytest.mark.parametrize("name", TABLES)
def test_what_people_compare_fits_every_terminal(nets, monkeypatch, kind, name):
    function, essentials = TABLES[name]
    table = function(nets[kind])
    for width in (80, 100, 160):
        monkeypatch.setenv("COLUMNS", str(width))
        text = repr(table)
        lines = text.splitlines()
        assert max(map(len, lines)) <= width
        assert "..." not in text
        assert "…" not in text
        assert_heads(text, essentials)
        if width == 160:
            assert lines[0].split() == list(essentials)
        if width >= 100:
            assert "\n\n" not in text  # all side by side


def assert_heads(text, names):
    """Heads may be on several lines, and a column that says one thing below the table."""
    for name in names:
        pieces = [word + "_" for word in name.split("_")[:-1]] + [name.split("_")[-1]]
        assert all(piece in text for piece in pieces), name


def test_names_are_whole_where_a_terminal_has_the_room(nets, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    for kind in nets:
        text = repr(cg.link_weights(nets[kind]))
        assert all(block.name in text for block in nets[kind].select_blocks("parametric"))


def test_a_table_holds_what_it_does_not_show(nets):
    for function, _ in TABLES.values():
        main, everything = function(nets["cnn"]), function(nets["cnn"], columns="all")
        assert type(everything) is pd.DataFrame
        assert list(main.columns) == list(everything.columns)
        same = [name for name in main.columns if name != "seconds"]
        pd.testing.assert_frame_equal(main[same], everything[same])
    net = nets["cnn"]
    pd.testing.assert_frame_equal(cg.analyze(net, columns="all"), cg.analyze(net))
    assert cg.analyze(net).equals(cg.analyze(net, columns="all"))


def test_rows_show_themselves_alike_and_other_columns_as_pandas_does(nets):
    table = cg.analyze(nets["resnet"])
    first = repr(table).splitlines()[1]
    for some in (table.head(3), table[table["n_nodes"] > 0], table.query("n_nodes > 0")):
        assert repr(some).splitlines()[1].split() == first.split()
        assert "columns=" in repr(some)
    assert repr(pickle.loads(pickle.dumps(table))) == repr(table)
    for other in (table[["n_nodes", "link_weight_skew"]], table.assign(own=1), table.T):
        assert repr(other) == repr(pd.DataFrame(other))
    assert type(pd.concat([table, table])) is pd.DataFrame


def test_structural_layers_are_folded_and_counted(nets):
    table = cg.analyze(nets["llama"])
    text = repr(table)
    folded = [name for name in table.index if f"{name} " not in text]
    assert {name.rsplit(".", 1)[1].partition("_")[0] for name in folded} == {
        "neg", "add", "matmul", "mul", "rms",
    }  # fmt: skip
    assert f"not shown: {len(folded)} structural layers" in text
    assert not table.loc[folded, "n_weights"].any()
    # Nothing is folded where no layer learns.
    assert "structural" not in repr(cg.analyze(nets["llama"].keep_layers("*neg*")))


def test_what_is_odd_is_shown(nets):
    net = cg.toy("mlp")
    odd = {n: cg.Parameter.from_array(n, p.raw() * float("nan")) for n, p in net.parameters.items()}
    text = repr(cg.analyze(net.bind(odd, {})))
    assert "non-finite weights" in text
    assert "link_weight_n_nan" in text.replace("\n", "") or "n_nan" in text
    assert "n_nan" in repr(cg.link_weights(net.bind(odd, {})))
    assert "n_nan" not in repr(cg.link_weights(net))


def test_a_table_of_many_rows_shows_the_first_and_the_last(nets):
    table = cg.analyze(nets["resnet"])
    with pd.option_context("display.max_rows", 6):
        text = repr(table)
    assert text.splitlines()[-1].startswith(f"not shown: {len(table) - 6} rows after the first 3, ")
    assert len(text.splitlines()) == 1 + 6 + 1


def test_a_notebook_unfolds_the_rest(nets):
    page = cg.analyze(nets["llama"])._repr_html_()
    main, rest = page.split("<details>")
    assert "link_weight_skew" not in main
    assert "<th>link_weight_skew</th>" in rest
    assert ".neg" not in main
    assert ".neg" in rest
    assert "<script" not in page
    with pytest.raises(cg.CntGraphError, match="'main' or 'all', got 'most'"):
        cg.analyze(nets["cnn"], columns="most")
    with pytest.raises(cg.CntGraphError, match="no option 'columns'"):
        cg.open(cg.demo_file("training")).analyze(columns="all")
