"""Whatever people hold their data in: arrays, lists, loaders, generators; and what is wrong."""

import sys

import numpy as np
import pytest
import torch

import cntgraph as cg
from cntgraph.activity.inputs import input_batches
from cntgraph.core.errors import CntGraphError, InputShapeError

X = np.arange(30.0).reshape(10, 3)
Y = np.arange(10) % 2


def read(inputs, **options):
    found = list(input_batches(inputs, **options))
    labels = [batch.labels for batch in found]
    together = None if labels[0] is None else np.concatenate(labels)
    return np.concatenate([batch.arrays[0] for batch in found]), together, [*map(len, found)]


def loader(labeled=True):
    data = (torch.tensor(X), torch.tensor(Y)) if labeled else (torch.tensor(X),)
    return torch.utils.data.DataLoader(torch.utils.data.TensorDataset(*data), batch_size=4)


@pytest.mark.parametrize(
    ("inputs", "sizes"),
    [
        (X, [4, 4, 2]),
        (torch.tensor(X, requires_grad=True), [4, 4, 2]),
        (torch.tensor(X, dtype=torch.bfloat16), [4, 4, 2]),
        ([X[:7], X[7:]], [7, 3]),
        ((part for part in (X[:1], X[1:])), [1, 9]),
        (lambda: X, [4, 4, 2]),
        (lambda: iter([X]), [10]),
        (loader(labeled=False), [4, 4, 2]),
        ([X[:0], X], [10]),
    ],
)
def test_all_samples_come_in_their_order(inputs, sizes):
    found, labels, lengths = read(inputs, batch_size=4)
    assert (found == X).all()
    assert labels is None
    assert lengths == sizes


@pytest.mark.parametrize("inputs", [loader(), [(X[:3], Y[:3]), (X[3:], list(Y[3:]))]])
def test_labels_come_with_their_samples(inputs):
    found, labels, _ = read(inputs)
    assert (found == X).all()
    assert (labels == Y).all()


def test_labels_are_handed_in_beside_the_data_and_win():
    _, labels, _ = read(loader(), labels=[*"abcdefghij"])
    assert "".join(labels) == "abcdefghij"
    found, labels, _ = read(X, labels=torch.tensor(Y), n_samples=5, batch_size=2)
    assert (labels == Y[:5]).all()
    assert (found == X[:5]).all()


def test_several_inputs_are_a_tuple():
    (batch,) = input_batches((X, Y[:, None]))
    assert [array.shape for array in batch.arrays] == [(10, 3), (10, 1)]
    (batch,) = input_batches([((X, Y[:, None]), Y)])
    assert len(batch.arrays) == 2
    assert (batch.labels == Y).all()


def test_a_generator_is_not_read_further_than_asked_for():
    seen = []

    def batches():
        for k in range(5):
            seen.append(k)
            yield X

    read(batches(), n_samples=15)
    assert seen == [0, 1]


def broken():
    yield X
    raise OSError("the disk is gone")


@pytest.mark.parametrize(
    ("inputs", "options", "error", "message"),
    [
        ([], {}, InputShapeError, "at least one sample; the inputs are empty"),
        (X[:0], {}, InputShapeError, "at least one sample"),
        (broken(), {}, CntGraphError, "raised OSError after 10 samples: the disk is gone"),
        (5, {}, InputShapeError, "got int"),
        (X[0], {}, InputShapeError, "samples along the first axis"),
        ((X, X[:3]), {}, InputShapeError, r"as many samples of every input; got \[10, 3\]"),
        (np.array([["a"]]), {}, InputShapeError, "real numbers; got an array of type <U1"),
        (np.array([[None]]), {}, InputShapeError, "type object"),
        (np.full((2, 2), 1j), {}, InputShapeError, "complex128"),
        ([[[1.0], [1.0, 2.0], [3.0]]], {}, InputShapeError, "samples along the first axis|numbers"),
        (np.array([[0.0, np.nan]]), {}, CntGraphError, "finite inputs; found NaN"),
        ([X, np.full_like(X, np.inf)], {}, CntGraphError, "finite inputs"),
        (X, {"labels": Y[:9]}, InputShapeError, "fewer labels than samples"),
        (X, {"labels": [*Y, 1]}, InputShapeError, "11 labels for 10"),
        (X, {"labels": Y[:, None]}, InputShapeError, "one label per sample"),
        ([(X, Y[:4])], {}, InputShapeError, "fewer labels than samples"),
        (X, {"n_samples": 0}, CntGraphError, "n_samples of 1 or more"),
        (X, {"batch_size": 0}, CntGraphError, "batch_size of 1 or more"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(inputs, options, error, message):
    with pytest.raises(error, match=message):
        read(inputs, **options)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (np.ones((2, 5)), r"samples of shape \(6,\) for 'input'.*got \(5,\)"),
        ((np.ones((2, 6)), np.ones((2, 6))), "expected inputs for input; got 2 arrays"),
    ],
)
def test_samples_have_to_fit_the_network(inputs, message):
    with pytest.raises(InputShapeError, match=message):
        cg.neuron_strength(cg.toy("mlp"), inputs)


def test_progress_is_shown_where_it_is_asked_for(monkeypatch):
    shown = []
    monkeypatch.setattr("tqdm.tqdm", lambda items, **_: shown.append(1) or items)
    monkeypatch.delitem(sys.modules, "IPython", raising=False)  # which has bars of its own
    cg.neuron_strength(cg.toy("mlp"), np.ones((2, 6)), show_progress=True)
    assert shown
