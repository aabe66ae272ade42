"""Damage to HDF5 files: to the objects in them, and to the headers that describe the objects."""

import io
import zlib
from contextlib import suppress

import h5py
import numpy as np
from oracles import mutate
from oracles.mutate import pick

from cntgraph.store.writer import fixed_text


def in_old_structures(data):
    """Return the same file in HDF5's first structures, which have no checksums."""
    old = io.BytesIO()
    with h5py.File(io.BytesIO(data)) as file, h5py.File(old, "w", libver="earliest") as copy:

        def add(name, item):
            if isinstance(item, h5py.Group):
                copy.create_group(name)
            else:
                packed = {"compression": item.compression, "chunks": item.chunks}
                copy.create_dataset(name, data=item[()], dtype=item.dtype, **packed)

        file.visititems(add)
        for name in ("/", *_groups(file)):
            for key, value in file[name].attrs.items():
                text = isinstance(value, str)
                copy[name].attrs[key] = fixed_text(value) if text else value
    return old.getvalue()


# -- objects ---------------------------------------------------------------------------------------


def damage_objects(file, rng):
    """Replace, move or remove a dataset, a group, a link or an attribute of an open file."""
    with suppress(KeyError, RuntimeError, OSError, ValueError):  # links that lead nowhere
        pick(rng, _OBJECTS)(file, rng)


def _datasets(file):
    found = []
    file.visititems(lambda name, item: found.append(name) if hasattr(item, "dtype") else None)
    return found


def _groups(file):
    found = []
    file.visititems(lambda name, item: None if hasattr(item, "dtype") else found.append(name))
    return found


def _made(make):
    """Make an object, where HDF5 allows it."""
    try:
        make()
    except (ValueError, TypeError, OSError, RuntimeError, OverflowError, MemoryError, KeyError):
        return


def _replaced(file, rng):
    """Remove a dataset, and return its name, shape and type."""
    names = _datasets(file)
    if not names:
        return "a/b", (2, 3), np.dtype("f4")
    name = pick(rng, names)
    shape, dtype = getattr(file[name], "shape", None) or (), file[name].dtype
    del file[name]
    return name, shape, dtype


def _huge(file, rng):
    """Declare a shape without any data."""
    name, shape, dtype = _replaced(file, rng)
    shape = pick(rng, (shape, (2**20,), (2**40,), (2**20, 2**20), (1,) * 32, (0,), (2**31, 0)))
    chunks = tuple(min(n, 2**12) for n in shape)
    options = {} if not shape or 0 in shape else pick(rng, (
        {}, {"chunks": True}, {"chunks": True, "compression": 9},
        {"chunks": chunks, "compression": 1, "shuffle": True},
        {"chunks": chunks, "compression": "lzf"}, {"chunks": chunks, "fletcher32": True},
        {"maxshape": (None,) * len(shape), "chunks": (1,) * len(shape)},
    ))  # fmt: skip
    kind = pick(rng, (dtype, dtype, "f4", "i8"))
    _made(lambda: file.create_dataset(name, shape, kind, **options))


def _bomb(file, rng):
    """Store a few bytes that unpack to very many."""
    name, shape, dtype = _replaced(file, rng)
    shape = pick(rng, ((2**22,), shape or (1,), (2**14, 2**9)))
    if 0 in shape or not dtype.itemsize:
        return
    chunks = pick(rng, (shape, tuple(min(n, 2**10) for n in shape)))
    plain, times = pick(rng, (10**4, 2**22, 2**26)), pick(rng, (1, 2))
    _made(lambda: packed_dataset(file, name, shape, dtype, chunks, bytes(plain), times))


