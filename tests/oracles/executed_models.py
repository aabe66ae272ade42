"""Modules that are run on data, and exported to run elsewhere, with what they are traced on."""

import torch
from torch import nn


class Residual(nn.Module):
    """Convolutions, batch norms, a branch that is added, functions in place, a pooling."""

    def __init__(self):
        super().__init__()
        self.first, self.norm = nn.Conv2d(3, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4)
        self.second, self.other = nn.Conv2d(4, 4, 3, padding=1, groups=2), nn.BatchNorm2d(4)
        self.relu, self.pool = nn.ReLU(inplace=True), nn.MaxPool2d(2)
        self.head = nn.Linear(4 * 9, 3)

    def forward(self, x):
        x = self.relu(self.norm(self.first(x)))
        x = self.relu(x + self.other(self.second(x)))
        return self.head(self.pool(x).flatten(1))


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm, self.head = nn.LSTM(3, 4, batch_first=True), nn.Linear(4, 2)

    def forward(self, x):
        return self.head(self.lstm(x)[0][:, -1])


class Fused(nn.Module):
    """A transformer of PyTorch's own layers, on tokens."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(10, 8)
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, norm_first=True,
                                                activation="gelu")  # fmt: skip
        self.head = nn.Linear(8, 2)

    def forward(self, x):
        return self.head(self.layer(self.embed(x)).mean(1))


class ByHand(nn.Module):
    """Attention, a GELU and a layer norm operation by operation; heads and samples on one axis."""

    def __init__(self):
        super().__init__()
        self.norm, self.qkv = nn.LayerNorm(8), nn.Linear(8, 24)
        self.up, self.down = nn.Linear(8, 16), nn.Linear(16, 8)

    def forward(self, x):
        n, t, d = x.shape
        q, k, v = self.qkv(self.norm(x)).reshape(n, t, 3, 2, 4).permute(2, 0, 3, 1, 4)
        q, k, v = (part.reshape(2 * n, t, 4) for part in (q, k, v))
        soft = (q @ k.transpose(-1, -2) * 0.5).softmax(-1)
        x = x + (soft @ v).reshape(n, 2, t, 4).transpose(1, 2).reshape(n, t, d)
        h = self.up(x)
        x = x + self.down(h * 0.5 * (1 + torch.tanh(0.79788456 * (h + 0.044715 * h**3))))
        centered = x - x.mean(-1, keepdim=True)
        return centered * torch.rsqrt((centered**2).mean(-1, keepdim=True) + 1e-5)


class Crossed(nn.Module):
    """Samples last, then features and samples on one axis."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(5, 4))
        self.other = nn.Parameter(torch.randn(1, 6))

    def forward(self, x):
        n = len(x)
        rows = (self.weight @ x.T).reshape(5 * n, 1) @ self.other
        return torch.tanh(rows).reshape(5, n, 6).permute(1, 0, 2)


class Apart(nn.Module):
    """Gates that are parts of one layer, and a function of a part of one."""

    def __init__(self):
        super().__init__()
        self.gates, self.head = nn.Linear(4, 12), nn.Linear(4, 3)

    def forward(self, x):
        one, two, three = self.gates(x).chunk(3, -1)
        return self.head(torch.sigmoid(one) * torch.tanh(two) + torch.relu(three))


AUTOENCODER = nn.Sequential(
    nn.Conv2d(1, 4, 3, stride=2, padding=1), nn.LeakyReLU(0.1), nn.ConvTranspose2d(4, 1, 4, 2, 1),
    nn.Sigmoid(),
)  # fmt: skip
#: Modules, the shape of a sample, and what is not seen: what PyTorch computes in one operation.
CASES = {
    "mlp": (nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3), nn.Softmax(-1)), (4,), ""),
    "residual": (Residual(), (3, 6, 6), ""),
    "autoencoder": (AUTOENCODER, (1, 8, 8), ""),
    "recurrent": (Recurrent(), (5, 3), "gate candidate cell"),
    "fused": (Fused(), (6,), "scores"),
    "by hand": (ByHand(), (6, 8), ""),
    "crossed": (Crossed(), (4,), ""),
    "apart": (Apart(), (4,), ""),
    "average": (nn.Sequential(nn.Conv2d(2, 3, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()), (2, 4, 4),
                ""),
}  # fmt: skip


def with_numbers(model):
    """Give norms gains, shifts and statistics that are not trivial."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2.0)
        if isinstance(module, nn.BatchNorm2d | nn.LayerNorm):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias)
    return model


def options(name, n=1):
    """Return a model, the options that it is loaded with, and `n` samples."""
    model, shape, _ = CASES[name]
    if name == "fused":
        tokens = torch.randint(0, 10, (n, *shape))
        return with_numbers(model), {"example_input": tokens[:1]}, tokens.numpy()
    given = {"input_shape": shape} | ({"unroll": shape[0]} if name == "recurrent" else {})
    return with_numbers(model), given, torch.randn(n, *shape).numpy()
