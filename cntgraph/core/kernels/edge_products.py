"""Sums over samples of products of the values at both ends of edges."""

from __future__ import annotations

from numba import njit


@njit(cache=True, nogil=True)
def add_products(indptr, indices, first, last, left, right, total):
    """Add Σ left[i] · right[j] over samples to the total of each edge i → j.

    Parameters
    ----------
    indptr, indices : ndarray of int, shapes (n_rows + 1,), (n_edges,)
        The edges, as a CSR matrix.
    first, last : int
        The rows.
    left : ndarray of float64, shape (n_rows, n_samples)
    right : ndarray of float64, shape (n_columns, n_samples)
    total : ndarray of float64, shape (n_edges,)
        Added to in place.
    """
    n_samples = left.shape[1]
    for i in range(first, last):
        for e in range(indptr[i], indptr[i + 1]):
            j = indices[e]
            found = 0.0
            for k in range(n_samples):
                found += left[i, k] * right[j, k]
            total[e] += found


@njit(cache=True, nogil=True)
def add_shifts(indptr, indices, first, last, left, right, factor, total):
    """Add factor · left[i] · right[j] to the total of each edge i → j; see `add_products`."""
    for i in range(first, last):
        for e in range(indptr[i], indptr[i + 1]):
            total[e] += factor * left[i] * right[indices[e]]


@njit(cache=True, nogil=True)
def add_chosen(indptr, indices, first, last, values, chosen, right, total):
    """Add Σ values[i] · right[j] over the samples in which values[i] is chosen[j].

    As `add_products`, for edges that carry a value only where it is the largest candidate.
    """
    for i in range(first, last):
        for e in range(indptr[i], indptr[i + 1]):
            j = indices[e]
            found = 0.0
            for k in range(values.shape[1]):
                if values[i, k] == chosen[j, k]:
                    found += values[i, k] * right[j, k]
            total[e] += found
