import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles.recipes import summed_by, trees
from oracles.spy import Spy

from cntgraph.core.errors import ParameterError
from cntgraph.core.parameter import Parameter
from cntgraph.core.recipe import (
    CHUNK_BYTES,
    Recipe,
    matrix_sums,
    recipe_from_json,
    recipe_to_json,
)


def same(found, expected):
    return np.allclose(found, expected, rtol=1e-12, atol=1e-12, equal_nan=True)


def by_name(recipe):
    return {p.name: p for p in recipe.parameters()}


@given(trees())
def test_the_value_is_that_of_numpy(tree):
    recipe, expected = tree
    with np.errstate(all="ignore"):
        found = recipe.read()
    assert found.shape == recipe.shape == expected.shape
    assert found.dtype == recipe.dtype
    assert same(found, expected)


@given(trees(), st.data())
def test_a_part_is_the_slice_of_the_whole(tree, data):
    recipe, expected = tree
    axis = data.draw(st.integers(0, expected.ndim - 1))
    start = data.draw(st.integers(0, expected.shape[axis]))
    stop = data.draw(st.one_of(st.none(), st.integers(start, expected.shape[axis])))
    where = [slice(None)] * expected.ndim
    where[axis] = slice(start, stop)
    with np.errstate(all="ignore"):
        found = recipe.read(axis, start, stop)
    assert found.shape == expected[tuple(where)].shape
    assert same(found, expected[tuple(where)])


@given(trees())
def test_json_round_trip(tree):
    recipe, expected = tree
    text = json.dumps(recipe_to_json(recipe))
    again = recipe_from_json(json.loads(text), by_name(recipe))
    assert (again.shape, again.dtype) == (recipe.shape, recipe.dtype)
    with np.errstate(all="ignore"):
        assert same(again.read(), expected)


@given(trees())
def test_bind_reads_the_other_parameters(tree):
    recipe, _ = tree
    doubled = {
        name: Parameter.from_array(name, 2.0 * p.read().astype(np.float64))
        for name, p in by_name(recipe).items()
    }
    bound = recipe.bind(doubled)
    rebuilt = recipe_from_json(recipe_to_json(recipe), doubled)
    assert [p.name for p in bound.parameters()] == [p.name for p in recipe.parameters()]
    assert all(p is doubled[p.name] for p in bound.parameters())
    with np.errstate(all="ignore"):
        assert bound.read().dtype == bound.dtype
        assert same(bound.read(), rebuilt.read())


@given(trees(), st.integers(1, 64))
def test_chunks_cover_the_first_axis_once(tree, nbytes):
    recipe, expected = tree
    with np.errstate(all="ignore"):
        parts = [recipe.read(0, start, stop) for start, stop in recipe.chunks(nbytes)]
    assert same(np.concatenate(parts), expected)


def leaf(array, name="w"):
    return Recipe.of(Parameter.from_array(name, np.asarray(array)))


def test_layout_operations_keep_the_stored_precision():
    w = leaf(np.arange(6, dtype=np.float32).reshape(2, 3))
    moved = Recipe.concatenate((w.transpose((1, 0)).reshape((6,)).take(0, 0, 4),) * 2, 0)
    assert moved.dtype == moved.read().dtype == np.float32
    assert (w * 1.0).dtype == np.float64


def test_an_empty_part_of_an_axis_of_length_one_is_empty():
    total = leaf(np.ones((1, 3))) + leaf(np.ones(3), "b")
    assert total.read(0, 0, 0).shape == (0, 3)
    assert total.read(0, 1, None).shape == (0, 3)


def test_axes_count_from_the_end_too():
    w = leaf(np.arange(6.0).reshape(2, 3))
    for recipe in (w, w * 2.0, Recipe.constant(np.arange(6.0).reshape(2, 3)), w.take(0, 0, 2)):
        assert recipe.read(-1, 1, 2).tolist() == recipe.read()[:, 1:2].tolist()


def test_arithmetic_is_in_float64():
    w = leaf(np.full(1, 1e30, np.float32))
    assert (w * w).read()[0] == pytest.approx(1e60, rel=1e-6)
    tiny = leaf(np.array([1.0], np.float32)) + 1e-12
    assert tiny.read()[0] - 1.0 == pytest.approx(1e-12, rel=1e-3)


