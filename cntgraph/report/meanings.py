"""What measures mean: said in their docstrings, and shown in the words of these."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

from cntgraph.activity.neuron_measures import neuron_activation, neuron_strength
from cntgraph.measures.fluctuation import layer_fluctuation
from cntgraph.measures.link_weights import link_weights
from cntgraph.measures.strength import node_strength
from cntgraph.training.statistics.divergence import divergence
from cntgraph.training.statistics.separation import separation

#: What names of columns and figures begin with, and the function that says what they mean.
_SAID_BY: tuple[tuple[str, Callable[..., Any]], ...] = (
    ("fluctuation", layer_fluctuation),
    ("strength", node_strength),
    ("in_strength", node_strength),
    ("out_strength", node_strength),
    ("link_weight", link_weights),
    ("neuron_strength", neuron_strength),
    ("neuron_activation", neuron_activation),
    ("divergence", divergence),
    ("separation", separation),
)


class Meaning(NamedTuple):
    """What a measure means.

    Parameters
    ----------
    function : str
        The public function of the measure.
    text : str
        One or two sentences: what a large and a small value say. Code stands between backticks.
        Empty where Python runs without docstrings (``-OO``).
    """

    function: str
    text: str


def meaning(name: str) -> Meaning:
    """Return what a measure means, as its function says in its docstring.

    Parameters
    ----------
    name : str
        A column of `analyze`, a distribution of `samples`, ``"divergence"`` or ``"separation"``.

    Returns
    -------
    Meaning

    Examples
    --------
    >>> found = meaning("in_strength_mean")
    >>> found.function, found.text[:39]
    ('node_strength', 'How strongly a node is tied to others: ')
    """
    function = next(said_by for beginning, said_by in _SAID_BY if name.startswith(beginning))
    # The first paragraph says what the function does, the second one what that means.
    paragraphs = (inspect.getdoc(function) or "").split("\n\n")
    return Meaning(function.__name__, " ".join("".join(paragraphs[1:2]).split()))
