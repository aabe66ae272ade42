"""Tokens: whole numbers of the input that choose rows of a table, and what becomes of them.

Where constants take the place of tokens, or are chosen instead of them, they are constant tokens.
Which they are may be for the data to say (padding, an end): then it is as in the example that was
given. Without one nothing is known to be replaced, and every token is still a token.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cntgraph.adapters.tracing.operations import NotFollowed
from cntgraph.adapters.tracing.tracer import Tracer
from cntgraph.adapters.tracing.values import (
    FIRST_TOKEN,
    Data,
    Neurons,
    are_weights,
    is_mask,
    is_tokens,
)
from cntgraph.core.types import Ids

AS_IN_EXAMPLE = "what the input selects is taken as for the example"


def choice_among(t: Tracer, choice: Any, options: Sequence[Any], name: str) -> Any:
    """Return the mask that decides between tokens and others: as in the example, if there is one.

    Parameters
    ----------
    choice : Neurons, Data, weights or constant
        What decides.
    options : sequence
        What is chosen.

    Returns
    -------
    Neurons, Data, weights or array
        What decides, unless it is known what it is for the example.
    """
    if are_weights(choice) or not any(map(is_tokens, options)) or not is_mask(choice):
        return choice
    known = t.example_of(choice)
    if known is None:
        return choice
    t.note(name, AS_IN_EXAMPLE)
    return np.asarray(known)


def is_whole(t: Tracer, value: Any) -> bool:
    """Whether a value is constant whole numbers."""
    array = t.array(value)
    return array is not None and np.asarray(array).dtype.kind in "iu"


def shifted(t: Tracer, tokens: Neurons, amount: Any, times: int = 1) -> Any:
    """Return tokens to which constants are added, so many times.

    A one-hot node stands for an entry of the table that is read, so that those of the input stay
    what they are; constant tokens are others afterwards.
    """
    wide = t.widened(tokens, np.shape(amount))
    constant = wide.ids <= FIRST_TOKEN
    if not constant.any():
        return wide
    numbers = FIRST_TOKEN - wide.ids + times * np.asarray(t.array(amount))
    ids = np.where(constant, np.where(numbers < 0, -1, FIRST_TOKEN - numbers), wide.ids)
    return t.neurons(ids, like=wide)


def bounded(t: Tracer, tokens: Neurons, low: Any, high: Any, name: str) -> Any:
    """Return tokens within bounds, None where there is none: those beyond are the bound."""
    numbers, ids = t.example_of(tokens), tokens.ids
    if numbers is None:
        return tokens
    for bound, beyond in ((t.array(low), np.less), (t.array(high), np.greater)):
        if bound is not None:
            outside = beyond(numbers, bound)
            ids = np.where(outside, t.as_tokens(bound, name), ids)
            numbers = np.where(outside, bound, numbers)
    if np.array_equal(ids, tokens.ids):
        return tokens
    t.note(name, AS_IN_EXAMPLE)
    return t.neurons(ids, like=tokens)


def put(
    t: Tracer, base: Any, places: Sequence[Any], written: Any, name: str,
    function: Callable[[Ids, list[Any], Ids], Ids],
) -> Any:  # fmt: skip
    """Return tokens in the place of which others are put.

    Parameters
    ----------
    base, written : Neurons or constant
        One of them at least is tokens.
    places : sequence
        What says where: constants, masks and positions; None stays None.
    function : callable
        Puts ids among ids, at places that are known.

    Raises
    ------
    NotFollowed
        If tokens are put where nobody knows.
    """
    found = [None if place is None else t.example_of(place) for place in places]
    if any(one is None and place is not None for one, place in zip(found, places, strict=True)):
        if is_tokens(written) or not is_tokens(base):
            raise NotFollowed("the data say where it puts tokens")
        return base  # some are others: they are tokens still
    if any(isinstance(place, Neurons | Data) for place in places):
        t.note(name, AS_IN_EXAMPLE)
    ids = function(t.as_tokens(base, name), found, t.as_tokens(written, name))
    return t.neurons(ids, like=base if is_tokens(base) else written)
