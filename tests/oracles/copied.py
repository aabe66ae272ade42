"""Networks of one topology with drawn weights, and all kinds of networks that they may be of."""

import numpy as np
from oracles.local import all_nets

from cntgraph.core.parameter import Parameter
from cntgraph.network import Network

NETS = {name: net for name, net in all_nets().items() if net.parameters or net.blocks}
ODD = (np.nan, np.inf, -np.inf)


def parameters_of(net):
    """All parameters that are read, whether the network lists them or not."""
    read = {p.name: p for block in net.blocks for p in block.parameters()}
    return {**read, **net.parameters}


def listed(net):
    return Network(net.layers, net.blocks, parameters_of(net), net.entries)


def copied(net, n, rng, *, odd=False):
    """Values of n networks, stacked, and the networks."""
    stacked = {}
    for name, p in net.parameters.items():
        values = rng.normal(size=(n, *p.shape)).astype("f4")
        if odd and values.size:
            values[rng.integers(n)].flat[0] = rng.choice(ODD)
        stacked[name] = Parameter.from_array(name, values, trainable=p.trainable)
    each = [
        net.bind({name: Parameter.from_array(name, p.data[k]) for name, p in stacked.items()}, {})
        for k in range(n)
    ]
    return stacked, each
