"""Recorder: append a snapshot of a model in training to a file, so that it cannot be lost."""

from __future__ import annotations

from collections.abc import Iterable
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Any, Self, get_args

from cntgraph.adapters.builder import Norm
from cntgraph.adapters.callbacks import Framework, Per, callback_for
from cntgraph.adapters.processes import is_first_process
from cntgraph.adapters.registry import adapter_of, load
from cntgraph.core.errors import StoreError
from cntgraph.core.parameter import Parameter
from cntgraph.measures.survey import LayerSurvey, survey_layers
from cntgraph.network.network import Network
from cntgraph.store.labels import check_labels
from cntgraph.training.neurons import check_repeatable, summarize
from cntgraph.training.record_file import Mode, RecordFile, Store
from cntgraph.training.sinks.logged_measures import logged_measures
from cntgraph.training.sinks.open_sinks import OpenSinks


class Recorder:
    """Records a model during its training: call it whenever a snapshot is wanted.

    The model is traced once; each call reads its parameters and appends them, or what was
    measured on them. When a call has returned, the snapshot survives a killed process.

    Parameters
    ----------
    path : path-like
        The file (``.h5``).
    model : object
        A live model of a framework that has an adapter; a compiled one is recorded like the one
        that it was compiled from.
    example_input : array or tuple of arrays, optional
        What the model is called with, batch dimension included.
    input_shape : tuple of int, optional
        Instead: the shape of one sample.
    norm : {"fold", "keep"}, default "fold"
        As in `load`.
    compression : int, optional
        Level of gzip, 1 to 9; by default tensors are not compressed. A file that is resumed
        stays as it was begun.
    store : {"parameters", "measures", "both"}, default "parameters"
        What a snapshot has. Measures are the columns of `analyze` and, of every layer, histograms
        of its nodes' strengths and of its link weights, in bins that the first snapshot decides
        (`cntgraph.store`'s FORMAT.md): enough for a trajectory's tables, densities and
        divergences, in a few kilobytes a layer. They are found in one pass over the weights.
    inputs : array, tuple of arrays, list of batches, data loader, or callable, optional
        Data that run through the model at every snapshot, in evaluation mode: what its neurons
        receive and emit (`neuron_strength`, `neuron_activation`) is recorded beside it, 96 bytes
        per neuron. The model is traced again each time.
    mode : {"error", "resume", "overwrite"}, default "error"
        What becomes of a file that is there already: it is refused, so that no two trainings are
        mixed; or its snapshots are followed by those of the same network; or it is removed.
    every : int, default 1
        Of the optimizer steps or epochs that `attach` and `callback` see, each how many-th is
        recorded. A call always records.
    sinks : list of str or object, optional
        Where the measures of each snapshot are shown besides, whatever `store` is:
        ``"tensorboard"`` (in the folder ``run.tensorboard`` beside ``run.h5``), ``"wandb"`` and
        ``"mlflow"`` (in the run that is open, else in a new one); or what is open already: a
        ``SummaryWriter``, a run of wandb or MLflow, a pair of an ``MlflowClient`` and a run's id,
        or any object with the methods of `cntgraph.training.sinks.Sink`. Of the layers that
        `analyze` shows, what it shows are curves (``cntgraph/fluctuation/conv1``), the
        distributions of nodes' strengths and link weights histograms; the axis is the label
        ``step``, else ``epoch``, else the number of the snapshot.

    Raises
    ------
    StoreError
        If the file exists and `mode` is "error"; if the one to be resumed holds another network or
        another kind of snapshots; if another writer is at work on it.
    CntGraphError
        If there is no such sink, its package is not installed, or it cannot be begun.

    Notes
    -----
    A snapshot is in the file before any sink sees it. A sink that fails later ends no training: a
    `SinkWarning` says what it missed, and it is tried again at the next snapshot. What was begun
    here is ended by `close`, or at the end of the ``with`` block.

    Of several processes that train one model, only that of rank 0 writes: the rank in
    ``torch.distributed`` if that is initialized, else the environment variable ``RANK``. In the
    others, a call does nothing and returns None.

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
        store: Store = "parameters",
        inputs: Any = None,
        mode: Mode = "error",
        every: int = 1,
        sinks: Iterable[Any] = (),
    ) -> None:
        for name, given, known in (("store", store, Store), ("mode", mode, Mode)):
            if given not in get_args(known):
                raise StoreError(f"expected {name} to be one of {get_args(known)}, got {given!r}")
        if isinstance(every, bool) or not isinstance(every, int) or every < 1:
            raise StoreError(f"expected every to be a positive whole number, got {every!r}")
        self.path, self.model = Path(path), model
        check_repeatable(inputs)
        self.store, self.every, self.inputs = store, every, inputs
        self._adapter = adapter_of(model)
        options = {"input_shape": input_shape, "example_input": example_input, "norm": norm}
        self._options = {name: value for name, value in options.items() if value is not None}
        self.net: Network = load(model, **self._options)
        self._known = frozenset(self._adapter.parameters(model))
        # Whatever the tracer made besides (constants of the program) does not change.
        self._live = self._known & self.net.parameters.keys()
        self._file = RecordFile(self.path, self.net, store, neurons=inputs is not None,
                                compression=compression)  # fmt: skip
        self._sinks: OpenSinks | None = None
        if is_first_process():
            self._file.begin(mode)
            self._sinks = OpenSinks(sinks, self.path, resume=mode == "resume")

    def __call__(
        self, /, step: int | None = None, epoch: float | None = None, **labels: float | str | bool
    ) -> int | None:
        """Append the model's present state, and return the number of the snapshot.

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
        int or None
            None in a process that is not of rank 0: it writes nothing.

        Raises
        ------
        UnfinishedAppendError
            If the disk refuses when the snapshot is complete beside the file already: it is kept,
            and must not be recorded again.
        StoreError
            If the model's parameters are no longer those it was traced with, a label is of
            another type, or the disk refuses. The file is then as it was.
        """
        if not is_first_process():
            return None
        checked = check_labels({"step": step, "epoch": epoch, **labels})
        parameters = self._present_parameters()
        survey = self._survey(parameters) if self._sinks or self.store != "parameters" else None
        neurons = None
        if self.inputs is not None:
            neurons = summarize(self.model, self.inputs, self._options)
        number = self._file.append(parameters, checked, survey, neurons)
        if self._sinks and survey is not None:
            bins = self._file.bins(self.net)
            self._sinks.log_measures(logged_measures(survey, bins, checked, number))
        return number

    def close(self) -> None:
        """End what was begun for sinks; nothing is recorded in them afterwards.

        Every call has finished its snapshot in the file by itself.
        """
        self._close(failed=False)

    def _close(self, *, failed: bool) -> None:
        if self._sinks is not None:
            self._sinks.close(failed=failed)

    def attach(self, optimizer: Any, *, step: int | None = None) -> Any:
        """Record after each `every`-th step of a PyTorch optimizer.

        Parameters
        ----------
        optimizer : torch.optim.Optimizer
            It is given a hook that is called after each of its steps.
        step : int, optional
            How many steps were taken before; by default the label ``step`` of the last snapshot
            in the file, which is resumed, or 0.

        Returns
        -------
        handle
            Its method ``remove()`` ends the recording.

        Raises
        ------
        StoreError
            If `optimizer` takes no such hook.

        Examples
        --------
        >>> import tempfile, torch, cntgraph as cg
        >>> model = torch.nn.Linear(3, 2)
        >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     record = cg.Recorder(f"{folder}/run.h5", model, input_shape=(3,), every=2)
        ...     handle = record.attach(optimizer)
        ...     for _ in range(5):
        ...         model(torch.ones(1, 3)).sum().backward()
        ...         optimizer.step()
        ...     with cg.open(f"{folder}/run.h5") as trajectory:
        ...         trajectory.labels["step"].tolist()
        [2, 4]
        """
        if not hasattr(optimizer, "register_step_post_hook"):
            raise StoreError(
                f"expected an optimizer of PyTorch 2, got {type(optimizer).__name__}; call the "
                "recorder after each step, or use its callback()"
            )
        count = self._file.last_step() if step is None else step

        def hook(*_: Any) -> None:
            nonlocal count
            count += 1
            if count % self.every == 0:
                self(step=count)

        return optimizer.register_step_post_hook(hook)

    def callback(self, framework: Framework, *, per: Per = "step") -> Any:
        """Return a callback that records while a framework trains the model.

        Its snapshots are labeled with the step, the epoch, and those metrics that are plain
        numbers.

        Parameters
        ----------
        framework : {"lightning", "keras", "transformers"}
            Of which a callback is wanted: for ``lightning.Trainer(callbacks=…)``,
            ``model.fit(callbacks=…)`` or ``transformers.Trainer(callbacks=…)``.
        per : {"step", "epoch"}, default "step"
            Whether each `every`-th optimizer step is recorded, or each `every`-th epoch.

        Returns
        -------
        object

        Raises
        ------
        CntGraphError
            If there is no such callback, or the framework is not installed.
        """
        return callback_for(framework, self, per=per)

    def _present_parameters(self) -> dict[str, Parameter]:
        present = self._adapter.parameters(self.model)
        for name in self._live:
            traced, now = self.net.parameters[name], present.get(name)
            if now is None or (now.shape, now.dtype) != (traced.shape, traced.dtype):
                found = "is gone" if now is None else f"is {now.dtype} of shape {now.shape}"
                raise self._changed(
                    f"its parameter {name!r}, {traced.dtype} of shape {traced.shape} when the "
                    f"Recorder was made, {found}"
                )
        gained = [name for name in present.keys() - self._known if present[name].trainable]
        if gained:
            raise self._changed(f"it has gained parameters, such as {min(gained)!r}")
        return {
            name: present[name] if name in self._live else p
            for name, p in self.net.parameters.items()
        }

    def _changed(self, how: str) -> StoreError:
        return StoreError(
            f"{self.path}: the model was changed: {how}; record it into another file with a new "
            "Recorder"
        )

    def _survey(self, parameters: dict[str, Parameter]) -> LayerSurvey:
        net = self.net.bind(parameters, {})
        return survey_layers(net, self._file.bins(net))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End what was begun for sinks, as failed after an exception."""
        self._close(failed=kind is not None)
