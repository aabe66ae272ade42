"""The table: by family what loads, what is whole and what is right; then every failure and cut."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
from timing import machine

from .case import UNREAD
from .families import FAMILIES

Record = Mapping[str, Any]
LOST = "said to be not used, though the outputs have a gradient there"
PACKAGES = {"torchvision": "torchvision", "timm": "timm", "transformers": "transformers",
            "onnx": "onnx", "keras_applications": "keras", "torch_geometric": "torch-geometric",
            "diffusers": "diffusers", "segmentation": "segmentation-models-pytorch", "jax": "flax",
            "spiking": "snntorch", "monai": "monai"}  # fmt: skip

_INTRODUCTION = """# Architectures in the wild

`python -m benchmarks.compatibility` on {machine}; {packages}.

Each architecture is made small, with random weights, and loaded by
`cntgraph.load(model, example_input=…)` in a watched process of one thread. *Loaded* models have a
graph; *whole* are those in which no operation is cut and no parameter that takes part in evaluation
is left out; *values in the graph* is the share of learned numbers that are included or folded, the
mean over the models. *Sums* are layers whose Aᵀz + b was held against the framework's own values
on random input: of linear and convolutional modules by hooks, in PyTorch also of every layer as it
was traced, in ONNX and JAX of whole networks (`benchmarks/compatibility/audit/` says how, and what
is not checked); what is off in the model's own precision is decided in double precision, to a
billionth of the sum of the terms. *Edges* are linear and convolutional blocks whose edges were
counted independently. *Other errors* are those that are no `CntGraphError`. {untried}

