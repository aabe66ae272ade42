"""ConvergenceError: an iteration that did not come to rest."""

from __future__ import annotations

from cntgraph.core.errors import CntGraphError


class ConvergenceError(CntGraphError, ArithmeticError):
    """An iteration did not come to rest; the message says how far it was and what to do.

    Parameters
    ----------
    noun : str
        What was iterated.
    max_iter : int
        How many iterations it was given.
    residual : float
        How much the last one still changed, relative to the whole.
    advice : str
        What to do about it.

    Examples
    --------
    >>> print(ConvergenceError("PageRank", 10, 0.5, "raise max_iter"))
    PageRank did not converge in 10 iterations: the last one changed it by 0.5; raise max_iter
    """

    def __init__(self, noun: str, max_iter: int, residual: float, advice: str) -> None:
        super().__init__(
            f"{noun} did not converge in {max_iter:,} iterations: the last one changed it by "
            f"{residual:.3g}; {advice}"
        )
        self.residual = residual
