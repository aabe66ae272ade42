"""What a file must say of a graph, in plain Python; and GEXF read by a small reader of its own."""

import math
from collections import defaultdict
from xml.etree import ElementTree

import numpy as np

NS = {"": "http://gexf.net/1.3", "viz": "http://gexf.net/1.3/viz"}
TYPES = {
    "string": str, "boolean": lambda text: {"true": True, "false": False}[text],
    "integer": int, "long": int, "double": float,
}  # fmt: skip
PIXELS = {"x": "pixel_x", "y": "pixel_y", "z": "pixel_z"}


def clean(value):
    """What is left of a text in XML."""
    if not isinstance(value, str):
        return value
    return "".join("\ufffd" if _forbidden(sign) else sign for sign in value)


def _forbidden(sign):
    code = ord(sign)
    return (
        (code < 32 and sign not in "\t\n\r") or 0xD800 <= code < 0xE000 or code in (0xFFFE, 0xFFFF)
    )


def nodes_of(graph, measures=None):
    """A dict of attributes for every node; what is NaN is left out."""
    columns = graph.node_attributes(measures)
    rows = []
    for k in range(graph.n_nodes):
        row = {PIXELS.get(name, name): clean(_plain(values[k])) for name, values in columns.items()}
        rows.append({name: v for name, v in row.items() if not _is_nan(v)})
    return rows


def _plain(value):
    return value.item() if isinstance(value, np.generic) else value


def _is_nan(value):
    return isinstance(value, float) and math.isnan(value)


def edges_of(graph):
    """(source, target, weight, block) of every edge, in order; the weight as it is stored."""
    rows = np.repeat(np.arange(graph.n_nodes), np.diff(graph.adjacency.indptr)).tolist()
    blocks = [clean(graph.block_names[k]) for k in graph.edge_block]
    return list(zip(rows, graph.adjacency.indices.tolist(), graph.adjacency.data, blocks,
                    strict=True))  # fmt: skip


def same_weights(texts_or_floats, graph):
    """Whether weights that were read are, as the graph's own type, the same bits."""
    data = graph.adjacency.data
    read = np.array([float(value) for value in texts_or_floats], dtype=np.float64).astype(
        data.dtype
    )
    return read.tobytes() == data.tobytes()


class Gexf:
    """A GEXF file: everything it says, having made sure that it is declared and unique."""

    def __init__(self, path):
        root = ElementTree.parse(path).getroot()
        assert root.tag == f"{{{NS['']}}}gexf"
        assert root.get("version") == "1.3"
        self.graph = root.find("graph", NS)
        self.declared = {"node": {}, "edge": {}}
        for group in self.graph.findall("attributes", NS):
            known = self.declared[group.get("class")]
            for one in group.findall("attribute", NS):
                assert one.get("id") not in known
                known[one.get("id")] = (one.get("title"), TYPES[one.get("type")], group.get("mode"))
        self.nodes = [self._element(one, "node") for one in self.graph.find("nodes", NS)]
        self.edges = [self._element(one, "edge") for one in self.graph.find("edges", NS)]
        ids = [node["id"] for node in self.nodes]
        assert len(set(ids)) == len(ids) == int(self.graph.find("nodes", NS).get("count"))
        assert len({edge["id"] for edge in self.edges}) == len(self.edges)
        assert len(self.edges) == int(self.graph.find("edges", NS).get("count"))
        assert {edge[end] for edge in self.edges for end in ("source", "target")} <= set(ids)

    def _element(self, one, of):
        found = dict(one.attrib) | {"values": {}, "times": defaultdict(list)}
        for value in one.findall("attvalues/attvalue", NS):
            title, kind, mode = self.declared[of][value.get("for")]
            assert ("timestamp" in value.attrib) == (mode == "dynamic")
            if mode == "dynamic":
                found["times"][title].append((value.get("timestamp"), kind(value.get("value"))))
            else:
                assert title not in found["values"]
                found["values"][title] = kind(value.get("value"))
        for name in ("color", "position", "size"):
            viz = one.find(f"viz:{name}", NS)
            found[name] = None if viz is None else {k: float(v) for k, v in viz.attrib.items()}
        return found
