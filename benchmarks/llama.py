"""Models with the names and shapes of a LLaMA, in shards of bfloat16: random values, or holes."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path

import numpy as np

Shapes = list[tuple[str, tuple[int, ...]]]


@dataclass(frozen=True)
class Llama:
    """The sizes of a model; those of TinyLlama, but for keys and values, if nothing is said."""

    hidden: int = 2048
    inner: int = 5632
    entries: int = 32000
    keys: int = 2048
    n_layers: int = 22

    @classmethod
    def of_bytes(cls, n_bytes: float) -> Llama:
        """Return the model with as many layers as make that many bytes, or a few more."""
        ends = cls(n_layers=0)
        one = replace(ends, n_layers=1).n_bytes - ends.n_bytes
        return cls(n_layers=-int(-(n_bytes - ends.n_bytes) // one))

    @property
    def n_bytes(self) -> int:
        """What the tensors take."""
        return sum(2 * prod(shape) for _, shape in self.tensors())

    def tensors(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        """Yield names and shapes, as a file has them."""
        hidden, inner, keys = self.hidden, self.inner, self.keys
        yield "model.embed_tokens.weight", (self.entries, hidden)
        for k in range(self.n_layers):
            layer = {
                "input_layernorm": (hidden,),
                "mlp.down_proj": (hidden, inner),
                "mlp.gate_proj": (inner, hidden),
                "mlp.up_proj": (inner, hidden),
                "post_attention_layernorm": (hidden,),
                "self_attn.k_proj": (keys, hidden),
                "self_attn.o_proj": (hidden, hidden),
                "self_attn.q_proj": (hidden, hidden),
                "self_attn.v_proj": (keys, hidden),
            }
            for name, shape in layer.items():
                yield f"model.layers.{k}.{name}.weight", shape
        yield "model.norm.weight", (hidden,)
        yield "lm_head.weight", (self.entries, hidden)

    def configuration(self) -> dict[str, object]:
        """Return what `transformers` writes beside the weights."""
        head = 64 if self.hidden < 4096 else 128
        return {
            "architectures": ["LlamaForCausalLM"], "model_type": "llama", "dtype": "bfloat16",
            "hidden_size": self.hidden, "intermediate_size": self.inner,
            "vocab_size": self.entries, "num_hidden_layers": self.n_layers,
            "num_attention_heads": self.hidden // head, "num_key_value_heads": self.keys // head,
        }  # fmt: skip


def write_model(folder: Path, model: Llama, n_shards: int = 4, *, holes: bool = False) -> int:
    """Write the shards and their index; return how many bytes the tensors take.

    Parameters
    ----------
    holes : bool, default False
        Write no values: the files are as long, read as zeros, and take no disk.
    """
    listed, total = list(model.tensors()), model.n_bytes
    shards: list[Shapes] = [[] for _ in range(n_shards)]
    written = 0
    for name, shape in listed:
        shards[min(written * n_shards // total, n_shards - 1)].append((name, shape))
        written += 2 * prod(shape)
    index = {}
    rng = np.random.default_rng(0)
    for k, shard in enumerate(shards, start=1):
        name = f"model-{k:05}-of-{n_shards:05}.safetensors"
        _write_shard(folder / name, shard, None if holes else rng)
        index |= {tensor: name for tensor, _ in shard}
    text = json.dumps({"metadata": {"total_size": total}, "weight_map": index})
    (folder / "model.safetensors.index.json").write_text(text)
    return total


def _write_shard(path: Path, shard: Shapes, rng: np.random.Generator | None) -> None:
    header, at = {}, 0
    for name, shape in shard:
        end = at + 2 * prod(shape)
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [at, end]}
        at = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        if rng is None:
            file.truncate(8 + len(text) + at)
            return
        left = at // 2
        while left:
            n = min(left, 1 << 22)
            # Any sign and mantissa, exponents from 2**-16 to 2**-1.
            bits = rng.integers(0, 1 << 16, n, dtype=np.uint16)
            bits = (bits & 0x87FF) + np.uint16(0x3780)
            file.write(bits.tobytes())
            left -= n


def check_disk(needed: float) -> None:
    """Raise if there is no room for a model."""
    place = tempfile.gettempdir()
    free = shutil.disk_usage(place).free
    if free < needed:
        raise OSError(f"{needed / 1e9:.1f} GB are needed in {place}, {free / 1e9:.1f} GB are free")
