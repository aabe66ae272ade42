"""Models that are folders: updates of PEFT, and checkpoints of torch.distributed and of orbax.

A file that begins with a folder's name is read by loading that folder, in which the others lie.
"""

import json
import zipfile
from pathlib import Path

import numpy as np
from oracles import mutate
from oracles.weight_files import safetensors_bytes

ARCHIVE = Path(__file__).with_name("fsdp_checkpoint.zip")
_ADAPTER = ("adapter_config.json", "adapter_model.safetensors")
_CHECKPOINT = (".metadata", "__0_0.distcp", "__1_0.distcp")
_ORBAX = ("_METADATA", "manifest.ocdbt")


def samples(folder):
    """Write sound folders, one for each file; return the files as in `weight_files.samples`."""
    structured = {
        _ADAPTER[0]: mutate.json_text,
        _ADAPTER[1]: mutate.safetensors,
        _ORBAX[0]: mutate.json_text,
    }
    kinds = {
        "orbax": (by_orbax(folder / "sound"), _ORBAX, {}),
        "lora": (adapter(), _ADAPTER, {}),
        "base": (adapter(), _ADAPTER, {"base": {"fc.weight": np.ones((4, 6), np.float32)}}),
        "dcp": (checkpoint(), _CHECKPOINT, {}),
    }
    found = {}
    for kind, (files, damaged, options) in kinds.items():
        for k, name in enumerate(damaged):
            whole = folder / f"{kind}{k}"
            whole.mkdir()
            for other, data in files.items():
                (whole / other).parent.mkdir(exist_ok=True, parents=True)
                (whole / other).write_bytes(data)
            sample = f"{whole.name}/{name}", files[name], structured.get(name), options
            found[f"{'lora' if kind == 'base' else kind}_{kind}_{name}"] = sample
    return found


def adapter():
    """Return the files of an update of one weight."""
    rng = np.random.default_rng(0)
    config = {"peft_type": "LORA", "r": 2, "lora_alpha": 6, "target_modules": ["fc"],
              "rank_pattern": {}, "alpha_pattern": {"fc": 8}, "fan_in_fan_out": False}  # fmt: skip
    name = "base_model.model.fc.lora_{}.weight"
    tensors = {name.format("A"): (2, 6), name.format("B"): (4, 2)}
    stored = {
        key: ("F32", rng.standard_normal(shape, np.float32)) for key, shape in tensors.items()
    }
    return {_ADAPTER[0]: json.dumps(config).encode(), _ADAPTER[1]: safetensors_bytes(stored)}


def by_orbax(folder):
    """Return the files of the state of a training."""
    import orbax.checkpoint as ocp

    rng = np.random.default_rng(0)
    params = {f"fc{k}": {"kernel": rng.normal(size=(4, 6)), "bias": np.ones(6)} for k in range(3)}
    with ocp.Checkpointer(ocp.PyTreeCheckpointHandler()) as checkpointer:
        tree = {"params": params, "opt_state": [np.ones(3), None], "step": 7}
        checkpointer.save(folder, args=ocp.args.PyTreeSave(tree))
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def checkpoint():
    """Return the files of a checkpoint that two processes have written."""
    with zipfile.ZipFile(ARCHIVE) as archive:
        return {name: archive.read(name) for name in _CHECKPOINT}
