"""A model in three shards, and the index that says what is where."""

import json

import numpy as np
from oracles import mutate
from oracles.weight_files import random_bits, safetensors_bytes

SUFFIX = ".safetensors.index.json"


def samples(folder):
    """Write the shards into a folder; return the index as in `weight_files.samples`."""
    bits, places = random_bits("F32", (3, 4), np.random.default_rng(0)), {}
    for k in range(3):
        name = f"model-{k + 1:05}-of-00003.safetensors"
        (folder / name).write_bytes(safetensors_bytes({f"{k}.weight": ("F32", bits)}))
        places[f"{k}.weight"] = name
    data = json.dumps({"metadata": {"total_size": 144}, "weight_map": places}).encode()
    return {"index": (SUFFIX, data, mutate.json_text, {})}
