"""The HDF5 file: one topology, many snapshots (FORMAT.md is the contract).

The only place where h5py is imported.
"""

from cntgraph.store.reader import StoreFile, read_network
from cntgraph.store.writer import save

__all__ = ["StoreFile", "read_network", "save"]
