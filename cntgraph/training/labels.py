"""Labels of the networks of a population: where they come from, and bins of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from cntgraph.core.errors import CntGraphError
from cntgraph.core.names import some_of

if TYPE_CHECKING:
    import pandas as pd

    Labels: TypeAlias = pd.DataFrame | Callable[[Path], Mapping[str, Any]] | None

Bins = int | Sequence[float] | None


def free_name(name: str, taken: Collection[str]) -> str:
    """Return a name for a label that is not yet that of another column.

    Examples
    --------
    >>> free_name("accuracy", ["layer"]), free_name("layer", ["layer"])
    ('accuracy', 'label_layer')
    """
    while name in taken:
        name = f"label_{name}"
    return name


def labels_of_files(paths: Sequence[Path], labels: Labels) -> list[dict[str, Any]]:
    """Return what is said of every file.

    Parameters
    ----------
    paths : sequence of Path
    labels : pandas.DataFrame, callable or None
        See `Population.from_files`.

    Returns
    -------
    list of dict
        One a file.

    Raises
    ------
    CntGraphError
        If a table does not name each file once.
    """
    import pandas as pd

    if labels is None:
        return [{} for _ in paths]
    if not isinstance(labels, pd.DataFrame):
        return [dict(labels(path)) for path in paths]
    rows = labels.to_dict("records")
    return [{str(k): v for k, v in rows[n].items()} for n in _rows_of(paths, labels)]


def _rows_of(paths: Sequence[Path], labels: pd.DataFrame) -> list[int]:
    """Return the number of each file's row."""
    entries = [str(entry).removeprefix("./") for entry in labels.index]
    numbers = {entry: number for number, entry in enumerate(entries)}
    if len(numbers) < len(entries):
        twice = [entry for entry in numbers if entries.count(entry) > 1]
        raise CntGraphError(f"expected a row of labels a file, got several of {some_of(twice, 3)}")
    found = [next((name for name in _names(path) if name in numbers), None) for path in paths]
    missing = [str(path) for path, name in zip(paths, found, strict=True) if name is None]
    left_over = [entry for entry in entries if entry not in set(found)]
    if missing or left_over:
        said = [f"no row for {some_of(missing, 3)}"] * bool(missing)
        said += [f"no file for {some_of(left_over, 3)}"] * bool(left_over)
        raise CntGraphError(
            "expected labels whose index has the path, the name or the stem of every file; got "
            + " and ".join(said)
        )
    named: defaultdict[str, list[str]] = defaultdict(list)
    for path, name in zip(paths, found, strict=True):
        named[str(name)].append(str(path))
    for name, several in named.items():
        if len(several) > 1:
            raise CntGraphError(
                f"labels of {name!r} may be of {some_of(several, 3)}; give their paths"
            )
    return [numbers[str(name)] for name in found]


def _names(path: Path) -> list[str]:
    """Return what a file may be called, the longest first: by its path down to its stem."""
    whole = path.absolute()
    ends = ["/".join(whole.parts[k:]) for k in range(1, len(whole.parts))]
    return [name for end in [str(path), whole.as_posix(), *ends]
            for name in (end, end.removesuffix(whole.suffix))]  # fmt: skip


def in_bins(values: pd.Series, bins: Bins) -> pd.Series:
    """Return the bin of every network by its label.

    Parameters
    ----------
    values : pandas.Series
        A label, one value per network.
    bins : int, sequence of float or None
        A number of bins of equal width over the range of the label, or their edges (as
        `pandas.cut` has them: open on the left, except that the first includes its edge). None:
        one bin per value; so it is, too, for labels that are no numbers.

    Returns
    -------
    pandas.Series
        Categorical, with empty bins among the categories; missing where a network is in none.

    Raises
    ------
    CntGraphError
        If the bins are none.

    Examples
    --------
    >>> import pandas as pd
    >>> in_bins(pd.Series([0.0, 0.2, 0.9]), [0, 0.5, 1]).astype(str).tolist()
    ['(-0.001, 0.5]', '(-0.001, 0.5]', '(0.5, 1.0]']
    """
    import pandas as pd
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    numeric = is_numeric_dtype(values.dtype) and not is_bool_dtype(values.dtype)
    if isinstance(values.dtype, pd.CategoricalDtype):
        return values
    if bins is None or not numeric:
        return values.astype("category")
    plain = values.astype(np.float64)
    edges = bins if isinstance(bins, int | np.integer) else list(bins)
    try:
        return pd.cut(plain.where(np.isfinite(plain)), edges, include_lowest=True)
    except (ValueError, TypeError) as error:
        raise CntGraphError(
            f"expected a number of bins, or edges that ascend, for a label that has values; got "
            f"{bins!r} ({error})"
        ) from error


def labels_of_networks(
    own: Sequence[Mapping[str, Any]],
    labels: pd.DataFrame | Mapping[str, Sequence[Any]] | str | PathLike[str] | None,
) -> pd.DataFrame:
    """Return what networks know of themselves, with what is said of them in its place.

    Parameters
    ----------
    own : sequence of mapping
        The labels of each network.
    labels : pandas.DataFrame, mapping, path-like or None
        As in `row_labels`.

    Returns
    -------
    pandas.DataFrame

    Raises
    ------
    CntGraphError
        If there is not one row per network.

    Examples
    --------
    >>> labels_of_networks([{"step": 1}, {"step": 2}], {"seed": [3, 4]}).to_dict("list")
    {'step': [1, 2], 'seed': [3, 4]}
    """
    import pandas as pd

    given = row_labels(labels, len(own))
    known = pd.DataFrame(list(own), index=given.index)
    others = known.drop(columns=[name for name in known.columns if name in given.columns])
    return pd.concat([others, given], axis=1)


def row_labels(
    labels: pd.DataFrame | Mapping[str, Sequence[Any]] | str | PathLike[str] | None, n: int
) -> pd.DataFrame:
    """Return the labels of n networks, a row each, under their numbers.

    Parameters
    ----------
    labels : pandas.DataFrame, mapping of str to sequence, path-like or None
        A table, its columns, or the CSV file of one.
    n : int

    Returns
    -------
    pandas.DataFrame

    Raises
    ------
    CntGraphError
        If there is not one row per network.
    """
    import pandas as pd

    index = pd.RangeIndex(n, name="network")
    if labels is None:
        return pd.DataFrame(index=index)
    table = _as_table(labels)
    if len(table) != n:
        raise CntGraphError(
            f"expected one row of labels for each of {n:,} networks, got {len(table):,}"
        )
    return table.set_axis(index, axis=0).rename(columns=str)


def _as_table(
    labels: pd.DataFrame | Mapping[str, Sequence[Any]] | str | PathLike[str],
) -> pd.DataFrame:
    import pandas as pd

    if isinstance(labels, pd.DataFrame):
        return labels
    if not isinstance(labels, Mapping):
        return _read_labels(labels)
    try:
        return pd.DataFrame({name: list(values) for name, values in labels.items()})
    except (TypeError, ValueError) as error:
        raise CntGraphError(
            f"expected labels as lists of one length each, a value per network; {error}"
        ) from error


def _read_labels(path: str | PathLike[str]) -> pd.DataFrame:
    import pandas as pd

    try:
        return pd.read_csv(path)
    except (ValueError, OSError, EOFError) as error:
        raise CntGraphError(
            f"{path}: expected labels as a CSV file; it cannot be read ({error})"
        ) from error
