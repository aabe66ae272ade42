from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from cntgraph.graph.signs import Split
from cntgraph.measures.profile.numbers import named_numbers


class Pair(NamedTuple):
    hubs: np.ndarray
    authorities: np.ndarray


@dataclass
class Found:
    modularity: float
    partition: np.ndarray
    name: str


def test_a_number_and_an_array_have_no_parts():
    assert named_numbers(2.5)[""].tolist() == [2.5]
    assert named_numbers(np.arange(6).reshape(2, 3))[""].tolist() == [0, 1, 2, 3, 4, 5]


def test_fields_are_parts_and_texts_are_left_out():
    found = named_numbers(Found(0.5, np.array([0, 1]), "leiden"))
    assert {name: values.tolist() for name, values in found.items()} == {
        "modularity": [0.5],
        "partition": [0, 1],
    }


def test_a_split_names_its_parts_after_both():
    found = named_numbers(Split(Pair(np.ones(1), np.zeros(1)), Pair(np.ones(2), np.zeros(2))))
    assert list(found) == [
        "positive.hubs", "positive.authorities", "negative.hubs", "negative.authorities",
    ]  # fmt: skip


def test_columns_of_numbers_are_parts():
    table = pd.DataFrame({"mean": [1.0, 2.0], "name": ["a", "b"], "same": [True, False]})
    assert {k: v.tolist() for k, v in named_numbers(table).items()} == {"mean": [1.0, 2.0]}


def test_a_series_has_no_parts():
    assert named_numbers(pd.Series([1, 2], index=["a", "b"]))[""].tolist() == [1, 2]
