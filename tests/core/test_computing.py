"""Measures of large weights on other threads, processes and machines have the same bits."""

import os
import signal
import threading
import time

import numpy as np
import pandas as pd
import pytest
import torch
from oracles.clusters import start_cluster
from torch import nn

import cntgraph as cg
from cntgraph.core import computing
from cntgraph.core.computing import computing_on, spread
from cntgraph.core.errors import CntGraphError
from cntgraph.network.blocks import conv_product, row_column_sums


@pytest.fixture(autouse=True)
def several_parts(monkeypatch):
    """Weights of a small network, too, are added up part by part."""
    monkeypatch.setattr(row_column_sums, "_PART", 1 << 20)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """A file of a network whose weights are read in several parts each."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 160, 3, stride=2), nn.ReLU(), nn.Conv2d(160, 640, 3), nn.ReLU(), nn.Flatten(),
        nn.Linear(640, 1600), nn.ReLU(), nn.Linear(1600, 10),
    )  # fmt: skip
    path = tmp_path_factory.mktemp("computing") / "net.h5"
    cg.save(cg.load(model, input_shape=(3, 7, 7)), path)
    return path


def test_what_is_measured_elsewhere_has_the_same_bits(path, client):
    net = cg.load(path)
    strength, fluctuation, table = (
        measure(net) for measure in (cg.node_strength, cg.layer_fluctuation, cg.analyze)
    )
    np.testing.assert_array_equal(cg.node_strength(net, client=client), strength)
    pd.testing.assert_series_equal(
        cg.layer_fluctuation(net, client=client), fluctuation, check_exact=True
    )
    pd.testing.assert_frame_equal(cg.analyze(net, client=client), table, check_exact=True)


@pytest.fixture
def small_parts(monkeypatch):
    """Products with the kernels of a small network, too, are computed part by part."""
    monkeypatch.setattr(conv_product, "_PART_BYTES", 1 << 18)


def test_matrix_free_measures_have_the_same_bits(path, dask, small_parts):
    net = cg.load(path)
    expected = cg.pagerank(net, sign="absolute")
    with computing_on(dask):
        np.testing.assert_array_equal(cg.pagerank(net, sign="absolute"), expected)


def test_parts_are_read_by_the_workers(path, dask, monkeypatch):
    net = cg.load(path)
    sent = []
    monkeypatch.setattr(
        computing, "map_ordered", lambda function, items, client: sent.extend(items) or map(
            function, items
        ),
    )  # fmt: skip
    cg.node_strength(net, client=dask)
    assert len(sent) >= 4
    sent.clear()
    cg.node_strength(net)
    assert not sent


def test_of_products_large_weights_go_out_and_small_ones_stay(path, dask, small_parts, monkeypatch):
    net = cg.load(path)
    sent = []

    def noted(function, items, client):
        sent.append(len(items))
        return map(function, items)

    monkeypatch.setattr(computing, "map_ordered", noted)
    with computing_on(dask):
        for block in net.blocks:
            block.matvec(np.ones(block.target.size))
            block.rmatvec(np.ones(block.source.size))
    kernel, dense = 4 * 160 * 640 * 9, 4 * 640 * 1600
    assert sent == [-(-kernel // (1 << 18))] * 2 + [-(-dense // (1 << 20))] * 2


def test_a_worker_that_is_killed_costs_time_only(path, small_parts):
    from distributed import Client

    net = cg.load(path)
    strength, ranks = cg.node_strength(net), cg.pagerank(net, sign="absolute")
    with start_cluster() as cluster, Client(cluster) as client:
        (victim, *_) = client.run(os.getpid).values()
        killed = threading.Event()

        def kill():
            time.sleep(0.05)
            os.kill(victim, signal.SIGKILL)
            killed.set()

        threading.Thread(target=kill).start()
        for _ in range(3):
            with computing_on(client):
                np.testing.assert_array_equal(cg.node_strength(net), strength)
                np.testing.assert_array_equal(cg.pagerank(net, sign="absolute"), ranks)
        assert killed.wait(10)


def test_weights_in_memory_are_not_sent_again_and_again(path, monkeypatch):
    monkeypatch.setattr(computing, "_MOST_SENT", 1000)
    weights = [np.zeros((1000, 1000))]
    with pytest.raises(CntGraphError, match=r"8 MB of weights are in memory.*cg.save"):
        cg.node_strength(cg.load(weights), client="processes")
    assert cg.node_strength(cg.load(weights), client="threads").sum() == 0


def test_a_client_is_looked_at_first():
    with pytest.raises(CntGraphError, match="expected client to be None"), computing_on("moon"):
        pass
    with pytest.raises(CntGraphError, match="expected client to be None"):
        cg.analyze(cg.toy("mlp"), client=3)


def test_no_client_is_whatever_was_said_around(monkeypatch):
    monkeypatch.setattr(computing, "map_ordered", lambda function, items, client: [client])
    with computing_on("threads"), computing_on(None):
        assert list(spread(abs, [1, 2])) == ["threads"]
    assert list(spread(abs, [-1, 2])) == [1, 2]
