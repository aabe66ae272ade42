"""The file of an offline run of Weights & Biases has the recorded measures."""

import json

import numpy as np
import pytest
import wandb
from oracles.wandb_file import records


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where all runs are: wandb reads its settings once in a process."""
    folder = tmp_path_factory.mktemp("runs")
    settings = {"MODE": "offline", "DIR": str(folder), "SILENT": "true", "DISABLE_GIT": "true",
                "DISABLE_CODE": "true", "CONSOLE": "off"}  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings.items():
            patch.setenv(f"WANDB_{name}", value)
        wandb.teardown()
        yield folder
        wandb.teardown()


def read(folder):
    """Return what the last run in a folder has logged, its axes, and how it ended."""
    wandb.teardown()  # its own process has written everything when it has ended
    path = max(folder.rglob("*.wandb"), key=lambda path: path.stat().st_mtime_ns)
    found = {"history": [], "metric": [], "exit": []}
    for record in records(path):
        kind = record.WhichOneof("record_type")
        found.setdefault(kind, []).append(getattr(record, kind))
    rows = [_row(history.item) for history in found["history"]]
    axes = [(one.glob_name or one.name, one.step_metric) for one in found["metric"]]
    return rows, axes, [one.exit_code for one in found["exit"]]


def _row(items):
    """Return what was logged at once: of a histogram, each field is an item."""
    row = {}
    for item in items:
        *outer, last = item.nested_key or [item.key]
        place = row
        for name in outer:
            place = place.setdefault(name, {})
        place[last] = json.loads(item.value_json)
    return row


def check(rows, expected):
    for row, one in zip(rows, expected, strict=True):
        own = {name: value for name, value in row.items() if name.startswith("cntgraph/")}
        assert own.pop("cntgraph/step") == one.step
        assert set(own) == set(one.scalars) | set(one.values)
        for name, value in one.scalars.items():
            assert own[name] == value
        for name in one.values:
            assert own[name]["_type"] == "histogram"
            one.check_histogram(name, own[name]["bins"], own[name]["values"])


def test_by_its_name(trained, folder):
    expected = trained(["wandb"])
    assert wandb.run is None
    rows, axes, exits = read(folder)
    check(rows, expected)
    assert ("cntgraph/*", "cntgraph/step") in axes
    assert exits == [0]


@pytest.mark.parametrize("by_name", [True, False])
def test_a_run_that_is_open(by_name, trained, folder):
    run = wandb.init()
    run.log({"loss": 0.5})
    expected = trained(["wandb" if by_name else run])
    run.log({"loss": np.float64(0.25)})  # it was not finished
    run.finish()
    rows, _, _ = read(folder)
    assert [rows[0]["loss"], rows[-1]["loss"]] == [0.5, 0.25]
    check(rows[1:-1], expected)
