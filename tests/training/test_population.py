"""A population is a list of networks in files, and its tables are those of its networks."""

import warnings
from itertools import pairwise

import h5py
import numpy as np
import pandas as pd
import pytest
from oracles.nets import random_net

import cntgraph as cg
from cntgraph.core.errors import CntGraphError, CoverageError, CoverageWarning, StoreError
from cntgraph.training import members
from cntgraph.training.population import Population

N = 12


def chain(seed, sizes=(5, 4, 3), scale=1.0):
    """A small fully connected network."""
    rng = np.random.default_rng(seed)
    tensors = []
    for n_in, n_out in pairwise(sizes):
        tensors += [rng.normal(0, scale, (n_in, n_out)), rng.normal(0, scale, n_out)]
    return cg.load([tensor.astype(np.float32) for tensor in tensors])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Networks of two architectures with labels."""
    path = tmp_path_factory.mktemp("runs")
    for k in range(N):
        net = chain(k, (5, 4, 3) if k % 3 else (5, 4, 2))
        labels = {"accuracy": k / N, "task": "ab"[k % 2], "depth": k % 4}
        cg.save(net, path / f"net{k:02}.h5", **labels)
    return path


@pytest.fixture
def population(folder):
    return Population.from_files(folder / "*.h5")


def expected(folder, **options):
    """`analyze` of each file, put together plainly."""
    tables = []
    for k in range(N):
        net = cg.load(folder / f"net{k:02}.h5")
        table = cg.analyze(net, **options).reset_index()
        table.insert(0, "network", k)
        tables.append(table.assign(**net.labels))
    return pd.concat(tables, ignore_index=True)


# --- A list of networks -----------------------------------------------------------------------


def test_a_list_of_networks(population, folder):
    assert len(population) == N
    assert repr(population) == f"<Population: {N} networks in {N} files>"
    for k, net in enumerate(population):
        alone = cg.load(folder / f"net{k:02}.h5")
        np.testing.assert_array_equal(cg.node_strength(net), cg.node_strength(alone))
        assert net.labels == {**alone.labels, "path": str(folder / f"net{k:02}.h5")}
    np.testing.assert_array_equal(
        cg.node_strength(population[-1]), cg.node_strength(population[N - 1])
    )
    with pytest.raises(IndexError):
        population[N]


def test_slices(population):
    part = population[3:9:2]
    assert isinstance(part, Population)
    assert part.labels["accuracy"].tolist() == [k / N for k in (3, 5, 7)]
    assert part.labels.index.tolist() == [0, 1, 2]
    assert part.analyze()["network"].unique().tolist() == [0, 1, 2]
    whole = population.analyze()
    own = whole[whole["network"].isin([3, 5, 7])].drop(columns="network").reset_index(drop=True)
    pd.testing.assert_frame_equal(part.analyze().drop(columns="network"), own)


def test_nothing_but_headers_is_read_on_construction(folder, monkeypatch):
    from cntgraph.store.tensor import StoredTensor

    def fails(*_):
        raise AssertionError("a tensor was read")

    monkeypatch.setattr(StoredTensor, "__getitem__", fails)
    monkeypatch.setattr(members, "load", fails)
    population = Population.from_files(folder / "*.h5")
    assert population.labels["accuracy"].tolist() == [k / N for k in range(N)]
    population[0]


@pytest.mark.parametrize(
    "files",
    [
        lambda folder: str(folder / "*.h5"),
        lambda folder: str(folder / "**" / "net*.h5"),
        lambda folder: [folder / f"net{k:02}.h5" for k in range(N)],
        lambda folder: [folder / "net0*.h5", str(folder / "net1*.h5"), folder / "net03.h5"],
        lambda folder: iter(sorted(folder.glob("*.h5"))),
    ],
)
def test_files(folder, files):
    population = Population.from_files(files(folder))
    assert population.labels["path"].tolist() == [str(folder / f"net{k:02}.h5") for k in range(N)]


def test_order_is_that_of_a_list(folder):
    given = [folder / "net05.h5", folder / "net01.h5"]
    assert Population.from_files(given).labels["path"].tolist() == [str(path) for path in given]


def test_a_name_with_brackets_is_a_name(tmp_path):
    cg.save(chain(0), tmp_path / "net[0].h5")
    assert len(Population.from_files(tmp_path / "net[0].h5")) == 1


def test_files_of_other_kinds(tmp_path, folder):
    from safetensors.numpy import save_file

    tensors = {"fc.weight": np.ones((3, 5), np.float32), "fc.bias": np.ones(3, np.float32)}
    save_file(tensors, tmp_path / "a.safetensors")
    np.savez(tmp_path / "b.npz", **tensors)
    files = [tmp_path / "a.safetensors", tmp_path / "b.npz", folder / "net01.h5"]
    population = Population.from_files(files)
    table = population.analyze(client="threads")
    for k, path in enumerate(files):
        own = table[table["network"] == k].set_index("layer")["fluctuation"]
        pd.testing.assert_series_equal(own, cg.analyze(cg.load(path))["fluctuation"])
    assert population.labels["accuracy"].isna().tolist() == [True, True, False]
    assert "accuracy" not in population[0].labels


def test_options_are_those_of_load(tmp_path):
    conv = {"c.weight": np.ones((3, 3, 1, 2), np.float32), "c.bias": np.zeros(2, np.float32)}
    np.savez(tmp_path / "a.npz", **conv)
    own = {"input_shape": (1, 6, 6), "description": [{"kind": "conv"}]}
    (net,) = Population.from_files(tmp_path / "a.npz", **own)
    assert net.n_nodes == cg.load(tmp_path / "a.npz", **own).n_nodes
    assert net.n_nodes != cg.load(tmp_path / "a.npz").n_nodes


# --- Snapshots --------------------------------------------------------------------------------


@pytest.fixture
def trajectories(tmp_path):
    """Two files of 20 and 3 snapshots."""
    for name, n in (("long", 20), ("short", 3)):
        net = random_net(0)
        moments = [
            net.bind(
                {name: cg.Parameter.from_array(name, np.float32(k + 1) * p.read())
                 for name, p in net.parameters.items()},
                {"step": k, "snapshot": -k},
            )
            for k in range(n)
        ]  # fmt: skip
        cg.save(moments, tmp_path / f"{name}.h5")
    return tmp_path


def test_snapshots(trajectories):
    last = Population.from_files(trajectories / "*.h5")
    assert last.labels["step"].tolist() == [19, 2]
    assert last.labels.columns.tolist() == ["path", "label_snapshot", "step"]
    every = Population.from_files(trajectories / "*.h5", snapshots="all")
    assert every.labels["snapshot"].tolist() == [*range(20), *range(3)]
    assert every.labels["label_snapshot"].tolist() == [-k for k in [*range(20), *range(3)]]
    assert repr(every) == "<Population: 23 networks in 2 files>"
    np.testing.assert_array_equal(
        cg.node_strength(every[21]), cg.node_strength(cg.open(trajectories / "short.h5")[1])
    )
    table = every.analyze(client="threads")
    with cg.open(trajectories / "long.h5") as trajectory:
        own = trajectory.analyze()["fluctuation"]
    pd.testing.assert_series_equal(table["fluctuation"].iloc[: len(own)], own)
    with pytest.raises(CntGraphError, match="'last' or 'all', got 'first'"):
        Population.from_files(trajectories / "*.h5", snapshots="first")


# --- Labels -----------------------------------------------------------------------------------


def test_recorded_labels(population):
    labels = population.labels
    assert labels.columns.tolist() == ["path", "accuracy", "depth", "task"]
    assert labels.index.name == "network"
    assert labels["depth"].dtype == np.int64
    assert labels["task"].tolist() == list("ab" * (N // 2))


@pytest.mark.parametrize("called", ["stem", "name", "path", "absolute", "relative", "end"])
def test_labels_of_a_table(folder, called, monkeypatch):
    monkeypatch.chdir(folder.parent)
    pattern = f"{folder.name}/*.h5" if called == "relative" else folder / "*.h5"
    names = [f"net{k:02}" for k in range(N)]
    start = {"stem": "", "name": "", "path": f"{folder}/", "absolute": f"{folder.absolute()}/",
             "relative": f"./{folder.name}/", "end": f"{folder.name}/"}[called]  # fmt: skip
    end = "" if called in ("stem", "end") else ".h5"
    table = pd.DataFrame({"size": range(N), "accuracy": -1.0}, [f"{start}{n}{end}" for n in names])
    labels = Population.from_files(pattern, labels=table.sample(frac=1, random_state=0)).labels
    assert labels["size"].tolist() == list(range(N))
    assert (labels["accuracy"] == -1).all()
    assert labels["depth"].tolist() == [k % 4 for k in range(N)]


def test_labels_of_a_table_with_numbers_for_names(tmp_path):
    for k in range(3):
        cg.save(chain(k), tmp_path / f"{k}.h5")
    table = pd.DataFrame({"accuracy": [0.1, 0.2, 0.3]})
    population = Population.from_files(tmp_path / "*.h5", labels=table)
    assert population.labels["accuracy"].tolist() == [0.1, 0.2, 0.3]


def test_labels_of_a_function(folder):
    population = Population.from_files(
        folder / "*.h5", labels=lambda path: {"number": int(path.stem[3:]), "task": "c"}
    )
    assert population.labels["number"].tolist() == list(range(N))
    assert set(population.labels["task"]) == {"c"}
    assert population[2].labels["number"] == 2
    assert population.analyze()["task"].eq("c").all()


def test_labels_that_do_not_fit(folder, tmp_path):
    names = [f"net{k:02}" for k in range(N)]
    files = folder / "*.h5"

    def fails(index, match, of=files):
        with pytest.raises(CntGraphError, match=match):
            Population.from_files(of, labels=pd.DataFrame({"a": 1}, index))

    fails(names[1:], r"no row for \S*net00.h5$")
    fails([*names, "other", "b", "c", "d"], "no file for other, b, c and 1 more")
    fails([*names[:-1], "other"], "no row for .*net11.h5 and no file for other")
    fails([*names, names[0]], "got several of net00")
    for part in ("a", "b"):
        (tmp_path / part).mkdir()
        cg.save(chain(0), tmp_path / part / "net.h5")
    fails(["net"], "'net' may be of .*a/net.h5, .*b/net.h5", of=tmp_path / "*/net.h5")
    table = pd.DataFrame({"x": [1, 2]}, ["a/net", "b/net"])
    assert Population.from_files(tmp_path / "*/net.h5", labels=table).labels["x"].tolist() == [1, 2]


def test_labels_called_like_columns(tmp_path):
    labels = {"layer": "x", "diverged": 3, "path": "y", "network": 7}
    cg.save(chain(0).bind(chain(0).parameters, labels), tmp_path / "a.h5")
    population = Population.from_files(tmp_path / "a.h5")
    assert population.labels["label_path"].tolist() == ["y"]
    table = population.analyze()
    assert table["label_layer"].eq("x").all()
    assert table["label_network"].eq(7).all()
    assert table["label_diverged"].eq(3).all()
    assert not table["diverged"].any()


# --- Tables -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options", [{}, {"edges": "all", "bias": False}, {"granularity": "layer", "aggregation": "l2"}]
)
def test_analyze_is_analyze_of_each(population, folder, options):
    table = population.analyze(**options)
    assert table.columns[:6].tolist() == ["network", "path", "accuracy", "depth", "task", "layer"]
    assert table.columns[-1] == "diverged"
    assert table["diverged"].dtype == bool
    wanted = expected(folder, **options)
    pd.testing.assert_frame_equal(table[wanted.columns], wanted, check_exact=True)
    assert table.attrs == {"n_networks": N, "n_diverged": 0, "n_failed": 0}


@pytest.mark.parametrize("client", [None, "threads"])
def test_data_run_through_every_network(population, folder, client):
    x = np.random.default_rng(0).normal(size=(20, 5))
    table = population.analyze(inputs=x, client=client)
    for k in range(N):
        own = table[table["network"] == k].set_index("layer")
        found = cg.neuron_activation(folder / f"net{k:02}.h5", x).by_layer()
        for name in ("mean", "fluctuation", "active"):
            assert np.allclose(own[f"neuron_activation_{name}"], found[name], rtol=1e-12, atol=0)
        strength = cg.neuron_strength(folder / f"net{k:02}.h5", x).by_layer()
        assert np.allclose(own["neuron_strength_fluctuation"], strength["fluctuation"])
    plain = population.analyze()
    pd.testing.assert_frame_equal(table[plain.columns], plain)
    with pytest.raises(CntGraphError, match="read once"):
        population.analyze(inputs=iter([x]))


def test_neurons_over_data_are_judged_like_other_measures(population):
    x = np.random.default_rng(0).normal(size=(20, 5))
    options = {"above": 0.6, "below": 0.4, "n_resamples": 20}
    found = population.separation(inputs=x, **options)
    pd.testing.assert_frame_equal(found, cg.separation(population.analyze(inputs=x), **options))
    of_weights, of_neurons = (
        {m for m in found["measure"] if m.startswith("neuron_") == which} for which in (False, True)
    )
    assert of_neurons == {
        f"neuron_{a}_{b}" for a in ("strength", "activation")
        for b in ("mean", "fluctuation", "std", "active")
    }  # fmt: skip
    assert of_weights == set(population.separation(**options)["measure"])
    one = population.separation(inputs=x, measures=["neuron_activation_std"], **options)
    same = found[found["measure"] == "neuron_activation_std"].reset_index(drop=True)
    pd.testing.assert_frame_equal(one.drop(columns="p_adjusted"), same.drop(columns="p_adjusted"))
    with pytest.raises(CntGraphError, match="come with inputs="):
        population.separation(measures=["neuron_activation_std"])
    with pytest.raises(CntGraphError, match="read once"):
        population.separation(inputs=iter([x]))


def test_distributions_of_neurons_over_data(population, folder):
    x = np.random.default_rng(0).normal(size=(20, 5))
    found = population.densities("neuron_strength", "dense1", inputs=x, bins=1, n_points=40)
    means = [cg.neuron_strength(folder / f"net{k:02}.h5", x, layers="dense1").mean for k in
             range(N)]  # fmt: skip
    assert found["n_samples"].iloc[0] == sum(map(len, means))
    area = np.trapezoid(found["density"], found["x"])
    assert area == pytest.approx(1.0, abs=0.05)
    apart = population.divergence("neuron_activation", "dense1", inputs=x, bins=2)
    assert apart.shape == (2, 2)
    with pytest.raises(CntGraphError, match=r"nothing was recorded of neurons over data.*inputs="):
        population.densities("neuron_strength", "dense1")


def test_table_is_analyze_in_long_form(population):
    wide, long = population.analyze(), population.table()
    about = ["network", "path", "accuracy", "depth", "task", "layer", "diverged"]
    assert long.columns.tolist() == [*about, "measure", "value"]
    back = long.pivot(index=["network", "layer"], columns="measure", values="value")  # noqa: PD010
    for name in back:
        own = wide.set_index(["network", "layer"]).loc[back.index, name]
        np.testing.assert_array_equal(back[name], own.astype(float))
    assert {"fluctuation", "link_weight_std", "n_nodes"} <= set(back)


# --- Members that cannot be read --------------------------------------------------------------


@pytest.fixture
def damaged(tmp_path):
    """Eight networks; one file is cut, one has no tensor, one is missing, one of no known kind."""
    import h5py

    for k in range(8):
        cg.save(chain(k), tmp_path / f"{k}.h5", accuracy=k / 8)
    (tmp_path / "2.h5").write_bytes((tmp_path / "2.h5").read_bytes()[:500])
    with h5py.File(tmp_path / "5.h5", "r+") as file:
        del file["snapshots/0/parameters"]
    (tmp_path / "notes.txt").write_text("none")
    return [*(tmp_path / f"{k}.h5" for k in range(8)), tmp_path / "9.h5", tmp_path / "notes.txt"]


def test_damaged_members_are_named(damaged):
    with pytest.warns(UserWarning, match=r"2 of 10 networks cannot be read .*2\.h5"):
        population = Population.from_files(damaged)
    assert len(population) == 8
    assert population.failed["path"].tolist() == [str(damaged[2]), str(damaged[8])]
    with pytest.warns(UserWarning, match=r"2 of 8 networks cannot be read .*5\.h5"):
        table = population.analyze()
    found = population.failed
    assert found["path"].tolist() == [str(damaged[k]) for k in (2, 8, 5, 9)]
    assert found["snapshot"].isna().tolist() == [True, True, False, True]
    assert "parameters" in found["error"][2]
    assert "expected a file that ends in" in found["error"][3]
    numbers = table["network"].unique().tolist()
    assert numbers == [0, 1, 2, 3, 5, 6]
    assert table.attrs == {"n_networks": 6, "n_diverged": 0, "n_failed": 4}
    assert table.loc[table["network"] == 6, "accuracy"].eq(7 / 8).all()
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # said once; not tried again
        curves = population.densities("strength", "dense1", bins=2)
    assert curves.attrs["n_networks"] == 6
    assert curves.attrs["n_failed"] == 4


def test_strict_raises(damaged):
    with pytest.raises(StoreError, match=r"2\.h5"):
        Population.from_files(damaged, strict=True)
    population = Population.from_files(damaged[3:8], strict=True)
    for client in (None, "threads"):
        with pytest.raises(StoreError, match=r"5\.h5.*parameters"):
            population.analyze(client=client)


def test_strict_raises_on_what_is_left_out(tmp_path):
    tensors = {"fc.weight": np.ones((3, 5), np.float32), "text": np.array(["a"])}
    np.savez(tmp_path / "a.npz", **tensors)
    with pytest.warns(CoverageWarning):
        Population.from_files(tmp_path / "a.npz").analyze()
    with pytest.raises(CoverageError):
        Population.from_files(tmp_path / "a.npz", strict=True).analyze()


def test_if_none_can_be_read(damaged, tmp_path):
    with pytest.raises(CntGraphError, match=r"none of 2 networks can be read; the first: .*2\.h5"):
        Population.from_files([damaged[2], damaged[8]])
    with pytest.raises(CntGraphError, match="none of 1 networks can be read"):
        Population.from_files(damaged[5]).analyze()
    population = Population.from_files([damaged[0], damaged[1]])
    with pytest.raises(CntGraphError, match="no option 'color'; there are: granularity"):
        population.analyze(color=1)
    for nothing in ([], tmp_path / "*.none"):
        with pytest.raises(CntGraphError, match=r"found none|got none"):
            Population.from_files(nothing)


def test_a_file_without_snapshots(tmp_path):
    import h5py

    cg.save(chain(0), tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        del file["snapshots/0"]
    with pytest.raises(CntGraphError, match="expected a snapshot, found none"):
        Population.from_files(tmp_path / "a.h5")


def test_the_bundled_networks_many_at_a_time_are_those_one_by_one():
    population = Population.from_files(cg.demo_file("population"), snapshots="all")
    assert population._measuring.members.template is not None
    table = population.analyze().drop(columns=[*population.labels.columns, "network", "diverged"])
    each = [cg.analyze(net).reset_index() for net in population]
    expected = pd.concat(each, ignore_index=True)
    numbers = expected.select_dtypes("number").columns
    pd.testing.assert_frame_equal(table.drop(columns=numbers), expected.drop(columns=numbers))
    for name in numbers:
        size = expected[name].abs().max()
        assert np.allclose(
            table[name], expected[name], rtol=1e-12, atol=1e-12 * size, equal_nan=True
        ), name


def test_a_damaged_snapshot_among_many_is_named(tmp_path):
    path = tmp_path / "population.h5"
    path.write_bytes(cg.demo_file("population").read_bytes())
    with h5py.File(path, "r+") as file:
        group = file["snapshots/5/parameters"]
        name = next(iter(group))
        del group[name]
    population = Population.from_files(path, snapshots="all")
    with pytest.warns(UserWarning, match=r"1 of 64 networks cannot be read"):
        table = population.analyze()
    assert sorted({*range(64)} - {*table["network"]}) == [5]
    assert population.failed["snapshot"].tolist() == [5]
    strict = Population.from_files(path, snapshots="all", strict=True)
    with pytest.raises(CntGraphError, match="snapshots/5"):
        strict.analyze()
