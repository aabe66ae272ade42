"""The profile: every measure has a row, whatever became of it."""

import numpy as np
import pytest

import cntgraph as cg
from cntgraph.core.errors import CntGraphError, NonFiniteWeightError, UndefinedMeasureError
from cntgraph.graph.signs import check_weights
from cntgraph.measures.profile import catalog
from cntgraph.measures.profile.measure import Measure, Size
from cntgraph.measures.profile.profile import COLUMNS, cnt_profile


def total_weight(net_or_graph):
    return cg.node_strength(net_or_graph, direction="out", bias=False).sum()


def number_of_edges(graph, *, max_edges):
    assert max_edges
    return graph.n_edges


def never(net_or_graph):
    raise UndefinedMeasureError("it is not defined")


def careful(net_or_graph):
    check_weights(net_or_graph, noun="careful")
    return 1.0


def drawn(net_or_graph, *, rng):
    return float(np.random.default_rng(rng).integers(1000))


def dear(net_or_graph):
    raise AssertionError("is not affordable")


MEASURES = (
    Measure(total_weight, "network", "O(w)", lambda size: 0.0),
    Measure(number_of_edges, "network", "O(m)", lambda size: 0.0, unrolls=True),
    Measure(never, "network", "O(1)", lambda size: 0.0),
    Measure(careful, "network", "O(w)", lambda size: 0.0),
    Measure(drawn, "network", "O(1)", lambda size: 0.0),
    Measure(dear, "network", "O(n³)", lambda size: float(size.n_nodes) ** 3),
)


@pytest.fixture
def own_measures(monkeypatch):
    monkeypatch.setattr(catalog, "CATALOG", MEASURES)


@pytest.mark.usefixtures("own_measures")
class TestTable:
    def test_has_a_row_for_every_measure_in_order(self):
        table = cnt_profile(cg.toy("mlp"))
        assert list(table["measure"]) == [measure.name for measure in MEASURES]
        assert tuple(table.columns) == COLUMNS

    def test_says_what_became_of_each(self):
        status = cnt_profile(cg.toy("mlp")).set_index("measure")["status"]
        assert status["total_weight"] == "measured"
        assert status["never"] == "undefined"
        assert status["dear"] == "too large"

    def test_measures_what_the_function_gives(self):
        net = cg.toy("mlp")
        row = cnt_profile(net, measures=["total_weight"]).iloc[0]
        assert row["mean"] == total_weight(net)
        assert row["seconds"] > 0
        assert row["n"] == 1

    def test_unrolls_where_that_is_needed(self):
        net = cg.toy("cnn")
        table = cnt_profile(net, measures=["number_of_edges"])
        assert table["mean"].tolist() == [net.n_edges]

    def test_does_not_unroll_what_is_too_large(self):
        row = cnt_profile(cg.toy("cnn"), measures=["number_of_edges"], max_edges=100).iloc[0]
        assert row["status"] == "too large"
        assert "638 edges" in row["reason"]
        assert "granularity='channel'" in row["reason"]

    def test_lists_the_estimate_of_what_is_beyond_the_budget(self):
        row = cnt_profile(cg.toy("mlp"), measures=["dear"], budget=10).iloc[0]
        assert row["estimate"] == 20.0**3
        assert "about 8e+03 s; the limit is budget=10 s" in row["reason"]

    def test_weights_that_are_not_finite(self):
        net = cg.load([np.array([[1.0, np.nan]])])
        with pytest.raises(NonFiniteWeightError):
            careful(net)
        assert cnt_profile(net, measures=["careful"])["status"].tolist() == ["not finite"]

    def test_the_seed_is_handed_on(self):
        values = [
            cnt_profile(cg.toy("mlp"), measures=["drawn"], rng=seed)["mean"][0]
            for seed in (1, 1, 2)
        ]
        assert values[0] == values[1] == np.random.default_rng(1).integers(1000)
        assert values[0] != values[2]

    def test_names_that_are_not_there(self):
        with pytest.raises(CntGraphError, match="no measure is called 'degre'; there are: total"):
            cnt_profile(cg.toy("mlp"), measures=["degre"])


def test_values_that_are_not_finite_are_left_out_of_the_mean(monkeypatch):
    def some(net_or_graph):
        return np.array([1.0, np.nan, 3.0, np.inf])

    monkeypatch.setattr(catalog, "CATALOG", (Measure(some, "node", "O(1)", lambda size: 0.0),))
    row = cnt_profile(cg.toy("mlp")).iloc[0]
    assert (row["n"], row["mean"], row["std"], row["min"], row["max"]) == (4, 2.0, 1.0, 1.0, 3.0)


def test_third_parties_add_measures_by_entry_points(monkeypatch):
    class Point:
        def load(self):
            return MEASURES[0]

    monkeypatch.setattr(catalog, "entry_points", lambda group: [Point()])
    assert "total_weight" in [measure.name for measure in catalog.find_measures()]


def test_size_of_a_graph_is_that_of_its_network():
    net = cg.toy("cnn")
    of_net, of_graph = Size.of(net), Size.of(cg.build_graph(net))
    assert (of_net.n_nodes, of_net.n_edges) == (of_graph.n_nodes, of_graph.n_edges)
    assert of_net.n_weights == 18 + 54


def test_weights_alone_have_no_paths_and_no_whole():
    net = cg.load({"a.weight": np.ones((3, 4)), "b.weight": np.ones((2, 3))})
    assert net.is_weights_alone
    assert not cg.toy("mlp").is_weights_alone
    table = cg.cnt_profile(net).set_index("measure")
    whole = table.index[table["reason"].str.contains("weights alone")]
    assert {"betweenness", "path_norm", "small_world", "communities"} <= set(whole)
    assert (table["status"][whole] == "undefined").all()
    assert {"node_strength", "layer_fluctuation", "link_weights", "singular_values"} <= set(
        table.index[table["status"] == "measured"]
    )


def test_a_graph_has_all_but_what_is_of_stored_weights():
    table = cg.cnt_profile(cg.build_graph(cg.toy("mlp")), sign="absolute").set_index("measure")
    missing = table.index[table["reason"].str.contains("stored weight")]
    assert missing.tolist() == ["relative_fluctuation", "link_weights", "weight_spectra"]
    assert (table["status"][missing] == "undefined").all()
    assert {"layer_fluctuation", "singular_values"} <= set(
        table.index[table["status"] == "measured"]
    )
