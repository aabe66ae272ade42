"""Recipes: how a block's weight is had from stored parameters, evaluated only when read.

`expression.py` is what a recipe is, `reading.py` evaluates one, part by part, and `text.py`
writes one as JSON values and reads it back.
"""

from cntgraph.core.recipe.expression import Recipe
from cntgraph.core.recipe.reading import CHUNK_BYTES

__all__ = ["CHUNK_BYTES", "Recipe"]
