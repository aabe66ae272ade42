"""Tables whose rows are looked up by tokens, as embeddings are."""

from __future__ import annotations

from typing import Any

from cntgraph.adapters.tracing.tracer import Tracer
from cntgraph.adapters.tracing.values import Neurons
from cntgraph.core.recipe import Recipe


def look_up(t: Tracer, table: Recipe, tokens: Neurons, name: str) -> Any:
    """Return the rows of a table that an integer input chooses.

    Parameters
    ----------
    table : Recipe, shape (entries, *features)
    tokens : Neurons
        Indices of entries.

    Returns
    -------
    Neurons, shape (*tokens.shape, *features)
    """
    samples = t.samples(tokens)
    matrix = table.reshape((table.shape[0], -1))
    made = t.builder.embed(t.name_of(table, name), samples.first(tokens.ids), matrix)
    return t.made(made.reshape(*made.shape[:-1], *table.shape[1:]), samples)
