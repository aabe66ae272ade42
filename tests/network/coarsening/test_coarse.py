"""Networks with one node per channel or per layer."""

import tracemalloc

import numpy as np
import pytest
from oracles.nets import adjacency, attention, edge_list, nets

import cntgraph as cg
from cntgraph.adapters.builder import Builder
from cntgraph.adapters.builder.recurrent import Cell, Gate, run_cell
from cntgraph.core.errors import CntGraphError, GraphSizeError
from cntgraph.core.parameter import Parameter
from cntgraph.core.recipe import Recipe
from cntgraph.core.view import View
from cntgraph.network.blocks import AxisOperator, Conv, Dense, Pool, Window, row_column_sums
from cntgraph.network.layer import Layer
from cntgraph.network.network import Network
from cntgraph.store.description import differences

AGGREGATIONS = ("sum", "l1", "l2")
NETS = nets()


@pytest.fixture(params=NETS)
def net(request):
    return NETS[request.param]


class Bench:
    """A builder with random weights, whose values the tests can look up."""

    def __init__(self, seed=0):
        self.builder, self.values = Builder(), {}
        self.rng = np.random.default_rng(seed)

    def tensor(self, name, *shape):
        self.values[name] = self.rng.normal(size=shape).astype(np.float32)
        return Recipe.of(self.builder.parameter(Parameter.from_array(name, self.values[name])))

    def conv(self, name, ids, n_out, kernel=3, **options):
        axes = tuple(Window(n, n, kernel, before=kernel // 2) for n in ids.shape[1:])
        shape = (n_out, ids.shape[0] // options.get("groups", 1), *(kernel,) * len(axes))
        bias = self.tensor(f"{name}.bias", n_out)
        weight = self.tensor(f"{name}.weight", *shape)
        return self.builder.conv(name, ids, weight, bias, axes, **options)

    def dense(self, name, ids, n_out):
        weight = self.tensor(f"{name}.weight", n_out, ids.shape[-1])
        return self.builder.linear(name, ids, weight, self.tensor(f"{name}.bias", n_out))

    def finish(self, ids):
        self.builder.output(ids)
        return self.builder.finish()


def matrix_of(net, name):
    """The weights of one block, targets × sources, over all nodes of the layers it connects."""
    (block,) = (block for block in net.blocks if block.name == name)
    dense = np.zeros((net.n_nodes, net.n_nodes))
    own = block.to_csr().toarray()
    dense[np.ix_(block.source.as_ids(), block.target.as_ids())] = own
    (source,), (target,) = net.layers_of(block.source), net.layers_of(block.target)
    return dense[source.slice, target.slice].T


# -- what stays ------------------------------------------------------------------------------------


def test_neurons_are_what_there_is(net):
    made = cg.coarsen(net, "neuron")
    assert made.layers == net.layers
    assert all(ours is theirs for ours, theirs in zip(made.blocks, net.blocks, strict=True))


@pytest.mark.parametrize("granularity", ["channel", "layer"])
def test_names_and_all_that_is_known_stay(net, granularity):
    made = cg.coarsen(net, granularity)
    for ours, theirs in zip(made.layers, net.layers, strict=True):
        for name in ("name", "kind", "activation", "is_input", "is_output"):
            assert getattr(ours, name) == getattr(theirs, name)
    assert [b.name for b in made.blocks] == [b.name for b in net.blocks]
    assert [b.parametric for b in made.blocks] == [b.parametric for b in net.blocks]
    assert made.coverage.equals(net.coverage)
    assert made.parameters is net.parameters
    assert made.labels == net.labels
    assert [net.layers_of(b.target)[0].name for b in net.blocks] == [
        made.layers_of(b.target)[0].name for b in made.blocks
    ]


def test_dense_layers_have_units_for_channels():
    net = cg.toy("mlp")
    made = cg.coarsen(net, "channel")
    assert edge_list(made) == edge_list(net)
    assert np.array_equal(made.bias(), net.bias())


@pytest.mark.parametrize("granularity", ["channel", "layer"])
def test_a_block_has_one_edge_a_pair(net, granularity):
    for block in cg.coarsen(net, granularity).blocks:
        edges = block.to_csr().tocoo()
        ends = block.source.as_ids()[edges.row], block.target.as_ids()[edges.col]
        assert len(set(zip(*ends, strict=True))) == block.n_edges


# -- between granularities -------------------------------------------------------------------------


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
def test_layers_of_channels_are_layers_of_neurons(net, aggregation):
    channels = cg.coarsen(net, "channel", aggregation=aggregation)
    twice = cg.coarsen(channels, "layer", aggregation=aggregation)
    once = cg.coarsen(net, "layer", aggregation=aggregation)
    assert once.layers == twice.layers
    assert np.allclose(adjacency(once).toarray(), adjacency(twice).toarray())
    assert np.allclose(once.bias(), twice.bias())
    again = cg.coarsen(channels, "channel", aggregation=aggregation)
    assert np.allclose(adjacency(again).toarray(), adjacency(channels).toarray())


@pytest.mark.parametrize("aggregation", ["sum", "l1"])
def test_strengths_add_up_over_the_channels_of_a_layer(net, aggregation):
    channels, layers = (cg.coarsen(net, g, aggregation=aggregation) for g in ("channel", "layer"))
    for direction in ("in", "out"):
        of_channels = channels.split(cg.node_strength(channels, direction=direction))
        of_layers = cg.node_strength(layers, direction=direction)
        assert np.allclose([values.sum() for values in of_channels.values()], of_layers)


# -- layers of real networks -----------------------------------------------------------------------


def test_the_strength_of_a_convolution_is_the_sum_over_its_taps():
    bench = Bench()
    ids = bench.builder.input("x", (2, 5, 4))
    net = bench.finish(bench.conv("c", bench.conv("a", ids, 3), 4))
    made = cg.coarsen(net, "channel")
    strength = cg.node_strength(made, direction="in", bias=False)
    for name in ("a", "c"):
        expected = bench.values[f"{name}.weight"].astype(float).sum((1, 2, 3))
        assert np.allclose(made.split(strength)[name], expected)


@pytest.mark.parametrize("order", ["channels first", "channels last", "any"])
@pytest.mark.parametrize("aggregation", AGGREGATIONS)
def test_a_dense_layer_after_a_flatten_is_summed_over_positions(order, aggregation):
    bench = Bench()
    ids = bench.builder.input("x", (3, 2, 4))
    flat = {
        "channels first": ids.reshape(-1),
        "channels last": np.moveaxis(ids, 0, -1).reshape(-1),
        "any": bench.rng.permutation(ids.reshape(-1)),
    }[order]
    net = bench.finish(bench.dense("fc", flat, 5))
    found = matrix_of(cg.coarsen(net, "channel", aggregation=aggregation), "fc")
    expected = np.zeros((5, 3))
    for column, node in enumerate(flat):
        w = bench.values["fc.weight"][:, column].astype(float)
        expected[:, node // 8] += {"sum": w, "l1": abs(w), "l2": w * w}[aggregation]
    assert np.allclose(found, np.sqrt(expected) if aggregation == "l2" else expected)
    weight = cg.coarsen(net, "channel").blocks[0].weight
    assert (weight.op == "sum_by") == (order == "any")


def test_a_pixel_shuffle_hands_a_weight_to_all_channels_it_reads():
    bench = Bench()
    ids = bench.builder.input("x", (4, 3, 3))
    shuffled = ids.reshape(1, 2, 2, 3, 3).transpose(0, 3, 1, 4, 2).reshape(1, 6, 6)
    net = bench.finish(bench.conv("c", shuffled, 2))
    found = matrix_of(cg.coarsen(net, "channel"), "c")
    # Moved by any tap, every third pixel is still one of each channel.
    taps = bench.values["c.weight"].astype(float).sum((1, 2, 3))
    assert np.allclose(found, np.repeat(taps[:, None], 4, axis=1))


def test_a_channel_shuffle_between_grouped_convolutions():
    bench = Bench()
    ids = bench.conv("a", bench.builder.input("x", (4, 3)), 6, groups=2)
    shuffled = ids.reshape(2, 3, 3).swapaxes(0, 1).reshape(6, 3)
    net = bench.finish(bench.conv("c", shuffled, 4, groups=2))
    made = cg.coarsen(net, "channel")
    assert all(isinstance(b, Conv) and b.groups == 2 for b in made.blocks)
    kernel = bench.values["c.weight"].astype(float).sum(2)
    expected = np.zeros((4, 6))
    for c in range(4):
        for k in range(3):
            place = (c // 2) * 3 + k
            expected[c, (place % 2) * 3 + place // 2] = kernel[c, k]
    assert np.allclose(matrix_of(made, "c"), expected)


def test_a_concatenation_leads_to_the_channels_of_both():
    bench = Bench()
    x = bench.builder.input("x", (2, 4))
    a, b = bench.conv("a", x, 3), bench.conv("b", x, 2)
    net = bench.finish(bench.conv("c", np.concatenate([a, b[:1], a[1:2]]), 2))
    made = cg.coarsen(net, "channel")
    kernel = bench.values["c.weight"].astype(float).sum(2)
    dense = adjacency(made).toarray()
    of = {layer.name: layer.slice for layer in made.layers}
    expected = kernel[:, :3].copy()
    expected[:, 1] += kernel[:, 4]
    assert np.allclose(dense[of["a"], of["c"]].T, expected)
    assert np.allclose(dense[of["b"], of["c"]].T, np.stack([kernel[:, 3], np.zeros(2)], 1))
    layers = cg.coarsen(net, "layer")
    assert layers.n_edges == 4


def test_parallel_blocks_stay_parallel():
    net = cg.toy("residual")
    layers = cg.coarsen(net, "layer")
    into = layers.blocks_into(layers.layer("sum"))
    assert [block.name for block in into] == [b.name for b in net.blocks_into(net.layer("sum"))]
    weights = {b.kind: b.to_csr().sum() for b in into}
    total = net.parameters["fc2.weight"].read().astype(float).sum()
    assert weights == {"dense": pytest.approx(total), "sparse": 5.0}


def test_a_recurrent_layer_has_a_loop_at_its_node():
    bench = Bench()
    layers = (Layer("x", (3,), "input"), Layer("r", (5,), "recurrent", 3))
    own, hidden = View((3,)), View((5,), 3)
    blocks = (
        Dense(name="r.input", source=own, target=hidden, weight=bench.tensor("wx", 5, 3)),
        Dense(name="r.hidden", source=hidden, target=hidden, weight=bench.tensor("wh", 5, 5)),
    )
    net = Network(layers, blocks)
    graph = cg.build_graph(net, granularity="layer")
    assert graph.n_edges == 2
    assert graph.adjacency[1, 1] == pytest.approx(bench.values["wh"].astype(float).sum())
    channels = cg.build_graph(net, granularity="channel").adjacency.toarray()
    assert np.array_equal(channels[3:, 3:].T, bench.values["wh"])


def test_time_steps_that_are_unrolled_are_the_loop_again():
    def build(unroll):
        bench = Bench()
        bench.builder.unroll = unroll
        ids = bench.builder.input("x", (3, 4)).T
        gates = tuple(
            Gate(*(bench.tensor(f"{k}{name}", 5, *shape) for name, shape in shapes.items()))
            for k in range(4)
        )
        return bench.finish(run_cell(bench.builder, ids, Cell("lstm", "r", gates))[1][0])

    shapes = {"wx": (3,), "wh": (5,), "b": ()}
    unrolled, loop = (cg.build_graph(build(n), granularity="channel") for n in (4, None))
    assert [layer.name for layer in unrolled.layers] == [layer.name for layer in loop.layers]
    assert unrolled.n_edges == loop.n_edges
    assert np.allclose(unrolled.adjacency.toarray(), loop.adjacency.toarray())
    assert np.allclose(unrolled.bias, loop.bias)


def test_attention_passes_features_on_and_is_modulated():
    bench = Bench()
    b = bench.builder
    x = b.input("x", (6, 4)).T
    q, k, v = (bench.dense(name, x, 6).reshape(4, 2, 3).swapaxes(0, 1) for name in ("q", "k", "v"))
    mixed = attention(b, "attention", q, k, v, np.tri(4, dtype=bool))
    net = bench.finish(bench.dense("out", mixed.swapaxes(0, 1).reshape(4, 6), 6))
    made = cg.coarsen(net, "channel")
    assert np.allclose(matrix_of(made, "attention"), np.eye(6))
    assert np.allclose(matrix_of(made, "out"), bench.values["out.weight"])
    heads = np.kron(np.eye(2), np.ones((1, 3)))
    for block in made.blocks:
        if block.modulatory:
            assert (block.to_csr().data == 1.0).all()
    scores = made.blocks_into(made.layer("attention.scores"))
    assert len(scores) == 2
    for block in scores:
        assert np.allclose(matrix_of(made, block.name), heads)
    layers = cg.coarsen(net, "layer")
    assert {b.to_csr().sum() for b in layers.blocks if b.modulatory} == {1.0}
    assert layers.blocks_into(layers.layer("attention"))[0].to_csr().sum() == pytest.approx(6.0)


def narrow_vgg(scale=32):
    bench = Bench()
    b = bench.builder
    ids, number = b.input("x", (3, 32, 32)), 0
    for width in (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0):
        if not width:
            halves = AxisOperator.of_window(Window(ids.shape[1], ids.shape[1] // 2, 2, 2))
            ids = b.pool(f"pool{number}", ids, (halves, halves), "max")
            continue
        number += 1
        ids = b.activate(bench.conv(f"conv{number}", ids, width // scale), "relu")
    ids = ids.reshape(-1)
    for name in ("fc1", "fc2", "fc3"):
        ids = bench.dense(name, ids, 32)
    return bench, bench.finish(ids)


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
def test_vgg_16_channel_by_channel(aggregation):
    bench, net = narrow_vgg()
    made = cg.coarsen(net, "channel", aggregation=aggregation)
    strength = cg.node_strength(made, bias=False)
    expected = np.zeros(made.n_nodes)
    names = [b.name for b in net.blocks if b.parametric]
    assert len(names) == 16
    for block in made.blocks:
        if not block.parametric:
            continue
        weight = bench.values[f"{block.name}.weight"].astype(float)
        matrix = weight.reshape(*weight.shape[:2], -1)
        for j, target in enumerate(block.target.as_ids()):
            for i, source in enumerate(block.source.as_ids()):
                w = matrix[j, i]
                value = {"sum": w.sum(), "l1": abs(w).sum(), "l2": np.sqrt((w * w).sum())}[
                    aggregation
                ]
                expected[target] += value
                expected[source] += value
    assert np.allclose(strength, expected)
    pools = [b.to_csr().diagonal() for b in made.blocks if b.kind == "pool"]
    assert len(pools) == 5
    assert np.allclose(np.concatenate(pools), 2.0 if aggregation == "l2" else 4.0)


# -- biases ----------------------------------------------------------------------------------------


def test_a_bias_that_positions_share_is_the_stored_one():
    bench = Bench()
    net = bench.finish(bench.conv("c", bench.builder.input("x", (2, 5)), 3))
    made = cg.coarsen(net, "channel", aggregation="l1")
    assert np.array_equal(made.blocks[0].bias.read(), bench.values["c.bias"])
    assert made.blocks[0].bias.dtype == np.float32


def test_a_bias_of_positions_is_their_mean(net):
    made = cg.coarsen(net, "channel")
    values = net.split(net.bias())
    expected = [v.reshape(len(v), -1).mean(axis=1) for v in values.values()]
    assert np.allclose(made.bias(), np.concatenate(expected))


# -- graphs, sizes, tables -------------------------------------------------------------------------


@pytest.mark.parametrize("granularity", ["neuron", "channel", "layer"])
@pytest.mark.parametrize("edges", ["all", "parametric"])
def test_graphs_and_their_estimates(net, granularity, edges):
    options = {"granularity": granularity, "edges": edges}
    graph, estimate = cg.build_graph(net, aggregation="l1", **options), net.estimate(**options)
    made = cg.coarsen(net, granularity, aggregation="l1")
    assert (estimate.n_nodes, estimate.n_edges) == (graph.n_nodes, graph.n_edges)
    assert np.allclose(graph.adjacency.toarray(), adjacency(made, edges).toarray())
    assert [layer.name for layer in graph.layers] == [layer.name for layer in net.layers]
    strengths = (cg.node_strength(x, edges=edges) for x in (graph, made))
    assert np.allclose(*strengths)


def test_the_node_table_has_no_places():
    nodes = cg.build_graph(NETS["cnn"], granularity="channel").nodes
    assert (nodes[["z", "y", "x"]] == -1).all(axis=None)
    assert nodes["channel"].tolist() == [0, 0, 1, 0, 1, 0, 1, 2]
    layers = cg.build_graph(NETS["cnn"], granularity="layer", layers=["pool", "fc"])
    assert layers.nodes["layer"].tolist() == ["pool", "fc"]
    assert layers.n_edges == 1


def test_the_limit_is_on_the_edges_of_the_coarse_graph():
    net = NETS["cnn"]
    assert cg.build_graph(net, granularity="channel", max_edges=10).n_edges == 10
    with pytest.raises(GraphSizeError, match="10 edges"):
        cg.build_graph(net, granularity="channel", max_edges=9)


@pytest.mark.parametrize("granularity", ["channel", "layer"])
def test_tables_take_a_granularity(net, granularity):
    made = cg.coarsen(net, granularity, aggregation="l2")
    options = {"granularity": granularity, "aggregation": "l2"}
    assert cg.analyze(net, edges="all", **options).equals(cg.analyze(made, edges="all"))
    assert cg.describe(net, **options).equals(cg.describe(made))
    assert len(cg.link_weights(made)) == len(cg.link_weights(net))


def test_what_is_not_known_is_refused(net):
    with pytest.raises(CntGraphError, match=r"granularity.*neuron, channel, layer; got 'node'"):
        cg.coarsen(net, "node")
    with pytest.raises(CntGraphError, match=r"aggregation.*sum, l1, l2; got 'max'"):
        cg.build_graph(net, granularity="neuron", aggregation="max")


def test_layers_without_nodes():
    shapes = {"a": (2,), "none": (0, 3), "b": (3, 0)}
    layers = [Layer(name, shape, "", 0 if name == "a" else 2) for name, shape in shapes.items()]
    nothing = AxisOperator(0, 0, *np.zeros((3, 0), dtype=np.int64))
    block = Pool(name="b", source=View((3, 0), 2), target=View((3, 0), 2), operators=(nothing,),
                 mode="max")  # fmt: skip
    net = Network(tuple(layers), (block,))
    channels = cg.coarsen(net, "channel")
    assert [layer.shape for layer in channels.layers] == [(2,), (0,), (3,)]
    assert channels.n_edges == 0
    assert cg.coarsen(net, "layer").n_nodes == 3
    assert cg.coarsen(Network((), ()), "layer").n_nodes == 0


# -- recipes: every snapshot, files, memory --------------------------------------------------------


@pytest.mark.parametrize("granularity", ["channel", "layer"])
def test_a_coarse_network_reads_any_snapshot(net, granularity):
    later = {
        name: Parameter.from_array(name, 3.0 - p.read().astype(float))
        for name, p in net.parameters.items()
    }
    made = cg.coarsen(net, granularity, aggregation="l1").bind(later, {"epoch": 2})
    expected = cg.coarsen(net.bind(later, {"epoch": 2}), granularity, aggregation="l1")
    assert np.allclose(cg.node_strength(made), cg.node_strength(expected))
    assert not np.allclose(
        cg.node_strength(made), cg.node_strength(cg.coarsen(net, granularity, aggregation="l1"))
    )


@pytest.mark.parametrize("granularity", ["channel", "layer"])
@pytest.mark.parametrize("aggregation", AGGREGATIONS)
def test_a_coarse_network_is_saved_like_any_other(net, granularity, aggregation, tmp_path):
    made = cg.coarsen(net, granularity, aggregation=aggregation)
    cg.save(made, tmp_path / "coarse.h5")
    with cg.open(tmp_path / "coarse.h5") as trajectory:
        again = trajectory[0]
        assert differences(again, made) == []
        assert np.allclose(cg.node_strength(again), cg.node_strength(made))


def test_a_trajectory_is_analyzed_at_any_granularity():
    with cg.open(cg.demo_file("training")) as trajectory:
        table = trajectory[:2].analyze(granularity="channel", aggregation="l2")
        expected = cg.analyze(trajectory[1], granularity="channel", aggregation="l2")
    second = table[table["snapshot"] == 1]
    assert np.allclose(second["fluctuation"], expected["fluctuation"])


class NeverRead:
    def __init__(self, shape):
        self.shape = shape

    def __getitem__(self, key):
        raise AssertionError("a weight was read")


def test_nothing_is_read_and_nothing_is_unrolled():
    builder = Builder()

    def tensor(name, *shape):
        return Recipe.of(builder.parameter(Parameter(name, shape, "float32", NeverRead(shape))))

    ids = builder.input("x", (64, 256, 256))
    axis = Window(256, 256, 3, before=1)
    ids = builder.conv("conv", ids, tensor("conv.weight", 64, 64, 3, 3), None, (axis, axis))
    ids = builder.pool("pool", ids, (AxisOperator.adaptive(256, 1),) * 2, "average")
    builder.output(builder.linear("fc", ids.reshape(-1), tensor("fc.weight", 1000, 64), None))
    net = builder.finish()
    tracemalloc.start()
    try:
        estimates = [net.estimate(granularity=g, aggregation="l2") for g in ("channel", "layer")]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert [e.n_edges for e in estimates] == [64 * 64 + 64 + 64 * 1000, 3]
    assert peak < 2_000_000


def test_weights_are_read_in_chunks(monkeypatch):
    monkeypatch.setattr(row_column_sums, "_PART", 1 << 20)

    class Spy(NeverRead):
        rows = 0

        def __getitem__(self, key):
            part = np.ones(self.shape, np.float32)[key]
            self.rows = max(self.rows, len(part))
            return part

    spy = Spy((4000, 600))
    builder = Builder()
    weight = Recipe.of(builder.parameter(Parameter("w", spy.shape, "float32", spy)))
    ids = builder.input("x", (6, 10, 10))
    builder.output(builder.linear("fc", ids.reshape(-1), weight, None))
    net = builder.finish()
    for granularity, total in (("channel", 4000 * 100), ("layer", 4000 * 600)):
        strength = cg.node_strength(cg.coarsen(net, granularity, aggregation="l1"))
        assert strength[0] == total
        assert 0 < spy.rows < 500
