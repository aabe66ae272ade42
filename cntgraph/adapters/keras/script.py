"""The calls of a model, numbered while it is traced, so that others can be made like them."""

from __future__ import annotations

from dataclasses import dataclass, field

#: The result of a layer before its activation function is applied.
BEFORE = "before"


@dataclass
class Script:
    """How the calls of layers and operations were followed, by their numbers.

    Attributes
    ----------
    calls : int
        How many there were that read what depends on the input; any other has number zero, for
        what variables are computed into is no matter of symbols when the model runs.
    entered : set of int
        Layers of which what they call in turn was followed.
    activated : set of int
        Layers that apply a function of theirs to what they compute.
    end : dict of int to int
        Of each call, the number of the last one that was made within it.
    """

    calls: int = 0
    entered: set[int] = field(default_factory=set)
    activated: set[int] = field(default_factory=set)
    end: dict[int, int] = field(default_factory=dict)

    def enter(self, by_input: bool) -> int:
        """Return the number of the next call; it may depend on the input or not."""
        self.calls += by_input
        return self.calls if by_input else 0
