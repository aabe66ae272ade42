"""Random PyTorch architectures, small, in float64, with random batch norm statistics."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional

CONV = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
CONV_TRANSPOSE = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
BATCH_NORM = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
AVG_POOL = {1: nn.AvgPool1d, 2: nn.AvgPool2d, 3: nn.AvgPool3d}
MAX_POOL = {1: nn.MaxPool1d, 2: nn.MaxPool2d, 3: nn.MaxPool3d}
ADAPTIVE = {1: nn.AdaptiveAvgPool1d, 2: nn.AdaptiveAvgPool2d, 3: nn.AdaptiveAvgPool3d}
SIZES = {1: (11,), 2: (6, 5), 3: (4, 3, 4)}


class Unit(nn.Module):
    """An affine operation, a batch norm or none, an activation or none."""

    def __init__(self, affine, norm=None, activation=None):
        super().__init__()
        self.affine, self.norm, self.activation = affine, norm, activation

    def forward(self, x):
        x = self.affine(x)
        x = x if self.norm is None else self.norm(x)
        return x if self.activation is None else self.activation(x)


class RandomNet(nn.Module):
    """A chain of random steps, each a function of the module and the tensor so far."""

    def __init__(self, seed, *, plain=False):
        super().__init__()
        self.plain = plain
        self.rng = np.random.default_rng(seed)
        self.rank = int(self.rng.integers(1, 4))
        self.input_shape = (int(self.rng.integers(1, 4)), *SIZES[self.rank])
        self.units, self.steps = nn.ModuleList(), []
        self.padded = False
        x = torch.zeros((2, *self.input_shape))
        self.steps.append(self.convolution(x))
        with torch.no_grad():
            for _ in range(int(self.rng.integers(3, 7))):
                x = self.run(torch.zeros((2, *self.input_shape)))
                self.steps.append(self.choose(x))
            x = self.run(torch.zeros((2, *self.input_shape)))
            self.steps.append(self.head(x))
        randomize(self, seed)

    def forward(self, x):
        return self.run(x)

    def run(self, x):
        training = self.training
        for step in self.steps:
            x = step(x)
        assert self.training == training
        return x

    # -- what a network is made of ----------------------------------------------------------------

    def pick(self, *options):
        return options[int(self.rng.integers(len(options)))]

    def some(self):
        return bool(self.rng.integers(2))

    def activation(self, *, none=True):
        options = [nn.ReLU(), nn.ReLU(inplace=True), nn.Tanh(), nn.Sigmoid()]
        options += [nn.LeakyReLU(), nn.GELU(), nn.Hardtanh(inplace=True)]
        if not self.plain:  # those that PyTorch takes apart
            options += [nn.SiLU(), nn.Softplus()]
        return None if none and self.rng.integers(3) == 0 else self.pick(*options)

    def keep(self, unit):
        self.units.append(unit)
        return unit

    def unit(self, n_in, n_out, *, stride=1, groups=1, activation=True):
        """A convolution that keeps the size where its stride is one."""
        kernel = self.pick(1, 3)
        dilation = self.pick(1, 2) if kernel == 3 else 1
        padding = dilation * (kernel - 1) // 2
        affine = CONV[self.rank](
            n_in, n_out, kernel, stride=stride, padding=padding, dilation=dilation, groups=groups,
            bias=self.some(),
        )  # fmt: skip
        norm = BATCH_NORM[self.rank](n_out, affine=self.some()) if self.some() else None
        return self.keep(Unit(affine, norm, self.activation() if activation else None))

    def choose(self, x):
        names = [
            "convolution", "transposed", "depthwise", "pool", "residual", "concatenate", "chunk",
            "movement", "shared", "scale", "positions", "inplace", "padding", "dropout",
        ]  # fmt: skip
        return getattr(self, self.pick(*names))(x)

    def convolution(self, x):
        self.padded = False
        groups = self.pick(1, x.shape[1])
        stride = self.pick(1, 2)
        return self.unit(x.shape[1], groups * self.pick(1, 2, 3), stride=stride, groups=groups)

    def transposed(self, x):
        self.padded = False
        if x[0, 0].numel() > 60:
            return self.convolution(x)
        groups = self.pick(1, x.shape[1])
        stride = self.pick(1, 2)
        affine = CONV_TRANSPOSE[self.rank](
            x.shape[1], 2 * groups, 3, stride=stride, padding=1, output_padding=stride - 1,
            groups=groups, bias=self.some(),
        )  # fmt: skip
        norm = BATCH_NORM[self.rank](2 * groups) if self.some() else None
        return self.keep(Unit(affine, norm, self.activation()))

    def depthwise(self, x):
        self.padded = False
        return self.unit(x.shape[1], x.shape[1] * self.pick(1, 2), groups=x.shape[1])

    def pool(self, x):
        if min(x.shape[2:]) < 3:
            return self.keep(ADAPTIVE[self.rank](self.pick(1, 2)))
        kind = self.pick("average", "max", "adaptive")
        stride, padding = self.pick(1, 2), self.pick(0, 1)
        if kind == "adaptive":
            return self.keep(ADAPTIVE[self.rank](self.pick(1, 2, 3)))
        if kind == "max" and not self.padded:
            return self.keep(MAX_POOL[self.rank](3, stride, padding, ceil_mode=self.some()))
        options = {"ceil_mode": self.some(), "count_include_pad": self.some()}
        return self.keep(AVG_POOL[self.rank](3, stride, padding, **options))

    def residual(self, x):
        self.padded = False
        unit, after, minus = self.unit(x.shape[1], x.shape[1]), self.activation(), self.some()

        def step(x):
            y = x - unit(x) if minus else unit(x) + x
            return y if after is None else after(y)

        return step

    def inplace(self, x):
        self.padded = False
        unit, after = self.unit(x.shape[1], x.shape[1]), self.activation()

        def step(x):
            y = unit(x)
            y += x
            return y if after is None else after(y)

        return step

    def concatenate(self, x):
        units = [self.unit(x.shape[1], self.pick(1, 2)) for _ in range(2)]
        keep = self.some() or self.padded
        return lambda x: torch.cat([units[0](x), units[1](x), *([x] if keep else [])], dim=1)

    def chunk(self, x):
        if x.shape[1] < 2:
            return self.convolution(x)
        half = -(-x.shape[1] // 2)
        unit = self.unit(half, self.pick(1, 2))

        def step(x):
            left, right = x.chunk(2, dim=1)
            return torch.cat([right, unit(left)], dim=1)

        return step

    def movement(self, x):
        moves = [
            lambda x: x.flip(1),
            lambda x: x[..., : max(x.shape[-1] - 1, 1)],
            lambda x: x[..., ::2],
            lambda x: x.transpose(-1, -2) if x.ndim > 3 else x.roll(1, -1),
            lambda x: x[:, torch.tensor([x.shape[1] - 1, *range(x.shape[1])])],
            lambda x: x.reshape(x.shape[0], -1, *x.shape[2:]).contiguous(),
        ]
        if x.shape[1] % 4 == 0 and self.rank == 2:
            moves.append(lambda x: functional.pixel_shuffle(x, 2))
        return self.pick(*moves)

    def padding(self, x):
        if self.some():
            self.padded = True
            amount = [1, 0] * self.rank
            return lambda x: functional.pad(x, amount)
        mode = self.pick("replicate", "circular")
        return lambda x: functional.pad(x, [1, 1] * self.rank, mode=mode)

    def shared(self, x):
        self.padded = False
        unit = self.unit(x.shape[1], x.shape[1])
        return lambda x: unit(unit(x))

    def scale(self, x):
        factor, shift = float(self.rng.normal()), float(self.rng.normal())
        return self.pick(
            lambda x: x * factor, lambda x: x + shift, lambda x: shift - x / (1 + abs(factor)),
            lambda x: (x * factor + shift).neg(),
        )  # fmt: skip

    def positions(self, x):
        """A linear layer on the channels of every position."""
        self.padded = False
        unit = self.keep(
            Unit(nn.Linear(x.shape[1], self.pick(2, 3), bias=self.some()), None, self.activation())
        )
        return lambda x: unit(x.movedim(1, -1)).movedim(-1, 1)

    def dropout(self, x):
        return self.keep(nn.Dropout(0.5))

    def head(self, x):
        last, pooled = self.some(), self.some() and not self.padded
        width = x.shape[1] if pooled else x[0].numel()
        norm = nn.BatchNorm1d(5) if self.some() else None
        hidden = self.keep(Unit(nn.Linear(width, 5), norm, self.activation(none=False)))
        drop, out = self.keep(nn.Dropout()), self.keep(Unit(nn.Linear(5, 3)))

        def step(x):
            if pooled:
                x = x.mean(dim=tuple(range(2, x.ndim)))
            elif last:
                x = x.movedim(1, -1)
            return out(drop(hidden(x.flatten(1))))

        return step


def randomize(model, seed):
    """Give every parameter and statistic a random value; all in float64 and evaluation mode."""
    generator = torch.Generator().manual_seed(seed)
    model.double().eval()
    with torch.no_grad():
        for tensor in model.parameters():
            scale = 1.0 if tensor.ndim < 2 else tensor[0].numel() ** -0.5
            tensor.copy_(scale * torch.randn(tensor.shape, generator=generator, dtype=torch.double))
        for module in model.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                shape = module.running_mean.shape
                module.running_mean.copy_(torch.randn(shape, generator=generator))
                module.running_var.copy_(0.5 + torch.rand(shape, generator=generator))


def record(model, *inputs):
    """Run a model; return its output and the output of every call of a module that computes."""
    calls, handles = {}, []
    kinds = (*CONV.values(), *CONV_TRANSPOSE.values(), nn.Linear, *BATCH_NORM.values())
    for name, module in model.named_modules():
        if isinstance(module, kinds):

            def keep(module, _, result, name=name):
                # Channels first; a copy, since an in-place activation may follow.
                first = isinstance(module, nn.Linear) and result.ndim > 2
                value = result.movedim(-1, 1) if first else result
                calls.setdefault(name, []).append(value.detach().double().clone().numpy())

            handles.append(module.register_forward_hook(keep))
    try:
        with torch.no_grad():
            result = model(*inputs)
    finally:
        for handle in handles:
            handle.remove()
    return result, calls


# -- architectures as people write them, small ----------------------------------------------------


class SqueezeExcite(nn.Module):
    """Channels weighted by a gate that sees all positions."""

    input_shape = (3, 6, 6)

    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)
        self.squeeze, self.excite = nn.Conv2d(8, 2, 1), nn.Conv2d(2, 8, 1)
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        x = functional.silu(self.norm(self.conv(x)))
        gate = functional.adaptive_avg_pool2d(x, 1)
        gate = torch.sigmoid(self.excite(functional.relu(self.squeeze(gate))))
        return self.head((x * gate).mean((2, 3)))


class DenseBlock(nn.Module):
    """Every layer reads all before it."""

    input_shape = (3, 6, 6)

    def __init__(self):
        super().__init__()
        self.norms = nn.ModuleList(nn.BatchNorm2d(n) for n in (4, 6, 8))
        self.convs = nn.ModuleList(nn.Conv2d(n, 2, 3, padding=1, bias=False) for n in (4, 6, 8))
        self.stem, self.head = nn.Conv2d(3, 4, 3, padding=1), nn.Linear(10, 3)

    def forward(self, x):
        x = self.stem(x)
        for norm, conv in zip(self.norms, self.convs, strict=True):
            x = torch.cat([x, conv(functional.relu(norm(x)))], 1)
        return self.head(functional.avg_pool2d(x, 6).flatten(1))


class UNet(nn.Module):
    """Down, up, and across."""

    input_shape = (1, 8, 8)

    def __init__(self):
        super().__init__()
        self.down1, self.down2 = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 8, 3, padding=1)
        self.up = nn.ConvTranspose2d(8, 4, 2, stride=2)
        self.merge, self.out = nn.Conv2d(8, 4, 3, padding=1), nn.Conv2d(4, 2, 1)
        self.wide = nn.Upsample(scale_factor=2, mode="bilinear")

    def forward(self, x):
        across = functional.relu(self.down1(x))
        x = functional.relu(self.down2(functional.max_pool2d(across, 2)))
        x = functional.relu(self.merge(torch.cat([self.up(x), across], 1)))
        return self.wide(self.out(x))


class Separable(nn.Module):
    """Depthwise and pointwise convolutions, dilated and strided."""

    input_shape = (3, 9, 9)

    def __init__(self):
        super().__init__()
        self.depth = nn.Conv2d(3, 6, 3, groups=3, dilation=2, padding=2, bias=False)
        self.point, self.norm = nn.Conv2d(6, 4, 1, bias=False), nn.BatchNorm2d(4)
        self.down = nn.Conv2d(4, 4, 3, stride=2, groups=2)
        self.head = nn.Linear(4, 3)

    def forward(self, x):
        x = functional.hardswish(self.norm(self.point(self.depth(x))))
        return self.head(
            functional.adaptive_max_pool2d(functional.relu6(self.down(x)), 1).flatten(1)
        )


class Video(nn.Module):
    """Three dimensions: strided and transposed with output padding, adaptive pooling."""

    input_shape = (2, 5, 6, 7)

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv3d(2, 4, 3, stride=2, padding=1)
        self.up = nn.ConvTranspose3d(4, 2, 3, stride=2, padding=1, output_padding=(0, 1, 0))
        self.pool, self.head = nn.AdaptiveAvgPool3d((2, 1, 3)), nn.Linear(12, 3)

    def forward(self, x):
        x = self.up(functional.leaky_relu(self.conv(x)))
        return self.head(self.pool(x).flatten(1))


class TiedAutoencoder(nn.Module):
    """The decoder reads the transpose of the encoder's weight."""

    input_shape = (6,)

    def __init__(self):
        super().__init__()
        self.encode, self.shift = nn.Linear(6, 3), nn.Parameter(torch.zeros(6))

    def forward(self, x):
        return functional.linear(torch.tanh(self.encode(x)), self.encode.weight.t(), self.shift)


