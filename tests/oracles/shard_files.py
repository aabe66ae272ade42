"""A model in shards of safetensors or of PyTorch, and the index that says what is where."""

import json

import numpy as np
from oracles import mutate
from oracles.weight_files import random_bits, safetensors_bytes


def samples(folder):
    """Write the shards into a folder; return the indices as in `weight_files.samples`."""
    import torch

    bits, places = random_bits("F32", (3, 4), np.random.default_rng(0)), {}
    for k in range(3):
        name = f"model-{k + 1:05}-of-00003"
        (folder / f"{name}.safetensors").write_bytes(
            safetensors_bytes({f"{k}.weight": ("F32", bits)})
        )
        torch.save({f"{k}.weight": torch.from_numpy(bits)}, folder / f"{name}.bin")
        places[f"{k}.weight"] = name
    return {
        f"index{suffix}": (f"{suffix}.index.json", _index(places, suffix), mutate.json_text, {})
        for suffix in (".safetensors", ".bin")
    }


def _index(places, suffix):
    listed = {tensor: f"{name}{suffix}" for tensor, name in places.items()}
    return json.dumps({"metadata": {"total_size": 144}, "weight_map": listed}).encode()
