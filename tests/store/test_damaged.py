"""Files that are damaged, foreign or hostile: refused with a reason, or read as they are."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from oracles.nets import random_net
from store.samples import FORMAT_1, is_refused, replace_text, use

import cntgraph as cg
from cntgraph.core.errors import FormatError, StoreError
from cntgraph.store.hdf5 import LIBVER

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
    # About one in six; which, depends on when and where the file was written, as its bytes do.
    assert refused > 0


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