def test_only_the_rows_that_are_wanted_are_read():
    spy = Spy(8, 4)
    w, gain = spy.as_recipe(), leaf(np.arange(8.0).reshape(8, 1), "g")
    (w * gain).read(0, 2, 4)
    w.transpose((1, 0)).read(1, 5, 6)
    assert spy.keys == [(slice(2, 4),), (slice(5, 6),)]


@pytest.mark.parametrize(
    ("make", "axis", "rows"),
    [
        (lambda w: w.gather(0, [2, 7, 5, 7]), 0, [slice(5, 8)]),
        (lambda w: w.gather(1, [2, 0]), 0, [slice(1, 3)]),
        (lambda w: w.sum_by(1, [0, 1, 1, 0], 2), 0, [slice(1, 3)]),
        (lambda w: w.sum((1,)), 0, [slice(1, 3)]),
        (lambda w: w.reshape((400,)), 0, [slice(0, 1)]),
        (lambda w: w.reshape((200, 2)), 0, [slice(0, 2)]),
        (lambda w: Recipe.concatenate((w, w), 0), 0, [slice(1, 3)]),
        (lambda w: Recipe.concatenate((w, w), 1), 0, [slice(1, 3), slice(1, 3)]),
    ],
)
def test_a_part_reads_only_what_it_needs(make, axis, rows):
    spy = Spy(100, 4)
    make(spy.as_recipe()).read(axis, 1, 3)
    assert spy.keys == [(key,) for key in rows]


@pytest.mark.parametrize("size", [100, 5000])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_sums_by_many_labels(size, axis):
    rng = np.random.default_rng(size)
    shape, labels = [3, 2, 4], rng.integers(-1, 7, size)
    shape[axis] = size
    value = rng.normal(size=shape)
    value[(0,) * 3] = np.inf
    recipe, expected = leaf(value).sum_by(axis, labels, 7), summed_by(value, axis, labels, 7)
    assert same(recipe.read(), expected)
    assert same(recipe.read(2, 1, 3), expected[:, :, 1:3])
    assert leaf(np.zeros((0, size))).sum_by(1, labels, 7).read(0, 0, 0).shape == (0, 7)


def test_gathering_reads_entries_that_lie_apart_in_turn():
    spy = Spy(100, 4)
    assert spy.as_recipe().gather(0, [99, 0, 2, 1, 99]).read().shape == (5, 4)
    assert spy.keys == [(slice(0, 3),), (slice(99, 100),)]
    assert spy.as_recipe().gather(0, []).read().shape == (0, 4)
    assert spy.as_recipe().gather(1, [3, 2]).read().shape == (100, 2)
    assert spy.keys[-1] == (slice(None), slice(2, 4))


def test_gathering_in_equal_steps_is_a_part():
    w = leaf(np.arange(12.0).reshape(6, 2))
    for indices in ([1, 2, 3], [0, 2, 4], [5], []):
        assert w.gather(0, indices).op == "take"
        assert w.gather(0, indices).read().tolist() == w.read()[indices].tolist()
    assert w.gather(0, [3, 2, 1]).op == w.gather(0, [1, 1]).op == "gather"


