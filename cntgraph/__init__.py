"""Trained neural networks as directed weighted graphs, measured by complex network theory.

    >>> import cntgraph as cg
    >>> net = cg.toy("cnn")
    >>> cg.analyze(net)[["n_nodes", "fluctuation"]].shape
    (4, 2)

Importing it loads no framework, no plotting and no graph library.
"""

import lazy_loader

from cntgraph.version import __version__ as __version__

# Names are those of __init__.pyi, imported when they are first used.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
