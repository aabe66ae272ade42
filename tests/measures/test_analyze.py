import numpy as np
import pandas as pd
import pytest
from oracles import loops
from oracles.nets import TOYS, edge_list, nets, random_net

import cntgraph as cg
from cntgraph.core.errors import CntGraphError, CoverageWarning

NETS = nets()
ANALYZE = [
    "kind", "shape", "activation", "n_nodes", "n_edges", "in_strength_mean", "in_strength_std",
    "in_strength_min", "in_strength_max", "out_strength_mean", "out_strength_std",
    "out_strength_min", "out_strength_max", "strength_mean", "strength_std", "strength_min",
    "strength_max", "fluctuation", "n_weights", "link_weight_mean", "link_weight_std",
    "link_weight_skew", "link_weight_kurtosis", "link_weight_min", "link_weight_max",
    "link_weight_zero_fraction", "link_weight_n_nan", "link_weight_n_inf", "status",
]  # fmt: skip
DESCRIBE = ["layer", "kind", "shape", "n_nodes", "activation", "block", "block_kind", "source",
            "weight_shape", "n_parameters", "n_edges", "parametric"]  # fmt: skip


@pytest.fixture(params=NETS)
def net(request):
    return NETS[request.param]


class NeverRead:
    def __init__(self, shape):
        self.shape = shape

    def __getitem__(self, key):
        raise AssertionError("a weight was read")


def unreadable(net):
    """The same network, whose parameters raise when their values are read."""
    parameters = {
        name: cg.Parameter(name, p.shape, p.dtype, NeverRead(p.shape), p.trainable)
        for name, p in net.parameters.items()
    }
    return net.bind(parameters, {})


# -- describe ------------------------------------------------------------------------------------


def test_describe_reads_no_weight(net):
    table = cg.describe(unreadable(net))
    assert table.columns.tolist() == DESCRIBE
    pd.testing.assert_frame_equal(table, cg.describe(net))


def test_what_needs_no_weight_reads_none(net):
    closed = unreadable(net)
    assert repr(closed) == repr(net)
    assert closed.estimate() == net.estimate()
    degrees = cg.node_strength(closed, transform="count", edges="all")
    assert np.array_equal(degrees, cg.node_strength(net, transform="count", edges="all"))
    with pytest.raises(AssertionError, match="was read"):
        cg.analyze(closed)


def test_describe_has_a_row_a_block(net):
    table = cg.describe(net)
    assert table.loc[table["block"] != "", "block"].tolist() == [b.name for b in net.blocks]
    assert table["layer"].drop_duplicates().tolist() == [layer.name for layer in net.layers]
    assert table["n_edges"].sum() == net.n_edges
    own = {name: p.size for name, p in net.parameters.items()}
    assert table["n_parameters"].sum() == sum(own.values())


def test_describe_names_sources():
    table = cg.describe(random_net(0)).set_index("block")
    assert table.loc["conv3", "source"] == "conv1, sum"
    assert table.loc["conv3", "weight_shape"] == (3, 7, 3, 3)
    assert table.loc["pool", ["block_kind", "n_parameters"]].tolist() == ["pool", 0]
    assert not table.loc["pool", "parametric"]


def test_describe_of_nothing():
    assert cg.describe(cg.Network((), ())).columns.tolist() == DESCRIBE


# -- analyze -------------------------------------------------------------------------------------


def test_columns_and_types(net):
    table = cg.analyze(net)
    assert table.columns.tolist() == ANALYZE
    assert table.index.name == "layer"
    assert table.index.tolist() == [layer.name for layer in net.layers]
    for column in ANALYZE:
        values = table[column]
        if column in ("kind", "activation", "status"):
            assert all(isinstance(value, str) for value in values)
        elif column == "shape":
            assert values.tolist() == [layer.shape for layer in net.layers]
        elif column.startswith("n_") or "_n_" in column:
            assert pd.api.types.is_integer_dtype(values), column
        else:
            assert values.dtype == np.float64, column


@pytest.mark.parametrize("edges", ["parametric", "all"])
def test_strengths_are_those_of_the_measures(net, edges):
    for bias, boundary in ((True, 0.0), (False, 1.0)):
        options = {"edges": edges, "bias": bias, "boundary": boundary}
        table = cg.analyze(net, **options)
        for direction, prefix in (("in", "in_"), ("out", "out_"), ("total", "")):
            parts = net.split(cg.node_strength(net, direction=direction, **options))
            for what, f in (("mean", np.mean), ("std", np.std), ("min", np.min), ("max", np.max)):
                expected = [f(part) for part in parts.values()]
                assert np.allclose(table[f"{prefix}strength_{what}"], expected, atol=1e-10)
        assert np.allclose(table["fluctuation"], cg.layer_fluctuation(net, **options), atol=1e-10)


