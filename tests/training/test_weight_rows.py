"""Populations of networks that are rows of a matrix, and matrices that do not fit."""

import h5py
import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

import cntgraph as cg
from cntgraph.adapters.builder import Builder
from cntgraph.core.errors import CntGraphError, NoCopiesError, UnsafeFileError
from cntgraph.core.recipe import Recipe
from cntgraph.network.blocks import Window
from cntgraph.network.stack import n_together
from cntgraph.training.layout import Layout
from cntgraph.training.weight_rows import open_rows

N = 23


@pytest.fixture
def net():
    return cg.toy("cnn")


@pytest.fixture
def weights(net):
    return np.random.default_rng(0).normal(size=(N, net.n_parameters)).astype("f4")


def one_by_one(zoo, **options):
    tables = [cg.analyze(net, **options).reset_index() for net in zoo]
    return pd.concat(tables, ignore_index=True)


@pytest.mark.parametrize(
    "options", [{}, {"edges": "all"}, {"granularity": "channel", "aggregation": "l2"}]
)
def test_the_table_is_that_of_the_networks_one_by_one(net, weights, options):
    weights[3, 5] = np.nan
    labels = pd.DataFrame({"accuracy": np.linspace(0, 1, N), "layer": "x"}, index=range(9, 9 + N))
    zoo = cg.Population.from_matrix(weights, template=net, labels=labels)
    table = zoo.analyze(**options)
    own = table.drop(columns=["network", "accuracy", "label_layer", "diverged"])
    assert_frame_equal(own, one_by_one(zoo, **options), rtol=1e-12, atol=1e-12)
    n_layers = net.n_layers
    assert table["network"].tolist() == np.repeat(range(N), n_layers).tolist()
    assert table["accuracy"].tolist() == np.repeat(labels["accuracy"], n_layers).tolist()
    assert table.loc[table["diverged"], "network"].unique().tolist() == [3]
    assert zoo.diverged["path"].tolist() == ["weights"]


def test_networks_of_a_matrix_are_read_when_needed(net, weights):
    zoo = cg.Population.from_matrix(weights, template=net)
    one = zoo[-2]
    first = one.parameters["conv1.weight"]
    assert np.array_equal(first.raw().reshape(-1), weights[N - 2, : first.size])
    assert len(zoo[3:9]) == 6
    assert_frame_equal(
        zoo[4:].analyze().drop(columns="network"),
        zoo.analyze().query("network >= 4").drop(columns="network").reset_index(drop=True),
    )
    assert repr(zoo) == "<Population: 23 networks in the rows of 'weights'>"


