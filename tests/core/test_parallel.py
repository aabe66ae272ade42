import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import cntgraph as cg
from cntgraph.core.errors import CntGraphError
from cntgraph.core.parallel import limited_threads, n_threads, ordered_map


@pytest.mark.parametrize("threads", [1, 2, 3, 16])
def test_results_come_in_order(threads):
    def late_first(k):
        time.sleep(0.002 * (10 - k))
        return k * k

    assert list(ordered_map(late_first, range(10), threads=threads)) == [k * k for k in range(10)]


def test_one_thread_starts_none_and_many_start_some():
    here = {threading.get_ident()}
    assert set(ordered_map(lambda _: threading.get_ident(), range(4), threads=1)) == here
    assert not here & set(ordered_map(lambda _: threading.get_ident(), range(4), threads=2))


def test_threads_are_kept_and_start_none_themselves():
    def idents(_):
        return threading.get_ident(), set(ordered_map(idents_of, range(4), threads=2))

    def idents_of(_):
        return threading.get_ident()

    found = [ident for _ in range(3) for ident in ordered_map(idents, range(4), threads=2)]
    assert len({outer for outer, _ in found}) <= 2
    assert all(inner == {outer} for outer, inner in found)


def test_nothing_is_at_work_once_the_results_are_given_up():
    at_work = []

    def work(k):
        at_work.append(k)
        time.sleep(0.01)
        at_work.remove(k)

    results = ordered_map(work, range(100), threads=3)
    next(results)
    results.close()
    assert not at_work


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process")
def test_a_forked_process_starts_threads_of_its_own():
    code = (
        "import os\nfrom cntgraph.core.parallel import ordered_map\n"
        "list(ordered_map(abs, range(4), threads=2))\npid = os.fork()\n"
        "found = list(ordered_map(abs, range(4), threads=2))\n"
        "if not pid: os._exit(found != [0, 1, 2, 3])\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))"
    )
    command = [sys.executable, "-W", "ignore", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "0\n"


@pytest.mark.parametrize("threads", [1, 2])
def test_errors_come_out(threads):
    with pytest.raises(ZeroDivisionError):
        list(ordered_map(lambda k: 1 / k, [1, 0, 2], threads=threads))


def test_only_a_few_items_are_taken_ahead():
    taken = []

    def items():
        for k in range(100):
            taken.append(k)
            yield k

    results = ordered_map(lambda k: k, items(), threads=2)
    next(results)
    assert len(taken) <= 6
    assert list(results) == list(range(1, 100))


@pytest.mark.parametrize("name", ["CNTGRAPH_NUM_THREADS", "NUMBA_NUM_THREADS"])
@pytest.mark.parametrize("wanted", ["0", "-1", "two", "1.5", " ", "²"])
def test_a_bad_number_of_threads_is_refused(monkeypatch, wanted, name):
    monkeypatch.delenv("CNTGRAPH_NUM_THREADS", raising=False)
    monkeypatch.setenv(name, wanted)
    with pytest.raises(CntGraphError, match=name):
        n_threads()


def test_the_number_of_threads(monkeypatch):
    monkeypatch.setenv("NUMBA_NUM_THREADS", "4")
    monkeypatch.setenv("CNTGRAPH_NUM_THREADS", "7")
    assert n_threads() == 7
    monkeypatch.delenv("CNTGRAPH_NUM_THREADS")
    assert n_threads() == 4
    monkeypatch.setenv("NUMBA_NUM_THREADS", "")
    assert n_threads() == len(os.sched_getaffinity(0))


def test_a_limit_binds_its_own_thread_alone(monkeypatch):
    monkeypatch.setenv("CNTGRAPH_NUM_THREADS", "3")
    with limited_threads(2):
        assert n_threads() == 2
        with limited_threads(5):
            assert n_threads() == 3
        assert list(ordered_map(lambda _: n_threads(), range(3), threads=2)) == [3, 3, 3]
    assert n_threads() == 3


def test_the_same_bits_whatever_the_number_of_threads(monkeypatch):
    from cntgraph.core.recipe import Recipe
    from cntgraph.core.view import View
    from cntgraph.network.blocks import Dense

    values = np.random.default_rng(0).normal(size=(700, 1100)).astype(np.float32)
    weight = Recipe.of(cg.Parameter.from_array("w", values))
    source, target = View((1100,), 0), View((700,), 1100)
    block = Dense(name="fc", source=source, target=target, weight=weight)
    layers = (
        cg.Layer("input", (1100,), "input", 0, is_input=True),
        cg.Layer("fc", (700,), "dense", 1100, is_output=True),
    )
    net = cg.Network(layers, (block,))
    graph = cg.build_graph(net)
    found = []
    for threads in ("1", "2", "5"):
        monkeypatch.setenv("CNTGRAPH_NUM_THREADS", threads)
        found.append(
            [
                cg.node_strength(net).tobytes(),
                cg.node_strength(net, transform="square").tobytes(),
                cg.node_strength(graph).tobytes(),
                repr(block.statistics()),
                cg.build_graph(net).adjacency.data.tobytes(),
            ]
        )
    assert found[0] == found[1] == found[2]


def test_a_program_with_threads_ends():
    code = "import cntgraph as cg; print(cg.node_strength(cg.toy('cnn')).size)"
    environment = {**os.environ, "CNTGRAPH_NUM_THREADS": "4"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "129"
