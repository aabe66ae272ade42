"""Files that other programs read, written a piece at a time.

GEXF, GraphML, CX2, the JSON of graphology, CSV, Parquet.
"""

from cntgraph.export.csv import CsvTables, write_csv
from cntgraph.export.cx2 import write_cx2
from cntgraph.export.gexf import write_gexf
from cntgraph.export.graphml import write_graphml
from cntgraph.export.graphology import write_graphology
from cntgraph.export.parquet import ParquetTables, write_parquet

__all__ = [
    "CsvTables",
    "ParquetTables",
    "write_csv",
    "write_cx2",
    "write_gexf",
    "write_graphml",
    "write_graphology",
    "write_parquet",
]
