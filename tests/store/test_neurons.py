"""Summaries of neurons over data, recorded beside a snapshot; and what may be wrong with them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from training.test_recorder import SHAPE, make, step

import cntgraph as cg
from cntgraph.core.errors import CntGraphError, StoreError
from cntgraph.store.neurons import QUANTITIES
from cntgraph.store.writer import fixed_text

DATA = torch.randn(30, *SHAPE, generator=torch.Generator().manual_seed(0))


def record(path: Path, n: int = 3, **options: Any) -> list[dict[str, Any]]:
    """Record a short training, and return what is measured at each moment."""
    model, found = make(), []
    recorder = cg.Recorder(path, model, input_shape=SHAPE, inputs=DATA, mode="resume", **options)
    for k in range(n):
        assert recorder(step=k) == k
        measures = (cg.neuron_strength, cg.neuron_activation)
        found.append({f.__name__: f(model, DATA, input_shape=SHAPE) for f in measures})
        step(model, k)
    return found


@pytest.mark.parametrize("store", ["parameters", "measures", "both"])
def test_summaries_are_what_is_measured_at_each_moment(path: Path, store: Any) -> None:
    expected = record(path, store=store)
    with cg.open(path) as trajectory:
        for measure in ("neuron_strength", "neuron_activation"):
            for own, moment in zip(trajectory.neuron_statistics(measure), expected, strict=True):
                assert own.moments.state.tobytes() == moment[measure].moments.state.tobytes()
                assert own.n_samples == 30
                assert own.layers == moment[measure].layers
                assert own.by_layer().equals(moment[measure].by_layer())
        assert len(trajectory[1:].neuron_statistics()) == 2
    with h5py.File(path) as file:
        assert file.attrs["format_version"] == 5
        assert (
            tuple(json.loads(file["neurons/description"].asstr()[()])["quantities"]) == QUANTITIES
        )


def test_distributions_over_training_are_those_of_the_means(path: Path) -> None:
    expected = record(path)
    with cg.open(path) as trajectory:
        found = trajectory.divergence("neuron_strength", kind="kolmogorov_smirnov")
        curves = trajectory.density("neuron_activation", "4", n_points=4000)
    first, last = (expected[k]["neuron_strength"] for k in (0, 2))
    for layer in first.layers:
        apart = cg.divergence(first.mean[layer.slice], last.mean[layer.slice],
                              kind="kolmogorov_smirnov")  # fmt: skip
        assert found.loc[2, layer.name] == pytest.approx(apart)
    assert len(curves) == 3 * 4000
    area = curves.query("snapshot == 1")
    assert np.trapezoid(area["density"], area["x"]) == pytest.approx(1.0, abs=0.02)


def test_tables_have_columns_of_neurons(path: Path) -> None:
    expected = record(path, store="both")
    with cg.open(path) as trajectory:
        table, long = trajectory.analyze(), trajectory.table()
    for measure in ("neuron_strength", "neuron_activation"):
        for k, moment in enumerate(expected):
            own = table[table["snapshot"] == k].set_index("layer")
            found = moment[measure].by_layer()
            for name in ("mean", "fluctuation", "std", "active", "never_active"):
                assert (own[f"{measure}_{name}"] == found[name]).all()
    assert {"neuron_activation_fluctuation", "fluctuation"} <= {*long["measure"]}
    population = cg.Population.from_files(path, snapshots="all")
    columns = population.analyze()["neuron_strength_fluctuation"]
    assert columns.tolist() == table["neuron_strength_fluctuation"].tolist()
    other = population.analyze(inputs=DATA.numpy()[:3])["neuron_strength_fluctuation"]
    assert len(other) == len(columns)
    assert (other != columns).any()


def test_the_model_trains_on_as_if_nothing_had_been_run(path: Path) -> None:
    models = [make().train() for _ in range(2)]
    recorder = cg.Recorder(path, models[0], input_shape=SHAPE, inputs=DATA, mode="resume")
    for k in range(3):
        recorder(step=k)
        for model in models:
            torch.manual_seed(k)
            step(model, k)
    assert all(model.training for model in models)
    ours, theirs = (model.state_dict() for model in models)
    assert all((ours[name] == theirs[name]).all() for name in ours)


def test_files_with_and_without_are_not_mixed(path: Path) -> None:
    record(path, 1)
    with pytest.raises(StoreError, match="was recorded with inputs="):
        cg.Recorder(path, make(), input_shape=SHAPE, mode="resume")
    record(path.with_name("plain.h5"), 1)
    other = path.with_name("other.h5")
    cg.Recorder(other, make(), input_shape=SHAPE, mode="resume")()
    with pytest.raises(StoreError, match="was recorded without inputs="):
        cg.Recorder(other, make(), input_shape=SHAPE, inputs=DATA, mode="resume")
    assert cg.Recorder(path, make(), input_shape=SHAPE, inputs=DATA, mode="resume")(step=1) == 1
    with cg.open(other) as trajectory, pytest.raises(CntGraphError, match=r"cg\.Recorder.*inputs="):
        trajectory.neuron_statistics()
    with cg.open(path) as trajectory, pytest.raises(CntGraphError, match="got 'neuron_size'"):
        trajectory.neuron_statistics("neuron_size")


def failing() -> Any:
    yield DATA[:5]
    raise OSError("the disk is gone")


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (lambda: iter([DATA, DATA[:2, :, :3]]), "expected input 0 of shape"),
        (lambda: iter([DATA * float("nan")]), "finite inputs"),
        (lambda: iter(()), "at least one sample"),
        (failing, "raised OSError after 5 samples"),
    ],
)
def test_data_that_do_not_fit_leave_the_file_as_it_was(
    path: Path, inputs: Callable[[], Any], message: str
) -> None:
    record(path, 2)
    before = path.read_bytes()
    recorder = cg.Recorder(path, make(), input_shape=SHAPE, inputs=inputs, mode="resume")
    with pytest.raises(CntGraphError, match=message):
        recorder(step=2)
    assert path.read_bytes() == before
    assert [*path.parent.iterdir()] == [path]


def test_inputs_have_to_be_there_at_every_snapshot(path: Path) -> None:
    with pytest.raises(CntGraphError, match="read once; pass an array"):
        cg.Recorder(path, make(), input_shape=SHAPE, inputs=iter([DATA]), mode="resume")


# --- Damaged files ----------------------------------------------------------------------------


def values(change: Callable[[Any], None]) -> Callable[[h5py.File], None]:
    def damage(file: h5py.File) -> None:
        found = file["snapshots/0/neurons/neuron_strength"][()]
        change(found)
        file["snapshots/0/neurons/neuron_strength"][...] = found

    return damage


def replaced(array: Any) -> Callable[[h5py.File], None]:
    def damage(file: h5py.File) -> None:
        name = "snapshots/0/neurons/neuron_strength"
        n_samples = file[name].attrs["n_samples"]
        del file[name]
        file[name] = array
        file[name].attrs["n_samples"] = n_samples

    return damage


def samples(n: Any) -> Callable[[h5py.File], None]:
    return lambda file: file["snapshots/0/neurons/neuron_strength"].attrs.modify("n_samples", n)


def described(**changes: Any) -> Callable[[h5py.File], None]:
    def damage(file: h5py.File) -> None:
        found = json.loads(file["neurons/description"].asstr()[()])
        del file["neurons/description"]
        file["neurons/description"] = fixed_text(json.dumps(found | changes))

    return damage


DAMAGES: dict[str, Callable[[h5py.File], None]] = {
    "another shape": replaced(np.zeros((6, 3))),
    "another type": replaced(np.zeros((6, 89), np.float32)),
    "a negative spread": values(lambda x: x.__setitem__((1, 0), -1.0)),
    "extremes the wrong way round": values(lambda x: x.__setitem__((3, 0), 1e9)),
    "more active samples than there are": values(lambda x: x.__setitem__((5, 0), 31.0)),
    "no samples": samples(0),
    "a number that is none": samples(2.5),
    "no number": lambda file: file["snapshots/0/neurons/neuron_strength"].attrs.clear(),
    "gone": lambda file: file["snapshots/0/neurons"].__delitem__("neuron_strength"),
    "unknown measures": described(measures=["neuron_strength", "speed"]),
    "a layer twice": described(layers=["0", "0"]),
    "an unknown layer": described(layers=["0", "there is none"]),
    "other quantities": described(quantities=["mean"]),
    "no list": described(layers="0"),
    "no description": lambda file: file["neurons"].__delitem__("description"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_summaries_are_refused(path: Path, damage: str) -> None:
    record(path, 1)
    with h5py.File(path, "r+") as file:
        DAMAGES[damage](file)
    with cg.open(path) as trajectory:
        with pytest.raises(StoreError, match="neurons"):
            trajectory.neuron_statistics()
        assert cg.analyze(trajectory[0])["n_nodes"].sum() > 0