@pytest.mark.parametrize("edges", ["parametric", "all"])
def test_edges_are_counted_where_they_end(net, edges):
    ends = [j for _, j, _ in edge_list(net, edges)]
    expected = [
        sum(layer.start <= j < layer.slice.stop for j in ends) for layer in net.layers
    ]  # fmt: skip
    assert cg.analyze(net, edges=edges)["n_edges"].tolist() == expected


@pytest.mark.parametrize("edges", ["parametric", "all"])
def test_link_weights_of_a_layer_are_those_of_all_learned_blocks_into_it(net, edges):
    table = cg.analyze(net, edges=edges)
    for layer in net.layers:
        learned = [b for b in net.blocks_into(layer) if b.parametric]
        values = [w for b in learned for w in b.weight.read().reshape(-1).tolist()]
        row = table.loc[layer.name]
        assert row["n_weights"] == len(values)
        columns = ["n_weights"] + [f"link_weight_{c}" for c in ("mean", "std", "skew", "kurtosis")]
        if values:
            expected = loops.moments(values)
            assert row[columns].tolist() == pytest.approx(expected, rel=1e-6, abs=1e-6)
        else:
            assert row[columns[1:]].isna().all()


def test_the_status_is_ok(net):
    assert set(cg.analyze(net)["status"]) == {"ok"}


def with_values(net, name, change):
    values = net.parameters[name].read().copy()
    change(values)
    return net.bind({**net.parameters, name: cg.Parameter.from_array(name, values)}, {})


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(("toy", "layer"), [("mlp", "fc2"), ("cnn", "conv1")])
def test_weights_that_are_not_finite_have_a_status_and_no_warning(bad, toy, layer):
    def spoil(values):
        values.flat[1] = bad

    net = with_values(cg.toy(toy), f"{layer}.weight", spoil)
    table = cg.analyze(net)
    assert table.loc[layer, "status"] == "non-finite weights"
    assert table.loc[table.index != layer, "status"].tolist() == ["ok"] * (len(table) - 1)
    counted = table.loc[layer, ["link_weight_n_nan", "link_weight_n_inf"]].tolist()
    assert counted == [int(np.isnan(bad)), int(np.isinf(bad))]
    assert np.isfinite(table.loc[layer, "link_weight_mean"])


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_bias_that_is_not_finite_has_a_status(bad):
    def spoil(values):
        values[0] = bad

    table = cg.analyze(with_values(cg.toy("mlp"), "fc2.bias", spoil))
    assert table.loc["fc2", "status"] == "non-finite weights"


def test_layers_without_edges_and_without_nodes():
    layers = (
        cg.Layer("input", (3,), "input", 0, is_input=True),
        cg.Layer("island", (2,), "unknown (aten.cumsum)", 3),
        cg.Layer("none", (0,), "dense", 5, is_output=True),
    )
    table = cg.analyze(cg.Network(layers, ()))
    assert table["status"].tolist() == ["ok", "no edges", "empty"]
    assert table["n_nodes"].tolist() == [3, 2, 0]
    assert table.loc["none", ["strength_mean", "fluctuation"]].isna().all()


def test_a_network_without_layers():
    table = cg.analyze(cg.Network((), ()))
    assert table.empty
    assert table.columns.tolist() == ANALYZE
    assert table.index.name == "layer"


def test_a_layer_fed_by_structural_edges_is_ok():
    table = cg.analyze(cg.toy("cnn"))
    assert table.loc["pool", ["n_edges", "status"]].tolist() == [0, "ok"]
    assert cg.analyze(cg.toy("cnn"), edges="all").loc["pool", "n_edges"] == 72


@pytest.mark.parametrize("name", TOYS)
def test_each_weight_is_read_once(name):
    net = cg.toy(name)
    reads = []

    class Counting:
        def __init__(self, name, array):
            self.name, self.array, self.shape = name, array, array.shape

        def __getitem__(self, key):
            reads.append(self.name)
            return self.array[key]

    parameters = {
        key: cg.Parameter(key, p.shape, p.dtype, Counting(key, p.raw()))
        for key, p in net.parameters.items()
    }
    cg.analyze(net.bind(parameters, {}))
    assert sorted(reads) == sorted(net.parameters)


def test_the_bar_is_silent_off_a_terminal(capsys):
    pd.testing.assert_frame_equal(
        cg.analyze(cg.toy("mlp"), show_progress=True), cg.analyze(cg.toy("mlp"))
    )
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("edges", ["none", None, "structural"])
def test_bad_options_are_refused(edges):
    with pytest.raises(CntGraphError, match="'parametric' or 'all'"):
        cg.analyze(cg.toy("mlp"), edges=edges)


def test_the_warning_of_coverage_is_a_warning_of_the_user():
    assert issubclass(CoverageWarning, UserWarning)
