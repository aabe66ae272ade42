"""Recorder: append a snapshot of a model in training to a file, so that it cannot be lost."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from cntgraph.adapters.builder import Norm
from cntgraph.adapters.registry import adapter_of, load
from cntgraph.errors import StoreError
from cntgraph.network import Network
from cntgraph.parameter import Parameter
from cntgraph.store.description import differences
from cntgraph.store.hdf5 import append
from cntgraph.store.journal import recover
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
        If the file exists and holds another network, or another writer is at work on it.

    Examples
    --------
    >>> import tempfile, torch, cntgraph as cg
    >>> model = torch.nn.Linear(3, 2)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with cg.Recorder(f"{folder}/run.h5", model, input_shape=(3,)) as record:
    ...         for epoch in range(3):
    ...             _ = record(epoch=epoch, accuracy=0.5)
    ...     with cg.open(f"{folder}/run.h5") as trajectory:
    ...         len(trajectory)
    3
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
        # Whatever the tracer made besides (constants of the program) does not change.
        self._live = self._adapter.parameters(model).keys() & self.net.parameters.keys()
        recover(self.path)
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

        Raises
        ------
        StoreError
            If the model's parameters are no longer those it was traced with, a label is of
            another type, or the disk refuses. The file is then as it was.
        """
        checked = check_labels({"step": step, "epoch": epoch, **labels})
        parameters = self._present_parameters()
        with append(self.path) as file:
            if "network" not in file:
                write_topology(file, self.net)
            return write_snapshot(file, parameters, checked, compression=self.compression)

    def _present_parameters(self) -> dict[str, Parameter]:
        present = self._adapter.parameters(self.model)
        for name in self._live:
            traced, now = self.net.parameters[name], present.get(name)
            if now is None or (now.shape, now.dtype) != (traced.shape, traced.dtype):
                found = "is gone" if now is None else f"is {now.dtype} of shape {now.shape}"
                raise StoreError(
                    f"{self.path}: the model was changed: its parameter {name!r}, {traced.dtype} "
                    f"of shape {traced.shape} when the Recorder was made, {found}; record it into "
                    "another file with a new Recorder"
                )
        return {
            name: present[name] if name in self._live else p
            for name, p in self.net.parameters.items()
        }

    def _check_same_network(self) -> None:
        store = StoreFile(self.path)
        try:
            different = differences(self.net, store.network())
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
