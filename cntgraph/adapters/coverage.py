"""Coverage: what became of every parameter and operation of a model."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from cntgraph.core.errors import CoverageError, CoverageWarning
from cntgraph.core.parameter import Parameter
from cntgraph.network.blocks import Block
from cntgraph.network.coverage import CoverageEntry, Status


def coverage_entries(
    parameters: Iterable[Parameter],
    blocks: Iterable[Block],
    folded: Mapping[str, str],
    reasons: Mapping[str, str],
    coefficients: Collection[str] = (),
) -> list[CoverageEntry]:
    """Return, for every parameter, the blocks that read it, or why none does.

    Parameters
    ----------
    parameters : iterable of Parameter
        All that the model stores.
    blocks : iterable of Block
        The network's.
    folded : mapping of str to str
        By parameter, the operation that was folded into its blocks.
    reasons : mapping of str to str
        By parameter, why it is left out, where that is known.
    coefficients : collection of str
        Parameters that only say which function an activation is: nothing is left out.

    Returns
    -------
    list of CoverageEntry
    """
    readers: dict[str, dict[str, None]] = {}
    for block in blocks:
        for parameter in block.parameters():
            readers.setdefault(parameter.name, {})[block.name] = None
    entries = []
    for p in parameters:
        kind = "parameter" if p.trainable else "buffer"
        names = ", ".join(readers.get(p.name, ()))
        entry = CoverageEntry(p.name, kind, "included", names, "", p.shape, p.dtype)
        if not names:
            reason = reasons.get(p.name, "not used on the way from the input to the output")
            status: Status = "folded" if p.name in coefficients else "skipped"
            entry = replace(entry, status=status, reason=reason)
        elif p.name in folded:
            entry = replace(entry, status="folded", reason=f"by {folded[p.name]}")
        entries.append(entry)
    return entries


def report_left_out(entries: Sequence[CoverageEntry], *, strict: bool) -> None:
    """Warn, or raise, where a trainable parameter or an operation was left out.

    Parameters
    ----------
    entries : sequence of CoverageEntry
    strict : bool
        Whether to raise.

    Raises
    ------
    CoverageError
        If `strict` and something was left out.
    """
    left_out = [e for e in entries if e.status == "skipped" and e.kind != "buffer"]
    if not left_out:
        return
    shown = "; ".join(f"{e.name}: {e.reason}" for e in left_out[:3])
    more = f"; and {len(left_out) - 3} more" if len(left_out) > 3 else ""
    message = f"left out of the graph: {shown}{more}. net.coverage lists everything"
    if strict:
        raise CoverageError(message)
    warnings.warn(message, CoverageWarning, stacklevel=5)
