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
    return {name: (".safetensors", data, damaged, {}) for name, data in files.items()}


# -- damage ----------------------------------------------------------------------------------------

_ALIKE = {"I32": ["U32", "F32"], "U32": ["I32"], "F32": ["I32", "U32"], "U8": ["I8", "F8_E8M0"],
          "F16": ["BF16", "I16"], "F8_E4M3": ["U8", "F8_E8M0"], "I64": ["U64", "F64"],
          "I8": ["U8"]}  # fmt: skip


def damaged(data, rng):
    """Damage what the tensors say together; each of them is sound."""
    header, body = split(data)
    for _ in range(int(rng.integers(1, 4))):
        mutate.pick(rng, (_reshape, _retype, _forget, _double, _cut))(header, rng)
    body = bytearray(body)
    for at in rng.integers(0, len(body), int(rng.integers(0, 20))):
        body[at] = mutate.pick(rng, (0, 1, 0x7F, 0x80, 0xFF, int(rng.integers(256))))
    return _packed_again(header, bytes(body))


def _any(header, rng):
    return mutate.pick(rng, sorted(header))


def _reshape(header, rng):
    entry = header[_any(header, rng)]
    n = int(np.prod(entry["shape"], dtype=int))
    first = mutate.pick(rng, [k for k in range(1, n + 1) if n % k == 0] or [1])
    entry["shape"] = mutate.pick(rng, ([first, n // first], [n], [n // first, 1, first]))


def _retype(header, rng):
    entry = header[_any(header, rng)]
    entry["dtype"] = mutate.pick(rng, _ALIKE.get(entry["dtype"], [entry["dtype"]]))


def _forget(header, rng):
    if len(header) > 1:
        del header[_any(header, rng)]


def _double(header, rng):
    """Let a tensor have another one's values and shape."""
    header[_any(header, rng)] = dict(header[_any(header, rng)])


def _cut(header, rng):
    """Take rows away from the end."""
    entry = header[_any(header, rng)]
    if entry["shape"] and entry["shape"][0] > 1:
        first, stop = entry["data_offsets"]
        rows = int(rng.integers(0, entry["shape"][0]))
        left = (stop - first) // entry["shape"][0] * rows
        entry["shape"], entry["data_offsets"] = [rows, *entry["shape"][1:]], [first, first + left]


def _packed_again(header, body):
    """Let the tensors lie one after another, as the format demands."""
    parts, at = [], 0
    for entry in header.values():
        first, stop = entry["data_offsets"]
        parts.append(body[first:stop])
        entry["data_offsets"] = [at, at := at + stop - first]
    return joined(header, b"".join(parts))
