"""Perceptrons of scikit-learn: their weights, their functions, and what they compute."""

import pickle
import warnings

import numpy as np
import pytest
from sklearn.neural_network import MLPClassifier, MLPRegressor

import cntgraph as cg
from cntgraph.core.errors import FormatError, UnsafeFileError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(30, 5))


def fitted(model, y):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # two iterations are no training
        return model(hidden_layer_sizes=(4, 3), max_iter=2, random_state=0).fit(X, y)


@pytest.mark.parametrize(
    ("model", "y", "output"),
    [
        (MLPRegressor, X[:, :2], "none"),
        (MLPClassifier, X[:, 0] > 0, "sigmoid"),
        (MLPClassifier, np.arange(30) % 3, "softmax"),
    ],
)
def test_layers_and_weights_are_the_models(model, y, output):
    made = fitted(model, y)
    net = cg.load(made, strict=True)
    assert [layer.name for layer in net.layers] == ["input", "hidden1", "hidden2", "output"]
    assert [layer.shape[0] for layer in net.layers] == [5, 4, 3, made.n_outputs_]
    for block, coefs, intercepts in zip(net.blocks, made.coefs_, made.intercepts_, strict=True):
        assert np.array_equal(block.weight.read(), coefs.T)
        assert np.array_equal(block.bias.read(), intercepts)
    assert net.layers[1].activation == "relu"
    assert (net.layers[3].activation or "none") == output


def test_parameters_are_listed_by_layer():
    net = cg.load(fitted(MLPRegressor, X[:, 0]))
    assert list(net.coverage.index) == [f"{name}.{k}" for k in range(3)
                                        for name in ("coefs_", "intercepts_")]  # fmt: skip


def test_a_model_that_has_not_been_fitted():
    with pytest.raises(FormatError, match="call fit or partial_fit first"):
        cg.load(MLPClassifier())


def test_a_pickle_of_one_is_refused(tmp_path):
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(fitted(MLPRegressor, X[:, 0])))
    with pytest.raises(UnsafeFileError, match="pass the live model"):
        cg.load(path)
