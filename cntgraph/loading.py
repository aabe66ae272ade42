"""load: a network from wherever it is, a live model, a framework's file, or cntgraph's own."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any

from cntgraph.adapters import registry
from cntgraph.adapters.builder import Norm, Zeros
from cntgraph.adapters.huggingface.hub import is_address, local_folder
from cntgraph.adapters.options import Options
from cntgraph.core.errors import FormatError
from cntgraph.network.network import Network


def load(
    source: Any,
    *,
    input_shape: tuple[int, ...] | None = None,
    example_input: Any = None,
    norm: Norm = "fold",
    unroll: int | None = None,
    strict: bool = False,
    batched: bool = True,
    zeros: Zeros = "pruned",
    **options: Any,
) -> Network:
    """Turn a trained network, live or saved, into a `Network`.

    Parameters
    ----------
    source : str, Path or model object
        A live model, or a file: cntgraph's own ``.h5``, ``.pt2``, ``.onnx``, ``.keras``, Keras's
        ``.h5``; or weights alone, which have no graph: ``.pt``, ``.pth``, ``.ckpt``, ``.bin``,
        ``.safetensors`` (of these two also a folder of shards, or of PEFT), a folder of
        ``torch.distributed.checkpoint`` or of orbax, ``.gguf``, ``.npz``, ``.npy``, a state
        dict, a dict or a list of arrays; packed ones (GPTQ, AWQ, bitsandbytes, MLX, …) are unpacked
        where they are read. Each weight is then a block of its own, from a layer
        ``name.in`` to a layer ``name``; a list in the order of Keras's ``get_weights()`` is a
        chain of layers. A folder of Hugging Face is the graph that its ``config.json`` describes,
        if transformers, timm or diffusers is installed, its weights read when needed;
        ``hf://org/name``, perhaps with ``@revision``, is that folder in the local cache.
    input_shape : tuple of int, optional
        Shape of one sample, channels first, without the batch dimension. Needed for a live
        model unless `example_input` is given. Of a folder of Hugging Face it is that of the main
        input, ``(n_tokens,)`` or that of an image; by default one token, or an image of the size
        that is configured.
    example_input : array, tuple of arrays, or dict of them by name, optional
        What the model is called with, batch dimension included; by name for PyTorch and ONNX.
    norm : {"fold", "keep"}, default "fold"
        Whether batch norms are folded into the operation they follow, or kept as layers.
    unroll : int, optional
        Unroll recurrent layers over that many time steps, which the input must have. By default
        they are loops: the nodes of all time steps are one.
    strict : bool, default False
        Raise, rather than warn, where a parameter or an operation is left out.
    batched : bool, default True
        Whether the first axis of the inputs holds samples. False for what has no such axis, as
        the nodes of a graph: nothing is cut to one sample, and inputs of whole numbers
        (``edge_index``) are constants, with the values of `example_input`. Keras always has one.
    zeros : {"pruned", "edges"}, default "pruned"
        What a weight is that is pruned: one that a mask of zeros and ones takes out, which is no
        trained parameter (`torch.nn.utils.prune`), or that a sparse tensor does not store. No edge,
        or with ``"edges"`` an edge of weight zero, as is any other weight that happens to be zero.
    **options
        What only one kind of source takes: ``params`` for a function of JAX; ``model``, the
        PyTorch module to which the weights of a checkpoint, a state dict or safetensors belong,
        for its graph with these weights; ``description`` of the layers of a list of arrays, or
        ``"separate"``, for which each weight is a block of its own, whatever a folder's
        ``config.json`` says; ``download=True``, which fetches what of ``hf://org/name`` is not in
        the local cache;
        ``layout``, the order of the axes of kernels without a graph (``"OHWI"``, as MLX has it);
        ``base``, the model that a folder of PEFT's LoRA updates: a `Network`, or what is loaded as
        one, with these options. Without it the folder is a network of the updates.

    Returns
    -------
    Network
        Its `coverage` says what became of every parameter.

    Raises
    ------
    FormatError
        If the file is damaged, or of no known kind.
    UnsafeFileError
        If it could only be read by running code that it contains.
    InputShapeError
        If the size of the input is needed and missing.
    TraceError
        If the model cannot be followed.
    CoverageError
        If `strict` and something is left out.
    MissingExtraError
        If the framework that reads it is not installed.

    Examples
    --------
    >>> import cntgraph as cg
    >>> cg.load(cg.demo_file("training"))
    <Network: 7 layers, 6 blocks, 1,066 nodes, 19,808 edges, 3,706 parameters>

    A live model, and files of frameworks::

        cg.load(model, input_shape=(1, 28, 28))
        cg.load("model.pt2")
        cg.load("model.onnx")

    Folders of Hugging Face: a text of one token, and of 128; the weights alone::

        cg.load("hf://org/name")
        cg.load("folder/", input_shape=(128,))
        cg.load("folder/", description="separate")

    Weights alone, and in the graph of a module, which is not changed::

        cg.load("weights.safetensors")
        cg.load("last.ckpt", model=Net(), input_shape=(1, 28, 28))
        cg.load("lora/", base="folder/")
        cg.load(keras_model.get_weights(), input_shape=(1, 28, 28),
                description=[{"kind": "conv", "activation": "relu", "pool": {"size": 2}}, "dense"])
    """
    shared = Options(input_shape=input_shape, example_input=example_input, norm=norm,
                     unroll=unroll, strict=strict, batched=batched, zeros=zeros)  # fmt: skip
    if options.get("base") is not None and not isinstance(options["base"], Network):
        own = {"model": options.pop("model")} if "model" in options else {}
        options["base"] = load(options["base"], **vars(shared), **own)
        shared = Options(strict=strict)
    source = located(source, download=options.pop("download", False))
    if isinstance(source, str | PathLike):
        source = Path(source)
        if not source.exists():
            raise FormatError(f"{source}: expected a file, found nothing")
        if is_own_file(source):
            from cntgraph.store.reader import read_network

            if options or (norm, zeros) != ("fold", "pruned") or any(
                given is not None for given in (input_shape, example_input, unroll)
            ):  # fmt: skip
                raise FormatError(
                    f"{source}: a file of cntgraph's own has its graph; leave out what says how "
                    "to load a model (input_shape, example_input, norm, unroll and the like)"
                )

            return read_network(source)
    return registry.load(source, **vars(shared), **options)


def located(source: Any, *, download: bool = False) -> Any:
    """Return where a source is: of an address of the Hugging Face Hub, the folder in its cache.

    Parameters
    ----------
    source : object
        As of `load`; whatever is no address stays as it is.
    download : bool, default False
        Whether the files of an address may be fetched.
    """
    if is_address(source):
        return local_folder(source, download=download)
    if download:
        raise FormatError(
            f"download=True is for addresses of the Hugging Face Hub (hf://org/name), got {source}"
        )
    return source


def is_own_file(path: Path) -> bool:
    """Return whether a file is to be read as one of cntgraph's own; it may be damaged.

    Parameters
    ----------
    path : Path

    Returns
    -------
    bool
    """
    return path.suffix.lower() in (".h5", ".hdf5") and not _is_of_keras(path)


def _is_of_keras(path: Path) -> bool:
    """Whether an HDF5 file was written by Keras; any other is expected to be cntgraph's own."""
    if path.name.lower().endswith(".weights.h5"):
        return True
    from cntgraph.store.hdf5 import attribute_names

    return "keras_version" in attribute_names(path)
