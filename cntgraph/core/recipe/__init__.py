"""Recipes: how a block's weight is obtained from stored parameters, evaluated only when read.

`expression.py` is a recipe as data, `reading.py` evaluates one, part by part, `recipe.py` builds
them, and `text.py` writes one as JSON values and reads it back.
"""

from cntgraph.core.recipe.reading import CHUNK_BYTES
from cntgraph.core.recipe.recipe import Recipe
from cntgraph.core.recipe.text import recipe_from_json, recipe_to_json

__all__ = ["CHUNK_BYTES", "Recipe", "recipe_from_json", "recipe_to_json"]
