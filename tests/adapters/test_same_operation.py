"""One operation in PyTorch, ``.pt2``, ONNX, Keras and JAX: the same graph, edge by edge.

`oracles.same_operations` has the operations, the graph that is expected of each, and the
differences that are known. The table at the end of the tests' output shows them.
"""

import numpy as np
import pytest
from oracles.same_operations import OPERATIONS
from oracles.same_operations.differences import DRIFT, STATED
from oracles.same_operations.fingerprint import fingerprint
from oracles.same_operations.graphs import GRAPHS
from oracles.same_operations.models import FRAMEWORKS, load, run

import cntgraph as cg

KNOWN = DRIFT | STATED


@pytest.mark.parametrize("name", OPERATIONS)
def test_the_same_graph(name, tmp_path, record_property):
    operation, expected = OPERATIONS[name], GRAPHS[name]
    found = {way: fingerprint(load(operation, way, tmp_path)) for way in operation.frameworks()}
    # The numbers of all are those of the first that has the graph that is expected.
    first = next((one for one in found.values() if one.text == expected), None)
    differing = {way: _difference(one, expected, first) for way, one in found.items()}
    differing = {way: text for way, text in differing.items() if text}
    record_property("table: the same operation in every framework", _row(name, found, differing))
    fixed = {way for op, way in KNOWN if op == name and way not in differing}
    assert not fixed, f"no longer different, take it out of the table: {sorted(fixed)}"
    new = {way: text for way, text in differing.items() if _reason(name, way, found) is None}
    assert not new, "\n\n".join(f"{name}, {way}: {text}" for way, text in new.items())


def _difference(one, expected, first):
    if one.text != expected:
        return f"expected\n{expected}\ngot\n{one.text}"
    return first.difference(one)


def _reason(name, way, found):
    """Why a graph differs, if that is known; a saved program may do as the live module does."""
    live = way.replace("pt2", "torch", 1)
    if (name, way) not in KNOWN and not found[live].difference(found[way]):
        way = live
    return KNOWN.get((name, way))


def _row(name, found, differing):
    """A line of the table: which frameworks have the graph, and what others have instead."""
    cells, reasons = [], {}
    for framework in FRAMEWORKS:
        ways = [way for way in found if way.partition(":")[0] == framework]
        signs = dict.fromkeys("≠" if way in differing else "=" for way in ways)
        cells.append(f"{framework} {'/'.join(signs) or '–':4}")
        for way in ways:
            if way in differing:
                reasons.setdefault(_reason(name, way, found) or "new", []).append(way)
    told = "; ".join(f"{', '.join(ways)}: {reason}" for reason, ways in reasons.items())
    return f"{name:34} {'  '.join(cells)} {told}".rstrip()


@pytest.mark.parametrize("name", OPERATIONS)
def test_the_table_compares_like_with_like(name):
    # Each framework computes the same numbers, so that a graph differs for no other reason.
    operation = OPERATIONS[name]
    found = {way: run(operation, way) for way in operation.written}
    first = next(iter(found.values()))
    for way, outputs in found.items():
        for ours, theirs in zip(first, outputs, strict=True):
            np.testing.assert_allclose(theirs, ours, rtol=1e-4, atol=1e-4, err_msg=way)


def test_the_tables_belong_together():
    assert set(GRAPHS) == set(OPERATIONS)
    assert not set(DRIFT) & set(STATED)
    assert set(KNOWN) <= {(name, way) for name in OPERATIONS
                          for way in OPERATIONS[name].frameworks()}  # fmt: skip


@pytest.mark.parametrize("name", ["exp", "softmax", "where", "pad", "U V W", "a small network",
                                  "convolved"])  # fmt: skip
def test_a_weight_that_is_computed_follows_a_training(name, tmp_path):
    operation, found = OPERATIONS[f"a weight: {name}"], {}
    for way in operation.frameworks():
        cg.save(load(operation, way, tmp_path), tmp_path / "net.h5", overwrite=True)
        net = cg.load(tmp_path / "net.h5")
        halved = {
            key: cg.Parameter.from_array(key, p.raw() * (0.5 if p.trainable else 1))
            for key, p in net.parameters.items()
        }
        found[way] = [
            net.bind(p, {}).blocks[0].to_csr().toarray() for p in (net.parameters, halved)
        ]
    before, after = next(iter(found.values()))
    assert not np.allclose(before, after)
    for way, (ours, theirs) in found.items():
        np.testing.assert_allclose(ours, before, rtol=1e-6, atol=1e-6, err_msg=way)
        np.testing.assert_allclose(theirs, after, rtol=1e-6, atol=1e-6, err_msg=way)
