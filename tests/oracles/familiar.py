"""Models as people know them, small, in plain torch: a CNN, a residual network, and a decoder."""

from functools import cache

import torch
from torch import nn
from torch.nn import functional as F

import cntgraph as cg


class Basic(nn.Module):
    """The basic block of a ResNet, with a convolution beside it where its size changes."""

    def __init__(self, n_in, n_out, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(n_in, n_out, 3, stride, 1, bias=False)
        self.bn1, self.bn2 = nn.BatchNorm2d(n_out), nn.BatchNorm2d(n_out)
        self.conv2 = nn.Conv2d(n_out, n_out, 3, 1, 1, bias=False)
        self.downsample = nn.Identity()
        if stride > 1:
            conv = nn.Conv2d(n_in, n_out, 1, stride, bias=False)
            self.downsample = nn.Sequential(conv, nn.BatchNorm2d(n_out))

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + self.downsample(x))


class ResNet(nn.Module):
    """ResNet-18, its layers called as torchvision calls them, an eighth as wide."""

    def __init__(self, widths=(8, 16, 32, 64), n_classes=10):
        super().__init__()
        self.conv1 = nn.Conv2d(3, widths[0], 7, 2, 3, bias=False)
        self.bn1, self.maxpool = nn.BatchNorm2d(widths[0]), nn.MaxPool2d(3, 2, 1)
        before = (widths[0], *widths)
        for k, (n_in, n_out) in enumerate(zip(before, widths, strict=False), 1):
            first = Basic(n_in, n_out, 1 if k == 1 else 2)
            self.add_module(f"layer{k}", nn.Sequential(first, Basic(n_out, n_out)))
        self.avgpool, self.fc = nn.AdaptiveAvgPool2d(1), nn.Linear(widths[-1], n_classes)

    def forward(self, x):
        x = self.maxpool(F.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(torch.flatten(self.avgpool(x), 1))


class RMSNorm(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(n))

    def forward(self, x):
        return self.weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6))


class Attention(nn.Module):
    """Grouped queries, turned by their positions (RoPE)."""

    def __init__(self, n, n_heads, n_tokens):
        super().__init__()
        self.n_heads, size = n_heads, n // n_heads
        self.q_proj, self.o_proj = (nn.Linear(n, n, bias=False) for _ in range(2))
        self.k_proj, self.v_proj = (nn.Linear(n, n // 2, bias=False) for _ in range(2))
        turns = 1e4 ** (-torch.arange(0, size, 2) / size)
        angles = torch.outer(torch.arange(n_tokens).float(), turns).repeat(1, 2)
        self.register_buffer("cos", angles.cos())
        self.register_buffer("sin", angles.sin())

    def forward(self, x):
        q, k, v = (
            p(x).unflatten(-1, (-1, x.shape[-1] // self.n_heads)).transpose(1, 2)
            for p in (self.q_proj, self.k_proj, self.v_proj)
        )
        q, k = (z * self.cos + self.turned(z) * self.sin for z in (q, k))
        k, v = (z.repeat_interleave(2, 1) for z in (k, v))
        scores = torch.softmax(q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5, -1)
        return self.o_proj((scores @ v).transpose(1, 2).flatten(2))

    @staticmethod
    def turned(z):
        left, right = z.chunk(2, -1)
        return torch.cat((-right, left), -1)


class Mlp(nn.Module):
    def __init__(self, n, n_hidden):
        super().__init__()
        self.gate_proj, self.up_proj = (nn.Linear(n, n_hidden, bias=False) for _ in range(2))
        self.down_proj = nn.Linear(n_hidden, n, bias=False)

    def forward(self, x):
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Decoder(nn.Module):
    def __init__(self, n, n_heads, n_tokens):
        super().__init__()
        self.input_layernorm, self.post_attention_layernorm = RMSNorm(n), RMSNorm(n)
        self.self_attn, self.mlp = Attention(n, n_heads, n_tokens), Mlp(n, 2 * n)

    def forward(self, x):
        x = x + self.self_attn(self.input_layernorm(x))
        return x + self.mlp(self.post_attention_layernorm(x))


class Llama(nn.Module):
    """A language model whose layers are called as those of Llama in transformers."""

    def __init__(self, n_words=20, n=16, n_heads=4, n_tokens=4, n_layers=2):
        super().__init__()
        self.model = nn.Module()
        self.model.embed_tokens = nn.Embedding(n_words, n)
        self.model.layers = nn.ModuleList(Decoder(n, n_heads, n_tokens) for _ in range(n_layers))
        self.model.norm, self.lm_head = RMSNorm(n), nn.Linear(n, n_words, bias=False)

    def forward(self, words):
        x = self.model.embed_tokens(words)
        for layer in self.model.layers:
            x = layer(x)
        return self.lm_head(self.model.norm(x))


def cnn():
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(4, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(128, 10),
    )  # fmt: skip


def model_of(kind):
    """A seeded model, and a sample: cnn, resnet or llama."""
    torch.manual_seed(0)
    if kind == "llama":
        return Llama().eval(), torch.zeros(1, 4, dtype=torch.long)
    model, shape = (cnn(), (1, 12, 12)) if kind == "cnn" else (ResNet(), (3, 32, 32))
    return model.eval(), torch.zeros(1, *shape)


@cache
def familiar(kind):
    """The network of such a model."""
    model, sample = model_of(kind)
    return cg.load(model, example_input=(sample,))
