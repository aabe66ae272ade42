"""The lines of README run as they stand, on networks of a reader's own."""

import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import cntgraph as cg

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
#: The questions' one-line answers, and what README does with a network that is loaded.
ANSWERS = re.findall(r"^\| [^|]*\? \| (.*?) \| \[", README, re.M)
LINES = [line for answer in ANSWERS for line in re.findall(r"`(.*?)`", answer)]
LINES += re.findall(r"^((?:cg\.(?:describe|analyze)\(net\)|net\.coverage))", README, re.M)
LINES = list(dict.fromkeys(LINES))


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU())

    def forward(self, x):
        return x + self.body(x)


def cnn():
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(36, 3),
    )  # fmt: skip


def resnet():
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), Residual(), Residual(), nn.AdaptiveAvgPool2d(1),
        nn.Flatten(), nn.Linear(4, 3),
    )  # fmt: skip


def transformer():
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    return nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)


MODELS = {
    "cnn": (cnn, (1, 8, 8)),
    "resnet": (resnet, (1, 8, 8)),
    "transformer": (transformer, (5, 8)),
}


@pytest.fixture(scope="module", params=MODELS)
def given(request, tmp_path_factory):
    """What README's lines speak of: a model, its network, data, and the files of trainings."""
    make, shape = MODELS[request.param]
    torch.manual_seed(0)
    folder, model = tmp_path_factory.mktemp("readme"), make().eval()
    for name in ("before", "after", "folder", "runs"):
        (folder / name).mkdir()
    example = torch.randn(1, *shape)
    for name in ("before", "after", "folder"):
        save_file(make().state_dict(), folder / name / "model.safetensors")
    with cg.Recorder(folder / "run.h5", model, example) as record:
        for epoch in range(3):
            step(model)
            record(epoch=epoch, accuracy=epoch / 2)
    for k in range(8):
        step(model)
        net = cg.load(model, example_input=example)
        cg.save(net, folder / "runs" / f"{k}.h5", accuracy=0.1 if k < 4 else 0.9)
    return folder, {"cg": cg, "model": model, "net": net, "loader": torch.randn(4, *shape)}


def step(model):
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn_like(parameter)


def test_there_are_lines():
    assert len(LINES) > 12


@pytest.mark.parametrize("line", LINES)
def test_a_line_of_readme(line, given, monkeypatch):
    folder, names = given
    monkeypatch.chdir(folder)
    (folder / "net.gexf").unlink(missing_ok=True)
    assert eval(line, names) is not None
