"""Files that other programs read: GEXF, GraphML, CSV, Parquet; written a piece at a time."""

from cntgraph.export.csv import CsvTables, write_csv
from cntgraph.export.gexf import write_gexf
from cntgraph.export.graphml import write_graphml
from cntgraph.export.parquet import ParquetTables, write_parquet

__all__ = [
    "CsvTables",
    "ParquetTables",
    "write_csv",
    "write_gexf",
    "write_graphml",
    "write_parquet",
]
