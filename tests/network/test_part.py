"""Parts of networks by name: the rows and columns of the whole adjacency, and nothing else."""

from fnmatch import fnmatchcase

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from oracles.nets import adjacency, nets

import cntgraph as cg
from cntgraph.core.errors import CntGraphError

NETS = nets()


def dense(net, edges="all"):
    return adjacency(net, edges).toarray()


def nodes_of(net, names):
    return np.concatenate([np.arange(net.n_nodes)[x.slice] for x in net.layers if x.name in names])


@given(st.sampled_from(sorted(NETS)), st.data())
def test_layers_and_the_blocks_among_them(name, data):
    net = NETS[name]
    names = data.draw(st.sets(st.sampled_from([x.name for x in net.layers]), min_size=1))
    part = net.keep_layers(*sorted(names, reverse=True))
    assert [x.name for x in part.layers] == [x.name for x in net.layers if x.name in names]
    kept = nodes_of(net, names)
    inside = {block.name for block in part.blocks}
    expected = np.zeros((len(kept), len(kept)))
    for block in net.blocks:
        own = block.to_csr().tocoo()
        rows, columns = block.source.as_ids()[own.row], block.target.as_ids()[own.col]
        among = np.isin(rows, kept) & np.isin(columns, kept)
        assert among.any() == (block.name in inside)
        places = (np.searchsorted(kept, rows[among]), np.searchsorted(kept, columns[among]))
        np.add.at(expected, places, own.data[among])
    np.testing.assert_allclose(dense(part), expected)


@given(st.sampled_from(sorted(NETS)), st.data())
def test_blocks_and_the_layers_that_they_join(name, data):
    net = NETS[name]
    names = data.draw(st.sets(st.sampled_from([b.name for b in net.blocks]), min_size=1))
    part = net.keep_blocks(*names)
    assert [b.name for b in part.blocks] == [b.name for b in net.blocks if b.name in names]
    kept = nodes_of(net, {x.name for x in part.layers})
    expected = np.zeros((net.n_nodes, net.n_nodes))
    for block in net.blocks:
        if block.name in names:
            own = block.to_csr().tocoo()
            places = (block.source.as_ids()[own.row], block.target.as_ids()[own.col])
            np.add.at(expected, places, own.data)
    np.testing.assert_allclose(dense(part), expected[np.ix_(kept, kept)])
    assert np.count_nonzero(dense(part)) == np.count_nonzero(expected)


@pytest.mark.parametrize("name", NETS)
def test_a_part_has_the_parameters_that_its_blocks_read(name, tmp_path):
    net = NETS[name]
    part = net.keep_blocks(net.select_blocks("parametric")[0].name)
    (block,) = part.blocks
    read = {parameter.name for parameter in block.parameters()}
    assert set(part.parameters) == set(part.coverage.index) == read
    cg.save(part, tmp_path / "part.h5")
    again = cg.load(tmp_path / "part.h5")
    np.testing.assert_array_equal(cg.node_strength(again), cg.node_strength(part))


def test_names_and_patterns():
    net = NETS["mlp"]
    assert [x.name for x in net.keep_layers("fc[12]", "input").layers] == ["input", "fc1", "fc2"]
    assert [x.name for x in net.keep_layers("*").layers] == [x.name for x in net.layers]
    whole = net.keep_blocks("fc*")
    assert [b.name for b in whole.blocks] == ["fc1", "fc2", "fc3"]
    np.testing.assert_array_equal(dense(whole), dense(net))


@pytest.mark.parametrize("keep", ["keep_layers", "keep_blocks"])
def test_a_pattern_that_stands_for_nothing(keep):
    what = keep.removeprefix("keep_").removesuffix("s")
    with pytest.raises(
        CntGraphError, match=rf"no {what} is called 'conv\*'; the {what}s are: .*fc1"
    ):
        getattr(NETS["mlp"], keep)("fc1", "conv*")


def test_graphs_take_patterns_too():
    net = NETS["cnn"]
    expected = cg.build_graph(net.keep_layers("conv*", "pool"))
    for graph in (
        cg.build_graph(net, layers=["conv*", "pool"]),
        cg.keep_layers(cg.build_graph(net), ["pool", "conv*"]).graph,
    ):
        assert (graph.adjacency != expected.adjacency).nnz == 0
        assert [x.name for x in graph.layers] == ["conv1", "pool"]


@pytest.fixture(scope="module")
def transformer():
    torch.manual_seed(0)
    layer = torch.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    model = torch.nn.TransformerEncoder(layer, 2, enable_nested_tensor=False).eval()
    return cg.load(model, input_shape=(5, 8))


def test_the_attention_of_a_transformer_has_its_learned_edges(transformer):
    part = transformer.keep_blocks("*self_attn*")
    learned = [block.name for block in part.select_blocks("parametric")]
    assert learned == [f"layers.{k}.self_attn{end}" for k in range(2) for end in ("", ".out_proj")]
    weights = cg.link_weights(part)["n_weights"]
    assert weights.tolist() == [8 * 24, 8 * 8] * 2  # queries, keys and values; the projection
    assert not any(fnmatchcase(block.name, "*linear*") for block in part.blocks)
    whole = transformer.split(cg.node_strength(transformer.keep_blocks("*"), direction="in"))
    own = part.split(cg.node_strength(part, direction="in"))
    np.testing.assert_array_equal(own["layers.0.self_attn"], whole["layers.0.self_attn"])
