"""A Recorder keeps what a model was at each call, whatever happens afterwards."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from store.faults import ROOT, Crash, crash_at
from torch import nn

import cntgraph as cg
from cntgraph.core.errors import StoreError, UnfinishedAppendError
from cntgraph.store import locks
from cntgraph.store.disk import Paths
from cntgraph.store.hdf5 import read
from cntgraph.store.locks import WriterLock


@pytest.fixture(autouse=True)
def unsynced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait for the disk."""
    monkeypatch.setattr(os, "fsync", lambda number: None)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.h5"


def make(width: int = 5, *, norm: bool = True, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    layers = [nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(), nn.Linear(48, width)]
    if not norm:
        del layers[1]
    return nn.Sequential(*layers)


SHAPE = (1, 6, 6)


def step(model: nn.Module, seed: int) -> None:
    """Train for a step, so that parameters and buffers change."""
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    model.train()
    model(torch.randn(4, *SHAPE, generator=generator)).square().sum().backward()
    optimizer.step()


def state(model: nn.Module) -> dict[str, np.ndarray]:
    return {name: value.numpy().copy() for name, value in model.state_dict().items()}


def assert_snapshots(path: Path, states: list[dict[str, np.ndarray]]) -> None:
    with cg.open(path) as trajectory:
        assert len(trajectory) == len(states)
        for net, expected in zip(trajectory, states, strict=True):
            assert net.parameters.keys() == expected.keys()
            for name, values in expected.items():
                np.testing.assert_array_equal(net.parameters[name].raw(), values)


@pytest.mark.parametrize("compression", [None, 4])
def test_snapshots_are_the_parameters_of_their_moments(path: Path, compression: int | None) -> None:
    model, states = make(), []
    with cg.Recorder(
        path, model, input_shape=SHAPE, compression=compression, mode="resume"
    ) as record:
        assert not path.exists()
        for k in range(4):
            assert record(step=k, epoch=k / 2, loss=0.5, best=k == 2, note=None) == k
            states.append(state(model))
            step(model, k)
            assert_snapshots(path, states)
    labels = cg.open(path).labels
    assert labels["step"].tolist() == [0, 1, 2, 3]
    assert labels["epoch"].tolist() == [0, 0.5, 1, 1.5]
    assert labels["best"].tolist() == [False, False, True, False]
    assert "note" not in labels
    assert [p.name for p in path.parent.iterdir()] == ["run.h5"]


def test_a_snapshot_is_the_network_that_load_gives(path: Path) -> None:
    model, strengths = make(), []
    record = cg.Recorder(path, model, torch.zeros(2, *SHAPE), mode="resume")
    for k in range(3):
        record()
        strengths.append(cg.node_strength(cg.load(model, input_shape=SHAPE)))
        step(model, k)
    for net, expected in zip(cg.open(path), strengths, strict=True):
        np.testing.assert_array_equal(cg.node_strength(net), expected)


def test_norms_that_are_kept(path: Path) -> None:
    model = make()
    record = cg.Recorder(path, model, input_shape=SHAPE, norm="keep", mode="resume")
    record()
    with cg.open(path) as trajectory:
        kinds = [layer.kind for layer in trajectory[0].layers]
        assert kinds.count("norm") == 1
        expected = cg.node_strength(cg.load(model, input_shape=SHAPE, norm="keep"))
        np.testing.assert_array_equal(cg.node_strength(trajectory[0]), expected)
    with pytest.raises(StoreError, match=r"another network \(its layers and blocks differ\)"):
        cg.Recorder(path, model, input_shape=SHAPE, mode="resume")


def test_the_training_mode_is_not_touched(path: Path) -> None:
    for training in (True, False):
        model = make().train(training)
        before = state(model)
        cg.Recorder(path, model, input_shape=SHAPE, mode="resume")()
        assert model.training is training
        assert all(np.array_equal(before[n], v) for n, v in state(model).items())


# --- Resuming ---------------------------------------------------------------------------------


def test_an_existing_file_is_resumed(path: Path) -> None:
    states = []
    for run in range(3):
        model = make(seed=run)
        record = cg.Recorder(path, model, input_shape=SHAPE, mode="resume")
        assert record(step=run) == run
        states.append(state(model))
    assert_snapshots(path, states)


def test_a_file_that_is_there_is_refused_unless_said_otherwise(path: Path) -> None:
    """Two trainings in one file would be drawn as one."""
    cg.Recorder(path, make(), input_shape=SHAPE)(step=0)
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"exists; mode='resume' .* mode='overwrite'"):
        cg.Recorder(path, make(), input_shape=SHAPE)
    with pytest.raises(StoreError, match="expected mode to be one of"):
        cg.Recorder(path, make(), input_shape=SHAPE, mode="append")
    assert path.read_bytes() == before
    other = make(7)
    record = cg.Recorder(path, other, input_shape=SHAPE, mode="overwrite")
    assert not path.exists()
    assert record(step=5) == 0
    assert_snapshots(path, [state(other)])


