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
def find_chosen(indptr, indices, values, sign, chosen):
    """Find the largest candidate of each target; of equal ones the first in the order of rows.

    Parameters
    ----------
    indptr, indices : ndarray of int, shapes (n_rows + 1,), (n_edges,)
        The edges from candidates to targets, as a CSR matrix.
    values : ndarray of float64, shape (n_rows, n_samples)
    sign : float
        1.0; -1.0 for the smallest candidate.
    chosen : ndarray of int, shape (n_columns, n_samples)
        Filled with rows; -1 where there is no candidate.
    """
    chosen[:] = -1
    for i in range(len(indptr) - 1):
        for e in range(indptr[i], indptr[i + 1]):
            j = indices[e]
            for k in range(values.shape[1]):
                before = chosen[j, k]
                if before < 0 or sign * values[i, k] > sign * values[before, k]:
                    chosen[j, k] = i


@njit(cache=True, nogil=True)
def add_chosen(indptr, indices, first, last, values, chosen, right, total):
    """Add Σ values[i] · right[j] over the samples in which row i is chosen[j].

    As `add_products`, for edges that carry a value only where their candidate is chosen.
    """
    for i in range(first, last):
        for e in range(indptr[i], indptr[i + 1]):
            j = indices[e]
            found = 0.0
            for k in range(values.shape[1]):
                if chosen[j, k] == i:
                    found += values[i, k] * right[j, k]
            total[e] += found
