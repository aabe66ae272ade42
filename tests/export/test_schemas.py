"""The grammars that files are held against refuse what is no such file."""

import pytest

import cntgraph as cg
from cntgraph.export import write_gexf, write_graphml


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('weight="', 'weight="a'),
        ('version="1.3"', 'version="1.2"'),
        ('type="double"', 'type="real"'),
        (' g="', ' g="300'),
        ("<viz:size ", "<size "),
        ('mode="static">\n<attributes', '>\n<attributes'),
        ("</nodes>", "</nodes><nodes></nodes>"),
        ('source="0" ', ""),
        ('xmlns="http://gexf.net/1.3"', 'xmlns="http://gexf.net/1.2draft"'),
    ],
)  # fmt: skip
def test_broken_gexf(before, after, tmp_path, valid_gexf):
    _check(write_gexf(cg.toy("mlp"), tmp_path / "g.gexf"), before, after, valid_gexf)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('timestamp="', 'timestamp="a'),
        ('timeformat="integer"', 'timeformat="step"'),
        ('target="6"', 'target="6" weight="1.0"'),
    ],
)
def test_broken_dynamic_gexf(before, after, tmp_path, valid_gexf):
    _check(write_gexf([cg.toy("mlp")] * 2, tmp_path / "g.gexf"), before, after, valid_gexf)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('attr.type="int"', 'attr.type="integer"'),
        ('edgedefault="directed"', ""),
        ('<node id="0"', '<node id="0 0"'),
        ("</graph>", "<nodes/></graph>"),
    ],
)
def test_broken_graphml(before, after, tmp_path, valid_graphml):
    _check(write_graphml(cg.toy("mlp"), tmp_path / "g.graphml"), before, after, valid_graphml)


def _check(path, before, after, valid):
    valid(path)
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after, 1))
    with pytest.raises(AssertionError):
        valid(path)