@pytest.mark.parametrize(
    "make",
    [
        lambda w: w.sum((0, 1)),
        lambda w: w.sum((1,)),
        lambda w: w.sum_by(0, np.arange(1000) % 7, 7),
        lambda w: w.sum_by(1, np.arange(1000) % 7, 7),
        lambda w: abs(w).sum_by(1, np.arange(1000) // 10, 100).sum_by(0, [0] * 1000, 1),
        lambda w: w.reshape((1000, 10, 100)).square().sum((2,)).sqrt(),
    ],
)
def test_sums_are_taken_in_chunks(make, monkeypatch):
    monkeypatch.setattr(matrix_sums, "_PART", 4 * CHUNK_BYTES)
    spy = Spy(1000, 1000)
    recipe = make(spy.as_recipe())
    values = recipe.read()
    assert len(spy.keys) >= 2
    assert max(key[0].stop - key[0].start - 1 for key in spy.keys) * 8000 <= 4 * CHUNK_BYTES
    spy.keys.clear()
    parts = [recipe.read(0, start, stop) for start, stop in recipe.chunks()]
    assert np.array_equal(np.concatenate(parts), values)
    assert len(spy.keys) <= 9


def test_large_weights_are_read_in_chunks():
    w = leaf(np.zeros((1000, 1000), np.float32))
    chunks = list(w.chunks())
    assert len(chunks) == -(-1000 // (CHUNK_BYTES // 4000))
    assert [a for a, _ in chunks[1:]] == [b for _, b in chunks[:-1]]


def test_transposes_and_reshapes_that_undo_each_other_vanish():
    w = leaf(np.zeros((2, 3, 4)))
    assert w.transpose((2, 0, 1)).transpose((1, 2, 0)) is w
    assert w.transpose((0, 1, 2)) is w
    assert w.reshape((6, 4)).reshape((2, 3, 4)) is w
    assert leaf(np.zeros((2, 3))).transpose((1, 0)).stored_transposed


def test_scalar_parameters():
    scale = leaf(np.array(4.0, np.float32))
    assert (scale.sqrt() * leaf([1.0, 2.0], "v")).read().tolist() == [2.0, 4.0]


def test_empty_values_survive_json():
    for shape in ((0,), (0, 3), (3, 0)):
        constant = Recipe.constant(np.zeros(shape))
        assert recipe_from_json(json.loads(json.dumps(recipe_to_json(constant))), {}).shape == shape


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda w: w.reshape((4,)), "reshaped"),
        (lambda w: w.take(0, 0, 2, -1), "positive step"),
        (lambda w: w.gather(0, [0, 2]), "from 0 to 1"),
        (lambda w: w.gather(1, [-1, 2]), "from 0 to 2"),
        (lambda w: w.gather(1, [0.5]), "whole numbers"),
        (lambda w: w.gather(2, [0]), "no axes"),
        (lambda w: w.sum((0, 1, -1)), "every axis of a sum once"),
        (lambda w: w.sum_by(1, [0, 1], 2), "each of the 3 entries"),
        (lambda w: w.sum_by(1, [0, 1, 2], 2), "from -1 to 1"),
        (lambda w: w.sum_by(1, [0, -2, 1], 2), "from -1 to 1"),
        (lambda w: w.sum_by(0, [[0, 1]], 2), "list of whole numbers"),
        (lambda w: w + leaf(np.zeros(5), "b"), "broadcast"),
        (lambda w: Recipe.concatenate((w, leaf(np.zeros((2, 2)), "b")), 0), "joined"),
    ],
)
def test_what_does_not_fit_is_refused(make, match):
    with pytest.raises(ParameterError, match=match):
        make(leaf(np.zeros((2, 3))))


@pytest.mark.parametrize(
    "data",
    [
        {"op": "eval", "args": [{"parameter": "w"}]},
        {"op": "add", "args": [{"parameter": "w"}]},
        {"op": "sqrt", "args": []},
        {"parameter": "v"},
        {"op": "add", "args": [{"parameter": "w"}, {"constant": [1.0, 2.0]}]},
        {"op": "reshape", "args": [{"parameter": "w"}], "shape": [7]},
        {"op": "reshape", "args": [{"parameter": "w"}]},
        {"op": "transpose", "args": [{"parameter": "w"}], "axes": [0, 0]},
        {"op": "transpose", "args": [{"parameter": "w"}], "axes": [0]},
        {"op": "take", "args": [{"parameter": "w"}], "axis": 7, "start": 0, "stop": 1, "step": 1},
        {"op": "take", "args": [{"parameter": "w"}], "axis": 0, "start": 0, "stop": 1, "step": 0},
        {"op": "sum", "args": [{"parameter": "w"}], "axes": [5]},
        {"op": "sum", "args": [{"parameter": "w"}], "axes": [1, 1]},
        {"op": "gather", "args": [{"parameter": "w"}], "axis": 0, "indices": [2]},
        {"op": "gather", "args": [{"parameter": "w"}], "axis": 0},
        {"op": "sum_by", "args": [{"parameter": "w"}], "axis": 0, "labels": [0, 1], "n": 1},
        {"op": "sum_by", "args": [{"parameter": "w"}], "axis": 0, "labels": [0, 1], "n": "2"},
        {},
    ],
)
def test_bad_json_is_refused(data):
    w = Parameter.from_array("w", np.zeros((2, 3)))
    with pytest.raises(ParameterError):
        recipe_from_json(data, {"w": w})


def test_bind_refuses_other_parameters():
    recipe = leaf(np.zeros((2, 3)), "fc.weight") * 2.0
    with pytest.raises(ParameterError, match=r"'fc\.weight'"):
        recipe.bind({})
    with pytest.raises(ParameterError, match=r"\(2, 3\), got \(3, 2\)"):
        recipe.bind({"fc.weight": Parameter.from_array("fc.weight", np.zeros((3, 2)))})
