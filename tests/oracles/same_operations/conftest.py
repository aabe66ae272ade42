"""The modules of this folder fill one table when they are imported: no second time for doctests."""

collect_ignore_glob = ["*.py"]
