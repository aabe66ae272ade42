"""A function of every block comes in order, in the caller's context, wherever it was computed."""

import threading

import numpy as np
import pytest

import cntgraph as cg
from cntgraph.core.computing import computing_on
from cntgraph.network import each_block as module
from cntgraph.network.each_block import each_block


@pytest.fixture
def net():
    rng = np.random.default_rng(0)
    shapes = [(400, 300), (3, 400), (700, 3), (200, 700)]
    arrays = [rng.standard_normal(shape) for shape in shapes]
    return cg.load(arrays, description="separate")


def where(net):
    """Return on which threads the blocks of a network are worked on, and check their order."""
    found = [*each_block(lambda block: (block.name, threading.current_thread()), net.blocks)]
    assert [name for name, _ in found] == [block.name for block in net.blocks]
    return [thread for _, thread in found]


def test_small_blocks_are_worked_on_side_by_side(net, monkeypatch):
    monkeypatch.setenv("CNTGRAPH_NUM_THREADS", "2")
    assert threading.main_thread() not in where(net)
    monkeypatch.setattr(module, "_LARGE", 8 * 400 * 300 - 1)
    monkeypatch.setattr(module, "_MANY", 0)
    alone = [thread is threading.main_thread() for thread in where(net)]
    assert alone == [True, False, False, True]


def test_blocks_of_many_nodes_are_held_one_at_a_time(net, monkeypatch):
    monkeypatch.setenv("CNTGRAPH_NUM_THREADS", "2")
    monkeypatch.setattr(module, "_MANY", 0)
    monkeypatch.setattr(module, "_HELD", 5 * 8 * 800)
    alone = [thread is threading.main_thread() for thread in where(net)]
    assert alone == [False, False, False, True]


def test_what_threads_or_a_cluster_would_slow_down_stays(net, monkeypatch):
    assert set(where(cg.toy("cnn"))) == {threading.main_thread()}
    with computing_on("threads"):
        assert set(where(net)) == {threading.main_thread()}
    monkeypatch.setenv("CNTGRAPH_NUM_THREADS", "1")
    assert set(where(net)) == {threading.main_thread()}


def test_a_function_is_called_in_the_context_of_its_caller(net):
    with np.errstate(invalid="ignore"):
        found = [*each_block(lambda block: np.geterr()["invalid"], net.blocks)]
    assert found == ["ignore"] * 4


def test_an_error_comes_where_its_block_does(net):
    def fail(block):
        if block is net.blocks[2]:
            raise ValueError(block.name)
        return block.name

    found = each_block(fail, net.blocks)
    assert [next(found), next(found)] == [block.name for block in net.blocks[:2]]
    with pytest.raises(ValueError, match=net.blocks[2].name):
        next(found)