class Siamese(nn.Module):
    """Both halves of the input go through the same layers."""

    input_shape = (2, 6, 6)

    def __init__(self):
        super().__init__()
        self.conv, self.embed = nn.Conv2d(1, 3, 3), nn.Linear(48, 4)
        self.compare = nn.Linear(4, 2)

    def branch(self, x):
        return self.embed(functional.relu(self.conv(x)).flatten(1))

    def forward(self, x):
        return self.compare(torch.abs(self.branch(x[:, :1]) - self.branch(x[:, 1:])))


class Mixer(nn.Module):
    """Matrices that mix channels, and matrices that mix positions."""

    input_shape = (3, 8, 8)

    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(3, 6, 4, stride=4)
        self.norm1, self.norm2 = nn.LayerNorm(6), nn.LayerNorm(6)
        self.tokens, self.channels = nn.Linear(4, 4), nn.Linear(6, 6)
        self.head = nn.Linear(6, 3)

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = x + functional.gelu(self.tokens(self.norm1(x).transpose(1, 2))).transpose(1, 2)
        x = x + functional.gelu(self.channels(self.norm2(x)))
        return self.head(x.mean(1))


class Gated(nn.Module):
    """Feed forward with two gates: SwiGLU, and GLU over channels."""

    input_shape = (5, 6)

    def __init__(self):
        super().__init__()
        self.norm = nn.RMSNorm(6)
        self.gate, self.up, self.down = nn.Linear(6, 8), nn.Linear(6, 8), nn.Linear(8, 6)
        self.both = nn.Conv1d(6, 8, 3, padding=1)
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        y = self.norm(x)
        x = x + self.down(functional.silu(self.gate(y)) * self.up(y))
        return self.head(functional.glu(self.both(x.transpose(1, 2)), 1).mean(2))


