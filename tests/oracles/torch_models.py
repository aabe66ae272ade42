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
        randomise(self, seed)

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


def randomise(model, seed):
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
