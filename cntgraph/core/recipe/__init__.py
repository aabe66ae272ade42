"""Recipes: how a block's weight is computed from stored parameters, evaluated only when read.

`expression.py` is a recipe as data, `elementwise.py` has the functions that go value by value,
`reading.py` evaluates a recipe, part by part (`sums.py` adds up, `chunks.py` says in which parts,
`box.py` reads a range along each axis), `recipe.py` builds them, and `text.py` writes one as JSON
values and reads it back. What is composed of these operations is in `functions.py` (value by
value), `over_axes.py` (sums, norms, products) and `movement.py`. What is stored values times
vectors is found by `scaled.py`; `matrix.py` has it in rows and columns, for kernels that multiply
as they read (`matrix_sums.py` among them). Narrow products in a weight (LoRA) are told apart by
`products.py`, so as not to be formed. What a mask takes out of a weight, however it was moved
and scaled since, is found by `pruned.py`.
"""

from cntgraph.core.recipe.chunks import CHUNK_BYTES
from cntgraph.core.recipe.recipe import Recipe
from cntgraph.core.recipe.text import needs_version_3, recipe_from_json, recipe_to_json

__all__ = ["CHUNK_BYTES", "Recipe", "needs_version_3", "recipe_from_json", "recipe_to_json"]
