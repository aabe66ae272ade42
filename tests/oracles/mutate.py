"""Damaged files: every mutation follows from a seed, so that one that fails can be made again."""

import io
import json
import re
import zipfile

import numpy as np

#: Numbers that size computations trip over.
NUMBERS = (0, 1, -1, 2**7, 2**8 - 1, 2**15, 2**31 - 1, 2**31, 2**32 - 1, 2**53, 2**62, 2**63 - 1,
           2**63, 2**64 - 1, 2**64, 10**30)  # fmt: skip
_BYTES = (0x00, 0xFF, 0x7F, 0x80, 0x01, ord("{"), ord("}"), ord('"'), ord("\n"), ord("0"))


def mutations(data, n, *, seed=0, structured=None):
    """Yield n damaged copies of a file's bytes.

    `structured(data, rng)` damages what the format means rather than its bytes (`safetensors`,
    `zipped`, `json_text` below); it makes half of the copies.
    """
    for k in range(n):
        rng = np.random.default_rng([seed, k])
        if structured is not None and rng.integers(2):
            yield structured(data, rng)
        else:
            yield damaged(data, rng)


def damaged(data, rng):
    """Return bytes with one to three kinds of damage."""
    for _ in range(int(rng.integers(1, 4))):
        data = pick(rng, _DAMAGES)(bytearray(data), rng)
    return bytes(data)


def pick(rng, options):
    return options[int(rng.integers(len(options)))]


def place(data, rng):
    """Return a place in a file: most often near its beginning or its end, where the headers are."""
    near = int(rng.integers(4))
    n = max(len(data), 1)
    if near == 0:
        return int(rng.integers(min(n, 64)))
    if near == 1:
        return n - 1 - int(rng.integers(min(n, 256)))
    return int(rng.integers(n))


# -- bytes ---------------------------------------------------------------------------------------


def flip_bits(data, rng):
    for _ in range(int(rng.integers(1, 9))):
        if data:
            data[place(data, rng)] ^= 1 << int(rng.integers(8))
    return data


def set_bytes(data, rng):
    at, n = place(data, rng), int(rng.integers(1, 9))
    data[at : at + n] = bytes([pick(rng, _BYTES)]) * min(n, len(data) - at)
    return data


def truncate(data, rng):
    return data[: place(data, rng)]


def behead(data, rng):
    return data[place(data, rng) :]


def append(data, rng):
    return data + rng.bytes(int(rng.integers(1, 200)))


def splice(data, rng):
    """Copy a run of bytes to another place."""
    start, n, at = place(data, rng), int(rng.integers(1, 100)), place(data, rng)
    run = data[start : start + n]
    if rng.integers(2):
        data[at:at] = run
    else:
        data[at : at + len(run)] = run
    return data


def delete(data, rng):
    at = place(data, rng)
    del data[at : at + int(rng.integers(1, 100))]
    return data


def set_number(data, rng):
    """Write a large number in binary, as lengths and offsets are."""
    at, width = place(data, rng), pick(rng, (2, 4, 8))
    value = pick(rng, NUMBERS) % 2 ** (8 * width)
    data[at : at + width] = value.to_bytes(width, pick(rng, ("little", "big")))
    return data


def set_text_number(data, rng):
    """Replace a number that is written in digits, as in JSON and in NumPy's headers."""
    found = list(re.finditer(rb"-?\d+", bytes(data[:100_000])))
    if not found:
        return flip_bits(data, rng)
    match = pick(rng, found)
    data[match.start() : match.end()] = str(pick(rng, NUMBERS)).encode()
    return data


_DAMAGES = (flip_bits, flip_bits, set_bytes, truncate, behead, append, splice, delete, set_number,
            set_text_number)  # fmt: skip


# -- what a format means ---------------------------------------------------------------------------


def json_value(value, rng, depth=0):
    """Return a JSON value with something in it changed: a number, a text, a key, a type."""
    if isinstance(value, dict) and value and (depth < 1 or rng.integers(4)):
        keys = list(value)
        key = pick(rng, keys)
        what = int(rng.integers(8))
        if what == 0:
            return {k: v for k, v in value.items() if k != key}
        if what == 1:
            return {(k + "x" if k == key else k): v for k, v in value.items()}
        if what == 2:
            return {**value, key: value[pick(rng, keys)]}
        return {**value, key: json_value(value[key], rng, depth + 1)}
    if isinstance(value, list) and value and rng.integers(6):
        k = int(rng.integers(len(value)))
        what = int(rng.integers(5))
        if what == 0:
            return value[:k] + value[k + 1 :]
        if what == 1:
            return [*value[:k], value[k], *value[k:]]
        return [*value[:k], json_value(value[k], rng, depth + 1), *value[k + 1 :]]
    if isinstance(value, str) and value and rng.integers(2):
        k = int(rng.integers(len(value)))
        return pick(rng, (value[:k], value + value, value[:k] + "\0" + value[k:], "../" + value))
    options = [None, True, 1.5, "", "x", [], {}, [[]], *NUMBERS]
    if isinstance(value, int):
        options += [value + 1, value - 1, value * 2, -value] * 3
    return pick(rng, options)


def json_text(data, rng):
    """Damage a file that is JSON."""
    return json.dumps(json_value(json.loads(data), rng)).encode()


def safetensors(data, rng):
    """Damage the header of a safetensors file; its length is set right again."""
    length = int.from_bytes(data[:8], "little")
    header, body = json.loads(data[8 : 8 + length]), data[8 + length :]
    for _ in range(int(rng.integers(1, 3))):
        changed = json_value(header, rng)
        header = changed if isinstance(changed, dict) else header
    text = json.dumps(header)
    if rng.integers(8) == 0:  # a name twice
        text = text[:-1] + "," + text[1:]
    raw = text.encode()
    return len(raw).to_bytes(8, "little") + raw + body


def zipped(member=damaged, *, only=None):
    """Return what damages one member of a zip archive, and writes the archive anew.

    `member(data, rng)` damages the member; `only` is a pattern of the names it may be.
    """

    def structured(data, rng):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = [(info, archive.read(info)) for info in archive.infolist()]
        names = [i.filename for i, _ in members if not only or re.search(only, i.filename)]
        chosen, what = pick(rng, names), int(rng.integers(10))
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as archive:
            for info, content in members:
                name = info.filename
                if name == chosen:
                    if what == 0:
                        continue
                    if what == 1:
                        name = pick(rng, (name + "x", "../" + name, "/" + name, name[::-1]))
                    elif what == 2:
                        content = pick(rng, members)[1]
                    else:
                        content = member(content, rng)
                method = pick(rng, (0, 8)) if what == 3 else info.compress_type
                archive.writestr(zipfile.ZipInfo(name), content, method)
        return out.getvalue()

    return structured


def bomb(name, declared):
    """Return a zip archive of one compressed member of zeros of that length."""
    out = io.BytesIO()
    archive = zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED)
    with archive, archive.open(name, "w", force_zip64=True) as file:
        for _ in range(declared // (1 << 20)):
            file.write(bytes(1 << 20))
    return out.getvalue()
