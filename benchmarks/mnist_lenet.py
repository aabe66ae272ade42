"""One trained network, four ways in: live module, .pt2, .onnx and cntgraph's .h5 agree.

    python -m benchmarks.mnist_lenet --data FOLDER [--output FILE.md]

FOLDER (or the variable CNTGRAPH_DATA) holds ``mnist.npz`` with ``x_train``, ``y_train``, ``x_test``
and ``y_test``, images as uint8 of 28 × 28. A LeNet-like network with batch norms, both kinds of
pooling and two residual branches is trained for a minute at most; its strengths are then compared
layer by layer. Needs pip install -e '.[test-all]'.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from torch import nn

import cntgraph as cg
from benchmarks.timing import machine, markdown


class Net(nn.Module):
    """LeNet-like: three convolutions with batch norm, two poolings, two skips, two dense layers."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(1, 8, 5, padding=2), nn.BatchNorm2d(8)
        self.pool1 = nn.MaxPool2d(2)
        self.conv2, self.norm2 = nn.Conv2d(8, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16)
        self.shortcut = nn.Conv2d(8, 16, 1)
        self.pool2 = nn.AvgPool2d(2)
        self.conv3, self.norm3 = nn.Conv2d(16, 16, 3, padding=1), nn.BatchNorm2d(16)
        self.fc1, self.dropout, self.fc2 = nn.Linear(784, 64), nn.Dropout(0.2), nn.Linear(64, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the logits of a batch of images."""
        x = self.pool1(torch.relu(self.norm1(self.conv1(x))))
        x = self.pool2(torch.relu(self.norm2(self.conv2(x)) + self.shortcut(x)))
        x = torch.relu(x + self.norm3(self.conv3(x)))
        return self.fc2(self.dropout(torch.relu(self.fc1(torch.flatten(x, 1)))))


def train(data: dict[str, torch.Tensor], steps: int = 1000) -> Net:
    """Train on random batches of 64."""
    torch.manual_seed(0)
    model = Net()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for _ in range(steps):
        batch = torch.randint(0, len(data["x_train"]), (64,))
        loss = nn.functional.cross_entropy(model(data["x_train"][batch]), data["y_train"][batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.eval()


def load_mnist(folder: Path) -> dict[str, torch.Tensor]:
    """Read mnist.npz: images in [0, 1] of shape (n, 1, 28, 28), classes as integers."""
    with np.load(folder / "mnist.npz", allow_pickle=False) as file:
        data = {}
        for part in ("train", "test"):
            images = torch.from_numpy(file[f"x_{part}"]).float() / 255
            data[f"x_{part}"] = images[:, None]
            data[f"y_{part}"] = torch.from_numpy(file[f"y_{part}"]).long()
    return data


def load_four_ways(model: Net, folder: Path) -> dict[str, cg.Network]:
    """Save the model in every way, and load it from each."""
    example = torch.zeros(1, 1, 28, 28)
    torch.export.save(torch.export.export(model, (example,)), folder / "net.pt2")
    # optimize=False: the exporter would fold batch norms in float32.
    torch.onnx.export(model, (example,), folder / "net.onnx", dynamo=True, optimize=False)
    nets = {
        "live module": cg.load(model, example_input=example),
        ".pt2": cg.load(folder / "net.pt2"),
        ".onnx": cg.load(folder / "net.onnx"),
    }
    cg.save(nets[".onnx"], folder / "net.h5")
    return nets | {".h5": cg.load(folder / "net.h5")}


def main() -> None:
    """Train, compare, print, and fail if anything differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=os.environ.get("CNTGRAPH_DATA"))
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    if options.data is None or not (Path(options.data) / "mnist.npz").is_file():
        parser.error("put mnist.npz into a folder, and pass --data FOLDER (or set CNTGRAPH_DATA)")
    data = load_mnist(Path(options.data))
    model = train(data)
    with torch.no_grad():
        hits = (model(data["x_test"]).argmax(1) == data["y_test"]).float().mean().item()
    with tempfile.TemporaryDirectory() as folder:
        nets = load_four_ways(model, Path(folder))
        report, worst = compare(nets)
    head = f"# One network, four ways in\n\n`python -m benchmarks.mnist_lenet` on {machine()}.\n"
    text = f"{head}\nTest accuracy on MNIST: {hits:.2%}.\n\n{report}"
    print(text)
    if options.output is not None:
        options.output.write_text(text)
    sys.exit(0 if worst < 1e-10 and hits >= 0.97 else 1)


def compare(nets: dict[str, cg.Network]) -> tuple[str, float]:
    """Return a table of the largest relative differences by layer, and the largest of all."""
    strengths = {name: net.split(cg.node_strength(net)) for name, net in nets.items()}
    reference = list(strengths["live module"].values())
    layers = [layer.name for layer in nets["live module"].layers]
    rows, worst = [], 0.0
    for k, layer in enumerate(layers):
        scale = np.abs(reference[k]).max() or 1.0
        row = [layer, f"{np.std(reference[k]):.6f}"]
        for name in list(strengths)[1:]:
            difference = np.abs(list(strengths[name].values())[k] - reference[k]).max() / scale
            worst = max(worst, float(difference))
            row.append(f"{difference:.1e}")
        rows.append(row)
    header = ["layer", "fluctuation", *(f"{name} differs by" for name in list(strengths)[1:])]
    assert all(len(net.layers) == len(layers) for net in nets.values())
    return markdown(
        "Strengths, largest relative difference from the live module", header, rows
    ), worst


if __name__ == "__main__":
    main()