def test_overwriting_leaves_nothing_of_an_append_behind(path: Path) -> None:
    record = cg.Recorder(path, make(), input_shape=SHAPE)
    record()
    journal = path.with_name(path.name + ".journal")
    journal.write_bytes(b"what a crash has left")
    cg.Recorder(path, make(), input_shape=SHAPE, mode="overwrite")
    assert [*path.parent.iterdir()] == []
    lock = WriterLock(Paths.of(path))
    try:
        with pytest.raises(StoreError, match="only writer"):
            cg.Recorder(path, make(), input_shape=SHAPE, mode="overwrite")
    finally:
        lock.release()


def test_a_saved_network_is_resumed(path: Path) -> None:
    model = make()
    cg.save(cg.load(model, input_shape=SHAPE), path, step=0)
    first = state(model)
    step(model, 0)
    assert cg.Recorder(path, model, input_shape=SHAPE, mode="resume")(step=1) == 1
    assert_snapshots(path, [first, state(model)])


@pytest.mark.parametrize(
    ("other", "shape"), [(make(6), SHAPE), (make(norm=False), SHAPE), (make().double(), SHAPE)]
)
def test_another_architecture_is_refused(path: Path, other: nn.Module, shape: Any) -> None:
    cg.Recorder(path, make(), input_shape=SHAPE, mode="resume")()
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"holds another network.*differ"):
        cg.Recorder(path, other, input_shape=shape, mode="resume")
    assert path.read_bytes() == before


def test_another_architecture_is_refused_behind_a_journal(path: Path) -> None:
    """The file itself may not exist yet, if the first snapshot was cut off."""
    record = cg.Recorder(path, make(), input_shape=SHAPE, mode="resume")
    with pytest.MonkeyPatch.context() as monkeypatch:
        crash_at(monkeypatch, 0, names=("disk.sync_directory",))
        with pytest.raises(Crash):
            record()
    assert not path.exists()
    with pytest.raises(StoreError, match="holds another network"):
        cg.Recorder(path, make(7), input_shape=SHAPE, mode="resume")
    assert cg.Recorder(path, make(), input_shape=SHAPE, mode="resume")() == 1


def test_other_files_are_refused(path: Path) -> None:
    path.write_text("notes")
    with pytest.raises(cg.CntGraphError, match="expected a cntgraph file"):
        cg.Recorder(path, make(), input_shape=SHAPE, mode="resume")
    assert path.read_text() == "notes"


def reshape(model: Any) -> None:
    model[4].weight = nn.Parameter(torch.zeros(7, 48))


def remove(model: Any) -> None:
    model[4].bias = None


def test_a_model_that_has_gained_a_layer_is_refused(path: Path) -> None:
    """Otherwise its weights would be missing in the file, without a word."""
    model = make()
    record = cg.Recorder(path, model, input_shape=SHAPE, mode="resume")
    record()
    before = path.read_bytes()
    model.append(nn.Linear(3, 3))
    with pytest.raises(StoreError, match=r"has gained parameters, such as '\d\.bias'"):
        record()
    assert path.read_bytes() == before


@pytest.mark.parametrize("failing", ["journal._apply_ranges", "disk.sync_directory"])
def test_a_failed_snapshot_is_kept_or_not_as_the_error_says(
    path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    record = cg.Recorder(path, make(), input_shape=SHAPE, mode="resume")
    record(step=0)
    with monkeypatch.context() as patch:
        crash_at(patch, 0, OSError(5, "Input/output error"), names=(failing,))
        with pytest.raises(StoreError) as caught:
            record(step=1)
    if not isinstance(caught.value, UnfinishedAppendError):
        record(step=1)
    record(step=2)
    with cg.open(path) as trajectory:
        assert trajectory.labels["step"].tolist() == [0, 1, 2]


@pytest.mark.parametrize("change", [reshape, remove, nn.Module.double])
def test_a_model_that_was_changed_is_refused(
    path: Path, change: Callable[[nn.Module], None]
) -> None:
    """Otherwise the file would hold tensors that are not as it says, or old ones."""
    model = make()
    record = cg.Recorder(path, model, input_shape=SHAPE, mode="resume")
    record()
    before = path.read_bytes()
    change(model)
    with pytest.raises(StoreError, match=r"the model was changed: its parameter '\d\."):
        record()
    assert path.read_bytes() == before


def test_a_bad_label_leaves_the_file(path: Path) -> None:
    record = cg.Recorder(path, make(), input_shape=SHAPE, mode="resume")
    record(step=0)
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"label 'loss'.*Tensor"):
        record(step=1, loss=torch.tensor(0.5))
    assert path.read_bytes() == before
    assert record(step=1) == 1


# --- Readers at the same time -----------------------------------------------------------------