"""


def write(records: Iterable[Record], path: Path) -> None:
    """Write the table of what was found."""
    records = list(records)
    made = [r for r in records if r["outcome"] != "not made"]
    parts = [
        _INTRODUCTION.format(machine=machine(), packages=_versions(records),
                             untried=_untried(records)),
        _by_family(records),
        _failures("Not loaded", made, lambda r: [r["message"]] if r["outcome"] != "loaded" else [],
                  lambda r: r["outcome"]),
        _failures("Wrong numbers", made, _wrong),
        _failures("Miscounted edges", made, lambda r: _texts(r, "edges")),
        _failures("Not audited", made, lambda r: [(r.get("audit") or {}).get("failed")]),
        _cuts(made),
        _failures("Not made: the architecture found no input, or its library failed", records,
                  lambda r: [r["message"]] if r["outcome"] == "not made" else []),
    ]  # fmt: skip
    path.write_text("\n".join(part for part in parts if part))


def _versions(records: list[Record]) -> str:
    families = {r["family"] for r in records}
    found = []
    for name in ["torch", *(PACKAGES.get(f, f) for f in FAMILIES if f in families)]:
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            found.append(name)
    return ", ".join(found)


def _untried(records: list[Record]) -> str:
    """Return which families are in the code and were not tried, or not to their end."""
    tried = {r["family"] for r in records}
    missing = [family for family in FAMILIES if family not in tried]
    return f"Not tried: {', '.join(missing)}." if missing else ""


# -- by family ----------------------------------------------------------------------------------

_COLUMNS: dict[str, Callable[[list[Record]], Any]] = {
    "tried": len,
    "loaded": lambda rs: _share(sum(map(is_loaded, rs)), len(rs)),
    "whole": lambda rs: _share(sum(map(is_whole, rs)), len(rs)),
    "values in the graph": lambda rs: _values(rs),
    "sums right": lambda rs: sum((r.get("audit") or {}).get("right", 0) for r in rs),
    "sums wrong": lambda rs: sum(len(_wrong(r)) for r in rs),
    "models with a wrong sum": lambda rs: sum(bool(_wrong(r)) for r in rs),
    "edges counted": lambda rs: sum((r.get("audit") or {}).get("counts", 0) for r in rs),
    "miscounted": lambda rs: sum(len(_texts(r, "edges")) for r in rs),
    "refused": lambda rs: sum(r["outcome"].startswith("refused") for r in rs),
    "other errors": lambda rs: sum(r["outcome"].startswith(("other", "crash")) for r in rs),
    "time-outs": lambda rs: sum(r["outcome"].startswith("timeout") for r in rs),
    "median, s": lambda rs: f"{sorted(r.get('seconds', 0.0) for r in rs)[len(rs) // 2]:.1f}",
    "slowest, s": lambda rs: _largest(rs, "seconds"),
    "most memory, MB": lambda rs: _largest(rs, "megabytes"),
}


def _by_family(records: list[Record]) -> str:
    families = [f for f in FAMILIES if any(r["family"] == f for r in records)]
    made = [r for r in records if r["outcome"] != "not made"]
    rows = [["family", *_COLUMNS], ["---"] * (len(_COLUMNS) + 1)]
    for name in [*families, "all"]:
        found = [r for r in made if name in (r["family"], "all")]
        if found:
            rows.append([name, *(f"{make(found)}" for make in _COLUMNS.values())])
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def is_loaded(record: Record) -> bool:
    """Whether a model has a graph."""
    return bool(record["outcome"] == "loaded")


def is_whole(record: Record) -> bool:
    """Whether nothing of a model is left out that takes part in evaluation."""
    return is_loaded(record) and not record.get("cuts") and not left_out(record)


def is_fine(record: Record) -> bool:
    """Whether a model is whole, and nothing that was checked is wrong."""
    audit = record.get("audit") or {}
    return is_whole(record) and not any(audit.get(key) for key in ("wrong", "edges", "failed"))


def left_out(record: Record) -> dict[str, str]:
    """Return the parameters that are left out though they take part, and why."""
    skipped: dict[str, str] = record.get("skipped") or {}
    lost = (record.get("audit") or {}).get("lost") or []
    return {name: LOST if name in lost else reason for name, reason in skipped.items()
            if name in lost or reason != UNREAD}  # fmt: skip


def _share(n: int, of: int) -> str:
    return f"{n} ({100 * n / max(of, 1):.1f} %)"


def _values(records: list[Record]) -> str:
    """Return the mean share of learned values that are in the graph."""
    found = []
    for r in records:
        values = r.get("values")
        if values and sum(values.values()):
            unread = values["skipped"] if not left_out(r) and not r.get("cuts") else 0
            n = values["included"] + values["folded"]
            found.append(n / max(sum(values.values()) - unread, 1))
    return f"{100 * sum(found) / max(len(found), 1):.1f} %"


def _largest(records: list[Record], key: str) -> str:
    most = max(records, key=lambda r: r.get(key, 0))
    return f"{most.get(key, 0):.0f} ({most['name']})"


# -- what is wrong, and what is cut -------------------------------------------------------------


def _texts(record: Record, key: str) -> list[str]:
    return [f"`{name}`: {text}" for name, text in (record.get("audit") or {}).get(key) or []]


def _wrong(record: Record) -> list[str]:
    return _texts(record, "wrong")


def _failures(
    title: str,
    records: list[Record],
    found: Callable[[Record], Iterable[str | None]],
    what: Callable[[Record], str] | None = None,
) -> str:
    """Return a table with a row for every model of which something is found."""
    rows = []
    for record in records:
        texts = [text for text in found(record) if text]
        if texts:
            more = f"; and {len(texts) - 3} more" if len(texts) > 3 else ""
            kind = [what(record)] if what else []
            said = _cell("; ".join(texts[:3]) + more)
            rows.append([record["family"], record["name"], *kind, said])
    if not rows:
        return ""
    header = ["family", "architecture", *(["outcome"] if what else []), "reason"]
    lines = [header, ["---"] * len(header), *rows]
    return f"## {title} ({len(rows)})\n\n" + "".join(f"| {' | '.join(row)} |\n" for row in lines)


def _cuts(records: list[Record]) -> str:
    """Return a table of the reasons why something is cut or left out, and of the models it hits."""
    hit: dict[str, dict[str, str]] = {}
    for record in records:
        reasons = [*(record.get("cuts") or {}).items(), *left_out(record).items()]
        for name, reason in reasons:
            hit.setdefault(_general(reason), {}).setdefault(record["name"], name)
    if not hit:
        return ""
    rows = [["models", "reason", "for example"], ["---"] * 3]
    for reason, models in sorted(hit.items(), key=lambda item: -len(item[1])):
        shown = [f"{model} (`{name}`)" for model, name in list(models.items())[:2]]
        names = [*shown, *list(models)[2:12], *(["…"] if len(models) > 12 else [])]
        rows.append([str(len(models)), _cell(reason), _cell(", ".join(names))])
    n = sum(1 for r in records if r.get("cuts") or left_out(r))
    lines = "".join(f"| {' | '.join(row)} |\n" for row in rows)
    return f"## What is cut or left out, and why ({n} architectures)\n\n{lines}"


def _general(reason: str) -> str:
    """Return a reason without numbers and names of one model."""
    return re.sub(r"\d+", "n", reason)


def _cell(text: str) -> str:
    return re.sub(r"\s+", " ", text).replace("|", "\\|")
