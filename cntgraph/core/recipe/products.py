"""Products: the narrow matrix products in a weight, which can be multiplied without being formed.

The update of a weight that is B A, of few columns and rows (LoRA), has the sums B (A 1) and
(1ᵀ B) A, and its product with a vector is B (A x); of W + B A, those of W are added.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from cntgraph.core.recipe.expression import Expression
from cntgraph.core.recipe.recipe import Recipe
from cntgraph.core.types import Values

#: A product is left apart where its factors have this many times fewer values.
_NARROW = 2
#: Of more products, the matrix is read as it is.
_MOST_PRODUCTS = 16


class Product(NamedTuple):
    """A number times the product of two matrices."""

    factor: float
    left: Recipe
    right: Recipe

    def times(self, x: Values) -> Values:
        """Return its product with a vector, or with the columns of a matrix."""
        return self.factor * _times(self.left, _times(self.right, x))

    def transposed(self) -> Product:
        """Return the product of which this is the transpose."""
        left, right = (recipe.transpose((1, 0)) for recipe in (self.right, self.left))
        return Product(self.factor, left, right)


class Apart(NamedTuple):
    """A matrix as a sum: of one that is read as it is, if there is one, and of products."""

    rest: Recipe | None
    products: tuple[Product, ...]

    def times(self, x: Values, n_rows: int) -> Values:
        """Return what the products add to the matrix's product with a vector, or with columns."""
        nothing = np.zeros((n_rows, *x.shape[1:]))
        return sum((product.times(x) for product in self.products), nothing)

    def transposed(self) -> Apart:
        """Return the same of the transposed matrix."""
        rest = None if self.rest is None else self.rest.transpose((1, 0))
        return Apart(rest, tuple(product.transposed() for product in self.products))


def products_apart(weight: Recipe) -> Apart | None:
    """Return the narrow products in a matrix, apart from what else it is the sum of.

    Parameters
    ----------
    weight : Recipe
        A matrix.

    Returns
    -------
    Apart or None
        None where there is none.

    Examples
    --------
    >>> b, a = Recipe.constant(np.ones((6, 1))), Recipe.constant(np.ones((1, 5)))
    >>> w = Recipe.constant(np.zeros((6, 5)))
    >>> found = products_apart(w + b @ a * 2.0)
    >>> found.rest is w, found.products[0].factor, found.times(np.ones(5), 6)[:2]
    (True, 2.0, array([10., 10.]))
    >>> products_apart(w) is None
    True
    """
    if len(weight.shape) != 2 or not any(map(_is_narrow, weight.parts())):
        return None
    rest, products = _apart(weight, {})
    return Apart(rest, products) if products else None


#: What a matrix is the sum of: one that is read as it is, or None, and products.
_Sum = tuple[Recipe | None, tuple[Product, ...]]


def _apart(weight: Recipe, known: dict[int, _Sum]) -> _Sum:
    """Return what a matrix is the sum of; each part that it is made of is looked at once."""
    if id(weight) not in known:
        found = _taken_apart(weight, known)
        few = 0 < len(found[1]) <= _MOST_PRODUCTS
        known[id(weight)] = found if few else (weight, ())
    return known[id(weight)]


def _taken_apart(weight: Recipe, known: dict[int, _Sum]) -> _Sum:
    if _is_narrow(weight):
        return None, (Product(1.0, *weight.args),)
    if weight.op == "negative":
        return _scaled(_apart(weight.args[0], known), -1.0)
    if weight.op == "transpose":
        rest, products = _apart(weight.args[0], known)
        rest = None if rest is None else rest.transpose((1, 0))
        return rest, tuple(product.transposed() for product in products)
    if weight.op in ("add", "subtract") and all(a.shape == weight.shape for a in weight.args):
        one, other = (_apart(arg, known) for arg in weight.args)
        return _added(one, _scaled(other, 1.0 if weight.op == "add" else -1.0))
    for value, number in (weight.args, weight.args[::-1]) if weight.op == "multiply" else ():
        if number.value is not None and number.value.size == 1 and value.shape == weight.shape:
            return _scaled(_apart(value, known), float(number.value.reshape(())))
    return weight, ()


def _scaled(found: _Sum, factor: float) -> _Sum:
    rest, products = found
    if factor == 1.0:
        return found
    scaled = tuple(product._replace(factor=product.factor * factor) for product in products)
    return None if rest is None else rest * factor, scaled


def _added(one: _Sum, other: _Sum) -> _Sum:
    rests = [rest for rest, _ in (one, other) if rest is not None]
    rest = rests[0] + rests[1] if len(rests) > 1 else next(iter(rests), None)
    return rest, one[1] + other[1]


def _is_narrow(product: Expression) -> bool:
    """Whether something is a product of two matrices that are much smaller than it is."""
    if product.op != "matmul" or len(product.shape) != 2:
        return False
    n, m = product.shape
    return _NARROW * product.args[0].shape[1] * (n + m) <= n * m


def _times(matrix: Recipe, x: Values) -> Values:
    """Return a matrix times columns, some rows of it at a time."""
    parts = [matrix.read(0, *rows) @ x for rows in matrix.chunks()]
    return np.concatenate(parts) if parts else np.zeros((matrix.shape[0], *x.shape[1:]))