def test_recording_while_the_file_is_open(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one process: what is open stays readable, what is opened anew sees the new snapshot."""
    monkeypatch.setattr(locks, "READER_PATIENCE", 0)
    model, states, opened = make(), [], []
    record = cg.Recorder(path, model, input_shape=SHAPE, mode="resume")
    for k in range(12):
        record(step=k, note="x" * k)
        states.append(state(model))
        step(model, k)
        opened.append(cg.open(path))
        assert [len(trajectory) for trajectory in opened] == list(range(1, k + 2))
        assert opened[-1].labels["step"].tolist() == list(range(k + 1))
    for trajectory in opened:
        for net, expected in zip(trajectory, states, strict=False):
            np.testing.assert_array_equal(net.parameters["4.weight"].raw(), expected["4.weight"])
        trajectory.close()
    assert_snapshots(path, states)


def test_two_recorders_take_turns(path: Path) -> None:
    models = [make(seed=k) for k in range(2)]
    records = [cg.Recorder(path, model, input_shape=SHAPE, mode="resume") for model in models]
    assert [records[k % 2](step=k) for k in range(4)] == [0, 1, 2, 3]
    assert_snapshots(path, [state(models[k % 2]) for k in range(4)])


# --- A killed process -------------------------------------------------------------------------

WRITER = """
import os, sys
import torch
from torch import nn
import cntgraph as cg

def fill(model, number):
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(number)

# Threads do not survive a fork; what tracing imports takes longer than the test.
torch.set_num_threads(1)
os.environ["CNTGRAPH_NUM_THREADS"] = "1"
model = nn.Sequential(nn.Linear(40, 200), nn.ReLU(), nn.Linear(200, 3))
cg.analyze(cg.load(model, input_shape=(40,)))
for line in sys.stdin:
    start, store, path = line.rstrip("\\n").split(maxsplit=2)
    pid = os.fork()
    if pid == 0:
        given = {"inputs": torch.ones(3, 40)} if store == "neurons" else {"store": store}
        record = cg.Recorder(path, model, input_shape=(40,), mode="resume", **given)
        for number in range(int(start), 10_000):
            fill(model, number)
            found = record(step=number)
            os.write(1, f"{number} {found}\\n".encode())
    os.write(1, f"pid {pid}\\n".encode())
    os.write(1, f"status {os.waitpid(pid, 0)[1]}\\n".encode())
"""


@pytest.fixture(scope="module")
def writers() -> Iterator[subprocess.Popen[str]]:
    """A process that forks one after the other, each of which records until it is killed."""
    command = [sys.executable, "-c", WRITER]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=ROOT, **pipes) as process:
        yield process


def kill(process: subprocess.Popen[str], path: Path, store: str, count: int, delay: float) -> int:
    """Record from `count` on, kill the process, and return the number of what was acknowledged."""
    assert process.stdin is not None
    assert process.stdout is not None
    print(count, store, path, file=process.stdin, flush=True)
    pid, killed = 0, False
    for line in process.stdout:
        word, number = line.split()
        if word == "status":
            assert int(number) == signal.SIGKILL
            break
        if word == "pid":
            pid = int(number)
        else:
            assert int(word) == int(number) == count
            count += 1
            if not killed:
                # The process that forked has its own id for it in the line "pid".
                while not pid:
                    word, number = process.stdout.readline().split()
                    if word == "pid":
                        pid = int(number)
                    else:
                        count += 1
                time.sleep(delay)
                os.kill(pid, signal.SIGKILL)
                killed = True
    return count


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")
@pytest.mark.parametrize(
    ("store", "kills"),
    [("parameters", 6), ("measures", 3), ("both", 3), ("neurons", 3)],
)
def test_a_killed_process_loses_no_acknowledged_snapshot(
    writers: subprocess.Popen[str], path: Path, store: str, kills: int
) -> None:
    """100 times each: ``python -m benchmarks.recorder_kills --n 100``."""
    rng, count = random.Random(3), 0
    for _ in range(kills):
        acknowledged = kill(writers, path, store, count, rng.uniform(0, 0.03))
        assert acknowledged > count
        with cg.open(path) as trajectory:
            # One more may be complete whose acknowledgement the kill has cut off.
            count = len(trajectory)
            assert acknowledged <= count <= acknowledged + 1
            assert trajectory.labels["step"].tolist() == list(range(count))
            for number, net in enumerate(trajectory if store != "measures" else ()):
                for parameter in net.parameters.values():
                    assert (parameter.raw() == number).all()
            for number, own in enumerate(
                trajectory.neuron_statistics() if store == "neurons" else ()
            ):
                assert (own.split(own.mean)["0"] == 41 * number).all()
            weights = trajectory.analyze().query("n_weights > 0")
            for column in ("link_weight_mean", "link_weight_min", "link_weight_max"):
                assert (weights[column] == weights["snapshot"]).all()
    with read(path) as file:
        assert isinstance(file, h5py.File)
        assert file["stack"].attrs["n_snapshots"] == count
