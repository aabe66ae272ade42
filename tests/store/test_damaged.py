"""Files that are damaged, foreign or hostile: refused with a reason, or read as they are."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from oracles.nets import random_net

import cntgraph as cg
from cntgraph.errors import CntGraphError, FormatError, StoreError
from cntgraph.store.hdf5 import LIBVER
from cntgraph.store.writer import fixed_text

FORMAT_1 = Path(__file__).parent / "data" / "format1.h5"
WEIGHT = "snapshots/0/parameters/fc1.weight"


def use(path: Path) -> None:
    """Do with a file what people do: list, describe, measure, build."""
    with cg.open(path) as trajectory:
        assert len(trajectory.labels) == len(trajectory)
        for net in trajectory:
            cg.describe(net)
            cg.analyze(net, edges="all")
            cg.build_graph(net)


def is_refused(path: Path) -> bool:
    """Use a file; whatever it raises that is no CntGraphError comes through."""
    try:
        use(path)
    except CntGraphError:
        return True
    return False


@pytest.fixture
def toy(path: Path) -> Path:
    cg.save(cg.toy("residual"), path, epoch=1)
    use(path)
    return path


# --- Bytes ------------------------------------------------------------------------------------


def test_cut_off(path: Path) -> None:
    data = FORMAT_1.read_bytes()
    for length in [*range(0, 100, 9), *np.linspace(100, len(data) - 1, 30, dtype=int)]:
        path.write_bytes(data[:length])
        assert is_refused(path), length


def test_noise(path: Path) -> None:
    rng = random.Random(0)
    for length in (0, 1, 8, 100, 10_000):
        path.write_bytes(rng.randbytes(length))
        with pytest.raises(FormatError, match="HDF5"):
            cg.open(path)
        path.write_bytes(FORMAT_1.read_bytes()[:8] + rng.randbytes(length))
        assert is_refused(path)


def damaged(data: bytes, rng: random.Random) -> bytes:
    """Flip a bit, overwrite some bytes, or move a part."""
    copy, place = bytearray(data), rng.randrange(len(data))
    kind = rng.randrange(4)
    if kind <= 1:
        copy[place] ^= 1 << rng.randrange(8)
    elif kind == 2:
        length = rng.randint(1, 40)
        copy[place : place + length] = rng.randbytes(length)
        del copy[len(data) :]
    else:
        other = rng.randrange(len(data))
        length = rng.randint(1, 200)
        copy[place : place + length] = data[other : other + length]
    return bytes(copy)


@pytest.mark.parametrize("seed", range(6))
def test_flipped_bits(path: Path, seed: int) -> None:
    """Nothing but CntGraphErrors comes out; a flipped bit of a weight cannot be noticed."""
    if seed % 2:
        cg.save([random_net(seed)] * 2, path, compression=1, step=1)
        data = path.read_bytes()
    else:
        data = FORMAT_1.read_bytes()
    rng = random.Random(seed)
    refused = 0
    for _ in range(60):
        path.write_bytes(damaged(data, rng))
        refused += is_refused(path)
    assert refused > 5


# --- Descriptions that lie --------------------------------------------------------------------


def places(value: Any, where: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where something stands in nested values."""
    found = [where] if where else []
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            found += places(item, (*where, key))
    return found


STRANGE = (None, -1, 0, 1, 7, 2**20, 0.5, "", "x", [], {}, [1], [[0]], {"a": 1}, True, float("nan"))


def tampered(description: Any, rng: random.Random) -> Any:
    """Replace, remove or repeat something in nested values."""
    copy = json.loads(json.dumps(description))
    *where, last = rng.choice(places(copy))
    found = copy
    for step in where:
        found = found[step]
    choice = rng.random()
    if choice < 0.1:
        del found[last]
    elif choice < 0.2 and isinstance(found, list):
        found.append(found[last])
    elif choice < 0.3 and isinstance(found[last], int):
        found[last] += rng.choice((-1, 1))
    else:
        found[last] = rng.choice(STRANGE)
    return copy


def replace_text(path: Path, name: str, text: str) -> None:
    with h5py.File(path, "r+", libver=LIBVER) as file:
        del file[name]
        file[name] = fixed_text(text)


@pytest.mark.parametrize("net", ["mlp", "cnn", "residual", 0])
def test_tampered_descriptions(path: Path, net: str | int) -> None:
    """Whatever a description says, it is refused or gives a network that works."""
    rng = random.Random(str(net))
    cg.save(random_net(net) if isinstance(net, int) else cg.toy(net), path)
    with h5py.File(path) as file:
        originals = {
            n: json.loads(file[n].asstr()[()]) for n in ("network/description", "coverage")
        }
    refused = 0
    for attempt in range(80):
        name = "coverage" if attempt % 8 == 0 else "network/description"
        replace_text(path, name, json.dumps(tampered(originals[name], rng)))
        refused += is_refused(path)
        replace_text(path, name, json.dumps(originals[name]))
    assert refused > 30
    use(path)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "3", '"a"', "{}", "[" * 100_000, "\x00{}"])
def test_descriptions_that_are_none(toy: Path, text: str) -> None:
    for name in ("network/description", "coverage"):
        if name == "coverage" and text == "[]":
            continue
        with h5py.File(toy, "r+", libver=LIBVER) as file:
            del file[name]
            file[name] = np.bytes_(text)
        with pytest.raises(StoreError):
            use(toy)


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
    description["blocks"][0]["source"] = {"shape": [2**41], "ids": {"array": 0}}
    replace_text(path, "network/description", json.dumps(description))
    with h5py.File(path, "r+", libver=LIBVER) as file:
        if "network/arrays/0" in file:
            del file["network/arrays/0"]
        huge(file, "network/arrays/0", "i8", (2**41,), chunks=(2**20,))
    with pytest.raises(StoreError, match="values are missing"):
        use(path)


def test_a_newer_format_says_so(toy: Path) -> None:
    with h5py.File(toy, "r+") as file:
        file.attrs["format_version"] = 2
    with pytest.raises(StoreError, match=r"format 2.*reads up to 1: pip install --upgrade"):
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
        cg.load(path)
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
    with pytest.raises(StoreError, match="refused"):
        use(toy)
