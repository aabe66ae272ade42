"""Folders of the form of the Small CNN Zoo against the same networks in Keras, and damaged ones."""

import gzip

import numpy as np
import pandas as pd
import pytest

import cntgraph as cg
from cntgraph.core.errors import CntGraphError

N = 6


def write_zoo(folder, layers, weights):
    """The three files, of the weights that a Keras model has, network by network."""
    rows, places, at = [], [], 0
    for name, values in layers:
        places.append((f"sequential/{name}:0", at, at + values.size, values.size, values.shape))
        at += values.size
    for own in weights:
        rows.append(np.concatenate([w.reshape(-1) for w in own]))
    columns = ["varname", "start_idx", "end_idx", "size", "shape"]
    pd.DataFrame(places, columns=columns).to_csv(folder / "layout.csv", index=False)
    np.save(folder / "weights.npy", np.array(rows, np.float32))
    metrics = {"test_accuracy": np.linspace(0, 1, len(rows)), "config.activation": "relu"}
    pd.DataFrame(metrics).to_csv(folder / "metrics.csv.gz", index=False)


@pytest.fixture(params=["valid", "same"])
def model(request):
    import keras

    layers = keras.layers
    return request.param, keras.Sequential([
        layers.Input((11, 10, 1)),
        *(layers.Conv2D(n, 3, 2, request.param, name=f"conv2d_{n}") for n in (4, 3)),
        layers.GlobalAveragePooling2D(),
        layers.Dense(5, name="dense"),
    ])  # fmt: skip


def test_the_networks_are_those_of_keras(model, tmp_path):
    padding, made = model
    rng = np.random.default_rng(0)
    names = ["/".join(v.path.split("/")[-2:]) for v in made.weights]
    layers = [(name, np.zeros(v.shape)) for name, v in zip(names, made.weights, strict=True)]
    weights = [[rng.normal(size=w.shape).astype("f4") for _, w in layers] for _ in range(N)]
    write_zoo(tmp_path, layers, weights)
    zoo = cg.Population.from_cnn_zoo(tmp_path, input_shape=(1, 11, 10), padding=padding)
    assert [*zoo.labels.columns] == ["test_accuracy", "config.activation"]
    table = zoo.analyze()
    for k in (0, N - 1):
        made.set_weights(weights[k])
        expected = cg.analyze(cg.load(made, input_shape=(1, 11, 10)))
        own = table[table["network"] == k].set_index("layer")
        assert own["n_edges"].tolist() == expected["n_edges"].tolist()
        for column in ("fluctuation", "in_strength_mean", "link_weight_std", "link_weight_skew"):
            assert np.allclose(own[column], expected[column], rtol=1e-9, atol=1e-9, equal_nan=True)
    with pytest.raises(CntGraphError, match=r"reads 1 channels.*has 3; is input_shape right"):
        cg.Population.from_cnn_zoo(tmp_path, input_shape=(3, 11, 10))


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    layers = [("conv2d/bias", np.zeros(2)), ("conv2d/kernel", np.zeros((3, 3, 1, 2))),
              ("dense/bias", np.zeros(4)), ("dense/kernel", np.zeros((2, 4)))]  # fmt: skip
    write_zoo(tmp_path, layers, [[rng.normal(size=w.shape) for _, w in layers] for _ in range(N)])
    return tmp_path


def damage(folder, name):
    """Damage one of the files in one way."""
    layout, weights = pd.read_csv(folder / "layout.csv"), np.load(folder / "weights.npy")
    if name in ("weights.npy", "layout.csv", "metrics.csv.gz"):
        (folder / name).unlink()
    elif name == "missing column":
        layout.drop(columns="start_idx").to_csv(folder / "layout.csv")
    elif name == "another shape":
        layout.assign(shape="(3, 3)").to_csv(folder / "layout.csv")
    elif name == "code":
        layout.assign(shape="__import__('os').abort()").to_csv(folder / "layout.csv")
    elif name == "short matrix":
        np.save(folder / "weights.npy", weights[:, :-3])
    elif name == "fewer networks":
        np.save(folder / "weights.npy", weights[:-1])
    elif name == "objects":
        np.save(folder / "weights.npy", weights.astype(object), allow_pickle=True)
    elif name == "cut off":
        data = (folder / "weights.npy").read_bytes()
        (folder / "weights.npy").write_bytes(data[:-8])
    elif name == "damaged labels":
        data = gzip.compress(b"test_accuracy\n1\n")
        (folder / "metrics.csv.gz").write_bytes(data[: len(data) // 2])
    elif name == "more labels":
        (folder / "metrics.csv.gz").write_bytes(gzip.compress(b"a\n" + b"1\n" * 99))
    elif name == "other variables":
        layout["varname"] = layout["varname"].str.replace("kernel", "depthwise_kernel")
        layout.to_csv(folder / "layout.csv")


DAMAGES = {
    "weights.npy": "found no weights.npy", "layout.csv": "found no layout.csv",
    "metrics.csv.gz": "found no metrics.csv.gz", "missing column": "'offset' or 'start_idx'",
    "another shape": "to end at 9, got 2", "code": "expected numbers in a layout",
    "short matrix": "values a network, as the layout says", "fewer networks": "one row of labels",
    "objects": "pickle", "cut off": "cut off|expected", "damaged labels": "cannot be read",
    "more labels": "one row of labels", "other variables": "use Population.from_matrix",
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGES)
def test_damaged_folders(folder, name):
    assert len(cg.Population.from_cnn_zoo(folder)) == N
    damage(folder, name)
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    with pytest.raises(CntGraphError, match=DAMAGES[name]):
        cg.Population.from_cnn_zoo(folder)
    assert before == {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}


def test_images_that_are_too_small(folder):
    with pytest.raises(CntGraphError, match="input_shape"):
        cg.Population.from_cnn_zoo(folder, input_shape=(1, 2, 32))
    with pytest.raises(CntGraphError, match="'valid' or 'same'"):
        cg.Population.from_cnn_zoo(folder, padding="full")