def packed_dataset(file, name, shape, dtype, chunks, plain, times=1):
    """Make a dataset whose chunks hold `plain`, packed, whatever their size is said to be."""
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_chunk(chunks)
    for _ in range(times):
        plist.set_deflate(1)
        plain = zlib.compress(plain, 9)
    space, lcpl = h5py.h5s.create_simple(shape), h5py.h5p.create(h5py.h5p.LINK_CREATE)
    lcpl.set_create_intermediate_group(True)
    kind = h5py.h5t.py_create(dtype, logical=True)
    made = h5py.h5d.create(file.id, name.encode(), kind, space, plist, lcpl)
    grid = [min(-(-n // c), 30) for n, c in zip(shape, chunks, strict=True)]
    for k, place in enumerate(np.ndindex(*grid)):
        if k < 30:
            offset = tuple(p * c for p, c in zip(place, chunks, strict=True))
            made.write_direct_chunk(offset, plain)


def _other_type(file, rng):
    name, shape, _ = _replaced(file, rng)
    size = int(min(np.prod(shape, dtype=float), 2**20))
    kind = pick(rng, ("f2", "f8", ">f4", "i1", "u8", "S4", "V3", "c8", "bool", "object", "compound",
                      "longdouble", "reference", "enum", "array"))  # fmt: skip
    dtypes = {
        "object": h5py.string_dtype(), "compound": np.dtype([("a", "f4"), ("b", "i8")]),
        "reference": h5py.ref_dtype, "enum": h5py.enum_dtype({"a": 1}, "i1"),
        "array": np.dtype(("f4", (3,))), "longdouble": np.longdouble,
    }  # fmt: skip
    values = {"object": "text", "reference": file.ref}
    data = np.full(size, values[kind]) if kind in values else None
    shape = (size,) if size else shape
    _made(lambda: file.create_dataset(name, shape, dtypes.get(kind, kind), data=data))


def _attribute(file, rng):
    """Set, change or remove an attribute."""
    attributes = file[pick(rng, ["/", "/", *_groups(file)])].attrs
    known = [*attributes, "format", "format_version", "step", "epoch", "x"]
    name = pick(rng, known)
    value = pick(rng, (1, -1, 2**63, 1.5, float("nan"), "text", b"bytes", np.bytes_(b"\xff"), "\0",
                       [1, 2], np.zeros((3, 0)), h5py.Empty("f4"), file.ref, True, np.arange(9000),
                       np.void(b"abc"), 1 + 2j, np.float16(1), "cntgraph", ["a", "b"],
                       np.longdouble(1)))  # fmt: skip
    if name in attributes and rng.integers(4) == 0:
        del attributes[name]
    else:
        _made(lambda: attributes.__setitem__(name, value))


def _link(file, rng):
    """Let a link lead elsewhere: out of the file, in a circle, to nothing, to its own group."""
    name = pick(rng, _datasets(file) + _groups(file) or ["a"])
    if name in file:
        del file[name]
    other = pick(rng, _datasets(file) or ["/"])
    link = pick(rng, (
        h5py.SoftLink(f"/{name}"), h5py.SoftLink("/nothing"), h5py.SoftLink(f"/{other}"),
        h5py.ExternalLink("/etc/passwd", "/"), h5py.ExternalLink("other.h5", "/x"), file["/"],
        file[other], file.ref, np.dtype("f4"),
    ))  # fmt: skip
    _made(lambda: file.__setitem__(name, link))


def _elsewhere(file, rng):
    """Let the values lie in another file."""
    name, shape, dtype = _replaced(file, rng)

    def virtual():
        layout = h5py.VirtualLayout(shape, dtype)
        layout[:] = h5py.VirtualSource(pick(rng, (".", "other.h5", "/etc/passwd")), "x", shape)
        file.create_virtual_dataset(name, layout)

    def external():
        parts = [("/etc/passwd", 0, h5py.h5f.UNLIMITED)]
        file.create_dataset(name, shape, dtype, external=parts)

    _made(virtual if rng.integers(2) else external)


def _moved(file, rng):
    """Move, copy or remove an object."""
    names = _datasets(file) + _groups(file)
    if not names:
        return
    name, other = pick(rng, names), pick(rng, names)
    new = pick(
        rng, (f"{name}x", other, f"{other}/x", "snapshots/1", "network/arrays/0", "0", "%2F")
    )
    what = int(rng.integers(3))
    if what == 0:
        del file[name]
    else:
        _made(lambda: file.move(name, new) if what == 1 else file.copy(name, new))


_OBJECTS = (_huge, _huge, _bomb, _other_type, _attribute, _attribute, _link, _elsewhere, _moved)


# -- headers ---------------------------------------------------------------------------------------


def damage_headers(data, rng):
    """Damage the header of an object of HDF5, and make its checksum right again."""
    data = bytearray(data)
    for _ in range(pick(rng, (1, 1, 2, 5))):
        start, stop = pick(rng, headers(data))
        at = int(rng.integers(start + 4, stop))
        kind = int(rng.integers(3))
        if kind == 0:
            data[at] ^= 1 << int(rng.integers(8))
        elif kind == 1:
            data[at] = pick(rng, (0, 1, 2, 3, 0x7F, 0xFF))
        else:
            width = min(pick(rng, (2, 4, 8)), stop - at)
            value = pick(rng, mutate.NUMBERS) % 2 ** (8 * width)
            data[at : at + width] = value.to_bytes(width, "little")
        data[stop : stop + 4] = checksum(data[start:stop]).to_bytes(4, "little")
    return bytes(data)


def headers(data):
    """Return where headers with a checksum begin, and where their checksum stands."""
    found = [(0, 44)] if data[8] >= 2 else []
    at = data.find(b"OHDR")
    while at >= 0:
        flags = data[at + 5]
        place = at + 6 + 16 * bool(flags & 0x20) + 4 * bool(flags & 0x10)
        width = 1 << (flags & 3)
        stop = place + width + int.from_bytes(data[place : place + width], "little")
        if stop + 4 <= len(data):
            found.append((at, stop))
        at = data.find(b"OHDR", at + 4)
    return found or [(0, 44)]


def checksum(data):
    """Return Bob Jenkins' lookup3 of bytes, as HDF5 computes it."""
    mask, length = 0xFFFFFFFF, len(data)
    a = b = c = (0xDEADBEEF + length) & mask

    def rotated(x, k):
        return ((x << k) | (x >> (32 - k))) & mask

    padded = bytes(data) + bytes(12 - length % 12 if length % 12 else 0)
    words = [int.from_bytes(padded[k : k + 4], "little") for k in range(0, len(padded), 4)]
    while len(words) > 3:
        a, b, c = ((x + w) & mask for x, w in zip((a, b, c), words[:3], strict=True))
        del words[:3]
        for k, name in ((4, 0), (6, 1), (8, 2), (16, 0), (19, 1), (4, 2)):
            if name == 0:
                a = ((a - c) & mask) ^ rotated(c, k)
                c = (c + b) & mask
            elif name == 1:
                b = ((b - a) & mask) ^ rotated(a, k)
                a = (a + c) & mask
            else:
                c = ((c - b) & mask) ^ rotated(b, k)
                b = (b + a) & mask
    if words:
        a, b, c = ((x + w) & mask for x, w in zip((a, b, c), words, strict=True))
        for k, name in ((14, 0), (11, 1), (25, 2), (16, 0), (4, 1), (14, 2), (24, 0)):
            if name == 0:
                c = ((c ^ b) - rotated(b, k)) & mask
            elif name == 1:
                a = ((a ^ c) - rotated(c, k)) & mask
            else:
                b = ((b ^ a) - rotated(a, k)) & mask
    return c
