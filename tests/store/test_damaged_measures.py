"""Measures that are damaged or hostile: refused with a reason, or read as they are."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from store.samples import replace_text, use
from store.test_damaged import damaged, tampered

import cntgraph as cg
from cntgraph.core.errors import CntGraphError, StoreError
from cntgraph.store.hdf5 import LIBVER
from cntgraph.store.writer import fixed_text


def recorded(path: Path, store: Any = "measures") -> None:
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(5, 4), torch.nn.Linear(4, 3))
    record = cg.Recorder(path, model, input_shape=(5,), store=store)
    record(step=0)
    record(step=1)


def use_measures(path: Path) -> None:
    """Do with recorded measures what people do."""
    with cg.open(path) as trajectory:
        trajectory.table()
        cg.describe(trajectory.topology)
        trajectory.density("strength", n_points=20)
        trajectory.divergence("link_weights", kind="kolmogorov_smirnov")


def measures_are_refused(path: Path) -> bool:
    try:
        use_measures(path)
    except CntGraphError:
        return True
    return False


def test_measures_that_are_sound(path: Path) -> None:
    recorded(path)
    use_measures(path)


@pytest.mark.parametrize("seed", range(2))
def test_flipped_bits_of_measures(path: Path, seed: int) -> None:
    recorded(path, "both" if seed % 2 else "measures")
    data, rng, refused = path.read_bytes(), random.Random(seed), 0
    for _ in range(20):
        path.write_bytes(damaged(data, rng))
        refused += measures_are_refused(path)
    assert refused > 1


@pytest.mark.parametrize("seed", range(2))
def test_tampered_descriptions_of_measures(path: Path, seed: int) -> None:
    recorded(path)
    data, rng, refused = path.read_bytes(), random.Random(seed), 0
    with h5py.File(path, "r") as file:
        description = json.loads(file["measures/description"].asstr()[()])
    for _ in range(15):
        path.write_bytes(data)
        replace_text(path, "measures/description", json.dumps(tampered(description, rng)))
        refused += measures_are_refused(path)
    assert refused > 7


def put(name: str, values: Any) -> Any:
    def change(file: h5py.File) -> None:
        if name in file:
            del file[name]
        file[name] = values

    return change


def edit(name: str, place: Any, value: Any) -> Any:
    def change(file: h5py.File) -> None:
        values = file[name][()]
        values[place] = value
        put(name, values)(file)

    return change


def describe_as(**changed: Any) -> Any:
    def change(file: h5py.File) -> None:
        description = json.loads(file["measures/description"].asstr()[()])
        put("measures/description", fixed_text(json.dumps({**description, **changed})))(file)

    return change


def remove(name: str) -> Any:
    def change(file: h5py.File) -> None:
        del file[name]

    return change


_ENTRY = {"measure": "strength", "layer": "0"}
DAMAGE = {
    "no description": (remove("measures/description"), "measures/description is missing"),
    "no bins": (remove("measures/bins"), "measures/bins is missing"),
    "no measures": (remove("snapshots/1/measures"), "snapshots/1/measures.* is missing"),
    "no histograms": (remove("snapshots/1/measures/histograms"), "histograms is missing"),
    "parameters": (describe_as(parameters=True), "stack/parameters.* is missing"),
    "columns": (describe_as(columns=[]), r"expected float64 of shape \(3, 0\)"),
    "a column twice": (describe_as(columns=[{"name": "x", "whole": True}] * 23), "of their own"),
    "a column of the topology": (
        describe_as(columns=[{"name": "shape", "whole": True}]), "names of their own"),
    "many columns": (
        describe_as(columns=[{"name": str(k), "whole": True} for k in range(300)]), "at most 256"),
    "statuses": (describe_as(statuses=[]), "status is damaged: unknown codes"),
    "an unknown layer": (
        describe_as(histograms=[{**_ENTRY, "layer": "x"}]), "each measure of each layer once"),
    "a histogram twice": (describe_as(histograms=[_ENTRY] * 2), "each measure of each layer once"),
    "few histograms": (describe_as(histograms=[_ENTRY]), r"expected float64 of shape \(1, 2\)"),
    "no spread": (edit("measures/bins", (0, 1), 0.0), "a center and a spread"),
    "a spread of NaN": (edit("measures/bins", (0, 1), np.nan), "a center and a spread"),
    "a far center": (edit("measures/bins", (0, 0), 1e300), "a center and a spread"),
    "negative counts": (
        edit("snapshots/0/measures/histograms", (0, 9), -1), "histograms is damaged: counts"),
    "endless counts": (
        edit("snapshots/0/measures/histograms", (0, 9), 2**62), "histograms is damaged: counts"),
    "another type": (
        put("snapshots/0/measures/histograms", np.zeros((11, 515))), "expected int64 of shape"),
    "a fraction of a node": (
        edit("snapshots/0/measures/layers", (0, 0), np.nan), "'n_nodes' is damaged"),
    "other layers": (
        put("snapshots/0/measures/layers", np.zeros((2, 23))), "expected float64 of shape"),
    "a group": (lambda file: file["measures"].create_group("x"), None),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGE)
def test_damaged_measures_are_named(path: Path, name: str) -> None:
    recorded(path)
    change, message = DAMAGE[name]
    with h5py.File(path, "r+", libver=LIBVER) as file:
        change(file)
    if message is None:
        use_measures(path)
        return
    with pytest.raises(CntGraphError, match=f"(?s){path.name}.*{message}"):
        use_measures(path)


def test_a_version_2_without_measures(path: Path) -> None:
    cg.save(cg.toy("mlp"), path)
    with h5py.File(path, "r+", libver=LIBVER) as file:
        file.attrs["format_version"] = 2
    with pytest.raises(StoreError, match="measures/description is missing"):
        cg.load(path)


@pytest.mark.usefixtures("groups")
def test_measures_in_a_version_1_are_not_looked_at(path: Path) -> None:
    recorded(path, "both")
    with h5py.File(path, "r+", libver=LIBVER) as file:
        file.attrs["format_version"] = 1
        del file["measures"]
    use(path)


def test_histograms_outside_the_file_are_refused(path: Path, tmp_path: Path) -> None:
    recorded(path)
    with h5py.File(path, "r+", libver=LIBVER) as file:
        own = file["snapshots/0/measures/histograms"]
        with h5py.File(tmp_path / "other.h5", "w") as other:
            other["x"] = own[()]
        del file["snapshots/0/measures/histograms"]
        file["snapshots/0/measures/histograms"] = h5py.ExternalLink("other.h5", "x")
    with pytest.raises(StoreError, match="links are refused"):
        cg.open(path).density("strength", "0")
