"""scikit-learn: its multilayer perceptrons, ``MLPClassifier`` and ``MLPRegressor``, once fitted.

They are chains of dense layers, and are recognized by where their class is from: scikit-learn is
not imported. Their files are pickles, which are refused.
"""

from __future__ import annotations

from typing import Any

from cntgraph.adapters.options import Options
from cntgraph.adapters.weights.chain import chain_of
from cntgraph.core.errors import FormatError
from cntgraph.core.parameter import Parameter
from cntgraph.network.network import Network

suffixes = ()

_MODULE = "sklearn.neural_network"
#: What functions are called there, and here.
_ACTIVATIONS = {"identity": "linear", "logistic": "sigmoid"}


def recognizes(source: object) -> bool:
    """Return whether `source` is a perceptron of scikit-learn, or of a class derived from one."""
    return any(
        kind.__module__.startswith(_MODULE) and kind.__name__ == "BaseMultilayerPerceptron"
        for kind in type(source).__mro__
    )


def load(source: Any, **shared: Any) -> Network:
    """Return the network of a fitted perceptron.

    Parameters
    ----------
    source : MLPClassifier or MLPRegressor
        The model.
    **shared
        The fields of `Options`; the size of the input is the model's own.

    Raises
    ------
    FormatError
        If it has not been fitted.
    """
    arrays = list(parameters(source).values())
    hidden = [f"hidden{k + 1}" for k in range(len(source.coefs_) - 1)]
    functions = [source.activation] * len(hidden) + [source.out_activation_]
    layers = [
        {"kind": "dense", "name": name, "activation": _ACTIVATIONS.get(function, function)}
        for name, function in zip([*hidden, "output"], functions, strict=True)
    ]
    return Options(**shared).finish(chain_of(arrays, layers))


def parameters(source: Any) -> dict[str, Parameter]:
    """Return the weights and biases of a perceptron, layer by layer."""
    if not hasattr(source, "coefs_"):
        raise FormatError(
            f"expected a fitted {type(source).__name__}, got one without weights; call fit or "
            "partial_fit first"
        )
    named = {
        f"{name}.{k}": getattr(source, name)[k]
        for k in range(len(source.coefs_))
        for name in ("coefs_", "intercepts_")
    }
    return {name: Parameter.from_array(name, array) for name, array in named.items()}
