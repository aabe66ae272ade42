"""Small files of weights in every format, and what should become of damaged ones."""

import io
import json
import warnings
from collections import OrderedDict

import numpy as np
from oracles import mutate

import cntgraph as cg

_TYPES = {
    "F64": np.float64, "F32": np.float32, "F16": np.float16, "BF16": np.uint16,
    "F8_E4M3": np.uint8, "F8_E5M2": np.uint8, "F8_E8M0": np.uint8, "F8_E4M3FNUZ": np.uint8,
    "F8_E5M2FNUZ": np.uint8, "I64": np.int64, "I32": np.int32, "I16": np.int16, "I8": np.int8,
    "U64": np.uint64, "U32": np.uint32, "U16": np.uint16, "U8": np.uint8, "BOOL": np.bool_,
}  # fmt: skip


def safetensors_bytes(tensors, metadata=None):
    """Write a safetensors file: name -> (type, array of its bits)."""
    header, body = {} if metadata is None else {"__metadata__": metadata}, b""
    for name, (dtype, array) in tensors.items():
        raw = np.ascontiguousarray(array).tobytes()
        place = [len(body), len(body) + len(raw)]
        header[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": place}
        body += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + body


def random_bits(dtype, shape, rng):
    """Bits of finite values of a type of safetensors."""
    kind = np.dtype(_TYPES[dtype])
    if dtype.startswith("F") and kind.kind == "f":
        return rng.normal(size=shape).astype(kind)
    if dtype == "BF16":
        return (rng.normal(size=shape).astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)
    return rng.integers(0, 2 if dtype == "BOOL" else 60, shape).astype(kind)


def state(rng):
    """Weights of a small network by name, as arrays."""
    return {
        "conv.weight": rng.normal(size=(4, 2, 3, 3)).astype(np.float32),
        "conv.bias": rng.normal(size=4).astype(np.float32),
        "norm.weight": rng.normal(size=4),
        "norm.running_mean": rng.normal(size=4),
        "norm.num_batches_tracked": np.array(7),
        "fc.weight": rng.normal(size=(5, 36)).astype(np.float16),
        "fc.bias": rng.normal(size=5).astype(np.float16),
    }


def samples():
    """Return, by name: suffix, bytes, how to damage what they mean, options of `load`."""
    import torch

    rng = np.random.default_rng(0)
    arrays = state(rng)
    typed = {f"{t}.weight": (t, random_bits(t, (6, 8), rng)) for t in _TYPES}
    scale = {"I8.weight_scale": ("F32", random_bits("F32", (6,), rng))}
    tensors = {name: torch.from_numpy(np.array(a)) for name, a in arrays.items()}
    lightning = {"epoch": 3, "global_step": 40, "state_dict": OrderedDict(tensors),
                 "optimizer_states": [{"state": {0: {"exp_avg": torch.zeros(3)}}}]}  # fmt: skip
    chain = [rng.normal(size=s) for s in ((3, 3, 2, 4), (4,), (64, 5), (5,))]
    described = {"description": [{"kind": "conv", "pool": {"size": 2}}, "dense"],
                 "input_shape": (2, 10, 10)}  # fmt: skip
    members = mutate.zipped(only=r"\.npy$")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        layers = torch.nn.Conv2d(2, 3, 3), torch.nn.Flatten(), torch.nn.Linear(12, 2)
        model = torch.nn.Sequential(*layers)
    into = {"model": model, "input_shape": (2, 4, 4)}
    return {
        "safetensors": (".safetensors", safetensors_bytes(typed | scale, {"format": "pt"}),
                        mutate.safetensors, {}),
        "npz": (".npz", saved(np.savez, **arrays), members, {}),
        "npz_compressed": (".npz", saved(np.savez_compressed, **arrays), members, {}),
        "npz_chain": (".npz", saved(np.savez, *chain), members, described),
        "npy": (".npy", saved(np.save, arrays["fc.weight"]), None, {}),
        "pt": (".pt", saved(lambda file: torch.save(tensors, file)),
               mutate.zipped(only=r"data\.pkl|data/\d"), {}),
        "ckpt": (".ckpt", saved(lambda file: torch.save(lightning, file)),
                 mutate.zipped(only=r"data\.pkl"), {}),
        "pt_model": (".pt", saved(lambda file: torch.save(model.state_dict(), file)),
                     mutate.zipped(only=r"data\.pkl|data/\d"), into),
    }  # fmt: skip


def saved(save, *args, **kwargs):
    file = io.BytesIO()
    save(file, *args, **kwargs)
    return file.getvalue()


def outcome(path, **options):
    """Load and analyse a file; return what came of it. Any error but cntgraph's own escapes."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", cg.CoverageWarning)
            net = cg.load(path, **options)
        assert len(cg.analyze(net)) == net.n_layers
        assert len(net.coverage) == len(net.entries)
    except cg.CntGraphError as error:
        return type(error).__name__
    return "loaded"
