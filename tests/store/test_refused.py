"""HDF5 files that are not what they seem: refused, with the part that is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from oracles.nets import random_net
from store.samples import replace_text, use

import cntgraph as cg
from cntgraph.core.errors import FormatError, StoreError
from cntgraph.store.hdf5 import LIBVER

WEIGHT = "snapshots/0/parameters/fc1.weight"


# --- Contents of HDF5 -------------------------------------------------------------------------


def swap(name: str, make: Callable[[h5py.File], Any]) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        del file[name]
        made = make(file)
        if made is not None:
            file[name] = made

    return change


def no_snapshot(file: h5py.File) -> None:
    file["snapshots"].move("0", "1")


def set_attribute(name: str, value: Any) -> Callable[[h5py.File], None]:
    return lambda file: file.attrs.__setitem__(name, value)


def huge(file: h5py.File, name: str, dtype: Any, shape: tuple[int, ...], **options: Any) -> None:
    """A dataset that takes no room in the file, whatever it claims."""
    file.create_dataset(name, shape, dtype, **options)


CHANGES: dict[str, Callable[[h5py.File], None]] = {
    "weight is missing": swap(WEIGHT, lambda file: None),
    "weight is a group": swap(WEIGHT, lambda file: file.create_group(WEIGHT) and None),
    "weight is a type": swap(WEIGHT, lambda file: np.dtype("f4")),
    "weight of another shape": swap(WEIGHT, lambda file: np.zeros((4, 5), "f4")),
    "weight of another type": swap(WEIGHT, lambda file: np.zeros((5, 4), "f8")),
    "weight of another byte order": swap(WEIGHT, lambda file: np.zeros((5, 4), ">f4")),
    "weight is a text": swap(WEIGHT, lambda file: "weights"),
    "weight is empty": swap(WEIGHT, lambda file: h5py.Empty("f4")),
    "weight was never written": swap(WEIGHT, lambda f: huge(f, WEIGHT, "f4", (5, 4))),
    "weight without its chunks": swap(
        WEIGHT, lambda f: huge(f, WEIGHT, "f4", (5, 4), chunks=(5, 4), compression=4)
    ),
    "no parameters": swap("snapshots/0/parameters", lambda file: None),
    "parameters are no group": swap("snapshots/0/parameters", lambda file: 3),
    "no snapshots": swap("snapshots", lambda file: None),
    "snapshots are a dataset": swap("snapshots", lambda file: np.zeros(3)),
    "snapshot is a dataset": swap("snapshots/0", lambda file: 3),
    "snapshots do not begin at 0": no_snapshot,
    "no description": swap("network/description", lambda file: None),
    "description is a number": swap("network/description", lambda file: 3),
    "description is a table": swap("network/description", lambda file: ["{}", "{}"]),
    "description of terabytes": swap(
        "network/description", lambda f: huge(f, "network/description", "S1", (2**42,))
    ),
    "description is no UTF-8": swap("network/description", lambda file: np.bytes_(b"\xff\xfe{}")),
    "description of variable length": swap("network/description", lambda file: "{}"),
    "label of variable length": lambda f: f["snapshots/0"].attrs.__setitem__("note", "text"),
    "no network": swap("network", lambda file: None),
    "no coverage": swap("coverage", lambda file: None),
    "no version": lambda file: file.attrs.__delitem__("format_version"),
    "version is a text": set_attribute("format_version", "one"),
    "version is a table": set_attribute("format_version", [1, 2]),
    "label is a table": lambda file: file["snapshots/0"].attrs.__setitem__("epoch", [1, 2]),
    "label is empty": lambda f: f["snapshots/0"].attrs.__setitem__("epoch", h5py.Empty("f4")),
    "label is a reference": lambda f: f["snapshots/0"].attrs.__setitem__("epoch", f.ref),
}


@pytest.mark.parametrize("name", CHANGES)
def test_contents_that_are_not_as_described(toy: Path, name: str) -> None:
    with h5py.File(toy, "r+", libver=LIBVER) as file:
        CHANGES[name](file)
    with pytest.raises(StoreError, match=r"run\.h5"):
        use(toy)


def test_huge_array_beside_the_description(path: Path) -> None:
    """It is refused before memory is taken for it."""
    cg.save(random_net(0), path)
    with h5py.File(path) as file:
        description = json.loads(file["network/description"].asstr()[()])
    description["blocks"][0]["source"] = {"shape": [2**29], "ids": {"array": 0}}
    replace_text(path, "network/description", json.dumps(description))
    with h5py.File(path, "r+", libver=LIBVER) as file:
        if "network/arrays/0" in file:
            del file["network/arrays/0"]
        huge(file, "network/arrays/0", "i8", (2**29,), chunks=(2**20,))
    with pytest.raises(StoreError, match="it declares"):
        use(path)


def test_a_newer_format_says_so(toy: Path) -> None:
    with h5py.File(toy, "r+") as file:
        file.attrs["format_version"] = 6
    with pytest.raises(StoreError, match=r"format 6.*reads up to 5: pip install --upgrade"):
        cg.open(toy)


# --- Other people's files ---------------------------------------------------------------------


def test_other_hdf5_files(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["data"] = np.zeros(3)
    with pytest.raises(FormatError, match=r"run\.h5: expected a cntgraph file, found an HDF5 file"):
        cg.load(path)
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"] = "2.15.0"
        file.attrs["backend"] = "tensorflow"
        file.create_group("model_weights/dense/kernel")
    with pytest.raises(FormatError, match="found a file of Keras"):
        cg.open(path)
    path.write_text("layer,strength\n")
    with pytest.raises(FormatError, match="HDF5; found another kind"):
        cg.load(path)


# --- Files that refer to others ---------------------------------------------------------------


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """Something outside the file that it must not make us read."""
    path = tmp_path / "secret.h5"
    with h5py.File(path, "w") as file:
        file["weight"] = np.ones((5, 4), "f4")
        file["text"] = "[]"
        file.create_group("group")
    (tmp_path / "secret.bin").write_bytes(np.ones((5, 4), "f4").tobytes())
    return path


def external_storage(file: h5py.File) -> None:
    file.create_dataset(WEIGHT, (5, 4), "f4", external=[("secret.bin", 0, 80)])


def virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((5, 4), "f4")
    layout[:] = h5py.VirtualSource("secret.h5", "weight", (5, 4))
    file.create_virtual_dataset(WEIGHT, layout)


REFERENCES: dict[str, tuple[str, Callable[[h5py.File], Any]]] = {
    "external link to a weight": (WEIGHT, lambda f: h5py.ExternalLink("secret.h5", "weight")),
    "external link to a text": ("coverage", lambda f: h5py.ExternalLink("secret.h5", "text")),
    "external link to snapshots": ("snapshots", lambda f: h5py.ExternalLink("secret.h5", "group")),
    "external link to a snapshot": (
        "snapshots/0",
        lambda f: h5py.ExternalLink("secret.h5", "group"),
    ),
    "external link to parameters": (
        "snapshots/0/parameters",
        lambda f: h5py.ExternalLink("secret.h5", "group"),
    ),
    "soft link": (WEIGHT, lambda file: h5py.SoftLink("/snapshots/0/parameters/fc2.weight")),
    "soft link to nothing": ("network", lambda file: h5py.SoftLink("/nothing")),
    "external storage": (WEIGHT, external_storage),
    "virtual dataset": (WEIGHT, virtual),
}


@pytest.mark.parametrize("name", REFERENCES)
def test_references_are_refused(
    toy: Path, secret: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    where, make = REFERENCES[name]
    with h5py.File(toy, "r+", libver=LIBVER) as file:
        swap(where, make)(file)
    monkeypatch.chdir(toy.parent)
    with pytest.raises(StoreError, match=r"links are refused|to other files are refused"):
        use(toy)
