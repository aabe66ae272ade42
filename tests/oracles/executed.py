"""What must hold of the values that an execution yields, whatever the framework."""

import numpy as np

#: Modes of pooling whose edges say which values may be read, not which are.
OF_DATA = ("max", "attention", "choice", "modulation")
#: Kinds of layer that are no sum of what their edges hand on.
NO_SUM = ("max", "min", "where", "maximum", "minimum", "multiply")


def check_strengths(net, values, rtol=1e-4):
    """Hold what layers receive against Aᵀz + b over what others hand on; return how many were."""
    checked = 0
    for layer in net.layers:
        blocks = net.blocks_into(layer)
        sources = {source.name: source for b in blocks for source in net.layers_of(b.source)}
        if (
            layer.kind in NO_SUM
            or not blocks
            or any(b.modulatory or getattr(b, "mode", "") in OF_DATA for b in blocks)
        ):
            continue
        known = all(name in values and values[name].activation is not None for name in sources)
        if not known or layer.name not in values or values[layer.name].strength is None:
            continue
        strength = values[layer.name].strength
        wanted = np.array([
            received(net, layer, blocks, {n: values[n].activation[k] for n in sources})
            for k in range(len(strength))
        ])  # fmt: skip
        scale = max(np.abs(wanted).max(), 1e-6)
        np.testing.assert_allclose(strength, wanted, rtol=rtol, atol=rtol * scale,
                                   err_msg=layer.name)  # fmt: skip
        checked += 1
    return checked


def received(net, layer, blocks, activations):
    z, total = np.zeros(net.n_nodes), net.bias().copy()
    for name, own in activations.items():
        z[net.layer(name).slice] = own
    for block in blocks:
        ids, values = block.target.as_ids(), block.rmatvec(block.source.gather(z)).reshape(-1)
        np.add.at(total, ids[ids >= 0], values[ids >= 0])
    return total[layer.slice]


def check_batches(execution, inputs):
    """Run a batch, and its samples one by one; return the values, which must be the same."""
    values = execution.run(inputs)
    alone = [execution.run(tuple(x[k : k + 1] for x in inputs)) for k in range(len(inputs[0]))]
    for name, found in values.items():
        for of in ("strength", "activation"):
            whole, ones = getattr(found, of), [getattr(one[name], of) for one in alone]
            assert (whole is None) == (ones[0] is None), name
            if whole is not None:
                assert whole.dtype in (np.float32, np.float64)
                assert whole.shape == (len(inputs[0]), execution.net.layer(name).n_nodes)
                np.testing.assert_allclose(
                    whole, np.concatenate(ones), rtol=1e-4, atol=1e-5, err_msg=name
                )
    return values


def unknown(execution, values):
    """Return the names of layers of which something is not known."""
    names = [layer.name for layer in execution.net.layers]
    return [name for name in names if name not in values or not values[name].is_whole]


def assert_alike(some, others, rtol=1e-4):
    """Hold the values of two executions of one network against each other, layer by layer."""
    compared = 0
    for (name, one), (_, other) in zip(some, others, strict=True):
        for of in ("strength", "activation"):
            a, b = getattr(one, of, None), getattr(other, of, None)
            if a is not None and b is not None:
                np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol, err_msg=name)
                compared += 1
    return compared


def in_order(execution, values):
    """Return names and values in the order of the layers."""
    return [(layer.name, values.get(layer.name)) for layer in execution.net.layers]
