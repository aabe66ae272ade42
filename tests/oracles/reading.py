"""What people do with a file: load it, look at it, measure it, read its weights."""

import warnings

import cntgraph as cg


def outcome(path, *, trajectory=False, **options):
    """Use a file, and return "loaded", or the name of cntgraph's error; any other escapes.

    `trajectory` also opens it as a list of snapshots.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", cg.CoverageWarning)
            use(path, trajectory=trajectory, **options)
    except cg.CntGraphError as error:
        return type(error).__name__
    return "loaded"


def use(path, *, trajectory=False, **options):
    look(cg.load(path, **options))
    if trajectory:
        with cg.open(path) as found:
            assert len(found.labels) == len(found)
            for net in found:
                look(net)
            assert len(found.analyze()) == sum(net.n_layers for net in found)


def look(net):
    """Do everything with a network that reads nothing beside it."""
    repr(net)
    assert len(cg.describe(net)) >= net.n_layers
    assert len(net.coverage) == len(net.entries)
    assert net.estimate().n_nodes == net.n_nodes
    for edges in ("parametric", "all"):
        assert len(cg.analyze(net, edges=edges)) == net.n_layers
    for parameter in net.parameters.values():
        assert parameter.read().shape == parameter.shape
