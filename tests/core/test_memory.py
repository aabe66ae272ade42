"""Memory that is not there is not asked for."""

import resource
import subprocess
import sys

import numpy as np
import pytest

import cntgraph as cg
from cntgraph.adapters.builder import Builder
from cntgraph.core import memory
from cntgraph.core.errors import GraphSizeError
from cntgraph.core.parameter import Parameter
from cntgraph.core.recipe import Recipe


def network(n):
    """A large image, and a convolution of a few bytes."""
    builder = Builder()
    weight = Recipe.of(builder.parameter(Parameter.from_array("w", np.ones((1, 1, 3, 3), "f4"))))
    ids = builder.input("x", (1, n, n))
    window = cg.network.blocks.Window(n, n, 3, before=1)
    builder.output(builder.conv("c", ids, weight, None, (window, window)))
    return builder.finish()


def test_little_is_always_there(monkeypatch):
    monkeypatch.setattr(memory, "available_memory", lambda: 0)
    memory.check_memory(1 << 28, "a little")
    with pytest.raises(GraphSizeError, match=r"much needs about 0\.25 GiB of memory, 0 GiB are"):
        memory.check_memory((1 << 28) + 1, "much")


@pytest.mark.parametrize(
    "measure",
    [
        cg.node_strength, cg.degree, cg.disparity,
        cg.average_neighbor_strength, cg.strength_correlation, cg.participation_ratio, cg.pagerank,
        cg.katz_centrality, cg.hits, cg.eigenvector_centrality, cg.spectral_radius,
        cg.singular_values, cg.path_count, cg.path_norm, cg.path_weight,
        lambda net: cg.effective_depth(net, per="node"),
        cg.iid_strength_std, cg.node_positions, lambda net: cg.build_graph(net, max_edges=10**9),
        lambda net: cg.node_measures(net, ["pagerank"]),
    ],
)  # fmt: skip
def test_measures_ask_before_they_take(measure, monkeypatch):
    net = network(3000)
    assert net.estimate().n_nodes == 18_000_000
    _leave(1 << 26, monkeypatch)
    with pytest.raises(GraphSizeError, match="of memory"):
        measure(net)


@pytest.mark.parametrize(
    "measure", [cg.analyze, cg.layer_fluctuation, cg.relative_fluctuation, cg.weight_spectra]
)
def test_measures_of_layers_need_no_memory_for_nodes(measure, monkeypatch):
    net = network(3000)
    _leave(1 << 26, monkeypatch)
    assert measure(net) is not None


def _leave(nbytes, monkeypatch):
    """Let there be so much memory, and none that is always there."""
    monkeypatch.setattr(memory, "available_memory", lambda: nbytes)
    monkeypatch.setattr(memory, "_ALWAYS", 0)


def test_a_profile_says_what_is_too_large(monkeypatch):
    net = network(3000)
    _leave(1 << 26, monkeypatch)
    table = cg.cnt_profile(net).reset_index()
    found = table[table["measure"].isin(["pagerank", "path_count", "node_strength"])]
    assert (found["status"] == "too large").tolist() == [True] * len(found) != []


def test_an_input_that_is_too_large_is_refused_when_it_is_built(monkeypatch):
    monkeypatch.setattr(memory, "available_memory", lambda: 1 << 28)
    with pytest.raises(GraphSizeError, match="of memory"):
        network(10_000)


def test_a_limit_on_the_process_counts():
    code = (
        "import resource; from cntgraph.core.memory import available_memory as a;"
        "assert a() > 1 << 26; limit = 3 << 30;"
        "resource.setrlimit(resource.RLIMIT_AS, (limit, limit)); assert a() < limit; print(a())"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 0 < int(found.stdout) < 3 << 30


def test_systems_that_do_not_say(monkeypatch):
    def nothing(self):
        raise OSError

    monkeypatch.setattr(memory.Path, "read_text", nothing)
    monkeypatch.setattr(resource, "getrlimit", lambda _: (resource.RLIM_INFINITY,) * 2)
    assert memory.available_memory() == sys.maxsize
