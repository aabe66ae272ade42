"""Packed weights as other libraries have written them, and the values that they then have.

`packed_by_libraries.zip` holds small files, each with the tensors of one weight and ``expected``,
what the library of its format makes of them: AutoGPTQ 0.8 and AutoAWQ 0.2 (what their layers pack
and run on), compressed-tensors 0.20, bitsandbytes 0.50, MLX 0.32 and, for MXFP4 as in gpt-oss,
transformers 5. Most of these need compilers or graphics cards to be installed.
"""

import json
import zipfile
from pathlib import Path

import numpy as np
from oracles import mutate

ARCHIVE = Path(__file__).with_name("packed_by_libraries.zip")


def cases():
    """Return, by name: the bytes of a file, the settings beside it, the values of its weight."""
    found = {}
    with zipfile.ZipFile(ARCHIVE) as archive:
        for member in archive.namelist():
            data = archive.read(member)
            header, body = split(data)
            settings = header.pop("__metadata__", {}).get("config")
            expected = header.pop("expected")
            first, stop = expected["data_offsets"]
            values = np.frombuffer(body[first:stop], np.float32).reshape(expected["shape"])
            name = member.removesuffix(".safetensors")
            found[name] = _without(header, body, first, stop), settings, values
    return found


def split(data):
    """Return the header of a safetensors file, and what follows it."""
    length = int.from_bytes(data[:8], "little")
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def joined(header, body):
    """Return the file of a header and a body."""
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + body


def _without(header, body, first, stop):
    """Return a file without one of its tensors."""
    for entry in header.values():
        moved = stop - first if entry["data_offsets"][0] >= stop else 0
        entry["data_offsets"] = [place - moved for place in entry["data_offsets"]]
    return joined(header, body[:first] + body[stop:])


def samples(folder):
    """Return the files as in `weight_files.samples`; the settings lie in the folder."""
    settings = {"quantization": {"bits": 4, "group_size": 32}}
    (folder / "config.json").write_text(json.dumps(settings))
    others = {f"mlx_{kind}" for kind in (2, 3, 5, 6, 8, "mxfp4", "nvfp4")}
    files = {name: data for name, (data, _, _) in cases().items() if name not in others}
    return {name: (".safetensors", data, mutate.safetensors, {}) for name, data in files.items()}
