"""Damaged files of weights: errors of cntgraph's own or networks, and no memory beyond the file's.

A longer run: ``mutate.mutations(data, 5000, seed=1, structured=damage)`` over `samples()`.
"""

import json
import resource
import sys

import numpy as np
import pytest
from oracles import mutate
from oracles.weight_files import outcome, random_bits, safetensors_bytes, samples

import cntgraph as cg

N = 300
SAMPLES = samples()
_ERRORS = {"FormatError", "UnsafeFileError", "ParameterError", "GraphSizeError", "InputShapeError"}


def peak_memory():
    """Bytes; the system counts them in kilobytes, but on macOS."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


@pytest.fixture(autouse=True)
def bounded_memory():
    """The process needs no more than a little memory at its peak."""
    before = peak_memory()
    yield
    assert peak_memory() - before < 400e6


@pytest.mark.parametrize("name", SAMPLES)
def test_sound_files_load(tmp_path, name):
    suffix, data, _, options = SAMPLES[name]
    path = tmp_path / f"model{suffix}"
    path.write_bytes(data)
    assert outcome(path, **options) == "loaded"


@pytest.mark.parametrize("name", SAMPLES)
def test_damaged_files_load_or_are_refused(tmp_path, name):
    suffix, data, structured, options = SAMPLES[name]
    path = tmp_path / f"model{suffix}"
    seen = set()
    for damaged in mutate.mutations(data, N, structured=structured):
        path.write_bytes(damaged)
        seen.add(outcome(path, **options))
    assert seen <= _ERRORS | {"loaded"}
    assert {"FormatError", "loaded"} <= seen


def test_damaged_indices_load_or_are_refused(tmp_path):
    bits, names = random_bits("F32", (3, 4), np.random.default_rng(0)), {}
    for k in range(3):
        name = f"model-{k + 1:05}-of-00003.safetensors"
        (tmp_path / name).write_bytes(safetensors_bytes({f"{k}.weight": ("F32", bits)}))
        names[f"{k}.weight"] = name
    (tmp_path.parent / names["0.weight"]).write_bytes(b"a file that must not be opened")
    index = tmp_path / "model.safetensors.index.json"
    data = json.dumps({"metadata": {"total_size": 144}, "weight_map": names}).encode()
    index.write_bytes(data)
    assert outcome(tmp_path) == "loaded"
    seen = set()
    for damaged in mutate.mutations(data, N, structured=mutate.json_text):
        index.write_bytes(damaged)
        seen.add(outcome(tmp_path))
    assert {"FormatError", "loaded"} <= seen <= _ERRORS | {"loaded"}


def test_the_same_seed_gives_the_same_damage():
    data, structured = SAMPLES["npz"][1:3]
    first, second = (list(mutate.mutations(data, 20, structured=structured)) for _ in range(2))
    assert first == second
    assert len({*first}) > 15
    assert list(mutate.mutations(data, 20, seed=1)) != first


def test_errors_that_are_not_our_own_are_seen(tmp_path, monkeypatch):
    path = tmp_path / "model.safetensors"
    path.write_bytes(SAMPLES["safetensors"][1])
    monkeypatch.setattr(cg, "analyze", lambda net: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        outcome(path)