class RecurrentClassifier(nn.Module):
    """A bi-directional LSTM, a GRU on top, and a linear layer."""

    input_shape = (4, 3)

    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(3, 4, batch_first=True, bidirectional=True)
        self.gru, self.head = nn.GRU(8, 5, batch_first=True), nn.Linear(5, 2)

    def forward(self, x):
        return self.head(self.gru(self.lstm(x)[0])[0][:, -1])


class Gpt(nn.Module):
    """A decoder of tokens, its head tied to its table."""

    tokens = (5,)
    entries = 9

    def __init__(self):
        super().__init__()
        self.embed, self.position = nn.Embedding(9, 6), nn.Embedding(5, 6)
        self.norm1, self.norm2, self.norm = (nn.LayerNorm(6) for _ in range(3))
        self.qkv, self.out = nn.Linear(6, 18), nn.Linear(6, 6)
        self.up, self.down = nn.Linear(6, 12), nn.Linear(12, 6)
        self.head = nn.Linear(6, 9, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, tokens):
        x = self.embed(tokens) + self.position(torch.arange(tokens.shape[1]))
        q, k, v = (part.unflatten(-1, (2, 3)).transpose(1, 2)
                   for part in self.qkv(self.norm1(x)).chunk(3, -1))  # fmt: skip
        y = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(y.transpose(1, 2).flatten(2))
        x = x + self.down(functional.gelu(self.up(self.norm2(x))))
        return self.head(self.norm(x))


class Vit(nn.Module):
    """Patches, a class token, positions, one encoder layer."""

    input_shape = (3, 8, 8)

    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(3, 6, 4, stride=4)
        self.token, self.position = (nn.Parameter(torch.zeros(1, n, 6)) for n in (1, 5))
        self.layer = nn.TransformerEncoderLayer(
            6, 2, 8, activation="gelu", batch_first=True, norm_first=True
        )
        self.norm, self.head = nn.LayerNorm(6), nn.Linear(6, 3)

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.position
        return self.head(self.norm(self.layer(x))[:, 0])


ARCHITECTURES = (
    SqueezeExcite, DenseBlock, UNet, Separable, Video, TiedAutoencoder, Siamese, Mixer, Gated,
    RecurrentClassifier, Gpt, Vit,
)  # fmt: skip


def architecture(kind, seed=0):
    """A model with random weights in float64, and an example of what it is called with."""
    torch.manual_seed(seed)
    model = kind()
    randomize(model, seed)
    if hasattr(kind, "tokens"):
        return model, torch.randint(kind.entries, (1, *kind.tokens))
    return model, torch.randn(1, *kind.input_shape, dtype=torch.double)
