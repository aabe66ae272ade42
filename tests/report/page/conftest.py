"""Trainings and populations of small networks, with names that are no names."""

from dataclasses import replace

import numpy as np
import pytest

import cntgraph as cg
from cntgraph.core.parameter import Parameter

#: Names of layers that a page must show as they are.
SCRIPT = "<script>window.hacked = 1</script>"
MARKUP = '<b>fc</b> & "two" %{x} <img src=x onerror=window.hacked=1>'
VALUE = "</script><img src=x onerror=window.hacked=1>'\""


def network(rng, scale=1.0, names=("input", SCRIPT, MARKUP, "fc3"), **labels):
    """Return a small network with random weights."""
    net = cg.toy("mlp")
    layers = tuple(replace(x, name=name) for x, name in zip(net.layers, names, strict=True))
    values = {
        name: Parameter.from_array(name, rng.normal(scale=scale, size=p.shape).astype(p.dtype))
        for name, p in net.parameters.items()
    }
    return replace(net, layers=layers).bind(values, labels)


def training(path, n=6, **options):
    """Write a training: weights grow, and so does the accuracy."""
    rng = np.random.default_rng(0)
    cg.save(
        [
            network(rng, 1 + k, step=10 * k, epoch=k / 2, accuracy=k / n, note=VALUE, **options)
            for k in range(n)
        ],
        path,
    )
    return path


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    """A training as a file."""
    return training(tmp_path_factory.mktemp("training") / "run <i>1.h5")


@pytest.fixture(scope="session")
def runs(tmp_path_factory):
    """A folder with a population: 12 networks, one that diverged, one that cannot be read."""
    folder = tmp_path_factory.mktemp("population")
    rng = np.random.default_rng(1)
    for k in range(12):
        labels = {"accuracy": k / 11, "optimizer": "sgd" if k % 2 else VALUE}
        net = network(rng, 1 + k / 3, **labels)
        cg.save(net, folder / f"net{k:02}.h5")
    cg.save(network(rng, np.nan, accuracy=0.5, optimizer="sgd"), folder / "net<i>12.h5")
    (folder / "torn.h5").write_bytes((folder / "net00.h5").read_bytes()[:3000])
    return folder
