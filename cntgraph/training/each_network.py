"""EachNetwork: whole-network measures of each of several networks, in one table."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np

from cntgraph.core.table_html import unfolding_table

if TYPE_CHECKING:
    import pandas as pd


class EachNetwork(ABC):
    """Several networks, of each of which more can be measured than `analyze` does.

    All methods return a table whose index begins with the number of a network in the labels, so
    that ``table.join(labels)`` puts both together. Many networks of one topology are measured at a
    time, where `analyze` does so, too.
    """

    @property
    @abstractmethod
    def labels(self) -> pd.DataFrame:
        """One row per network: what is known of it."""

    def _repr_html_(self) -> str:
        from cntgraph.core.table import frame_columns

        return unfolding_table(repr(self), frame_columns(self.labels))

    @abstractmethod
    def _each(self, measure: str, show_progress: bool, options: dict[str, Any]) -> pd.DataFrame:
        """Return a measure of every network (see `each_measures`)."""

    def relative_fluctuation(self, *, show_progress: bool = True, **options: Any) -> pd.DataFrame:
        """Return `relative_fluctuation` of every network.

        Parameters
        ----------
        show_progress : bool, default True
            Whether to show a progress bar on a terminal.
        **options
            As for `relative_fluctuation`; of a population, ``client`` is as in `Population`.

        Returns
        -------
        pandas.DataFrame of float64
            One row per network (or snapshot), one column per layer.

        Raises
        ------
        CntGraphError
            If no network can be read.

        Examples
        --------
        >>> import cntgraph as cg
        >>> with cg.open(cg.demo_file("training")) as training:
        ...     training[::5].relative_fluctuation()["conv1"].round(2).tolist()
        [0.9, 0.71, 0.63, 0.58]
        """
        return self._each("relative_fluctuation", show_progress, options)

    def weight_statistics(self, *, show_progress: bool = True, **options: Any) -> pd.DataFrame:
        """Return `weight_statistics` of every network.

        Parameters
        ----------
        show_progress : bool, default True
            Whether to show a progress bar on a terminal.
        **options
            Of a population, ``client``, as in `Population`.

        Returns
        -------
        pandas.DataFrame of float64
            One row per network (or snapshot), the columns of `weight_statistics`: what
            `predict_accuracy` takes as ``weights=``.

        Raises
        ------
        CntGraphError
            If no network can be read.
        """
        return self._each("weight_statistics", show_progress, options)

    def weight_spectra(
        self, *, rng: int | np.random.Generator = 0, show_progress: bool = True, **options: Any
    ) -> pd.DataFrame:
        """Return `weight_spectra` of every network.

        Parameters
        ----------
        rng : int or numpy.random.Generator, default 0
            The seed with which each network is shuffled for ``n_traps``, or what draws it.
        show_progress : bool, default True
            Whether to show a progress bar on a terminal.
        **options
            As for `weight_spectra`; of a population, ``client``, as in `Population`.

        Returns
        -------
        pandas.DataFrame
            One row per network (or snapshot) and block, indexed by both; the columns of
            `weight_spectra`. Counts are float64, too: what is measured is NaN where a weight of the
            block is not finite.

        Raises
        ------
        CntGraphError
            If no network can be read.
        """
        seed = int(rng.integers(2**63)) if isinstance(rng, np.random.Generator) else rng
        return self._each("weight_spectra", show_progress, options | {"rng": seed})
