"""MNIST and CIFAR-10 from one folder, as tensors."""

from __future__ import annotations

import argparse
import io
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

TASKS = ("mnist", "cifar10")

#: What the folder given by --data holds.
FILES = {"mnist": "mnist.npz", "cifar10": "cifar10_jpeg.npz"}

#: Test images on which accuracy is measured: the first ones. Its standard error is below 0.7 %.
N_TEST = 5000

HELP = """folder (or the variable CNTGRAPH_DATA) with mnist.npz (x_train, y_train, x_test, y_test:
uint8 of 28 x 28) and cifar10_jpeg.npz (for train and test: jpeg_*, all files' bytes in a row,
end_*, the end of each, y_*, the class)"""


@dataclass(frozen=True)
class Images:
    """Images of one task: uint8 of shape (n, channels, height, width), and their classes."""

    train_x: Tensor
    train_y: Tensor
    test_x: Tensor
    test_y: Tensor

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one image."""
        return tuple(self.train_x.shape[1:])

    @property
    def n_train(self) -> int:
        """Number of training images."""
        return len(self.train_x)


def to_float(images: Tensor) -> Tensor:
    """Return images in [0, 1]."""
    return images.float().div_(255)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --data to a parser."""
    parser.add_argument("--data", type=Path, default=os.environ.get("CNTGRAPH_DATA"), help=HELP)


def check_folder(parser: argparse.ArgumentParser, folder: Path | None, task: str) -> Path:
    """Return the folder if it holds the task, and stop with what to put there if not."""
    if folder is None or not (Path(folder) / FILES[task]).is_file():
        parser.error(f"no {FILES[task]}: pass --data FOLDER, a {HELP}")
    return Path(folder)


def load_images(folder: Path, task: str, cache: Path | None = None) -> Images:
    """Read a task; with `cache`, decoded JPEGs are kept there as plain arrays."""
    with np.load(folder / FILES[task], allow_pickle=False) as file:
        if task == "mnist":
            pairs = [(file[f"x_{part}"][:, None], file[f"y_{part}"]) for part in ("train", "test")]
        else:
            pairs = [(_decoded(file, part, cache), file[f"y_{part}"]) for part in ("train", "test")]
    (train_x, train_y), (test_x, test_y) = pairs
    tensors = (train_x, train_y, test_x[:N_TEST], test_y[:N_TEST])
    x_train, y_train, x_test, y_test = (torch.from_numpy(np.array(t)) for t in tensors)
    return Images(x_train, y_train.long(), x_test, y_test.long())


def _decoded(file: np.lib.npyio.NpzFile, part: str, cache: Path | None) -> NDArray[np.uint8]:
    path = None if cache is None else cache / f"cifar10_{part}.npy"
    if path is not None and path.is_file():
        found: NDArray[np.uint8] = np.load(path)
        return found
    images = _decode(file[f"jpeg_{part}"], file[f"end_{part}"])
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, images)
    return images


def _decode(jpeg: NDArray[np.uint8], ends: NDArray[np.int64]) -> NDArray[np.uint8]:
    from PIL import Image

    raw, starts = jpeg.tobytes(), np.concatenate([[0], ends[:-1]])
    images = [
        np.asarray(Image.open(io.BytesIO(raw[start:end])).convert("RGB"))
        for start, end in zip(starts.tolist(), ends.tolist(), strict=True)
    ]
    return np.ascontiguousarray(np.stack(images).transpose(0, 3, 1, 2))
