"""read_attribution_graph: a graph of attributions that another tool has written, as a `Graph`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NoReturn

from cntgraph.core.errors import CntGraphError, FormatError
from cntgraph.core.memory import check_memory
from cntgraph.graph.attribution import circuit_tracer, edge_scores
from cntgraph.graph.graph import Graph

#: Bytes of memory that one byte of JSON may take while it is read.
_MEMORY_PER_BYTE = 30


def read_attribution_graph(path: str | Path, *, in_circuit: bool = False) -> Graph:
    """Read a graph of attributions between the features or the parts of a model.

    Parameters
    ----------
    path : str or Path
        A JSON file of circuit-tracer or Neuronpedia (``nodes`` and ``links``: features of
        transcoders, reconstruction errors, token embeddings, logits), or one of edge attribution
        patching (``edges``: scores by names like ``"a0.h1->m2"``).
    in_circuit : bool, default False
        Whether only the edges are taken that the file marks as parts of a circuit
        (``in_graph``); files of circuit-tracer have no such marks, and are pruned already.

    Returns
    -------
    Graph
        An edge i → j has the attribution of j to i as its weight, with its sign. (The matrices
        of these tools have rows = targets; this one has rows = sources.) Layers stand in the
        order of the model: embeddings or input, one layer per layer of the model, logits.
        `Graph.nodes` has, beside its usual columns, ``node_id``, and of features
        ``feature``, ``position`` (of the token), ``feature_type``, ``description``,
        ``feature_activation``, ``influence``, ``token_probability`` and ``is_target_logit``; of
        parts of a model ``in_circuit``. ``graph.nodes.attrs["metadata"]`` is what the file says
        of itself (prompt, model). All edges count as learned.

    Raises
    ------
    FormatError
        If the file is none of these, or damaged; the message names the entry.

    Notes
    -----
    All measures of explicit graphs work on it, under the sign policy of each. Of a graph of
    features, the part of a node's input that is explained is its in-strength over positive and
    negative edges; `pagerank`, `disparity_filter`, `communities` and the exports are those of
    any other graph.

    References
    ----------
    Ameisen et al., "Circuit Tracing: Revealing Computational Graphs in Language Models", 2025.
    Hanna, Pezzelle, Belinkov, "Have Faith in Faithfulness", arXiv 2403.17806.

    Examples
    --------
    >>> import json, pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "scores.json"
    >>> scores = {"input->a0.h0<q>": 0.5, "a0.h0->m0": -1.5, "m0->logits": 2.0}
    >>> _ = path.write_text(json.dumps({"edges": scores}))
    >>> graph = read_attribution_graph(path)
    >>> graph, graph.nodes["layer"].tolist()
    (<Graph: 4 layers, 4 nodes, 3 edges>, ['input', 'attention 0', 'mlp 0', 'logits'])
    """
    path = Path(path)
    data = _read_json(path)
    try:
        if circuit_tracer.recognizes(data):
            if in_circuit:
                raise FormatError("it marks no edges as parts of a circuit; leave in_circuit out")
            return circuit_tracer.graph_from(data)
        if edge_scores.recognizes(data):
            return edge_scores.graph_from(data, in_circuit=in_circuit)
    except FormatError as error:
        raise FormatError(f"{path}: {error}") from None
    raise FormatError(
        f"{path}: expected an attribution graph with 'nodes' and 'links' (circuit-tracer, "
        f"Neuronpedia) or with 'edges' (edge attribution patching), found {sorted(data)[:8]}"
    )


def _read_json(path: Path) -> dict[str, Any]:
    """Return the object that a JSON file holds."""
    try:
        check_memory(_MEMORY_PER_BYTE * path.stat().st_size, f"reading {path}")
        data = json.loads(path.read_bytes(), parse_constant=_refuse)
    except CntGraphError:
        raise
    except OSError as error:
        raise FormatError(f"{path}: the file cannot be read ({error})") from error
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{path}: expected JSON, and it is none ({error})") from error
    if not isinstance(data, dict):
        raise FormatError(f"{path}: expected a JSON object, found a {type(data).__name__}")
    return data


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number; edges without a score have to be left out")
