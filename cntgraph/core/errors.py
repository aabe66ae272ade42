"""The errors a caller of cntgraph can meet, all children of `CntGraphError`.

Every message says what was expected, what came, and what to do about it.
"""

from __future__ import annotations

import importlib
from types import ModuleType


class CntGraphError(Exception):
    """Base class of every error that cntgraph raises on purpose."""


class FormatError(CntGraphError, ValueError):
    """A file or an object is not what its suffix or its caller says it is."""


class ArgumentError(CntGraphError, TypeError):
    """A function was given something of another kind; the message says what to do with it."""


class UnknownNameError(CntGraphError, KeyError):
    """Nothing is called so; the message lists the names."""

    __str__ = Exception.__str__  # KeyError's quotes the message


class OutOfRangeError(CntGraphError, IndexError):
    """There are fewer; the message says how many."""


class UnsafeFileError(FormatError):
    """A file could only be read by running code that it contains; it was not read."""


class StoreError(CntGraphError, OSError):
    """A cntgraph HDF5 file is damaged, locked, or written by a newer version."""


class UnfinishedAppendError(StoreError):
    """An append is kept in the journal beside the file, and not yet in the file itself.

    What was appended is there for all who read: it must not be appended again.
    """


class InputShapeError(CntGraphError, ValueError):
    """The size of the network's input is missing, or does not fit the network."""


class TraceError(CntGraphError, RuntimeError):
    """The model could not be followed from its input to its output."""


class CoverageError(CntGraphError, ValueError):
    """`strict=True` was asked for, and a parameter or an operation was left out of the graph."""


class ParameterError(CntGraphError, ValueError):
    """A stored tensor is missing, or its shape or type is not the one that was announced."""


class GraphSizeError(CntGraphError, MemoryError):
    """The explicit graph would be larger than the limit; the message carries the estimate."""


class NoCopiesError(CntGraphError, NotImplementedError):
    """Nothing says what many copies of a kind of block are: they are measured one by one."""


class SignedWeightError(CntGraphError, ValueError):
    """The measure is defined for weights that are not negative; `sign=` says what to take."""


class NonFiniteWeightError(CntGraphError, ValueError):
    """A weight is NaN or infinite, and the measure would be so everywhere."""


class UndefinedMeasureError(CntGraphError, ValueError):
    """The measure is not defined on such a graph; the message says why and what to use."""


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


class MissingExtraError(CntGraphError, ImportError):
    """An optional dependency is not installed; the message names the extra to install."""


class CoverageWarning(UserWarning):
    """Part of a model was left out of the graph; `net.coverage` says which part and why."""


class SinkWarning(UserWarning):
    """A tool that shows a training failed; what was recorded is in the recorder's file."""


def require(module: str, extra: str, *, needed_for: str, package: str = "") -> ModuleType:
    """Import an optional dependency, or say which extra provides it.

    Parameters
    ----------
    module : str
        Name of the module to import, such as ``"onnx"``, or of the package's own one for it.
    extra : str
        Name of the extra of cntgraph that installs it.
    needed_for : str
        What the module is needed for, as the beginning of the message.
    package : str, optional
        What is to be installed besides, which no extra brings.

    Returns
    -------
    module
        The imported module.

    Raises
    ------
    MissingExtraError
        If the module is not installed.

    Examples
    --------
    >>> require("json", "all", needed_for="Reading JSON").__name__
    'json'
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        name = (error.name or module.removeprefix("cntgraph.adapters.")).partition(".")[0]
        if name == "cntgraph":
            raise
        wanted = f"{package} 'cntgraph[{extra}]'".lstrip()
        raise MissingExtraError(
            f"{needed_for} needs {name}: pip install {wanted} ({error})"
        ) from error
