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


def test_measures_ask_before_they_take(monkeypatch):
    net = network(3000)
    monkeypatch.setattr(memory, "available_memory", lambda: 1 << 28)
    for measure in (cg.analyze, cg.node_strength, lambda n: cg.build_graph(n, max_edges=10**9)):
        with pytest.raises(GraphSizeError, match="of memory"):
            measure(net)
    assert net.estimate().n_nodes == 18_000_000
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
