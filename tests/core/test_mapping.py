"""Wherever a function is mapped, results are those of map(); a process that dies costs time."""

import os
import sys
import threading

import pytest
from oracles.calls import deadly, inverse, late_first, where

from cntgraph.core import mapping
from cntgraph.core.errors import CntGraphError, MissingExtraError
from cntgraph.core.mapping import map_ordered

CLIENTS = [None, "threads", "processes", "dask", "address"]


def test_results_come_in_order_and_errors_come_out(client, capsys):
    found = map_ordered(late_first, range(30), client=client, show_progress=True)
    assert list(found) == [k * k for k in range(30)]
    assert list(map_ordered(late_first, [], client=client)) == []
    with pytest.raises(ZeroDivisionError):
        list(map_ordered(inverse, [1, 0, 2], client=client))
    assert "analyze" not in capsys.readouterr().err


@pytest.mark.parametrize("name", CLIENTS)
def test_one_of_many_uses_one_thread(name, request, monkeypatch):
    monkeypatch.setenv("CNTGRAPH_NUM_THREADS", "3")
    at = request.getfixturevalue("dask") if name == "dask" else name
    if name == "address":
        at = request.getfixturevalue("cluster").scheduler_address
    found = set(map_ordered(where, range(20), client=at))
    here = os.getpid()
    if name is None:
        assert found == {(here, threading.get_ident(), 3)}
        return
    assert {threads for *_, threads in found} == {1}
    assert ({process for process, *_ in found} == {here}) == (name == "threads")
    assert (here, threading.get_ident()) not in {who[:2] for who in found}


# --- Only a few are under way -----------------------------------------------------------------


class Counted(list):
    """Says how many of its items have been taken."""

    taken = 0

    def __iter__(self):
        for item in super().__iter__():
            self.taken += 1
            yield item


@pytest.mark.parametrize("name", ["threads", "processes", "dask"])
def test_only_a_few_are_under_way(name, request, monkeypatch):
    monkeypatch.setenv("CNTGRAPH_NUM_THREADS", "2")
    items = Counted(range(100))
    at = request.getfixturevalue("dask") if name == "dask" else name
    monkeypatch.setattr(mapping, "progress", lambda items, what, show: range(len(items)))
    results = map_ordered(abs, items, client=at)
    for k in range(50):
        assert next(results) == k
        assert items.taken <= k + (6 * 6 if name == "dask" else 4)
    results.close()
    assert items.taken < 90
    assert not [t for t in threading.enumerate() if t.name.startswith("cntgraph-members")]


# --- Processes that die -----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["processes", "dask"])
def test_a_process_that_dies_costs_time_only(name, request, tmp_path):
    at = request.getfixturevalue("dask") if name == "dask" else name
    markers = {7: tmp_path / "7", 8: tmp_path / "8"}
    for marker in markers.values():
        marker.touch()
    items = [(k, markers.get(k)) for k in range(20)]
    assert list(map_ordered(deadly, items, client=at)) == [k * k for k in range(20)]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["processes", "dask"])
def test_who_kills_every_process_is_named(name, request, tmp_path, monkeypatch):
    monkeypatch.setattr(mapping, "ATTEMPTS", 2)
    at = request.getfixturevalue("doomed") if name == "dask" else name
    items = [(k, tmp_path if k == 2 else None) for k in range(4)]
    results = map_ordered(deadly, items, client=at)
    with pytest.raises(CntGraphError, match=r"^\(2, .*\): .*(died 2 times|again and again)"):
        list(results)


@pytest.mark.parametrize("name", ["processes", "dask"])
def test_or_yields_something_instead_while_the_others_are_computed(
    name, request, tmp_path, monkeypatch
):
    monkeypatch.setattr(mapping, "ATTEMPTS", 2)
    at = request.getfixturevalue("doomed") if name == "dask" else name
    items = [(k, tmp_path if k in (2, 33) else None) for k in range(40)]
    results = map_ordered(deadly, items, client=at, instead=lambda item, error: (item[0], error))
    found = list(results)
    for k in (2, 33):
        number, error = found[k]
        assert number == k
        assert isinstance(error, CntGraphError)
        found[k] = k * k
    assert found == [k * k for k in range(40)]


# --- What is refused --------------------------------------------------------------------------


class Asynchronous:
    asynchronous, submit, scheduler_info = True, None, None


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("process", "expected client to be None, 'threads', 'processes'"),
        (2, "got 2"),
        (Asynchronous(), "expected a Client that waits"),
        ("nowhere://127.0.0.1:1", "expected a Dask scheduler at nowhere://"),
        ("tcp://127.0.0.1:1", "expected a Dask scheduler at tcp://127.0.0.1:1, found none"),
    ],
)
def test_clients_that_are_none(wrong, said):
    import dask
    import distributed  # noqa: F401  # which adds its own options, here and not inside

    quick = dask.config.set({"distributed.comm.timeouts.connect": "200ms"})
    with quick, pytest.raises(CntGraphError, match=said):
        list(map_ordered(abs, [1], client=wrong))


def test_functions_that_cannot_be_sent():
    with pytest.raises(CntGraphError, match=r"cannot be pickled.*use client='threads'"):
        list(map_ordered(lambda k: k, [1], client="processes"))
    assert list(map_ordered(lambda k: k, [1], client="threads")) == [1]


def test_without_dask(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MissingExtraError, match=r"cntgraph\[dask\]"):
        list(map_ordered(abs, [1], client="tcp://127.0.0.1:1"))
