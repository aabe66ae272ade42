"""Recorder: append a snapshot of a model in training to a file, so that it cannot be lost."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from cntgraph.adapters.base import Norm
from cntgraph.adapters.registry import adapter_of, load
from cntgraph.errors import StoreError
from cntgraph.network import Network
from cntgraph.store.description import describe_network
from cntgraph.store.journal import append
from cntgraph.store.reader import StoreFile
from cntgraph.store.writer import check_labels, write_snapshot, write_topology


class Recorder:
    """Records a model during its training: call it whenever a snapshot is wanted.

    The model is traced once; each call reads its parameters and appends them. When a call has
    returned, the snapshot survives a killed process. An existing file of the same network is
    resumed.

    Parameters
    ----------
    path : path-like
        The file (``.h5``).
    model : object
        A live model of a framework that has an adapter.
    example_input : array or tuple of arrays, optional
        What the model is called with, batch dimension included.
    input_shape : tuple of int, optional
        Instead: the shape of one sample.
    norm : {"fold", "keep"}, default "fold"
        As in `load`.
    compression : int, optional
        Level of gzip, 1 to 9; by default tensors are not compressed.

    Raises
    ------
    StoreError
        If the file exists and holds another network.

    Examples
    --------
    >>> with Recorder("run.h5", model, example_input) as record:  # doctest: +SKIP
    ...     for epoch in range(10):
    ...         train(model)
    ...         record(epoch=epoch, accuracy=evaluate(model))
    """

    def __init__(
        self,
        path: str | PathLike[str],
        model: Any,
        example_input: Any = None,
        *,
        input_shape: tuple[int, ...] | None = None,
        norm: Norm = "fold",
        compression: int | None = None,
    ) -> None:
        self.path, self.model, self.compression = Path(path), model, compression
        self._adapter = adapter_of(model)
        self.net: Network = load(
            model, input_shape=input_shape, example_input=example_input, norm=norm
        )
        if self.path.exists():
            self._check_same_network()

    def __call__(
        self, step: int | None = None, epoch: float | None = None, **labels: float | str | bool
    ) -> int:
        """Append the model's present parameters, and return the number of the snapshot.

        Parameters
        ----------
        step : int, optional
            Number of optimizer steps so far.
        epoch : float, optional
            Number of epochs so far.
        **labels : int, float, str or bool
            Whatever else is known: ``accuracy=0.97``.

        Returns
        -------
        int
        """
        checked = check_labels({"step": step, "epoch": epoch, **labels})
        present = self._adapter.parameters(self.model)
        # Constants of the traced program do not change; they are recorded along.
        parameters = {name: present.get(name, p) for name, p in self.net.parameters.items()}
        with append(self.path) as file:
            if "network" not in file:
                write_topology(file, self.net)
            return write_snapshot(file, parameters, checked, compression=self.compression)

    def _check_same_network(self) -> None:
        store = StoreFile(self.path)
        try:
            found = store.description
            expected: Mapping[str, Any] = describe_network(self.net)[0]
            different = [key for key in expected if expected[key] != found.get(key)]
        finally:
            store.close()
        if different:
            raise StoreError(
                f"{self.path} holds another network (its {' and '.join(different)} differ); "
                "record into another file, or remove this one"
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave: every call has already finished its snapshot."""
