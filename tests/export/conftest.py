from pathlib import Path

import pytest
from lxml import etree

SCHEMAS = Path(__file__).parent.parent / "schemas"


def _checker(name):
    schema = etree.RelaxNG(etree.parse(SCHEMAS / name))

    def check(path):
        document = etree.parse(path, etree.XMLParser(huge_tree=True))
        assert schema.validate(document), schema.error_log

    return check


@pytest.fixture(scope="session")
def valid_gexf():
    """Raise if a file is not GEXF 1.3."""
    return _checker("gexf.rng")


@pytest.fixture(scope="session")
def valid_graphml():
    """Raise if a file is not GraphML."""
    return _checker("graphml.rng")
