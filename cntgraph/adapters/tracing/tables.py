"""Tables whose rows are looked up by tokens, as embeddings are."""

from __future__ import annotations

from typing import Any

import numpy as np

from cntgraph.adapters.tracing.tracer import Tracer
from cntgraph.adapters.tracing.values import FIRST_TOKEN, Neurons
from cntgraph.core.recipe import Recipe


def look_up(t: Tracer, table: Recipe, tokens: Neurons, name: str) -> Any:
    """Return the rows of a table that an integer input chooses.

    Parameters
    ----------
    table : Recipe, shape (entries, *features)
    tokens : Neurons
        Indices of entries; of constant ones the rows are nodes, whose biases they are.

    Returns
    -------
    Neurons, shape (*tokens.shape, *features)
    """
    samples = t.samples(tokens)
    matrix = table.reshape((table.shape[0], -1))
    ids = samples.first(tokens.ids)
    made = t.builder.embed(t.name_of(table, name), ids, matrix)
    constant = np.unique(FIRST_TOKEN - ids[ids <= FIRST_TOKEN])
    made = made.copy() if constant.size else made
    for token in constant[constant < matrix.shape[0]]:
        row = matrix.take(0, int(token), int(token) + 1)
        made[ids == FIRST_TOKEN - token] = t.as_ids(row, f"{name}.constant").reshape(-1)
    return t.made(made.reshape(*made.shape[:-1], *table.shape[1:]), samples)