def files(folder, weights):
    """The same matrix as everything that it may lie in."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    np.save(folder / "w.npy", weights)
    np.save(folder / "fortran.npy", np.asfortranarray(weights))
    np.save(folder / "big.npy", weights.astype(">f4"))
    np.savez(folder / "w.npz", weights=weights)
    with h5py.File(folder / "w.h5", "w") as file:
        file["weights"] = weights
    lists = pa.FixedSizeListArray.from_arrays(weights.reshape(-1), weights.shape[1])
    table = pa.table({"accuracy": np.arange(len(weights)), "weights": lists})
    pq.write_table(table, folder / "w.parquet", row_group_size=5)
    names = ("w.npy", "fortran.npy", "big.npy", "w.npz", "w.h5", "w.parquet")
    return {name: folder / name for name in names}


def test_all_that_a_matrix_may_lie_in(tmp_path, net, weights):
    expected = cg.Population.from_matrix(weights, template=net).analyze()
    for name, path in files(tmp_path, weights).items():
        zoo = cg.Population.from_matrix(path, template=net)
        assert_frame_equal(zoo.analyze(), expected, check_exact=True, obj=name)
        assert np.array_equal(open_rows(path).read(0, 4, 17), weights[4:17]), name
    with h5py.File(tmp_path / "w.h5") as file:
        zoo = cg.Population.from_matrix(file["weights"], template=net)
        assert_frame_equal(zoo.analyze(), expected, check_exact=True)
    zoo = cg.Population.from_matrix(weights.astype(">f4"), template=net)
    assert_frame_equal(zoo.analyze(), expected, check_exact=True)


def test_a_layout_says_where_parameters_lie(tmp_path, net, weights):
    """Kernels as TensorFlow has them, a parameter in Fortran order, others in another order."""
    shapes = {name: p.shape for name, p in net.parameters.items()}
    order = ["fc.bias", "conv1.weight", "fc.weight", "conv1.bias"]
    plain = cg.Population.from_matrix(weights, template=net)
    rows, places, at = [], [], 0
    for name in order:
        values = np.stack([one.parameters[name].raw() for one in plain])
        shape, axes = shapes[name], "C"
        if name == "conv1.weight":
            values, axes = values.transpose(0, 3, 4, 2, 1), (3, 2, 0, 1)
            shape = values.shape[1:]
        if name == "fc.weight":
            values, axes = values.transpose(0, 2, 1), "F"
        rows.append(values.reshape(N, -1))
        places.append((name, at, shape, axes))
        at += rows[-1].shape[1]
    moved = np.concatenate(rows, axis=1)
    expected = plain.analyze()
    table = pd.DataFrame(places, columns=["varname", "start_idx", "shape", "order"])
    table.to_csv(tmp_path / "layout.csv")
    for layout in (places, table, tmp_path / "layout.csv"):
        zoo = cg.Population.from_matrix(moved, template=net, layout=layout)
        assert_frame_equal(zoo.analyze(), expected, rtol=1e-12)


def test_what_is_not_learned_is_the_same_in_all_networks():
    net = cg.toy("mlp")
    fixed = {n: cg.Parameter.from_array(n, p.raw(), trainable=n != "fc1.bias")
             for n, p in net.parameters.items()}  # fmt: skip
    net = net.bind(fixed, {})
    weights = np.random.default_rng(1).normal(size=(4, net.n_parameters))
    zoo = cg.Population.from_matrix(weights, template=net)
    assert np.array_equal(zoo[2].parameters["fc1.bias"].raw(), fixed["fc1.bias"].raw())
    own = zoo.analyze().drop(columns=["network", "diverged"])
    assert_frame_equal(own, one_by_one(zoo), rtol=1e-12)


def test_neurons_over_data_are_measured_one_by_one(net, weights):
    zoo = cg.Population.from_matrix(weights[:3], template=net)
    images = np.random.default_rng(0).normal(size=(5, 1, 6, 6))
    table = zoo.analyze(inputs=images)
    found = cg.neuron_strength(zoo[1], images)
    row = table.query("network == 1 and layer == 'fc'").iloc[0]
    assert np.isclose(row["neuron_strength_mean"], found.split(found.mean)["fc"].mean())


# -- what does not fit -----------------------------------------------------------------------------


def refused(weights, net, message, **options):
    with pytest.raises(CntGraphError, match=message):
        cg.Population.from_matrix(weights, template=net, **options)


def test_rows_that_do_not_fit(net, weights, tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    refused(weights[:, :-1], net, r"expected 77 values .* has 76 a row")
    refused(weights[0], net, r"expected a matrix.*shape \(77,\)")
    refused(weights.astype(object), net, "real numbers")
    refused(weights.astype(complex), net, "real numbers")
    refused([[1.0]], net, "expected an array or a file")
    refused(tmp_path / "none.npy", net, "found nothing")
    np.savez(tmp_path / "two.npz", a=weights, b=weights)
    refused(tmp_path / "two.npz", net, "one matrix.*found a, b")
    np.save(tmp_path / "objects.npy", weights.astype(object), allow_pickle=True)
    with pytest.raises(UnsafeFileError):
        cg.Population.from_matrix(tmp_path / "objects.npy", template=net)
    whole = files(tmp_path, weights)
    for name in ("w.npy", "w.parquet"):
        data = whole[name].read_bytes()
        whole[name].write_bytes(data[: len(data) // 2])
        with pytest.raises(CntGraphError):
            cg.Population.from_matrix(whole[name], template=net)
    pq.write_table(pa.table({"a": [1, 2]}), tmp_path / "plain.parquet")
    refused(tmp_path / "plain.parquet", net, "one column of lists")


def test_a_file_that_is_changed_after_it_was_opened(net, weights, tmp_path):
    np.save(tmp_path / "w.npy", weights)
    zoo = cg.Population.from_matrix(tmp_path / "w.npy", template=net)
    data = (tmp_path / "w.npy").read_bytes()
    (tmp_path / "w.npy").write_bytes(data[:-500])
    with pytest.raises(CntGraphError, match="changed"):
        zoo.analyze()


@pytest.mark.parametrize(
    ("places", "message"),
    [
        ([("conv1.weight", 0, (2, 1, 3, 3))], "each of the template's parameters once"),
        ([("conv1.weight", 0)], r"\(name, offset, shape\[, order\]\)"),
        ([("conv1.weight", -1, (2, 1, 3, 3))], "whole numbers of 0 or more"),
        ([("conv1.weight", 0, "(__import__('os'),)")], "expected numbers"),
        ([("a", 0, "3")], "each of the template's"),
    ],
)
def test_layouts_that_are_none(net, weights, places, message):
    refused(weights, net, message, layout=places)


def test_layouts_that_do_not_fit(net, weights, tmp_path):
    good = [(p.name, p.offset, p.shape) for p in Layout.of(None, net.parameters).places]
    other = [(n, o, s[::-1]) if n == "fc.weight" else (n, o, s) for n, o, s in good]
    refused(weights, net, r"'fc.weight' of shape \(3, 18\), got shape \(18, 3\)", layout=other)
    odd = [(*place, (0, 0)) if place[0] == "fc.weight" else place for place in good]
    refused(weights, net, "order", layout=odd)
    overlapping = [(n, 0 if n == "fc.bias" else o, s) for n, o, s in good]
    refused(weights, net, "overlap", layout=overlapping)
    refused(weights, net, "once", layout=[*good, good[0]])
    table = pd.DataFrame(good, columns=["varname", "start", "shape"])
    refused(weights, net, "column 'offset' or 'start_idx'", layout=table)
    (tmp_path / "empty.csv").write_text("")
    refused(weights, net, "cannot be read", layout=tmp_path / "empty.csv")


def test_labels_that_do_not_fit(net, weights, tmp_path):
    refused(weights, net, "each of 23 networks, got 2", labels=pd.DataFrame({"a": [1, 2]}))
    (tmp_path / "labels.csv.gz").write_bytes(b"no gzip")
    refused(weights, net, "cannot be read", labels=tmp_path / "labels.csv.gz")


def test_few_large_networks_are_read_at_once(net, weights):
    """The larger, the fewer: by their values, and by their nodes."""
    assert n_together(net) == 1024
    large = cg.load([np.zeros((3000, 500), np.float32)])
    assert n_together(large) == (1 << 25) // (3000 * 500 * 4)
    assert n_together(cg.load([np.zeros((5000, 5000), np.float32)])) == 1
    window = Window(fine=2000, coarse=2000, kernel=1)
    builder = Builder()
    kernel = Recipe.of(builder.parameter(cg.Parameter.from_array("w", np.ones((1, 1, 1, 1)))))
    ids = builder.conv("conv", builder.input("x", (1, 2000, 2000)), kernel, None, (window,) * 2)
    builder.output(ids)
    assert n_together(builder.finish()) == 1
    zoo = cg.Population.from_matrix(np.tile(weights, (100, 1)), template=net)
    members = zoo._measuring.members
    assert [batch.size for batch in members.batches(range(2300))] == [1024, 1024, 252]


# -- what compares many networks ------------------------------------------------------------------


def by_files(folder, zoo):
    """The same networks, a file each."""
    for k, net in enumerate(zoo):
        cg.save(net, folder / f"{k:03}.h5")
    return cg.Population.from_files(folder / "*.h5", labels=lambda path: {
        "accuracy": zoo.labels["accuracy"][int(path.stem)]})  # fmt: skip


@pytest.fixture
def both(net, weights, tmp_path):
    labels = pd.DataFrame({"accuracy": np.linspace(0, 1, N)})
    zoo = cg.Population.from_matrix(weights, template=net, labels=labels)
    return zoo, by_files(tmp_path, zoo)


@pytest.mark.parametrize(
    ("measure", "max_samples"),
    [("strength", 1_000_000), ("in_strength", 1_000_000), ("out_strength", 1_000_000),
     ("link_weights", 1_000_000), ("strength", 40), ("link_weights", 40)],
)  # fmt: skip
def test_densities_and_divergences_are_those_of_files(both, measure, max_samples):
    zoo, files = both
    for layer in ("conv1", "fc", "input"):
        options = {"max_samples": max_samples, "bins": 3}
        if measure == "link_weights" and layer == "input":
            continue
        found, expected = (one.densities(measure, layer, **options) for one in both)
        assert_frame_equal(found, expected, rtol=1e-9)
        assert found.attrs == expected.attrs
    pooled = zoo.divergence(measure, "fc", bins=2)
    assert_frame_equal(pooled, files.divergence(measure, "fc", bins=2), rtol=1e-9)


def test_layers_that_there_are_not(both):
    for one in both:
        with pytest.raises(CntGraphError, match="no layer is called 'fc9'"):
            one.densities("strength", "fc9")


def test_separation_is_that_of_files(both):
    options = {"above": 0.6, "below": 0.4, "n_resamples": 99, "rng": 0}
    found, expected = (one.separation(**options) for one in both)
    assert_frame_equal(found, expected, rtol=1e-9)


@pytest.mark.parametrize("client", ["threads", "processes"])
def test_wherever_it_is_computed(tmp_path, net, client):
    weights = np.random.default_rng(0).normal(size=(2100, net.n_parameters)).astype("f4")
    np.save(tmp_path / "w.npy", weights)
    zoo = cg.Population.from_matrix(tmp_path / "w.npy", template=net)
    expected = zoo.analyze()
    again = cg.Population.from_matrix(tmp_path / "w.npy", template=net)
    assert_frame_equal(again.analyze(client=client), expected, check_exact=True)


def test_what_has_no_copies_is_measured_one_by_one(net, weights, monkeypatch):
    expected = cg.Population.from_matrix(weights, template=net).analyze()
    refused_copies = NoCopiesError("no copies of 'odd'.")
    monkeypatch.setattr(
        "cntgraph.training.stacked.Stack", lambda net: (_ for _ in ()).throw(refused_copies)
    )
    zoo = cg.Population.from_matrix(weights, template=net)
    with pytest.warns(UserWarning, match="no copies of 'odd'. They are measured one by one"):
        found = zoo.analyze()
    assert_frame_equal(found, expected, rtol=1e-12, atol=1e-12)


def test_a_column_that_is_changed_changes_no_other(net, weights):
    table = cg.Population.from_matrix(weights, template=net).analyze()
    before = table["strength_std"].copy()
    table.loc[3, "fluctuation"] = -1.0
    assert table["strength_std"].equals(before)
