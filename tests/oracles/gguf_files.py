"""Small GGUF files, written by the package of the format, and what their tensors then hold."""

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Kind
from gguf.constants import GGML_QUANT_SIZES

#: The types that the package unpacks; of most it packs none: any bits are values of theirs.
KINDS = [kind for kind in Kind if kind in gguf.quants._type_traits and kind != Kind.BF16]
HEADS, KV_HEADS, WIDTH = 4, 2, 256


def write(path, tensors, *, model="llama", settings=()):
    """Write a file: name -> array, or (type, its bytes)."""
    writer = gguf.GGUFWriter(path, model)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_token_list(["a", "bc", "d" * 40])
    writer.add_array("numbers", list(range(5000)))
    for name, value in settings:
        writer.add_uint16(name, value)
    for name, tensor in tensors.items():
        kind, array = tensor if isinstance(tensor, tuple) else (None, tensor)
        writer.add_tensor(name, array, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def random_bytes(kind, shape, rng):
    """Return the bytes of blocks of a type whose scales are moderate numbers."""
    block, nbytes = GGML_QUANT_SIZES[kind]
    raw = rng.integers(0, 256, (*shape[:-1], shape[-1] // block, nbytes), dtype=np.uint8)
    # Floats of 16 bits are anywhere in a block: with these upper bytes none is infinite.
    raw &= np.uint8(0b1011_1111)
    return raw.reshape(*shape[:-1], -1)


def values(kind, raw):
    """Return what the package makes of the bytes of a tensor."""
    return gguf.quants.dequantize(raw, kind)


def paired(rows, heads):
    """Return rows as llama.cpp's converter lays out those of queries and keys."""
    halves = rows.reshape(heads, 2, rows.shape[0] // heads // 2, *rows.shape[1:])
    return np.stack([halves[:, 0], halves[:, 1]], axis=2).reshape(rows.shape)


def samples(folder):
    """Return files as in `weight_files.samples`."""
    rng = np.random.default_rng(0)
    plain = {
        "token_embd.weight": rng.normal(size=(7, 6)).astype(np.float32),
        "blk.0.attn_q.weight": rng.normal(size=(8, 6)).astype(np.float16),
        "blk.0.attn_q.bias": rng.normal(size=8).astype(np.float32),
        "blk.0.ffn_up_exps.weight": rng.normal(size=(2, 3, 6)).astype(np.float32),
    }
    packed = {f"{kind.name}.weight": (kind, random_bytes(kind, (3, 512), rng)) for kind in KINDS}
    found = {"gguf_plain": plain, "gguf_packed": packed}
    return {name: (".gguf", write(folder / f"{name}.gguf", tensors).read_bytes(), None, {})
            for name, tensors in found.items()}  # fmt: skip
